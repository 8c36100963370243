"""All filters by name, and the sets of them that a configuration can name."""

from __future__ import annotations

import difflib

from tuinova.core.errors import SchedulerHostFilterNotFound
from tuinova.scheduler.filters import affinity, aggregates, capacity, compute, devices, image, json_query
from tuinova.scheduler.filters.base import HostFilter
from tuinova.scheduler.options import SchedulerOptions

_ALL: tuple[type[HostFilter], ...] = (
    *(compute.AllHostsFilter, compute.ComputeFilter, compute.ComputeCapabilitiesFilter, compute.RetryFilter),
    *(compute.IoOpsFilter, compute.NumInstancesFilter, compute.MetricsFilter),
    *(image.ImagePropertiesFilter, image.AggregateImagePropertiesIsolation, image.IsolatedHostsFilter),
    *(affinity.ServerGroupAntiAffinityFilter, affinity.ServerGroupAffinityFilter),
    *(affinity.SameHostFilter, affinity.DifferentHostFilter, affinity.SimpleCIDRAffinityFilter),
    *(aggregates.AggregateIoOpsFilter, aggregates.AggregateNumInstancesFilter),
    *(aggregates.AggregateInstanceExtraSpecsFilter, aggregates.AggregateMultiTenancyIsolation),
    *(aggregates.AggregateTypeAffinityFilter, aggregates.AvailabilityZoneFilter),
    *(capacity.CoreFilter, capacity.RamFilter, capacity.DiskFilter),
    *(capacity.AggregateCoreFilter, capacity.AggregateRamFilter, capacity.AggregateDiskFilter),
    *(capacity.ExactCoreFilter, capacity.ExactRamFilter, capacity.ExactDiskFilter),
    *(devices.PciPassthroughFilter, devices.NUMATopologyFilter, json_query.JsonFilter),
)

FILTERS: dict[str, type[HostFilter]] = {kind.__name__: kind for kind in _ALL}
"""Every filter by the name that enables it."""

_TODAY = (
    "ComputeFilter",
    "ComputeCapabilitiesFilter",
    "ImagePropertiesFilter",
    "ServerGroupAntiAffinityFilter",
    "ServerGroupAffinityFilter",
)

PRESETS: dict[str, tuple[str, ...]] = {
    "default": _TODAY,
    "ocata": (
        *("RetryFilter", "AvailabilityZoneFilter", "RamFilter", "DiskFilter", "CoreFilter"),
        *_TODAY,
        *("SameHostFilter", "DifferentHostFilter"),
    ),
}
"""Sets of filters: Nova's default of today, and that of 2017 with the three that its users added most."""


def filter_names(enabled: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """The filters that `enabled_filters` names, presets spelled out, each once and in order.

    Raises:
        SchedulerHostFilterNotFound: a name is unknown; the message suggests the nearest.
    """
    given = enabled.split(",") if isinstance(enabled, str) else enabled
    names: dict[str, None] = {}
    for word in (word.strip() for word in given):
        for name in PRESETS.get(word, (word,)):
            # Configurations of 2017 name classes by their module path.
            short = name.rpartition(".")[2]
            if short not in FILTERS:
                raise _unknown(name)
            names[short] = None
    return tuple(names)


def _unknown(name: str) -> SchedulerHostFilterNotFound:
    error = SchedulerHostFilterNotFound(filter_name=name)
    near = difflib.get_close_matches(name, [*FILTERS, *PRESETS], n=1, cutoff=0.5)
    if not near:
        return error
    return SchedulerHostFilterNotFound(f"{error.message} Did you mean {near[0]}?", filter_name=name)


def build_filters(options: SchedulerOptions) -> tuple[HostFilter, ...]:
    """The enabled filters, in order."""
    return tuple(FILTERS[name](options) for name in filter_names(options.enabled_filters))
