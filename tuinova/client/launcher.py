"""Starting a service on demand: exactly one, however many clients ask at once.

The client takes a file lock, connects again, and only then spawns; it waits on a pipe for the line "ready". Others wait
in the lock and find the socket. The service holds a lock of its own for life (`tuinova.core.serve`); where somebody
else is starting one, theirs is waited for.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuinova.client.errors import ServiceUnreachable
from tuinova.client.target import NOBODY_LISTENS
from tuinova.core.paths import Paths
from tuinova.core.sockets import connect_unix

START_LOCK = "start.lock"
_LOG_KEPT_BYTES = 4 << 20
_TAIL_LINES = 15


@contextmanager
def start_lock(runtime_dir: Path) -> Iterator[None]:
    """The lock that a starter, and a service that leaves for idleness, hold."""
    fd = os.open(runtime_dir / START_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def start_and_connect(places: Paths, timeout: float | None = None) -> socket.socket:
    """A connection to the service of these places, which is started if nobody listens; raises ServiceUnreachable."""
    try:
        places.runtime_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        places.state_dir.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        with start_lock(places.runtime_dir):
            try:
                return connect_unix(places.socket, timeout)
            except NOBODY_LISTENS:
                return _spawn_and_connect(places, timeout)
    except OSError as error:
        raise ServiceUnreachable(f"Cannot start the tuinova service in {places.state_dir}: {error}") from error


def _spawn_and_connect(places: Paths, timeout: float | None) -> socket.socket:
    """The new service waits for the state directory's lock, and gives up when its holder answers: then that is ours."""
    try:
        _spawn(places)
    except ServiceUnreachable:
        try:
            return connect_unix(places.socket, timeout)
        except NOBODY_LISTENS:
            pass
        raise
    return connect_unix(places.socket, timeout)


def _spawn(places: Paths) -> None:
    import subprocess

    log_start = _turn_log(places.log)
    # Many threads that each have a heap of their own would cost megabytes.
    environment = {"MALLOC_ARENA_MAX": "2", **os.environ}
    if moved := environment.get("TUINOVA_STATE_DIR"):
        environment["TUINOVA_STATE_DIR"] = os.path.abspath(moved)  # the service's working directory is /
    command = [sys.executable, "-P", "-m", "tuinova.core.serve", "--on-demand"]
    fd = os.open(places.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=fd,
            cwd="/",
            env=environment,
            start_new_session=True,
        )
    finally:
        os.close(fd)
    assert process.stdout is not None
    with process.stdout as pipe:
        for line in pipe:
            if line.strip() == b"ready":
                # The service outlives this process: nobody waits for it.
                process.returncode = 0
                return
    code = process.wait()
    raise ServiceUnreachable(_failure(places.log, log_start, code))


def _turn_log(log: Path) -> int:
    """Keep one older log when it has grown; the offset at which the new service's lines begin."""
    try:
        size = log.stat().st_size
    except FileNotFoundError:
        return 0
    if size > _LOG_KEPT_BYTES:
        log.replace(log.with_name(log.name + ".1"))
        return 0
    return size


def _failure(log: Path, start: int, code: int) -> str:
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").splitlines()
    tail = "\n".join(lines[-_TAIL_LINES:])
    how = f"exit code {code}" if code >= 0 else f"signal {-code}"
    return f"The tuinova service did not start ({how}; log: {log})" + (f":\n{tail}" if tail else ".")
