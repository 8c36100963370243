"""Disks that were copied from another host, or from the guest's former size, made the guest's of the new size.

An overlay names the base that it stands on. What stands on another host's base is brought to this host's: a root disk
to the base of the same image, an ephemeral disk only where both hosts' bases are the same byte by byte, else it becomes
whole in itself.
"""

from __future__ import annotations

import json
from pathlib import Path

from tuinova.virt.driver import DriverError, GuestSpec
from tuinova.virt.libvirt import disks, qemu_img, sparse
from tuinova.virt.libvirt.disk_plan import disk_format, ephemerals, has_root_disk
from tuinova.virt.libvirt.disks import GIB, MIB, GuestDisks
from tuinova.virt.libvirt.images import ImageCache
from tuinova.virt.libvirt.layout import FILE_MODE, InstanceFiles
from tuinova.virt.libvirt.options import LibvirtOptions


class MovedDisks:
    """Every step may be done again after a crash."""

    def __init__(self, made: GuestDisks, cache: ImageCache, options: LibvirtOptions) -> None:
        self._made = made
        self._cache = cache
        self._options = options

    def adopt(self, guest: GuestSpec, files: InstanceFiles, came_from: Path | None) -> None:
        """Bases, sizes, swap; `came_from` is the instances directory of the host that the files were copied from."""
        root = files.path("disk")
        if guest.image is not None and has_root_disk(guest):
            self._settle_root(guest, root, came_from)
            if guest.image.disk_format != "iso":
                self._grow(root, guest.root_gb * GIB)
        for name, disk in ephemerals(guest).items():
            local = files.path(name)
            if local.exists() or str(local) in _noted(files):
                self._settle_ephemeral(local, came_from)
                self._grow(local, disk.size_gb * GIB)
            else:
                self._made.put(local, self._made.ephemeral_of(guest, name))
        self._make_swap(guest, files.path("disk.swap"))
        self._made.note(files)

    def _settle_root(self, guest: GuestSpec, path: Path, came_from: Path | None) -> None:
        backing = self.base_of(path, came_from)
        if backing is None:
            return
        base = self._cache.bring(guest.image, backing)
        if backing != base.path:
            if backing.exists() and self._cache.known(backing).virtual_size != base.virtual_size:
                raise DriverError(reason=f"{base.path} is not the image that {path} stands on")
            qemu_img.point_to(path, base.path, base.format, self._options.qemu_img_timeout)

    def _settle_ephemeral(self, path: Path, came_from: Path | None) -> None:
        backing = self.base_of(path, came_from)
        if backing is None or backing.parent == self._cache.directory:
            return
        timeout = self._options.qemu_img_timeout
        if (private := _private_base(path)).exists():
            qemu_img.point_to(path, private, "raw", timeout)
            return
        base = self._made.base_named(backing.name)
        if base is not None and sparse.same_content(base.path, backing):
            qemu_img.point_to(path, base.path, base.format, timeout)
            return
        part = path.with_name(f"{path.name}.part")
        part.unlink(missing_ok=True)
        qemu_img.convert(path, "qcow2", part, "qcow2", timeout)
        part.chmod(FILE_MODE)
        part.rename(path)

    def base_of(self, path: Path, came_from: Path | None = None) -> Path | None:
        """What a disk stands on; raises DriverError when that is no base of this host or of `came_from`.

        A guest that broke out of its machine can write any file's name into its own disk.
        """
        if not path.exists():
            raise DriverError(reason=f"{path} is missing")
        backing = disks.backing_file(path)
        if backing is None:
            return None
        private = backing.name == _private_base(path).name
        directories = {path.parent} if private else {self._cache.directory}
        if came_from is not None:
            directories.add(came_from / (path.parent.name if private else self._options.image_cache_subdirectory_name))
        if backing.parent not in directories:
            raise DriverError(reason=f"{path} stands on {backing}, which is no image of this host")
        return backing

    def _grow(self, path: Path, size: int) -> None:
        if disks.virtual_size(path) < size:
            qemu_img.resize(path, disk_format(self._options), size, self._options.qemu_img_timeout)

    def _make_swap(self, guest: GuestSpec, path: Path) -> None:
        if path.exists() and disks.virtual_size(path) != guest.swap_mb * MIB:
            path.unlink()
        if guest.swap_mb and not path.exists():
            self._made.put(path, self._made.swap_base(guest.swap_mb))


def _private_base(path: Path) -> Path:
    """What a disk stands on that came alive from a host whose base is not the same as ours."""
    return path.with_name(f"{path.name}.base")


def _noted(files: InstanceFiles) -> set[str]:
    try:
        return {str(files.directory / Path(path).name) for path in json.loads(files.path("disk.info").read_text())}
    except (OSError, ValueError):
        return set()
