"""The libvirt driver's part of the contract that speaks of volumes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import libvirt

from tuinova.core.errors import HypervisorUnavailable
from tuinova.virt.driver import ComputeDriver, GuestSpec, Progress
from tuinova.virt.libvirt.connection import Connection
from tuinova.virt.libvirt.events import DeviceEvents
from tuinova.virt.libvirt.guests import Guests
from tuinova.virt.libvirt.host import Host
from tuinova.virt.libvirt.options import LibvirtOptions
from tuinova.virt.libvirt.snapshots import Snapshots
from tuinova.virt.libvirt.volume_attach import Attachments
from tuinova.virt.libvirt.volume_pool import VolumePool
from tuinova.virt.volumes import VolumeDisk

T = TypeVar("T")


class VolumeCalls(ComputeDriver):
    """Volumes of the guests of one libvirt, and the pools in which it shows them."""

    _connection: Connection
    _host: Host
    _snapshots: Snapshots

    def _open_volumes(self, guests: Guests, options: LibvirtOptions) -> None:
        self._device_events = DeviceEvents()
        self._attachments = Attachments(guests, self._device_events, options)
        self._pools: list[VolumePool] = []

    def _prepare_volumes(self, conn: libvirt.virConnect) -> None:
        """On every new connection."""
        self._device_events.register(conn)
        for pool in self._pools:
            pool.look(None if self._host.user_mode else self._host.capabilities.qemu_user())
            pool.ensure(conn)

    @abstractmethod
    def _lasting(self, uuid: str, call: Callable[[], T]) -> T:
        """A call that may be made again."""

    def attach_volume(self, guest: GuestSpec, disk: VolumeDisk) -> None:
        """See the contract."""
        self._lasting(guest.uuid, lambda: self._attachments.attach(guest, disk))

    def detach_volume(self, guest: GuestSpec, disk: VolumeDisk) -> None:
        """See the contract."""
        self._lasting(guest.uuid, lambda: self._attachments.detach(guest, disk))

    def extend_volume(self, guest: GuestSpec, disk: VolumeDisk, size_gb: int) -> None:
        """See the contract; of a guest that went off meanwhile, too."""
        self._lasting(guest.uuid, lambda: self._attachments.extend(guest, disk, size_gb))
        self.refresh_pools()

    def snapshot_volume(
        self, guest: GuestSpec, disk: VolumeDisk, target: Mapping[str, Any], progress: Progress
    ) -> None:
        """See the contract; of a guest that went off meanwhile, too."""
        self._lasting(guest.uuid, lambda: self._snapshots.take_volume(guest, disk, target, progress))
        self.refresh_pools()

    # pools -----------------------------------------------------------------------------------------------------------
    def show_volumes(self, directories: Mapping[str, Path]) -> None:
        """Show these directories of volumes as pools, on every connection from now on; before `init_host`."""
        only = len(directories) == 1
        self._pools = [VolumePool("" if only else name, path) for name, path in directories.items()]

    def refresh_pools(self) -> None:
        """Volumes came, changed or went; libvirt that is away sees it when it is back."""
        if not self._pools or not self._connection.up:
            return
        try:
            conn = self._connection.get()
            for pool in self._pools:
                pool.refresh(conn)
        except (HypervisorUnavailable, libvirt.libvirtError):
            return

    def _pool_problems(self) -> Iterator[str]:
        return (problem for pool in self._pools for problem in pool.problems)
