"""One thread for everything that happens by the clock: periodic duties and calls that were put off."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

LOG = logging.getLogger(__name__)


@dataclass(order=True, slots=True)
class _Due:
    """One call: when (seconds of the clock), which, and every how many seconds (None: once)."""

    at: float
    number: int
    call: Callable[[], None] = field(compare=False)
    name: str = field(compare=False)
    every: float | None = field(compare=False, default=None)
    cancelled: bool = field(compare=False, default=False)


class Duties:
    """Calls what is due, one after another: a duty must be quick, long work goes to the bus.

    With `threaded=False` nothing runs by itself: a test moves its clock and calls `run_due`.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, threaded: bool = True) -> None:
        self._clock = clock
        self._threaded = threaded
        self._cond = threading.Condition()
        self._heap: list[_Due] = []
        self._numbers = itertools.count()
        self._closed = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to call."""
        if self._threaded:
            self._thread = threading.Thread(target=self._work, name="tuinova-duties", daemon=True)
            self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Call nothing more; waits for the duty that runs."""
        with self._cond:
            self._closed = True
            self._cond.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def every(self, seconds: float | None, name: str, call: Callable[[], None], *, first: float | None = None) -> None:
        """Call now and then, beginning after `first` seconds (default: one interval); None seconds: never."""
        if seconds is not None:
            self._add(seconds if first is None else first, name, call, seconds)

    def after(self, seconds: float, call: Callable[[], None]) -> Callable[[], None]:
        """Call once after so many seconds; returns what cancels it."""
        due = self._add(seconds, getattr(call, "__name__", "call"), call, None)

        def cancel() -> None:
            due.cancelled = True

        return cancel

    def next_due(self) -> float | None:
        """Seconds until the next one-time call, None without one: a service that leaves would lose it."""
        with self._cond:
            times = [due.at for due in self._heap if due.every is None and not due.cancelled]
        return max(0.0, min(times) - self._clock()) if times else None

    def run_due(self) -> int:
        """Call what is due by now, in order; returns how many calls that were."""
        count = 0
        while (due := self._take()) is not None:
            self._run(due)
            count += 1
        return count

    def _add(self, seconds: float, name: str, call: Callable[[], None], every: float | None) -> _Due:
        due = _Due(self._clock() + seconds, next(self._numbers), call, name, every)
        with self._cond:
            heapq.heappush(self._heap, due)
            self._cond.notify_all()
        return due

    def _take(self) -> _Due | None:
        with self._cond:
            while self._heap and not self._closed:
                if self._heap[0].cancelled:
                    heapq.heappop(self._heap)
                    continue
                if self._heap[0].at > self._clock():
                    return None
                return heapq.heappop(self._heap)
        return None

    def _run(self, due: _Due) -> None:
        try:
            due.call()
        except Exception:
            LOG.exception("the duty %s failed", due.name)
        if due.every is not None:
            # From now, not from when it was due: after a pause of the machine nothing is made up for.
            due.at = self._clock() + due.every
            with self._cond:
                heapq.heappush(self._heap, due)

    def _work(self) -> None:
        while not self._closed:
            self.run_due()
            with self._cond:
                if self._closed:
                    return
                wait = self._heap[0].at - self._clock() if self._heap else None
                if wait is None or wait > 0:
                    self._cond.wait(wait)
