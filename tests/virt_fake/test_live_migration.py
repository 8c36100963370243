"""Live migration between fake hosts: the guest runs on, with its memory, its terminal and its log."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tuinova.core.states import PowerState
from tuinova.virt.driver import (
    DriverError,
    GuestNotFound,
    GuestSpec,
    LifecycleEvent,
    MigrationAborted,
    MigrationPreCheckError,
    RebootType,
)
from tuinova.virt.fake import FakeDriver, order_faults

Spec = Callable[..., GuestSpec]
RUNNING, PAUSED, OFF = PowerState.RUNNING, PowerState.PAUSED, PowerState.SHUTDOWN
LOGIN = b"cirros\rgocubsgo\r"
FIELDS = [f"{what}_{amount}_bytes" for what in ("memory", "disk") for amount in ("total", "processed", "remaining")]


def quiet(_amounts: Mapping[str, int]) -> None:
    return None


class Pair:
    """Two hosts and a guest that is to go from the first to the second."""

    def __init__(self, one: FakeDriver, two: FakeDriver, guest: GuestSpec) -> None:
        self.one, self.two, self.guest = one, two, guest

    def check(self, block_migration: bool | None = None) -> dict[str, Any]:
        data = self.two.check_can_live_migrate_destination(self.guest, block_migration)
        return dict(self.one.check_can_live_migrate_source(self.guest, data))

    def prepare(self) -> dict[str, Any]:
        return dict(self.two.pre_live_migration(self.guest, self.check()))

    def migrate(self, progress: Any = quiet) -> dict[str, Any]:
        data = self.prepare()
        self.one.live_migration(self.guest, data, progress)
        self.one.post_live_migration(self.guest, data)
        self.two.post_live_migration_at_destination(self.guest, data)
        return data

    def roll_back(self, data: Mapping[str, Any]) -> None:
        self.two.rollback_live_migration_at_destination(self.guest, data)

    def assert_at_home(self) -> None:
        """It runs where it ran, and nothing of it is anywhere else."""
        assert self.one.guest_info(self.guest.uuid).state is RUNNING
        assert self.one.leftovers() == {}
        assert list((self.two.directory / "guests").iterdir()) == []
        assert self.one.store.load(self.guest.uuid).migrating is None

    def assert_moved(self, state: PowerState = RUNNING) -> None:
        assert self.two.guest_info(self.guest.uuid).state is state
        assert self.two.leftovers() == {}
        assert list((self.one.directory / "guests").iterdir()) == []


@pytest.fixture
def make_pair(make_driver: Callable[..., FakeDriver], spec: Spec) -> Callable[..., Pair]:
    def make(
        *, second: Mapping[str, Any] | None = None, guest: Mapping[str, Any] | None = None, **options: Any
    ) -> Pair:
        one = make_driver(host="cmp1", **options)
        two = make_driver(host="cmp2", **{**options, **(second or {})})
        pair = Pair(one, two, spec(**(guest or {})))
        one.spawn(pair.guest)
        return pair

    return make


@pytest.fixture
def pair(make_pair: Callable[..., Pair]) -> Pair:
    return make_pair()


@pytest.fixture
def slow(make_pair: Callable[..., Pair]) -> Pair:
    """A migration of a minute."""
    return make_pair(live_migration_mb_per_second=2.0)


class Running:
    """A live migration in a thread of its own."""

    def __init__(self, pair: Pair) -> None:
        self.data = pair.prepare()
        self.told: list[Mapping[str, int]] = []
        self.failure: Exception | None = None
        self._pair = pair
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        give_up = time.monotonic() + 10
        while len(self.told) < 3 and time.monotonic() < give_up:
            time.sleep(0.005)

    def _run(self) -> None:
        try:
            self._pair.one.live_migration(self._pair.guest, self.data, self.told.append)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.failure = error

    def wait(self) -> None:
        self._thread.join(10)
        assert not self._thread.is_alive()


# that it works -------------------------------------------------------------------------------------------------------
def test_terminal_memory_log_and_disk_go_along(pair: Pair, make_sink: Any, wait_until: Callable[..., None]) -> None:
    pair.one.reboot(pair.guest, RebootType.HARD)
    sink = make_sink()
    stream = pair.one.open_console(pair.guest.uuid, sink)
    stream.write(LOGIN + b"V=memory; echo disk > note; echo tmp > /tmp/x; echo half")
    wait_until(lambda: b"half" in sink.received)
    pair.migrate()
    wait_until(lambda: sink.ended == [None])
    with pytest.raises(DriverError):
        stream.write(b"x")
    pair.assert_moved()
    log = pair.two.console_output(pair.guest.uuid)
    assert log.endswith(b"echo half")
    assert pair.two.console_output(pair.guest.uuid, all_boots=True).count(b"SeaBIOS") == 2
    after = make_sink()
    pair.two.open_console(pair.guest.uuid, after).write(b" done; echo $V; cat note /tmp/x\r")
    wait_until(lambda: b"half done\r\nmemory\r\ndisk\r\ntmp\r\n$ " in after.received)


def test_it_is_told_in_steps_what_was_carried(pair: Pair) -> None:
    told: list[Mapping[str, int]] = []
    pair.migrate(told.append)
    assert len(told) >= 4
    assert all(sorted(amounts) == sorted(FIELDS) for amounts in told)
    assert [amounts["memory_total_bytes"] for amounts in told] == [128 << 20] * len(told)
    assert told[0]["memory_remaining_bytes"] == 128 << 20
    assert told[-1]["memory_remaining_bytes"] == told[-1]["disk_remaining_bytes"] == 0
    for amounts in told:
        assert amounts["memory_processed_bytes"] + amounts["memory_remaining_bytes"] == 128 << 20
    assert told[-1]["disk_total_bytes"] > 0


def test_a_paused_guest_arrives_paused(pair: Pair, told: list[Any], wait_until: Callable[..., None]) -> None:
    pair.one.pause(pair.guest.uuid)
    wait_until(lambda: len(told) == 2)
    told.clear()
    pair.migrate()
    pair.assert_moved(PAUSED)
    wait_until(lambda: len(told) == 3)
    assert {(node, str(event)) for node, _, event in told} == {
        ("cmp1", "stopped"),
        ("cmp2", "started"),
        ("cmp2", "paused"),
    }


def test_events_are_those_of_a_real_hypervisor(pair: Pair, told: list[Any], wait_until: Callable[..., None]) -> None:
    wait_until(lambda: told)
    told.clear()
    pair.migrate()
    wait_until(lambda: len(told) == 3)
    assert [event for node, _, event in told if node == "cmp1"] == [LifecycleEvent.STOPPED]
    assert [event for node, _, event in told if node == "cmp2"] == [LifecycleEvent.STARTED, LifecycleEvent.RESUMED]


def test_the_guest_is_known_by_a_number_of_its_new_host(pair: Pair, spec: Spec) -> None:
    others = [spec(number=number) for number in range(3)]
    for other in others[:2]:
        pair.two.spawn(other)
    pair.migrate()
    pair.two.spawn(others[2])
    numbers = [info.hypervisor_id for info in pair.two.list_guests()]
    assert len(set(numbers)) == 4
    assert None not in numbers


def test_there_and_back_again(pair: Pair) -> None:
    pair.migrate()
    back = Pair(pair.two, pair.one, pair.guest)
    back.migrate()
    back.assert_moved()
    pair.migrate()
    pair.assert_moved()


def test_every_call_may_come_twice(pair: Pair) -> None:
    data = pair.check()
    assert pair.check() == data
    data = dict(pair.two.pre_live_migration(pair.guest, data))
    data = dict(pair.two.pre_live_migration(pair.guest, data))
    for _ in range(2):
        pair.one.live_migration(pair.guest, data, quiet)
    for _ in range(2):
        pair.one.post_live_migration(pair.guest, data)
    for _ in range(2):
        pair.two.post_live_migration_at_destination(pair.guest, data)
    pair.assert_moved()


def test_a_shutdown_that_had_begun_ends_at_the_destination(
    make_pair: Callable[..., Pair], sink: Any, wait_until: Callable[..., None], told: list[Any]
) -> None:
    pair = make_pair(shutdown_seconds=0.3)
    pair.one.open_console(pair.guest.uuid, sink).write(LOGIN + b"sudo poweroff\r")
    pair.migrate()
    wait_until(lambda: ("cmp2", pair.guest.uuid, LifecycleEvent.STOPPED) in told)
    assert pair.two.guest_info(pair.guest.uuid).state is OFF


def test_the_guest_goes_on_working_while_it_is_carried(slow: Pair, sink: Any, wait_until: Callable[..., None]) -> None:
    running = Running(slow)
    stream = slow.one.open_console(slow.guest.uuid, sink)
    stream.write(LOGIN + b"V=late\r")
    slow.one.live_migration_force_complete(slow.guest.uuid)
    running.wait()
    assert running.failure is None
    assert slow.two.store.load(slow.guest.uuid).variables["V"] == "late"


# what ends it --------------------------------------------------------------------------------------------------------
def test_an_abort_leaves_the_guest_at_home(slow: Pair) -> None:
    running = Running(slow)
    slow.one.live_migration_abort(slow.guest.uuid)
    running.wait()
    assert isinstance(running.failure, MigrationAborted)
    slow.roll_back(running.data)
    slow.roll_back(running.data)
    slow.assert_at_home()
    with pytest.raises(DriverError, match="no job"):
        slow.one.live_migration_abort(slow.guest.uuid)


def test_another_process_may_abort_it(slow: Pair, tmp_path: Path) -> None:
    running = Running(slow)
    code = (
        "import sys; from pathlib import Path; from tuinova.virt.fake import FakeDriver\n"
        "FakeDriver(host='cmp1', path=Path(sys.argv[1])).live_migration_abort(sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path), slow.guest.uuid], check=True, timeout=60)
    running.wait()
    assert isinstance(running.failure, MigrationAborted)


def test_forcing_ends_a_long_migration_soon(slow: Pair) -> None:
    running = Running(slow)
    assert running.told[-1]["memory_remaining_bytes"] > 64 << 20
    slow.one.live_migration_force_complete(slow.guest.uuid)
    running.wait()
    assert running.failure is None
    assert slow.two.guest_info(slow.guest.uuid).state is RUNNING


@pytest.mark.parametrize("order", ["live_migration_abort", "live_migration_force_complete"])
def test_without_a_migration_there_is_nothing_to_order(pair: Pair, spec: Spec, order: str) -> None:
    with pytest.raises(DriverError, match="no job"):
        getattr(pair.one, order)(pair.guest.uuid)
    with pytest.raises(GuestNotFound):
        getattr(pair.one, order)(spec().uuid)


def test_what_progress_raises_aborts(pair: Pair) -> None:
    def enough(amounts: Mapping[str, int]) -> None:
        if amounts["memory_remaining_bytes"] == 0:
            raise InterruptedError("enough")

    data = pair.prepare()
    with pytest.raises(InterruptedError, match="enough"):
        pair.one.live_migration(pair.guest, data, enough)
    pair.roll_back(data)
    pair.assert_at_home()
    pair.migrate()


@pytest.mark.parametrize("how", ["power_off", "poweroff inside", "restart", "suspend", "closed"])
def test_a_guest_that_goes_off_ends_its_migration(slow: Pair, how: str, sink: Any) -> None:
    running = Running(slow)
    if how == "power_off":
        slow.one.power_off(slow.guest.uuid, 0, 0)
    elif how == "poweroff inside":
        slow.one.open_console(slow.guest.uuid, sink).write(LOGIN + b"sudo poweroff\r")
    elif how == "restart":
        slow.one.reboot(slow.guest, RebootType.HARD)
    elif how == "suspend":
        slow.one.suspend(slow.guest.uuid)
    else:
        slow.one.faults.closed.set()
    running.wait()
    assert isinstance(running.failure, DriverError)
    assert not isinstance(running.failure, MigrationAborted)
    slow.roll_back(running.data)
    state = RUNNING if how in ("restart", "closed") else OFF
    assert slow.one.guest_info(slow.guest.uuid).state is state
    assert slow.one.store.load(slow.guest.uuid).migrating is None
    assert list((slow.two.directory / "guests").iterdir()) == []


def test_a_deletion_ends_it_too(slow: Pair) -> None:
    running = Running(slow)
    slow.one.destroy(slow.guest)
    running.wait()
    assert isinstance(running.failure, DriverError)
    slow.roll_back(running.data)
    assert [list((driver.directory / "guests").iterdir()) for driver in (slow.one, slow.two)] == [[], []]


def test_a_second_migration_of_the_same_guest_is_refused(slow: Pair) -> None:
    running = Running(slow)
    with pytest.raises(DriverError, match="migrating already"):
        slow.one.live_migration(slow.guest, running.data, quiet)
    slow.one.live_migration_abort(slow.guest.uuid)
    running.wait()


@pytest.mark.parametrize("when", ["before", "middle"])
def test_a_migration_that_fails_leaves_the_guest_at_home(pair: Pair, when: str) -> None:
    data = pair.prepare()
    pair.one.faults.order("live_migration", {"when": when, "times": 1})
    with pytest.raises(DriverError):
        pair.one.live_migration(pair.guest, data, quiet)
    pair.roll_back(data)
    pair.assert_at_home()
    pair.migrate()


def test_a_failure_after_the_guest_went_does_not_lose_it(pair: Pair) -> None:
    data = pair.prepare()
    pair.one.faults.order("live_migration", {"when": "after", "times": 1})
    with pytest.raises(DriverError):
        pair.one.live_migration(pair.guest, data, quiet)
    with pytest.raises(DriverError, match="not rolled back"):
        pair.roll_back(data)
    pair.one.live_migration(pair.guest, data, quiet)
    pair.one.post_live_migration(pair.guest, data)
    pair.assert_moved()


def test_cleaning_up_at_the_source_spares_a_guest_that_did_not_leave(pair: Pair) -> None:
    data = pair.prepare()
    with pytest.raises(DriverError, match="still"):
        pair.one.post_live_migration(pair.guest, data)
    pair.roll_back(data)
    pair.assert_at_home()


def test_a_destination_that_does_not_await_the_guest_gets_none(pair: Pair) -> None:
    with pytest.raises(DriverError, match="does not await"):
        pair.one.live_migration(pair.guest, pair.check(), quiet)
    pair.assert_at_home()


def test_a_job_that_died_with_its_service_is_forgotten(
    pair: Pair, make_driver: Callable[..., FakeDriver], tmp_path: Path
) -> None:
    data = pair.prepare()
    order_faults(pair.one.directory, {"live_migration": {"kind": "kill", "when": "middle"}})
    code = """
import sys, json
from pathlib import Path
from tuinova.virt.driver import GuestSpec
from tuinova.virt.fake import FakeDriver
names = ("instance-00000001", "vm1", "vm1", "p", "u", "demo", "demo", "m1.micro")
guest = GuestSpec(sys.argv[2], *names, 128, 1, 1, 0, 0, {}, None)
FakeDriver(host="cmp1", path=Path(sys.argv[1])).live_migration(guest, json.loads(sys.argv[3]), lambda amounts: None)
"""
    arguments = [sys.executable, "-c", code, str(tmp_path), pair.guest.uuid, json.dumps(data)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -9, done.stderr
    order_faults(pair.one.directory, {})
    assert pair.one.guest_info(pair.guest.uuid).state is RUNNING
    assert pair.one.store.load(pair.guest.uuid).migrating is not None
    with pytest.raises(DriverError, match="no job"):
        pair.one.live_migration_abort(pair.guest.uuid)
    after = make_driver(host="cmp1")
    assert after.store.load(pair.guest.uuid).migrating is None
    pair.roll_back(data)
    pair.assert_at_home()


# checks --------------------------------------------------------------------------------------------------------------
def test_answers_are_plain_json(pair: Pair) -> None:
    data = pair.prepare()
    assert json.loads(json.dumps(data)) == data
    assert json.loads(json.dumps(pair.one.migration_address())) == pair.one.migration_address()


@pytest.mark.parametrize(
    ("shared", "asked", "decided"),
    [(False, None, True), (False, True, True), (True, None, False), (True, False, False)],
)
def test_disks_are_copied_unless_they_are_shared(
    make_pair: Callable[..., Pair], shared: bool, asked: bool | None, decided: bool
) -> None:
    data = make_pair(shared_storage=shared).check(asked)
    assert data["block_migration"] is decided


@pytest.mark.parametrize(
    ("shared", "asked", "reason"),
    [
        (True, True, "Block migration can not be used with shared storage."),
        (False, False, "Shared storage live-migration requires either shared storage"),
    ],
)
def test_what_storage_forbids_is_said_in_novas_words(
    make_pair: Callable[..., Pair], shared: bool, asked: bool, reason: str
) -> None:
    with pytest.raises(MigrationPreCheckError, match=reason):
        make_pair(shared_storage=shared).check(asked)


def test_a_destination_with_a_lesser_cpu_is_refused(make_pair: Callable[..., Pair]) -> None:
    lesser = {"cpu_info": {"arch": "x86_64", "model": "old", "features": ["pge"]}}
    with pytest.raises(MigrationPreCheckError, match="lacks clflush"):
        make_pair(second=lesser).check()


def test_what_is_off_is_unknown_or_is_there_already_does_not_go(pair: Pair, spec: Spec) -> None:
    with pytest.raises(GuestNotFound):
        pair.one.check_can_live_migrate_source(spec(), pair.two.check_can_live_migrate_destination(spec(), None))
    pair.one.power_off(pair.guest.uuid, 0, 0)
    with pytest.raises(MigrationPreCheckError, match="not running"):
        pair.check()
    pair.two.spawn(pair.guest)
    with pytest.raises(MigrationPreCheckError, match="already"):
        pair.two.check_can_live_migrate_destination(pair.guest, None)


@pytest.mark.parametrize("destination", [None, {}, "cmp2", {"driver": "fake", "host": "cmp9"}, {"driver": "libvirt"}])
def test_a_destination_that_is_none_is_refused(pair: Pair, destination: Any) -> None:
    with pytest.raises(MigrationPreCheckError):
        pair.one.check_can_live_migrate_source(pair.guest, {"destination": destination})
    with pytest.raises(MigrationPreCheckError, match="current host"):
        pair.one.check_can_live_migrate_source(pair.guest, {"destination": pair.one.migration_address()})
