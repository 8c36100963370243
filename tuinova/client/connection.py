"""Requests to the service and their errors."""

from __future__ import annotations

import http.client
import json
import os
import select
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import IO, Any, NamedTuple
from urllib.parse import quote, urlencode

from tuinova.client.errors import ApiError, ServiceUnreachable
from tuinova.client.target import NOBODY_LISTENS, REQUEST_TIMEOUT, Target, TargetConnection, reason_of

MICROVERSION = "2.96"
# A service that dies lets go of its sockets one by one: the kept connection, then the listener that a new connection
# still reached; with the next one a service that works is found, or started.
_ATTEMPTS = 4
# A request that may be sent again although the service may have seen it.
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})


class Answer(NamedTuple):
    """One HTTP answer."""

    status: int
    headers: http.client.HTTPMessage
    data: bytes

    def json(self) -> Any:
        """The parsed body, None when there is none."""
        return json.loads(self.data) if self.data else None


def new_request_id() -> str:
    """A request id of the client's own (uuid4 by hand: the module costs 3 ms at start)."""
    raw = bytearray(os.urandom(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"req-{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Connection:
    """Requests to one service, from any thread: one kept connection a thread."""

    def __init__(
        self,
        target: Target,
        opened: socket.socket | None,
        username: str,
        project: str,
        microversion: str = MICROVERSION,
    ) -> None:
        self.target = target
        self.username = username
        self.project = project
        self.microversion = microversion
        self._local = threading.local()
        self._all: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        if opened is not None:
            self._keep(TargetConnection(target, REQUEST_TIMEOUT, opened))

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            kept, self._all = self._all, []
        for connection in kept:
            connection.close()

    def identity_headers(self) -> dict[str, str]:
        """Who acts, percent-encoded so that any name fits in a header."""
        return {
            "X-Tuinova-Username": quote(self.username, safe=" @"),
            "X-Tuinova-Project-Name": quote(self.project, safe=" @"),
            "OpenStack-API-Version": f"compute {self.microversion}",
        }

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        timeout: float = REQUEST_TIMEOUT,
    ) -> Answer:
        """One request; `body` is JSON data, or bytes, a file or an iterator of bytes sent as they are.

        Raises ApiError for an answer of 400 and above, ServiceUnreachable when there is no answer.
        """
        request_id = new_request_id()
        sent = {**self.identity_headers(), "X-OpenStack-Request-ID": request_id, **(headers or {})}
        payload = body
        if body is not None and not _is_raw(body):
            payload = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        response = self._exchange(method, path + query(params), payload, sent, request_id, timeout)
        return check(_read(response, request_id, self))

    def _exchange(
        self, method: str, path: str, payload: Any, headers: dict[str, str], request_id: str, timeout: float
    ) -> http.client.HTTPResponse:
        for left in reversed(range(_ATTEMPTS)):
            try:
                return self._send(self._connection(timeout), method, path, payload, headers)
            except (http.client.HTTPException, OSError) as error:
                self._forget()
                if not left or not _may_repeat(method, payload, error):
                    raise ServiceUnreachable(self._gone(error), request_id) from error
        raise AssertionError("unreachable")

    @staticmethod
    def _send(
        connection: http.client.HTTPConnection, method: str, path: str, payload: Any, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        try:
            connection.request(method, path, payload, headers, encode_chunked=not _has_length(payload, headers))
        except (BrokenPipeError, ConnectionResetError) as error:
            # A refusal may come before all of a long body was taken: the answer is there to be read.
            try:
                return connection.getresponse()
            except (http.client.HTTPException, OSError):
                raise error from None
        return connection.getresponse()

    def _gone(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"The tuinova service at {self.target} does not answer."
        if isinstance(error, NOBODY_LISTENS):
            return f"No tuinova service listens on {self.target}; 'tuinova serve' starts one."
        detail = reason_of(error) if isinstance(error, OSError) else str(error) or type(error).__name__
        return f"The tuinova service at {self.target} went away before it answered ({detail})."

    def open(self, method: str, path: str, *, timeout: float, headers: Mapping[str, str] | None = None) -> Stream:
        """A request on a connection of its own whose answer is read bit by bit."""
        request_id = new_request_id()
        sent = {**self.identity_headers(), "X-OpenStack-Request-ID": request_id, **(headers or {})}
        connection = TargetConnection(self.target, timeout)
        try:
            connection.request(method, path, None, sent)
            sock = connection.sock  # http.client lets go of it on a streamed answer
            response = connection.getresponse()
        except (http.client.HTTPException, OSError) as error:
            connection.close()
            raise ServiceUnreachable(self._gone(error), request_id) from error
        if response.status >= 400:
            try:
                check(_read(response, request_id, self))
            finally:
                connection.close()
        return Stream(connection, sock, response)

    # the kept connection of this thread
    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        kept: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if kept is not None and kept.sock is not None and _closed_by_peer(kept.sock):
            self._forget()
            kept = None
        if kept is None:
            kept = self._keep(TargetConnection(self.target, timeout))
        kept.timeout = timeout
        if kept.sock is not None:
            kept.sock.settimeout(timeout)
        return kept

    def _keep(self, connection: http.client.HTTPConnection) -> http.client.HTTPConnection:
        self._local.connection = connection
        with self._lock:
            self._all.append(connection)
        return connection

    def _forget(self) -> None:
        kept: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if kept is None:
            return
        self._local.connection = None
        kept.close()
        with self._lock:
            if kept in self._all:
                self._all.remove(kept)


class Stream:
    """An answer that is read bit by bit; `close` may be called from any thread and ends a waiting read."""

    def __init__(
        self, connection: http.client.HTTPConnection, sock: socket.socket, response: http.client.HTTPResponse
    ) -> None:
        self.headers = response.headers
        self._connection = connection
        self._sock = sock
        self._response = response

    def read1(self, size: int = 1 << 20) -> bytes:
        """What is there, at least one byte; b"" at the end."""
        return self._response.read1(size)

    def shutdown(self) -> None:
        """End a read in another thread."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other side was faster

    def close(self) -> None:
        """Let go of the connection; for the thread that reads."""
        self._response.close()
        self._connection.close()
        self._sock.close()


def query(params: Mapping[str, Any] | None) -> str:
    """`?a=1&b=2` of what is not None; booleans as Nova's clients write them, lists repeated."""
    kept = {key: value for key, value in (params or {}).items() if value is not None}
    return "?" + urlencode(kept, doseq=True) if kept else ""


def segment(text: object) -> str:
    """One segment of a path."""
    # A lone dot or two would be resolved away.
    quoted = quote(str(text), safe="")
    return quoted.replace(".", "%2E") if quoted in {".", ".."} else quoted


def check(answer: Answer) -> Answer:
    """The answer, or ApiError with the service's words."""
    if answer.status < 400:
        return answer
    raise ApiError(answer.status, _message(answer), answer.headers.get("x-openstack-request-id"))


def _message(answer: Answer) -> str:
    try:
        data = json.loads(answer.data)
    except ValueError:
        data = None
    if isinstance(data, dict):
        for value in (data, *data.values()):
            if isinstance(value, dict) and isinstance(value.get("message"), str):
                return str(value["message"])
        if isinstance(data.get("NeutronError"), str):
            return str(data["NeutronError"])
    text = answer.data.decode(errors="replace").strip()
    return text[:500] or http.client.responses.get(answer.status, "Unknown error")


def _read(response: http.client.HTTPResponse, request_id: str, connection: Connection) -> Answer:
    try:
        return Answer(response.status, response.headers, response.read())
    except (http.client.HTTPException, OSError) as error:
        connection._forget()
        raise ServiceUnreachable(
            f"The answer of the tuinova service at {connection.target} broke off.", request_id
        ) from error


def _is_raw(body: Any) -> bool:
    return isinstance(body, bytes) or hasattr(body, "read") or isinstance(body, Iterator)


def _has_length(payload: Any, headers: Mapping[str, str]) -> bool:
    return payload is None or isinstance(payload, bytes) or "Content-Length" in headers


def _closed_by_peer(sock: socket.socket) -> bool:
    # Between two requests nothing may come: readable means that the service closed it.
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _may_repeat(method: str, payload: Any, error: Exception) -> bool:
    """Whether the request may go out again: it was surely not carried out, or doing it twice does no harm.

    A reset means that the service closed with our bytes unread (or never took the connection); a plain end of the
    stream may have come after the work was done.
    """
    if isinstance(error, (TimeoutError, ServiceUnreachable, *NOBODY_LISTENS)):
        return False
    if payload is not None and not isinstance(payload, bytes):
        return False
    unread = isinstance(error, BrokenPipeError) or (
        isinstance(error, ConnectionResetError) and not isinstance(error, http.client.RemoteDisconnected)
    )
    return unread or (method in _REPEATABLE and isinstance(error, ConnectionError))


# A file of image data or anything else with read().
Readable = IO[bytes]
