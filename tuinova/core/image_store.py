"""The image store: one file an image, written whole or not at all, and only when it is what it says it is.

An image is hostile input, one that is made of a guest's disk too. Its format is found by oslo.utils' inspectors while
it streams in; what has a backing file or a data file, hides one format in another, is cut off, or is not of the format
that its row names is refused before anything else opens it. qemu-img is never run here.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import stat
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tuinova.core import qcow2
from tuinova.core.errors import ImageDataConflict, ImageNotFound, ImageStorageFull, ImageUnacceptable, InvalidDiskFormat

LOG = logging.getLogger(__name__)
DISK_FORMATS: Final = ("qcow2", "raw", "iso", "ami", "aki", "ari")
_PART = ".part"
_SNAPSHOT = ".snapshot.part"
_IMPORT = ".import.part"
_IMPORT_NOTE = ".note.import.part"
_CHUNK = 1 << 20
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# What the inspectors may find for each claimed format: a partition table is no format of its own.
_ACCEPTED: Final = {
    "qcow2": ({"qcow2"},),
    "raw": ({"raw"}, {"gpt"}),
    "iso": ({"iso"}, {"iso", "gpt"}),
    "ami": ({"raw"}, {"gpt"}),
    "aki": ({"raw"}, {"gpt"}),  # a bzImage begins with a boot sector
    "ari": ({"raw"}, {"gpt"}),
}
_LIMITS: Final = {"aki": 1 << 30, "ari": 1 << 30}  # kernels and ramdisks are read into memory


# (bytes done, bytes in all); what it raises ends the work.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class StoredImage:
    """What was written; sizes in bytes, `virtual_size` is the disk that a guest sees."""

    size: int
    checksum: str  # MD5, as Glance keeps it
    sha512: str
    virtual_size: int


class ImageStore:
    """The data files of images in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, image_id: str) -> Path:
        """Where an image's data lies; raises ImageNotFound for what can't be an id."""
        if not _NAME.fullmatch(image_id):
            raise ImageNotFound(image_id=image_id)
        return self.directory / image_id

    def exists(self, image_id: str) -> bool:
        """Whether there is data."""
        return self.path(image_id).is_file()

    def write(self, image_id: str, chunks: Iterable[bytes], disk_format: str) -> StoredImage:
        """Take the data of an image; nothing is left behind when it fails.

        Raises InvalidDiskFormat for a format that is not served, ImageUnacceptable, ImageStorageFull,
        ImageDataConflict while somebody else writes the same image or when it has data; what `chunks` raises.
        """
        if disk_format not in DISK_FORMATS:
            raise InvalidDiskFormat(disk_format=disk_format)
        target = self.path(image_id)
        part = target.with_name(target.name + _PART)
        if target.exists():
            raise ImageDataConflict(image_id=image_id, status="active")
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise ImageDataConflict(image_id=image_id, status="saving") from None
        except OSError as error:
            raise storage_error(error) from error
        with _or_nothing(part):
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                stored = _examine(image_id, chunks, disk_format, lambda chunk: _write_sparse(file, chunk))
                file.truncate(stored.size)
                os.fsync(file.fileno())
            return self._put_in_place(image_id, part, disk_format, stored)

    def _put_in_place(self, image_id: str, part: Path, disk_format: str, stored: StoredImage) -> StoredImage:
        """The last look, and the name under which the data is found; whole on the disk when it returns."""
        stored = _inspect_file(image_id, part, disk_format, stored)
        os.rename(part, self.path(image_id))
        self._sync_directory()
        return stored

    def snapshot_path(self, image_id: str) -> Path:
        """Where a driver writes the new file that `adopt` then takes; what lay there is removed."""
        path = self._snapshot(image_id)
        path.unlink(missing_ok=True)
        return path

    def _snapshot(self, image_id: str) -> Path:
        return self._beside(image_id, _SNAPSHOT)

    def adopt(self, image_id: str, disk_format: str, progress: Progress | None = None) -> StoredImage:
        """Take the file that was written to `snapshot_path` as an image's data, looked through as an upload is.

        Nothing of it is left when it fails. Raises the same as `write`, ImageNotFound without a file, and what
        `progress` raises.
        """
        if disk_format not in DISK_FORMATS:
            raise InvalidDiskFormat(disk_format=disk_format)
        return self._adopt(image_id, self._snapshot(image_id), disk_format, progress)

    def import_path(self, image_id: str) -> Path:
        """Where the data of an import grows."""
        return self._beside(image_id, _IMPORT)

    def import_note(self, image_id: str) -> Path:
        """Where the importer notes what it is of."""
        return self._beside(image_id, _IMPORT_NOTE)

    def stage(self, image_id: str, chunks: Iterable[bytes]) -> int:
        """Keep data of any kind for a later import; the number of bytes. Nothing is left when it fails."""
        part, size = self.import_path(image_id), 0
        with _or_nothing(part):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            with os.fdopen(os.open(part, flags, 0o600), "wb", buffering=0) as file:
                for chunk in chunks:
                    _write_sparse(file, chunk)
                    size += len(chunk)
                file.truncate(size)
                os.fsync(file.fileno())
        return size

    def adopt_import(self, image_id: str, disk_format: str, progress: Progress | None = None) -> StoredImage:
        """As `adopt`, for what lies in `import_path`; what `progress` raises leaves it there."""
        if disk_format not in DISK_FORMATS:
            raise InvalidDiskFormat(disk_format=disk_format)
        stored = self._adopt(image_id, self.import_path(image_id), disk_format, progress, keep=True)
        self.discard_import(image_id)
        return stored

    def take_back(self, image_id: str) -> None:
        """Undo an adoption that nobody got to know of: the data lies in `import_path` again."""
        if self.exists(image_id):
            self.path(image_id).replace(self.import_path(image_id))

    def discard_import(self, image_id: str) -> None:
        """Remove what an import has brought so far."""
        self.import_note(image_id).unlink(missing_ok=True)
        self.import_path(image_id).unlink(missing_ok=True)

    def _beside(self, image_id: str, ending: str) -> Path:
        target = self.path(image_id)
        return target.with_name(target.name + ending)

    def _adopt(
        self, image_id: str, part: Path, disk_format: str, progress: Progress | None, *, keep: bool = False
    ) -> StoredImage:
        with nullcontext() if keep else _or_nothing(part):
            if self.exists(image_id):
                raise ImageDataConflict(image_id=image_id, status="active")
            with _open_whole(image_id, part) as file:
                chunks = _told(_chunks(file, _CHUNK), os.fstat(file.fileno()).st_size, progress)
                stored = _examine(image_id, chunks, disk_format, lambda chunk: None)
                os.fchmod(file.fileno(), 0o600)
                os.fsync(file.fileno())
            return self._put_in_place(image_id, part, disk_format, stored)

    def discard(self, image_id: str) -> None:
        """Remove the data and what a driver wrote for it; what is gone already is fine."""
        self._snapshot(image_id).unlink(missing_ok=True)
        self.delete(image_id)

    def read(self, image_id: str, chunk_size: int = _CHUNK) -> Iterator[bytes]:
        """The data in chunks; raises ImageNotFound before the first one."""
        try:
            file = self.path(image_id).open("rb")
        except FileNotFoundError:
            raise ImageNotFound(image_id=image_id) from None
        return _closing(file, chunk_size)

    def delete(self, image_id: str) -> None:
        """Remove the data; what is gone already is fine."""
        self.path(image_id).unlink(missing_ok=True)

    def sweep(self, known: Collection[str], importing: Collection[str] = ()) -> list[str]:
        """Remove what interrupted uploads and deletions left: part files, and data without a row.

        Only for a start, when nobody writes; `known` are the ids of all rows, `importing` those whose import goes on.
        Returns the names that went.
        """
        gone = []
        kept = {path.name for ident in importing for path in (self.import_path(ident), self.import_note(ident))}
        for path in sorted(self.directory.iterdir()):
            if path.name in kept:
                continue
            if path.is_file() and (path.name.endswith(_PART) or path.name not in known):
                path.unlink(missing_ok=True)
                gone.append(path.name)
                LOG.info("Removed leftover image data %s", path.name)
        return gone

    def _sync_directory(self) -> None:
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _or_nothing(part: Path) -> Iterator[None]:
    """Whatever goes wrong, no half-made file stays; errors of the disk become ours."""
    try:
        yield
    except OSError as error:
        part.unlink(missing_ok=True)
        raise storage_error(error) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _chunks(file: Any, chunk_size: int) -> Iterator[bytes]:
    while chunk := file.read(chunk_size):
        yield chunk


def _closing(file: Any, chunk_size: int) -> Iterator[bytes]:
    with file:
        yield from _chunks(file, chunk_size)


def storage_error(error: OSError) -> OSError | ImageStorageFull:
    """Ours where the disk is full."""
    if error.errno in _FULL:
        return ImageStorageFull(reason=error.strerror)
    return error


def _open_whole(image_id: str, path: Path) -> Any:
    """A file of the driver's for reading; what is no plain file (a link to elsewhere) is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise ImageNotFound(image_id=image_id) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ImageUnacceptable(image_id=image_id, reason="its data is no plain file")
    return os.fdopen(descriptor, "rb", buffering=0)


def _told(chunks: Iterable[bytes], total: int, progress: Progress | None) -> Iterator[bytes]:
    done = 0
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        if progress is not None:
            progress(done, total)


def _examine(image_id: str, chunks: Iterable[bytes], disk_format: str, keep: Callable[[bytes], None]) -> StoredImage:
    """Stream the data through hashes and inspectors to `keep`; refuses it as early as that is sure."""
    from oslo_utils.imageutils import format_inspector

    md5, sha512, size = hashlib.md5(usedforsecurity=False), hashlib.sha512(), 0
    limit = _LIMITS.get(disk_format)
    expected = disk_format if disk_format in ("qcow2", "iso") else None
    source: Any = iter(chunks)
    wrapper = format_inspector.InspectWrapper(source, expected_format=expected)
    try:
        for chunk in wrapper:
            size += len(chunk)
            if limit is not None and size > limit:
                raise ImageUnacceptable(image_id=image_id, reason=f"a {disk_format} image has at most {limit} bytes")
            md5.update(chunk)
            sha512.update(chunk)
            keep(chunk)
        found = wrapper.formats or []
    except format_inspector.ImageFormatError as error:
        raise ImageUnacceptable(image_id=image_id, reason=_text(error)) from error
    if size == 0:
        raise ImageUnacceptable(image_id=image_id, reason="it is empty")
    virtual_size = _check_formats(image_id, disk_format, found, format_inspector) or size
    return StoredImage(size, md5.hexdigest(), sha512.hexdigest(), virtual_size)


def _write_sparse(file: Any, chunk: bytes) -> None:
    """Write to an unbuffered file, which may take less than it is given; zeros become a hole (raw images are full)."""
    if chunk.count(0) == len(chunk):
        file.seek(len(chunk), os.SEEK_CUR)
        return
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]


def _check_formats(image_id: str, disk_format: str, found: list[Any], format_inspector: Any) -> int | None:
    """Refuse what is not what it says; returns the virtual size where the format knows one."""
    names = {str(inspector) for inspector in found}
    if names not in _ACCEPTED[disk_format]:
        what = " and ".join(sorted(names)) or "nothing known"
        raise ImageUnacceptable(
            image_id=image_id, reason=f"Image content does not match disk_format {disk_format}: it is {what}"
        )
    if disk_format not in ("qcow2", "iso"):
        return None
    inspector = next(one for one in found if str(one) == disk_format)
    try:
        inspector.safety_check()
    except format_inspector.SafetyCheckFailed as error:
        reasons = ", ".join(str(reason) for reason in error.failures.values())
        raise ImageUnacceptable(image_id=image_id, reason=reasons or _text(error)) from error
    except format_inspector.ImageFormatError as error:
        raise ImageUnacceptable(image_id=image_id, reason=_text(error)) from error
    return int(inspector.virtual_size) if disk_format == "qcow2" else None


def _inspect_file(image_id: str, path: Path, disk_format: str, stored: StoredImage) -> StoredImage:
    """Look at the whole file where the stream does not tell enough: a qcow2 that is cut off has its head."""
    if disk_format == "qcow2":
        try:
            qcow2.check_complete(path)
        except qcow2.Damaged as error:
            raise ImageUnacceptable(image_id=image_id, reason=str(error)) from error
    return stored


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
