"""A web server on the loopback that serves files as well or as badly as a test wants."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Served:
    """A file and how it is served. `breaks`: after how many bytes each of the next connections breaks."""

    data: bytes = b""
    etag: str | None = '"one"'
    modified: str | None = None
    ranges: bool = True
    length: bool = True
    status: int = 200
    location: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    breaks: list[int] = field(default_factory=list)
    pause: float = 0.0  # seconds between two pieces
    piece: int = 1 << 16
    hold: threading.Event | None = None  # waits for it after the first piece
    first_byte: int | None = None  # what a part claims to begin with, whatever was asked for


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *_args: Any) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        served: Served | None = self.server.files.get(self.path.partition("?")[0])
        if served is None:
            self.send_error(404)
            return
        self.close_connection = True
        start = self._start(served)
        if served.status not in (200, 206):
            self.send_response(served.status)
        else:
            self.send_response(206 if start is not None else 200)
        for name, value in {"ETag": served.etag, "Last-Modified": served.modified, "Location": served.location}.items():
            if value is not None:
                self.send_header(name, value)
        for name, value in served.headers.items():
            self.send_header(name, value)
        total = len(served.data)
        if start is not None:
            claimed = start if served.first_byte is None else served.first_byte
            self.send_header("Content-Range", f"bytes {claimed}-{total - 1}/{total}")
        if served.length:
            self.send_header("Content-Length", str(total - (start or 0)))
        self.send_header("Connection", "close")
        self.end_headers()
        with contextlib.suppress(OSError):
            self._send(served, start or 0)

    def _start(self, served: Served) -> int | None:
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if match is None or not served.ranges:
            return None
        if self.headers.get("If-Range") not in (None, served.etag, served.modified):
            return None
        return int(match[1])

    def _send(self, served: Served, start: int) -> None:
        most = served.breaks.pop(0) if served.breaks else None
        end = len(served.data) if most is None else min(len(served.data), start + most)
        for place in range(start, end, served.piece):
            self.wfile.write(served.data[place : min(place + served.piece, end)])
            self.server.sent += min(served.piece, end - place)
            if served.hold is not None:
                served.hold.wait(30)
            if served.pause:
                time.sleep(served.pause)
        if most is not None:
            self.connection.shutdown(socket.SHUT_RDWR)


class Web:
    """The server; `files` by path, `asked` every request with its headers."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._scheme = "https" if tls else "http"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._server.daemon_threads = True
        self._server.files = self.files = {}
        self._server.asked = self.asked = []
        self._server.sent = 0
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    files: dict[str, Served]
    asked: list[tuple[str, dict[str, str]]]

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def sent(self) -> int:
        """Bytes of bodies that were sent."""
        return int(self._server.sent)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{self._scheme}://{host}:{self.port}{path}"

    def serve(self, path: str, data: bytes = b"", **how: Any) -> str:
        """Serve a file; its URL."""
        self.files[path] = Served(data, **how)
        return self.url(path)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def web_server(tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    """A running server."""
    web = Web(tls)
    try:
        yield web
    finally:
        web.close()


def certificate(directory: Path, name: str = "localhost") -> tuple[ssl.SSLContext, Path]:
    """A server's TLS for a host of this name, and the file of the authority that says so (itself)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    authority, secret = directory / f"{name}.pem", directory / f"{name}.key"
    authority.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, secret)
    return context, authority
