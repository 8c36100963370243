"""One thread for all fake drivers of a process: it delivers events and looks at what is due.

A thread per guest or per host would not let a service simulate a thousand of either.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable

LOG = logging.getLogger(__name__)
_IDLE_SECONDS = 5.0
_NAP = 0.002  # after something was run soon, more is looked for so often ...
_NAPS = 20  # ... and so many times: in a burst nobody has to wake the thread, which costs the caller its turn


class Ticker:
    """Runs callables soon or later in one daemon thread, which leaves when it has nothing to do."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._soon: deque[Callable[[], None]] = deque()
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None
        self._napping = False

    def soon(self, call: Callable[[], None]) -> None:
        """Run it in a moment, in order."""
        self._soon.append(call)
        # A nap that ends just now looks into the queue once more, under the lock.
        if not self._napping:
            with self._condition:
                self._wake()

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Run it after so many seconds."""
        with self._condition:
            heapq.heappush(self._later, (time.monotonic() + seconds, next(self._numbers), call))
            self._wake()

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="fake-hypervisor", daemon=True)
            self._thread.start()
        else:
            self._condition.notify()

    def _nap(self) -> None:
        self._napping = True
        for _ in range(_NAPS):
            if self._soon:
                break
            time.sleep(_NAP)
            if self._later and self._later[0][0] <= time.monotonic():
                break

    def _next(self, was_soon: bool) -> tuple[Callable[[], None], bool] | None:
        """What to run and whether it was asked for soon; None when the thread may leave."""
        if was_soon and not self._soon:
            self._nap()
        with self._condition:
            self._napping = False
            idle_since = time.monotonic()
            while True:
                if self._soon:
                    return self._soon.popleft(), True
                now = time.monotonic()
                if self._later:
                    if self._later[0][0] <= now:
                        return heapq.heappop(self._later)[2], False
                    self._condition.wait(self._later[0][0] - now)
                elif now - idle_since >= _IDLE_SECONDS:
                    self._thread = None
                    return None
                else:
                    self._condition.wait(_IDLE_SECONDS)

    def _run(self) -> None:
        was_soon = False
        while (found := self._next(was_soon)) is not None:
            call, was_soon = found
            try:
                call()
            except Exception:  # one listener's failure must not end the events of every fake host
                LOG.exception("a call of the fake hypervisor's thread failed")


TICKER = Ticker()
