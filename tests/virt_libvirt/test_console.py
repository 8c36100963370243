"""The serial console of a real guest, and what happens when others pull at it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tests.lab import PrivateLibvirt
from tests.lab.guests import PASSWORD, USER, demo_image, guest_spec
from tests.serial_text import without_kernel_lines
from tests.virt_libvirt.conftest import Recorder, wait_until
from tuinova.core.errors import HypervisorUnavailable
from tuinova.core.states import PowerState
from tuinova.virt.driver import ConsoleBusy, DriverError, GuestSpec
from tuinova.virt.libvirt.driver import LibvirtDriver

pytestmark = pytest.mark.integration


@pytest.fixture
def booted(libvirt_driver: LibvirtDriver) -> Iterator[GuestSpec]:
    guest = guest_spec(demo_image())
    libvirt_driver.spawn(guest)
    wait_until(lambda: b"login:" in libvirt_driver.console_output(guest.uuid), 90)
    yield guest
    libvirt_driver.destroy(guest)


def test_what_is_typed_is_answered_and_no_byte_is_lost(libvirt_driver: LibvirtDriver, booted: GuestSpec) -> None:
    console = Recorder()
    stream = libvirt_driver.open_console(booted.uuid, console)
    stream.write(b"\r")
    console.wait_for(b"login:")
    stream.write(USER + b"\r")
    console.wait_for(b"Password:")
    stream.write(PASSWORD + b"\r")
    console.wait_for(b"$ ")
    stream.write(b"stty -echo; seq 1 5000; echo the''end\r")
    after = console.wait_for(b"stty -echo; seq 1 5000; echo the''end\r\n")
    end = console.wait_for(b"theend", after=after)
    numbers = without_kernel_lines(bytes(console.received[after:end])).replace(b"theend", b"").split()
    assert numbers == [str(number).encode() for number in range(1, 5001)]
    # More than the guest's line takes at once, from two threads: each write whole.
    stream.write(b"cat > /dev/null\r")
    writers = [
        threading.Thread(target=stream.write, args=(letter * 60 + b"\r",)) for letter in (b"x", b"y") for _ in "12"
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
        assert not writer.is_alive()
    stream.close()
    stream.close()
    received = len(console.received)
    libvirt_driver.send_keys(booted.uuid, ["ctrl", "alt", "delete"])
    wait_until(lambda: libvirt_driver.console_output(booted.uuid).count(b"login:") >= 2, 90)
    assert len(console.received) == received
    assert console.ended == []
    with pytest.raises(DriverError, match="closed"):
        stream.write(b"x")


def test_one_console_at_a_time_and_force_says_who_lost(libvirt_driver: LibvirtDriver, booted: GuestSpec) -> None:
    first, second = Recorder(), Recorder()
    held = libvirt_driver.open_console(booted.uuid, first)
    with pytest.raises(ConsoleBusy):
        libvirt_driver.open_console(booted.uuid, second)
    stream = libvirt_driver.open_console(booted.uuid, second, force=True)
    assert first.wait_for_end() == "another program took the console over"
    with pytest.raises(DriverError, match="took the console over"):
        held.write(b"x")
    held.close()
    stream.write(b"\r")
    second.wait_for(b"login:")
    # A callback left on the broken stream would be called for ever and eat a core.
    before = time.process_time()
    time.sleep(1)
    assert time.process_time() - before < 0.5
    assert first.ended == ["another program took the console over"]
    libvirt_driver.power_off(booted.uuid, 0, 1)
    assert second.wait_for_end() is None
    with pytest.raises(DriverError, match="not running"):
        libvirt_driver.open_console(booted.uuid, Recorder())


def test_libvirtd_dies_and_comes_back(private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver) -> None:
    told: list[tuple[bool, str]] = []
    driver = LibvirtDriver(host="h", uri=private_libvirt.uri, instances_path=libvirt_driver.instances)
    driver.init_host(lambda *_: None, lambda *news: told.append(news))
    guest = guest_spec(demo_image())
    driver.spawn(guest)
    console = Recorder()
    driver.open_console(guest.uuid, console)
    private_libvirt.kill()
    try:
        reason = console.wait_for_end()
        assert reason is not None
        assert "connection" in reason
        wait_until(lambda: told)
        assert told[0][0] is False
        for call in (driver.list_guests, driver.node_resources, driver.list_networks, lambda: driver.pause(guest.uuid)):
            with pytest.raises(HypervisorUnavailable):
                call()
        assert any("does not answer" in line for line in driver.warnings())
        driver.console_output(guest.uuid)
    finally:
        private_libvirt.start_libvirtd()
    wait_until(lambda: len(told) == 2)
    assert told[1] == (True, "")
    assert driver.guest_info(guest.uuid).state is PowerState.RUNNING
    again = Recorder()
    # The prompt may have come in the meantime: an empty line brings it again.
    driver.open_console(guest.uuid, again).write(b"\r")
    again.wait_for(b"login:")
    driver.destroy(guest)
    driver.close()
    wait_until(lambda: libvirt_driver.list_guests() == [])


def test_no_libvirtd_at_the_start_is_an_error(private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver) -> None:
    uri = private_libvirt.uri.replace("libvirt-sock", "no-sock")
    driver = LibvirtDriver(host="h", uri=uri, instances_path=libvirt_driver.instances)
    with pytest.raises(HypervisorUnavailable, match="no-sock"):
        driver.init_host(lambda *_: None, lambda *_: None)
    driver.close()
