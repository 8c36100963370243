"""The serial console of a fake guest: a login, a shell, and bytes that are never lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tuinova.core.states import PowerState
from tuinova.virt.driver import ConsoleBusy, DriverError, GuestSpec
from tuinova.virt.fake import FakeDriver
from tuinova.virt.fake.record import GuestRecord
from tuinova.virt.fake.shell import type_in

Spec = Callable[..., GuestSpec]
LOGIN = b"cirros\rgocubsgo\r"


def at_prompt() -> GuestRecord:
    return GuestRecord("u", "instance-00000001", hostname="vm1", memory_mb=128, address="10.0.0.5")


def answer(record: GuestRecord, typed: bytes) -> str:
    return "".join(type_in(record, typed, 61.0).output)


def run(line: bytes) -> str:
    record = at_prompt()
    type_in(record, LOGIN, 0.0)
    output = answer(record, line + b"\r")
    return output.removeprefix(line.decode() + "\r\n").removesuffix("$ \x1b[6n")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"echo hello  world", "hello world\r\n"),
        (b"echo 'a  b' \"$HOME\"x", "a  b x\r\n"),
        (b"X=5; echo $X ${X}6 '$X'", "5 56 $X\r\n"),
        (b"echo -n x", "x"),
        (b"hostname", "vm1\r\n"),
        (b"uname", "Linux\r\n"),
        (b"uname -r", "6.1.0-fake-amd64\r\n"),
        (b"seq 3", "1\r\n2\r\n3\r\n"),
        (b"seq 5 -2 1", "5\r\n3\r\n1\r\n"),
        (b"seq x", "seq: invalid number\r\n"),
        (b"seq 1 0 5", "seq: invalid number\r\n"),
        (b"ls", ""),
        (b"whoami", "cirros\r\n"),
        (b"cat /etc/hostname", "vm1\r\n"),
        (b"echo 'open", "sh: syntax error: unterminated quoted string\r\n"),
        (b"frobnicate", "-sh: frobnicate: not found\r\n"),
        (b"id", "uid=1000(cirros) gid=0(root)\r\n"),
        (b"sudo id", "uid=0(root) gid=0(root)\r\n"),
        (b"", ""),
    ],
)
def test_commands(line: bytes, expected: str) -> None:
    assert run(line) == expected


def test_the_password_is_not_echoed_and_must_be_right() -> None:
    record = at_prompt()
    assert answer(record, b"cirros\rwrong\r") == "cirros\r\nPassword: \r\n\r\nLogin incorrect\r\nvm1 login: "
    assert answer(record, LOGIN) == "cirros\r\nPassword: \r\n$ \x1b[6n"


def test_line_editing_and_answers_of_the_terminal() -> None:
    record = at_prompt()
    type_in(record, LOGIN, 0.0)
    assert answer(record, b"\x1b[24;5Rechx\x7fo a\x1b[A\r").splitlines()[-2:] == ["a", "$ \x1b[6n"]
    assert answer(record, b"junk\x15echo b\r").endswith("b\r\n$ \x1b[6n")
    assert answer(record, b"junk\x03").endswith("^C\r\n$ \x1b[6n")
    assert answer(record, b"\x04").endswith("vm1 login: ")


def test_a_line_is_bounded() -> None:
    record = at_prompt()
    answer(record, b"x" * 100_000)
    assert len(record.line) == 4096


def test_nothing_typed_breaks_the_shell() -> None:
    record = at_prompt()
    type_in(record, LOGIN, 0.0)
    for data in (bytes(range(256)), b"\xff\xfe\r", b"$(\r", b"a=;echo \\\r", b"sudo\r", b"; ;\r", b"echo -e\r"):
        type_in(record, data, 0.0)


def test_a_stream_gives_what_comes_after_the_attach_and_the_log_all(
    driver: FakeDriver, spec: Spec, sink: Any, wait_until: Callable[..., None]
) -> None:
    guest = spec()
    driver.spawn(guest)
    stream = driver.open_console(guest.uuid, sink)
    stream.write(b"cirros\r")
    wait_until(lambda: sink.received.endswith(b"Password: "))
    assert sink.received == b"cirros\r\nPassword: "
    assert driver.console_output(guest.uuid).endswith(b"vm1 login: cirros\r\nPassword: ")
    stream.close()


def test_output_beyond_the_logs_limit_loses_nothing_in_the_stream(
    driver: FakeDriver, spec: Spec, sink: Any, wait_until: Callable[..., None]
) -> None:
    guest = spec()
    driver.spawn(guest)
    stream = driver.open_console(guest.uuid, sink)
    stream.write(LOGIN)
    for _ in range(12):
        stream.write(b"seq 1 50000\r")
    stream.write(b"echo END\r")
    wait_until(lambda: sink.received.endswith(b"END\r\n$ \x1b[6n"))
    numbers = [int(line) for line in sink.received.split(b"\r\n") if line.isdigit()]
    assert numbers == list(range(1, 50_001)) * 12
    assert len(driver.console_output(guest.uuid)) == 100 * 1024


def test_the_boot_comes_out_while_somebody_looks(
    make_driver: Callable[..., FakeDriver], spec: Spec, sink: Any, wait_until: Callable[..., None]
) -> None:
    driver = make_driver(boot_seconds=0.15)
    guest = spec()
    driver.spawn(guest)
    driver.open_console(guest.uuid, sink)
    wait_until(lambda: sink.received.endswith(b"vm1 login: "))
    assert driver.console_output(guest.uuid).endswith(sink.received)


def test_two_drivers_on_one_directory_see_that_the_console_is_held(
    make_driver: Callable[..., FakeDriver], spec: Spec, make_sink: Any, wait_until: Callable[..., None]
) -> None:
    first, second = make_driver(), make_driver()
    guest, one, two = spec(), make_sink(), make_sink()
    first.spawn(guest)
    first.open_console(guest.uuid, one)
    with pytest.raises(ConsoleBusy):
        second.open_console(guest.uuid, two)
    stream = second.open_console(guest.uuid, two, force=True)
    wait_until(lambda: one.ended)
    assert one.ended[0] is not None
    stream.write(b"x")
    wait_until(lambda: two.received == b"x")


def test_a_holder_that_died_holds_nothing(driver: FakeDriver, spec: Spec, sink: Any) -> None:
    guest = spec()
    driver.spawn(guest)
    holder = driver.directory / "guests" / guest.uuid / "console.holder"
    holder.write_text('{"pid": 999999999, "start": "1", "token": "x"}')
    driver.open_console(guest.uuid, sink).close()
    assert not holder.exists()


def test_a_reboot_from_inside_keeps_the_stream_and_poweroff_ends_it(
    driver: FakeDriver, spec: Spec, sink: Any, wait_until: Callable[..., None]
) -> None:
    guest = spec()
    driver.spawn(guest)
    stream = driver.open_console(guest.uuid, sink)
    before = driver.guest_info(guest.uuid).hypervisor_id
    stream.write(LOGIN + b"sudo reboot\r")
    wait_until(lambda: b"SeaBIOS" in sink.received and sink.received.endswith(b"login: "))
    assert driver.guest_info(guest.uuid).hypervisor_id == before
    stream.write(LOGIN + b"sudo poweroff\r")
    wait_until(lambda: sink.ended)
    assert sink.ended == [None]
    assert sink.received.endswith(b"Power down\r\n")
    assert driver.guest_info(guest.uuid).state is PowerState.SHUTDOWN
    with pytest.raises(DriverError):
        stream.write(b"x")


def test_after_close_the_sink_hears_nothing(driver: FakeDriver, spec: Spec, sink: Any) -> None:
    guest = spec()
    driver.spawn(guest)
    stream = driver.open_console(guest.uuid, sink)
    stream.close()
    stream.close()
    driver.power_off(guest.uuid, 0, 0)
    driver.settle(guest.uuid)
    assert sink.received == b""
    assert sink.ended == []


def test_deleting_a_guest_ends_its_console(
    driver: FakeDriver, spec: Spec, sink: Any, wait_until: Callable[..., None]
) -> None:
    guest = spec()
    driver.spawn(guest)
    driver.open_console(guest.uuid, sink)
    driver.destroy(guest)
    wait_until(lambda: sink.ended == [None])
