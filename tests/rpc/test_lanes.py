"""Lanes: order within one, concurrency between them, limits, fairness, the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tuinova.rpc.lanes import LaneExecutor


@pytest.fixture
def lanes() -> Iterator[LaneExecutor]:
    executor = LaneExecutor("test", limits={"work": 8, "build": 2}, max_threads=16)
    yield executor
    executor.close(5)


def test_jobs_of_one_lane_run_in_order_and_never_together(lanes: LaneExecutor) -> None:
    seen: list[int] = []
    inside = threading.Lock()

    def job(number: int) -> Callable[[], None]:
        def run() -> None:
            assert inside.acquire(blocking=False), "two jobs of one lane at once"
            seen.append(number)
            inside.release()

        return run

    for number in range(200):
        lanes.submit("host", "lane", job(number))
    assert lanes.wait_idle(10)
    assert seen == list(range(200))


def test_lanes_run_side_by_side(lanes: LaneExecutor) -> None:
    together = threading.Barrier(6, timeout=10)
    for lane in range(6):
        lanes.submit("host", lane, lambda: together.wait() and None)
    assert lanes.wait_idle(10)
    assert not together.broken


def test_a_kind_has_its_limit_and_the_others_go_on(lanes: LaneExecutor) -> None:
    free, running, most = threading.Event(), [0], [0]
    lock = threading.Lock()
    done = threading.Event()

    def build() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        free.wait(10)
        with lock:
            running[0] -= 1

    for lane in range(5):
        lanes.submit("host", lane, build, kind="build")
    lanes.submit("host", "other", done.set)
    assert done.wait(10), "a stop waited for builds"
    free.set()
    assert lanes.wait_idle(10)
    assert most[0] == 2


def test_limits_are_per_host(lanes: LaneExecutor) -> None:
    together = threading.Barrier(4, timeout=10)
    for host in ("a", "b"):
        for lane in range(2):
            lanes.submit(host, lane, lambda: together.wait() and None, kind="build")
    assert lanes.wait_idle(10)
    assert not together.broken


def test_a_lane_with_many_jobs_does_not_starve_the_others() -> None:
    executor = LaneExecutor("test", limits={"work": 1})
    order: list[str] = []
    gate = threading.Event()
    executor.submit("host", "gate", lambda: gate.wait(10) and None)
    for _ in range(5):
        executor.submit("host", "long", lambda: order.append("long"))
    executor.submit("host", "short", lambda: order.append("short"))
    gate.set()
    assert executor.wait_idle(10)
    executor.close(5)
    assert order.index("short") <= 1


def test_a_job_that_fails_takes_nothing_with_it(lanes: LaneExecutor) -> None:
    done = threading.Event()

    def fail() -> None:
        raise RuntimeError("no")

    lanes.submit("host", "lane", fail)
    lanes.submit("host", "lane", done.set)
    assert done.wait(10)
    assert lanes.wait_idle(10)
    assert lanes.open_jobs() == 0


def test_close_waits_for_what_runs_and_drops_what_waits() -> None:
    executor = LaneExecutor("test", limits={"work": 1})
    begun, free, ran = threading.Event(), threading.Event(), []

    def first() -> None:
        begun.set()
        free.wait(10)
        ran.append("first")

    executor.submit("host", "a", first)
    executor.submit("host", "b", lambda: ran.append("second"))
    assert begun.wait(10)
    threading.Timer(0.05, free.set).start()
    assert executor.close(10)
    assert ran == ["first"]
    assert not executor.submit("host", "a", lambda: None)
    assert executor.open_jobs() == 0


def test_close_gives_up_on_a_job_that_hangs() -> None:
    executor = LaneExecutor("test", limits={"work": 1})
    begun, free = threading.Event(), threading.Event()
    executor.submit("host", "a", lambda: begun.set() or (free.wait(30) and None))
    assert begun.wait(10)
    start = time.monotonic()
    assert not executor.close(0.05)
    assert time.monotonic() - start < 10
    free.set()


def test_many_submitters_lose_nothing(lanes: LaneExecutor) -> None:
    counts = dict.fromkeys(range(10), 0)

    def job(lane: int) -> Callable[[], None]:
        def run() -> None:
            counts[lane] += 1  # safe: one job of a lane at a time

        return run

    def submit() -> None:
        for number in range(500):
            lanes.submit("host", number % 10, job(number % 10))

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lanes.wait_idle(20)
    assert counts == dict.fromkeys(range(10), 200)
