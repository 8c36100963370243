"""The hub on guests that boot, log in, reboot and go off: threads, files and all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tuinova.console.hub import ConsoleHub, HubOptions, Viewer
from tuinova.console.terminal import Terminal
from tuinova.virt.driver import GuestSpec, LifecycleEvent, RebootType
from tuinova.virt.fake import FakeDriver, FakeOptions

UUID = "6a0d2b1e-7b8c-4b67-9d7a-3f1f5c0e4a11"
GUEST = GuestSpec(
    UUID, "instance-00000001", "vm1", "vm1", "p", "u", "demo", "demo", "m1.micro", 128, 1, 1, 0, 0, {}, None
)


@pytest.fixture
def driver(tmp_path: Path) -> FakeDriver:
    return FakeDriver(host="cmp1", path=tmp_path, options=FakeOptions(boot_seconds=0.05, watch_seconds=0.02))


@pytest.fixture
async def hub(driver: FakeDriver) -> AsyncIterator[ConsoleHub]:
    hub = ConsoleHub(
        driver.open_console,
        read_log=driver.console_output,
        power_of=lambda uuid: driver.guest_info(uuid).state,
        options=HubOptions(retry=60),
    )

    def told(_node: str, uuid: str, event: LifecycleEvent) -> None:
        if event is LifecycleEvent.STARTED:
            hub.guest_started(uuid)

    driver.init_host(told, lambda *_: None)
    yield hub
    await hub.stop()
    driver.close()


async def until(viewer: Viewer, wanted: bytes | str) -> bytes:
    """Read up to these bytes at the end of what the guest says, or up to this event."""
    data = b""
    async for frame in viewer:
        if isinstance(frame, bytes):
            data += frame
            if isinstance(wanted, bytes) and data.endswith(wanted):
                return data
        elif frame["event"] == wanted:
            return data
    raise AssertionError(f"{wanted!r} never came: {data[-200:]!r}, {viewer.closed_because}")


async def test_a_boot_is_seen_whole_whenever_the_viewer_comes(driver: FakeDriver, hub: ConsoleHub) -> None:
    driver.spawn(GUEST)
    viewer = await hub.attach(UUID)
    assert await until(viewer, b"vm1 login: ") == driver.console_output(UUID)
    late = await hub.attach(UUID)
    assert await until(late, b"vm1 login: ") == driver.console_output(UUID)


async def test_two_people_at_one_console(driver: FakeDriver, hub: ConsoleHub) -> None:
    driver.spawn(GUEST)
    first, second = await hub.attach(UUID), await hub.attach(UUID)
    await until(first, b"login: ")
    await until(second, b"login: ")
    await first.send(b"cirros\r")
    assert await until(second, b"Password: ") == b"cirros\r\nPassword: "
    await second.send(b"gocubsgo\r")
    await until(first, b"$ \x1b[6n")
    await until(second, b"$ \x1b[6n")
    await first.send(b"seq 1 30000\r")
    one, two = await until(first, b"30000\r\n$ \x1b[6n"), await until(second, b"30000\r\n$ \x1b[6n")
    assert one == two
    assert [int(line) for line in one.split(b"\r\n") if line.isdigit()] == list(range(1, 30_001))


async def test_viewers_stay_over_stop_start_and_reboot(driver: FakeDriver, hub: ConsoleHub) -> None:
    driver.spawn(GUEST)
    viewer = await hub.attach(UUID)
    await until(viewer, b"login: ")
    driver.power_off(UUID, 60, 10)
    assert (await until(viewer, "off")).endswith(b"Power down\r\n")
    driver.power_on(GUEST)
    await until(viewer, "on")
    driver.reboot(GUEST, RebootType.HARD)
    await until(viewer, "off")
    terminal = Terminal(50, 100)
    terminal.feed(await until(viewer, b"login: "))
    assert [y for y in range(-terminal.scrollback, 50) if "SeaBIOS" in terminal.text(y)] != []
    driver.send_keys(UUID, ["ctrl", "alt", "delete"])
    again = await until(viewer, b"login: ")
    assert again.count(b"SeaBIOS") == 1
    driver.destroy(GUEST)
    await until(viewer, "off")


async def test_a_takeover_from_another_program(driver: FakeDriver, hub: ConsoleHub, tmp_path: Path) -> None:
    driver.spawn(GUEST)
    other = FakeDriver(host="cmp1", path=tmp_path)

    class Silent:
        ended: list[Any] = []  # noqa: RUF012 - one object of it

        def data(self, chunk: bytes) -> None:
            pass

        def end(self, error: str | None) -> None:
            self.ended.append(error)

    other.open_console(UUID, Silent())  # type: ignore[arg-type]
    viewer = await hub.attach(UUID)
    await until(viewer, "busy")
    await viewer.send({"cmd": "takeover"})
    await until(viewer, "on")
    other.close()
