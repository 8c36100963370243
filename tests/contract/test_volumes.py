"""Volumes: plugged in and out while a guest runs, is paused or off; started from; grown and copied under it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tuinova.core.states import PowerState
from tuinova.virt.volumes import VolumeDisk, VolumeSource, VolumeSpec

OFF, RUNNING, PAUSED = PowerState.SHUTDOWN, PowerState.RUNNING, PowerState.PAUSED
GIB = 1 << 30

pytestmark = pytest.mark.integration


def quiet(*_: Any) -> None:
    return None


class Volumes:
    """Makes volumes that are gone after the test."""

    def __init__(self, env: Any) -> None:
        self.env, self.driver = env, env.volumes
        self._made: list[VolumeSpec] = []

    def make(self, size_gb: int = 1, source: VolumeSource | None = None) -> VolumeSpec:
        volume = VolumeSpec(str(uuid.uuid4()), self.driver.backends()[0].name, size_gb)
        self._made.append(volume)
        self.driver.create(volume, source, quiet)
        return volume

    def disk(self, volume: VolumeSpec, device: str = "vdb", **more: Any) -> VolumeDisk:
        return VolumeDisk(volume.id, device, self.driver.connection(volume), volume.size_gb, **more)

    def clear(self) -> None:
        for volume in self._made:
            self.driver.delete(volume)


@pytest.fixture
def volumes(real_env: Any) -> Iterator[Volumes]:
    made = Volumes(real_env)
    yield made
    real_env.clear()
    made.clear()


@pytest.fixture
def guest(booted_for_real: Any) -> Any:
    return booted_for_real


def sizes(env: Any, guest: Any) -> Mapping[str, int]:
    return env.disks(guest)


def put(env: Any, guest: Any, device: bytes, text: bytes) -> None:
    """Write at a disk's beginning; what the guest keeps in memory of it goes to the disk."""
    with env.shell(guest) as console:
        said = console.run(
            b"echo %s | sudo dd of=/dev/%s bs=4096 count=1 conv=sync,fsync 2>/dev/null; echo =$?" % (text, device)
        )
    assert b"=0" in said


def got(env: Any, guest: Any, device: bytes) -> bytes:
    with env.shell(guest) as console:
        said = console.run(b"sudo sh -c 'echo 3 > /proc/sys/vm/drop_caches; head -n 1 /dev/%s'" % device)
    return said.strip(b"\r\n\0 ")


def test_a_volume_goes_from_a_running_guest_to_one_that_starts_from_another(
    real_env: Any, volumes: Volumes, guest: Any
) -> None:
    env, driver = real_env, real_env.driver
    volume = volumes.make()
    disk = volumes.disk(volume)
    for _ in range(2):
        driver.attach_volume(guest, disk)
    assert sizes(env, guest)["vdb"] == GIB
    with env.shell(guest) as console:
        assert volume.id[:20].encode() in console.run(b"cat /sys/block/vdb/serial")
    put(env, guest, b"vdb", b"carried")
    for _ in range(2):
        driver.extend_volume(guest, disk, 2)
    env.wait_for(lambda: sizes(env, guest)["vdb"] == 2 * GIB, "the guest sees the new size")
    snapshot = str(uuid.uuid4())
    driver.snapshot_volume(guest, disk, volumes.driver.snapshot_connection(volume, snapshot), quiet)
    put(env, guest, b"vdb", b"later")
    for _ in range(2):
        driver.detach_volume(guest, disk)
    assert "vdb" not in sizes(env, guest)

    root = volumes.make(1, VolumeSource(image=env.images["disk"]))
    copy = volumes.make(3, VolumeSource(snapshot_id=snapshot))
    volumes.driver.delete_snapshot(volume, snapshot)
    disks = [
        volumes.disk(root, "vda", boot_index=0),
        volumes.disk(replace(volume, size_gb=2), "vdb"),
        volumes.disk(copy, "vdc"),
    ]
    other = env.boot(image=None, volumes=disks)
    assert sizes(env, other) == {"vda": GIB, "vdb": 2 * GIB, "vdc": 3 * GIB}
    assert (got(env, other, b"vdb"), got(env, other, b"vdc")) == (b"later", b"carried")
