"""A fake guest's root disk as an image file: a real, small qcow2 or raw whose first bytes hold the guest's files.

The layout is that of QEMU's docs/interop/qcow2, version 3: every table has its cluster, only the clusters that the
files fill are allocated. What is read comes from anybody: a file that is not one of ours is an ordinary disk without
files.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from tuinova.core.errors import NotSupported
from tuinova.virt.fake import processes
from tuinova.virt.fake.disks import DISK_LIMIT
from tuinova.virt.fake.disks import length as length_of

FORMATS: Final = ("qcow2", "raw")
PART: Final = ".part."  # in the name of a file that is not whole yet
_SECTOR: Final = 512
_QCOW2: Final = struct.Struct(">4sIQIIQIIQQIIQQQQII")
_OFFSET_MASK: Final = 0x00FFFFFFFFFFFE00
_COMPRESSED: Final = 1 << 62
_COPIED: Final = 1 << 63
_LARGE: Final = 8 << 40  # a disk beyond it takes clusters of 2 MiB, so that its first table stays small
_HEAD: Final = struct.Struct(">24sIIQ32s")  # magic, version, length, virtual size, SHA-256 of the packed files
_MAGIC: Final = b"tuinova fake guest disk\0"
_PACKED_LIMIT: Final = 1 << 20
_FILES_LIMIT: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class DiskContent:
    """What an image brings: the guest's files by path, and the size of the disk in bytes."""

    size: int
    files: dict[str, str] = field(default_factory=dict)


def pack(content: DiskContent, disk_format: str) -> bytes:
    """The image file's bytes; raises NotSupported for a format that is not written."""
    packed = zlib.compress(json.dumps(content.files).encode(), 6)
    head = _HEAD.pack(_MAGIC, 1, len(packed), content.size, hashlib.sha256(packed).digest())
    data = _padded(_padded(head, _SECTOR) + packed, _SECTOR)
    if disk_format == "raw":
        return data
    if disk_format == "qcow2":
        return _qcow2(data, content.size)
    raise NotSupported(f"The fake driver writes snapshots as {' or '.join(FORMATS)}, not as {disk_format}")


def write_disk(path: Path | str, content: DiskContent) -> None:
    """Put a raw disk's file in place, whole: what a killed process was writing has another name."""
    target = Path(path)
    pid, start = processes.me()
    part = target.with_name(f"{target.name}{PART}{pid}.{start}")
    part.write_bytes(pack(content, "raw"))
    os.replace(part, target)


def _padded(data: bytes, unit: int) -> bytes:
    return data + bytes(-len(data) % unit)


def _qcow2(data: bytes, virtual_size: int) -> bytes:
    bits = 16 if virtual_size <= _LARGE else 21
    cluster = 1 << bits
    virtual_size = max(virtual_size, len(data), _SECTOR)
    l1_entries = -(-virtual_size // (cluster * (cluster // 8)))
    l1_clusters = -(-l1_entries * 8 // cluster)
    data_clusters = -(-len(data) // cluster)
    l1_at = 3 * cluster
    l2_at = l1_at + l1_clusters * cluster
    data_at = l2_at + cluster
    used = 5 - 1 + l1_clusters + data_clusters
    header = _QCOW2.pack(
        b"QFI\xfb", 3, 0, 0, bits, virtual_size, 0, l1_entries, l1_at, cluster, 1, 0, 0, 0, 0, 0, 4, _QCOW2.size
    )
    tables = [
        header,
        struct.pack(">Q", 2 * cluster),
        struct.pack(f">{used}H", *[1] * used),
        struct.pack(">Q", l2_at | _COPIED) + bytes(l1_entries * 8 - 8),
        struct.pack(f">{data_clusters}Q", *(data_at + n * cluster | _COPIED for n in range(data_clusters))),
        data,
    ]
    return b"".join(_padded(table, cluster) for table in tables)


def unpack(path: Path, size: int) -> DiskContent:
    """What an image file holds; one of `size` bytes of which nothing is known when it is not ours or can't be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_QCOW2.size)
            if head[:4] == b"QFI\xfb":
                return _from_qcow2(file, head)
            file.seek(0)
            return _content(file.read(_SECTOR + _PACKED_LIMIT), size)
    except (OSError, ValueError, struct.error, zlib.error, RecursionError):
        return DiskContent(size)


def _from_qcow2(file: BinaryIO, head: bytes) -> DiskContent:
    fields = _QCOW2.unpack(head)
    bits, size, encryption, l1_at = fields[4], fields[5], fields[6], fields[8]
    if bits not in range(9, 22) or encryption or fields[3]:
        return DiskContent(size)
    cluster = 1 << bits
    (l1,) = struct.unpack(">Q", _at(file, l1_at, 8))
    wanted = min(cluster // 8, -(-(_SECTOR + _PACKED_LIMIT) // cluster))
    data = b""
    if l1 & _OFFSET_MASK:
        for entry in struct.unpack(f">{wanted}Q", _at(file, l1 & _OFFSET_MASK, 8 * wanted)):
            if entry & _COMPRESSED or not entry & _OFFSET_MASK:
                break
            data += _at(file, entry & _OFFSET_MASK, cluster)
    return _content(data, size)


def _at(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)


def _content(data: bytes, size: int) -> DiskContent:
    if len(data) < _SECTOR or not data.startswith(_MAGIC):
        return DiskContent(size)
    _, version, length, virtual_size, digest = _HEAD.unpack(data[: _HEAD.size])
    packed = data[_SECTOR : _SECTOR + length]
    if version != 1 or length > _PACKED_LIMIT or hashlib.sha256(packed).digest() != digest:
        return DiskContent(size)
    unpacker = zlib.decompressobj()
    files = json.loads(unpacker.decompress(packed, _FILES_LIMIT))
    if not isinstance(files, dict) or not all(isinstance(n, str) and isinstance(t, str) for n, t in files.items()):
        return DiskContent(size)
    if length_of(files) > DISK_LIMIT:
        return DiskContent(size)
    return DiskContent(virtual_size, files)
