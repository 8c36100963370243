"""Volumes that are files of a directory: `volume-<id>.qcow2`, `snapshot-<id>.raw`.

What a file is called says its format, so that a changed option leaves old volumes what they are, and nothing is ever
probed. A file is made under `.part` and renamed when it is whole; whoever makes it holds a lock on it, so that what a
killed process left is told from what another one is making.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from tuinova.virt.driver import DriverError, Progress
from tuinova.virt.libvirt import disks, qemu_img, sparse
from tuinova.virt.libvirt.layout import DIRECTORY_MODE, FILE_MODE, UUID
from tuinova.virt.libvirt.options import LibvirtOptions
from tuinova.virt.libvirt.volume_backend import GIB, Backend, Data, check_key, refuse_bigger, trusted
from tuinova.virt.libvirt.volume_options import FORMATS, BackendOptions
from tuinova.virt.volumes import VolumeBackend

LOG = logging.getLogger(__name__)

_FILE = re.compile(rf"(volume|snapshot)-({UUID.pattern})\.({'|'.join(FORMATS)})(\.part)?")


class FileBackend(Backend):
    """A directory of volumes; hosts of one machine share it."""

    def __init__(self, backend: BackendOptions, options: LibvirtOptions) -> None:
        assert backend.directory is not None
        self.name = backend.name
        self.format = backend.format
        self.directory = backend.directory
        self._options = options

    def start(self) -> None:
        """See above; raises DriverError where the directory can't be made."""
        try:
            if not self.directory.exists():
                self.directory.mkdir(parents=True)
                # QEMU's user must pass, whatever the umask; nobody else need look around.
                self.directory.chmod(DIRECTORY_MODE)
            for part in self.directory.glob("*.part"):
                if _FILE.fullmatch(part.name):
                    self._forget(part)
        except OSError as error:
            raise DriverError(reason=f"the volumes' directory {self.directory} can't be used: {error}") from error

    def _forget(self, part: Path) -> None:
        try:
            with part.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink(missing_ok=True)
                LOG.info("removed %s, which an interrupted call left", part)
        except BlockingIOError:
            LOG.debug("%s is being made", part)
        except FileNotFoundError:
            LOG.debug("%s is whole by now", part)

    def describe(self) -> VolumeBackend | None:
        """See above."""
        try:
            usage = shutil.disk_usage(self.directory)
        except OSError as error:
            LOG.warning("the volumes' directory %s can't be read: %s", self.directory, error)
            return None
        return VolumeBackend(self.name, "file", self.format, usage.total / GIB, usage.free / GIB)

    def find(self, kind: str, key: str) -> Mapping[str, Any] | None:
        """See above; of the format that it was made in."""
        paths = (self.directory / f"{kind}-{check_key(key)}.{fmt}" for fmt in FORMATS)
        found = next((path for path in paths if path.exists()), None)
        return None if found is None else _connection(found, found.suffix[1:])

    def place(self, kind: str, key: str) -> Mapping[str, Any]:
        """See above."""
        return _connection(self.directory / f"{kind}-{check_key(key)}.{self.format}", self.format)

    def create(self, kind: str, key: str, size: int, data: Data | None, progress: Progress) -> None:
        """See above; raises ComputeResourcesUnavailable when the file system is full."""
        refuse_bigger(data, size)
        if self.find(kind, key) is not None:
            return
        # A copy of a volume is one in the same format: blocks are shared where the file system can.
        fmt = data.format if data is not None and kind == "snapshot" and data.format in FORMATS else self.format
        self._make(self.directory / f"{kind}-{check_key(key)}.{fmt}", fmt, size, data, progress)

    def replace(self, key: str, size: int, data: Data | None, progress: Progress) -> None:
        """See above; it keeps its format, so that one rename puts the new file in the old one's place."""
        refuse_bigger(data, size)
        found = self.find("volume", key)
        if found is not None:
            self._refuse_used(key, found)
        place = found or self.place("volume", key)
        self._make(Path(place["path"]), place["format"], size, data, progress)

    def _refuse_used(self, key: str, found: Mapping[str, Any]) -> None:
        """Whatever a guest made of its disk is replaced, but not under it."""
        try:
            trusted(found, key)
            qemu_img.refuse_used(Path(found["path"]), found["format"], self._options.qemu_img_info_timeout)
        except DriverError as error:
            if qemu_img.IN_USE in error.message:
                raise
            LOG.info("%s is replaced as it is: %s", found["path"], error.message)

    def _make(self, target: Path, fmt: str, size: int, data: Data | None, progress: Progress) -> None:
        with self._making(target) as (part, file):
            if data is None:
                qemu_img.create(part, fmt, size, self._options.qemu_img_timeout)
            elif data.format == fmt and _is_ours(data.path):
                self._copy(data.path, part, file, progress)
            else:
                timeout = self._options.qemu_img_timeout
                qemu_img.convert_whole(data.path, data.format, part, fmt, data.size, timeout, progress)
            if disks.virtual_size(part) < size:
                qemu_img.resize(part, fmt, size, self._options.qemu_img_timeout)

    @contextmanager
    def _making(self, target: Path) -> Iterator[tuple[Path, BinaryIO]]:
        """A file that becomes `target` when all went well."""
        part = target.with_name(f"{target.name}.part")
        try:
            with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT, FILE_MODE), "r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                try:
                    file.truncate(0)
                    yield part, file
                    os.fsync(file.fileno())
                    part.rename(target)
                finally:
                    part.unlink(missing_ok=True)
        except BlockingIOError as error:
            raise DriverError(reason=f"{target.name} is being made already") from error
        except OSError as error:
            raise qemu_img.os_error(error, target) from error

    def _copy(self, source: Path, part: Path, file: BinaryIO, progress: Progress) -> None:
        total, done = sparse.allocated([source]), 0

        def moved(count: int) -> None:
            nonlocal done
            done = min(total, done + count)
            progress(done, total)

        free = shutil.disk_usage(self.directory).free
        if total > free and not sparse.can_clone(source, self.directory):
            raise qemu_img.no_space(part)
        progress(0, total)
        sparse.fill(source, file, moved)
        progress(total, total)

    def extend(self, key: str, size: int) -> None:
        """See above."""
        found = self.find("volume", key)
        if found is None:
            raise DriverError(reason=f"the file of volume {key} is missing")
        path = Path(found["path"])
        if disks.virtual_size(path) < size:
            qemu_img.resize(path, found["format"], size, self._options.qemu_img_timeout)

    def delete(self, kind: str, key: str) -> None:
        """See above."""
        check_key(key)
        try:
            for fmt in FORMATS:
                (self.directory / f"{kind}-{key}.{fmt}").unlink(missing_ok=True)
                part = self.directory / f"{kind}-{key}.{fmt}.part"
                if part.exists():
                    self._forget(part)
        except OSError as error:
            raise DriverError(reason=f"the file of {kind} {key} can't be removed: {error}") from error

    def made(self) -> Mapping[str, list[str]]:
        """See above."""
        found: dict[str, list[str]] = {}
        for path in sorted(self.directory.iterdir()) if self.directory.exists() else ():
            if match := _FILE.fullmatch(path.name):
                found.setdefault(match[2], []).append(f"{match[1]} file")
        return found


def _connection(path: Path, fmt: str) -> dict[str, Any]:
    return {"type": "file", "path": str(path), "format": fmt}


def _is_ours(path: Path) -> bool:
    """Whether a file was made here; an image is always converted, whatever its format."""
    return _FILE.fullmatch(path.name) is not None
