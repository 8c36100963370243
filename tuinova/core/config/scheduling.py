"""The options of the scheduler and the quotas (nova/conf/scheduler.py, nova/conf/quota.py)."""

from __future__ import annotations

from typing import Final

from tuinova.core.config.option import Option
from tuinova.core.quota_table import COMPUTE, RESOURCES

_S, _F, _M, _Q = "scheduler", "filter_scheduler", "metrics", "quota"
DEFAULT_FILTERS: Final = (
    "ComputeFilter",
    "ComputeCapabilitiesFilter",
    "ImagePropertiesFilter",
    "ServerGroupAntiAffinityFilter",
    "ServerGroupAffinityFilter",
)


def _weight(name: str, default: float, what: str) -> Option:
    return Option(_F, name, "float", default, f"Weight of {what}; negative packs instead of spreading.")


def _quota(name: str, default: int, what: str) -> Option:
    return Option(_Q, name, "int", default, f"{what}; -1: unlimited.", minimum=-1)


OPTIONS: Final = (
    Option(_S, "max_attempts", "int", 3, "Hosts that a build tries in all.", minimum=1),
    Option(_S, "max_placement_results", "int", 1000, "Most hosts that one decision looks at.", minimum=1),
    Option(_S, "limit_tenants_to_placement_aggregate", "bool", False, "Keep projects to their aggregates."),
    Option(_S, "placement_aggregate_required_for_tenants", "bool", False, "Refuse projects without an aggregate."),
    Option(_S, "query_placement_for_image_type_support", "bool", False, "Only hosts that take the image's format."),
    Option(_S, "enable_isolated_aggregate_filtering", "bool", False, "Keep aggregates for the traits they demand."),
    Option(_S, "image_metadata_prefilter", "bool", False, "Turn image properties into required traits."),
    Option(
        _F,
        "enabled_filters",
        "list",
        DEFAULT_FILTERS,
        'The filters in order; "ocata" is the set of 2017 with Core, SameHost and DifferentHost.',
    ),
    Option(_F, "host_subset_size", "int", 1, "Pick at random among that many best hosts.", minimum=1),
    Option(_F, "shuffle_best_same_weighed_hosts", "bool", False, "Shuffle the best hosts of equal weight."),
    Option(_F, "max_io_ops_per_host", "int", 8, "For IoOpsFilter.", minimum=0),
    Option(_F, "max_instances_per_host", "int", 50, "For NumInstancesFilter.", minimum=1),
    Option(_F, "isolated_images", "list", (), "Images that only isolated hosts run."),
    Option(_F, "isolated_hosts", "list", (), "Hosts for isolated images."),
    Option(
        _F, "restrict_isolated_hosts_to_isolated_images", "bool", True, "Isolated hosts run nothing but such images."
    ),
    Option(
        _F, "aggregate_image_properties_isolation_namespace", "str", None, "Prefix of the properties that are compared."
    ),
    Option(_F, "aggregate_image_properties_isolation_separator", "str", ".", "What stands behind that prefix."),
    Option(_F, "image_properties_default_architecture", "str", None, "Architecture of images that name none."),
    Option(
        _F,
        "weight_classes",
        "list",
        ("all_weighers",),
        "The weighers that run.",
        nova_default=("nova.scheduler.weights.all_weighers",),
    ),
    _weight("ram_weight_multiplier", 1.0, "free RAM"),
    _weight("cpu_weight_multiplier", 1.0, "free CPUs"),
    _weight("disk_weight_multiplier", 1.0, "free disk"),
    _weight("io_ops_weight_multiplier", -1.0, "work in progress"),
    _weight("pci_weight_multiplier", 1.0, "PCI devices"),
    _weight("soft_affinity_weight_multiplier", 1.0, "members of a soft-affinity group"),
    _weight("soft_anti_affinity_weight_multiplier", 1.0, "members of a soft-anti-affinity group"),
    _weight("build_failure_weight_multiplier", 1000000.0, "failed builds"),
    _weight("cross_cell_move_weight_multiplier", 1000000.0, "moves between cells"),
    _weight("hypervisor_version_weight_multiplier", 1.0, "newer hypervisors"),
    _weight("num_instances_weight_multiplier", 0.0, "the number of servers"),
    _weight("image_props_weight_multiplier", 0.0, "servers with the same image properties"),
    Option(_M, "weight_multiplier", "float", 1.0, "Weight of the metrics."),
    Option(_M, "weight_setting", "list", (), "Metrics and their weights, name=ratio."),
    Option(_M, "required", "bool", True, "Whether a host must report all of them."),
    Option(_M, "weight_of_unavailable", "float", -10000.0, "Weight where a metric is missing."),
    _quota("instances", 10, "Servers of a project"),
    _quota("cores", 20, "vCPUs of a project"),
    _quota("ram", 51200, "MiB of RAM of a project"),
    _quota("metadata_items", 128, "Metadata items of a server"),
    _quota("injected_files", 5, "Files of a create request"),
    _quota("injected_file_content_bytes", 10240, "Bytes of such a file"),
    _quota("injected_file_path_length", 255, "Bytes of its path"),
    _quota("key_pairs", 100, "Key pairs of a user"),
    _quota("server_groups", 10, "Server groups of a project"),
    _quota("server_group_members", 10, "Servers of a group"),
    # Neutron's and Cinder's, by the names that they have there.
    *(
        Option(*resource.option, "int", resource.default, f"{resource.what}; -1: unlimited.", ours=True, minimum=-1)
        for resource in RESOURCES
        if resource.service != COMPUTE
    ),
    Option(_Q, "recheck_quota", "bool", True, "Count again in the transaction that writes the servers."),
)
