"""One viewer of a guest's console: a bounded queue of frames, and the way back to the guest."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuinova.console.channel import Channel

Frame = bytes | dict[str, Any]
FRAME_BYTES = 64 * 1024


class Viewer:
    """What `ConsoleHub.attach` gives. All methods belong to the hub's event loop.

        viewer = await hub.attach(uuid)
        async for frame in viewer:      # bytes of the guest, or a dict: an event
            ...
        await viewer.send(b"ls\\r")      # to the guest; a dict is a command
        viewer.close()

    The iteration ends when the viewer is closed, by itself or by the hub; `closed_because` then says why ("" for a
    close of its own): `too-slow` or `service-stopping`, which was its last event too.
    """

    def __init__(self, channel: Channel, limit: int) -> None:
        self._channel = channel
        self._limit = limit
        self._frames: deque[bytearray | dict[str, Any]] = deque()
        self._size = 0
        self._waiting: asyncio.Future[None] | None = None
        self._closed = False
        self.closed_because = ""

    @property
    def is_closed(self) -> bool:
        """Nothing more will come once the queue is empty."""
        return self._closed

    @property
    def backlog(self) -> int:
        """Bytes that wait to be taken."""
        return self._size

    # the hub's side --------------------------------------------------------------------------------------------------
    def put(self, data: bytes) -> None:
        """Queue guest bytes; a viewer that has too many waiting is closed, the others do not wait for it."""
        if self._closed or not data:
            return
        if self._size + len(data) > self._limit:
            self._frames.clear()
            self._size = 0
            self.finish("too-slow", waiting_bytes=self._limit)
            return
        self._size += len(data)
        last = self._frames[-1] if self._frames else None
        if isinstance(last, bytearray) and len(last) < FRAME_BYTES:
            last += data
        else:
            self._frames.append(bytearray(data))
        self._wake()

    def put_event(self, event: dict[str, Any]) -> None:
        """Queue an event."""
        if not self._closed:
            self._frames.append(event)
            self._wake()

    def finish(self, reason: str, **details: Any) -> None:
        """Close from the hub's side: the reason is the last event."""
        if self._closed:
            return
        self.put_event({"event": reason, **details})
        self.closed_because = reason
        self.close()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    # the viewer's side -----------------------------------------------------------------------------------------------
    def __aiter__(self) -> Viewer:
        return self

    async def __anext__(self) -> Frame:
        while not self._frames:
            if self._closed:
                raise StopAsyncIteration
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        frame = self._frames.popleft()
        if isinstance(frame, dict):
            return frame
        self._size -= len(frame)
        return bytes(frame)

    async def send(self, frame: Frame) -> None:
        """Bytes go to the guest (waits while a long paste is on its way), a dict is a command.

        Commands: `{"cmd": "takeover"}` evicts the program that holds the console. `{"cmd": "resize", ...}` is accepted
        and not sent on: a serial line has no window size. An unknown command is answered with an `error` event.
        """
        if isinstance(frame, dict):
            self._channel.command(self, frame)
        elif frame:
            await self._channel.write(self, bytes(frame))

    def close(self) -> None:
        """Leave; what is queued can still be read. Harmless when repeated."""
        if not self._closed:
            self._closed = True
            self._wake()
            self._channel.leave(self)
