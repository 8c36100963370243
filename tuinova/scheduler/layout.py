"""The columns of the host table, and which cells a host's record fills."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np

from tuinova.scheduler.columns import Columns, Pool
from tuinova.scheduler.records import HostRecord

UNLIMITED = 2**60
"""disk_available_least of a host that reports none."""

_PCI_MOST = 100

_INTEGERS = (
    *("vcpus", "memory_mb", "local_gb", "reserved_vcpu", "reserved_mem", "reserved_disk", "base_mem", "base_disk"),
    *("used_vcpu", "used_mem", "used_disk", "hypervisor_version", "pci_free", "pci_weight", "ip_version"),
)
_SMALL_INTEGERS = ("num_instances", "num_io_ops", "failed_builds")
_FLOATS = ("ratio_vcpu", "ratio_mem", "ratio_disk", "cap_vcpu", "cap_mem", "cap_disk", "base_vcpu")
POOLED = ("aggregates", "cpu_info", "supported", "hypervisor_type", "traits", "stat_keys", "cell", "disabled_reason")
"""Columns that hold numbers of shared values."""


def new_columns() -> Columns:
    """The columns that every table has; metrics and custom resources add theirs when the first host reports one."""
    columns = Columns()
    for name in _INTEGERS:
        columns.add(name, np.int64, 0)
    for name in _SMALL_INTEGERS:
        columns.add(name, np.int32, 0)
    for name in _FLOATS:
        columns.add(name, np.float64, 0.0)
    for name in POOLED:
        columns.add(name, np.int32, 0)
    for name in ("alive", "disabled", "forced_down"):
        columns.add(name, np.bool_, False)
    for name in ("record", "pci"):
        columns.add(name, object, None)
    columns.add("disk_least", np.int64, UNLIMITED)
    columns.add("last_seen", np.float64, -np.inf)
    for name in ("ip_high", "ip_low"):
        columns.add(name, np.uint64, 0)
    return columns


def new_pools() -> dict[str, Pool]:
    """The pools of shared values."""
    return {name: Pool() for name in POOLED}


def cells_of(r: HostRecord) -> Iterator[tuple[str, Any]]:
    """(column, value) of what a record says of its own host."""
    yield "record", r
    yield "vcpus", r.vcpus
    yield "memory_mb", r.memory_mb
    yield "local_gb", r.local_gb
    yield "reserved_vcpu", r.reserved_host_cpus
    yield "reserved_mem", r.reserved_host_memory_mb
    yield "reserved_disk", r.reserved_host_disk_gb
    yield "ratio_vcpu", r.cpu_allocation_ratio
    yield "ratio_mem", r.ram_allocation_ratio
    yield "ratio_disk", r.disk_allocation_ratio
    # What the weighers start from: all of it under the ratio (vCPUs) or none (memory, disk), less what is reserved.
    yield "base_vcpu", r.vcpus * r.cpu_allocation_ratio - r.reserved_host_cpus
    yield "base_mem", r.memory_mb - r.reserved_host_memory_mb
    yield "base_disk", r.local_gb - r.reserved_host_disk_gb
    # What placement lets be used.
    yield "cap_vcpu", (r.vcpus - r.reserved_host_cpus) * r.cpu_allocation_ratio
    yield "cap_mem", (r.memory_mb - r.reserved_host_memory_mb) * r.ram_allocation_ratio
    yield "cap_disk", (r.local_gb - r.reserved_host_disk_gb) * r.disk_allocation_ratio
    yield "disk_least", UNLIMITED if r.disk_available_least is None else r.disk_available_least
    yield "hypervisor_version", r.hypervisor_version
    yield from zip(("ip_version", "ip_high", "ip_low"), split_address(r.host_ip), strict=True)


def pci_cells_of(free: int) -> Iterator[tuple[str, int]]:
    """(column, value) of the number of free PCI devices, and of its weight (nova/scheduler/weights/pci.py)."""
    yield "pci_free", free
    yield "pci_weight", _PCI_MOST - min(free, _PCI_MOST - 1)


def shared_cells_of(r: HostRecord) -> Iterator[tuple[str, Hashable, Any]]:
    """(column, key, value) of what a record has in common with other hosts."""
    yield "hypervisor_type", r.hypervisor_type, r.hypervisor_type
    yield "supported", r.supported_instances, r.supported_instances
    yield "traits", r.traits, r.traits
    yield "cell", r.cell, r.cell
    yield "stat_keys", frozenset(r.stats), frozenset(r.stats)
    yield "cpu_info", json.dumps(r.cpu_info, sort_keys=True, default=str) if r.cpu_info else "", r.cpu_info


def split_address(address: str | None) -> tuple[int, int, int]:
    """An IP address as (version, high 64 bits, low 64 bits); (0, 0, 0) when there is none that can be read."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return 0, 0, 0
    return parsed.version, int(parsed) >> 64, int(parsed) & (2**64 - 1)
