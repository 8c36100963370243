"""What the contract of the drivers says of volumes: where they lie, and what makes and changes them.

A volume is on no compute host: every host of the service reaches it. Sizes are GiB. Every call may be repeated after a
crash: what is made already is made, what is gone is gone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from tuinova.virt.model import DriverError, ImageFile, Progress


@dataclass(frozen=True, slots=True)
class VolumeBackend:
    """A place for volumes: `kind` "file" (a directory, a libvirt storage pool), "lvm" (a volume group) or "fake".

    `format` is that of its volumes: qcow2 or raw.
    """

    name: str
    kind: str
    format: str
    total_gb: float
    free_gb: float


@dataclass(frozen=True, slots=True)
class VolumeSpec:
    """One volume as its backend must know it."""

    id: str
    backend: str
    size_gb: int


@dataclass(frozen=True, slots=True)
class VolumeDisk:
    """A volume as a disk of a guest.

    `connection` is what `VolumeDriver.connection` gave. `device` is the target's name (vdb). The disk's serial is the
    volume's id. `boot_index` 0: the guest's root.
    """

    volume_id: str
    device: str
    connection: Mapping[str, Any]
    size_gb: int = 0
    bus: str | None = None
    device_type: str = "disk"
    boot_index: int | None = None
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class LocalDisk:
    """An empty disk that goes with its guest: an ephemeral disk (GiB, formatted) of a block device mapping."""

    size_gb: int
    guest_format: str | None = None
    device: str | None = None
    bus: str | None = None
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class VolumeSource:
    """What a new volume holds at first: an image's data, or those of a snapshot or of another volume."""

    image: ImageFile | None = None
    snapshot_id: str | None = None
    volume: VolumeSpec | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)


class VolumeDriver(ABC):
    """Makes and removes volumes; one for the service."""

    @abstractmethod
    def start(self) -> None:
        """Make the backends ready, and remove what a killed call left half-made."""

    @abstractmethod
    def backends(self) -> Sequence[VolumeBackend]:
        """The places for volumes, the default first; none where the host can't hold volumes."""

    @abstractmethod
    def create(self, volume: VolumeSpec, source: VolumeSource | None, progress: Progress) -> None:
        """Make a volume: empty, or with the source's data.

        Failing leaves nothing; raises DriverError, ImageUnacceptable. A source bigger than the volume is refused
        before anything is written.
        """

    @abstractmethod
    def replace(self, volume: VolumeSpec, source: VolumeSource, progress: Progress) -> None:
        """Write a volume at rest anew, of its size, with the source's data; one that is missing is made.

        What it holds goes when the new data are whole, in one step: a failure or a kill leaves the old or the new.
        """

    @abstractmethod
    def delete(self, volume: VolumeSpec) -> None:
        """Remove a volume."""

    @abstractmethod
    def extend(self, volume: VolumeSpec, size_gb: int) -> None:
        """Make a volume bigger that no running guest has (else `ComputeDriver.extend_volume`)."""

    @abstractmethod
    def connection(self, volume: VolumeSpec) -> Mapping[str, Any]:
        """How a guest reaches it, plain JSON: {"type": "file" | "block", "path": ..., "format": ...}."""

    @abstractmethod
    def create_snapshot(self, volume: VolumeSpec, snapshot_id: str, progress: Progress) -> None:
        """Keep the volume's present data; the volume is at rest (else `ComputeDriver.snapshot_volume`)."""

    @abstractmethod
    def snapshot_connection(self, volume: VolumeSpec, snapshot_id: str) -> Mapping[str, Any]:
        """Where a snapshot's data lie or shall lie, like `connection`."""

    @abstractmethod
    def delete_snapshot(self, volume: VolumeSpec, snapshot_id: str) -> None:
        """Remove a snapshot; the volume and what was made of it stay. It outlives a `delete` of its volume."""

    @abstractmethod
    def upload(self, volume: VolumeSpec, target: Path, disk_format: str, progress: Progress) -> None:
        """Write a volume at rest as an image file `target`; a failure leaves none."""

    @abstractmethod
    def made(self) -> Mapping[str, Sequence[str]]:
        """volume or snapshot id -> what exists of it, for finding orphans."""

    @abstractmethod
    def cleanup(self, key: str) -> None:
        """Remove every trace of a volume or snapshot of which no record exists any more."""

    def close(self) -> None:  # noqa: B027 - most drivers have nothing open
        """Let go of what is open; a call that runs ends with an error. What was made stays."""


class NoVolumes(VolumeDriver):
    """The driver of a service without a place for volumes: it has no backends, so nothing else is ever asked."""

    def _refuse(self) -> NoReturn:
        raise DriverError(reason="This hypervisor has no place for volumes")

    def start(self) -> None:
        """Nothing to do."""

    def backends(self) -> Sequence[VolumeBackend]:
        """None."""
        return ()

    def create(self, volume: VolumeSpec, source: VolumeSource | None, progress: Progress) -> None:
        """Refused."""
        self._refuse()

    def replace(self, volume: VolumeSpec, source: VolumeSource, progress: Progress) -> None:
        """Refused."""
        self._refuse()

    def delete(self, volume: VolumeSpec) -> None:
        """Refused."""
        self._refuse()

    def extend(self, volume: VolumeSpec, size_gb: int) -> None:
        """Refused."""
        self._refuse()

    def connection(self, volume: VolumeSpec) -> Mapping[str, Any]:
        """Refused."""
        self._refuse()

    def create_snapshot(self, volume: VolumeSpec, snapshot_id: str, progress: Progress) -> None:
        """Refused."""
        self._refuse()

    def snapshot_connection(self, volume: VolumeSpec, snapshot_id: str) -> Mapping[str, Any]:
        """Refused."""
        self._refuse()

    def delete_snapshot(self, volume: VolumeSpec, snapshot_id: str) -> None:
        """Refused."""
        self._refuse()

    def upload(self, volume: VolumeSpec, target: Path, disk_format: str, progress: Progress) -> None:
        """Refused."""
        self._refuse()

    def made(self) -> Mapping[str, Sequence[str]]:
        """Nothing."""
        return {}

    def cleanup(self, key: str) -> None:
        """Nothing is there."""
