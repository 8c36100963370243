"""Progress of long tasks, written where everybody sees it: in the server's row."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from tuinova.core.compute_manager.context import Compute
from tuinova.core.drafts import ExpectedTask

_EVERY = 1.0  # seconds between two writings


class Reporter:
    """A driver's `Progress`: writes down what is done, and ends the call when the task is not the server's any more.

    A delete, a reset or another request that took the server away makes the writing raise UnexpectedTaskState, which
    goes up through the driver: so a long copy of what nobody wants ends within a second.
    """

    def __init__(
        self,
        compute: Compute,
        uuid: str,
        tasks: ExpectedTask,
        what: str,
        *,
        first: float = _EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._compute = compute
        self._uuid = uuid
        self._tasks = tasks
        self._what = what
        self._clock = clock
        self._next = clock() + first  # what is done within the first second needs no telling

    def __call__(self, done: int, total: int) -> None:
        """So many bytes of so many."""
        self.report({"what": self._what, "done": done, "total": total})

    def report(self, progress: Mapping[str, object], percent: int | None = None) -> bool:
        """Write it down unless that was just done; returns whether it was written."""
        now = self._clock()
        if now < self._next:
            return False
        self._next = now + _EVERY
        updates: dict[str, object] = {"task_progress": dict(progress)}
        if percent is not None:
            updates["progress"] = percent
        self._compute.conductor.step(self._uuid, updates=updates, expect_task=self._tasks)
        return True
