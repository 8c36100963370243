"""Finding the service: the URL, the user's socket, the system's, else one is started."""

from __future__ import annotations

import http.client
import os
import socket
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tuinova.client.errors import ServiceUnreachable
from tuinova.core.paths import Paths, paths, system_paths
from tuinova.core.sockets import connect_unix

REQUEST_TIMEOUT = 60.0
NOBODY_LISTENS = (FileNotFoundError, ConnectionRefusedError)


class TargetConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket; `opened` may hand over a socket that is connected already."""

    def __init__(self, target: Target, timeout: float | None, opened: socket.socket | None = None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._target = target
        if opened is not None:
            self.sock = opened

    def connect(self) -> None:
        self.sock = self._target.open(self.timeout)


class Target:
    """Where the service is: a Unix socket (with the places to start one at), or host and port."""

    def __init__(self, *, socket_path: Path | None = None, address: tuple[str, int] | None = None) -> None:
        self.socket_path = socket_path
        self.address = address
        self.places: Paths | None = None  # set when a service may be started there

    @classmethod
    def from_url(cls, url: str) -> Target:
        """`unix:///path` or `http://host:port`."""
        unusable = ServiceUnreachable(f"Not a usable URL: {url} (unix:///path/to/api.sock or http://host:port)")
        try:
            parts = urlsplit(url)
            port = parts.port or 80
        except ValueError as error:  # brackets that do not match, a port that is no number
            raise unusable from error
        if parts.scheme == "unix" and parts.path:
            return cls(socket_path=Path(unquote(parts.path)))
        if parts.scheme == "http" and parts.hostname:
            return cls(address=(parts.hostname, port))
        raise unusable

    def __str__(self) -> str:
        if self.socket_path is not None:
            return str(self.socket_path)
        assert self.address is not None
        return f"http://{self.address[0]}:{self.address[1]}"

    def open(self, timeout: float | None) -> socket.socket:
        """A connected socket; starts the service where that is allowed."""
        if self.address is not None:
            return socket.create_connection(self.address, timeout)
        assert self.socket_path is not None
        try:
            return connect_unix(self.socket_path, timeout)
        except NOBODY_LISTENS:
            if self.places is None:
                raise
        return _start(self.places, timeout)


def find_target(url: str | None, start: bool) -> tuple[Target, socket.socket]:
    """The service to use and a connection to it: the URL, the user's socket, the system's, else one is started."""
    if url:
        target = Target.from_url(url)
        try:
            return target, target.open(REQUEST_TIMEOUT)
        except OSError as error:
            raise ServiceUnreachable(f"No tuinova service answers at {target}: {reason_of(error)}") from error
    own = paths()
    candidates = [own.socket]
    if "TUINOVA_STATE_DIR" not in os.environ and system_paths().socket != own.socket:
        candidates.append(system_paths().socket)
    for path in candidates:
        try:
            opened = connect_unix(path, REQUEST_TIMEOUT)
        except (*NOBODY_LISTENS, PermissionError):
            continue
        except OSError as error:
            raise ServiceUnreachable(f"Cannot open {path}: {reason_of(error)}") from error
        target = Target(socket_path=path)
        target.places = own if start and path == own.socket else None
        return target, opened
    if not start:
        raise ServiceUnreachable(f"No tuinova service listens on {own.socket}; 'tuinova serve' starts one.")
    target = Target(socket_path=own.socket)
    target.places = own
    return target, _start(own, REQUEST_TIMEOUT)


def _start(places: Paths, timeout: float | None) -> socket.socket:
    from tuinova.client.launcher import start_and_connect

    return start_and_connect(places, timeout)


def reason_of(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
