"""Which disks a guest has, and under which names it sees them (nova/virt/libvirt/blockinfo.py)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from tuinova.virt.driver import DriverError, GuestSpec
from tuinova.virt.libvirt.options import LibvirtOptions
from tuinova.virt.volumes import LocalDisk, VolumeDisk

DEVICE_TYPES = ("disk", "cdrom", "floppy", "lun")
_PREFIX = {"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd", "fdc": "fd"}
_IDE_DEVICES = 4
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
# What a request may call a device; libvirt makes QEMU's own names of it.
_DEVICE = re.compile(r"(?:/dev/)?((?:vd|sd|hd|xvd|fd)[a-z]{1,2})")


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk of a guest: file name, format, and how the guest sees it.

    `target`: vda; `device`: disk, cdrom, floppy or lun; `boot_order` 1: before all others, wherever it stands.
    """

    name: str
    format: str
    device: str
    bus: str
    target: str
    boot_order: int | None = None
    volume: VolumeDisk | None = None

    @property
    def readonly(self) -> bool:
        """A disc can't be written."""
        return self.device == "cdrom"

    @property
    def is_config_drive(self) -> bool:
        """Of the guest or of its rescue."""
        return self.name.startswith("disk.config")

    @property
    def boots_first(self) -> bool:
        """Whether the guest starts from it, wherever it stands."""
        return self.boot_order == 1


def properties(guest: GuestSpec) -> Mapping[str, str]:
    """The image's properties, or what the root volume of a guest without an image remembers of its own."""
    return guest.image.properties if guest.image else guest.properties


def root_volume(guest: GuestSpec) -> VolumeDisk | None:
    """The volume that a guest starts from, None for one with a root disk of its own."""
    return next((volume for volume in guest.volumes if volume.boot_index == 0), None)


def has_root_disk(guest: GuestSpec) -> bool:
    """Whether the root is a file of the guest's directory."""
    return guest.image is not None and root_volume(guest) is None


def ephemerals(guest: GuestSpec) -> dict[str, LocalDisk]:
    """File name -> disk: those of the request, else the one of the flavor's size."""
    if guest.ephemerals is not None:
        return {f"disk.eph{number}": disk for number, disk in enumerate(guest.ephemerals)}
    return {"disk.local": LocalDisk(guest.ephemeral_gb)} if guest.ephemeral_gb else {}


def plan(guest: GuestSpec, machine: str, options: LibvirtOptions, *, has_disk: bool = False) -> list[Disk]:
    """Root, ephemeral, swap, volumes, config drive: in Nova's order, with the names that Nova gives them.

    `has_disk`: the root disk is there already, so it needs no image, which may be long deleted.
    """
    wants = properties(guest)
    disk_bus = default_bus("disk", wants, machine)
    cdrom_bus = default_bus("cdrom", wants, machine)
    fmt = disk_format(options)
    disks: list[Disk] = []
    given = {device_name(volume.device) for volume in guest.volumes}
    given |= {device_name(local.device) for local in guest.ephemerals or () if local.device}

    def add(name: str, file_format: str, device: str, bus: str, target: str | None = None) -> None:
        disks.append(Disk(name, file_format, device, bus, target or next_name(bus, disks, given)))

    root = root_volume(guest)
    is_own = has_root_disk(guest) or (has_disk and root is None)
    if root is not None:
        disks.append(volume_disk(root, wants, machine))
    elif is_own:
        is_iso = guest.image is not None and guest.image.disk_format == "iso"
        add("disk", fmt, "cdrom" if is_iso else "disk", cdrom_bus if is_iso else disk_bus)
    for name, local in ephemerals(guest).items():
        target = device_name(local.device) if local.device else None
        add(name, fmt, "disk", local.bus or (bus_of(target, wants, machine) if target else disk_bus), target)
    if guest.swap_mb:
        add("disk.swap", fmt, "disk", disk_bus)
    disks += [volume_disk(volume, wants, machine) for volume in guest.volumes if volume is not root]
    if guest.config_drive:
        is_fat = options.config_drive_format == "vfat"
        add("disk.config", "raw", "disk" if is_fat else "cdrom", disk_bus if is_fat else cdrom_bus)
    return _with_boot_order(disks, has_root=root is not None or is_own) if guest.volumes else disks


def _with_boot_order(disks: list[Disk], *, has_root: bool) -> list[Disk]:
    """The root first, then the volumes that may be started from; libvirt orders the disks of a bus by their names."""
    places = {disk.target: disk.volume.boot_index for disk in disks if disk.volume and disk.volume.boot_index}
    in_order = sorted((index, target) for target, index in places.items() if index and index > 0)
    orders = {target: order for order, (_, target) in enumerate(in_order, start=2)}
    if has_root:
        orders[disks[0].target] = 1
    return [replace(disk, boot_order=orders.get(disk.target)) for disk in disks]


def volume_disk(volume: VolumeDisk, wants: Mapping[str, str], machine: str) -> Disk:
    """A volume as a disk; raises DriverError for what no guest can have."""
    target = device_name(volume.device)
    if volume.device_type not in DEVICE_TYPES:
        raise DriverError(reason=f"a volume can't be a {volume.device_type!r} ({', '.join(DEVICE_TYPES)})")
    bus = volume.bus or bus_of(target, wants, machine)
    if bus not in _PREFIX:
        raise DriverError(reason=f"disk bus {bus!r} is not known")
    # SCSI commands can be passed on to a device only.
    is_lun = volume.device_type == "lun" and (volume.connection["type"] != "block" or bus not in ("scsi", "virtio"))
    device = "disk" if is_lun else volume.device_type
    return Disk(f"volume-{volume.volume_id}", str(volume.connection["format"]), device, bus, target, volume=volume)


def device_name(device: str) -> str:
    """A device's name without its directory; raises DriverError for one that is none."""
    found = _DEVICE.fullmatch(device)
    if found is None:
        raise DriverError(reason=f"{device!r} is no name of a disk")
    return found[1]


def bus_of(target: str, wants: Mapping[str, str], machine: str) -> str:
    """The bus that a device's name speaks of."""
    usual = default_bus("disk", wants, machine)
    if target.startswith(_PREFIX.get(usual, "?")):
        return usual
    found = (bus for bus, prefix in _PREFIX.items() if target.startswith(prefix))
    return next(found, usual)


def default_bus(device: str, wants: Mapping[str, str], machine: str) -> str:
    """The bus of a disk, cdrom or floppy, as the image or else the machine has it."""
    if device == "floppy":
        return "fdc"
    if device == "disk":
        return wants.get("hw_disk_bus") or "virtio"
    if given := wants.get("hw_cdrom_bus"):
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


def next_name(bus: str, disks: Iterable[Disk], given: Collection[str] = ()) -> str:
    """The first name on a bus that none of these disks has, and that is not given to another."""
    if bus not in _PREFIX:
        raise DriverError(reason=f"disk bus {bus!r} is not known")
    taken, prefix = {disk.target for disk in disks}.union(given), _PREFIX[bus]
    for letter in _LETTERS[: _IDE_DEVICES if bus == "ide" else 26]:
        if prefix + letter not in taken:
            return prefix + letter
    raise DriverError(reason=f"there are too many disks on bus {bus}")
