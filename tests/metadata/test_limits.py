"""Both windows count, and every guest has its own."""

from __future__ import annotations

from tuinova.metadata.limits import RateLimiter, RateLimits


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_ends_and_comes_back() -> None:
    clock = Clock()
    limiter = RateLimiter(RateLimits(True, 60, 0, 10, 5), clock)
    assert [limiter.ask("a") for _ in range(6)] == [0, 0, 0, 0, 0, 2]
    clock.now += 2
    assert [limiter.ask("a"), limiter.ask("a")] == [0, 2]
    clock.now += 1000
    assert [limiter.ask("a") for _ in range(6)] == [0, 0, 0, 0, 0, 2]


def test_the_long_run_counts_too() -> None:
    clock = Clock()
    limiter = RateLimiter(RateLimits(True, 60, 6, 1, 5), clock)
    asked = 0
    for _ in range(20):
        clock.now += 1
        asked += limiter.ask("a") == 0
    assert asked == 7  # six at once, and one in the ten seconds after the first


def test_guests_do_not_share() -> None:
    limiter = RateLimiter(RateLimits(True, 60, 1, 10, 1), Clock())
    assert (limiter.ask("a"), limiter.ask("b")) == (0, 0)
    assert limiter.ask("a") > 0


def test_no_limit_is_none() -> None:
    for limits in (RateLimits(False, 60, 1, 10, 1), RateLimits(True, 60, 0, 10, 0)):
        limiter = RateLimiter(limits, Clock())
        assert {limiter.ask("a") for _ in range(1000)} == {0}


def test_many_guests_are_forgotten_in_time() -> None:
    limiter = RateLimiter(RateLimits(True, 60, 1, 10, 1), Clock())
    for number in range(10_000):
        limiter.ask(number)
    assert len(limiter._guests) <= 4096
