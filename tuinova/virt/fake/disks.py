"""The disks that a fake guest sees: which, in what order, and how big."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuinova.virt.fake.record import GuestRecord

# Whose contents a disk has; MEMORY is no disk: what lies in /tmp and /run.
ROOT, EPHEMERAL, SWAP, RESCUE, MEMORY = "root", "ephemeral", "swap", "rescue", "memory"
GIB, MIB = 1 << 30, 1 << 20
DISK_LIMIT = 128 * 1024  # characters of names and texts on one disk: the record is written whole at each change


@dataclass(frozen=True, slots=True)
class Disk:
    """One block device: the guest's name of it, what it is, its size in bytes."""

    name: str
    role: str
    size: int


def length(files: dict[str, str]) -> int:
    """How many of a disk's characters its files take."""
    return sum(len(name) + len(text) for name, text in files.items())


def root_bytes(record: GuestRecord) -> int:
    """The size of the root disk; a flavor of zero GiB leaves the image's own, a root volume has its own size."""
    if (volume := record.volumes_root) is not None:
        return int(volume["size"])
    return record.root_gb * GIB or record.image_bytes


def _own(record: GuestRecord) -> list[tuple[str, int]]:
    disks = [(ROOT, root_bytes(record))]
    if record.ephemerals:
        disks += [
            (EPHEMERAL if not at else f"{EPHEMERAL}{at}", size * GIB) for at, size in enumerate(record.ephemerals)
        ]
    elif record.ephemeral_gb:
        disks.append((EPHEMERAL, record.ephemeral_gb * GIB))
    if record.swap_mb:
        disks.append((SWAP, record.swap_mb * MIB))
    return disks


def seen(record: GuestRecord) -> list[Disk]:
    """The guest's disks in order, the config drive apart.

    Rescued it boots from the rescue disk and has its root disk as the second and last one; a stable device rescue adds
    the rescue disk behind all that was there (nova/virt/libvirt/driver.py rescue).
    """
    disks = _own(record)
    if record.rescue is not None:
        rescue = (RESCUE, int(record.rescue.get("bytes", 0)))
        disks = [*disks, rescue] if record.rescue.get("last") else [rescue, disks[0]]
    found = [Disk(f"vd{chr(ord('a') + number)}", role, size) for number, (role, size) in enumerate(disks)]
    if record.volumes and (record.rescue is None or record.rescue.get("last")):
        found += [Disk(one["device"], one["role"], int(one["size"])) for one in record.volumes if one["role"] != ROOT]
    return found


def booted(record: GuestRecord) -> str:
    """Whose contents the root file system has."""
    return ROOT if record.rescue is None else RESCUE
