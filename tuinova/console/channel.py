"""One guest's console in the hub: its stream, what it said lately, its viewers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Protocol

from tuinova.console.history import before_stream, missed
from tuinova.console.viewer import Viewer
from tuinova.core.errors import ConsoleNotAvailable, NovaError
from tuinova.core.states import PowerState
from tuinova.virt.driver import ConsoleBusy, ConsoleSink, ConsoleStream, GuestNotFound

LOG = logging.getLogger(__name__)

_BEGINNING = 4096  # bytes of a new stream by which its place in the log is found
_WRITE_CHUNK = 1024
_OUTBOX = 64 * 1024
_CLOSE_SECONDS = 1.0


class OpenConsole(Protocol):
    """`ComputeDriver.open_console`, found by the guest's uuid."""

    def __call__(self, uuid: str, sink: ConsoleSink, *, force: bool = False) -> ConsoleStream: ...


class ReadLog(Protocol):
    """`ComputeDriver.console_output`."""

    def __call__(self, uuid: str) -> bytes: ...


class PowerOf(Protocol):
    """The guest's power state, by which "off" is told from "broken"."""

    def __call__(self, uuid: str) -> PowerState: ...


@dataclass(frozen=True, slots=True)
class HubOptions:
    """Sizes in bytes, times in seconds.

    `flush`: bytes of the guest are gathered so long. `linger`: a console stays open after its last viewer left.
    `retry`: between two tries to open a console that is off, busy or broken while somebody looks.
    """

    ring: int = 256 * 1024
    queue: int = 4 * 1024 * 1024
    flush: float = 0.005
    linger: float = 5.0
    retry: float = 3.0


@dataclass(frozen=True, slots=True)
class Doors:
    """The ways out of the hub: the driver's calls (blocking) and the threads to make them in."""

    open_console: OpenConsole
    read_log: ReadLog | None
    power_of: PowerOf | None
    openers: Executor
    writers: Executor


class _Sink(ConsoleSink):
    """Gathers bytes in the driver's thread and hands them over to the loop, once for many calls."""

    def __init__(self, channel: Channel, loop: asyncio.AbstractEventLoop) -> None:
        self._channel = channel
        self._loop = loop
        self._lock = threading.Condition()
        self._gathered = bytearray()
        self._told = False

    def data(self, chunk: bytes) -> None:
        with self._lock:
            self._gathered += chunk
            tell, self._told = not self._told, True
            self._lock.notify_all()
        if tell:
            self._call(self._channel.sink_has_data, self)

    def end(self, error: str | None) -> None:
        self._call(self._channel.sink_ended, self, error)

    def _call(self, method: Any, *args: Any) -> None:
        # A loop that is closed has no viewers left.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(method, *args)

    def heard(self, size: int, seconds: float) -> bytes:
        """The beginning of what waits, once it is so much or the time is over."""
        with self._lock:
            self._lock.wait_for(lambda: len(self._gathered) >= size, seconds)
            return bytes(self._gathered[:_BEGINNING])

    def take(self) -> bytes:
        """All that was gathered since the last call."""
        with self._lock:
            data = bytes(self._gathered)
            self._gathered.clear()
            self._told = False
        return data


class Channel:
    """Belongs to the hub's event loop; only the sink's two methods are called through `call_soon_threadsafe`."""

    def __init__(self, uuid: str, doors: Doors, options: HubOptions, on_unused: Any) -> None:
        self.uuid = uuid
        self._doors = doors
        self._options = options
        self._on_unused = on_unused
        self._loop = asyncio.get_running_loop()
        self._viewers: dict[Viewer, None] = {}
        self._ring = bytearray()
        self._status: dict[str, Any] = {"event": "connecting"}
        self._stream: ConsoleStream | None = None
        self._sink: _Sink | None = None
        self._opening: asyncio.Task[None] | None = None
        self._open_again = False
        self._force = False
        self._ended_early: tuple[str | None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._last_flush = 0.0
        self._outbox = bytearray()
        self._writing: asyncio.Task[None] | None = None
        self._closed = False

    # viewers ---------------------------------------------------------------------------------------------------------
    def join(self) -> Viewer:
        """A new viewer: it gets what was said lately, then how things stand."""
        viewer = Viewer(self, max(self._options.queue, len(self._ring)))
        viewer.put(bytes(self._ring))
        viewer.put_event(dict(self._status))
        self._viewers[viewer] = None
        if self._stream is None:
            self.open()
        else:
            self._stop_timer()
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Called by a viewer that closes."""
        self._viewers.pop(viewer, None)
        if not self._viewers and not self._closed:
            self._start_timer(self._options.linger, self._unused)

    def _unused(self) -> None:
        if not self._viewers:
            self._on_unused(self)

    def _tell(self, event: str, **details: Any) -> None:
        status = {"event": event, **details}
        if status == self._status:
            return
        self._status = status
        for viewer in list(self._viewers):
            viewer.put_event(dict(status))

    def _show(self, data: bytes) -> None:
        if not data:
            return
        self._ring += data
        del self._ring[: -self._options.ring]
        for viewer in list(self._viewers):
            viewer.put(data)

    def command(self, viewer: Viewer, frame: dict[str, Any]) -> None:
        """Carry out what a viewer asks for."""
        name = frame.get("cmd")
        if name == "takeover":
            self._force = self._stream is None
            self.open()
        elif name != "resize":
            viewer.put_event({"event": "error", "reason": f"unknown command {str(name)[:40]!r}"})

    # the stream ------------------------------------------------------------------------------------------------------
    def open(self) -> None:
        """Try to open the console now, unless it is open or being opened."""
        self._stop_timer()
        if not self._closed and self._stream is None and self._opening is None:
            self._opening = self._loop.create_task(self._open())

    def started(self) -> None:
        """The guest was started: an old stream is about to end, a try on its way may have come too early."""
        self._open_again = self._stream is not None or self._opening is not None
        self.open()

    async def _open(self) -> None:
        force, self._force = self._force, False
        sink = _Sink(self, self._loop)
        self._sink, self._ended_early, self._open_again = sink, None, False
        try:
            stream, log, refusal = await self._loop.run_in_executor(
                self._doors.openers, self._open_blocking, sink, force
            )
        finally:
            self._opening = None
        if self._closed:
            if stream is not None:
                # Its threads may be gone when the opening outlasted the stop.
                with contextlib.suppress(RuntimeError):
                    await self._loop.run_in_executor(self._doors.openers, stream.close)
            return
        if stream is None:
            assert refusal is not None
            self._tell(**refusal)
            self._try_later()
            return
        self._stream = stream
        coming = sink.take()
        self._show(missed(bytes(self._ring), log) + coming)
        self._tell("on")
        if self._ended_early is not None:
            self.sink_ended(sink, self._ended_early[0])
        elif not self._viewers:
            self._start_timer(self._options.linger, self._unused)

    def _open_blocking(self, sink: _Sink, force: bool) -> tuple[ConsoleStream | None, bytes, dict[str, Any] | None]:
        """In a thread: the stream with what the log has from before it, or the event that says why there is none."""
        earlier = self._log()
        try:
            stream = self._doors.open_console(self.uuid, sink, force=force)
        except ConsoleBusy as error:
            return None, b"", {"event": "busy", "who": str(error.kwargs.get("who", "another program"))}
        except GuestNotFound:
            return None, b"", {"event": "off", "reason": "the hypervisor does not know this guest"}
        except ConsoleNotAvailable as error:
            return None, b"", {"event": "error", "reason": error.message}
        except NovaError as error:
            if self._is_off():
                return None, b"", {"event": "off"}
            return None, b"", {"event": "error", "reason": error.message}
        except Exception as error:  # a fault of ours must reach the viewers, who else would wait for ever
            LOG.exception("the console of %s could not be opened", self.uuid)
            return None, b"", {"event": "error", "reason": f"{type(error).__name__}: {error}"}
        return stream, before_stream(self._log, earlier, sink), None

    def _log(self) -> bytes:
        """The console log of this boot; without one there is no history, which is no reason to have no console."""
        if self._doors.read_log is None:
            return b""
        try:
            return self._doors.read_log(self.uuid)
        except NovaError:
            return b""
        except Exception:  # nor is a fault of ours in it
            LOG.exception("the console log of %s could not be read", self.uuid)
            return b""

    def _is_off(self) -> bool:
        if self._doors.power_of is None:
            return False
        try:
            return self._doors.power_of(self.uuid) not in (PowerState.RUNNING, PowerState.PAUSED)
        except NovaError:
            return False

    def _try_later(self) -> None:
        if self._open_again or self._force:
            self.open()
        elif self._viewers:
            self._start_timer(self._options.retry, self.open)
        else:
            self._start_timer(self._options.linger, self._unused)

    def _start_timer(self, seconds: float, call: Any) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(seconds, call)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def sink_has_data(self, sink: _Sink) -> None:
        """Bytes wait: hand them out now, or a little later when the last were handed out just now."""
        wait = self._last_flush + self._options.flush - self._loop.time()
        if wait > 0:
            self._loop.call_later(wait, self._flush, sink)
        else:
            self._flush(sink)

    def _flush(self, sink: _Sink) -> None:
        # Before the log was fitted in front of them the bytes must wait; `_open` takes them.
        if sink is self._sink and self._stream is not None:
            self._last_flush = self._loop.time()
            self._show(sink.take())

    def sink_ended(self, sink: _Sink, error: str | None) -> None:
        """The stream is over: the guest went off, or something broke it."""
        if sink is not self._sink or self._closed:
            return
        if self._stream is None:
            self._ended_early = (error,)
            return
        self._show(sink.take())
        stream, self._stream, self._sink = self._stream, None, None
        self._outbox.clear()
        self._loop.run_in_executor(self._doors.openers, stream.close)
        if error is None:
            self._tell("off")
        else:
            self._tell("error", reason=error)
        self._try_later()

    # to the guest ----------------------------------------------------------------------------------------------------
    async def write(self, viewer: Viewer, data: bytes) -> None:
        """Send to the guest in the order of the calls; without a stream the viewer is told `unsent`."""
        if self._stream is None:
            viewer.put_event({"event": "unsent", "bytes": len(data)})
            return
        self._outbox += data
        if self._writing is None:
            self._writing = self._loop.create_task(self._write_all())
        while len(self._outbox) > _OUTBOX and self._writing is not None:
            await asyncio.wait({self._writing}, timeout=0.05)

    async def _write_all(self) -> None:
        try:
            while self._outbox and self._stream is not None:
                chunk = bytes(self._outbox[:_WRITE_CHUNK])
                del self._outbox[: len(chunk)]
                await self._loop.run_in_executor(self._doors.writers, self._stream.write, chunk)
        except NovaError:
            # The stream is over; its sink says so too, with the reason.
            self._outbox.clear()
        finally:
            self._writing = None

    # end -------------------------------------------------------------------------------------------------------------
    async def close(self, reason: str | None = None) -> None:
        """Let go of the guest; viewers that are left are closed with the reason."""
        self._closed = True
        self._stop_timer()
        for viewer in list(self._viewers):
            viewer.finish(reason or "closed")
        self._outbox.clear()
        if self._opening is not None:
            # It lets go of its stream when it sees that we are closed; a hypervisor that hangs is not waited for.
            await asyncio.wait({self._opening}, timeout=_CLOSE_SECONDS)
        stream, self._stream = self._stream, None
        if stream is not None:
            await self._loop.run_in_executor(self._doors.openers, stream.close)
