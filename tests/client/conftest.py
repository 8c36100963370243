"""A small service on a Unix socket that answers what a test tells it to."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tuinova.client import Client, connect

Reply = tuple[int, Any] | tuple[int, Any, dict[str, str]]
Route = Callable[["Handler"], "Reply | None"]


class Handler(BaseHTTPRequestHandler):
    """Looks the request up in the service's table; a route that returns None has answered by itself."""

    protocol_version = "HTTP/1.1"
    server: StubService

    def address_string(self) -> str:
        return "local"

    def log_message(self, format: str, *args: Any) -> None:
        return

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self) -> None:
        route = self.server.routes.get((self.command, self.path))
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        reply = route(self) if route else (404, {"itemNotFound": {"code": 404, "message": "not there"}})
        if reply is None:
            return
        status, data, *rest = reply
        payload = data if isinstance(data, bytes) else b"" if data is None else json.dumps(data).encode()
        self.send_response(status)
        self.send_header("x-openstack-request-id", "req-of-service")
        for name, value in (rest[0] if rest else {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def stream(self, headers: dict[str, str]) -> None:
        """Begin a chunked answer."""
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


class StubService(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), Handler)
        self.routes: dict[tuple[str, str], Route] = {}
        self.seen: list[tuple[str, str, dict[str, str]]] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        return  # a client that hangs up is part of the tests

    def on(self, method: str, path: str, reply: Reply | Route) -> None:
        """Answer this request so: a reply, or a function of the handler."""
        self.routes[method, path] = reply if callable(reply) else lambda _: reply


@pytest.fixture
def socket_path(tmp_path: Path) -> Path:
    return tmp_path / "s"


@pytest.fixture
def service(socket_path: Path) -> Iterator[StubService]:
    stub = StubService(socket_path)
    thread = threading.Thread(target=stub.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield stub
    stub.shutdown()
    stub.server_close()
    thread.join()


@pytest.fixture
def client(service: StubService, socket_path: Path) -> Iterator[Client]:
    with connect(url=f"unix://{socket_path}") as connected:
        yield connected
