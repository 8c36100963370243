"""Volumes: plugged in and out while a guest runs, is paused or off; started from; grown and copied under it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tuinova.virt.volumes import VolumeDisk, VolumeSource, VolumeSpec

GIB = 1 << 30


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
def volumes(env: Any) -> Iterator[Volumes]:
    made = Volumes(env)
    yield made
    env.clear()
    made.clear()


def put(env: Any, guest: Any, device: bytes, text: bytes, *, first: bool = False) -> None:
    """Write a file on a volume; what the guest keeps of it in memory goes to the disk."""
    with env.shell(guest) as console:
        said = console.run(b"sudo mke2fs /dev/%s > /dev/null" % device) if first else b""
        said += console.run(b"sudo mount /dev/%s /mnt; sudo sh -c 'echo %s > /mnt/note'; sync" % (device, text))
        said += console.run(b"cat /mnt/note; sudo umount /mnt")
    assert text in said


def got(env: Any, guest: Any, device: bytes) -> bytes:
    with env.shell(guest) as console:
        console.run(b"sudo mount /dev/%s /mnt" % device)
        said: bytes = console.run(b"cat /mnt/note; sudo umount /mnt")
    return said.strip()


@pytest.mark.long("libvirt")  # the same way through the whole program is `tests/integration/test_volumes.py`
def test_a_volume_goes_from_a_running_guest_to_one_that_starts_from_another(
    env: Any, volumes: Volumes, booted: Any
) -> None:
    driver, guest = env.driver, booted
    volume = volumes.make()
    disk = volumes.disk(volume)
    for _ in range(2):
        driver.attach_volume(guest, disk)
    env.wait_for(lambda: env.disks(guest).get("vdb") == GIB, "the guest sees the volume")
    if env.real:
        with env.shell(guest) as console:
            assert volume.id[:20].encode() in console.run(b"cat /sys/block/vdb/serial")
    put(env, guest, b"vdb", b"carried", first=True)
    for _ in range(2):
        driver.extend_volume(guest, disk, 2)
    env.wait_for(lambda: env.disks(guest)["vdb"] == 2 * GIB, "the guest sees the new size")
    snapshot = str(uuid.uuid4())
    driver.snapshot_volume(guest, disk, volumes.driver.snapshot_connection(volume, snapshot), quiet)
    put(env, guest, b"vdb", b"later")
    for _ in range(2):
        driver.detach_volume(guest, disk)
    assert "vdb" not in env.disks(guest)

    root = volumes.make(1, VolumeSource(image=env.images["disk"]))
    copy = volumes.make(3, VolumeSource(snapshot_id=snapshot, volume=volume))
    volumes.driver.delete_snapshot(volume, snapshot)
    disks = [
        volumes.disk(root, "vda", boot_index=0),
        volumes.disk(replace(volume, size_gb=2), "vdb"),
        volumes.disk(copy, "vdc"),
    ]
    other = env.boot(image=None, volumes=disks)
    assert env.disks(other) == {"vda": GIB, "vdb": 2 * GIB, "vdc": 3 * GIB}
    assert (got(env, other, b"vdb"), got(env, other, b"vdc")) == (b"later", b"carried")


@pytest.mark.long("libvirt")  # on files and logical volumes alone it is `tests/virt_libvirt/test_volume_*.py`
def test_a_volume_is_written_anew_at_once_or_not_at_all(env: Any, volumes: Volumes, tmp_path: Path) -> None:
    def read(volume: VolumeSpec) -> bytes:
        target = tmp_path / "read"
        volumes.driver.upload(volume, target, "raw", quiet)
        return target.read_bytes()

    def enough(*_: int) -> None:
        raise ValueError("enough")

    of_image = VolumeSource(image=env.images["disk"])
    volume, like = volumes.make(2), volumes.make(2, of_image)
    snapshot = str(uuid.uuid4())
    volumes.driver.create_snapshot(volume, snapshot, quiet)
    of_snapshot = VolumeSource(snapshot_id=snapshot, volume=volume)
    empty, full = read(volume), read(like)
    for source, before, after in ((of_image, empty, full), (of_snapshot, full, empty)):
        with pytest.raises(ValueError, match="enough"):
            volumes.driver.replace(volume, source, enough)
        assert read(volume) == before
        for _ in range(2):
            volumes.driver.replace(volume, source, quiet)
        assert read(volume) == after
    volumes.driver.delete_snapshot(volume, snapshot)


def test_volumes_outlive_their_guests(env: Any, volumes: Volumes) -> None:
    kept = volumes.make(1)
    guest = env.spawn(volumes=[volumes.disk(kept)])
    env.driver.power_off(guest.uuid, 0, 0)
    env.driver.detach_volume(guest, volumes.disk(kept))
    env.driver.attach_volume(guest, volumes.disk(kept))
    env.driver.destroy(guest)
    assert kept.id in volumes.driver.made()
    for _ in range(2):
        volumes.driver.delete(kept)
    assert kept.id not in volumes.driver.made()
