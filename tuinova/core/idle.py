"""When a service that was started on demand leaves: idle for a while, and so that no client falls into the gap.

It takes the starters' lock, renames its socket away and serves what is still in the backlog. If that brought work the
socket is renamed back; else it leaves, and the next client starts a new one.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

LOG = logging.getLogger(__name__)

START_LOCK = "start.lock"  # the client's name for it (tuinova.client.launcher)
_DRAIN_SECONDS = 0.2


class Activity:
    """What clients are doing: requests and streams that are open, and when the last one ended."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.open = 0
        self.begun = 0
        self._last = clock()

    def begin(self) -> None:
        """A request, stream or console has come in."""
        self.open += 1
        self.begun += 1

    def end(self) -> None:
        """It is over."""
        self.open -= 1
        self._last = self._clock()

    @property
    def idle_seconds(self) -> float:
        """How long nobody wanted anything; 0 while something is open."""
        return 0.0 if self.open else self._clock() - self._last


class IdleExit:
    """Watches, and calls `leave` once when the service may go."""

    def __init__(
        self,
        socket_path: Path,
        seconds: float,
        activity: Activity,
        busy: Callable[[], bool],
        leave: Callable[[], None],
    ) -> None:
        self._socket_path = socket_path
        self._seconds = seconds
        self._activity = activity
        self._busy = busy
        self._leave = leave

    async def run(self) -> None:
        """Until the service leaves."""
        while True:
            wait = self._seconds - self._activity.idle_seconds
            await asyncio.sleep(max(wait, min(1.0, self._seconds)))
            if self._activity.idle_seconds < self._seconds:
                continue
            # busy() may read the database or ask the driver.
            if not await asyncio.to_thread(self._busy) and await self._try_to_leave():
                LOG.info("idle for %.0f s: leaving", self._seconds)
                self._leave()
                return

    async def _try_to_leave(self) -> bool:
        lock = os.open(self._socket_path.parent / START_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False  # a client is on its way in
            return await self._drain()
        finally:
            os.close(lock)

    async def _drain(self) -> bool:
        """With the lock held: close the door, serve whoever is inside, look again."""
        aside = self._socket_path.with_name(self._socket_path.name + ".leaving")
        begun = self._activity.begun
        try:
            self._socket_path.replace(aside)
        except FileNotFoundError:
            return True  # somebody removed the socket: nobody can come in any more
        await asyncio.sleep(_DRAIN_SECONDS)
        wanted = self._activity.begun != begun or self._activity.open
        if wanted or await asyncio.to_thread(self._busy):
            aside.replace(self._socket_path)
            return False
        aside.unlink(missing_ok=True)
        return True
