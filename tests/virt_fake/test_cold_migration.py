"""Resize and cold migration between fake hosts of one directory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tuinova.core.errors import ResizeError
from tuinova.core.states import PowerState
from tuinova.virt.driver import DriverError, GuestNotFound, GuestSpec, LifecycleEvent, RebootType
from tuinova.virt.fake import FakeDriver

Spec = Callable[..., GuestSpec]
OFF, RUNNING = PowerState.SHUTDOWN, PowerState.RUNNING
LOGIN = b"cirros\rgocubsgo\r"


def quiet(*_: Any) -> None:
    return None


class Move:
    """A guest on its way from one host to another, or to another size of the same."""

    def __init__(self, source: FakeDriver, to: FakeDriver, guest: GuestSpec) -> None:
        self.source, self.to, self.guest = source, to, guest
        self.new = replace(guest, root_gb=4, memory_mb=512, vcpus=2, flavor_name="bigger")

    @property
    def is_here(self) -> bool:
        return self.source is self.to

    def migrate(self, *, progress: Any = quiet, **changes: Any) -> None:
        address = {**self.to.migration_address(), **changes}
        self.source.migrate_disk_and_power_off(self.guest, self.new, address, 60, 10, progress)

    def finish(self, *, power_on: bool = True) -> None:
        self.to.finish_migration(self.new, power_on=power_on)

    def confirm(self) -> None:
        self.source.confirm_migration(self.new, same_host=self.is_here)

    def discard(self) -> None:
        self.to.discard_migrated(self.new)

    def revert(self, *, power_on: bool = True) -> None:
        self.source.finish_revert_migration(self.guest, power_on=power_on)

    def record(self, driver: FakeDriver) -> Any:
        return driver.store.load(self.guest.uuid)

    def assert_untouched(self, before: Any) -> None:
        assert self.record(self.source) == before
        for driver in {self.source, self.to}:
            assert driver.leftovers() == {}


@pytest.fixture(params=["one host", "two hosts"])
def move(
    request: pytest.FixtureRequest,
    make_driver: Callable[..., FakeDriver],
    spec: Spec,
    make_sink: Any,
    told: list[Any],
    wait_until: Callable[..., None],
) -> Move:
    """A running guest with a note on its disk and a boot behind it."""
    source = make_driver(host="cmp1")
    to = source if request.param == "one host" else make_driver(host="cmp2")
    drive = {"openstack/latest/meta_data.json": b'{"meta": {"ignore_acpi": "false"}}'}
    guest = spec(config_drive=True, config_drive_files=lambda: drive)
    source.spawn(guest)
    source.reboot(guest, RebootType.HARD)
    stream = source.open_console(guest.uuid, make_sink())
    stream.write(LOGIN + b"echo kept > note; echo gone > /tmp/x\r")
    stream.close()
    wait_until(lambda: len(told) == 3)
    told.clear()
    return Move(source, to, guest)


def note(record: Any) -> dict[str, Any]:
    return dict(record.contents)


KEPT = {"root": {"/home/cirros/note": "kept\n"}}


def test_a_guest_goes_and_its_disk_goes_along(move: Move, make_sink: Any, wait_until: Callable[..., None]) -> None:
    told: list[tuple[int, int]] = []
    move.migrate(progress=lambda *amounts: told.append(amounts))
    assert told[-1] == (1 << 30, 1 << 30)
    assert len(told) > 1
    assert move.source.guest_info(move.guest.uuid).state is OFF
    assert move.guest.uuid in move.source.leftovers()
    if not move.is_here:
        with pytest.raises(GuestNotFound):
            move.to.guest_info(move.guest.uuid)
        assert move.guest.uuid in move.to.leftovers()
    move.finish()
    record = move.record(move.to)
    assert (record.power, record.root_gb, record.memory_mb, record.vcpus) == (RUNNING, 4, 512, 2)
    assert note(record) == KEPT
    assert move.to.disks_of(move.guest.uuid)[0].size == 4 << 30
    sink = make_sink()
    move.to.open_console(move.guest.uuid, sink).write(LOGIN + b"cat note; cat /sys/block/vda/size; ls /tmp\r")
    wait_until(lambda: b"kept\r\n8388608\r\n$ " in sink.received)
    assert move.to.console_output(move.guest.uuid, all_boots=True).count(b"SeaBIOS") == 3
    drive = move.to.directory / "guests" / move.guest.uuid / "disk.config/openstack/latest/meta_data.json"
    assert drive.exists()
    move.confirm()
    assert [driver.leftovers() for driver in (move.source, move.to)] == [{}, {}]
    assert note(move.record(move.to)) == KEPT
    if not move.is_here:
        with pytest.raises(GuestNotFound):
            move.source.guest_info(move.guest.uuid)
        assert list((move.source.directory / "guests").iterdir()) == []


def test_every_call_may_come_twice(move: Move) -> None:
    for call in (move.migrate, move.migrate, move.finish, move.migrate, move.finish, move.confirm, move.confirm):
        call()
    assert (move.record(move.to).power, note(move.record(move.to))) == (RUNNING, KEPT)
    domain = move.to.guest_info(move.guest.uuid).hypervisor_id
    move.finish()
    assert move.to.guest_info(move.guest.uuid).hypervisor_id == domain


@pytest.mark.parametrize("upto", ["migrate", "finish"])
@pytest.mark.parametrize("power_on", [True, False])
def test_a_revert_brings_back_all_that_was(move: Move, upto: str, power_on: bool, make_sink: Any) -> None:
    move.migrate()
    if upto == "finish":
        move.finish()
        stream = move.to.open_console(move.guest.uuid, make_sink())
        stream.write(LOGIN + b"echo new > note\r")
        stream.close()
    for call in (move.discard, move.discard):
        call()
    move.revert(power_on=power_on)
    move.discard()
    move.revert(power_on=power_on)
    record = move.record(move.source)
    assert (record.power, record.root_gb, record.memory_mb) == (RUNNING if power_on else OFF, 1, 128)
    assert note(record) == KEPT
    assert move.source.console_output(move.guest.uuid, all_boots=True).count(b"SeaBIOS") == 2 + power_on
    assert [driver.leftovers() for driver in (move.source, move.to)] == [{}, {}]
    if not move.is_here:
        with pytest.raises(GuestNotFound):
            move.to.guest_info(move.guest.uuid)


def test_a_guest_that_was_off_stays_off(move: Move, told: list[Any]) -> None:
    move.source.power_off(move.guest.uuid, 0, 0)
    move.migrate()
    move.finish(power_on=False)
    assert move.to.guest_info(move.guest.uuid).state is OFF
    move.to.power_on(move.new)
    assert note(move.record(move.to)) == KEPT


def test_events_are_those_of_a_real_hypervisor(move: Move, told: list[Any], wait_until: Callable[..., None]) -> None:
    move.migrate()
    move.finish()
    move.confirm()
    wait_until(lambda: len(told) == 2)
    assert told == [
        (move.source.nodes[0], move.guest.uuid, LifecycleEvent.STOPPED),
        (move.to.nodes[0], move.guest.uuid, LifecycleEvent.STARTED),
    ]


@pytest.mark.parametrize("smaller", [{"root_gb": 0}, {"ephemeral_gb": 0, "root_gb": 4}])
def test_a_disk_that_would_shrink_is_refused_before_anything_is_touched(move: Move, smaller: Mapping[str, int]) -> None:
    move.guest = replace(move.guest, ephemeral_gb=1)
    move.new = replace(move.new, **smaller)
    before = move.record(move.source)
    with pytest.raises(ResizeError, match=r"Unable to resize disk down\."):
        move.migrate()
    move.assert_untouched(before)


@pytest.mark.parametrize(
    "changes",
    [
        {"host": "nowhere"},
        {"host": "../cmp2"},
        {"host": ".."},
        {"host": None},
        {"driver": "libvirt"},
        {"host": "cmp3", "directory": "/elsewhere"},
    ],
)
def test_a_destination_that_cannot_be_reached_is_refused_before_anything_is_touched(
    move: Move, changes: dict[str, Any]
) -> None:
    before = move.record(move.source)
    with pytest.raises(ResizeError):
        move.migrate(**changes)
    move.assert_untouched(before)


def test_a_destination_that_has_such_a_guest_is_refused(make_driver: Callable[..., FakeDriver], spec: Spec) -> None:
    one, two, guest = make_driver(host="cmp1"), make_driver(host="cmp2"), spec()
    one.spawn(guest)
    two.spawn(guest)
    move = Move(one, two, guest)
    with pytest.raises(ResizeError, match="already"):
        move.migrate()
    assert (one.guest_info(guest.uuid).state, two.guest_info(guest.uuid).state) == (RUNNING, RUNNING)


@pytest.mark.parametrize("how", ["middle", "after", "progress", "closed"])
def test_a_move_that_fails_puts_everything_back_and_leaves_the_guest_off(move: Move, how: str) -> None:

    def enough(_done: int, _total: int) -> None:
        raise InterruptedError("enough")

    if how in ("middle", "after"):
        move.source.faults.order("migrate_disk_and_power_off", {"when": how})
    if how == "closed":
        object.__setattr__(move.source.options, "copy_seconds", 60.0)
        move.source.power_off(move.guest.uuid, 0, 0)
        move.source.faults.closed.set()
    with pytest.raises(InterruptedError if how == "progress" else DriverError):
        move.migrate(progress=enough if how == "progress" else quiet)
    after = move.record(move.source)
    assert (after.power, after.aside, note(after)) == (OFF, "", KEPT)
    assert [driver.leftovers() for driver in (move.source, move.to)] == [{}, {}]
    move.source.power_on(move.guest)
    assert note(move.record(move.source)) == KEPT


def test_nothing_starts_a_guest_whose_disks_are_away(move: Move) -> None:
    move.migrate()
    for call in (
        lambda: move.source.power_on(move.guest),
        lambda: move.source.reboot(move.guest, RebootType.HARD),
        lambda: move.source.resume(move.guest),
        lambda: move.source.resume_state_on_host_boot(move.guest),
    ):
        with pytest.raises(DriverError, match="set aside"):
            call()
    assert move.source.guest_info(move.guest.uuid).state is OFF
    move.finish()


def test_finishing_what_was_not_brought_is_an_error(move: Move) -> None:
    move.source.power_off(move.guest.uuid, 0, 0)
    stranger = replace(move.guest, uuid="11111111-1111-4111-8111-111111111111")
    with pytest.raises(GuestNotFound):
        move.to.finish_migration(stranger, power_on=True)


def test_a_rollback_of_what_never_began_removes_nothing(move: Move) -> None:
    """Not even on a host to which the guest once came by a migration, where it may be the only copy."""
    before = move.record(move.source)
    move.discard()
    move.revert()
    assert move.record(move.source) == before
    move.migrate()
    move.finish()
    move.confirm()
    onward = Move(move.to, move.to, move.new)
    onward.discard()
    onward.revert()
    assert note(onward.record(move.to)) == KEPT
    assert move.to.guest_info(move.guest.uuid).state is RUNNING


def test_a_confirm_that_comes_too_late_removes_no_guest(move: Move) -> None:
    move.migrate()
    move.finish()
    move.confirm()
    back = Move(move.to, move.source, move.new)
    back.new = replace(move.new, root_gb=6)
    back.migrate()
    back.finish()
    back.confirm()
    move.confirm()
    assert note(back.record(move.source)) == KEPT
    assert move.source.disks_of(move.guest.uuid)[0].size == 6 << 30


@pytest.mark.parametrize("upto", ["migrate", "finish"])
@pytest.mark.parametrize("how", ["destroy", "cleanup"])
def test_a_deletion_on_the_way_leaves_nothing(move: Move, upto: str, how: str) -> None:
    move.migrate()
    if upto == "finish":
        move.finish()
    for driver in (move.source, move.to):
        if how == "destroy":
            driver.destroy(move.guest)
        else:
            driver.cleanup(move.guest.uuid)
        assert list((driver.directory / "guests").iterdir()) == []


@pytest.mark.parametrize(
    "method", ["finish_migration", "confirm_migration", "discard_migrated", "finish_revert_migration"]
)
@pytest.mark.parametrize("when", ["before", "middle", "after"])
def test_a_call_that_failed_is_made_again(move: Move, method: str, when: str) -> None:
    calls = {
        "finish_migration": move.finish,
        "confirm_migration": move.confirm,
        "discard_migrated": move.discard,
        "finish_revert_migration": move.revert,
    }
    ways = {
        "confirm_migration": ["finish_migration", "confirm_migration"],
        "finish_migration": ["finish_migration"],
        "discard_migrated": ["finish_migration", "discard_migrated", "finish_revert_migration"],
        "finish_revert_migration": ["finish_migration", "discard_migrated", "finish_revert_migration"],
    }
    for driver in (move.source, move.to):
        driver.faults.order(method, {"when": when, "times": 1})
    move.migrate()
    for name in ways[method]:
        if name == method:
            with pytest.raises(DriverError):
                calls[name]()
        calls[name]()
    home = move.source if "revert" in ways[method][-1] else move.to
    assert (move.record(home).power, note(move.record(home))) == (RUNNING, KEPT)


def test_a_drive_that_is_missing_is_written_again(make_driver: Callable[..., FakeDriver], spec: Spec) -> None:
    one, two = make_driver(host="cmp1"), make_driver(host="cmp2")
    guest = spec()
    one.spawn(guest)
    move = Move(one, two, guest)
    move.migrate()
    move.new = replace(move.new, config_drive=True, config_drive_files=lambda: {"openstack/latest/x": b"y"})
    move.finish()
    assert (two.directory / "guests" / guest.uuid / "disk.config/openstack/latest/x").read_bytes() == b"y"
