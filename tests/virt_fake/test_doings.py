"""An interrupt, a password and a look at the numbers of a fake guest."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuinova.core.errors import InstanceNotRunning, QemuGuestAgentNotEnabled
from tuinova.virt.driver import BootImages, DriverError, GuestNotFound, GuestSpec, ImageFile, Nic, RebootType
from tuinova.virt.fake import FakeDriver

Spec = Callable[..., GuestSpec]
NMI = b"Uhhuh. NMI received for unknown reason 30 on CPU 0."


def image(**properties: str) -> ImageFile:
    return ImageFile("i", Path("/nowhere"), "qcow2", 1, properties=properties)


def test_an_interrupt_is_on_the_console_behind_what_the_guest_said(driver: FakeDriver, spec: Spec, sink: Any) -> None:
    guest = spec()
    driver.spawn(guest)
    driver.open_console(guest.uuid, sink).write(b"cirros\r")
    driver.inject_nmi(guest.uuid)
    log = driver.console_output(guest.uuid)
    assert NMI in log[log.index(b"Password: ") :]
    driver.inject_nmi(guest.uuid)
    assert driver.console_output(guest.uuid).count(NMI) == 2


def test_an_interrupt_during_the_boot_is_between_its_lines(
    make_driver: Callable[..., FakeDriver], spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    driver = make_driver(boot_seconds=10.0)
    guest = spec()
    driver.spawn(guest)
    now += 5
    driver.inject_nmi(guest.uuid)
    now += 5
    log = driver.console_output(guest.uuid)
    assert log.index(b"Linux version") < log.index(b"[    5.000000] " + NMI) < log.index(b"login: ")


def test_a_paused_guest_hears_of_it_when_it_goes_on(driver: FakeDriver, spec: Spec) -> None:
    guest = spec()
    driver.spawn(guest)
    driver.pause(guest.uuid)
    driver.inject_nmi(guest.uuid)
    driver.inject_nmi(guest.uuid)
    assert NMI not in driver.console_output(guest.uuid)
    driver.unpause(guest.uuid)
    assert driver.console_output(guest.uuid).count(NMI) == 1


@pytest.mark.parametrize("call", ["inject_nmi", "diagnostics"])
def test_what_is_off_is_not_running(driver: FakeDriver, spec: Spec, call: str) -> None:
    guest = spec()
    argument: Any = guest.uuid if call == "inject_nmi" else guest
    with pytest.raises(GuestNotFound):
        getattr(driver, call)(argument)
    driver.spawn(guest)
    driver.power_off(guest.uuid, 0, 0)
    with pytest.raises(InstanceNotRunning, match=f"Instance {guest.uuid} is not running"):
        getattr(driver, call)(argument)


# passwords -----------------------------------------------------------------------------------------------------------
def log_in(driver: FakeDriver, guest: GuestSpec, user: str, password: str, sink: Any) -> bool:
    stream = driver.open_console(guest.uuid, sink)
    stream.write(f"{user}\r{password}\r".encode())
    stage = driver.store.load(guest.uuid).stage
    stream.write(b"exit\r" if stage == "shell" else b"")
    stream.close()
    return stage == "shell"


@pytest.mark.parametrize("value", ["yes", "true", "1"])
def test_the_new_password_is_the_one_that_counts(driver: FakeDriver, spec: Spec, make_sink: Any, value: str) -> None:
    guest = spec(image=image(hw_qemu_guest_agent=value))
    driver.spawn(guest)
    for password in ("s€cret:$x", "s€cret:$x", "other"):
        driver.set_admin_password(guest, password)
        assert not log_in(driver, guest, "root", "gocubsgo", make_sink())
        assert log_in(driver, guest, "root", password, make_sink())
    assert log_in(driver, guest, "cirros", "gocubsgo", make_sink())
    driver.reboot(guest, RebootType.HARD)
    assert log_in(driver, guest, "root", "other", make_sink())
    kept = json.loads((driver.directory / "guests" / guest.uuid / "guest.json").read_text())
    assert "other" not in json.dumps(kept["contents"])


def test_the_administrator_may_have_another_name(driver: FakeDriver, spec: Spec, make_sink: Any) -> None:
    guest = spec(image=image(hw_qemu_guest_agent="yes", os_admin_user="cirros"))
    driver.spawn(guest)
    driver.set_admin_password(guest, "new")
    assert log_in(driver, guest, "cirros", "new", make_sink())
    nobody = spec(image=image(hw_qemu_guest_agent="yes", os_admin_user="\x1b[31mnobody"))
    driver.spawn(nobody)
    with pytest.raises(DriverError, match="guest-set-user-password"):
        driver.set_admin_password(nobody, "new")


@pytest.mark.parametrize("properties", [{}, {"hw_qemu_guest_agent": "no"}])
def test_without_an_agent_nothing_is_set(driver: FakeDriver, spec: Spec, make_sink: Any, properties: Any) -> None:
    guest = spec(image=image(**properties))
    driver.spawn(guest)
    with pytest.raises(QemuGuestAgentNotEnabled, match="QEMU guest agent is not enabled"):
        driver.set_admin_password(guest, "new")
    assert log_in(driver, guest, "root", "gocubsgo", make_sink())


@pytest.mark.parametrize("state", ["booting", "paused", "off"])
def test_an_agent_that_does_not_run_does_not_answer(
    make_driver: Callable[..., FakeDriver], spec: Spec, state: str
) -> None:
    driver = make_driver(boot_seconds=60.0 if state == "booting" else 0.0)
    guest = spec(image=image(hw_qemu_guest_agent="yes"))
    driver.spawn(guest)
    if state == "paused":
        driver.pause(guest.uuid)
    elif state == "off":
        driver.power_off(guest.uuid, 0, 0)
    with pytest.raises(DriverError if state == "off" else QemuGuestAgentNotEnabled):
        driver.set_admin_password(guest, "new")
    assert driver.store.load(guest.uuid).contents == {}


# diagnostics ---------------------------------------------------------------------------------------------------------
def test_the_numbers_are_novas_and_grow_while_the_guest_runs(
    make_driver: Callable[..., FakeDriver], spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    driver = make_driver()
    nics = [Nic("p", f"fa:16:3e:00:00:0{number}", "fake", "10.0.0.5") for number in range(2)]
    guest = spec(vcpus=2, memory_mb=256, ephemeral_gb=1, nics=nics, config_drive=True)
    driver.spawn(guest)
    now += 10
    early = driver.diagnostics(guest)
    assert json.loads(json.dumps(early)) == early
    now += 1000
    late = driver.diagnostics(guest)
    assert (late["state"], late["uptime"], late["config_drive"]) == ("running", 1010, True)
    assert [late[f"num_{what}"] for what in ("cpus", "nics", "disks")] == [2, 2, 2]
    assert late["memory_details"]["maximum"] == 256
    assert 0 < late["memory_details"]["used"] <= 256
    assert [nic["mac_address"] for nic in late["nic_details"]] == [nic.mac for nic in nics]
    for before, after in zip(early["cpu_details"], late["cpu_details"], strict=True):
        assert after["time"] > before["time"]
        assert 0 <= after["utilisation"] <= 100
    assert late["nic_details"][0]["rx_octets"] > early["nic_details"][0]["rx_octets"]
    assert late["disk_details"][0]["write_bytes"] > early["disk_details"][0]["write_bytes"]
    driver.pause(guest.uuid)
    now += 1000
    assert driver.diagnostics(guest) == {**late, "state": "paused"}


@pytest.mark.parametrize("method", ["inject_nmi", "set_admin_password", "diagnostics", "rescue", "unrescue"])
def test_faults_can_be_ordered_for_one_guest(driver: FakeDriver, spec: Spec, method: str) -> None:
    guest = spec(image=image(hw_qemu_guest_agent="yes"))
    driver.spawn(guest)
    calls: dict[str, Callable[[], Any]] = {
        "inject_nmi": lambda: driver.inject_nmi(guest.uuid),
        "set_admin_password": lambda: driver.set_admin_password(guest, "x"),
        "diagnostics": lambda: driver.diagnostics(guest),
        "rescue": lambda: driver.rescue(guest, _boot()),
        "unrescue": lambda: driver.unrescue(guest),
    }
    driver.faults.order(method, {"guest": "somebody else"})
    calls[method]()
    driver.faults.order(method, {"guest": "vm1", "error": "as ordered"})
    with pytest.raises(DriverError, match="as ordered"):
        calls[method]()


def _boot() -> BootImages:
    return BootImages(image())
