"""Records of hosts: services, nodes, what is held on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

JsonDict = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Service:
    """A service of a host."""

    id: int
    uuid: str
    host: str
    binary: str
    topic: str
    disabled: bool = False
    disabled_reason: str | None = None
    forced_down: bool = False
    availability_zone: str = "nova"
    last_seen_up: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None

    def up(self, now: datetime, service_down_time: float = 60) -> bool:
        """Whether it is up: not forced down, and its heartbeat is at most that many seconds old."""
        if self.forced_down or self.last_seen_up is None:
            return False
        return abs((now - self.last_seen_up).total_seconds()) <= service_down_time


@dataclass(frozen=True, slots=True)
class ComputeNode:
    """A hypervisor node. Memory in MiB, disks in GiB.

    `*_allocated` is what our servers hold; the `*_used` properties are Nova's numbers, which add what is reserved and
    what foreign guests take (nova/compute/resource_tracker.py).
    """

    id: int
    uuid: str
    host: str
    hypervisor_hostname: str
    hypervisor_type: str
    hypervisor_version: int
    host_ip: str | None
    vcpus: int
    memory_mb: int
    local_gb: int
    vcpus_allocated: int = 0
    memory_mb_allocated: int = 0
    local_gb_allocated: int = 0
    foreign_vcpus: int = 0
    foreign_memory_mb: int = 0
    foreign_disk_gb: int = 0
    foreign: list[JsonDict] = field(default_factory=list)
    cpu_allocation_ratio: float = 4.0
    ram_allocation_ratio: float = 1.0
    disk_allocation_ratio: float = 1.0
    reserved_host_cpus: int = 0
    reserved_host_memory_mb: int = 512
    reserved_host_disk_gb: int = 0
    disk_available_least: int | None = None
    cpu_info: JsonDict = field(default_factory=dict)
    supported_instances: list[list[str]] = field(default_factory=list)
    uptime: str = ""
    running_vms: int = 0
    current_workload: int = 0
    num_io_ops: int = 0
    failed_builds: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def vcpus_used(self) -> int:
        """Nova's vcpus_used."""
        return self.vcpus_allocated + self.foreign_vcpus + self.reserved_host_cpus

    @property
    def memory_mb_used(self) -> int:
        """Nova's memory_mb_used."""
        return self.memory_mb_allocated + self.foreign_memory_mb + self.reserved_host_memory_mb

    @property
    def local_gb_used(self) -> int:
        """Nova's local_gb_used."""
        return self.local_gb_allocated + self.foreign_disk_gb + self.reserved_host_disk_gb

    @property
    def free_ram_mb(self) -> int:
        """May be negative with overcommitment."""
        return self.memory_mb - self.memory_mb_used

    @property
    def free_disk_gb(self) -> int:
        """May be negative with overcommitment."""
        return self.local_gb - self.local_gb_used


@dataclass(frozen=True, slots=True)
class Allocation:
    """What a server holds on a node; `others` are further resource classes."""

    consumer: str
    host: str
    node: str
    vcpus: int
    memory_mb: int
    disk_gb: int
    others: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A host aggregate; its zone is the metadata key `availability_zone`."""

    id: int
    uuid: str
    name: str
    metadata: dict[str, str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def availability_zone(self) -> str | None:
        """The zone that it makes its hosts part of."""
        return self.metadata.get("availability_zone")
