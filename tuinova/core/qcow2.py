"""Whether a qcow2 file is all there: every table and cluster that it points at lies inside it.

QEMU opens a file whose end is missing and reads zeros, so a broken upload would become a broken guest. The layout is
that of QEMU's docs/interop/qcow2.
"""

from __future__ import annotations

import struct
import sys
from array import array
from pathlib import Path
from typing import BinaryIO, Final

_HEADER: Final = struct.Struct(">4sIQIIQIIQQIIQ")
_MAGIC: Final = b"QFI\xfb"
_OFFSET_MASK: Final = 0x00FFFFFFFFFFFE00
_COMPRESSED: Final = 1 << 62
_SECTOR: Final = 512
_MAX_L1_ENTRIES: Final = 32 * 1024 * 1024 // 8  # QEMU's limit
_CLUSTER_BITS: Final = range(9, 22)  # QEMU's limits: 512 bytes to 2 MiB


class Damaged(Exception):
    """The file is not a whole qcow2; the message says where."""


def check_complete(path: Path) -> None:
    """Raise Damaged when something that the file points at is not in it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEADER.size)
        if len(head) < _HEADER.size:
            raise Damaged("the image is truncated: its header is not complete")
        fields = _HEADER.unpack(head)
        magic, cluster_bits, virtual_size, l1_size, l1_offset = fields[0], fields[4], fields[5], fields[7], fields[8]
        refcount_offset, refcount_clusters = fields[9], fields[10]
        if magic != _MAGIC:
            raise Damaged("the image is no qcow2")
        if cluster_bits not in _CLUSTER_BITS or l1_size > _MAX_L1_ENTRIES:
            raise Damaged("the image is damaged: its header has impossible sizes")
        cluster = 1 << cluster_bits
        needed = -(-virtual_size // (cluster * (cluster // 8)))
        if l1_size < needed:
            raise Damaged("the image is damaged: its L1 table is too small for its size")
        _inside(refcount_offset, refcount_clusters * cluster, size, "reference counts")
        _inside(l1_offset, l1_size * 8, size, "L1 table")
        for l2_entry in _table(file, l1_offset, l1_size):
            if l2_offset := l2_entry & _OFFSET_MASK:
                _inside(l2_offset, cluster, size, "L2 table")
                _check_clusters(_table(file, l2_offset, cluster // 8), cluster_bits, size)


def _check_clusters(entries: array[int], cluster_bits: int, size: int) -> None:
    """The last data cluster may be shorter than a cluster, but it must begin inside the file."""
    offset_bits = 62 - (cluster_bits - 8)
    compressed_mask = (1 << offset_bits) - 1
    for entry in entries:
        if not entry:
            continue
        if entry & _COMPRESSED:
            offset = entry & compressed_mask
            sectors = (entry & (_COMPRESSED - 1)) >> offset_bits
            # The count is of sectors that are touched beyond the first; the last of them may be partly used.
            _inside(offset, max(1, sectors * _SECTOR - (offset % _SECTOR)), size, "compressed cluster")
        elif offset := entry & _OFFSET_MASK:
            _inside(offset, 1, size, "data cluster")


def _inside(offset: int, length: int, size: int, what: str) -> None:
    if offset + length > size:
        raise Damaged(f"the image is truncated: a {what} lies behind its end")


def _table(file: BinaryIO, offset: int, entries: int) -> array[int]:
    """A table of big-endian 64-bit numbers."""
    file.seek(offset)
    data = file.read(entries * 8)
    if len(data) < entries * 8:
        raise Damaged("the image is truncated: a table lies behind its end")
    table = array("Q")
    table.frombytes(data)
    if sys.byteorder == "little":
        table.byteswap()
    return table
