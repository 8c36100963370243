"""A small HTTP/1.1 server for clients that are not trusted: every size and every wait has a limit."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

import h11

LOG = logging.getLogger(__name__)

_LARGEST_HEAD = 8192
_LARGEST_BODY = 4096
_READ = 4096


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for a whole request to come in and for an answer to go out, and connections at once."""

    request_seconds: float = 10.0
    idle_seconds: float = 15.0
    answer_seconds: float = 20.0
    connections: int = 256
    connections_of_one: int = 16


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: who (the address that the connection comes from, nothing that a header says), and what."""

    address: str
    method: str
    path: str
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    status: int
    content: bytes = b""
    media_type: str = "text/plain; charset=UTF-8"
    headers: Mapping[str, str] = field(default_factory=dict)


_REASONS = {
    200: b"OK",
    400: b"Bad Request",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    409: b"Conflict",
    413: b"Content Too Large",
    414: b"URI Too Long",
    429: b"Too Many Requests",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
    503: b"Service Unavailable",
}
Answering = Callable[[Asked], Awaitable[Answer]]


def error(status: int, text: str = "", **headers: str) -> Answer:
    """An answer that says what was wrong."""
    lines = [f"{status} {_REASONS[status].decode()}", *([text] if text else [])]
    return Answer(status, "".join(f"{line}\n" for line in lines).encode(), headers=headers)


class _Refused(Exception):
    """The request can't be read any further; `answer` is the last one on this connection."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Server:
    """Serves connections of one listener; `answer` is asked for each request."""

    def __init__(self, answer: Answering, limits: Limits | None = None) -> None:
        self._answer = answer
        self._limits = limits or Limits()
        self._open: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A client has connected: what `asyncio.start_server` calls."""
        peer = writer.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        full = self._open.total() >= self._limits.connections
        if not address or full or self._open[address] >= self._limits.connections_of_one:
            writer.transport.abort()
            return
        self._open[address] += 1
        task = asyncio.get_running_loop().create_task(self._serve(address, reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cut every connection."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _Talk(address, reader, writer, self._limits).run(self._answer)
        except (OSError, h11.ProtocolError, TimeoutError, asyncio.CancelledError) as error:
            LOG.debug("a connection from %s ended: %r", address, error)
        except Exception:
            LOG.exception("a connection from %s", address)
        finally:
            # Not closed gracefully: a client that does not read would keep what is unsent for ever.
            writer.transport.abort()
            self._open[address] -= 1
            if self._open[address] <= 0:
                del self._open[address]


class _Talk:
    """One connection, from its first byte to its last."""

    def __init__(
        self, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: Limits
    ) -> None:
        self._address = address
        self._reader = reader
        self._writer = writer
        self._limits = limits
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_LARGEST_HEAD)

    async def run(self, answer: Answering) -> None:
        """Request after request, until one side has enough."""
        seconds = self._limits.request_seconds
        while True:
            try:
                async with asyncio.timeout(seconds):
                    asked = await self._request()
            except _Refused as refused:
                await self._send(refused.answer, last=True)
                return
            except TimeoutError:
                if self._http.our_state is h11.SEND_RESPONSE:
                    await self._send(error(408), last=True)
                return
            if asked is None:
                return
            await self._send(await answer(asked), head=asked.method == "HEAD")
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                return
            self._http.start_next_cycle()
            seconds = self._limits.idle_seconds

    async def _request(self) -> Asked | None:
        try:
            head = await self._event()
            if isinstance(head, h11.ConnectionClosed):
                return None
            assert isinstance(head, h11.Request)
            body = bytearray()
            while not isinstance(event := await self._event(), h11.EndOfMessage):
                if isinstance(event, h11.Data):
                    body += event.data
                    if len(body) > _LARGEST_BODY:
                        raise _Refused(error(413))
        except h11.RemoteProtocolError as wrong:
            raise _Refused(error(wrong.error_status_hint if wrong.error_status_hint in _REASONS else 400)) from wrong
        return Asked(self._address, head.method.decode("ascii"), _path(head.target), bytes(body))

    async def _event(self) -> h11.Event:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    self._writer.write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
                self._http.receive_data(await self._reader.read(_READ))
            elif event is h11.PAUSED:
                raise _Refused(error(400))
            else:
                assert not isinstance(event, type)
                return event

    async def _send(self, answer: Answer, *, head: bool = False, last: bool = False) -> None:
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        headers = [("Content-Type", answer.media_type), ("Content-Length", str(len(answer.content)))]
        headers += [*answer.headers.items(), *([("Connection", "close")] if last else [])]
        response = h11.Response(status_code=answer.status, headers=headers, reason=_REASONS[answer.status])
        data = self._http.send(response) or b""
        if not head:
            data += self._http.send(h11.Data(data=answer.content)) or b""
        data += self._http.send(h11.EndOfMessage()) or b""
        async with asyncio.timeout(self._limits.answer_seconds):
            self._writer.write(data)
            await self._writer.drain()
            if last:
                await self._flush()

    async def _flush(self) -> None:
        """Until the last answer has left, so that the end of the connection does not cut it off."""
        if self._writer.can_write_eof():
            self._writer.write_eof()
        while await self._reader.read(_READ):
            pass  # what still comes of a refused request: unread, it would make the kernel drop our answer


def _path(target: bytes) -> str:
    """The path of a request's target, decoded; of an absolute one, what is behind the host."""
    if not target.startswith(b"/"):
        _scheme, sign, rest = target.partition(b"://")
        target = b"/" + (rest.partition(b"/")[2] if sign else b"")
    return unquote_to_bytes(target.split(b"?", 1)[0].split(b"#", 1)[0]).decode("utf-8", "replace")
