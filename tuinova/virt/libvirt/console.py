"""The serial console as a stream of libvirt's.

Callbacks come from the process's one event thread. Facts that shaped this: a callback that stays on a stream which has
failed is called for ever; end of file means that the guest went off, while an eviction (somebody's FORCE) is an error;
`send` may take less than it is given.
"""

from __future__ import annotations

import logging
from threading import Condition, RLock

import libvirt

from tuinova.virt.driver import ConsoleBusy, ConsoleSink, ConsoleStream, DriverError
from tuinova.virt.libvirt.connection import Connection, in_event_loop
from tuinova.virt.libvirt.errors import translate, words

LOG = logging.getLogger(__name__)

CHUNK = 64 * 1024
WOULD_BLOCK = -2
_READ_EVENTS = libvirt.VIR_STREAM_EVENT_READABLE | libvirt.VIR_STREAM_EVENT_ERROR | libvirt.VIR_STREAM_EVENT_HANGUP
_BUSY = "Active console session exists"
EVICTED = "another program took the console over"


def open_console(connection: Connection, uuid: str, sink: ConsoleSink, force: bool) -> LibvirtConsoleStream:
    """Attach to the first serial port."""
    try:
        conn = connection.main()
        stream = conn.newStream(libvirt.VIR_STREAM_NONBLOCK)
        conn.lookupByUUIDString(uuid).openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE if force else 0)
    except libvirt.libvirtError as error:
        if _BUSY in words(error):
            raise ConsoleBusy(uuid=uuid) from error
        raise translate(error, host=connection.host, uuid=uuid) from error
    console = LibvirtConsoleStream(stream, uuid, sink)
    connection.ends_with_us(console)
    console.start()
    return console


class LibvirtConsoleStream(ConsoleStream):
    """One open console. The lock is held while the sink is called, so nothing reaches it after `close` returned."""

    def __init__(self, stream: libvirt.virStream, uuid: str, sink: ConsoleSink) -> None:
        self._stream = stream
        self._uuid = uuid
        self._sink = sink
        self._lock = RLock()
        self._written = Condition(self._lock)
        self._pending = bytearray()
        self._over: str | None = None  # why it is over, once it is

    def start(self) -> None:
        """Let events come."""
        with self._lock:
            self._stream.eventAddCallback(_READ_EVENTS, self._event, None)

    def _event(self, stream: libvirt.virStream, events: int, _: object) -> None:
        with self._lock:
            if self._over is not None:
                return
            try:
                if events & libvirt.VIR_STREAM_EVENT_WRITABLE:
                    self._send()
                if events & _READ_EVENTS:
                    self._receive()
            except libvirt.libvirtError as error:
                self._end(_reason(error))

    def _receive(self) -> None:
        """All that is there; end of file ends us."""
        while self._over is None:
            chunk = self._stream.recv(CHUNK)
            if chunk == WOULD_BLOCK:
                return
            if not chunk:
                self._end(None)
                return
            self._sink.data(chunk)

    def _send(self) -> None:
        """As much as libvirt takes; the rest waits for the next WRITABLE event."""
        while self._pending:
            taken = self._stream.send(bytes(self._pending[:CHUNK]))
            if taken == WOULD_BLOCK:
                break
            del self._pending[:taken]
        wanted = _READ_EVENTS | (libvirt.VIR_STREAM_EVENT_WRITABLE if self._pending else 0)
        self._stream.eventUpdateCallback(wanted)
        if not self._pending:
            self._written.notify_all()

    def _end(self, error: str | None) -> None:
        """Over, told once."""
        if self._release("the guest is off" if error is None else error):
            self._sink.end(error)

    def _release(self, why: str) -> bool:
        """Take the callback off at once, then drop the stream; False when that was done before."""
        if self._over is not None:
            return False
        self._over = why
        self._pending.clear()
        self._written.notify_all()
        for drop in (self._stream.eventRemoveCallback, self._stream.abort):
            try:
                drop()
            except libvirt.libvirtError as error:
                # A stream that has failed says so again here.
                LOG.debug("console of %s: %s", self._uuid, words(error))
        return True

    def connection_lost(self, reason: str) -> None:
        """The connection under the stream is gone."""
        with self._lock:
            self._end(f"the connection to the hypervisor was lost: {reason}")

    def write(self, data: bytes) -> None:
        """Send all of `data`, in order; waits until libvirt took it (in the event thread it is queued instead)."""
        with self._lock:
            self._check()
            waiting = bool(self._pending)
            self._pending += data
            try:
                if not waiting:
                    self._send()
            except libvirt.libvirtError as error:
                self._end(_reason(error))
            if not in_event_loop():
                self._written.wait_for(lambda: not self._pending)
            self._check()

    def _check(self) -> None:
        if self._over is not None:
            raise DriverError(reason=f"the console of {self._uuid} is closed: {self._over}")

    def close(self) -> None:
        """Let go; the sink hears nothing more."""
        with self._lock:
            self._release("closed")


def _reason(error: libvirt.libvirtError) -> str:
    text = words(error)
    return EVICTED if "I/O failure" in text else text
