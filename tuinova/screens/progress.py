"""How far a long task is: the percentage for the table, bytes and rate for the page. No Textual here."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from tuinova.i18n import N_, _
from tuinova.screens.rows import Row

# What a task's bytes are of, as the engine says it.
WHAT = {
    "image": N_("image"),
    "disk": N_("disk"),
    "memory": N_("memory"),
    "disk and memory": N_("disk and memory"),
}
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
RATE_OVER = 10.0  # seconds


class Progress(NamedTuple):
    """So many bytes of so many."""

    what: str
    done: int
    total: int

    @property
    def percent(self) -> int:
        """0 to 100."""
        return max(0, min(100, self.done * 100 // self.total)) if self.total > 0 else 0


def progress_of(row: Row) -> Progress | None:
    """What the row says of its task's bytes; None while it says nothing."""
    found = row.get("task_progress")
    if not found or not row.get("task_state"):
        return None
    try:
        return Progress(str(found.get("what") or ""), int(found.get("done") or 0), int(found.get("total") or 0))
    except (AttributeError, TypeError, ValueError):
        return None


def percent_of(row: Row) -> int | None:
    """The percentage of the running task; None where there is none to show.

    Of a live migration the server's own number counts: it is made of what is left, and memory that the guest writes
    meanwhile is sent again.
    """
    percent = row.get("progress") or 0
    said = percent if 0 < percent < 100 else None
    if row.get("task_progress") and (said is None or row.get("task_state") != "migrating"):
        progress = progress_of(row)
        if progress is not None and progress.total > 0:
            return progress.percent
    return said


def size_text(count: float) -> str:
    """Bytes in the unit that fits, three digits at most before the point."""
    unit = 0
    while abs(count) >= 1024 and unit < len(_UNITS) - 1:
        count /= 1024
        unit += 1
    return f"{count:.0f} {_UNITS[unit]}" if unit == 0 or count >= 100 else f"{count:.1f} {_UNITS[unit]}"


def amount_text(progress: Progress) -> str:
    """`memory: 1.2 GiB of 2.0 GiB`."""
    what = _(WHAT[progress.what]) if progress.what in WHAT else progress.what
    text = _("{done} of {total}").format(done=size_text(progress.done), total=size_text(progress.total))
    return f"{what}: {text}" if what else text


class Rate:
    """Bytes a second over the last ten seconds of what was heard."""

    def __init__(self) -> None:
        self._heard: deque[tuple[float, Progress]] = deque()

    def hear(self, moment: float, progress: Progress | None) -> None:
        """The next number, with the clock's seconds; another task begins anew."""
        heard = self._heard
        if progress is None:
            heard.clear()
            return
        if heard and (heard[-1][1].what != progress.what or heard[-1][1].done > progress.done):
            heard.clear()
        if not heard or heard[-1][1] != progress:
            heard.append((moment, progress))
        while len(heard) > 2 and moment - heard[0][0] > RATE_OVER:
            heard.popleft()

    @property
    def per_second(self) -> float | None:
        """Bytes; None while less than two numbers are known."""
        if len(self._heard) < 2:
            return None
        (first, before), (last, now) = self._heard[0], self._heard[-1]
        return (now.done - before.done) / (last - first) if last > first else None

    def left(self) -> float | None:
        """Seconds that the rest takes at this rate; None where that is not known, or nothing is left by the count."""
        rate = self.per_second
        if not rate or rate < 0:
            return None
        now = self._heard[-1][1]
        return (now.total - now.done) / rate if now.total > now.done else None
