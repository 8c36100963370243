"""The files of a guest's disks (nova/virt/libvirt/imagebackend.py): qcow2 overlays on shared bases, or raw copies."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from tuinova.core.errors import FlavorDiskSmallerThanImage
from tuinova.virt.driver import DriverError, GuestSpec, ImageFile
from tuinova.virt.libvirt import qemu_img
from tuinova.virt.libvirt.disk_plan import disk_format, ephemerals, has_root_disk
from tuinova.virt.libvirt.images import BASE_MODE, Base, ImageCache
from tuinova.virt.libvirt.layout import FILE_MODE, InstanceFiles, local_disks
from tuinova.virt.libvirt.options import LibvirtOptions

GIB = 1 << 30
MIB = 1 << 20
# One that went missing, or another host's, is the same when it is made again: overlays stand on it.
_EPHEMERAL_UUID = "6b1f0c1e-7475-696e-6f76-657068656d30"
_EPHEMERAL_TIME = "1700000000"
_MADE = re.compile(r"(?:ephemeral|swap)_(?P<size>\d+)(?:_(?P<filesystem>[a-z0-9]+)(?:_(?P<number>\d+))?)?")
# File system -> how its tool makes one in a file without asking.
_EXT = ("-q", "-L", "{label}", "-F", "-U", "{uuid}", "-E", "hash_seed={uuid}")
_MKFS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("ext2", "ext3", "ext4"), _EXT),
    "xfs": ("-q", "-f", "-L", "{label}"),
    "btrfs": ("-q", "-f", "-L", "{label}"),
    "vfat": ("-n", "{label}"),
    "ntfs": ("-q", "-F", "-f", "-L", "{label}"),
}


class GuestDisks:
    """Makes and mends the disk files of guests."""

    def __init__(self, cache: ImageCache, options: LibvirtOptions) -> None:
        self._cache = cache
        self._options = options

    def create(self, guest: GuestSpec, files: InstanceFiles) -> None:
        """All files but the config drive, into an empty directory."""
        if guest.image is not None and has_root_disk(guest):
            base = self._cache.base(guest.image)
            self.put(files.path("disk"), base, self._root_size(guest, base))
        for name in ephemerals(guest):
            self.put(files.path(name), self.ephemeral_of(guest, name))
        if guest.swap_mb:
            self.put(files.path("disk.swap"), self.swap_base(guest.swap_mb))
        self.put_boot_files(files, guest.kernel, guest.ramdisk)
        self.note(files)

    def note(self, files: InstanceFiles) -> None:
        """Write down which disks there are (disk.info)."""
        fmt = disk_format(self._options)
        files.path("disk.info").write_text(json.dumps({str(path): fmt for path in local_disks(files.directory)}))

    def mend(self, guest: GuestSpec, files: InstanceFiles) -> None:
        """Before a start: bases that went missing are made again; a missing disk is an error, never an empty one."""
        wanted = [*(["disk"] if has_root_disk(guest) else []), *ephemerals(guest)]
        for name in (*wanted, *(["disk.swap"] if guest.swap_mb else [])):
            path = files.path(name)
            if path.exists():
                # A root disk that stands whole needs no image, which may be long deleted.
                self._mend_base(guest, path)
            elif name == "disk.swap":
                # Swap holds nothing that a start could want back.
                self.put(path, self.swap_base(guest.swap_mb))
            else:
                raise DriverError(reason=f"{path} is missing")
        if guest.kernel is not None and not files.path("kernel").exists():
            self.put_boot_files(files, guest.kernel, guest.ramdisk)

    def _mend_base(self, guest: GuestSpec, path: Path) -> None:
        base = backing_file(path)
        if base is None or base.exists():
            return
        if base.parent != self._cache.directory:
            raise DriverError(reason=f"{path} stands on {base}, which is missing")
        # By its name, not by the flavor: the guest may have got a larger disk since.
        if self.base_named(base.name) is None:
            self._cache.bring(guest.image, base)

    def base_named(self, name: str) -> Base | None:
        """A base that we make ourselves, by its name; None for another name."""
        found = _MADE.fullmatch(name)
        if found is None:
            return None
        size, filesystem = int(found["size"]), found["filesystem"]
        if not filesystem:
            return self.swap_base(size)
        return self._ephemeral(size, filesystem, int(found["number"] or 0)) if filesystem in _MKFS else None

    def _root_size(self, guest: GuestSpec, base: Base) -> int:
        size = guest.root_gb * GIB
        if size == 0:
            return base.virtual_size
        if size < base.virtual_size:
            raise FlavorDiskSmallerThanImage(flavor_size=size, image_size=base.virtual_size)
        is_disc = guest.image is not None and guest.image.disk_format == "iso"
        return base.virtual_size if is_disc else size

    def put(self, path: Path, base: Base, size: int | None = None) -> None:
        """A new disk that begins as `base`, of `size` bytes where it shall be larger; whole, or not there."""
        part = path.with_name(f"{path.name}.part")
        part.unlink(missing_ok=True)
        size = size or base.virtual_size
        timeout = self._options.qemu_img_timeout
        if disk_format(self._options) == "qcow2":
            qemu_img.create_overlay(part, base.path, base.format, size, timeout)
        else:
            qemu_img.convert(base.path, base.format, part, "raw", timeout)
            with part.open("r+b") as file:
                file.truncate(size)
        part.chmod(FILE_MODE)
        part.rename(path)

    def put_boot_files(
        self, files: InstanceFiles, kernel: ImageFile | None, ramdisk: ImageFile | None, suffix: str = ""
    ) -> None:
        """Copy what QEMU boots directly; a `suffix` tells a rescue's from the guest's own."""
        for name, image in (("kernel", kernel), ("ramdisk", ramdisk)):
            if image is not None:
                target = files.path(name + suffix)
                part = target.with_name(f"{target.name}.part")
                try:
                    shutil.copyfile(self._cache.base(image).path, part)
                    part.chmod(FILE_MODE)
                    part.rename(target)
                except OSError as error:
                    part.unlink(missing_ok=True)
                    raise qemu_img.os_error(error, target) from error

    def ephemeral_of(self, guest: GuestSpec, name: str) -> Base:
        """What one of a guest's ephemeral disks begins as; raises DriverError for a file system that we can't make."""
        disks = ephemerals(guest)
        return self._ephemeral(disks[name].size_gb, disks[name].guest_format, list(disks).index(name))

    def _ephemeral(self, size_gb: int, filesystem: str | None, number: int) -> Base:
        """An empty file system, shared by all guests."""
        filesystem = filesystem or self._options.default_ephemeral_format or "ext4"
        if filesystem not in _MKFS:
            raise DriverError(reason=f"an ephemeral disk can't be formatted as {filesystem!r} ({', '.join(_MKFS)})")
        names = {"label": f"ephemeral{number}", "uuid": f"{_EPHEMERAL_UUID[:-2]}{0x30 + number:02x}"}
        arguments = [argument.format(**names) for argument in _MKFS[filesystem]]
        # The first one's name is without a number.
        name = f"ephemeral_{size_gb}_{filesystem}" + (f"_{number}" if number else "")
        return self._made_base(name, size_gb * GIB, [f"mkfs.{filesystem}", *arguments])

    def swap_base(self, size_mb: int) -> Base:
        """Empty swap."""
        return self._made_base(f"swap_{size_mb}", size_mb * MIB, ["mkswap"])

    def _made_base(self, name: str, size: int, command: list[str]) -> Base:
        """A raw base that a tool formats, shared by all guests that want the same."""
        target = self._cache.directory / name
        with self._cache.locked(name):
            if target.exists():
                os.utime(target)  # somebody builds on it now: it is no longer old
            else:
                part = target.with_name(f"{name}.part")
                part.unlink(missing_ok=True)
                try:
                    qemu_img.create_raw(part, size)
                    _format(part, command)
                    part.chmod(BASE_MODE)
                    part.rename(target)
                finally:
                    part.unlink(missing_ok=True)
        return Base(target, "raw", size)


def _format(path: Path, command: list[str]) -> None:
    # Not root's own PATH: mkfs lives in sbin.
    tool = shutil.which(command[0]) or shutil.which(command[0], path="/usr/sbin:/sbin")
    if tool is None:
        raise DriverError(reason=f"{command[0]} is not installed")
    done = subprocess.run(
        [tool, *command[1:], str(path)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "E2FSPROGS_FAKE_TIME": _EPHEMERAL_TIME},
    )
    if done.returncode:
        raise DriverError(reason=f"{command[0]} failed: {done.stderr.strip()}")


def qcow2_header(path: Path) -> tuple[int, str] | None:
    """Virtual size and backing file of a qcow2 of ours, None for another format (0.02 ms; qemu-img takes 20)."""
    with path.open("rb") as file:
        head = file.read(32)
        if len(head) < 32 or head[:4] != b"QFI\xfb":
            return None
        offset = int.from_bytes(head[8:16], "big")
        length = int.from_bytes(head[16:20], "big")
        size = int.from_bytes(head[24:32], "big")
        if not offset or not 0 < length <= 1023:
            return size, ""
        file.seek(offset)
        return size, file.read(length).decode(errors="surrogateescape")


def backing_file(path: Path) -> Path | None:
    """What an overlay of ours stands on."""
    if not path.exists():
        return None
    header = qcow2_header(path)
    return Path(header[1]) if header and header[1] else None


def virtual_size(path: Path) -> int:
    """The size in bytes that the guest sees."""
    header = qcow2_header(path)
    return header[0] if header else path.stat().st_size
