"""Unix sockets whose path may be longer than the kernel's limit (standard library only: the client uses it too)."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LIMIT = 107  # bytes of sun_path without its closing zero


@contextmanager
def _short_name(path: Path) -> Iterator[str]:
    if len(os.fsencode(path)) <= _LIMIT:
        yield str(path)
        return
    # A long path is reached through a descriptor of its directory.
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def connect_unix(path: Path, timeout: float | None = None) -> socket.socket:
    """A connected stream socket; raises OSError."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        with _short_name(path) as name:
            sock.connect(name)
    except BaseException:
        sock.close()
        raise
    return sock


def listen_unix(path: Path, backlog: int = 128) -> socket.socket:
    """A listening socket, readable and writable by its owner only, renamed over `path` so a stale file is no matter."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short_name(fresh) as name:
            sock.bind(name)
        fresh.chmod(0o600)
        sock.listen(backlog)
        fresh.replace(path)
    except BaseException:
        sock.close()
        raise
    return sock
