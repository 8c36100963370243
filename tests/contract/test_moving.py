"""Resize on one host, migration to another: the data goes along, and a way back remains until it is confirmed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tuinova.core.errors import ResizeError
from tuinova.core.states import PowerState
from tuinova.virt.driver import (
    DriverError,
    GuestNotFound,
    GuestSpec,
    LifecycleEvent,
    MigrationAborted,
    MigrationPreCheckError,
)

OFF, RUNNING, PAUSED = PowerState.SHUTDOWN, PowerState.RUNNING, PowerState.PAUSED
GIB = 1 << 30


class Enough(Exception):
    """What a caller raises who wants no more of it."""


def quiet(*_: Any) -> None:
    return None


def is_set_aside(env: Any, guest: GuestSpec) -> bool:
    return any("_resize" in str(path) for path in env.files_of(guest.uuid))


# one host ------------------------------------------------------------------------------------------------------------
def test_a_disk_that_would_shrink_leaves_the_guest_untouched(env: Any, mover: Any) -> None:
    domain = env.domain_id(mover.guest)
    for smaller in (replace(mover.guest, root_gb=0), replace(mover.bigger(), root_gb=0)):
        with pytest.raises(ResizeError, match=r"Unable to resize disk down\."):
            mover.migrate(smaller)
    assert (env.state(mover.guest), env.domain_id(mover.guest)) == (RUNNING, domain)
    assert not is_set_aside(env, mover.guest)
    assert env.events_of(mover.guest) == []


def test_a_destination_that_is_none_leaves_the_guest_untouched(env: Any, mover: Any) -> None:
    domain = env.domain_id(mover.guest)
    nowhere = dict.fromkeys(env.driver.migration_address(), "/no/such/place")
    with pytest.raises(ResizeError):
        env.driver.migrate_disk_and_power_off(mover.guest, mover.bigger(), nowhere, 60, 10, quiet)
    assert (env.state(mover.guest), env.domain_id(mover.guest)) == (RUNNING, domain)


@pytest.mark.needs("time")
def test_a_resize_that_is_reverted_brings_back_all_that_was(env: Any, mover: Any) -> None:
    env.write_note(mover.guest, b"before")
    before, new = env.disks(mover.guest), mover.bigger()
    mover.migrate(new)
    mover.migrate(new)
    assert env.state(mover.guest) is OFF
    assert is_set_aside(env, mover.guest)
    for _ in range(2):
        env.driver.finish_migration(new, power_on=False)
        assert env.state(new) is OFF
    for _ in range(2):
        env.driver.discard_migrated(new)
    for _ in range(2):
        env.driver.finish_revert_migration(mover.guest, power_on=True)
        assert env.state(mover.guest) is RUNNING
    env.wait_for_login(mover.guest)
    assert env.disks(mover.guest) == before
    assert env.note(mover.guest) == b"before"
    assert not is_set_aside(env, mover.guest)
    # What is at home by now is not taken for something that came.
    env.driver.discard_migrated(new)
    assert env.state(mover.guest) is RUNNING


@pytest.mark.needs("time")
def test_a_resize_that_is_confirmed_has_a_bigger_disk_and_the_data(env: Any, mover: Any) -> None:
    env.write_note(mover.guest, b"kept")
    new = mover.bigger()
    mover.migrate(new)
    for _ in range(2):
        env.driver.finish_migration(new, power_on=True)
        assert env.state(new) is RUNNING
    mover.became(new)
    env.wait_for_event(new, LifecycleEvent.STARTED)
    env.wait_for_login(new)
    assert env.disks(new) == {"vda": new.root_gb * GIB}
    assert env.note(new) == b"kept"
    for _ in range(2):
        env.driver.confirm_migration(new, same_host=True)
    assert not is_set_aside(env, new)
    assert env.state(new) is RUNNING
    assert new.uuid not in env.driver.leftovers()


def test_a_move_that_is_stopped_puts_everything_back_and_leaves_the_guest_off(env: Any, mover: Any) -> None:
    def enough(_done: int, _total: int) -> None:
        raise Enough

    env.driver.power_off(mover.guest.uuid, 60, 10)
    for _ in range(2):
        with pytest.raises(Enough):
            mover.migrate(mover.bigger(), enough)
        assert env.state(mover.guest) is OFF
        assert not is_set_aside(env, mover.guest)
    env.driver.finish_revert_migration(mover.guest, power_on=False)
    assert env.state(mover.guest) is OFF


def test_a_deletion_in_the_middle_of_a_resize_leaves_nothing(env: Any) -> None:
    guest = env.spawn()
    new = replace(guest, root_gb=2)
    env.driver.migrate_disk_and_power_off(guest, new, env.driver.migration_address(), 0, 0, quiet)
    env.driver.destroy(guest)
    assert not env.is_known(guest)
    assert env.files_of(guest.uuid) == []
    assert guest.uuid not in env.driver.leftovers()


# two hosts -----------------------------------------------------------------------------------------------------------
@pytest.mark.needs("other")
@pytest.mark.parametrize("end", ["confirm", "revert"])
def test_a_guest_goes_to_another_host_with_its_data(env: Any, end: str) -> None:
    guest = env.boot(metadata={})
    env.write_note(guest, b"along")
    new = replace(guest, root_gb=2)
    for _ in range(2):
        env.driver.migrate_disk_and_power_off(guest, new, env.other.migration_address(), 60, 10, quiet)
        assert env.state(guest) is OFF
    for _ in range(2):
        env.other.finish_migration(new, power_on=True)
        assert env.other.guest_info(guest.uuid).state is RUNNING
    env.wait_for(lambda: b" login: " in env.other.console_output(guest.uuid), "login at the other host")
    assert env.note(guest, driver=env.other) == b"along"
    assert env.disks(guest, env.other) == {"vda": 2 * GIB}
    if end == "confirm":
        for _ in range(2):
            env.driver.confirm_migration(new, same_host=False)
        assert not env.is_known(guest)
        assert env.other.guest_info(guest.uuid).state is RUNNING
    else:
        for _ in range(2):
            env.other.discard_migrated(new)
        for _ in range(2):
            env.driver.finish_revert_migration(guest, power_on=True)
        env.wait_for_login(guest)
        assert (env.note(guest), env.disks(guest)) == (b"along", {"vda": GIB})
        with pytest.raises(GuestNotFound):
            env.other.guest_info(guest.uuid)
    for driver in (env.driver, env.other):
        assert guest.uuid not in driver.leftovers()


# alive ---------------------------------------------------------------------------------------------------------------
def prepared(env: Any, guest: GuestSpec) -> Mapping[str, Any]:
    data = env.other.check_can_live_migrate_destination(guest, None)
    data = env.driver.check_can_live_migrate_source(guest, data)
    return dict(env.other.pre_live_migration(guest, data))


@pytest.mark.needs("other")
@pytest.mark.parametrize("state", [RUNNING, PAUSED])
def test_a_live_migration_takes_memory_terminal_and_log_along(env: Any, state: PowerState) -> None:
    guest = env.boot(metadata={})
    with env.shell(guest) as console:
        console.run(b"KEPT=in-memory")
    log = env.driver.console_output(guest.uuid)
    if state is PAUSED:
        env.driver.pause(guest.uuid)
    told: list[Mapping[str, int]] = []
    data = prepared(env, guest)
    env.driver.live_migration(guest, data, told.append)
    env.driver.live_migration(guest, data, told.append)
    for _ in range(2):
        env.driver.post_live_migration(guest, data)
        env.other.post_live_migration_at_destination(guest, data)
    assert told[-1]["memory_remaining_bytes"] <= told[0]["memory_remaining_bytes"]
    assert told[0]["memory_total_bytes"] >= guest.memory_mb << 20
    assert not env.is_known(guest)
    assert guest.uuid not in env.driver.leftovers()
    assert env.other.guest_info(guest.uuid).state is state
    env.wait_for_event(guest, LifecycleEvent.STOPPED)
    if state is PAUSED:
        env.other.unpause(guest.uuid)
    assert env.other.console_output(guest.uuid).startswith(log)
    with env.shell(guest, env.other) as console:
        assert console.run(b"echo value is $KEPT.").strip() == b"value is in-memory."


@pytest.mark.needs("other")
def test_a_live_migration_that_is_aborted_leaves_the_guest_at_home(env: Any) -> None:
    guest = env.spawn()
    domain = env.domain_id(guest)

    def stop(_amounts: Mapping[str, int]) -> None:
        env.driver.live_migration_abort(guest.uuid)

    def enough(_amounts: Mapping[str, int]) -> None:
        raise Enough

    for progress, error in ((stop, MigrationAborted), (enough, Enough)):
        data = prepared(env, guest)
        with pytest.raises(error):
            env.driver.live_migration(guest, data, progress)
        for _ in range(2):
            env.other.rollback_live_migration_at_destination(guest, data)
        assert (env.state(guest), env.domain_id(guest)) == (RUNNING, domain)
        assert guest.uuid not in env.other.leftovers()
    with pytest.raises(DriverError):
        env.driver.live_migration_abort(guest.uuid)
    with pytest.raises(DriverError):
        env.driver.live_migration_force_complete(guest.uuid)


@pytest.mark.needs("other")
def test_a_forced_live_migration_is_soon_over(env: Any) -> None:
    guest = env.spawn()
    data = prepared(env, guest)
    env.driver.live_migration(guest, data, lambda _: env.driver.live_migration_force_complete(guest.uuid))
    env.driver.post_live_migration(guest, data)
    assert env.other.guest_info(guest.uuid).state is RUNNING


@pytest.mark.needs("other")
def test_what_speaks_against_a_live_migration_is_said_before_it(env: Any) -> None:
    guest = env.spawn()
    data = env.other.check_can_live_migrate_destination(guest, False)
    with pytest.raises(MigrationPreCheckError, match="shared storage"):
        env.driver.check_can_live_migrate_source(guest, data)
    assert guest.uuid not in env.other.leftovers()
