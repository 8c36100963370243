"""What a fake driver tells others: lifecycle events, the connection's state, console output."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from tuinova.core.errors import NovaError
from tuinova.virt.driver import ConnectionListener, GuestNotFound, LifecycleEvent, LifecycleListener
from tuinova.virt.fake.console import FakeConsole
from tuinova.virt.fake.journal import Journal
from tuinova.virt.fake.ticker import TICKER

if TYPE_CHECKING:
    from tuinova.virt.fake.guests import GuestKeeper

_STREAM_TICK = 0.02
_PER_STREAM = 0.0002  # with many consoles open they are looked at less often, so that looking stays cheap


class EventDesk:
    """Delivers in the fake hypervisor's one thread, never in the caller's."""

    def __init__(self, driver: GuestKeeper) -> None:
        self._driver = driver
        self._lock = threading.Lock()
        self._journal = Journal(str(driver.directory / "events"))
        self._on_lifecycle: LifecycleListener | None = None
        self._on_connection: ConnectionListener | None = None
        self._lost: str | None = None
        self._consoles: list[FakeConsole] = []
        self._ticking = False
        self._look_asked = False
        self._generation = 0

    # listeners -------------------------------------------------------------------------------------------------------
    def open(self, on_lifecycle: LifecycleListener, on_connection: ConnectionListener) -> None:
        """Begin to tell, and to watch what other processes do."""
        self._on_lifecycle, self._on_connection = on_lifecycle, on_connection
        self._journal.open()
        self._generation += 1
        generation = self._generation
        TICKER.later(self._driver.options.watch_seconds, lambda: self._watch(generation))

    def close(self) -> None:
        """Tell nothing more; open consoles are let go."""
        self._generation += 1
        self._on_lifecycle = self._on_connection = None
        self._journal.close()
        with self._lock:
            consoles = list(self._consoles)
        for stream in consoles:
            stream.close()

    def tell(self, uuid: str, event: LifecycleEvent) -> None:
        """Report an event of a guest."""
        self._journal.add(uuid, event)
        if self._on_lifecycle is not None:
            TICKER.soon(lambda: self._deliver(uuid, event))

    def _deliver(self, uuid: str, event: LifecycleEvent) -> None:
        if self._on_lifecycle is not None:
            self._on_lifecycle(self._driver.nodes[0], uuid, event)

    def _watch(self, generation: int) -> None:
        if generation != self._generation:
            return
        self._watch_connection()
        for uuid, event in self._journal.others():
            self._deliver(uuid, event)
        TICKER.later(self._driver.options.watch_seconds, lambda: self._watch(generation))

    def _watch_connection(self) -> None:
        lost = self._driver.faults.connection_lost()
        if (lost is None) == (self._lost is None):
            return
        self._lost = lost
        if lost is not None:
            with self._lock:
                consoles = list(self._consoles)
            for stream in consoles:
                stream.end(f"connection lost: {lost}")
        if self._on_connection is not None:
            self._on_connection(lost is None, lost or "")

    def expect(self, uuid: str, when: float) -> None:
        """Look at a guest at a wall time: a shutdown is over then."""
        generation = self._generation
        TICKER.later(max(0.0, when - time.time()), lambda: self._settle(uuid, generation))

    def _settle(self, uuid: str, generation: int) -> None:
        if generation != self._generation:
            return
        try:
            self._driver.settle(uuid)
        except GuestNotFound:
            return
        self.look_at_consoles()

    # consoles --------------------------------------------------------------------------------------------------------
    def add_console(self, stream: FakeConsole) -> None:
        """Feed a stream until it is over."""
        stream.forget = lambda: self._forget(stream)
        with self._lock:
            self._consoles.append(stream)
            start, self._ticking = not self._ticking, True
        if start:
            TICKER.later(_STREAM_TICK, self._tick)

    def _forget(self, stream: FakeConsole) -> None:
        with self._lock:
            if stream in self._consoles:
                self._consoles.remove(stream)

    def look_at_consoles(self) -> None:
        """Hand out new output now rather than at the next tick."""
        if not self._consoles:
            return
        with self._lock:
            if not self._consoles or self._look_asked:
                return
            self._look_asked = True
        TICKER.soon(self._look)

    def has_console(self, uuid: str) -> bool:
        """Whether somebody follows this guest's log through us."""
        return any(stream.uuid == uuid for stream in list(self._consoles))

    def end_consoles(self, uuid: str) -> None:
        """The guest is about to lose its files: hand over the last output and end."""
        if not self._consoles:
            return
        with self._lock:
            consoles = [stream for stream in self._consoles if stream.uuid == uuid]
        for stream in consoles:
            stream.end(None)

    def _tick(self) -> None:
        with self._lock:
            count = len(self._consoles)
            self._ticking = count > 0
        if count:
            self._look()
            TICKER.later(max(_STREAM_TICK, count * _PER_STREAM), self._tick)

    def _look(self) -> None:
        with self._lock:
            self._look_asked = False
            consoles = list(self._consoles)
        for stream in consoles:
            try:
                record = self._driver.settle(stream.uuid, look=True)
            except GuestNotFound:
                stream.end(None)
                continue
            except NovaError as error:
                stream.end(error.message)
                continue
            if record.domain_id != stream.domain_id or not record.is_active:
                stream.end(None)
            else:
                stream.pump()
