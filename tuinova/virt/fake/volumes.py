"""Fake volumes: small image files that outlive the service, with the guest's files in them.

A volume is a raw file as `disk_file` packs it, whatever size it says it has; a guest that has it reads and writes the
files in it. What is half made has another name until it is whole, and goes at the next start. Faults are ordered as
for guests (`faults.py`), by the method's name; "guest" is then the volume's id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tuinova.core.errors import ImageUnacceptable
from tuinova.virt.fake import processes
from tuinova.virt.fake.copying import STEPS
from tuinova.virt.fake.disk_file import PART, DiskContent, pack, unpack, write_disk
from tuinova.virt.fake.disks import GIB
from tuinova.virt.fake.faults import Faults
from tuinova.virt.model import DriverError, Progress
from tuinova.virt.volumes import VolumeBackend, VolumeDriver, VolumeSource, VolumeSpec

_VOLUME, _SNAPSHOT = "volume-", "snapshot-"
DEFAULT_BACKEND = "fake"


def content_of(path: Path | str) -> DiskContent:
    """What a volume's file holds; an absent one is a disk of nothing."""
    file = Path(path)
    return unpack(file, file.stat().st_size if file.exists() else 0)


class FakeVolumeDriver(VolumeDriver):
    """Volumes as files of one directory; `copy_seconds` is how long making one from data takes."""

    def __init__(
        self,
        directory: Path,
        *,
        backends: Sequence[str] = (DEFAULT_BACKEND,),
        total_gb: float = 10_000,
        copy_seconds: float = 0.0,
        faults: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.directory = directory
        self.faults = Faults(directory, "volumes", faults or {})
        self._backends = tuple(backends)
        self._total_gb = total_gb
        self._copy_seconds = copy_seconds

    def start(self) -> None:
        """See the contract."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self.directory.iterdir():
            if PART in path.name:
                pid, _, start = path.name.partition(PART)[2].partition(".")
                if not (pid.isdigit() and processes.lives(int(pid), start)):
                    path.unlink(missing_ok=True)

    def backends(self) -> Sequence[VolumeBackend]:
        """See the contract."""
        held = sum(content_of(path).size for path in self._files(_VOLUME)) / GIB
        free = max(0.0, self._total_gb - held)
        return [VolumeBackend(name, "fake", "raw", self._total_gb, free) for name in self._backends]

    def create(self, volume: VolumeSpec, source: VolumeSource | None, progress: Progress) -> None:
        """See the contract."""
        self._strike("create", "before", volume.id)
        if self._volume(volume.id).exists():
            return
        self._write("create", volume, source, progress)

    def replace(self, volume: VolumeSpec, source: VolumeSource, progress: Progress) -> None:
        """See the contract."""
        self._strike("replace", "before", volume.id)
        self._write("replace", volume, source, progress)

    def _write(self, method: str, volume: VolumeSpec, source: VolumeSource | None, progress: Progress) -> None:
        """The volume's file, put in its place when it is whole."""
        content = self._source(volume, source)
        size = volume.size_gb * GIB
        if content.size > size:
            asked = source.image.id if source is not None and source.image is not None else volume.id
            raise ImageUnacceptable(image_id=asked, reason="Image virtual size is larger than the volume")
        if source is not None:
            self._copy(size, progress, method, volume.id)
        else:
            self._strike(method, "middle", volume.id)
        write_disk(self._volume(volume.id), DiskContent(size, content.files))
        self._strike(method, "after", volume.id)

    def _source(self, volume: VolumeSpec, source: VolumeSource | None) -> DiskContent:
        if source is None:
            return DiskContent(0)
        if source.image is not None:
            return unpack(source.image.path, source.image.size)
        path = self._snapshot(source.snapshot_id) if source.snapshot_id else None
        if path is None and source.volume is not None:
            path = self._volume(source.volume.id)
        if path is None or not path.exists():
            raise DriverError(reason=f"What volume {volume.id} is to be made of is not there")
        return content_of(path)

    def _copy(self, total: int, progress: Progress, method: str, ident: str) -> None:
        for step in range(1, STEPS + 1):
            if self._copy_seconds and self.faults.closed.wait(self._copy_seconds / STEPS):
                raise DriverError(reason="The driver was closed while data was copied")
            if step == STEPS // 2:
                self._strike(method, "middle", ident)
            progress(total * step // STEPS, total)

    def delete(self, volume: VolumeSpec) -> None:
        """See the contract."""
        self._both("delete", volume.id)
        self._volume(volume.id).unlink(missing_ok=True)
        self._strike("delete", "after", volume.id)

    def extend(self, volume: VolumeSpec, size_gb: int) -> None:
        """See the contract."""
        self._both("extend", volume.id)
        path = self._present(volume.id)
        content = content_of(path)
        write_disk(path, DiskContent(max(content.size, size_gb * GIB), content.files))
        self._strike("extend", "after", volume.id)

    def connection(self, volume: VolumeSpec) -> Mapping[str, Any]:
        """See the contract."""
        return {"type": "file", "path": str(self._volume(volume.id)), "format": "raw"}

    def create_snapshot(self, volume: VolumeSpec, snapshot_id: str, progress: Progress) -> None:
        """See the contract."""
        self._strike("create_snapshot", "before", snapshot_id, volume.id)
        content = content_of(self._present(volume.id))
        if self._snapshot(snapshot_id).exists():
            return
        self._copy(content.size, progress, "create_snapshot", snapshot_id)
        write_disk(self._snapshot(snapshot_id), content)
        self._strike("create_snapshot", "after", snapshot_id, volume.id)

    def snapshot_connection(self, volume: VolumeSpec, snapshot_id: str) -> Mapping[str, Any]:
        """See the contract."""
        return {"type": "file", "path": str(self._snapshot(snapshot_id)), "format": "raw"}

    def delete_snapshot(self, volume: VolumeSpec, snapshot_id: str) -> None:
        """See the contract."""
        self._both("delete_snapshot", snapshot_id)
        self._snapshot(snapshot_id).unlink(missing_ok=True)
        self._strike("delete_snapshot", "after", snapshot_id)

    def upload(self, volume: VolumeSpec, target: Path, disk_format: str, progress: Progress) -> None:
        """See the contract."""
        self._strike("upload", "before", volume.id)
        data = pack(content_of(self._present(volume.id)), disk_format)
        try:
            self._copy(len(data), progress, "upload", volume.id)
            target.write_bytes(data)
            target.chmod(0o600)
            self._strike("upload", "after", volume.id)
        except BaseException:
            target.unlink(missing_ok=True)
            raise

    def made(self) -> Mapping[str, Sequence[str]]:
        """See the contract."""
        found = {path.name.removeprefix(_VOLUME): ["volume"] for path in self._files(_VOLUME)}
        found |= {path.name.removeprefix(_SNAPSHOT): ["snapshot"] for path in self._files(_SNAPSHOT)}
        return found

    def cleanup(self, key: str) -> None:
        """See the contract."""
        self._both("cleanup", key)
        self._volume(key).unlink(missing_ok=True)
        self._snapshot(key).unlink(missing_ok=True)

    def close(self) -> None:
        """End what hangs by order."""
        self.faults.closed.set()

    # files -----------------------------------------------------------------------------------------------------------
    def _files(self, prefix: str) -> list[Path]:
        if not self.directory.is_dir():
            return []
        return [path for path in self.directory.iterdir() if path.name.startswith(prefix) and PART not in path.name]

    def _volume(self, ident: str) -> Path:
        return self.directory / f"{_VOLUME}{ident}"

    def _snapshot(self, ident: str) -> Path:
        return self.directory / f"{_SNAPSHOT}{ident}"

    def _present(self, ident: str) -> Path:
        path = self._volume(ident)
        if not path.exists():
            raise DriverError(reason=f"Volume {ident} is not on the backend")
        return path

    def _both(self, method: str, *names: str) -> None:
        self._strike(method, "before", *names)
        self._strike(method, "middle", *names)

    def _strike(self, method: str, when: str, *names: str) -> None:
        self.faults.strike(method, when, *names)
