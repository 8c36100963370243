"""Jobs in lanes: those of one lane run one after another, those of different lanes side by side."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

LOG = logging.getLogger(__name__)

Job = Callable[[], None]

# A worker that found nothing to do for this long leaves; a new one costs 0.1 ms.
_IDLE_SECONDS = 30.0


@dataclass(slots=True)
class _Slot:
    """How many jobs of one group and kind may run at once, and the lanes that wait for their turn."""

    limit: int
    running: int = 0
    waiting: deque[_Lane] = field(default_factory=deque)


@dataclass(slots=True)
class _Lane:
    """The queue of one lane; `active` while one of its jobs runs or is due to run."""

    key: tuple[Hashable, Hashable]
    jobs: deque[tuple[_Slot, Job]] = field(default_factory=deque)
    active: bool = False


class LaneExecutor:
    """Runs jobs on threads that start when they are needed.

    A job names its group (the compute host), its lane (the server) and its kind. Fairness: a lane that has had a turn
    goes to the end of its group's queue. Limits are per group and kind, so slow kinds can't take every thread.
    """

    def __init__(self, name: str, *, limits: dict[str, int], max_threads: int = 64) -> None:
        self._name = name
        self._limits = limits
        self._max_threads = max_threads
        self._cond = threading.Condition()
        self._lanes: dict[tuple[Hashable, Hashable], _Lane] = {}
        self._slots: dict[tuple[Hashable, str], _Slot] = {}
        self._runnable: deque[_Lane] = deque()
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._open_jobs = 0
        self._started = 0
        self._closed = False

    def submit(self, group: Hashable, lane: Hashable, job: Job, *, kind: str = "work") -> bool:
        """Queue a job; never blocks. False when the executor is closed."""
        with self._cond:
            if self._closed:
                return False
            slot = self._slots.get((group, kind))
            if slot is None:
                slot = self._slots[group, kind] = _Slot(self._limits[kind])
            key = (group, lane)
            found = self._lanes.get(key)
            if found is None:
                found = self._lanes[key] = _Lane(key)
            found.jobs.append((slot, job))
            self._open_jobs += 1
            if not found.active:
                found.active = True
                self._ask_turn(found)
        return True

    def open_jobs(self) -> int:
        """Jobs that wait or run."""
        return self._open_jobs

    def wait_idle(self, timeout: float) -> bool:
        """Wait until nothing waits or runs; False when that took longer than `timeout` seconds."""
        with self._cond:
            return self._cond.wait_for(lambda: self._open_jobs == 0, timeout)

    def close(self, timeout: float, **longer: float) -> bool:
        """Drop what has not begun, wait `timeout` seconds for what runs; True when everything is over.

        `longer` names kinds that get more seconds than the others.
        """
        with self._cond:
            self._closed = True
            self._drop_waiting()
            self._cond.notify_all()
            for kind, seconds in {"": timeout, **longer}.items():
                self._cond.wait_for(lambda kind=kind: not self._running(kind), seconds)  # type: ignore[misc]
            return not self._running("")

    def _running(self, kind: str) -> int:
        """How many jobs of a kind run; all of them for an empty name."""
        return sum(slot.running for (_group, of_kind), slot in self._slots.items() if kind in ("", of_kind))

    def _drop_waiting(self) -> None:
        for slot in self._slots.values():
            slot.waiting.clear()
        dropped = sum(len(lane.jobs) for lane in self._lanes.values())
        for lane in self._lanes.values():
            lane.jobs.clear()
        self._runnable.clear()
        self._open_jobs -= dropped

    def _ask_turn(self, lane: _Lane) -> None:
        slot = lane.jobs[0][0]
        if slot.running < slot.limit:
            slot.running += 1
            self._run_soon(lane)
        else:
            slot.waiting.append(lane)

    def _run_soon(self, lane: _Lane) -> None:
        self._runnable.append(lane)
        if self._idle >= len(self._runnable):
            self._cond.notify()
        elif len(self._threads) < self._max_threads:
            self._started += 1
            thread = threading.Thread(target=self._work, name=f"{self._name}-{self._started}", daemon=True)
            self._threads.add(thread)
            thread.start()
        else:
            self._cond.notify()

    def _work(self) -> None:
        while (taken := self._next()) is not None:
            lane, slot, job = taken
            try:
                job()
            except Exception:
                LOG.exception("a job of lane %s failed", lane.key)
            finally:
                self._done(lane, slot)

    def _next(self) -> tuple[_Lane, _Slot, Job] | None:
        with self._cond:
            self._idle += 1
            try:
                while not self._runnable:
                    if self._closed or not self._cond.wait(_IDLE_SECONDS):
                        self._threads.discard(threading.current_thread())
                        return None
            finally:
                self._idle -= 1
            lane = self._runnable.popleft()
            slot, job = lane.jobs.popleft()
            return lane, slot, job

    def _done(self, lane: _Lane, slot: _Slot) -> None:
        with self._cond:
            self._open_jobs -= 1
            if slot.waiting:
                self._run_soon(slot.waiting.popleft())
            else:
                slot.running -= 1
            if lane.jobs:
                self._ask_turn(lane)
            else:
                lane.active = False
                self._lanes.pop(lane.key, None)
            if self._open_jobs == 0 or self._closed:
                self._cond.notify_all()
