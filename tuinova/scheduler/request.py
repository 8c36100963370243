"""What is asked of the scheduler: flavor, image, constraints, and the amounts that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

# Names that images carried before the hw_/img_ prefixes (nova/objects/image_meta.py, legacy property map).
_LEGACY_IMAGE_PROPERTIES = {
    "architecture": "hw_architecture",
    "cpu_arch": "hw_architecture",
    "hypervisor_type": "img_hv_type",
    "vm_mode": "hw_vm_mode",
    "hypervisor_version_requires": "img_hv_requested_version",
}

RESOURCE_PREFIX = "resources:"


@dataclass(frozen=True, slots=True)
class FlavorSpec:
    """The flavor that is asked for; memory and swap in MB, disks in GB."""

    name: str
    memory_mb: int
    vcpus: int
    root_gb: int = 0
    ephemeral_gb: int = 0
    swap_mb: int = 0
    extra_specs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """The server group of the request: `hosts` has one entry for each member that is placed."""

    uuid: str
    policy: str
    max_server_per_host: int = 1
    members: frozenset[str] = frozenset()
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Amounts:
    """Resources of one server: VCPU, MEMORY_MB, DISK_GB, and further classes as (class, amount) pairs."""

    vcpus: int = 0
    memory_mb: int = 0
    disk_gb: int = 0
    others: tuple[tuple[str, int], ...] = ()

    def as_dict(self) -> dict[str, int]:
        """The amounts by resource class, as placement names them; classes of which nothing is asked are left out."""
        named = {"VCPU": self.vcpus, "MEMORY_MB": self.memory_mb, "DISK_GB": self.disk_gb, **dict(self.others)}
        return {name: amount for name, amount in named.items() if amount}


@dataclass(frozen=True)
class RequestSpec:
    """One request for one or more equal servers (nova/objects/request_spec.py)."""

    instance_uuids: tuple[str, ...]
    project_id: str
    user_id: str
    flavor: FlavorSpec
    image_id: str | None = None
    image_properties: Mapping[str, Any] = field(default_factory=dict)
    availability_zone: str | None = None
    force_hosts: tuple[str, ...] = ()
    force_nodes: tuple[str, ...] = ()
    ignore_hosts: tuple[str, ...] = ()
    requested_destination: tuple[str, str | None] | None = None
    scheduler_hints: Mapping[str, Any] = field(default_factory=dict)
    group: GroupSpec | None = None
    volume_backed: bool = False
    tried: tuple[tuple[str, str], ...] = ()
    rebuild_check: bool = False
    preferred_cell: str | None = None
    image_disk_format: str | None = None

    @cached_property
    def amounts(self) -> Amounts:
        """What one server of this request takes from its host."""
        return amounts_of(self.flavor, volume_backed=self.volume_backed)

    @cached_property
    def properties(self) -> dict[str, Any]:
        """The image properties under today's names; a property given under both names keeps today's."""
        renamed = {_LEGACY_IMAGE_PROPERTIES.get(name, name): value for name, value in self.image_properties.items()}
        return renamed | {name: value for name, value in self.image_properties.items() if name in renamed}

    @property
    def forced(self) -> bool:
        """Whether hosts are forced, which skips every filter (nova/scheduler/host_manager.py)."""
        return bool(self.force_hosts or self.force_nodes) and not self.rebuild_check

    def hint(self, name: str, default: Any = None) -> Any:
        """A scheduler hint; a list of one is its element."""
        value = self.scheduler_hints.get(name, default)
        if isinstance(value, list | tuple) and len(value) == 1:
            return value[0]
        return value

    def hint_list(self, name: str) -> list[str]:
        """A scheduler hint as a list, empty when it is absent."""
        value = self.scheduler_hints.get(name)
        if not value:
            return []
        return [value] if isinstance(value, str) else [str(item) for item in value]


def amounts_of(flavor: FlavorSpec, *, volume_backed: bool = False) -> Amounts:
    """The amounts that placement is asked for: from the flavor's sizes, then overridden by `resources:<CLASS>`.

    An override of 0 drops the class; one that is no whole number is ignored (nova/scheduler/utils.py ResourceRequest).
    """
    root_gb = 0 if volume_backed else flavor.root_gb
    wanted = {
        "VCPU": flavor.vcpus,
        "MEMORY_MB": flavor.memory_mb,
        "DISK_GB": root_gb + flavor.ephemeral_gb + -(-flavor.swap_mb // 1024),
    }
    for key, value in flavor.extra_specs.items():
        if key.startswith(RESOURCE_PREFIX) and str(value).strip().isdecimal():
            wanted[key.removeprefix(RESOURCE_PREFIX)] = int(value)
    vcpus, memory_mb, disk_gb = wanted.pop("VCPU"), wanted.pop("MEMORY_MB"), wanted.pop("DISK_GB")
    return Amounts(vcpus, memory_mb, disk_gb, tuple(sorted((name, n) for name, n in wanted.items() if n)))
