"""Snapshots that boot, and rescues that leave the guest's own disk alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tuinova.core.image_store import ImageStore
from tuinova.core.states import PowerState
from tuinova.virt.driver import BootImages, GuestSpec, ImageFile

OFF, RUNNING = PowerState.SHUTDOWN, PowerState.RUNNING


class Enough(Exception):
    """What a caller raises who wants no more of it."""


def stored(directory: Path, name: str, target: Path, disk_format: str) -> ImageFile:
    """The snapshot as an image of the store, which looks at what it is given."""
    store = ImageStore(directory / "store")
    with target.open("rb") as file:
        size = store.write(name, iter(lambda: file.read(1 << 20), b""), disk_format).size
    return ImageFile(name, store.path(name), disk_format, size)


def test_a_snapshot_that_is_stopped_leaves_nothing_and_the_next_one_works(
    env: Any, booted: GuestSpec, tmp_path: Path
) -> None:
    def enough(_done: int, _total: int) -> None:
        raise Enough

    before = env.driver.guest_info(booted.uuid)
    target = tmp_path / "snapshot"
    for _ in range(2):
        with pytest.raises(Enough):
            env.driver.snapshot(booted, target, "qcow2", enough)
        assert not target.exists()
        assert env.driver.guest_info(booted.uuid) == before
    for name in ("first", "second"):
        assert env.driver.snapshot(booted, tmp_path / name, "qcow2", lambda *_: None) == "qcow2"
    assert env.driver.guest_info(booted.uuid) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]


@pytest.mark.parametrize("state", ["live", "cold"])
def test_a_snapshot_boots_with_the_files_that_were_there(
    env: Any, booted: GuestSpec, tmp_path: Path, state: str
) -> None:
    env.write_note(booted, state.encode())
    if state == "cold":
        env.driver.power_off(booted.uuid, 60, 10)
    before = env.driver.guest_info(booted.uuid)
    told: list[tuple[int, int]] = []
    target = tmp_path / "snapshot"
    written = env.driver.snapshot(booted, target, None, lambda *amounts: told.append(amounts))
    assert env.driver.guest_info(booted.uuid) == before
    assert told
    assert told[-1][0] == told[-1][1] > 0
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert booted.uuid not in env.driver.leftovers()
    copy = env.boot(image=stored(tmp_path, f"snapshot-{env.real}-{state}", target, written))
    assert env.note(copy) == state.encode()
    if state == "live":
        assert env.note(booted) == b"live"


@pytest.mark.long("libvirt")  # the same way through the whole program is `tests/integration/test_every_action.py`
def test_a_rescued_guest_sees_both_disks_and_comes_back(env: Any, booted: GuestSpec) -> None:
    env.write_note(booted, b"own")
    own = env.disks(booted)
    assert list(own) == ["vda"]
    env.driver.power_off(booted.uuid, 60, 10)
    for _ in range(2):
        env.driver.rescue(booted, BootImages(env.images["disk"]))
        assert env.state(booted) is RUNNING
    # The host goes down and comes up: the guest is rescued again.
    env.driver.power_off(booted.uuid, 0, 0)
    env.driver.resume_state_on_host_boot(booted)
    env.wait_for_login(booted)
    disks = env.disks(booted)
    assert list(disks) == ["vda", "vdb"]
    assert disks["vdb"] == own["vda"]
    with env.shell(booted) as console:
        assert b"No such file" in console.run(b"cat note")
        console.run(b"sudo mount /dev/vdb1 /mnt")
        assert console.run(b"cat /mnt/home/cirros/note").strip() == b"own"
    for _ in range(2):
        env.driver.unrescue(booted)
        assert env.state(booted) is RUNNING
    env.wait_for_login(booted)
    assert env.disks(booted) == own
    assert env.note(booted) == b"own"
    assert not [path for path in env.files_of(booted.uuid) if "rescue" in path.name]
