"""What goes wrong around a real guest: its process, libvirt's daemon, the disk. What the service makes of it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import House, running
from tests.integration.killing import Killed, Moment, at_rest, cut_off
from tests.integration.stage import Stage, create, on_one_host, on_two_hosts, other_flavor, prepare
from tests.integration.test_killed import ROWS, revive, use_again
from tests.integration.world import World, tables
from tests.lab import LibvirtHosts, PrivateLibvirt, processes

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def stage(house: House) -> Iterator[Stage]:
    """A server on the run's house."""
    with on_one_host(house) as one:
        yield one


# the guest's process -------------------------------------------------------------------------------------------------
def qemu_of(house: House, uuid: str) -> int:
    """The process of a server's guest; other runs have guests of the same names."""
    disk = str(house.state / "instances" / uuid / "disk")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and processes.mentions(int(entry.name), disk):
            return int(entry.name)
    raise AssertionError(f"{uuid} has no process")


def test_a_guest_whose_process_is_killed_is_off_and_can_be_started(stage: Stage) -> None:
    """Nova's way: 15 s later a stop that nobody asked for."""
    house, uuid = stage.house, stage.set("active")
    os.kill(qemu_of(house, uuid), signal.SIGKILL)
    shown = house.wait(uuid, lambda server: server["status"] == "SHUTOFF", seconds=40)
    assert shown["OS-EXT-STS:power_state"] == 4
    _, wrong = at_rest(house)
    assert not wrong
    newest = house.client.servers.events(uuid)[0]
    assert (newest["action"], newest["user_id"], newest["message"]) == ("stop", None, None)
    stage.revive()


def test_a_guest_that_hears_no_button_is_off_when_its_time_is_over(stage: Stage) -> None:
    """The image says how long it gets; here it has not booted."""
    house, uuid = stage.house, stage.set("active")
    stage.reboot()
    began = time.monotonic()
    house.client.servers.action(uuid, "os-stop")
    house.settled(uuid, "SHUTOFF")
    assert 2 <= time.monotonic() - began < 10
    (newest, *_) = house.client.servers.events(uuid)
    assert (newest["action"], newest["message"]) == ("stop", None)
    assert at_rest(house)[1] == []


# libvirt's daemon ----------------------------------------------------------------------------------------------------
def _row(action: str, *ends: str, hosts: int = 1) -> Killed:
    """The row of the matrix, with what else may become of it when the hypervisor is away for some seconds."""
    row = next(row for row in ROWS if (row.action, row.hosts) == (action, hosts))
    return replace(row, ends=row.ends | set(ends), may_fail=True)


M = Moment
OUTAGES = (
    (_row("create"), M("spawning", later=0.15)),
    (_row("suspend", "active", "error"), M("suspending", job=True)),
    (_row("createImage"), M("image_pending_upload", job=True)),
    (_row("shelve", "active", "stopped"), M("shelving", later=0.5)),
    (_row("resize", "error"), M("resize_migrating", later=0.5)),
)


# What every run walks; the rest, and the destination of a live migration, come with `--all`.
SAMPLE = ("create", "resize")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each cell that this run walks."""
    whole = metafunc.config.getoption("--all")
    if "cell" in metafunc.fixturenames:
        cells = [(row, moment) for row, moment in OUTAGES if whole or row.action in SAMPLE]
        metafunc.parametrize("cell", cells, ids=[f"{row.action}: {moment}" for row, moment in cells])
    if "place" in metafunc.fixturenames:
        metafunc.parametrize("place", ["source", "destination"] if whole else ["source"])


def test_a_daemon_that_dies_in_the_middle_leaves_nothing_stuck(
    stage: Stage, cell: tuple[Killed, Moment], record_property: Callable[[str, Any], None]
) -> None:
    """libvirtd is killed and started again; the service stays."""
    row, moment = cell
    lab = stage.house.lab
    try:
        result = cut_off(stage.house, row, moment, stage.set(row.begin), lab.kill, lab.start_libvirtd)
        record_property("killed", asdict(replace(result, action=f"{row.action} (libvirtd)")))
        assert not result.wrong, "\n".join((str(result), stage.house.log()[-6000:]))
        use_again(stage, row)
    except BaseException:
        if not lab.answers():
            lab.restart()
        revive(stage)
        raise


def test_a_daemon_that_dies_in_a_live_migration_leaves_one_guest(
    libvirt_hosts: LibvirtHosts, place: str, two: Stage, record_property: Callable[[str, Any], None]
) -> None:
    """Whichever end it is: the guest runs on one of them, and the other has nothing of it."""
    row = _row("live-migration", hosts=2)
    uuid = two.set("booted")
    home = 0 if two.house.show(uuid)["OS-EXT-SRV-ATTR:host"] == "pair-1" else 1
    lab = libvirt_hosts[home if place == "source" else 1 - home]
    try:
        result = cut_off(two.house, row, M("migrating", job=True), uuid, lab.kill, lab.start_libvirtd)
        record_property("killed", asdict(replace(result, action=f"live-migration ({place}'s libvirtd)")))
        assert not result.wrong, "\n".join((str(result), two.house.log()[-6000:]))
        two.reboot()
    except BaseException:
        if not lab.answers():
            lab.restart()
        revive(two)
        raise


@pytest.fixture(scope="module")
def two(libvirt_hosts: LibvirtHosts) -> Iterator[Stage]:
    """A server on two hosts."""
    with on_two_hosts(libvirt_hosts) as one:
        yield one


# the disk ------------------------------------------------------------------------------------------------------------
@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[None]:
    """A file system of its own on a directory that goes with it; libvirt's namespace is made later than it."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=711", "tmpfs", str(path)]
    subprocess.run(command, check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)
        path.rmdir()


@pytest.fixture(scope="module")
def cramped() -> Iterator[Stage]:
    """A house whose state directory is a small disk, with a server that wrote some of it full."""
    lab = PrivateLibvirt()
    house = House(lab)
    with small_disk(house.state, 256), lab, running(house) as one:
        prepare(one)
        yield Stage(one)


@contextmanager
def full(house: House, left: int) -> Iterator[None]:
    """All but `left` MiB of the disk are taken."""
    filler = house.state / "filler"
    free = shutil.disk_usage(house.state).free
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free - (left << 20)))
    try:
        yield
    finally:
        filler.unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small file system")
@pytest.mark.parametrize(
    ("begin", "key", "body", "said"),
    [
        ("active", "createImage", {"name": "no-room"}, "Image storage media is full"),
        ("active", "shelve", None, "Image storage media is full"),
        ("stopped", "resize", {}, "bytes free, the disks take"),
    ],
    ids=["createImage", "shelve", "resize"],
)
def test_a_full_disk_ends_an_action_in_words_and_leaves_nothing(
    cramped: Stage, begin: str, key: str, body: dict[str, Any] | None, said: str
) -> None:
    """The server stays usable, and the same action succeeds when there is room again."""
    house, uuid = cramped.house, cramped.set(begin)
    if key == "resize":
        body = {"flavorRef": other_flavor(house.client, uuid)}
        disk = house.state / "instances" / uuid / "disk"
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 64M 16M", disk], check=True, capture_output=True)
    with full(house, left=1):
        house.client.servers.action(uuid, key, body)
        house.wait(uuid, lambda server: server["OS-EXT-STS:task_state"] is None)
        (newest, *_) = house.client.servers.events(uuid)
        assert (newest["action"], newest["message"]) == (key, "Error")
        events = house.client.servers.event(uuid, newest["request_id"])["events"]
        assert any(said in str(event["details"]) for event in events), events
        # A guest that was powered off for its shelving is seen by the power sync.
        _, wrong = at_rest(house)
        assert not wrong
        assert [image["name"] for image in house.client.images.list()].count("no-room") == 0
    cramped.revive()
    house.client.servers.action(uuid, key, body)
    _, wrong = at_rest(house)
    assert not wrong
    assert house.client.servers.events(uuid)[0]["message"] is None
    for image in house.client.images.list():
        if image["name"] == "no-room":
            house.client.images.delete(image["id"])
    cramped.revive()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small file system")
def test_a_full_disk_ends_a_build_in_error_and_leaves_nothing(cramped: Stage) -> None:
    """The row stays with its fault; everything else goes."""
    house = cramped.house
    cramped.clear()
    shutil.rmtree(house.state / "instances" / "_base")
    with full(house, left=4):
        uuid = create(house.client, "no-room")
        server = house.wait(uuid, lambda one: one["status"] == "ERROR")
        assert server["fault"]["message"]
        _, wrong = at_rest(house)
        assert not wrong
        assert not World(house).places.popitem()[1].entries
        assert not tables(house)["port"]
    cramped.clear()
