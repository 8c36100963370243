"""A test can order what goes wrong, from inside or from another process."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuinova.core.errors import BuildAbortException, HypervisorUnavailable
from tuinova.core.states import PowerState
from tuinova.virt.driver import DriverError, GuestSpec
from tuinova.virt.fake import FakeDriver, order_faults

Spec = Callable[..., GuestSpec]


def test_a_spawn_fails_as_often_as_ordered_and_leaves_nothing(driver: FakeDriver, spec: Spec) -> None:
    order_faults(driver.directory, {"spawn": {"error": "no space left", "times": 2, "when": "middle"}})
    guest = spec()
    for _ in range(2):
        with pytest.raises(DriverError, match="no space left"):
            driver.spawn(guest)
        assert driver.list_guests() == []
        assert driver.leftovers() == {}
    driver.spawn(guest)
    assert driver.guest_info(guest.uuid).state is PowerState.RUNNING


@pytest.mark.parametrize(
    ("kind", "error"),
    [("reschedule", DriverError), ("abort", BuildAbortException), ("lost", HypervisorUnavailable)],
)
def test_kinds_of_failure(driver: FakeDriver, spec: Spec, kind: str, error: type[Exception]) -> None:
    driver.faults.order("spawn", {"kind": kind})
    with pytest.raises(error):
        driver.spawn(spec())
    driver.faults.order("spawn", None)
    driver.spawn(spec())


def test_a_failure_can_be_for_one_guest_and_after_the_work(driver: FakeDriver, spec: Spec) -> None:
    first, second = spec(number=1), spec(number=2)
    driver.spawn(first)
    driver.spawn(second)
    order_faults(driver.directory, {"pause": {"guest": "vm2", "when": "after"}})
    driver.pause(first.uuid)
    with pytest.raises(DriverError):
        driver.pause(second.uuid)
    assert driver.guest_info(second.uuid).state is PowerState.PAUSED


def test_a_star_is_any_method(driver: FakeDriver, spec: Spec) -> None:
    driver.faults.order("*", {"error": "all is lost"})
    with pytest.raises(DriverError, match="all is lost"):
        driver.spawn(spec())


@pytest.mark.parametrize("end", ["withdrawn", "closed"])
def test_a_call_hangs_until_the_order_is_withdrawn_or_the_driver_closed(
    driver: FakeDriver, spec: Spec, end: str
) -> None:
    guest = spec()
    driver.spawn(guest)
    order_faults(driver.directory, {"power_off": {"kind": "hang"}})
    failures: list[Exception] = []

    def call() -> None:
        try:
            driver.power_off(guest.uuid, 60, 10)
        except DriverError as error:
            failures.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join(0.1)
    assert thread.is_alive()
    assert driver.guest_info(guest.uuid).state is PowerState.RUNNING
    if end == "withdrawn":
        order_faults(driver.directory, {})
    else:
        driver.close()
    thread.join(10)
    assert not thread.is_alive()
    assert len(failures) == 1


def test_a_lost_connection_fails_every_call_ends_consoles_and_is_told(
    driver: FakeDriver, spec: Spec, told: list[Any], sink: Any, wait_until: Callable[..., None]
) -> None:
    guest = spec()
    driver.spawn(guest)
    driver.open_console(guest.uuid, sink)
    wait_until(lambda: told)
    told.clear()
    order_faults(driver.directory, {"connection": {"error": "Cannot recv data: Connection reset by peer"}})
    with pytest.raises(HypervisorUnavailable, match="Connection reset"):
        driver.list_guests()
    wait_until(lambda: sink.ended)
    assert "Connection reset" in sink.ended[0]
    wait_until(lambda: told)
    order_faults(driver.directory, {})
    wait_until(lambda: len(told) == 2)
    assert told == [
        ("connection", "False", "Cannot recv data: Connection reset by peer"),
        ("connection", "True", ""),
    ]
    assert len(driver.list_guests()) == 1


@pytest.mark.parametrize(("when", "exists"), [("before", False), ("middle", False), ("after", True)])
def test_the_process_can_be_killed_at_any_point_of_a_build(
    driver: FakeDriver, tmp_path: Path, spec: Spec, when: str, exists: bool
) -> None:
    code = """
import sys
from pathlib import Path
from tuinova.virt.driver import GuestSpec
from tuinova.virt.fake import FakeDriver
names = ("instance-00000001", "vm1", "vm1", "p", "u", "demo", "demo", "m1.micro")
guest = GuestSpec(sys.argv[2], *names, 128, 1, 1, 0, 0, {}, None)
FakeDriver(host="cmp1", path=Path(sys.argv[1])).spawn(guest)
"""
    guest = spec()
    order_faults(driver.directory, {"spawn": {"kind": "kill", "when": when}})
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path), guest.uuid], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    order_faults(driver.directory, {})
    assert [info.uuid for info in driver.list_guests()] == ([guest.uuid] if exists else [])
    assert list(driver.leftovers()) == ([guest.uuid] if when == "middle" else [])
    driver.cleanup(guest.uuid)
    assert driver.leftovers() == {}
    assert list((driver.directory / "guests").iterdir()) == []
    driver.spawn(guest)
