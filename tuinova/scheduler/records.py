"""What is told about a host: inventory, load, devices, and the aggregates that it is in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tuinova.scheduler.request import Amounts


@dataclass(frozen=True, slots=True)
class NumaCell:
    """One NUMA cell of a host: CPUs for shared and for dedicated use, memory in MB, free huge pages by size in KB."""

    id: int
    cpus: int
    memory_mb: int
    cpus_used: int = 0
    memory_used_mb: int = 0
    free_dedicated_cpus: frozenset[int] = frozenset()
    siblings: tuple[frozenset[int], ...] = ()
    free_pages: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class PciPool:
    """Equal PCI devices of a host that are free."""

    vendor_id: str
    product_id: str
    count: int
    numa_node: int | None = None
    device_type: str = "type-PCI"


@dataclass(frozen=True, slots=True)
class HostRecord:
    """One compute node as its service reports it (nova/objects/compute_node.py).

    Memory in MB, disks in GB. `instances`, `migrations` and `foreign` are what is used: by servers, by moves that hold
    an allocation under their own uuid, and by guests that are not ours; None keeps what the table already knows, and
    so do None counters.
    """

    host: str
    node: str
    vcpus: int
    memory_mb: int
    local_gb: int
    hypervisor_type: str = "QEMU"
    hypervisor_version: int = 0
    host_ip: str | None = None
    disk_available_least: int | None = None
    cpu_allocation_ratio: float = 4.0
    ram_allocation_ratio: float = 1.0
    disk_allocation_ratio: float = 1.0
    reserved_host_cpus: int = 0
    reserved_host_memory_mb: int = 512
    reserved_host_disk_gb: int = 0
    cpu_info: Mapping[str, Any] = field(default_factory=dict)
    supported_instances: tuple[tuple[str, str, str], ...] = ()
    stats: Mapping[str, Any] = field(default_factory=dict)
    traits: frozenset[str] = frozenset()
    metrics: Mapping[str, float] = field(default_factory=dict)
    custom_resources: Mapping[str, int] = field(default_factory=dict)
    numa: tuple[NumaCell, ...] = ()
    pci_pools: tuple[PciPool, ...] = ()
    cell: str = ""
    num_instances: int | None = None
    num_io_ops: int | None = None
    failed_builds: int | None = None
    instances: Mapping[str, Amounts] | None = None
    migrations: Mapping[str, Amounts] | None = None
    foreign: Amounts | None = None


@dataclass(frozen=True, slots=True)
class AggregateInfo:
    """One host aggregate; `zone` is its availability zone if it carries one."""

    id: int
    name: str
    zone: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """The compute service of a host; `last_seen` is in seconds of the scheduler's clock, None when never heard of."""

    disabled: bool = False
    disabled_reason: str = ""
    forced_down: bool = False
    last_seen: float | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """What one consumer (a server, or a move under its own uuid) has of a host."""

    amounts: Amounts
    is_instance: bool = True
    building: bool = False
    image_properties: Mapping[str, Any] = field(default_factory=dict)
    pci: tuple[PciPool, ...] = ()


@dataclass(frozen=True, slots=True)
class AggregateSet:
    """All aggregates of a host taken together: metadata values split on commas and trimmed, then united."""

    names: tuple[str, ...]
    zones: frozenset[str]
    metadata: Mapping[str, frozenset[str]]
    aggregates: tuple[AggregateInfo, ...] = field(default=(), repr=False)


NO_AGGREGATES = AggregateSet((), frozenset(), {})


def unite_aggregates(aggregates: Iterable[AggregateInfo]) -> AggregateSet:
    """The set of a host's aggregates (nova/scheduler/filters/utils.py aggregate_metadata_get_by_host)."""
    ordered = tuple(sorted(aggregates, key=lambda aggregate: aggregate.id))
    metadata: dict[str, frozenset[str]] = {}
    for aggregate in ordered:
        own = dict(aggregate.metadata)
        if aggregate.zone:
            own["availability_zone"] = aggregate.zone
        for key, value in own.items():
            words = frozenset(word.strip() for word in str(value).split(","))
            metadata[key] = metadata.get(key, frozenset()) | words
    zones = metadata.get("availability_zone", frozenset())
    return AggregateSet(tuple(aggregate.name for aggregate in ordered), zones, metadata, ordered)
