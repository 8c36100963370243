"""Copying disk files: shared blocks where the file system has them, else what is allocated and nothing of the holes."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

FICLONE = 0x40049409  # linux/fs.h
CHUNK = 8 << 20
# The kernel, or this pair of file systems, can't copy by itself.
_NO_COPY_RANGE = frozenset({errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM})
_NO_CLONE = _NO_COPY_RANGE | {errno.ENOTTY, errno.EISDIR, errno.ETXTBSY}


def allocated(paths: Iterable[Path]) -> int:
    """Bytes that files really take."""
    return sum(path.stat().st_blocks * 512 for path in paths)


def copy(source: Path, target: Path, moved: Callable[[int], None] = lambda _: None) -> None:
    """Write the new file `target`; `moved` is told of each part's bytes. A failure leaves no `target`."""
    with target.open("xb") as writer:
        try:
            fill(source, writer, moved)
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def fill(source: Path, writer: BinaryIO, moved: Callable[[int], None] = lambda _: None) -> None:
    """The same into a new file that is open already."""
    with source.open("rb") as reader:
        if clone(reader, writer):
            moved(os.fstat(reader.fileno()).st_blocks * 512)
        else:
            _copy_data(reader, writer, moved)
        # The original may be deleted soon after.
        os.fsync(writer.fileno())


def clone(reader: BinaryIO, writer: BinaryIO) -> bool:
    """Let both share their blocks; False where the file system can't."""
    try:
        fcntl.ioctl(writer.fileno(), FICLONE, reader.fileno())
    except OSError as error:
        if error.errno in _NO_CLONE:
            return False
        raise
    return True


def can_clone(source: Path, directory: Path) -> bool:
    """Whether copies of `source` in that directory would share its blocks."""
    probe = directory / f".{source.name}.clone"
    try:
        with source.open("rb") as reader, probe.open("wb") as writer:
            return clone(reader, writer)
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)


def _copy_data(reader: BinaryIO, writer: BinaryIO, moved: Callable[[int], None]) -> None:
    size = os.fstat(reader.fileno()).st_size
    writer.truncate(size)
    for start, end in data_ranges(reader.fileno(), size):
        while start < end:
            done = _copy_range(reader.fileno(), writer.fileno(), start, min(CHUNK, end - start))
            if not done:
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(reader.name))
            start += done
            moved(done)


def same_content(one: Path, other: Path) -> bool:
    """Whether two files hold the same; holes are not read where both have them."""
    with one.open("rb") as first, other.open("rb") as second:
        size = os.fstat(first.fileno()).st_size
        if size != os.fstat(second.fileno()).st_size:
            return False
        for file in (first, second):
            for start, end in data_ranges(file.fileno(), size):
                for place in range(start, end, CHUNK):
                    length = min(CHUNK, end - place)
                    if os.pread(first.fileno(), length, place) != os.pread(second.fileno(), length, place):
                        return False
    return True


def data_ranges(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Where a file has data; all of it where the file system knows no holes."""
    end = 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole up to the end
                return
            raise
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, end


def _copy_range(reader: int, writer: int, start: int, length: int) -> int:
    try:
        return os.copy_file_range(reader, writer, length, start, start)
    except OSError as error:
        if error.errno not in _NO_COPY_RANGE:
            raise
    return os.pwrite(writer, os.pread(reader, length, start), start)
