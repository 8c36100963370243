"""The console hub: one stream a guest, any number of viewers.

It lives in the service's event loop; the driver's blocking calls run in threads of its own, so that a hypervisor that
hangs holds up neither the loop nor the engine's workers. Frames to a viewer: bytes are the guest's, in order and none
left out; dicts are events:

    {"event": "connecting"}                 the console is being opened
    {"event": "on"}                         attached; what the guest says from now on follows
    {"event": "off"[, "reason"]}            the guest is off; the hub attaches again when it is started
    {"event": "busy", "who"}                another program holds the console: {"cmd": "takeover"} evicts it
    {"event": "error", "reason"}            it broke, or a command was not understood; the hub tries again by itself
    {"event": "unsent", "bytes"}            typed while there was no stream: it went nowhere
    {"event": "too-slow", "waiting_bytes"}  the viewer fell too far behind: the last event, come again
    {"event": "service-stopping"}           the last event

A viewer gets first what the guest said lately (from the console log where nobody was attached), then how things stand.
"""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor

from tuinova.console.channel import Channel, Doors, HubOptions, OpenConsole, PowerOf, ReadLog
from tuinova.console.viewer import Frame, Viewer

__all__ = ["ConsoleHub", "Frame", "HubOptions", "Viewer"]

_OPENERS = 8
_WRITERS = 16  # a write can wait for a guest that does not read


class ConsoleHub:
    """`open_console`, `read_log` and `power_of` are the driver's blocking calls for a guest's uuid.

    Without `read_log` a viewer sees nothing from before the first attach; without `power_of` a console that can't be
    opened is always called broken, never off.
    """

    def __init__(
        self,
        open_console: OpenConsole,
        *,
        read_log: ReadLog | None = None,
        power_of: PowerOf | None = None,
        options: HubOptions | None = None,
    ) -> None:
        self._options = options or HubOptions()
        self._openers = ThreadPoolExecutor(_OPENERS, "console")
        self._writers = ThreadPoolExecutor(_WRITERS, "console-write")
        self._doors = Doors(open_console, read_log, power_of, self._openers, self._writers)
        self._channels: dict[str, Channel] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def attach(self, uuid: str) -> Viewer:
        """A viewer of this guest's console; returns at once, how it goes comes as events."""
        self._loop = asyncio.get_running_loop()
        channel = self._channels.get(uuid)
        if channel is None:
            channel = Channel(uuid, self._doors, self._options, self._drop)
            if not self._stopping:
                self._channels[uuid] = channel
        if self._stopping:
            viewer = Viewer(channel, self._options.queue)
            viewer.finish("service-stopping")
            return viewer
        return channel.join()

    def guest_started(self, uuid: str) -> None:
        """Tell that a guest was started: its viewers are attached again. From any thread, returns at once."""
        if self._loop is not None:
            # A loop that is closed has no viewers left.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._started, uuid)

    def _started(self, uuid: str) -> None:
        channel = self._channels.get(uuid)
        if channel is not None:
            channel.started()

    def _drop(self, channel: Channel) -> None:
        """Called by a channel that nobody has looked at for a while."""
        if self._channels.get(channel.uuid) is channel:
            del self._channels[channel.uuid]
        task = asyncio.get_running_loop().create_task(channel.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    @property
    def open_consoles(self) -> int:
        """How many guests have a console open or being opened here."""
        return len(self._channels)

    async def stop(self) -> None:
        """Tell every viewer that the service stops, close the streams, end the threads."""
        self._stopping = True
        channels, self._channels = list(self._channels.values()), {}
        await asyncio.gather(*(channel.close("service-stopping") for channel in channels), *self._closing)
        # A thread that hangs in the hypervisor must not hold up the stop.
        self._openers.shutdown(wait=False, cancel_futures=True)
        self._writers.shutdown(wait=False, cancel_futures=True)
