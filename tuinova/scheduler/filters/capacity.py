"""Capacity as filters judged it before placement: Core, Ram and Disk, by ratio, by aggregate, or exact."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tuinova.scheduler.columns import Array
from tuinova.scheduler.filters.base import HostFilter, aggregate_minimum, number
from tuinova.scheduler.request import FlavorSpec, RequestSpec
from tuinova.scheduler.view import HostView


def _disk_mb(flavor: FlavorSpec) -> int:
    return 1024 * (flavor.root_gb + flavor.ephemeral_gb) + flavor.swap_mb


class _ByRatio(HostFilter):
    """total >= asked and total x ratio - used >= asked."""

    unit: ClassVar[str]
    ratio_column: ClassVar[str]
    aggregate_key: ClassVar[str | None] = None

    def asked(self, spec: RequestSpec) -> int:
        """What the flavor asks for, in the filter's unit."""
        raise NotImplementedError

    def total(self, view: HostView) -> Array:
        """What the host has, in the filter's unit."""
        raise NotImplementedError

    def used(self, view: HostView) -> Array:
        """What is used of it, in the filter's unit."""
        raise NotImplementedError

    def ratio(self, view: HostView) -> Array:
        """The allocation ratio of each host."""
        own = view.col(self.ratio_column)
        return own if self.aggregate_key is None else aggregate_minimum(view, self.aggregate_key, own)

    def usable(self, view: HostView) -> Array:
        """What is left under the ratio."""
        left: Array = self.total(view) * self.ratio(view) - self.used(view)
        return left

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        asked = self.asked(spec)
        passed: Array = (self.total(view) >= asked) & (self.usable(view) >= asked)
        return passed

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        asked, total = self.asked(spec), self.total(view)[i]
        if total < asked:
            return f"needs {asked} {self.unit}, the whole host has {total}"
        ratio = number(self.ratio(view)[i])
        return f"needs {asked} {self.unit}, {number(self.usable(view)[i])} usable (allocation ratio {ratio})"


class CoreFilter(_ByRatio):
    """Enough vCPUs; a host that does not say how many it has passes."""

    unit = "vCPUs"
    ratio_column = "ratio_vcpu"

    def asked(self, spec: RequestSpec) -> int:
        return spec.flavor.vcpus

    def total(self, view: HostView) -> Array:
        return view.col("vcpus")

    def used(self, view: HostView) -> Array:
        return view.col("vcpus_used")

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        return super().mask(view, spec) | (view.col("vcpus") == 0)


class RamFilter(_ByRatio):
    """Enough memory."""

    unit = "MB of RAM"
    ratio_column = "ratio_mem"

    def asked(self, spec: RequestSpec) -> int:
        return spec.flavor.memory_mb

    def total(self, view: HostView) -> Array:
        return view.col("memory_mb")

    def used(self, view: HostView) -> Array:
        return view.col("memory_mb") - view.col("free_ram_mb")


class DiskFilter(_ByRatio):
    """Enough disk; free is the less of what is not allotted and of what the file system has left."""

    unit = "MB of disk"
    ratio_column = "ratio_disk"

    def asked(self, spec: RequestSpec) -> int:
        return _disk_mb(spec.flavor)

    def total(self, view: HostView) -> Array:
        whole: Array = 1024 * view.col("local_gb")
        return whole

    def used(self, view: HostView) -> Array:
        return self.total(view) - view.col("free_disk_mb")


class AggregateCoreFilter(CoreFilter):
    """CoreFilter with the ratio of the host's aggregates."""

    aggregate_key = "cpu_allocation_ratio"


class AggregateRamFilter(RamFilter):
    """RamFilter with the ratio of the host's aggregates."""

    aggregate_key = "ram_allocation_ratio"


class AggregateDiskFilter(DiskFilter):
    """DiskFilter with the ratio of the host's aggregates."""

    aggregate_key = "disk_allocation_ratio"


class _Exact(HostFilter):
    """What is asked for must equal what is free."""

    unit: ClassVar[str]

    def asked(self, flavor: FlavorSpec) -> int:
        """What the flavor asks for."""
        raise NotImplementedError

    def free(self, view: HostView) -> Array:
        """What each host has free."""
        raise NotImplementedError

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        return np.asarray(self.free(view) == self.asked(spec.flavor))

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        return f"needs exactly {self.asked(spec.flavor)} {self.unit}, {number(self.free(view)[i])} free"


class ExactCoreFilter(_Exact):
    """All free vCPUs are asked for."""

    unit = "vCPUs"

    def asked(self, flavor: FlavorSpec) -> int:
        return flavor.vcpus

    def free(self, view: HostView) -> Array:
        return view.col("vcpus") - view.col("vcpus_used")


class ExactRamFilter(_Exact):
    """All free memory is asked for."""

    unit = "MB of RAM"

    def asked(self, flavor: FlavorSpec) -> int:
        return flavor.memory_mb

    def free(self, view: HostView) -> Array:
        return view.col("free_ram_mb")


class ExactDiskFilter(_Exact):
    """All free disk is asked for."""

    unit = "MB of disk"

    def asked(self, flavor: FlavorSpec) -> int:
        return _disk_mb(flavor)

    def free(self, view: HostView) -> Array:
        return view.col("free_disk_mb")
