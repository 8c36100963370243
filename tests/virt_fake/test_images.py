"""Snapshots of fake guests are images that the image store takes, and rescues leave the guest's own disk alone."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuinova.core.errors import ImageStorageFull, NotSupported
from tuinova.core.image_store import ImageStore
from tuinova.core.states import PowerState
from tuinova.virt.driver import BootImages, DriverError, GuestNotFound, GuestSpec, ImageFile, LifecycleEvent
from tuinova.virt.fake import FakeDriver, disk_file

Spec = Callable[..., GuestSpec]
STARTED, STOPPED = LifecycleEvent.STARTED, LifecycleEvent.STOPPED
LOGIN = b"cirros\rgocubsgo\r"


def quiet(*_: Any) -> None:
    return None


def write_note(driver: FakeDriver, guest: GuestSpec, text: str, sink: Any) -> None:
    stream = driver.open_console(guest.uuid, sink)
    stream.write(LOGIN + f"echo {text} > note\r".encode())
    stream.close()


def note_of(driver: FakeDriver, guest: GuestSpec, role: str = "root") -> str | None:
    return driver.store.load(guest.uuid).contents.get(role, {}).get("/home/cirros/note")


def image_of(path: Path, disk_format: str = "qcow2", **properties: str) -> ImageFile:
    return ImageFile(path.name, path, disk_format, path.stat().st_size, properties=properties)


@pytest.mark.parametrize(("disk_format", "written"), [(None, "qcow2"), ("qcow2", "qcow2"), ("raw", "raw")])
@pytest.mark.parametrize("state", ["running", "paused", "off", "suspended"])
def test_a_snapshot_is_an_image_that_brings_the_files_back(
    driver: FakeDriver, spec: Spec, sink: Any, tmp_path: Path, disk_format: str | None, written: str, state: str
) -> None:
    guest, target = spec(root_gb=3), tmp_path / "target"
    driver.spawn(guest)
    write_note(driver, guest, "kept", sink)
    if state == "paused":
        driver.pause(guest.uuid)
    elif state == "off":
        driver.power_off(guest.uuid, 0, 0)
    elif state == "suspended":
        driver.suspend(guest.uuid)
    before = driver.guest_info(guest.uuid)
    told: list[tuple[int, int]] = []
    assert driver.snapshot(guest, target, disk_format, lambda *amounts: told.append(amounts)) == written
    assert driver.guest_info(guest.uuid) == before
    assert told[-1] == (target.stat().st_size, target.stat().st_size)
    assert len(told) > 1
    assert told == sorted(told)
    store = ImageStore(tmp_path / "store")
    stored = store.write("snapshot", [target.read_bytes()], written)
    assert stored.virtual_size == (3 << 30 if written == "qcow2" else target.stat().st_size)
    second = spec(image=image_of(store.path("snapshot"), written), root_gb=0)
    driver.spawn(second)
    assert note_of(driver, second) == "kept\n"
    assert driver.disks_of(second.uuid)[0].size == 3 << 30


def test_what_is_written_after_the_snapshot_is_in_neither_the_image_nor_the_other_guest(
    driver: FakeDriver, spec: Spec, make_sink: Any, tmp_path: Path
) -> None:
    guest, target = spec(), tmp_path / "target"
    driver.spawn(guest)
    write_note(driver, guest, "first", make_sink())
    driver.snapshot(guest, target, None, quiet)
    write_note(driver, guest, "second", make_sink())
    second = spec(image=image_of(target))
    driver.spawn(second)
    assert (note_of(driver, guest), note_of(driver, second)) == ("second\n", "first\n")


@pytest.mark.integration
@pytest.mark.parametrize("size", [1 << 20, 1 << 30, 160 << 30, 600_000 << 30])
def test_qemu_finds_no_fault_in_the_qcow2(tmp_path: Path, size: int) -> None:
    path = tmp_path / "disk.qcow2"
    path.write_bytes(disk_file.pack(disk_file.DiskContent(size, {"/x": os.urandom(50_000).hex()}), "qcow2"))
    subprocess.run(["qemu-img", "check", str(path)], check=True, capture_output=True)
    copied = tmp_path / "copy.qcow2"
    if size <= 1 << 30:
        command = ["qemu-img", "convert", "-O", "qcow2", str(path), str(copied)]
        subprocess.run(command, check=True, capture_output=True)
        assert disk_file.unpack(copied, 0) == disk_file.unpack(path, 0)


@pytest.mark.parametrize("when", ["before", "middle", "after"])
def test_a_snapshot_that_fails_leaves_no_file_and_the_guest_as_it_was(
    driver: FakeDriver, spec: Spec, tmp_path: Path, when: str
) -> None:
    guest, target = spec(), tmp_path / "target"
    driver.spawn(guest)
    before = driver.guest_info(guest.uuid)
    driver.faults.order("snapshot", {"when": when, "times": 1})
    with pytest.raises(DriverError):
        driver.snapshot(guest, target, None, quiet)
    assert not target.exists()
    assert list((driver.directory / "snapshots").glob("*")) == []
    assert driver.guest_info(guest.uuid) == before
    driver.snapshot(guest, target, None, quiet)
    driver.snapshot(guest, target, None, quiet)


def test_what_progress_raises_ends_the_snapshot(driver: FakeDriver, spec: Spec, tmp_path: Path) -> None:
    guest, target = spec(), tmp_path / "target"
    driver.spawn(guest)

    def enough(done: int, total: int) -> None:
        if done > total // 2:
            raise InterruptedError("enough")

    with pytest.raises(InterruptedError, match="enough"):
        driver.snapshot(guest, target, None, enough)
    assert not target.exists()
    assert list((driver.directory / "snapshots").iterdir()) == []


def test_a_full_disk_is_novas_error(
    driver: FakeDriver, spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = spec()
    driver.spawn(guest)
    with pytest.raises(DriverError, match="can't be written"):
        driver.snapshot(guest, tmp_path / "no" / "such" / "place", None, quiet)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tuinova.virt.fake.snapshots._move", full)
    with pytest.raises(ImageStorageFull, match="No space left"):
        driver.snapshot(guest, tmp_path / "target", None, quiet)
    assert list((driver.directory / "snapshots").iterdir()) == []


def test_a_format_that_is_not_written_is_refused(driver: FakeDriver, spec: Spec, tmp_path: Path) -> None:
    guest = spec()
    driver.spawn(guest)
    with pytest.raises(NotSupported, match="vmdk"):
        driver.snapshot(guest, tmp_path / "target", "vmdk", quiet)
    with pytest.raises(GuestNotFound):
        driver.snapshot(spec(), tmp_path / "target", None, quiet)


def test_a_snapshot_takes_its_time_and_ends_when_the_driver_is_closed(
    make_driver: Callable[..., FakeDriver], spec: Spec, tmp_path: Path
) -> None:
    driver = make_driver(copy_seconds=60.0)
    guest = spec()
    driver.spawn(guest)
    driver.faults.closed.set()
    with pytest.raises(DriverError, match="closed"):
        driver.snapshot(guest, tmp_path / "target", None, quiet)


def _hostile(data: bytes) -> list[bytes]:
    at = data.index(b"tuinova fake guest disk")
    return [
        data[:at] + data[at : at + 600] + b"\xff" * (len(data) - at - 600),
        data[: at + 24] + b"\xff" * 24 + data[at + 48 :],
        data[: at + 100],
        data[:100],
        b"QFI\xfb" + b"\xff" * 4096,
        b"",
    ]


@pytest.mark.parametrize("disk_format", ["qcow2", "raw"])
@pytest.mark.parametrize("number", range(6))
def test_an_image_that_is_not_whole_is_a_disk_without_files(
    driver: FakeDriver, spec: Spec, tmp_path: Path, disk_format: str, number: int
) -> None:
    path = tmp_path / f"bad-{number}"
    path.write_bytes(
        _hostile(disk_file.pack(disk_file.DiskContent(1 << 30, {"/x": os.urandom(5000).hex()}), disk_format))[number]
    )
    guest = spec(image=image_of(path, disk_format))
    driver.spawn(guest)
    assert driver.store.load(guest.uuid).contents == {}


def test_a_guests_words_cannot_make_its_snapshot_another_format(tmp_path: Path) -> None:
    words = {f"/{number}": "CD001\x01conectix# Disk DescriptorFile QFI\xfb" * 200 for number in range(12)}
    for disk_format in disk_file.FORMATS:
        data = disk_file.pack(disk_file.DiskContent(1 << 30, words), disk_format)
        ImageStore(tmp_path / disk_format).write("words", [data], disk_format)


# rescue --------------------------------------------------------------------------------------------------------------
@pytest.fixture
def rescue_image(tmp_path: Path) -> ImageFile:
    path = tmp_path / "rescue"
    path.write_bytes(disk_file.pack(disk_file.DiskContent(2 << 30, {"/home/cirros/tool": "t\n"}), "qcow2"))
    return image_of(path)


def roles(driver: FakeDriver, guest: GuestSpec) -> list[tuple[str, str]]:
    return [(disk.name, disk.role) for disk in driver.disks_of(guest.uuid)]


def test_a_rescued_guest_boots_from_the_rescue_disk_and_can_mend_its_own(
    driver: FakeDriver, spec: Spec, make_sink: Any, told: list[Any], wait_until: Callable[..., None], rescue_image: Any
) -> None:
    guest = spec(ephemeral_gb=1, swap_mb=64)
    driver.spawn(guest)
    write_note(driver, guest, "broken", make_sink())
    assert roles(driver, guest) == [("vda", "root"), ("vdb", "ephemeral"), ("vdc", "swap")]
    driver.power_off(guest.uuid, 0, 0)
    driver.rescue(guest, BootImages(rescue_image))
    assert roles(driver, guest) == [("vda", "rescue"), ("vdb", "root")]
    assert b"[vda] 4194304 512-byte logical blocks (2 GiB), [vdb] 2097152" in driver.console_output(guest.uuid)
    sink = make_sink()
    stream = driver.open_console(guest.uuid, sink)
    stream.write(LOGIN + b"ls; cat note; sudo mount /dev/vdb1 /mnt; cat /mnt/home/cirros/note\r")
    stream.write(b"echo mine > note; sudo sh -c 'echo mended > /mnt/home/cirros/note'\r")
    wait_until(lambda: b"can't open 'note'" in sink.received and b"broken" in sink.received)
    driver.unrescue(guest)
    driver.unrescue(guest)
    assert roles(driver, guest) == [("vda", "root"), ("vdb", "ephemeral"), ("vdc", "swap")]
    assert driver.guest_info(guest.uuid).state is PowerState.RUNNING
    assert driver.store.load(guest.uuid).contents == {"root": {"/home/cirros/note": "mended\n"}}
    wait_until(lambda: len(told) == 5)
    assert [event for _, _, event in told] == [STARTED, STOPPED, STARTED, STOPPED, STARTED]


def test_a_second_rescue_begins_from_a_fresh_disk(driver: FakeDriver, spec: Spec, sink: Any, rescue_image: Any) -> None:
    guest = spec()
    driver.spawn(guest)
    driver.power_off(guest.uuid, 0, 0)
    driver.rescue(guest, BootImages(rescue_image))
    write_note(driver, guest, "scribble", sink)
    assert note_of(driver, guest, "rescue") == "scribble\n"
    driver.rescue(guest, BootImages(rescue_image))
    assert note_of(driver, guest, "rescue") is None


def test_a_stable_device_rescue_leaves_every_disk_where_it_was(
    driver: FakeDriver, spec: Spec, rescue_image: Any
) -> None:
    guest = spec(ephemeral_gb=1)
    driver.spawn(guest)
    driver.power_off(guest.uuid, 0, 0)
    stable = image_of(rescue_image.path, hw_rescue_bus="virtio")
    driver.rescue(guest, BootImages(stable))
    assert roles(driver, guest) == [("vda", "root"), ("vdb", "ephemeral"), ("vdc", "rescue")]


def test_after_a_host_boot_a_rescued_guest_is_rescued_again(
    driver: FakeDriver, spec: Spec, sink: Any, rescue_image: Any
) -> None:
    guest = spec()
    driver.spawn(guest)
    driver.power_off(guest.uuid, 0, 0)
    driver.rescue(guest, BootImages(rescue_image))
    write_note(driver, guest, "on the rescue disk", sink)
    driver.power_off(guest.uuid, 0, 0)
    driver.resume_state_on_host_boot(guest)
    assert roles(driver, guest) == [("vda", "rescue"), ("vdb", "root")]
    assert note_of(driver, guest, "rescue") == "on the rescue disk\n"


@pytest.mark.parametrize("when", ["before", "middle", "after"])
@pytest.mark.parametrize("was_rescued", [False, True])
def test_a_rescue_that_fails_leaves_the_guest_off_and_as_it_was(
    driver: FakeDriver, spec: Spec, sink: Any, rescue_image: Any, when: str, was_rescued: bool
) -> None:
    guest = spec(config_drive=True, config_drive_files=lambda: {"openstack/latest/meta_data.json": b"{}"})
    driver.spawn(guest)
    driver.power_off(guest.uuid, 0, 0)
    if was_rescued:
        driver.rescue(guest, BootImages(rescue_image))
        write_note(driver, guest, "scribble", sink)
        driver.power_off(guest.uuid, 0, 0)
    before = driver.store.load(guest.uuid)
    driver.faults.order("rescue", {"when": when})
    with pytest.raises(DriverError):
        driver.rescue(guest, BootImages(rescue_image))
    after = driver.store.load(guest.uuid)
    assert after.power is PowerState.SHUTDOWN
    assert (after.rescue, after.contents) == (before.rescue, before.contents)
    drive = driver.directory / "guests" / guest.uuid / "disk.config.rescue"
    assert drive.exists() is was_rescued
    driver.faults.order("rescue", None)
    driver.rescue(guest, BootImages(rescue_image))
    driver.destroy(guest)
    assert list((driver.directory / "guests").iterdir()) == []


def test_the_rescue_has_a_drive_and_a_password_of_its_own(
    driver: FakeDriver, spec: Spec, sink: Any, wait_until: Callable[..., None], rescue_image: Any
) -> None:
    def drive(password: str) -> dict[str, Any]:
        text = b'{"admin_pass": "%s"}' % password.encode()
        return {"config_drive": True, "config_drive_files": lambda: {"openstack/latest/meta_data.json": text}}

    guest = spec(**drive("own"))
    driver.spawn(guest)
    driver.power_off(guest.uuid, 0, 0)
    driver.rescue(spec(uuid=guest.uuid, **drive("rescue")), BootImages(rescue_image))
    directory = driver.directory / "guests" / guest.uuid
    assert b"rescue" in (directory / "disk.config.rescue/openstack/latest/meta_data.json").read_bytes()
    assert b"own" in (directory / "disk.config/openstack/latest/meta_data.json").read_bytes()
    stream = driver.open_console(guest.uuid, sink)
    stream.write(b"root\rown\rroot\rrescue\r")
    wait_until(lambda: b"Login incorrect" in sink.received and b"# " in sink.received)
    driver.unrescue(guest)
    assert not (directory / "disk.config.rescue").exists()
