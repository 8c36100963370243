"""Names of 2017 and what became of them, and names of Nova's that this version knows but does not use."""

from __future__ import annotations

from typing import Final

_D, _S, _F, _Q, _I = "DEFAULT", "scheduler", "filter_scheduler", "quota", "image_cache"

# (group, name) of 2017 to today's.
RENAMED: Final[dict[tuple[str, str], tuple[str, str]]] = {
    (_D, "scheduler_default_filters"): (_F, "enabled_filters"),
    (_D, "scheduler_host_subset_size"): (_F, "host_subset_size"),
    (_D, "scheduler_max_attempts"): (_S, "max_attempts"),
    (_D, "scheduler_weight_classes"): (_F, "weight_classes"),
    (_D, "ram_weight_multiplier"): (_F, "ram_weight_multiplier"),
    (_D, "disk_weight_multiplier"): (_F, "disk_weight_multiplier"),
    (_D, "io_ops_weight_multiplier"): (_F, "io_ops_weight_multiplier"),
    (_D, "soft_affinity_weight_multiplier"): (_F, "soft_affinity_weight_multiplier"),
    (_D, "soft_anti_affinity_weight_multiplier"): (_F, "soft_anti_affinity_weight_multiplier"),
    (_D, "max_io_ops_per_host"): (_F, "max_io_ops_per_host"),
    (_D, "max_instances_per_host"): (_F, "max_instances_per_host"),
    (_D, "isolated_images"): (_F, "isolated_images"),
    (_D, "isolated_hosts"): (_F, "isolated_hosts"),
    (_D, "restrict_isolated_hosts_to_isolated_images"): (_F, "restrict_isolated_hosts_to_isolated_images"),
    **{
        (_D, f"quota_{name}"): (_Q, name)
        for name in (
            "instances",
            "cores",
            "ram",
            "metadata_items",
            "injected_files",
            "injected_file_content_bytes",
            "injected_file_path_length",
            "key_pairs",
            "server_groups",
            "server_group_members",
        )
    },
    (_D, "image_cache_manager_interval"): (_I, "manager_interval"),
    (_D, "image_cache_subdirectory_name"): (_I, "subdirectory_name"),
    (_D, "remove_unused_base_images"): (_I, "remove_unused_base_images"),
    (_D, "remove_unused_original_minimum_age_seconds"): (_I, "remove_unused_original_minimum_age_seconds"),
    (_D, "vnc_enabled"): ("vnc", "enabled"),
    (_D, "vncserver_listen"): ("vnc", "server_listen"),
    ("vnc", "vncserver_listen"): ("vnc", "server_listen"),
    (_D, "sql_connection"): ("database", "connection"),
    (_D, "console_token_ttl"): ("consoleauth", "token_ttl"),
    (_D, "osapi_max_limit"): ("api", "max_limit"),
    (_D, "enable_instance_password"): ("api", "enable_instance_password"),
    (_D, "dhcp_domain"): ("api", "dhcp_domain"),
    (_D, "use_cow"): (_D, "use_cow_images"),
    (_D, "shutdown_retry_interval"): ("compute", "shutdown_retry_interval"),
    (_D, "handle_virt_lifecycle_events"): ("workarounds", "handle_virt_lifecycle_events"),
    (_D, "compute_driver"): ("tuinova", "driver"),
}

# Values of `compute_driver` to our driver's names.
DRIVERS: Final = {
    "libvirt.LibvirtDriver": "libvirt",
    "nova.virt.libvirt.LibvirtDriver": "libvirt",
    "fake.FakeDriver": "fake",
    "nova.virt.fake.FakeDriver": "fake",
}

# Accepted with a warning: they choose or tune what this version does in one way only, or not yet.
WITHOUT_EFFECT: Final = frozenset(
    {
        (_D, "scheduler_driver"),
        (_S, "driver"),
        (_D, "scheduler_available_filters"),
        (_F, "available_filters"),
        (_D, "scheduler_host_manager"),
        (_D, "scheduler_use_baremetal_filters"),
        (_D, "use_neutron"),
        (_D, "firewall_driver"),
        (_D, "network_api_class"),
        (_D, "transport_url"),
        (_D, "rpc_backend"),
        (_D, "state_path"),
        (_D, "lock_path"),
        (_D, "log_dir"),
        (_D, "verbose"),
        (_D, "enabled_apis"),
        (_D, "auth_strategy"),
        (_D, "heal_instance_info_cache_interval"),
        (_D, "instance_usage_audit"),
        (_D, "periodic_fuzzy_delay"),
        (_D, "migrate_max_retries"),
        (_D, "max_concurrent_live_migrations"),
        (_D, "vif_plugging_timeout"),
        (_D, "vif_plugging_is_fatal"),
    }
)
