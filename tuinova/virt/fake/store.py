"""The directory of a fake hypervisor: a directory a guest, guest.json and its console log in it.

Files are replaced by rename, so a reader sees the old or the new one; nothing is synced to disk: the fake hypervisor
outlives the service, not the machine. The lock of a guest is a kernel lock on its directory, good between threads and
between processes, and free at once when a process dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tuinova.virt.driver import DriverError, GuestNotFound
from tuinova.virt.fake.record import GuestRecord

LOG_LIMIT = 2 * 1024 * 1024  # virtlogd's max_size: beyond it the log goes to console.log.0
KEPT_BOOTS = 3
ASIDE = "_resize"  # ends the name of the directory that a cold migration set aside

Signature = tuple[int, int, int]


class GuestStore:
    """Guests on disk, with a cache that notices what other processes wrote."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.host = directory.name
        self.guests = str(directory / "guests")
        self._cache: dict[str, tuple[Signature, GuestRecord]] = {}

    def create(self) -> None:
        """Make the directories."""
        os.makedirs(self.guests, mode=0o700, exist_ok=True)

    @property
    def is_there(self) -> bool:
        """Whether some driver has made the directories."""
        return os.path.isdir(self.guests)

    def path(self, uuid: str, name: str = "") -> str:
        """A path in a guest's directory."""
        return f"{self.guests}/{uuid}/{name}" if name else f"{self.guests}/{uuid}"

    # one guest -------------------------------------------------------------------------------------------------------
    @contextlib.contextmanager
    def locked(self, uuid: str) -> Iterator[None]:
        """Hold the guest's lock; raises GuestNotFound when it has no directory."""
        descriptor = self._lock(uuid)
        try:
            yield
        finally:
            os.close(descriptor)

    def _lock(self, uuid: str) -> int:
        while True:
            try:
                descriptor = os.open(self.path(uuid), os.O_RDONLY | os.O_DIRECTORY)
            except (FileNotFoundError, NotADirectoryError):
                raise GuestNotFound(uuid=uuid) from None
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                return descriptor
            # While we waited the guest was removed, and another directory may have its name by now.
            os.close(descriptor)

    def load(self, uuid: str) -> GuestRecord:
        """The guest as it is now, a copy that the caller may change; raises GuestNotFound."""
        return self.peek(uuid).clone()

    def peek(self, uuid: str) -> GuestRecord:
        """The guest as it is now, not to be changed; raises GuestNotFound."""
        path = self.path(uuid, "guest.json")
        try:
            status = os.stat(path)
            signature = (status.st_ino, status.st_mtime_ns, status.st_size)
            kept = self._cache.get(uuid)
            if kept is None or kept[0] != signature:
                with open(path, "rb") as file:
                    kept = (signature, self._arrived(GuestRecord.from_json(file.read())))
                self._cache[uuid] = kept
        except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
            self._cache.pop(uuid, None)
            raise GuestNotFound(uuid=uuid) from None
        return kept[1]

    def _arrived(self, record: GuestRecord) -> GuestRecord:
        """A live migration moves a guest by renaming its file: it has arrived where it was to go."""
        if record.migrating is not None and record.migrating.get("to") == self.host:
            record.domain_id, record.migrating = int(record.migrating["domain_id"]), None
        return record

    def save(self, record: GuestRecord) -> None:
        """Write the guest's file, and remember what was written."""
        status = self.write(self.path(record.uuid, "guest.json"), record)
        self._cache[record.uuid] = ((status.st_ino, status.st_mtime_ns, status.st_size), record.clone())

    @staticmethod
    def write(path: str, record: GuestRecord) -> os.stat_result:
        """Write a record whole; plain system calls, since each of them lets other threads of the service in."""
        descriptor = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, record.to_json().encode())
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        os.rename(path + ".new", path)
        return status

    def remove(self, uuid: str) -> None:
        """Remove all files of a guest, the record first; harmless when there are none."""
        self._cache.pop(uuid, None)
        path = self.path(uuid)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + "/guest.json")
        try:
            os.rmdir(path)
        except FileNotFoundError:
            pass
        except OSError:
            shutil.rmtree(path, ignore_errors=True)

    def forget_aside(self, uuid: str) -> None:
        """Remove what a cold migration set aside; harmless, and cheap, when there is nothing."""
        try:
            os.rmdir(self.path(uuid + ASIDE))
        except FileNotFoundError:
            return
        except OSError:
            self.remove(uuid + ASIDE)

    def make_directory(self, uuid: str) -> None:
        """An empty directory for a new guest, without what an unfinished build left in it; raises DriverError."""
        try:
            os.mkdir(self.path(uuid), 0o700)
        except FileExistsError:
            if self.exists(uuid):
                raise DriverError(reason=f"Guest {uuid} exists already") from None
            self.remove(uuid)
            os.mkdir(self.path(uuid), 0o700)
        except FileNotFoundError:
            self.create()
            os.mkdir(self.path(uuid), 0o700)

    def exists(self, uuid: str) -> bool:
        """Whether the guest is there."""
        try:
            self.peek(uuid)
        except GuestNotFound:
            return False
        return True

    def write_config_drive(self, uuid: str, files: Mapping[str, bytes], drive: str = "disk.config") -> None:
        """The files of a config drive, as a tree that tests can look into."""
        root = Path(self.path(uuid, drive))
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def remove_tree(self, uuid: str, name: str) -> None:
        """Remove a directory of a guest; what is gone is fine."""
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.path(uuid, name))

    def write_config_drive_once(self, uuid: str, files: Callable[[], Mapping[str, bytes]]) -> None:
        """The config drive of a guest that has none yet; it is there whole or not at all."""
        if not os.path.isdir(self.path(uuid, "disk.config")):
            self.remove_tree(uuid, "disk.config.new")
            self.write_config_drive(uuid, files(), "disk.config.new")
            os.rename(self.path(uuid, "disk.config.new"), self.path(uuid, "disk.config"))

    # all of them -----------------------------------------------------------------------------------------------------
    def _names(self) -> list[str]:
        try:
            return [name for name in os.listdir(self.guests) if not name.endswith(ASIDE)]
        except FileNotFoundError:
            return []

    def set_aside(self) -> list[str]:
        """uuids of which a cold migration has set something aside."""
        try:
            return sorted(name.removesuffix(ASIDE) for name in os.listdir(self.guests) if name.endswith(ASIDE))
        except FileNotFoundError:
            return []

    def records(self) -> Iterator[GuestRecord]:
        """All guests, foreign ones too; not to be changed."""
        for name in self._names():
            with contextlib.suppress(GuestNotFound):
                yield self.peek(name)

    def half_made(self) -> list[str]:
        """uuids with a directory but no readable guest: builds and removals that a crash cut short."""
        return sorted(name for name in self._names() if not self.exists(name))

    # console log -----------------------------------------------------------------------------------------------------
    def append_log(self, uuid: str, data: bytes) -> None:
        """Add to the log of this boot, under the guest's lock."""
        path = self.path(uuid, "console.log")
        with open(path, "ab") as file:
            size = file.tell()
            if size < LOG_LIMIT:
                file.write(data)
                return
        os.replace(path, path + ".0")
        with open(path, "ab") as file:
            file.write(data)

    def rotate_log(self, uuid: str, boot: int | None) -> None:
        """Set the log of the boot that is over apart."""
        self.write_boot(uuid, boot or 0, self._read_log(uuid))
        path = self.path(uuid, "console.log")
        for name in (path, path + ".0"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)

    def write_boot(self, uuid: str, boot: int, log: bytes) -> None:
        """Keep the log of an earlier boot, and forget the oldest."""
        with open(f"{self.path(uuid)}/boot-{boot:08d}.log", "wb") as whole:
            whole.write(log)
        for name in self._older_boots(uuid)[:-KEPT_BOOTS]:
            os.unlink(name)

    def _older_boots(self, uuid: str) -> list[str]:
        directory = self.path(uuid)
        return sorted(f"{directory}/{name}" for name in os.listdir(directory) if name.startswith("boot-"))

    def _read_log(self, uuid: str) -> bytes:
        parts = []
        for name in ("console.log.0", "console.log"):
            with contextlib.suppress(FileNotFoundError), open(self.path(uuid, name), "rb") as file:
                parts.append(file.read())
        return b"".join(parts)

    def read_log(self, uuid: str, limit: int, all_boots: bool) -> bytes:
        """The last `limit` bytes of the log, of earlier boots too when asked."""
        parts = []
        if all_boots:
            for name in self._older_boots(uuid):
                with contextlib.suppress(FileNotFoundError), open(name, "rb") as file:
                    parts.append(file.read())
        parts.append(self._read_log(uuid))
        return b"".join(parts)[-limit:]
