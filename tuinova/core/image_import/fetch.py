"""HTTP as far as images need it: one GET to addresses that were looked at, through a few redirects.

`http.client` is enough and lets us make the socket ourselves. Proxies of the environment are not used: behind one
nobody could tell which address is reached.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urljoin

import tuinova
from tuinova.core.errors import DownloadRefused
from tuinova.core.image_import.rules import DownloadRules, Target, forbidden_address, parse_url

Resolve = Callable[..., list[tuple[Any, ...]]]
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MOST_ADDRESSES: Final = 8
_CONNECT_SECONDS: Final = 15.0
# Slower than that for a whole `timeout` counts as a broken connection.
_LEAST_BYTES_A_SECOND: Final = 1024
CHUNK: Final = 1 << 20


class DownloadBroken(Exception):
    """The connection failed or ended early: another one may go on."""


class Fetcher:
    """Opens URLs under the rules; `close` ends whatever is open, from any thread."""

    def __init__(self, rules: DownloadRules, resolve: Resolve = socket.getaddrinfo) -> None:
        self.rules = rules
        self._resolve = resolve
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._closed = False

    def close(self) -> None:
        """End every connection; whoever reads from one gets DownloadBroken."""
        with self._lock:
            self._closed = True
            open_ones = list(self._sockets)
        for one in open_ones:
            _shut(one)

    @contextlib.contextmanager
    def open(self, url: str, headers: Mapping[str, str], *, verified: bool = False) -> Iterator[Answer]:
        """The answer to a GET, redirects followed; raises DownloadRefused, DownloadBroken.

        A way from https to http is taken only with `verified`: then a checksum tells what was got.
        """
        target = parse_url(url)
        for _hop in range(self.rules.redirects + 1):
            sock = self._connect(target)
            try:
                answer = self._ask(sock, target, headers)
                if answer.status not in _REDIRECTS:
                    yield answer
                    return
                target = _next(target, answer.headers.get("Location"), verified)
            finally:
                with self._lock:
                    self._sockets.discard(sock)
                sock.close()
        raise DownloadRefused(reason=f"more than {self.rules.redirects} redirects")

    # connections -----------------------------------------------------------------------------------------------------
    def _connect(self, target: Target) -> socket.socket:
        try:
            found = self._resolve(target.host, target.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise DownloadBroken(f"{target.host} can't be resolved: {error}") from error
        allowed = [one for one in found if self.rules.permits(target.host, str(one[4][0]))]
        if not allowed:
            raise forbidden_address(target.host, [str(one[4][0]) for one in found])
        reason: OSError | None = None
        for family, kind, protocol, _name, address in allowed[:_MOST_ADDRESSES]:
            try:
                return self._connected(socket.socket(family, kind, protocol), target, address)
            except OSError as error:  # ssl.SSLError is one
                if isinstance(error, ssl.SSLCertVerificationError):
                    raise DownloadRefused(
                        reason=f"the certificate of {target.host} is not valid: {error.verify_message}"
                    ) from error
                reason = error
        raise DownloadBroken(f"{target.host} can't be reached: {reason}")

    def _connected(self, sock: socket.socket, target: Target, address: Any) -> socket.socket:
        """The same socket or the one in TLS; known to `close` from here on."""
        try:
            sock.settimeout(min(_CONNECT_SECONDS, self.rules.timeout))
            sock.connect(address)
            if not self.rules.permits(target.host, str(sock.getpeername()[0])):
                raise forbidden_address(target.host, [str(sock.getpeername()[0])])
            if target.scheme == "https":
                sock = ssl.create_default_context().wrap_socket(sock, server_hostname=target.host)
            sock.settimeout(self.rules.timeout)
            with self._lock:
                if self._closed:
                    raise DownloadBroken("the service is stopping")
                self._sockets.add(sock)
        except BaseException:
            sock.close()
            raise
        return sock

    def _ask(self, sock: socket.socket, target: Target, headers: Mapping[str, str]) -> Answer:
        connection = http.client.HTTPConnection(target.host, target.port)
        connection.sock = sock
        # The timeout is for each piece; a head that drips in is cut off as a whole.
        watch = threading.Timer(2 * self.rules.timeout, _shut, (sock,))
        watch.daemon = True
        watch.start()
        try:
            connection.putrequest("GET", target.path, skip_accept_encoding=True)
            own = {"Accept-Encoding": "identity", "User-Agent": f"tuinova/{tuinova.__version__}", "Connection": "close"}
            for name, value in {**own, **headers}.items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise DownloadBroken(f"{target.host} gave no answer: {error or type(error).__name__}") from error
        finally:
            watch.cancel()
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise DownloadRefused(reason="the server answers with data in another encoding")
        return Answer(response, target, self.rules.timeout)


class Answer:
    """An answer whose body is read piece by piece."""

    def __init__(self, response: http.client.HTTPResponse, target: Target, timeout: float) -> None:
        self._response = response
        self._timeout = timeout
        self.status = response.status
        self.reason = response.reason
        self.headers = response.headers
        self.url = target.url

    @property
    def length(self) -> int | None:
        """Bytes of the body, None where the server does not say."""
        return self._response.length

    def chunks(self, size: int = CHUNK) -> Iterator[bytes]:
        """The body to its end; raises DownloadBroken when it breaks off, stands still, or crawls."""
        begun, window = time.monotonic(), 0
        while True:
            try:
                chunk = self._response.read1(size)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise DownloadBroken(f"the connection broke: {error or type(error).__name__}") from error
            if not chunk:
                break
            yield chunk
            window += len(chunk)
            passed = time.monotonic() - begun
            if passed >= self._timeout:
                if window < _LEAST_BYTES_A_SECOND * passed:
                    raise DownloadBroken(f"only {window} bytes came in {passed:.0f} s")
                begun, window = time.monotonic(), 0
        if self._response.length:
            raise DownloadBroken(f"the connection ended {self._response.length} bytes early")


def _next(target: Target, location: str | None, verified: bool) -> Target:
    if not location:
        raise DownloadRefused(reason="the server answers with a redirect to nowhere")
    there = parse_url(urljoin(target.url, location))
    if target.scheme == "https" and there.scheme == "http" and not verified:
        raise DownloadRefused(reason="a redirect from https to http is only followed with a checksum")
    return there


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it is closed already
        sock.shutdown(socket.SHUT_RDWR)
