"""A guest's disks: which there are, under which names the guest sees them, and their files.

Names and lettering as nova/virt/libvirt/blockinfo.py; files as imagebackend.py (qcow2 overlay on a shared base, or a
raw copy when `use_cow_images` is off).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tuinova.core.errors import FlavorDiskSmallerThanImage
from tuinova.virt.driver import DriverError, GuestSpec, ImageFile
from tuinova.virt.libvirt import qemu_img
from tuinova.virt.libvirt.images import BASE_MODE, Base, ImageCache
from tuinova.virt.libvirt.layout import FILE_MODE, InstanceFiles
from tuinova.virt.libvirt.options import LibvirtOptions

GIB = 1 << 30
MIB = 1 << 20
_PREFIX = {"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd", "fdc": "fd"}
_IDE_DEVICES = 4
# One that went missing, or another host's, is the same when it is made again: overlays stand on it.
_EPHEMERAL_UUID = "6b1f0c1e-7475-696e-6f76-657068656d30"
_EPHEMERAL_TIME = "1700000000"
_MADE = re.compile(r"(?:ephemeral|swap)_(?P<size>\d+)(?:_(?P<filesystem>[a-z0-9]+))?")


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk of a guest: file name, format, and how the guest sees it.

    `target`: vda; `device`: disk, cdrom or floppy; `boots_first`: before all others, wherever it stands.
    """

    name: str
    format: str
    device: str
    bus: str
    target: str
    boots_first: bool = False

    @property
    def readonly(self) -> bool:
        """A disc can't be written."""
        return self.device == "cdrom"

    @property
    def is_config_drive(self) -> bool:
        """Of the guest or of its rescue."""
        return self.name.startswith("disk.config")


def plan(guest: GuestSpec, machine: str, options: LibvirtOptions) -> list[Disk]:
    """Root, ephemeral, swap, config drive: in Nova's order, with the names that Nova gives them."""
    properties = guest.image.properties if guest.image else {}
    disk_bus = default_bus("disk", properties, machine)
    cdrom_bus = default_bus("cdrom", properties, machine)
    fmt = disk_format(options)
    disks: list[Disk] = []

    def add(name: str, file_format: str, device: str, bus: str) -> None:
        disks.append(Disk(name, file_format, device, bus, next_name(bus, disks)))

    if guest.image is not None:
        is_iso = guest.image.disk_format == "iso"
        add("disk", fmt, "cdrom" if is_iso else "disk", cdrom_bus if is_iso else disk_bus)
    if guest.ephemeral_gb:
        add("disk.local", fmt, "disk", disk_bus)
    if guest.swap_mb:
        add("disk.swap", fmt, "disk", disk_bus)
    if guest.config_drive:
        is_fat = options.config_drive_format == "vfat"
        add("disk.config", "raw", "disk" if is_fat else "cdrom", disk_bus if is_fat else cdrom_bus)
    return disks


def default_bus(device: str, properties: Mapping[str, str], machine: str) -> str:
    """The bus of a disk, cdrom or floppy, as the image or else the machine has it."""
    if device == "floppy":
        return "fdc"
    if device == "disk":
        return properties.get("hw_disk_bus") or "virtio"
    if given := properties.get("hw_cdrom_bus"):
        return given
    if "q35" in machine:
        return "sata"
    return "ide" if machine.startswith("pc") else "scsi"  # ARM's and IBM's machines have neither


def disk_format(options: LibvirtOptions) -> str:
    """qcow2 overlays, or raw copies."""
    if options.images_type in ("raw", "flat"):
        return "raw"
    if options.images_type in ("qcow2", "default"):
        return "qcow2" if options.images_type == "qcow2" or options.use_cow_images else "raw"
    raise DriverError(reason=f"images_type {options.images_type!r} is not supported (default, qcow2, raw, flat)")


def next_name(bus: str, disks: Iterable[Disk]) -> str:
    """The first name on a bus that none of these disks has."""
    if bus not in _PREFIX:
        raise DriverError(reason=f"disk bus {bus!r} is not known")
    taken, prefix = {disk.target for disk in disks}, _PREFIX[bus]
    for letter in "abcdefghijklmnopqrstuvwxyz"[: _IDE_DEVICES if bus == "ide" else 26]:
        if prefix + letter not in taken:
            return prefix + letter
    raise DriverError(reason=f"there are too many disks on bus {bus}")


class GuestDisks:
    """Makes and mends the disk files of guests."""

    def __init__(self, cache: ImageCache, options: LibvirtOptions) -> None:
        self._cache = cache
        self._options = options

    def create(self, guest: GuestSpec, files: InstanceFiles) -> None:
        """All files but the config drive, into an empty directory."""
        if guest.image is not None:
            base = self._cache.base(guest.image)
            self.put(files.path("disk"), base, self._root_size(guest, base))
        if guest.ephemeral_gb:
            self.put(files.path("disk.local"), self.ephemeral_base(guest.ephemeral_gb))
        if guest.swap_mb:
            self.put(files.path("disk.swap"), self.swap_base(guest.swap_mb))
        self.put_boot_files(files, guest.kernel, guest.ramdisk)
        self.note(files)

    def note(self, files: InstanceFiles) -> None:
        """Write down which disks there are (disk.info)."""
        fmt = disk_format(self._options)
        paths = [files.path(name) for name in ("disk", "disk.local", "disk.swap")]
        files.path("disk.info").write_text(json.dumps({str(path): fmt for path in paths if path.exists()}))

    def mend(self, guest: GuestSpec, files: InstanceFiles) -> None:
        """Before a start: bases that went missing are made again; a missing disk is an error, never an empty one."""
        wanted = {"disk": guest.image is not None, "disk.local": guest.ephemeral_gb, "disk.swap": guest.swap_mb}
        for name in (name for name, is_wanted in wanted.items() if is_wanted):
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
        return self._ephemeral(size, filesystem) if filesystem else self.swap_base(size)

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

    def ephemeral_base(self, size_gb: int) -> Base:
        """An empty file system, shared by all guests."""
        return self._ephemeral(size_gb, self._options.default_ephemeral_format or "ext4")

    def _ephemeral(self, size_gb: int, filesystem: str) -> Base:
        command = [f"mkfs.{filesystem}", "-q", "-L", "ephemeral0"]
        if filesystem.startswith("ext"):
            command += ["-F", "-U", _EPHEMERAL_UUID, "-E", f"hash_seed={_EPHEMERAL_UUID}"]
        return self._made_base(f"ephemeral_{size_gb}_{filesystem}", size_gb * GIB, command)

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
