"""Resize and cold migration: the files, what a killed process leaves of them, and real definitions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.lab import PrivateLibvirt
from tests.lab.guests import blank_image, guest_spec, nic
from tests.virt_libvirt.killing import killed_at_each_line
from tuinova.core.errors import ComputeResourcesUnavailable, NovaError, ResizeError
from tuinova.core.states import PowerState
from tuinova.virt.driver import DriverError, GuestSpec, ImageFile
from tuinova.virt.libvirt import cold_migration, disks, layout, moved_disks, sparse
from tuinova.virt.libvirt.cold_migration import ColdMigrations
from tuinova.virt.libvirt.disks import GIB, GuestDisks
from tuinova.virt.libvirt.driver import LibvirtDriver
from tuinova.virt.libvirt.images import ImageCache
from tuinova.virt.libvirt.layout import InstanceFiles
from tuinova.virt.libvirt.moved_disks import MovedDisks
from tuinova.virt.libvirt.options import LibvirtOptions

MIB = 1 << 20


# files, without a hypervisor -----------------------------------------------------------------------------------------
class Machines:
    """In the place of `Guests` and its host: guests that are files only, always off."""

    def __init__(self, instances: Path) -> None:
        self.instances = instances
        self.host = self
        self.options = LibvirtOptions()
        self.cache = ImageCache(instances, self.options)
        self.cache.prepare()
        self.disks = GuestDisks(self.cache, self.options)

    def files(self, uuid: str) -> InstanceFiles:
        return InstanceFiles(self.instances, uuid)

    def find_or_none(self, uuid: str) -> None:
        return None

    def refuse_foreign(self, uuid: str) -> None:
        pass

    def redefine(self, guest: GuestSpec) -> None:
        self.disks.mend(guest, self.files(guest.uuid))

    hard_reboot = redefine

    def remove(self, uuid: str, *, keep_set_aside: bool = False) -> None:
        self.files(uuid).remove(keep_set_aside=keep_set_aside)


class World:
    """Two hosts' directories and a guest on the first, which `reset` puts back to the beginning."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "world"
        self.template = directory / "template"
        self.image = blank_image(directory / "image.qcow2", 4 * MIB)
        self.here, self.there = self.directory / "here", self.directory / "there"
        for path in (self.here, self.there):
            path.mkdir(parents=True)
        self.machines = {path: Machines(path) for path in (self.here, self.there)}
        self.guest = guest_spec(self.image, ephemeral_gb=1, swap_mb=16)
        self.new = replace(self.guest, root_gb=2, ephemeral_gb=2, swap_mb=32, memory_mb=256)
        files = self.machines[self.here].files(self.guest.uuid)
        files.make()
        self.machines[self.here].disks.create(self.guest, files)
        write(files.path("disk"), b"root's own")
        write(files.path("disk.local"), b"ephemeral's own")
        files.path("disk.config").write_bytes(b"the drive")
        files.console_log.write_bytes(b"the last words")
        self.keep()
        self.before = tree(self.here / self.guest.uuid)

    def keep(self) -> None:
        """What is now is the beginning; bases are not part of it, they stay."""
        shutil.rmtree(self.template, ignore_errors=True)
        for instances in {self.here, self.there}:
            for name in directories(instances):
                shutil.copytree(instances / name, self.template / instances.name / name)

    def reset(self) -> None:
        for instances in {self.here, self.there}:
            for name in directories(instances):
                shutil.rmtree(instances / name)
            if (self.template / instances.name).exists():
                shutil.copytree(self.template / instances.name, instances, dirs_exist_ok=True)

    def migrations(self, instances: Path) -> ColdMigrations:
        machines: Any = self.machines[instances]
        return ColdMigrations(machines, MovedDisks(machines.disks, machines.cache, machines.options))

    def migrate(self, instances: Path, told: Any = lambda *_: None) -> None:
        self.migrations(self.here).migrate(self.guest, self.new, {"instances": str(instances)}, 0, 1, told)

    def finish(self, instances: Path) -> None:
        self.migrations(instances).finish(self.new, power_on=True)

    def revert(self, instances: Path) -> None:
        self.migrations(instances).discard(self.new)
        self.roll_back()

    def roll_back(self) -> None:
        self.migrations(self.here).revert(self.guest, power_on=False)

    def assert_as_before(self) -> None:
        assert tree(self.here / self.guest.uuid) == self.before
        assert set(directories(self.here)) | set(directories(self.there)) == {self.guest.uuid}

    def assert_copied(self, instances: Path) -> None:
        copy, original = tree(instances / self.guest.uuid), tree(self.here / f"{self.guest.uuid}_resize")
        assert {name: copy[name] for name in ("disk", "disk.local", "disk.config", "console.log")} == {
            name: self.before[name] for name in ("disk", "disk.local", "disk.config", "console.log")
        }
        assert "disk.swap" not in copy
        assert {name: original[name] for name in self.before} == self.before

    def assert_resized(self, instances: Path) -> None:
        files = InstanceFiles(instances, self.guest.uuid)
        sizes = {name: disks.virtual_size(files.path(name)) for name in ("disk", "disk.local", "disk.swap")}
        assert sizes == {"disk": 2 * GIB, "disk.local": 2 * GIB, "disk.swap": 32 * MIB}
        assert read(files.path("disk"), 10) == b"root's own"
        assert read(files.path("disk.local"), 15) == b"ephemeral's own"
        for name in sizes:
            backing = disks.backing_file(files.path(name))
            assert backing is None or backing.parent == instances / "_base"
            assert backing is None or backing.exists()
        info = json.loads(files.path("disk.info").read_text())
        assert info == {str(files.path(name)): "qcow2" for name in sizes}


def write(path: Path, data: bytes) -> None:
    """Into a disk, where no file system's own data stands."""
    command = ["qemu-io", "-f", "qcow2", "-c", f"write -s {path}.data {512 * 1024} {len(data)}", str(path)]
    Path(f"{path}.data").write_bytes(data)
    subprocess.run(command, check=True, capture_output=True)
    Path(f"{path}.data").unlink()


def read(path: Path, length: int) -> bytes:
    """From there, through all that the disk stands on."""
    raw = path.with_name("read.raw")
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, raw], check=True)
    with raw.open("rb") as file:
        file.seek(512 * 1024)
        data = file.read(length)
    raw.unlink()
    return data


def tree(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def directories(instances: Path) -> list[str]:
    return [path.name for path in instances.iterdir() if path.name[0] != "_" and path.name != "locks"]


@pytest.fixture
def two() -> Iterator[World]:
    """Two hosts, in memory: these tests write thousands of files."""
    with tempfile.TemporaryDirectory(prefix="tuinova-", dir="/dev/shm") as name:
        yield World(Path(name))


@pytest.fixture(params=["same host", "another host"])
def world(two: World, request: pytest.FixtureRequest) -> World:
    """The same, and with source and destination one host."""
    if request.param == "same host":
        two.there = two.here
    return two


def test_a_move_there_and_back(world: World) -> None:
    world.migrate(world.there)
    world.assert_copied(world.there)
    world.migrate(world.there)
    world.finish(world.there)
    world.assert_resized(world.there)
    world.finish(world.there)
    world.assert_resized(world.there)
    world.revert(world.there)
    world.assert_as_before()
    world.roll_back()
    world.assert_as_before()


def test_a_confirmed_move_leaves_one_guest(world: World) -> None:
    world.migrate(world.there)
    world.finish(world.there)
    for _ in range(2):
        world.migrations(world.here).confirm(world.new, same_host=world.here == world.there)
    world.assert_resized(world.there)
    assert not list(world.there.glob("*/moved_*"))
    assert set(directories(world.here)) | set(directories(world.there)) == {world.guest.uuid}


def test_a_move_that_is_killed_at_any_line_can_be_repeated(world: World) -> None:
    killed = 0
    for line in killed_at_each_line(
        lambda: world.migrate(world.there), cold_migration, layout, sparse, before=world.reset
    ):
        killed = line
        world.migrate(world.there)
        world.assert_copied(world.there)
    assert killed > 50


def test_a_move_that_is_killed_at_any_line_can_be_rolled_back(world: World) -> None:
    """By the source; another host is told afterwards, and removes what the check had made before that."""
    for _ in killed_at_each_line(
        lambda: world.migrate(world.there), cold_migration, layout, sparse, before=world.reset
    ):
        world.roll_back()
        if world.there != world.here:
            world.migrations(world.there).discard(world.new)
        world.assert_as_before()


def test_finishing_that_is_killed_at_any_line_can_be_repeated_or_reverted(world: World) -> None:
    def prepare() -> None:
        world.reset()
        world.migrate(world.there)

    for line in killed_at_each_line(lambda: world.finish(world.there), cold_migration, moved_disks, before=prepare):
        if line % 2:
            world.finish(world.there)
            world.assert_resized(world.there)
        else:
            world.revert(world.there)
            world.assert_as_before()


def test_a_revert_that_is_killed_at_any_line_can_be_repeated(world: World) -> None:
    world.migrate(world.there)
    world.keep()
    for _ in killed_at_each_line(lambda: world.revert(world.there), cold_migration, layout, before=world.reset):
        world.revert(world.there)
        world.assert_as_before()


@pytest.mark.parametrize(
    "smaller", [{"root_gb": 1}, {"root_gb": 0}, {"ephemeral_gb": 0}], ids=["root", "no root", "ephemeral"]
)
def test_a_smaller_disk_is_refused_with_nothing_touched(two: World, smaller: dict[str, int]) -> None:
    two.guest = replace(two.guest, root_gb=2)
    two.new = replace(two.guest, **smaller)
    with pytest.raises(ResizeError, match=r"^Resize error: Unable to resize disk down\.$"):
        two.migrate(two.there)
    two.assert_as_before()


def test_an_image_larger_than_the_new_disk_is_refused(two: World) -> None:
    """The former flavor said 0: the image's own size."""
    disk = two.here / two.guest.uuid / "disk"
    subprocess.run(["qemu-img", "resize", "-q", "-f", "qcow2", str(disk), "3G"], check=True)
    two.before = tree(disk.parent)
    two.guest, two.new = replace(two.guest, root_gb=0), replace(two.new, root_gb=2)
    with pytest.raises(ResizeError, match="resize disk down"):
        two.migrate(two.there)
    two.assert_as_before()


def test_a_destination_that_can_not_be_written_is_refused_with_nothing_touched(two: World) -> None:
    shutil.rmtree(two.there)
    two.there.write_text("a file")
    with pytest.raises(ResizeError, match="can't be written"):
        two.migrate(two.there)
    two.there.unlink()
    with pytest.raises(ResizeError, match="can't be written"):
        two.migrate(two.there)
    two.there.mkdir()
    two.assert_as_before()


def test_files_of_the_guest_at_the_destination_are_not_overwritten(two: World) -> None:
    precious = two.there / two.guest.uuid / "disk"
    precious.parent.mkdir()
    precious.write_text("precious")
    with pytest.raises(ResizeError, match="has files of this guest already"):
        two.migrate(two.there)
    assert precious.read_text() == "precious"
    assert tree(two.here / two.guest.uuid) == two.before


def test_too_little_room_is_refused_before_the_guest_is_touched(two: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse, "can_clone", lambda *_: False)
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result((4096, 4096, 9, 1, 1, 9, 9, 9, 0, 255)))
    with pytest.raises(ResizeError, match="has 4096 bytes free"):
        two.migrate(two.there)
    two.assert_as_before()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small file system")
def test_a_disk_that_fills_up_puts_everything_back(two: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse, "can_clone", lambda *_: True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(two.there)], check=True)
    try:
        with pytest.raises(ComputeResourcesUnavailable, match="is full"):
            two.migrate(two.there)
        assert directories(two.there) == []
    finally:
        subprocess.run(["umount", str(two.there)], check=True)
    two.assert_as_before()


def test_what_progress_raises_ends_the_move(two: World) -> None:
    seen: list[tuple[int, int]] = []

    def told(done: int, total: int) -> None:
        seen.append((done, total))
        if done:
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        two.migrate(two.there, told)
    assert seen[0][0] == 0 < seen[0][1]
    two.assert_as_before()


def test_progress_ends_at_the_whole(two: World) -> None:
    seen: list[tuple[int, int]] = []
    two.migrate(two.there, lambda *step: seen.append(step))
    assert seen == sorted(seen)
    assert len({total for _, total in seen}) == 1
    assert seen[-1][0] == seen[-1][1] > 0


# bases of another host -----------------------------------------------------------------------------------------------
def test_without_its_image_the_base_comes_from_the_other_host(two: World) -> None:
    two.image.path.unlink()
    two.migrate(two.there)
    two.finish(two.there)
    two.assert_resized(two.there)


def test_without_image_and_base_nothing_is_invented(two: World) -> None:
    two.image.path.unlink()
    two.migrate(two.there)
    for path in (two.here / "_base").iterdir():
        path.unlink()
    with pytest.raises(DriverError, match="neither the image"):
        two.finish(two.there)


def test_a_base_of_another_size_is_not_taken_for_the_image(two: World) -> None:
    two.migrate(two.there)
    other = two.machines[two.there].cache.base(two.image).path
    other.write_bytes(b"something else")
    with pytest.raises(DriverError, match="is not the image that"):
        two.finish(two.there)
    assert disks.backing_file(two.there / two.guest.uuid / "disk") == two.here / "_base" / other.name


def test_an_ephemeral_disk_whose_base_differs_here_becomes_whole(two: World) -> None:
    two.machines[two.there].disks.base_named("ephemeral_1_ext4").path.write_bytes(b"\x01" * GIB.bit_length())
    two.migrate(two.there)
    two.finish(two.there)
    two.assert_resized(two.there)
    assert disks.backing_file(two.there / two.guest.uuid / "disk.local") is None


def test_ephemeral_bases_of_two_hosts_are_the_same(two: World) -> None:
    two.migrate(two.there)
    two.finish(two.there)
    assert disks.backing_file(two.there / two.guest.uuid / "disk.local") == two.there / "_base" / "ephemeral_1_ext4"


def test_an_ephemeral_base_that_went_missing_after_the_disk_grew_is_the_one_it_stood_on(two: World) -> None:
    two.migrate(two.here)
    two.finish(two.here)
    base = two.here / "_base" / "ephemeral_1_ext4"
    base.rename(two.directory / "before")
    two.machines[two.here].redefine(two.new)
    assert sparse.same_content(base, two.directory / "before")


def test_a_disk_that_names_any_other_file_is_refused(two: World) -> None:
    """A guest that broke out of its machine can write that into its disk."""
    disk = two.here / two.guest.uuid / "disk"
    subprocess.run(["qemu-img", "rebase", "-u", "-F", "raw", "-b", "/etc/passwd", str(disk)], check=True)
    two.migrate(two.there)
    with pytest.raises(DriverError, match="which is no image of this host"):
        two.finish(two.there)


def test_a_disk_that_was_not_brought_is_missed_not_made_anew(two: World) -> None:
    two.migrate(two.there)
    (two.there / two.guest.uuid / "disk.local").unlink()
    with pytest.raises(DriverError, match=r"disk\.local is missing"):
        two.finish(two.there)


# real definitions ----------------------------------------------------------------------------------------------------
def definition(lab: PrivateLibvirt, guest: GuestSpec) -> Mapping[str, object]:
    root = ET.fromstring(lab.virsh("dumpxml", "--inactive", guest.uuid).stdout)
    sources = [Path(str(source.get("file"))).name for source in root.findall("./devices/disk/source")]
    return {"memory": int(root.findtext("memory", "0")) // 1024, "disks": sources}


@pytest.fixture
def blank(instances_path: Path) -> ImageFile:
    return blank_image(instances_path / "blank.qcow2")


@pytest.mark.integration
def test_a_real_guest_is_resized_and_goes_back(
    private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver, blank: ImageFile
) -> None:
    driver, lab = libvirt_driver, private_libvirt
    guest = guest_spec(blank, nics=[nic(70)])
    new = replace(guest, memory_mb=192, root_gb=2, swap_mb=16)
    driver.spawn(guest)
    with pytest.raises(ResizeError):
        driver.migrate_disk_and_power_off(guest, replace(new, root_gb=0), driver.migration_address(), 1, 1, pass_by)
    assert driver.guest_info(guest.uuid).state is PowerState.RUNNING
    driver.migrate_disk_and_power_off(guest, new, driver.migration_address(), 0, 1, pass_by)
    assert driver.guest_info(guest.uuid).state is PowerState.SHUTDOWN
    assert driver.leftovers() == {}
    driver.finish_migration(new, power_on=True)
    number = driver.guest_info(guest.uuid).hypervisor_id
    driver.finish_migration(new, power_on=True)
    assert driver.guest_info(guest.uuid).hypervisor_id == number
    driver.migrate_disk_and_power_off(guest, new, driver.migration_address(), 0, 1, pass_by)
    assert driver.guest_info(guest.uuid).hypervisor_id == number
    assert definition(lab, guest) == {"memory": 192, "disks": ["disk", "disk.swap"]}
    driver.discard_migrated(new)
    assert driver.leftovers() == {guest.uuid: ["directory"]}
    driver.finish_revert_migration(guest, power_on=True)
    assert driver.guest_info(guest.uuid).state is PowerState.RUNNING
    assert definition(lab, guest) == {"memory": 128, "disks": ["disk"]}
    driver.migrate_disk_and_power_off(guest, new, driver.migration_address(), 0, 1, pass_by)
    driver.finish_migration(new, power_on=False)
    assert driver.guest_info(guest.uuid).state is PowerState.SHUTDOWN
    driver.confirm_migration(new, same_host=True)
    driver.power_on(new)
    driver.destroy(new)
    assert list(driver.instances.glob(f"{guest.uuid}*")) == []


@pytest.mark.integration
def test_deleting_takes_what_was_set_aside(libvirt_driver: LibvirtDriver, blank: ImageFile) -> None:
    guest = guest_spec(blank)
    libvirt_driver.spawn(guest)
    libvirt_driver.migrate_disk_and_power_off(guest, guest, libvirt_driver.migration_address(), 0, 1, pass_by)
    libvirt_driver.cleanup(guest.uuid)
    assert list(libvirt_driver.instances.glob(f"{guest.uuid}*")) == []
    with pytest.raises(NovaError):
        libvirt_driver.finish_migration(guest, power_on=True)


def pass_by(*_: int) -> None:
    """Progress that nobody looks at."""
