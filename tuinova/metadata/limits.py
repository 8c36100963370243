"""How often a guest may ask: two token buckets each, one for the long run and one for bursts."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

# More than any host has guests; who comes back after it was forgotten starts with full buckets.
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Neutron's group `[metadata_rate_limiting]`; durations in seconds, a limit of 0 is none."""

    rate_limit_enabled: bool = True
    base_window_duration: int = 60
    base_query_rate_limit: int = 600
    burst_window_duration: int = 10
    burst_query_rate_limit: int = 200


class _Bucket:
    __slots__ = ("_at", "_full", "_per_second", "_tokens")

    def __init__(self, count: int, seconds: int, now: float) -> None:
        self._full, self._per_second = float(count), count / max(seconds, 1)
        self._tokens, self._at = float(count), now

    def wait(self, now: float) -> float:
        """Seconds until there is a token; 0: now."""
        self._tokens = min(self._full, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        return 0.0 if self._tokens >= 1 else (1 - self._tokens) / self._per_second

    def take(self) -> None:
        self._tokens -= 1


class RateLimiter:
    """Not thread-safe: it lives in the event loop."""

    def __init__(self, limits: RateLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._guests: OrderedDict[Hashable, list[_Bucket]] = OrderedDict()

    def ask(self, guest: Hashable) -> int:
        """Take a token; 0 when the guest may go on, else after how many whole seconds it may ask again."""
        if not self._limits.rate_limit_enabled:
            return 0
        now = self._clock()
        buckets = self._guests.get(guest)
        if buckets is None:
            buckets = self._guests[guest] = self._new(now)
            if len(self._guests) > _REMEMBERED:
                self._guests.popitem(last=False)
        self._guests.move_to_end(guest)
        wait = max((bucket.wait(now) for bucket in buckets), default=0.0)
        if wait > 0:
            return math.ceil(wait)
        for bucket in buckets:
            bucket.take()
        return 0

    def _new(self, now: float) -> list[_Bucket]:
        rows = (
            (self._limits.base_query_rate_limit, self._limits.base_window_duration),
            (self._limits.burst_query_rate_limit, self._limits.burst_window_duration),
        )
        return [_Bucket(count, seconds, now) for count, seconds in rows if count > 0]
