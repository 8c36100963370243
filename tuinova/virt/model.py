"""What the contract of the drivers speaks of: guests, images, networks, nodes, events, consoles, errors.

Sizes: memory in MiB, disks in GiB (swap in MiB), as flavors have them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuinova.core.errors import NovaError
from tuinova.core.states import PowerState
from tuinova.virt.networks import FixedIp, NetworkSpec, PortForward, PortSecurity

if TYPE_CHECKING:
    from tuinova.virt.volumes import LocalDisk, VolumeDisk


class DriverError(NovaError):
    """A failure of the hypervisor in its own words."""

    msg_fmt = "{reason}"


class GuestNotFound(DriverError):
    """The hypervisor does not know this guest."""

    msg_fmt = "Guest {uuid} is not known to the hypervisor"


class ConsoleBusy(DriverError):
    """Somebody else (virsh, another program) holds the guest's console."""

    msg_fmt = "The console of {uuid} is held by another program"


class MigrationPreCheckError(DriverError):
    """What speaks against a live migration before anything was touched (nova/exception.py MigrationPreCheckError)."""

    msg_fmt = "Migration pre-check error: {reason}"


class MigrationAborted(DriverError):
    """A live migration that somebody ended; the guest runs on at its source."""

    msg_fmt = "The live migration of {uuid} was aborted"


@dataclass(frozen=True, slots=True)
class ImageFile:
    """Image data in the store: `path` is read only for the driver; `properties` are Nova's hw_*, os_*, img_*."""

    id: str
    path: Path
    disk_format: str
    size: int
    min_disk: int = 0
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Nic:
    """One port.

    `network` is the name in `list_networks` of a network that the hypervisor has without us; `spec` is the network
    otherwise. `security` None: no firewall, the guest may speak as whom it likes. `address` and `prefix` are the first
    fixed address, `fixed_ips` all of them (empty: just that one).
    """

    port_id: str
    mac: str
    network: str
    address: str | None
    prefix: int = 24
    fixed_ips: tuple[FixedIp, ...] = ()
    spec: NetworkSpec | None = None
    security: PortSecurity | None = None
    tag: str | None = None
    forwards: tuple[PortForward, ...] = ()

    @property
    def addresses(self) -> tuple[FixedIp, ...]:
        """All fixed addresses."""
        if self.fixed_ips or self.address is None:
            return self.fixed_ips
        return (FixedIp(self.address, self.prefix),)


@dataclass(frozen=True, slots=True)
class HostNetwork:
    """A network of the hypervisor that guests can join.

    `mode`: "nat", "user" (user-mode: every guest has the same address) or "fake". `first`..`last` is the range that
    tuinova hands out; `reserved` are addresses in it that others hold (static hosts, foreign leases), `holders` the MAC
    that holds each, where one is known: a port that comes back may have the address whose lease is its own still.
    """

    name: str
    mode: str
    cidr: str
    gateway: str | None
    first: str
    last: str
    dns: tuple[str, ...] = ()
    mtu: int = 1500
    reserved: frozenset[str] = frozenset()
    holders: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GuestSpec:
    """All that a driver needs to build or rebuild a guest: made by the manager from the server's record."""

    uuid: str
    name: str  # domain name, instance-0000002a
    display_name: str
    hostname: str
    project_id: str
    user_id: str
    project_name: str
    user_name: str
    flavor_name: str
    memory_mb: int
    vcpus: int
    root_gb: int
    ephemeral_gb: int
    swap_mb: int
    extra_specs: Mapping[str, str]
    image: ImageFile | None
    kernel: ImageFile | None = None
    ramdisk: ImageFile | None = None
    nics: Sequence[Nic] = ()
    # Volumes in the order of their devices; the one with boot_index 0 is the root of a guest without an image.
    volumes: Sequence[VolumeDisk] = ()
    # Ephemeral disks of the request, None: one of the flavor's size where it has any.
    ephemerals: Sequence[LocalDisk] | None = None
    # What the image says (hw_*), for a guest without one: its root volume remembers the image that it was made of.
    properties: Mapping[str, str] = field(default_factory=dict)
    config_drive: bool = False
    # Path inside the drive (openstack/latest/meta_data.json ...) to content; called only when the drive is written.
    config_drive_files: Callable[[], Mapping[str, bytes]] | None = None


@dataclass(frozen=True, slots=True)
class BootImages:
    """What a guest is rescued with: a disk, and the kernel and ramdisk where the image has such."""

    image: ImageFile
    kernel: ImageFile | None = None
    ramdisk: ImageFile | None = None


class RebootType(StrEnum):
    """Nova's two reboots."""

    SOFT = "SOFT"
    HARD = "HARD"


@dataclass(frozen=True, slots=True)
class GuestInfo:
    """What the hypervisor says of one guest now; `hypervisor_id` changes with each start (libvirt's domain id)."""

    uuid: str
    state: PowerState
    hypervisor_id: int | None = None


@dataclass(frozen=True, slots=True)
class ForeignGuest:
    """A guest that tuinova did not make: never touched, but it counts as used."""

    uuid: str
    name: str
    state: PowerState
    memory_mb: int
    vcpus: int
    disk_gb: int


@dataclass(frozen=True, slots=True)
class NodeResources:
    """One hypervisor node, as Nova's get_available_resource; `cpu_info`: arch, model, vendor, topology, features.

    `supported_instances`: (architecture, hypervisor type, vm mode). `local_gb*` speak of the file system that holds the
    instances directory; `disk_available_least` is what is really free less what sparse disks may still take.
    """

    node: str
    hypervisor_type: str
    hypervisor_version: int
    host_ip: str
    vcpus: int
    memory_mb: int
    local_gb: int
    disk_available_least: int
    cpu_info: Mapping[str, Any]
    supported_instances: Sequence[tuple[str, str, str]]
    foreign: Sequence[ForeignGuest] = ()
    uptime: str = ""


class LifecycleEvent(StrEnum):
    """Nova's lifecycle events; STOPPED is reported at once, the manager does the delaying."""

    STARTED = "started"
    STOPPED = "stopped"
    PAUSED = "paused"
    RESUMED = "resumed"


# (bytes done, bytes in all), called now and then by whoever does the work; what it raises ends the call, which then
# leaves nothing behind, as if it had failed by itself.
Progress = Callable[[int, int], None]
# The same for a live migration: memory_total_bytes, memory_processed_bytes, memory_remaining_bytes and disk_... alike.
LiveProgress = Callable[[Mapping[str, int]], None]

# (node, guest uuid, event); called in a thread of the driver: the callee must not block.
LifecycleListener = Callable[[str, str, LifecycleEvent], None]
# (available, reason): the connection to the hypervisor was lost or is back.
ConnectionListener = Callable[[bool, str], None]


class ConsoleSink(ABC):
    """What the hub hands to `open_console`; called in a driver's thread, never after `ConsoleStream.close` returned."""

    @abstractmethod
    def data(self, chunk: bytes) -> None:
        """Bytes of the guest, in order, none left out."""

    @abstractmethod
    def end(self, error: str | None) -> None:
        """The stream is over: None when the guest went off, else what broke it (evicted, connection lost)."""


class ConsoleStream(ABC):
    """An open serial console of one guest."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send bytes to the guest, all of them; raises DriverError when the stream is over."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the console; harmless when it is over already."""
