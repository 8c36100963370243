"""Kills a process before each change that a call makes to the file system, and looks at what is left.

`python -m tests.virt_fake.killing SCENARIO DIRECTORY` is what the test runs: a process without threads, so that it can
fork children for each moment: one calls and is killed by itself before its n-th change, one checks that the guest lives
on and that the call can be repeated or taken back.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tuinova.core.states import PowerState
from tuinova.virt.driver import BootImages, GuestNotFound, GuestSpec, ImageFile
from tuinova.virt.fake import FakeDriver, FakeOptions, disk_file

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.truncate"}
NOTE = {"/home/cirros/note": "kept\n"}
UUID = "6b6d6b0e-5f0e-4b7e-9d53-5a2b0a0d7f10"
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _no_progress(*_amounts: Any) -> None:
    return None


@dataclass
class Lab:
    """Two hosts and a guest with a note on its disk; every process makes its own."""

    path: Path
    hosts: list[FakeDriver] = field(init=False)

    def __post_init__(self) -> None:
        options = FakeOptions(boot_seconds=0, watch_seconds=60)
        self.hosts = [FakeDriver(host=name, path=self.path / "fake", options=options) for name in ("cmp1", "cmp2")]
        for host in self.hosts:
            host.init_host(lambda *_: None, lambda *_: None)

    @property
    def guest(self) -> GuestSpec:
        names = ("instance-00000001", "vm1", "vm1", "p", "u", "demo", "demo", "m1.tiny")
        files = {"openstack/latest/meta_data.json": b"{}", "openstack/latest/user_data": b"#!/bin/sh\n"}
        return GuestSpec(
            *(UUID, *names, 512, 1, 1, 0, 0, {}, self.image("first", NOTE)),
            config_drive=True,
            config_drive_files=lambda: files,
        )

    @property
    def bigger(self) -> GuestSpec:
        return replace(self.guest, root_gb=5, memory_mb=1024)

    def image(self, name: str, files: dict[str, str]) -> ImageFile:
        path = self.path / name
        if not path.exists():
            path.write_bytes(disk_file.pack(disk_file.DiskContent(1 << 30, files), "raw"))
        return ImageFile(name, path, "raw", path.stat().st_size)

    def spawn(self) -> None:
        self.hosts[0].spawn(self.guest)
        self.hosts[0].console_output(UUID)

    # what must hold --------------------------------------------------------------------------------------------------
    def at(self, number: int) -> Any:
        """The guest's record at a host, None when it is not known there."""
        try:
            return self.hosts[number].store.load(UUID)
        except GuestNotFound:
            return None

    def lives_on(self, number: int, *, root_gb: int = 1) -> None:
        """The guest runs at this host with its note, its drive and this size of disk, and nothing else is anywhere."""
        record = self.at(number)
        assert record is not None, f"the guest is not on host {number}"
        assert record.power is PowerState.RUNNING, record.power
        assert record.contents["root"]["/home/cirros/note"] == "kept\n"
        assert (record.root_gb, record.aside, record.rescue, record.migrating) == (root_gb, "", None, None)
        drive = self.hosts[number].directory / "guests" / UUID / "disk.config/openstack/latest/user_data"
        assert drive.read_bytes() == b"#!/bin/sh\n"
        assert b"login: " in self.hosts[number].console_output(UUID)
        self.nothing_at(1 - number)
        assert self.hosts[number].leftovers() == {}

    def nothing_at(self, number: int) -> None:
        host = self.hosts[number]
        assert host.leftovers() == {}
        assert list((host.directory / "guests").iterdir()) == []


# the calls -----------------------------------------------------------------------------------------------------------
def migrate(lab: Lab, to: int) -> None:
    address = lab.hosts[to].migration_address()
    lab.hosts[0].migrate_disk_and_power_off(lab.guest, lab.bigger, address, 0, 0, _no_progress)


def finish(lab: Lab, to: int) -> None:
    lab.hosts[to].finish_migration(lab.bigger, power_on=True)


def confirm(lab: Lab, to: int) -> None:
    lab.hosts[0].confirm_migration(lab.bigger, same_host=to == 0)


def discard(lab: Lab, to: int) -> None:
    lab.hosts[to].discard_migrated(lab.bigger)


def revert(lab: Lab, _to: int) -> None:
    lab.hosts[0].finish_revert_migration(lab.guest, power_on=True)


def pre_live(lab: Lab) -> None:
    data = lab.hosts[1].check_can_live_migrate_destination(lab.guest, None)
    data = lab.hosts[0].check_can_live_migrate_source(lab.guest, data)
    lab.hosts[1].pre_live_migration(lab.guest, data)


def live(lab: Lab) -> None:
    # After a crash the checks are not repeated: the manager keeps their answer with the order.
    data = {"destination": dict(lab.hosts[1].migration_address()), "domain_id": 77}
    lab.hosts[0].live_migration(lab.guest, data, _no_progress)


def post_live(lab: Lab) -> None:
    lab.hosts[0].post_live_migration(lab.guest, {})
    lab.hosts[1].post_live_migration_at_destination(lab.guest, {})


def snapshot(lab: Lab) -> None:
    lab.hosts[0].snapshot(lab.guest, lab.path / "target", None, _no_progress)


def rescue(lab: Lab) -> None:
    lab.hosts[0].power_off(UUID, 0, 0)
    lab.hosts[0].rescue(lab.guest, BootImages(lab.image("rescue", {"/home/cirros/tool": "t\n"})))


# the scenarios: what is there, what is killed, what must hold then ----------------------------------------------------
Step = Callable[[Lab], None]


@dataclass(frozen=True)
class Scenario:
    """`checks` are ways to go on, each tried after a kill at each moment."""

    prepare: Step
    call: Step
    checks: tuple[Step, ...]


def _then(*steps: Step) -> Step:
    def run(lab: Lab) -> None:
        for step in steps:
            step(lab)

    return run


def _moved(to: int, *, upto: Callable[[Lab, int], None] | None) -> Step:
    """A guest on its way, with these calls behind it."""

    def prepare(lab: Lab) -> None:
        lab.spawn()
        for call in (migrate, finish, discard, confirm):
            if call is upto or upto is None:
                return
            if call is discard and upto is confirm:
                continue
            call(lab, to)

    return prepare


def _cold(to: int) -> dict[str, Scenario]:
    where = "here" if to == 0 else "there"

    def back(lab: Lab) -> None:
        for call in (discard, revert, discard, revert):
            call(lab, to)
        lab.lives_on(0)

    def on(lab: Lab) -> None:
        for call in (migrate, migrate, finish, finish, confirm, confirm):
            call(lab, to)
        lab.lives_on(to, root_gb=5)

    def from_finish(lab: Lab) -> None:
        for call in (finish, finish, confirm, confirm):
            call(lab, to)
        lab.lives_on(to, root_gb=5)

    def from_confirm(lab: Lab) -> None:
        confirm(lab, to)
        confirm(lab, to)
        lab.lives_on(to, root_gb=5)

    def from_revert(lab: Lab) -> None:
        revert(lab, to)
        revert(lab, to)
        lab.lives_on(0)

    def gone(lab: Lab) -> None:
        for host in lab.hosts:
            host.destroy(lab.guest)
            host.cleanup(UUID)
        lab.nothing_at(0)
        lab.nothing_at(1)

    return {
        f"migrate {where}": Scenario(Lab.spawn, lambda lab: migrate(lab, to), (on, back, gone)),
        f"finish {where}": Scenario(_moved(to, upto=finish), lambda lab: finish(lab, to), (from_finish, back, gone)),
        f"discard {where}": Scenario(_moved(to, upto=discard), lambda lab: discard(lab, to), (back, gone)),
        f"revert {where}": Scenario(
            _then(_moved(to, upto=discard), lambda lab: discard(lab, to)),
            lambda lab: revert(lab, to),
            (from_revert, back),
        ),
        f"revert undiscarded {where}": Scenario(_moved(0, upto=finish), lambda lab: revert(lab, 0), (from_revert,)),
        f"confirm {where}": Scenario(_moved(to, upto=confirm), lambda lab: confirm(lab, to), (from_confirm, gone)),
        f"destroy {where}": Scenario(_moved(to, upto=finish), lambda lab: lab.hosts[0].destroy(lab.guest), (gone,)),
    }


def _live_is_somewhere(lab: Lab) -> None:
    at = [number for number in (0, 1) if lab.at(number) is not None]
    assert len(at) == 1, f"the guest is on {at}"
    assert lab.at(at[0]).variables == {"KEPT": "in memory"}


def _finish_live(lab: Lab) -> None:
    _live_is_somewhere(lab)
    for call in (live, live, post_live, post_live):
        call(lab)
    assert lab.at(1).domain_id == 77
    assert lab.at(1).variables == {"KEPT": "in memory"}
    lab.lives_on(1)


def _roll_live_back(lab: Lab) -> None:
    _live_is_somewhere(lab)
    if lab.at(1) is not None:
        post_live(lab)
        lab.lives_on(1)
        return
    for _ in range(2):
        lab.hosts[1].rollback_live_migration_at_destination(lab.guest, {})
    assert lab.hosts[0].console_output(UUID)
    lab.lives_on(0)


def _with_memory(lab: Lab) -> None:
    lab.spawn()
    record = lab.at(0)
    record.variables, record.stage = {"KEPT": "in memory"}, "shell"
    lab.hosts[0].store.save(record)


def _good_snapshot(lab: Lab) -> None:
    target = lab.path / "target"
    if target.exists():
        assert disk_file.unpack(target, 0) == disk_file.DiskContent(1 << 30, NOTE)
    assert list((lab.hosts[0].directory / "snapshots").glob("*")) == []
    snapshot(lab)
    assert disk_file.unpack(target, 0) == disk_file.DiskContent(1 << 30, NOTE)
    lab.lives_on(0)


def _rescued(lab: Lab) -> None:
    rescue(lab)
    assert [disk.role for disk in lab.hosts[0].disks_of(UUID)] == ["rescue", "root"]
    assert lab.at(0).contents["rescue"] == {"/home/cirros/tool": "t\n"}
    _unrescued(lab)


def _unrescued(lab: Lab) -> None:
    lab.hosts[0].unrescue(lab.guest)
    lab.hosts[0].unrescue(lab.guest)
    assert not (lab.hosts[0].directory / "guests" / UUID / "disk.config.rescue").exists()
    lab.lives_on(0)


SCENARIOS: dict[str, Scenario] = {
    **_cold(0),
    **_cold(1),
    "snapshot": Scenario(Lab.spawn, snapshot, (_good_snapshot,)),
    "rescue": Scenario(Lab.spawn, rescue, (_rescued, _unrescued)),
    "rescue again": Scenario(_then(Lab.spawn, rescue), rescue, (_rescued, _unrescued)),
    "unrescue": Scenario(
        _then(Lab.spawn, rescue), lambda lab: lab.hosts[0].unrescue(lab.guest), (_unrescued, _rescued)
    ),
    "live": Scenario(_then(_with_memory, pre_live), live, (_finish_live, _roll_live_back)),
    "post live": Scenario(_then(_with_memory, pre_live, live), post_live, (_finish_live,)),
}


# forking -------------------------------------------------------------------------------------------------------------
def _in_child(work: Callable[..., None], *arguments: Any) -> int:
    """Do it in a process of its own; 0, 1 when it raised, or -9."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work(*arguments)
            code = 0
        finally:
            if code:
                traceback.print_exc()
                sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _die_before(number: int, directory: Path) -> None:
    counter = itertools.count(1)
    inside = str(directory)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        changes = event in CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING)
        # Beneath a removal of a whole tree the names are relative.
        if (
            changes
            and (str(arguments[0]).startswith(inside) or "/" not in str(arguments[0]))
            and next(counter) == number
        ):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _call(place: Path, step: Step, number: int) -> None:
    lab = Lab(place)
    _die_before(number, place)
    step(lab)


def _do(place: Path, step: Step) -> None:
    step(Lab(place))


def main(name: str, directory: Path) -> int:
    """Kill at each moment and check each way on; prints how many moments there were."""
    scenario, place, template = SCENARIOS[name], directory / "lab", directory / "template"
    place.mkdir()
    if _in_child(_do, place, scenario.prepare):
        return 2
    place.rename(template)
    for number in itertools.count(1):
        ends = set()
        for check in scenario.checks:
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(template, place)
            ends.add(_in_child(_call, place, scenario.call, number))
            if not ends <= {0, -signal.SIGKILL} or _in_child(_do, place, check):
                print(f"{name}: killed before change {number}, then {check.__qualname__}", file=sys.stderr)
                return 1
        if ends == {0}:
            print(number - 1)
            return 0
    return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
