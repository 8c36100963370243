"""A guest's life: every driver does the same at each step, and the same again when a step is repeated."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tuinova.core.errors import NovaError
from tuinova.core.states import PowerState
from tuinova.virt.driver import DriverError, GuestNotFound, GuestSpec, LifecycleEvent, RebootType

OFF, RUNNING, PAUSED = PowerState.SHUTDOWN, PowerState.RUNNING, PowerState.PAUSED


def test_a_spawned_guest_runs_is_listed_and_told(env: Any) -> None:
    guest = env.spawn()
    info = env.driver.guest_info(guest.uuid)
    assert (info.uuid, info.state) == (guest.uuid, RUNNING)
    assert isinstance(info.hypervisor_id, int)
    assert info in env.driver.list_guests()
    assert guest.uuid not in env.driver.leftovers()
    env.wait_for_event(guest, LifecycleEvent.STARTED)
    assert env.events[-1][0] in {node.node for node in env.driver.node_resources()}


def test_a_forced_power_off_is_immediate_told_and_repeatable(env: Any) -> None:
    guest = env.spawn()
    env.driver.power_off(guest.uuid, 0, 0)
    info = env.driver.guest_info(guest.uuid)
    assert (info.state, info.hypervisor_id) == (OFF, None)
    assert info in env.driver.list_guests()
    env.wait_for_event(guest, LifecycleEvent.STOPPED)
    env.driver.power_off(guest.uuid, 0, 0)
    env.driver.power_off(guest.uuid, 60, 10)
    assert env.state(guest) is OFF


def test_a_guest_that_obeys_goes_off_by_itself(env: Any, booted: GuestSpec) -> None:
    started = time.monotonic()
    env.driver.power_off(booted.uuid, 120, 10)
    assert time.monotonic() - started < 115
    assert env.state(booted) is OFF
    assert b"Power down" in env.driver.console_output(booted.uuid)


@pytest.mark.needs("time")
def test_a_guest_that_ignores_the_button_is_forced_when_its_time_is_over(env: Any) -> None:
    guest = env.boot(metadata={"ignore_acpi": "true"})
    before = env.domain_id(guest)
    with env.impatient() as impatient:
        assert impatient.reboot(guest, RebootType.SOFT) is RebootType.HARD
    assert env.state(guest) is RUNNING
    assert env.domain_id(guest) != before
    started = time.monotonic()
    env.driver.power_off(guest.uuid, 2, 1)
    assert time.monotonic() - started >= 2
    assert env.state(guest) is OFF
    assert b"Power down" not in env.driver.console_output(guest.uuid, all_boots=True)


def test_power_on_starts_a_new_domain_from_the_present_definition(env: Any) -> None:
    guest = env.spawn()
    before = env.domain_id(guest)
    env.driver.power_off(guest.uuid, 0, 0)
    env.driver.power_on(guest)
    assert env.state(guest) is RUNNING
    assert env.domain_id(guest) != before
    again = env.domain_id(guest)
    env.driver.power_on(guest)
    assert (env.state(guest), env.domain_id(guest)) == (RUNNING, again)


@pytest.mark.parametrize("first", ["running", "off", "paused"])
def test_a_hard_reboot_works_from_any_state(env: Any, first: str) -> None:
    guest = env.spawn()
    before = env.domain_id(guest)
    if first == "off":
        env.driver.power_off(guest.uuid, 0, 0)
    elif first == "paused":
        env.driver.pause(guest.uuid)
    assert env.driver.reboot(guest, RebootType.HARD) is RebootType.HARD
    assert env.state(guest) is RUNNING
    assert env.domain_id(guest) != before


def test_a_soft_reboot_is_soft_when_the_guest_obeys(env: Any, booted: GuestSpec) -> None:
    assert env.driver.reboot(booted, RebootType.SOFT) is RebootType.SOFT
    assert env.state(booted) is RUNNING
    env.wait_for_login(booted)


def test_pause_and_unpause(env: Any) -> None:
    guest = env.spawn()
    before = env.domain_id(guest)
    env.driver.pause(guest.uuid)
    env.driver.pause(guest.uuid)
    assert (env.state(guest), env.domain_id(guest)) == (PAUSED, before)
    env.wait_for_event(guest, LifecycleEvent.PAUSED)
    env.driver.unpause(guest.uuid)
    env.driver.unpause(guest.uuid)
    assert (env.state(guest), env.domain_id(guest)) == (RUNNING, before)
    env.wait_for_event(guest, LifecycleEvent.RESUMED)


def test_a_paused_guest_can_be_powered_off(env: Any) -> None:
    guest = env.spawn()
    env.driver.pause(guest.uuid)
    env.driver.power_off(guest.uuid, 1, 1)
    assert env.state(guest) is OFF


def test_a_suspended_guest_goes_on_where_it_was(env: Any, booted: GuestSpec) -> None:
    console = env.console(booted)
    console.login()
    console.run(b"KEPT=in-memory")
    env.driver.suspend(booted.uuid)
    assert env.state(booted) is OFF
    env.driver.suspend(booted.uuid)
    console.expect_end()
    env.driver.resume(booted)
    assert env.state(booted) is RUNNING
    env.driver.resume(booted)
    console = env.console(booted)
    assert console.run(b"echo value is $KEPT.").strip() == b"value is in-memory."
    console.close()


def test_a_hard_reboot_drops_the_saved_memory(env: Any) -> None:
    guest = env.spawn()
    env.wait_for_text(guest, b"Linux version")
    env.driver.suspend(guest.uuid)
    env.driver.reboot(guest, RebootType.HARD)
    assert env.state(guest) is RUNNING
    env.wait_for_text(guest, b"Linux version")


@pytest.mark.parametrize(
    ("before", "after"), [("running", RUNNING), ("off", RUNNING), ("paused", PAUSED), ("suspended", OFF)]
)
def test_after_a_host_boot_only_what_ran_is_started(env: Any, before: str, after: PowerState) -> None:
    guest = env.spawn()
    if before == "off":
        env.driver.power_off(guest.uuid, 0, 0)
    elif before == "paused":
        env.driver.pause(guest.uuid)
    elif before == "suspended":
        env.driver.suspend(guest.uuid)
    domain = env.domain_id(guest)
    env.driver.resume_state_on_host_boot(guest)
    assert env.state(guest) is after
    if before == "running":
        assert env.domain_id(guest) == domain


@pytest.mark.parametrize("state", ["running", "off", "paused", "suspended"])
def test_destroy_leaves_nothing_whatever_the_state(env: Any, state: str) -> None:
    guest = env.spawn(metadata={"a": "b"}, ephemeral_gb=1, swap_mb=8)
    if state == "off":
        env.driver.power_off(guest.uuid, 0, 0)
    elif state == "paused":
        env.driver.pause(guest.uuid)
    elif state == "suspended":
        env.driver.suspend(guest.uuid)
    env.driver.destroy(guest)
    assert not env.is_known(guest)
    assert guest.uuid not in {info.uuid for info in env.driver.list_guests()}
    assert guest.uuid not in env.driver.leftovers()
    assert env.files_of(guest.uuid) == []
    env.driver.destroy(guest)


def test_cleanup_removes_a_guest_by_its_uuid_alone(env: Any) -> None:
    guest = env.spawn()
    env.driver.cleanup(guest.uuid)
    assert not env.is_known(guest)
    assert env.files_of(guest.uuid) == []
    env.driver.cleanup(guest.uuid)


def test_a_spawn_that_fails_leaves_nothing(env: Any) -> None:
    def no_drive() -> dict[str, bytes]:
        raise DriverError(reason="no metadata for you")

    guest = env.make_guest_spec(config_drive=True, config_drive_files=no_drive)
    with pytest.raises(NovaError, match="no metadata for you"):
        env.driver.spawn(guest)
    assert not env.is_known(guest)
    assert guest.uuid not in env.driver.leftovers()
    assert env.files_of(guest.uuid) == []


CALLS: dict[str, Callable[[Any, GuestSpec], Any]] = {
    "guest_info": lambda env, guest: env.driver.guest_info(guest.uuid),
    "power_off": lambda env, guest: env.driver.power_off(guest.uuid, 0, 0),
    "pause": lambda env, guest: env.driver.pause(guest.uuid),
    "unpause": lambda env, guest: env.driver.unpause(guest.uuid),
    "suspend": lambda env, guest: env.driver.suspend(guest.uuid),
    "resume": lambda env, guest: env.driver.resume(guest),
    "open_console": lambda env, guest: env.console(guest),
    "send_keys": lambda env, guest: env.driver.send_keys(guest.uuid, ["ctrl", "alt", "delete"]),
    "graphics_address": lambda env, guest: env.driver.graphics_address(guest.uuid),
}


@pytest.mark.parametrize("name", CALLS)
def test_an_unknown_guest_is_an_error_of_its_own(env: Any, name: str) -> None:
    with pytest.raises(GuestNotFound):
        CALLS[name](env, env.make_guest_spec())


@pytest.mark.parametrize("name", ["pause", "unpause", "suspend", "open_console", "send_keys"])
def test_what_needs_a_running_guest_says_so(env: Any, name: str) -> None:
    guest = env.spawn()
    env.driver.power_off(guest.uuid, 0, 0)
    with pytest.raises(NovaError) as caught:
        CALLS[name](env, guest)
    assert "not running" in caught.value.message
    assert env.state(guest) is OFF


def test_guests_are_worked_on_side_by_side(env: Any) -> None:
    count = 3 if env.real else 40
    with ThreadPoolExecutor(8) as pool:
        guests = list(pool.map(lambda _: env.spawn(), range(count)))
        assert {info.uuid for info in env.driver.list_guests()} >= {guest.uuid for guest in guests}
        list(pool.map(lambda guest: env.driver.power_off(guest.uuid, 0, 0), guests))
        assert all(env.state(guest) is OFF for guest in guests)
        list(pool.map(env.driver.power_on, guests))
        assert all(env.state(guest) is RUNNING for guest in guests)
        list(pool.map(env.driver.destroy, guests))
    assert not any(env.is_known(guest) for guest in guests)


def test_guests_live_on_when_the_driver_is_closed(env: Any) -> None:
    guest = env.spawn()
    domain = env.domain_id(guest)
    other = env.make_driver()
    other.init_host(lambda *_: None, lambda *_: None)
    try:
        assert other.guest_info(guest.uuid) == env.driver.guest_info(guest.uuid)
        other.pause(guest.uuid)
    finally:
        other.close()
    assert (env.state(guest), env.domain_id(guest)) == (PAUSED, domain)
    env.wait_for_event(guest, LifecycleEvent.PAUSED)
