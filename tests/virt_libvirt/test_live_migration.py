"""Guests that move alive between two libvirts, whatever happens to the caller meanwhile."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.lab import LibvirtHosts
from tests.lab.guests import blank_image, demo_image, guest_spec, nic
from tests.virt_libvirt.conftest import wait_until
from tuinova.core.states import PowerState
from tuinova.virt.driver import DriverError, GuestNotFound, GuestSpec, MigrationAborted, MigrationPreCheckError
from tuinova.virt.libvirt import disks, live_checks
from tuinova.virt.libvirt.driver import LibvirtDriver
from tuinova.virt.libvirt.live_files import moved_definition
from tuinova.virt.libvirt.live_migration import _Clock
from tuinova.virt.libvirt.options import LibvirtOptions

ROOT = Path(__file__).parents[2]
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="hosts with networks of their own need root")
# Prints numbers without an end, so that a gap in its log is seen.
COUNTING = b"#!/bin/sh\ni=0\nwhile :; do i=$((i+1)); echo n$i.; usleep 50000; done\n"
SLOW = LibvirtOptions(live_migration_bandwidth=4)


# without a hypervisor ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("uri", "options", "expected"),
    [
        ("qemu:///system", {}, "qemu+tcp://node1/system"),
        ("qemu+ssh://root@far/system", {}, "qemu+ssh://root@far/system"),
        ("qemu:///system", {"live_migration_scheme": "ssh"}, "qemu+ssh://node1/system"),
        ("qemu:///system", {"live_migration_inbound_addr": "fd00::1"}, "qemu+tcp://[fd00::1]/system"),
        ("qemu:///system", {"live_migration_uri": "qemu+tls://%s/system"}, "qemu+tls://node1/system"),
    ],
)
def test_how_others_reach_a_host(uri: str, options: dict[str, str], expected: str) -> None:
    found = live_checks.address("h", uri, "node1", Path("/i"), LibvirtOptions(**options))  # type: ignore[arg-type]
    assert json.loads(json.dumps(found))["migration_uri"] == expected


def test_a_definition_moves_with_its_paths_and_its_mark() -> None:
    ends = {"source": {"instances": "/a"}, "destination": {"instances": "/b", "host": "host2"}}
    data: dict[str, Any] = {**ends, "block_migration": True}
    xml = """<domain><metadata><t:guest xmlns:t='urn:tuinova:libvirt:1' instances='/a' host='host1'/></metadata>
    <os><kernel>/a/u/kernel</kernel></os><devices>
    <disk><source file='/a/u/disk'/><backingStore><source file='/a/_base/x'/></backingStore></disk>
    <disk><source file='/iso/boot.iso'/></disk><serial><log file='/a/u/console.log'/></serial></devices></domain>"""
    uuid = "00000000-0000-4000-8000-000000000000"
    moved = moved_definition(xml.replace("/u/", f"/{uuid}/"), data, uuid).replace(uuid, "u")
    for expected in ("/b/u/disk", "/b/u/kernel", "/b/u/console.log", "/iso/boot.iso", 'host="host2"', 'instances="/b"'):
        assert expected in moved
    assert "/a/" not in moved
    assert "append" not in moved
    assert 'append="on"' in moved_definition(xml, {**data, "block_migration": False}, uuid)


def test_novas_times() -> None:
    clock = _Clock(LibvirtOptions(live_migration_completion_timeout=10, live_migration_downtime_steps=2), 2 << 30)
    assert list(clock.due_downtimes(0)) == [250]
    assert list(clock.due_downtimes(151)) == [375]
    assert list(clock.due_downtimes(1000)) == [500]
    assert [clock.is_over(when) for when in (19, 21, 22)] == [False, True, False]
    assert not _Clock(LibvirtOptions(live_migration_completion_timeout=0), 1).is_over(1e9)


# two hosts -----------------------------------------------------------------------------------------------------------
class Pair:
    """Two drivers, and a guest that goes from one to the other."""

    def __init__(self, hosts: LibvirtHosts) -> None:
        self.hosts = hosts
        self.drivers = [self.driver(number) for number in (0, 1)]

    def driver(self, number: int, options: LibvirtOptions | None = None) -> LibvirtDriver:
        host = self.hosts[number]
        made = LibvirtDriver(host=host.name, uri=host.uri, instances_path=host.instances, options=options)
        made.init_host(lambda *_: None, lambda *_: None)
        return made

    def prepare(self, guest: GuestSpec, source: int = 0) -> Mapping[str, Any]:
        """All that comes before the move; what passes between hosts is JSON."""
        here, there = self.drivers[source], self.drivers[1 - source]
        data = json.loads(json.dumps(there.check_can_live_migrate_destination(guest, None)))
        data = json.loads(json.dumps(here.check_can_live_migrate_source(guest, data)))
        found: dict[str, Any] = json.loads(json.dumps(there.pre_live_migration(guest, data)))
        return found

    def finish(self, guest: GuestSpec, data: Mapping[str, Any], source: int = 0) -> None:
        self.drivers[source].post_live_migration(guest, data)
        self.drivers[1 - source].post_live_migration_at_destination(guest, data)

    def where(self, guest: GuestSpec) -> list[str]:
        found = []
        for driver in self.drivers:
            try:
                found.append(driver.guest_info(guest.uuid).state.name)
            except GuestNotFound:
                found.append("")
            assert [info.state.name for info in driver.list_guests() if info.uuid == guest.uuid] == [
                state for state in found[-1:] if state
            ]
        return found

    def assert_nothing_at(self, number: int, guest: GuestSpec) -> None:
        driver, host = self.drivers[number], self.hosts[number]
        assert list(driver.instances.glob(f"{guest.uuid}*")) == []
        assert guest.uuid not in driver.leftovers()
        for port in guest.nics:
            assert port.mac not in host.virsh("net-dumpxml", "default").stdout
        assert host.virsh("dominfo", guest.uuid, check=False).returncode != 0


@pytest.fixture
def pair(libvirt_hosts: LibvirtHosts) -> Iterator[Pair]:
    made = Pair(libvirt_hosts)
    yield made
    for driver in made.drivers:
        for guest in driver.list_guests():
            driver.cleanup(guest.uuid)
        for uuid in driver.leftovers():
            driver.cleanup(uuid)
        driver.close()


def numbers(driver: LibvirtDriver, guest: GuestSpec) -> list[int]:
    return [int(found) for found in re.findall(rb"n(\d+)\.\r?\n", driver.console_output(guest.uuid))]


def pass_by(_: Mapping[str, int]) -> None:
    """Progress that nobody looks at."""


@pytest.fixture
def counting(pair: Pair) -> GuestSpec:
    """A guest with every kind of disk that counts on its console."""
    drive = {"openstack/latest/meta_data.json": b'{"uuid": "1"}', "openstack/latest/user_data": COUNTING}
    guest = guest_spec(
        demo_image(),
        nics=[nic(40)],
        ephemeral_gb=1,
        swap_mb=16,
        config_drive=True,
        config_drive_files=lambda: drive,
    )
    pair.drivers[0].spawn(guest)
    wait_until(lambda: numbers(pair.drivers[0], guest), 180)
    return guest


@pytest.mark.integration
@root_only
def test_a_guest_moves_with_all_that_it_has_and_back_while_paused(pair: Pair, counting: GuestSpec) -> None:
    guest, (here, there) = counting, pair.drivers
    # The other host's empty file system is another one: the disk must not be put on it.
    other = there._guests.disks.base_named("ephemeral_1_ext4").path
    other.write_bytes(b"\1" + other.read_bytes()[1:4096])
    os.truncate(other, 1 << 30)
    seen: list[Mapping[str, int]] = []
    data = pair.prepare(guest)
    assert data["block_migration"] is True
    assert pair.where(guest) == ["RUNNING", ""]
    here.live_migration(guest, data, lambda step: seen.append(dict(step)))
    assert seen[-1]["memory_total_bytes"] >= 128 << 20
    assert pair.where(guest) == ["", "RUNNING"]
    here.live_migration(guest, data, pass_by)
    for _ in range(2):
        pair.finish(guest, data)
    pair.assert_nothing_at(0, guest)
    with pytest.raises(GuestNotFound):
        here.live_migration(guest, data, pass_by)
    assert pair.where(guest) == ["", "RUNNING"]
    last = numbers(there, guest)[-1]
    wait_until(lambda: numbers(there, guest)[-1] > last + 5)
    counted = numbers(there, guest)
    assert counted == list(range(counted[0], counted[0] + len(counted)))
    assert counted[0] == 1
    assert b"Linux version" in there.console_output(guest.uuid)
    directory = there.instances / guest.uuid
    bases = {name: disks.backing_file(directory / name) for name in ("disk", "disk.local", "disk.swap")}
    assert {name: base.parent for name, base in bases.items() if base} == {
        "disk": there.instances / "_base",
        "disk.local": directory,
        "disk.swap": there.instances / "_base",
    }
    xml = (
        pair.hosts[1].virsh("dumpxml", guest.uuid).stdout
        + pair.hosts[1].virsh("dumpxml", "--inactive", guest.uuid).stdout
    )
    assert str(here.instances) not in xml
    assert guest.nics[0].mac in pair.hosts[1].virsh("net-dumpxml", "default").stdout

    there.pause(guest.uuid)
    back = pair.prepare(guest, source=1)
    there.live_migration(guest, back, pass_by)
    pair.finish(guest, back, source=1)
    assert pair.where(guest) == ["PAUSED", ""]
    pair.assert_nothing_at(1, guest)
    here.unpause(guest.uuid)
    last = numbers(here, guest)[-1]
    wait_until(lambda: numbers(here, guest)[-1] > last)
    here.power_off(guest.uuid, 0, 1)
    here.migrate_disk_and_power_off(guest, guest, there.migration_address(), 0, 1, lambda *_: None)
    there.finish_migration(guest, power_on=True)
    here.confirm_migration(guest, same_host=False)
    assert pair.where(guest) == ["", "RUNNING"]
    pair.assert_nothing_at(0, guest)


KILLED = """
import json, os, signal, sys
from pathlib import Path
from tests.lab.guests import demo_image, guest_spec
from tuinova.virt.libvirt.driver import LibvirtDriver
from tuinova.virt.libvirt.options import LibvirtOptions
uri, instances, uuid, data = sys.argv[1:]
options = LibvirtOptions(live_migration_bandwidth=4)
driver = LibvirtDriver(host="h", uri=uri, instances_path=Path(instances), options=options)
driver.init_host(lambda *_: None, lambda *_: None)
def die(step):
    if step["memory_processed_bytes"]:
        os.kill(os.getpid(), signal.SIGKILL)
driver.live_migration(guest_spec(demo_image(), uuid=uuid), json.loads(data), die)
"""


@pytest.mark.long  # the same way through the whole program is `tests/integration/test_two_hosts.py`
@pytest.mark.integration
@root_only
def test_a_move_is_ended_followed_and_hurried(pair: Pair, counting: GuestSpec) -> None:
    guest, (here, there), slow = counting, pair.drivers, pair.driver(0, SLOW)
    data = pair.prepare(guest)
    ended: list[BaseException] = []

    def move(told: Callable[[Mapping[str, int]], None]) -> None:
        try:
            slow.live_migration(guest, data, told)
        except BaseException as error:  # noqa: BLE001 - looked at below
            ended.append(error)

    # Somebody ends it.
    moving = threading.Event()
    thread = threading.Thread(target=move, args=[lambda step: moving.set() if step["memory_processed_bytes"] else None])
    thread.start()
    assert moving.wait(60)
    assert pair.where(guest) == ["RUNNING", ""]
    with pytest.raises(DriverError, match="is still on host"):
        here.post_live_migration(guest, data)
    slow.live_migration_abort(guest.uuid)
    thread.join(60)
    assert [type(error) for error in ended] == [MigrationAborted], ended
    assert pair.where(guest) == ["RUNNING", ""]
    for act in (here.live_migration_abort, here.live_migration_force_complete):
        with pytest.raises(DriverError, match="no live migration"):
            act(guest.uuid)
    for _ in range(2):
        there.rollback_live_migration_at_destination(guest, data)
    pair.assert_nothing_at(1, guest)

    # What progress raises ends it.
    def stop(step: Mapping[str, int]) -> None:
        raise ValueError("enough")

    pair.prepare(guest)
    ended.clear()
    move(stop)
    assert [str(error) for error in ended] == ["enough"]
    assert pair.where(guest) == ["RUNNING", ""]
    there.rollback_live_migration_at_destination(guest, data)

    # The caller is killed; libvirt goes on, the next caller follows, somebody is in a hurry.
    data = pair.prepare(guest)
    arguments = [here.connection_name, str(here.instances), guest.uuid, json.dumps(data)]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert pair.where(guest) == ["RUNNING", ""]
    ended.clear()
    thread = threading.Thread(target=move, args=[pass_by])
    thread.start()
    time.sleep(1)
    here.live_migration_force_complete(guest.uuid)
    thread.join(180)
    assert ended == []
    assert pair.where(guest) == ["", "RUNNING"]
    with pytest.raises(DriverError, match="has arrived"):
        there.rollback_live_migration_at_destination(guest, data)
    pair.finish(guest, data)
    assert pair.where(guest) == ["", "RUNNING"]
    pair.assert_nothing_at(0, guest)
    slow.close()


@pytest.mark.integration
@root_only
def test_what_speaks_against_a_move_is_said_before_anything_is_touched(pair: Pair) -> None:
    here, there = pair.drivers
    guest = guest_spec(blank_image(here.instances / "blank.qcow2"), nics=[nic(41)])
    here.spawn(guest)
    free = there.check_can_live_migrate_destination(guest, None)
    refusals: list[tuple[str, Callable[[], object]]] = [
        (
            "not on shared storage",
            lambda: here.check_can_live_migrate_source(guest, {**free, "block_migration": False}),
        ),
        ("too large", lambda: here.check_can_live_migrate_source(guest, {**free, "free_bytes": 1})),
        ("virt_type is kvm", lambda: here.check_can_live_migrate_source(guest, {**free, "virt_type": "kvm"})),
        ("is known on host", lambda: here.check_can_live_migrate_destination(guest, None)),
        (
            "no network 'nowhere'",
            lambda: there.check_can_live_migrate_destination(guest_spec(None, nics=[nic(1, "nowhere")]), None),
        ),
        (
            "not of network default",
            lambda: there.check_can_live_migrate_destination(guest_spec(None, nics=[nic(1, subnet="10.9.8")]), None),
        ),
    ]
    own = {**free, "directory": live_checks._identity(here.instances)}
    refusals.append(
        ("already", lambda: here.check_can_live_migrate_source(guest, {**own, "destination": here.migration_address()}))
    )
    refusals.append(
        ("not on local", lambda: here.check_can_live_migrate_source(guest, {**own, "block_migration": True}))
    )
    for words, ask in refusals:
        with pytest.raises(MigrationPreCheckError, match=words):
            ask()
    data = here.check_can_live_migrate_source(guest, free)
    strange = "<cpu mode='custom' match='exact'><model>EPYC</model><feature policy='require' name='vmx'/></cpu>"
    with pytest.raises(MigrationPreCheckError, match="Unacceptable CPU"):
        there.pre_live_migration(guest, {**data, "cpu": strange})
    precious = there.instances / guest.uuid / "disk"
    precious.parent.mkdir()
    precious.write_text("precious")
    with pytest.raises(MigrationPreCheckError, match="has files of this guest already"):
        there.pre_live_migration(guest, data)
    assert precious.read_text() == "precious"
    there.rollback_live_migration_at_destination(guest, data)
    assert precious.read_text() == "precious"
    there.cleanup(guest.uuid)

    # A destination that can't be reached: the guest runs on.
    data = pair.prepare(guest)
    nowhere = {**data, "destination": {**data["destination"], "migration_uri": "qemu+tcp://nobody.invalid/system"}}
    with pytest.raises(DriverError, match=r"nobody\.invalid"):
        here.live_migration(guest, nowhere, pass_by)
    assert pair.where(guest) == ["RUNNING", ""]
    there.rollback_live_migration_at_destination(guest, data)
    pair.assert_nothing_at(1, guest)
    here.power_off(guest.uuid, 0, 1)
    # It went off before it could move, or somebody took its domain away: the only disk that it has stays.
    for _ in range(2):
        with pytest.raises(DriverError, match=r"still on host|on neither host"):
            here.post_live_migration(guest, data)
        assert (here.instances / guest.uuid / "disk").exists()
        pair.hosts[0].virsh("undefine", guest.uuid, check=False)
    here.power_on(guest)
    here.power_off(guest.uuid, 0, 1)
    with pytest.raises(MigrationPreCheckError, match="not running"):
        here.check_can_live_migrate_source(guest, free)
    assert here.guest_info(guest.uuid).state is PowerState.SHUTDOWN
