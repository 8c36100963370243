"""The volumes of a machine whose guests run on libvirt; the places where they lie are the other modules' affair.

Nothing here asks libvirt but the pools, which only show the volumes: they can be made while libvirtd is away.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tuinova.virt.driver import DriverError, Progress
from tuinova.virt.libvirt import qemu_img
from tuinova.virt.libvirt.layout import FILE_MODE
from tuinova.virt.libvirt.options import LibvirtOptions
from tuinova.virt.libvirt.volume_backend import GIB, Backend, Data, disk_data, image_data
from tuinova.virt.libvirt.volume_files import FileBackend
from tuinova.virt.libvirt.volume_lvm import LvmBackend
from tuinova.virt.libvirt.volume_options import BackendOptions, VolumeOptions
from tuinova.virt.volumes import VolumeBackend, VolumeDriver, VolumeSource, VolumeSpec

LOG = logging.getLogger(__name__)

# disk_format -> QEMU's name of it
UPLOADED = {"raw": "raw", "qcow2": "qcow2", "vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc", "vhdx": "vhdx"}


class LibvirtVolumeDriver(VolumeDriver):
    """Volumes as files and as logical volumes."""

    def __init__(
        self, volumes: VolumeOptions, options: LibvirtOptions | None = None, changed: Callable[[], None] = lambda: None
    ) -> None:
        """`changed` is called when volumes came, changed or went."""
        self._options = options or LibvirtOptions()
        self._changed = changed
        self._is_closed = False
        self._backends = [self._open(backend, volumes) for backend in volumes.backends]

    def _open(self, backend: BackendOptions, volumes: VolumeOptions) -> Backend:
        if backend.kind == "lvm":
            return LvmBackend(backend, self._options, clear=volumes.volume_clear == "zero")
        return FileBackend(backend, self._options)

    def start(self) -> None:
        """See the contract; one place that can't be used does not take the others away."""
        for backend in self._backends:
            try:
                backend.start()
            except DriverError as error:
                LOG.error("volumes of %s can't be used: %s", backend.name, error.message)

    def close(self) -> None:
        """See the contract."""
        self._is_closed = True

    def _heard(self, progress: Progress) -> Progress:
        """The same, and the end of what runs once this is closed."""

        def tell(done: int, total: int) -> None:
            if self._is_closed:
                raise DriverError(reason="the service is stopping")
            progress(done, total)

        return tell

    def backends(self) -> Sequence[VolumeBackend]:
        """See the contract; without those that can't be used."""
        return [found for backend in self._backends if (found := backend.describe()) is not None]

    def _backend(self, name: str) -> Backend:
        for backend in self._backends:
            if name in (backend.name, ""):
                return backend
        known = ", ".join(backend.name for backend in self._backends)
        raise DriverError(reason=f"there is no place for volumes called {name!r} ({known})")

    # volumes ---------------------------------------------------------------------------------------------------------
    def create(self, volume: VolumeSpec, source: VolumeSource | None, progress: Progress) -> None:
        """See the contract."""
        backend, size = self._backend(volume.backend), _size(volume)
        if backend.find("volume", volume.id) is None:
            data = None if source is None else self._data(source, size)
            backend.create("volume", volume.id, size, data, self._heard(progress))
            self._changed()

    def replace(self, volume: VolumeSpec, source: VolumeSource, progress: Progress) -> None:
        """See the contract; raises DriverError while a guest uses it. It takes the room of both for a while."""
        backend, size = self._backend(volume.backend), _size(volume)
        data = self._data(source, size)
        backend.replace(volume.id, size, data, self._heard(progress))
        self._changed()

    def _data(self, source: VolumeSource, size: int) -> Data | None:
        if source.image is not None:
            return image_data(source.image, size, self._options)
        if source.snapshot_id is not None:
            return disk_data(self._snapshot(source.snapshot_id), source.snapshot_id, self._options)
        if source.volume is not None:
            return disk_data(self.connection(source.volume), source.volume.id, self._options)
        return None

    def _snapshot(self, snapshot_id: str) -> Mapping[str, Any]:
        found = (backend.find("snapshot", snapshot_id) for backend in self._backends)
        connection = next((connection for connection in found if connection is not None), None)
        if connection is None:
            raise DriverError(reason=f"the data of snapshot {snapshot_id} are missing")
        return connection

    def delete(self, volume: VolumeSpec) -> None:
        """See the contract."""
        self._backend(volume.backend).delete("volume", volume.id)
        self._changed()

    def extend(self, volume: VolumeSpec, size_gb: int) -> None:
        """See the contract; large enough already is fine."""
        self._backend(volume.backend).extend(volume.id, size_gb * GIB)
        self._changed()

    def connection(self, volume: VolumeSpec) -> Mapping[str, Any]:
        """See the contract; raises DriverError when its data are missing."""
        found = self._backend(volume.backend).find("volume", volume.id)
        if found is None:
            raise DriverError(reason=f"the data of volume {volume.id} are missing")
        return found

    # snapshots -------------------------------------------------------------------------------------------------------
    def create_snapshot(self, volume: VolumeSpec, snapshot_id: str, progress: Progress) -> None:
        """See the contract; a copy of its own, so that volume and snapshot may go in any order."""
        backend = self._backend(volume.backend)
        if backend.find("snapshot", snapshot_id) is None:
            data = disk_data(self.connection(volume), volume.id, self._options)
            backend.create("snapshot", snapshot_id, data.size, data, self._heard(progress))
            self._changed()

    def snapshot_connection(self, volume: VolumeSpec, snapshot_id: str) -> Mapping[str, Any]:
        """See the contract."""
        backend = self._backend(volume.backend)
        return backend.find("snapshot", snapshot_id) or backend.place("snapshot", snapshot_id)

    def delete_snapshot(self, volume: VolumeSpec, snapshot_id: str) -> None:
        """See the contract."""
        self._backend(volume.backend).delete("snapshot", snapshot_id)
        self._changed()

    def upload(self, volume: VolumeSpec, target: Path, disk_format: str, progress: Progress) -> None:
        """See the contract; raises ImageStorageFull."""
        if disk_format not in UPLOADED:
            raise DriverError(
                reason=f"a volume can't become an image of format {disk_format!r} ({', '.join(UPLOADED)})"
            )
        data = disk_data(self.connection(volume), volume.id, self._options)
        fmt, timeout = UPLOADED[disk_format], self._options.qemu_img_timeout
        try:
            qemu_img.convert_whole(data.path, data.format, target, fmt, data.size, timeout, self._heard(progress))
            target.chmod(FILE_MODE)
        except BaseException as error:
            target.unlink(missing_ok=True)
            told = qemu_img.storage_error(error, target)
            if told is error:
                raise
            raise told from error

    # what is there ---------------------------------------------------------------------------------------------------
    def made(self) -> Mapping[str, Sequence[str]]:
        """See the contract."""
        found: dict[str, list[str]] = {}
        for backend in self._backends:
            for key, kinds in backend.made().items():
                found.setdefault(key, []).extend(kinds)
        return found

    def cleanup(self, key: str) -> None:
        """See the contract."""
        for backend in self._backends:
            for kind in ("volume", "snapshot"):
                backend.delete(kind, key)
        self._changed()


def _size(volume: VolumeSpec) -> int:
    if volume.size_gb <= 0:
        raise DriverError(reason=f"a volume can't have {volume.size_gb} GiB")
    return volume.size_gb * GIB
