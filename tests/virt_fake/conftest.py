"""A fake host in the test's own directory, and guests for it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tuinova.virt.driver import ConsoleSink, GuestSpec, LifecycleEvent
from tuinova.virt.fake import FakeDriver, FakeOptions


class Sink(ConsoleSink):
    """Keeps all that a console says."""

    def __init__(self) -> None:
        self.received = b""
        self.ended: list[str | None] = []

    def data(self, chunk: bytes) -> None:
        assert not self.ended, "bytes after the end"
        self.received += chunk

    def end(self, error: str | None) -> None:
        self.ended.append(error)


def wait_until(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it never happened"
        time.sleep(0.002)


def guest_spec(**changes: Any) -> GuestSpec:
    number = changes.pop("number", 1)
    values: dict[str, Any] = {
        "uuid": str(uuid.uuid4()),
        "name": f"instance-{number:08x}",
        "display_name": f"vm{number}",
        "hostname": f"vm{number}",
        "project_id": "p",
        "user_id": "u",
        "project_name": "demo",
        "user_name": "demo",
        "flavor_name": "m1.micro",
        "memory_mb": 128,
        "vcpus": 1,
        "root_gb": 1,
        "ephemeral_gb": 0,
        "swap_mb": 0,
        "extra_specs": {},
        "image": None,
    }
    return GuestSpec(**(values | changes))


@pytest.fixture(name="sink")
def sink_fixture() -> Sink:
    return Sink()


@pytest.fixture(name="make_sink")
def make_sink_fixture() -> type[Sink]:
    return Sink


@pytest.fixture(name="wait_until")
def wait_until_fixture() -> Callable[..., None]:
    return wait_until


@pytest.fixture
def spec() -> Callable[..., GuestSpec]:
    return guest_spec


@pytest.fixture
def told() -> list[tuple[str, str, LifecycleEvent]]:
    return []


@pytest.fixture
def make_driver(tmp_path: Path, told: list[Any]) -> Iterator[Callable[..., FakeDriver]]:
    made: list[FakeDriver] = []

    def make(*, listen: bool = True, nodes: int = 1, host: str = "cmp1", **options: Any) -> FakeDriver:
        quick: dict[str, Any] = {"boot_seconds": 0.0, "watch_seconds": 0.02}
        driver = FakeDriver(host=host, path=tmp_path, nodes=nodes, options=FakeOptions(**(quick | options)))
        made.append(driver)
        if listen:
            driver.init_host(
                lambda node, guest, event: told.append((node, guest, event)),
                lambda available, reason: told.append(("connection", str(available), reason)),  # type: ignore[arg-type]
            )
        return driver

    yield make
    for driver in made:
        driver.close()


@pytest.fixture
def driver(make_driver: Callable[..., FakeDriver]) -> FakeDriver:
    return make_driver()
