"""Snapshots of fake guests: their root disk as an image file that another guest can be made from."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tuinova.core.errors import ImageStorageFull
from tuinova.virt.driver import DriverError, GuestSpec, Progress
from tuinova.virt.fake import disk_file, disks, processes
from tuinova.virt.fake.copying import STEPS, quarters
from tuinova.virt.fake.power import PowerKeeper

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Snapshots(PowerKeeper):
    """`snapshot`, and what killed processes left of theirs."""

    def snapshot(self, guest: GuestSpec, target: Path, disk_format: str | None, progress: Progress) -> str:
        """See the contract; in the middle half of the file is written."""
        names = (guest.uuid, guest.name, guest.display_name)
        self.faults.strike("snapshot", "before", *names)
        written = disk_format or "qcow2"
        record = self.ours(guest.uuid)
        content = disk_file.DiskContent(disks.root_bytes(record), record.contents.get(disks.ROOT, {}))
        data = disk_file.pack(content, written)
        part = self._part(guest.uuid)
        try:
            with _told_as_nova():
                self._snapshots.mkdir(mode=0o700, exist_ok=True)
                self.sweep_snapshots(guest.uuid)
            self._write(part, data, progress, names)
            with _told_as_nova():
                _move(part, target)
            self.faults.strike("snapshot", "after", *names)
        except BaseException:
            _remove(part, target)
            raise
        return written

    def _write(self, part: Path, data: bytes, progress: Progress, names: tuple[str, ...]) -> None:
        for step, (begin, end) in enumerate(quarters(self, progress, len(data))):
            if step == STEPS // 2:
                self.faults.strike("snapshot", "middle", *names)
            with _told_as_nova(), open(part, "ab", opener=_private) as file:
                file.write(data[begin:end])

    @property
    def _snapshots(self) -> Path:
        return self.directory / "snapshots"

    def _part(self, uuid: str) -> Path:
        pid, start = processes.me()
        return self._snapshots / f"{uuid}.{pid}.{start}"

    def sweep_snapshots(self, uuid: str | None = None) -> None:
        """Remove half-made snapshots: this guest's (its calls come one after another), and those of dead processes."""
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self._snapshots):
                guest, _, owner = name.partition(".")
                pid, _, start = owner.partition(".")
                if guest == uuid or not (pid.isdigit() and processes.lives(int(pid), start)):
                    (self._snapshots / name).unlink(missing_ok=True)


@contextlib.contextmanager
def _told_as_nova() -> Iterator[None]:
    """What the file system refuses; only that, since what `progress` raises is the caller's own."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise ImageStorageFull(reason=error.strerror) from error
        raise DriverError(reason=f"The snapshot can't be written: {error}") from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _move(part: Path, target: Path) -> None:
    """Give the finished file its name, by way of a copy where that is on another file system."""
    try:
        os.replace(part, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with part.open("rb") as source, open(target, "wb", opener=_private) as file:
            shutil.copyfileobj(source, file)
        part.unlink()


def _remove(*paths: Path) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
