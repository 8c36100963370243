"""Fake guests live on without the service, cost nothing while nobody looks, and count as a real host's do."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuinova.core.states import PowerState
from tuinova.virt.driver import DriverError, GuestNotFound, GuestSpec, ImageFile, LifecycleEvent, RebootType
from tuinova.virt.fake import FakeDriver

Spec = Callable[..., GuestSpec]

ANOTHER_SERVICE = """
import os, signal, sys, time
from pathlib import Path
from tuinova.virt.driver import GuestSpec
from tuinova.virt.fake import FakeDriver, FakeOptions
driver = FakeDriver(host="cmp1", path=Path(sys.argv[1]), options=FakeOptions(boot_seconds=0, watch_seconds=0.02))
driver.init_host(lambda *event: None, lambda *event: None)
names = ("instance-00000001", "vm1", "vm1", "p", "u", "demo", "demo", "m1.micro")
guest = GuestSpec(sys.argv[2], *names, 128, 1, 1, 0, 0, {}, None)
exec(sys.argv[3])
"""


def run_another(path: Path, uuid: str, code: str) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-c", ANOTHER_SERVICE, str(path), uuid, code]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)


def test_a_guest_outlives_the_service_that_was_killed(driver: FakeDriver, tmp_path: Path, spec: Spec) -> None:
    guest = spec()
    done = run_another(tmp_path, guest.uuid, "driver.spawn(guest); os.kill(os.getpid(), signal.SIGKILL)")
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert driver.guest_info(guest.uuid).state is PowerState.RUNNING
    assert b"login: " in driver.console_output(guest.uuid)
    driver.power_off(guest.uuid, 60, 10)
    assert driver.guest_info(guest.uuid).state is PowerState.SHUTDOWN


def test_what_another_process_does_is_seen_and_told(
    driver: FakeDriver, tmp_path: Path, spec: Spec, told: list[Any], wait_until: Callable[..., None]
) -> None:
    guest = spec()
    driver.spawn(guest)
    wait_until(lambda: told)
    done = run_another(tmp_path, guest.uuid, "driver.pause(guest.uuid)")
    assert done.returncode == 0, done.stderr
    assert driver.guest_info(guest.uuid).state is PowerState.PAUSED
    wait_until(lambda: len(told) == 2)
    assert told == [("cmp1", guest.uuid, LifecycleEvent.STARTED), ("cmp1", guest.uuid, LifecycleEvent.PAUSED)]


def test_a_shutdown_goes_on_when_the_service_dies(
    make_driver: Callable[..., FakeDriver], tmp_path: Path, spec: Spec, told: list[Any], wait_until: Callable[..., None]
) -> None:
    driver = make_driver(shutdown_seconds=0.2)
    guest = spec()
    driver.spawn(guest)
    console = driver.open_console(guest.uuid, NullSink())
    console.write(b"cirros\rgocubsgo\rsudo poweroff\r")
    driver.close()
    after = make_driver()
    assert after.guest_info(guest.uuid).state is PowerState.RUNNING
    wait_until(lambda: (after.nodes[0], guest.uuid, LifecycleEvent.STOPPED) in told)
    assert after.guest_info(guest.uuid).state is PowerState.SHUTDOWN


class NullSink:
    def data(self, chunk: bytes) -> None:
        pass

    def end(self, error: str | None) -> None:
        pass


def test_a_thousand_guests_have_no_thread_and_no_log_of_their_own(driver: FakeDriver, spec: Spec) -> None:
    before = threading.active_count()
    guests = [spec(number=number) for number in range(1000)]
    for guest in guests:
        driver.spawn(guest)
    assert threading.active_count() <= before + 1
    assert len(driver.list_guests()) == 1000
    assert not list(driver.directory.glob("guests/*/console.log"))
    assert len({info.hypervisor_id for info in driver.list_guests()}) == 1000


def test_boot_text_comes_with_time_and_stands_still_while_paused(
    make_driver: Callable[..., FakeDriver], spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    driver = make_driver(boot_seconds=10.0)
    guest = spec()
    driver.spawn(guest)
    assert driver.console_output(guest.uuid) == b""
    now += 5
    half = driver.console_output(guest.uuid)
    assert b"Linux version" in half
    assert b"login: " not in half
    driver.pause(guest.uuid)
    now += 100
    assert driver.console_output(guest.uuid) == half
    driver.unpause(guest.uuid)
    now += 4
    driver.suspend(guest.uuid)
    now += 100
    driver.resume(guest)
    nearly = driver.console_output(guest.uuid)
    assert nearly.startswith(half)
    assert b"login: " not in nearly
    now += 1
    assert driver.console_output(guest.uuid).endswith(b"vm1 login: ")


def test_earlier_boots_are_kept_apart(driver: FakeDriver, spec: Spec) -> None:
    guest = spec()
    driver.spawn(guest)
    for _ in range(6):
        driver.console_output(guest.uuid)
        driver.reboot(guest, RebootType.HARD)
    assert driver.console_output(guest.uuid).count(b"SeaBIOS") == 1
    assert driver.console_output(guest.uuid, all_boots=True).count(b"SeaBIOS") == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"image": ImageFile("i", Path("/nowhere"), "qcow2", 1, properties={"tuinova_ignore_acpi": "True"})},
        {
            "config_drive": True,
            "config_drive_files": lambda: {"openstack/latest/meta_data.json": b'{"meta": {"ignore_acpi": "true"}}'},
        },
    ],
)
def test_a_guest_can_be_told_to_ignore_the_power_button(driver: FakeDriver, spec: Spec, changes: Any) -> None:
    guest = spec(**changes)
    driver.spawn(guest)
    started = time.monotonic()
    driver.power_off(guest.uuid, 1, 1)
    assert time.monotonic() - started >= 1
    assert driver.guest_info(guest.uuid).state is PowerState.SHUTDOWN
    driver.power_on(guest)
    assert driver.reboot(guest, RebootType.SOFT) is RebootType.HARD


def test_a_config_drive_is_written_where_a_test_can_look(driver: FakeDriver, spec: Spec) -> None:
    guest = spec(config_drive=True, config_drive_files=lambda: {"openstack/latest/user_data": b"#!/bin/sh\n"})
    driver.spawn(guest)
    path = driver.directory / "guests" / guest.uuid / "disk.config/openstack/latest/user_data"
    assert path.read_bytes() == b"#!/bin/sh\n"


def test_the_host_has_novas_numbers_or_those_it_is_given(make_driver: Callable[..., FakeDriver]) -> None:
    (node,) = make_driver().node_resources()
    assert (node.node, node.vcpus, node.memory_mb, node.local_gb) == ("cmp1", 1000, 800_000, 600_000)
    assert node.hypervisor_type == "fake"
    small = make_driver(host="cmp2", vcpus=2, memory_mb=2048, disk_gb=20, nodes=3).node_resources()
    assert [node.node for node in small] == ["cmp2", "cmp2-2", "cmp2-3"]
    assert {(node.vcpus, node.memory_mb, node.local_gb) for node in small} == {(2, 2048, 20)}


def test_hosts_do_not_see_each_others_guests(make_driver: Callable[..., FakeDriver], spec: Spec) -> None:
    first, second = make_driver(host="cmp1"), make_driver(host="cmp2")
    guest = spec()
    first.spawn(guest)
    assert second.list_guests() == []
    with pytest.raises(GuestNotFound):
        second.guest_info(guest.uuid)


def test_a_foreign_guest_counts_and_is_never_touched(driver: FakeDriver, spec: Spec) -> None:
    uuid = driver.plant_foreign("database", memory_mb=4096, vcpus=2, disk_gb=50)
    assert driver.list_guests() == []
    (foreign,) = driver.node_resources()[0].foreign
    assert (foreign.uuid, foreign.name, foreign.memory_mb, foreign.vcpus) == (uuid, "database", 4096, 2)
    assert driver.node_resources()[0].disk_available_least == 600_000 - 50
    for call in (
        lambda: driver.guest_info(uuid),
        lambda: driver.pause(uuid),
        lambda: driver.power_off(uuid, 0, 0),
        lambda: driver.power_on(spec(uuid=uuid)),
        lambda: driver.open_console(uuid, NullSink()),  # type: ignore[arg-type]
    ):
        with pytest.raises(GuestNotFound):
            call()
    driver.destroy(spec(uuid=uuid))
    driver.cleanup(uuid)
    assert driver.node_resources()[0].foreign[0].state is PowerState.RUNNING


def test_a_guest_whose_file_is_damaged_is_a_leftover(driver: FakeDriver, spec: Spec) -> None:
    guest = spec()
    driver.spawn(guest)
    path = driver.directory / "guests" / guest.uuid / "guest.json"
    path.write_text(json.dumps([1, 2]))
    assert driver.list_guests() == []
    with pytest.raises(GuestNotFound):
        driver.guest_info(guest.uuid)
    assert guest.uuid in driver.leftovers()
    driver.cleanup(guest.uuid)
    assert driver.leftovers() == {}


def test_a_second_spawn_of_the_same_guest_is_refused_and_harms_nothing(driver: FakeDriver, spec: Spec) -> None:
    guest = spec()
    driver.spawn(guest)
    with pytest.raises(DriverError, match="exists already"):
        driver.spawn(guest)
    assert driver.guest_info(guest.uuid).state is PowerState.RUNNING


@pytest.mark.parametrize("keys", [[], ["ctrl", "nokey"], ["\x1b[31m"]])
def test_keys_that_nobody_knows_are_refused(driver: FakeDriver, spec: Spec, keys: list[str]) -> None:
    guest = spec()
    driver.spawn(guest)
    with pytest.raises(DriverError):
        driver.send_keys(guest.uuid, keys)
