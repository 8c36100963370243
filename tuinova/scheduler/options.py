"""The scheduler's options, with Nova's names and defaults (nova/conf/scheduler.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class MetricsOptions:
    """Group `[metrics]`: which metrics weigh, and what a host that lacks one of them gets."""

    weight_multiplier: float = 1.0
    weight_setting: tuple[str, ...] = ()
    required: bool = True
    weight_of_unavailable: float = -10000.0

    @property
    def ratios(self) -> dict[str, float]:
        """The settings `name=ratio` as a mapping; an entry without a number is ignored, as Nova does."""
        parsed: dict[str, float] = {}
        for entry in self.weight_setting:
            name, _, ratio = entry.partition("=")
            try:
                parsed[name.strip()] = float(ratio)
            except ValueError:
                continue
        return parsed


@dataclass(frozen=True, slots=True)
class SchedulerOptions:
    """Groups `[scheduler]` and `[filter_scheduler]`, and the few of other groups that decide on a host."""

    # [scheduler]
    max_attempts: int = 3
    max_placement_results: int = 1000
    limit_tenants_to_placement_aggregate: bool = False
    placement_aggregate_required_for_tenants: bool = False
    query_placement_for_image_type_support: bool = False
    enable_isolated_aggregate_filtering: bool = False
    image_metadata_prefilter: bool = False
    # [filter_scheduler]
    enabled_filters: str | tuple[str, ...] = "default"
    host_subset_size: int = 1
    shuffle_best_same_weighed_hosts: bool = False
    max_io_ops_per_host: int = 8
    max_instances_per_host: int = 50
    isolated_images: tuple[str, ...] = ()
    isolated_hosts: tuple[str, ...] = ()
    restrict_isolated_hosts_to_isolated_images: bool = True
    aggregate_image_properties_isolation_namespace: str | None = None
    aggregate_image_properties_isolation_separator: str = "."
    image_properties_default_architecture: str | None = None
    weight_classes: tuple[str, ...] = ("all_weighers",)
    ram_weight_multiplier: float = 1.0
    cpu_weight_multiplier: float = 1.0
    disk_weight_multiplier: float = 1.0
    io_ops_weight_multiplier: float = -1.0
    pci_weight_multiplier: float = 1.0
    soft_affinity_weight_multiplier: float = 1.0
    soft_anti_affinity_weight_multiplier: float = 1.0
    build_failure_weight_multiplier: float = 1000000.0
    cross_cell_move_weight_multiplier: float = 1000000.0
    hypervisor_version_weight_multiplier: float = 1.0
    num_instances_weight_multiplier: float = 0.0
    image_props_weight_multiplier: float = 0.0
    # [metrics]
    metrics: MetricsOptions = field(default_factory=MetricsOptions)
    # [pci] alias: one mapping (name, vendor_id, product_id, device_type, numa_policy) for each alias
    pci_alias: tuple[Mapping[str, Any], ...] = ()
    # [DEFAULT]
    default_availability_zone: str = "nova"
    service_down_time: int = 60
