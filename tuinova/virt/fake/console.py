"""Open consoles of fake guests: each follows its guest's console log; who holds one is a file beside it."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import uuid as uuids

from tuinova.virt.driver import ConsoleBusy, ConsoleSink, ConsoleStream, DriverError, GuestNotFound
from tuinova.virt.fake import processes
from tuinova.virt.fake.store import GuestStore

_CHUNK = 64 * 1024
HOLDER = "console.holder"


def take_console(store: GuestStore, uuid: str, *, force: bool) -> str:
    """Become the holder of a guest's console, under its lock; returns the token that says so. Raises ConsoleBusy."""
    held = _holder(store, uuid)
    if held is not None and not force and processes.lives(int(held.get("pid", 0)), str(held.get("start", ""))):
        raise ConsoleBusy(uuid=uuid, who=f"process {held['pid']}")
    token = uuids.uuid4().hex
    path = store.path(uuid, HOLDER)
    with open(path + ".new", "w") as file:
        pid, start = processes.me()
        json.dump({"pid": pid, "start": start, "token": token}, file)
    os.replace(path + ".new", path)
    return token


def _holder(store: GuestStore, uuid: str) -> dict[str, str] | None:
    try:
        with open(store.path(uuid, HOLDER), "rb") as file:
            held = json.load(file)
    except (OSError, ValueError):
        return None
    return held if isinstance(held, dict) else None


class FakeConsole(ConsoleStream):
    """One attached serial port. `pump` is called by the driver's thread and hands new output to the sink."""

    def __init__(self, store: GuestStore, uuid: str, domain_id: int, token: str, sink: ConsoleSink) -> None:
        self.uuid = uuid
        self.domain_id = domain_id
        self._store = store
        self._token = token
        self._sink = sink
        self._lock = threading.RLock()
        self._over = False
        self._log = store.path(uuid, "console.log")
        self._file = open(self._log, "ab+", buffering=0)  # noqa: SIM115 - closed by close()
        self._file.seek(0, os.SEEK_END)
        self.drained = threading.Event()
        self.send = lambda data: None  # set by the driver
        self.forget = lambda: None

    @property
    def is_over(self) -> bool:
        """The stream has ended or was closed."""
        return self._over

    def write(self, data: bytes) -> None:
        """Type on the guest's terminal."""
        if self._over:
            raise DriverError(reason=f"The console stream of {self.uuid} is over")
        self.drained.clear()
        self.send(data)

    def close(self) -> None:
        """Let go; afterwards the sink hears nothing more."""
        with self._lock:
            if self._over:
                return
            self._finish()
        self.forget()

    def _finish(self) -> None:
        self._over = True
        self._file.close()
        self.drained.set()
        with contextlib.suppress(GuestNotFound, FileNotFoundError), self._store.locked(self.uuid):
            held = _holder(self._store, self.uuid)
            if held is not None and held.get("token") == self._token:
                os.unlink(self._store.path(self.uuid, HOLDER))

    def end(self, error: str | None) -> None:
        """Hand over what is left, then end."""
        with self._lock:
            if self._over:
                return
            self._copy()
            self._finish()
            self._sink.end(error)
        self.forget()

    def pump(self) -> None:
        """Hand new output to the sink."""
        with self._lock:
            if self._over:
                return
            held = _holder(self._store, self.uuid)
            if held is None or held.get("token") != self._token:
                self.end("The console was taken over by another program" if held else None)
                return
            self._copy()
            self.drained.set()

    def _copy(self) -> None:
        while True:
            chunk = self._file.read(_CHUNK)
            if chunk:
                self._sink.data(chunk)
            elif not self._follow_rotation():
                return

    def _follow_rotation(self) -> bool:
        """Go on in the new file when the log has grown beyond its limit; True when there is more to read."""
        try:
            status = os.stat(self._log)
            mine = os.fstat(self._file.fileno())
            older = os.stat(self._log + ".0")
        except FileNotFoundError:
            return False
        if status.st_ino == mine.st_ino or older.st_ino != mine.st_ino:
            return False
        while chunk := self._file.read(_CHUNK):
            self._sink.data(chunk)
        self._file.close()
        self._file = open(self._log, "rb", buffering=0)  # noqa: SIM115 - closed by close()
        return True
