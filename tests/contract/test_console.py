"""The console: a log from the first byte, one holder, bytes in order, an end when the guest goes off."""

from __future__ import annotations

from typing import Any

import pytest

from tests.serial_text import without_kernel_lines
from tuinova.core.errors import ConsoleNotAvailable
from tuinova.core.states import PowerState
from tuinova.virt.driver import ConsoleBusy, DriverError, GuestSpec, RebootType


def test_the_log_is_there_without_anybody_attached(env: Any, booted: GuestSpec) -> None:
    log = env.driver.console_output(booted.uuid)
    assert b"Linux version" in log
    assert b" login: " in without_kernel_lines(log)


def test_a_login_and_a_command(env: Any, booted: GuestSpec) -> None:
    console = env.console(booted)
    console.login()
    assert console.run(b"echo $((6 * 7)) or" if env.real else b"echo 42 or").strip() == b"42 or"
    console.write(b"exit\r")
    console.expect(b"login: ")
    console.close()
    env.wait_for(lambda: b"42 or" in env.driver.console_output(booted.uuid), "the log has what the stream had")


def test_much_output_comes_whole_and_in_order(env: Any, booted: GuestSpec) -> None:
    console = env.console(booted)
    console.login()
    numbers = console.run(b"seq 1 5000", 120).split()
    assert numbers == [b"%d" % number for number in range(1, 5001)]
    console.write(b"exit\r")
    console.close()


def test_the_log_is_cut_to_its_last_hundred_kib(env: Any, booted: GuestSpec) -> None:
    console = env.console(booted)
    console.login()
    console.run(b"seq 1 20000", 240)
    console.write(b"exit\r")
    console.expect(b"login: ")
    console.close()
    env.wait_for(lambda: len(env.driver.console_output(booted.uuid)) == 100 * 1024, "log of 100 KiB")


def test_the_stream_ends_when_the_guest_goes_off(env: Any) -> None:
    guest = env.spawn()
    console = env.console(guest)
    env.driver.power_off(guest.uuid, 0, 0)
    assert console.expect_end() is None
    with pytest.raises(DriverError):
        console.write(b"x")
    console.close()
    console.close()
    assert console.late == 0


def test_a_second_holder_is_refused_and_force_evicts_the_first(env: Any, booted: GuestSpec) -> None:
    first = env.console(booted)
    with pytest.raises(ConsoleBusy):
        env.console(booted)
    second = env.console(booted, force=True)
    assert first.expect_end()
    second.write(b"\r")
    second.expect(b"login: ")
    second.close()
    third = env.console(booted)
    third.write(b"\r")
    third.expect(b"login: ")
    third.close()


def test_after_close_nothing_more_is_heard(env: Any, booted: GuestSpec) -> None:
    console = env.console(booted)
    console.write(b"\r")
    console.expect(b"login: ")
    console.close()
    other = env.console(booted)
    other.write(b"\r")
    other.expect(b"login: ")
    other.close()
    assert console.late == 0
    assert console.ended == []


def test_a_new_stream_after_a_hard_reboot_shows_the_new_boot(env: Any) -> None:
    guest = env.spawn()
    console = env.console(guest)
    env.driver.reboot(guest, RebootType.HARD)
    assert console.expect_end() is None
    console = env.console(guest)
    console.write(b"\r")  # a boot that is over already is answered by a new prompt
    console.expect(b"Linux version" if env.real else b"login: ", seconds=3 * env.grace)
    console.close()


@pytest.mark.needs("time")
def test_ctrl_alt_delete_reboots_the_guest_under_the_same_stream(env: Any, booted: GuestSpec) -> None:
    console = env.console(booted)
    domain = env.domain_id(booted)
    env.driver.send_keys(booted.uuid, ["ctrl", "alt", "delete"])
    console.expect(b"Linux version", seconds=3 * env.grace)
    console.expect(b"login: ", seconds=3 * env.grace)
    assert console.ended == []
    assert (env.state(booted), env.domain_id(booted)) == (PowerState.RUNNING, domain)
    console.close()


def test_unknown_keys_are_refused(env: Any, booted: GuestSpec) -> None:
    with pytest.raises(DriverError, match="nokey"):
        env.driver.send_keys(booted.uuid, ["ctrl", "nokey"])
    with pytest.raises(DriverError):
        env.driver.send_keys(booted.uuid, [])


def test_the_log_outlives_the_boot_and_keeps_boots_apart(env: Any) -> None:
    guest = env.spawn()
    env.wait_for_text(guest, b"Linux version")
    env.driver.power_off(guest.uuid, 0, 0)
    assert env.driver.console_output(guest.uuid).count(b"Linux version") == 1
    env.driver.power_on(guest)
    env.wait_for_text(guest, b"Linux version")
    assert env.driver.console_output(guest.uuid).count(b"Linux version") == 1
    assert env.driver.console_output(guest.uuid, all_boots=True).count(b"Linux version") == 2


def test_an_unknown_guest_has_no_log(env: Any) -> None:
    with pytest.raises(ConsoleNotAvailable):
        env.driver.console_output(env.make_guest_spec().uuid)
