"""Weighers: how good each host is, on Nova's scale (nova/weights.py, nova/scheduler/weights/*)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tuinova.core.errors import NotFound
from tuinova.scheduler.columns import Array
from tuinova.scheduler.filters.affinity import members_on
from tuinova.scheduler.filters.base import aggregate_minimum
from tuinova.scheduler.filters.compute import reported
from tuinova.scheduler.options import SchedulerOptions
from tuinova.scheduler.request import RequestSpec
from tuinova.scheduler.view import HostView


class ComputeHostMetricNotFound(NotFound):
    """A host lacks a metric that is required to weigh it."""

    msg_fmt = "Metric {name} could not be found on the compute host node {host}.{node}."


class SchedulerWeigherNotFound(NotFound):
    """An unknown weigher in `weight_classes`."""

    msg_fmt = "Scheduler Weigher {weigher_name} could not be found."


class HostWeigher(ABC):
    """One measure of hosts.

    With `pinned` the smallest raw value on the scale is 0 and lower ones count as 0; else it is the smallest found.
    """

    pinned: ClassVar[bool] = False
    option: ClassVar[str]
    sign: ClassVar[int] = 1

    def __init__(self, options: SchedulerOptions) -> None:
        self.options = options

    @property
    def name(self) -> str:
        """The name of Nova's class."""
        return type(self).__name__

    @abstractmethod
    def raw(self, view: HostView, spec: RequestSpec) -> Array | None:
        """The measure of each host; None when it is 0 for all."""

    def configured(self) -> float:
        """The multiplier of the configuration."""
        return float(getattr(self.options, self.option))

    def multiplier(self, view: HostView) -> Array | float:
        """The multiplier, of each host where aggregates override it."""
        default = self.configured()
        if self.option in view.snapshot.aggregate_keys:
            return self.sign * aggregate_minimum(view, self.option, default)
        return self.sign * default


class RAMWeigher(HostWeigher):
    """Free memory."""

    pinned = True
    option = "ram_weight_multiplier"

    def raw(self, view: HostView, spec: RequestSpec) -> Array:
        return view.col("free_ram_mb")


class CPUWeigher(HostWeigher):
    """Free vCPUs under the allocation ratio."""

    pinned = True
    option = "cpu_weight_multiplier"

    def raw(self, view: HostView, spec: RequestSpec) -> Array:
        return view.col("free_vcpus")


class DiskWeigher(HostWeigher):
    """Free disk."""

    pinned = True
    option = "disk_weight_multiplier"

    def raw(self, view: HostView, spec: RequestSpec) -> Array:
        return view.col("free_disk_mb")


class IoOpsWeigher(HostWeigher):
    """Operations that load the host's disk; fewer are better by the default multiplier."""

    pinned = True
    option = "io_ops_weight_multiplier"

    def raw(self, view: HostView, spec: RequestSpec) -> Array:
        return view.col("num_io_ops")


class PCIWeigher(HostWeigher):
    """Hosts with fewer free PCI devices first, so that those with many stay free for who needs them."""

    option = "pci_weight_multiplier"

    def raw(self, view: HostView, spec: RequestSpec) -> Array:
        return view.col("pci_weight")


class ServerGroupSoftAffinityWeigher(HostWeigher):
    """Members of a soft-affinity group on the host."""

    option = "soft_affinity_weight_multiplier"
    policy: ClassVar[str] = "soft-affinity"
    direction: ClassVar[int] = 1

    def raw(self, view: HostView, spec: RequestSpec) -> Array | None:
        if spec.group is None or spec.group.policy != self.policy:
            return None
        return self.direction * members_on(view, spec, spec.group)


class ServerGroupSoftAntiAffinityWeigher(ServerGroupSoftAffinityWeigher):
    """Members of a soft-anti-affinity group on the host, negated."""

    option = "soft_anti_affinity_weight_multiplier"
    policy = "soft-anti-affinity"
    direction = -1


class BuildFailureWeigher(HostWeigher):
    """Builds that failed on the host since the last success; weighs against it."""

    option = "build_failure_weight_multiplier"
    sign = -1

    def raw(self, view: HostView, spec: RequestSpec) -> Array:
        return view.col("failed_builds")


class CrossCellWeigher(HostWeigher):
    """Of a move that may leave its cell: 1 in the preferred cell, -1 in others; 0 for everything else."""

    option = "cross_cell_move_weight_multiplier"

    def raw(self, view: HostView, spec: RequestSpec) -> Array | None:
        if spec.preferred_cell is None:
            return None
        return view.map_pool("cell", lambda cell: 1 if cell == spec.preferred_cell else -1, np.float64)


class HypervisorVersionWeigher(HostWeigher):
    """Newer hypervisors first."""

    option = "hypervisor_version_weight_multiplier"

    def raw(self, view: HostView, spec: RequestSpec) -> Array:
        return view.col("hypervisor_version")


class NumInstancesWeigher(HostWeigher):
    """Servers on the host."""

    option = "num_instances_weight_multiplier"

    def raw(self, view: HostView, spec: RequestSpec) -> Array:
        return view.col("num_instances")


class ImagePropertiesWeigher(HostWeigher):
    """How often the image's properties occur among the servers of the host; costly, so not counted when it is off."""

    option = "image_props_weight_multiplier"

    def raw(self, view: HostView, spec: RequestSpec) -> Array | None:
        asked = {(key, str(value)) for key, value in spec.properties.items()}
        if not asked or not self.configured():
            return None
        counts = np.zeros(len(view))
        for i in range(len(view)):
            for holding in tuple(view.snapshot.held[view.row(i)].values()):
                counts[i] += sum((key, str(value)) in asked for key, value in holding.image_properties.items())
        return counts


class MetricsWeigher(HostWeigher):
    """The sum of metric x ratio over `[metrics] weight_setting`.

    A missing metric is an error when required, else it makes the host's measure `weight_of_unavailable`.
    """

    option = "metrics_weight_multiplier"

    def configured(self) -> float:
        return float(self.options.metrics.weight_multiplier)

    def raw(self, view: HostView, spec: RequestSpec) -> Array | None:
        if not self.options.metrics.weight_setting:
            return None
        total = np.zeros(len(view))
        for metric, ratio in self.options.metrics.ratios.items():
            known = reported(view, metric)
            if not known.all() and self.options.metrics.required:
                host, node = view.name(int(np.flatnonzero(~known)[0]))
                raise ComputeHostMetricNotFound(name=metric, host=host, node=node)
            if known.any():
                total += view.col("metric:" + metric) * ratio
            else:
                total[:] = np.nan
        return np.where(np.isnan(total), self.options.metrics.weight_of_unavailable, total)


_ALL: tuple[type[HostWeigher], ...] = (
    *(RAMWeigher, CPUWeigher, DiskWeigher, IoOpsWeigher, PCIWeigher),
    *(ServerGroupSoftAffinityWeigher, ServerGroupSoftAntiAffinityWeigher, BuildFailureWeigher, CrossCellWeigher),
    *(HypervisorVersionWeigher, NumInstancesWeigher, ImagePropertiesWeigher, MetricsWeigher),
)

WEIGHERS: dict[str, type[HostWeigher]] = {kind.__name__: kind for kind in _ALL}
"""Every weigher by name."""

_EVERY = "all_weighers"


def build_weighers(options: SchedulerOptions) -> tuple[HostWeigher, ...]:
    """The weighers of `weight_classes`; "all_weighers" (also by its module path) stands for all.

    Raises:
        SchedulerWeigherNotFound: a name is unknown.
    """
    names: dict[str, None] = {}
    for given in options.weight_classes:
        short = given.rpartition(".")[2]
        if short != _EVERY and short not in WEIGHERS:
            raise SchedulerWeigherNotFound(weigher_name=given)
        names.update(dict.fromkeys(WEIGHERS if short == _EVERY else (short,)))
    return tuple(WEIGHERS[name](options) for name in names)


@dataclass(frozen=True, slots=True)
class Weighed:
    """One weigher's part in a decision: what it measured, and the scale on which it counts."""

    name: str
    raw: Array | None
    multiplier: Array | float
    low: float
    high: float

    @property
    def counts(self) -> bool:
        """Whether it can move any host up or down."""
        return not self.flat and bool(np.any(self.multiplier))

    @property
    def flat(self) -> bool:
        """Whether all hosts measure the same on the scale, so that none gets any weight."""
        return self.low == self.high

    def at(self, i: int) -> dict[str, Any]:
        """Raw, multiplier, normalised and resulting weight of the i-th host."""
        raw = 0.0 if self.raw is None else float(self.raw[i])
        normalized = 0.0 if self.flat else (max(raw, self.low) - self.low) / (self.high - self.low)
        multiplier = float(self.multiplier[i] if isinstance(self.multiplier, np.ndarray) else self.multiplier)
        return {"raw": raw, "multiplier": multiplier, "normalized": normalized, "weight": multiplier * normalized}


def weigh(weighers: tuple[HostWeigher, ...], view: HostView, spec: RequestSpec) -> tuple[Array, list[Weighed]]:
    """The final weight of each host and each weigher's part in it; one host alone is not weighed.

    Each measure is normalised as (raw - low) / (high - low) over these hosts, 0 for all when high = low, then
    multiplied and summed up.
    """
    total = np.zeros(len(view))
    if len(view) <= 1:
        return total, []
    parts = []
    scratch = np.empty(len(view))  # the arithmetic of a hundred thousand hosts costs less without new arrays
    for weigher in weighers:
        part = _weighed(weigher, view, spec)
        parts.append(part)
        if part.raw is None or not part.counts:
            continue
        if weigher.pinned:
            np.maximum(part.raw, part.low, out=scratch)
        else:
            np.subtract(part.raw, part.low, out=scratch)
        scratch /= part.high - part.low
        scratch *= part.multiplier
        total += scratch
    return total, parts


def _weighed(weigher: HostWeigher, view: HostView, spec: RequestSpec) -> Weighed:
    raw, multiplier = weigher.raw(view, spec), weigher.multiplier(view)
    if raw is None:
        return Weighed(weigher.name, None, multiplier, 0.0, 0.0)
    low, high = (0.0, max(0.0, float(raw.max()))) if weigher.pinned else (float(raw.min()), float(raw.max()))
    return Weighed(weigher.name, raw, multiplier, low, high)
