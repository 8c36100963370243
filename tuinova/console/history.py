"""What a guest said before its console was opened: where the console log ends and the stream begins.

The log and the stream carry the same bytes by different ways; either may be ahead of the other by some milliseconds.
So the place where the stream begins is looked for in what the log got since just before the console was opened.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

_TAIL = 1024  # bytes by which logs are fitted to each other and to what viewers have seen
_ENOUGH = 32  # bytes of the stream that tell its place
_QUIET = 0.04  # seconds that one side may be behind the other
_TRIES = 6
_ANCHOR = 64
_CANDIDATES = 1000  # repetitive output has many places to fit; a few repeated bytes are no loss then


class Listener(Protocol):
    """The receiving end of the stream."""

    def heard(self, size: int, seconds: float) -> bytes:
        """The first bytes of the stream, once there are so many or that time is over; they stay with it."""


def before_stream(read_log: Callable[[], bytes], earlier: bytes, listener: Listener) -> bytes:
    """The log up to where the stream begins; `earlier` is the log from just before the console was opened."""
    log, silent = earlier, False
    for _ in range(_TRIES):
        start = listener.heard(_ENOUGH, _QUIET)
        log = read_log()
        known, fresh = _split(earlier, log)
        if start:
            place = _place(fresh, start)
            if place is not None:
                return known + fresh[:place]
        elif silent or not fresh:
            return log
        silent = not start
    return log


def missed(seen: bytes, log: bytes) -> bytes:
    """What of the log comes after `seen`; all of it when it is of a later boot and does not contain the end of that."""
    tail = seen[-_TAIL:]
    found = log.rfind(tail) if tail else -1
    return log[found + len(tail) :] if found >= 0 else log


def _split(earlier: bytes, log: bytes) -> tuple[bytes, bytes]:
    """The log as what was in it earlier and what is fresh; a long log has lost its beginning meanwhile."""
    if log.startswith(earlier):
        return earlier, log[len(earlier) :]
    fresh = missed(earlier, log)
    return log[: len(log) - len(fresh)], fresh


def _place(fresh: bytes, start: bytes) -> int | None:
    """Where in `fresh` the stream begins: inside when the log is ahead, at an overlap when it is behind."""
    inside = fresh.rfind(start)
    if inside >= 0:
        return inside
    shared = _overlap(fresh, start)
    return len(fresh) - shared if shared else None


def _overlap(first: bytes, second: bytes) -> int:
    """The length of the longest end of `first` that begins `second`."""
    anchor = second[:_ANCHOR]
    start = max(0, len(first) - len(second))
    for _ in range(_CANDIDATES):
        start = first.find(anchor, start)
        if start < 0 or not anchor:
            break
        if second.startswith(first[start:]):
            return len(first) - start
        start += 1
    return next((n for n in range(min(len(first), len(anchor)), 0, -1) if anchor.startswith(first[-n:])), 0)
