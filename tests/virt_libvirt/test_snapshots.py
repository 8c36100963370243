"""Snapshots of real guests: whole files, a guest that runs on, and nothing left of what was interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab import PrivateLibvirt
from tests.lab.guests import blank_image, guest_spec
from tuinova.core.errors import ImageStorageFull
from tuinova.core.image_store import ImageStore
from tuinova.core.states import PowerState
from tuinova.virt.driver import DriverError, GuestSpec, ImageFile
from tuinova.virt.libvirt import qemu_img
from tuinova.virt.libvirt.driver import LibvirtDriver
from tuinova.virt.libvirt.options import LibvirtOptions
from tuinova.virt.libvirt.snapshots import backup_job

MIB = 1 << 20
DATA = bytes(range(256)) * 4096
ROOT = Path(__file__).parents[2]


def pass_by(*_: int) -> None:
    """Progress that nobody looks at."""


# without a hypervisor ------------------------------------------------------------------------------------------------
def full_image(path: Path, mebibytes: int) -> ImageFile:
    """A raw disk without holes."""
    path.write_bytes(DATA * mebibytes)
    return ImageFile(str(path), path, "raw", path.stat().st_size)


def test_only_the_root_disk_is_copied() -> None:
    def disk(file: str, target: str, more: str = "") -> str:
        return f"<disk><source file='{file}'/><target dev='{target}'/>{more}</disk>"

    xml = f"<domain><devices>{disk('/i/disk', 'vda')}{disk('/i/disk.swap', 'vdb')}<disk/></devices></domain>"
    job = backup_job(xml, Path("/i/disk"), Path("/s/a&b"))
    assert job is not None
    assert '<disk name="vda" backup="yes" type="file">' in job
    assert '<target file="/s/a&amp;b" />' in job
    assert '<disk name="vdb" backup="no" />' in job
    disc = f"<domain><devices>{disk('/i/disk', 'hda', '<readonly/>')}</devices></domain>"
    assert backup_job(disc, Path("/i/disk"), Path("/s/x")) is None


def test_a_conversion_tells_how_far_it_is_and_ends_when_told(tmp_path: Path) -> None:
    image = full_image(tmp_path / "disk.raw", 16)
    target, seen = tmp_path / "copy.qcow2", []
    qemu_img.convert_whole(image.path, "raw", target, "qcow2", image.size, 60, lambda *step: seen.append(step))
    assert seen == sorted(seen)
    assert seen[-1] == (image.size, image.size)
    target.unlink()

    def stop(done: int, total: int) -> None:
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        qemu_img.convert_whole(image.path, "raw", target, "qcow2", image.size, 60, stop)
    assert not target.exists()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    path = tmp_path / "small"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=755", "tmpfs", str(path)], check=True)
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small file system")
def test_a_conversion_to_a_full_disk_leaves_nothing(tmp_path: Path, small: Path) -> None:
    image = full_image(tmp_path / "disk.raw", 8)
    with pytest.raises(Exception, match="is full"):
        qemu_img.convert_whole(image.path, "raw", small / "copy", "qcow2", image.size, 60, pass_by)
    assert list(small.iterdir()) == []


# real guests ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def full(instances_path: Path) -> ImageFile:
    """Enough data that copying it takes a moment."""
    return full_image(instances_path / "full.raw", 96)


def contents(path: Path, fmt: str) -> bytes:
    """The first mebibyte that a guest would read."""
    raw = path.with_name("read.raw")
    subprocess.run(
        ["qemu-img", "dd", "-f", fmt, "-O", "raw", "bs=1M", "count=1", f"if={path}", f"of={raw}"], check=True
    )
    data = raw.read_bytes()
    raw.unlink()
    return data


def left(driver: LibvirtDriver) -> list[str]:
    return [path.name for path in (driver.instances / "snapshots").iterdir()]


STATES: dict[str, Callable[[LibvirtDriver, GuestSpec], None]] = {
    "running": lambda driver, guest: None,
    "paused": lambda driver, guest: driver.pause(guest.uuid),
    "suspended": lambda driver, guest: driver.suspend(guest.uuid),
    "off": lambda driver, guest: driver.power_off(guest.uuid, 0, 1),
}


@pytest.mark.integration
@pytest.mark.parametrize("fmt", [None, "raw"])
def test_a_snapshot_is_whole_and_the_guest_stays_as_it_is(
    private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver, tmp_path: Path, full: ImageFile, fmt: str | None
) -> None:
    store = ImageStore(tmp_path / "store")
    guest = guest_spec(full, root_gb=0)
    libvirt_driver.spawn(guest)
    for state, bring_to in STATES.items():
        bring_to(libvirt_driver, guest)
        before = libvirt_driver.guest_info(guest.uuid)
        target, seen = tmp_path / state, []
        made = libvirt_driver.snapshot(guest, target, fmt, lambda *step, seen=seen: seen.append(step))
        assert made == (fmt or "qcow2")
        assert libvirt_driver.guest_info(guest.uuid) == before
        assert "Persistent:     yes" in private_libvirt.virsh("dominfo", guest.uuid).stdout
        assert contents(target, made) == DATA
        assert target.stat().st_blocks * 512 < 128 * MIB
        stored = store.write(state, iter([target.read_bytes()]), made)
        assert stored.virtual_size == 96 * MIB
        assert seen == sorted(seen)
        assert seen[-1][0] == seen[-1][1]
        assert left(libvirt_driver) == []
        if state == "suspended":
            libvirt_driver.resume(guest)


@pytest.mark.integration
def test_a_snapshot_that_is_told_to_stop_leaves_nothing(
    libvirt_driver: LibvirtDriver, tmp_path: Path, full: ImageFile
) -> None:
    def stop(*_: int) -> None:
        raise ValueError("enough")

    guest = guest_spec(full)
    libvirt_driver.spawn(guest)
    for _ in range(2):
        with pytest.raises(ValueError, match="enough"):
            libvirt_driver.snapshot(guest, tmp_path / "copy", None, stop)
        assert not (tmp_path / "copy").exists()
        assert left(libvirt_driver) == []
    with pytest.raises(DriverError, match="can't be of format 'vmdk'"):
        libvirt_driver.snapshot(guest, tmp_path / "copy", "vmdk", pass_by)
    libvirt_driver.snapshot(guest, tmp_path / "copy", None, pass_by)


KILLED = """
import os, signal, sys
from pathlib import Path
from dataclasses import replace
from tests.lab.guests import guest_spec
from tuinova.virt.driver import ImageFile
from tuinova.virt.libvirt.driver import LibvirtDriver
uri, instances, uuid, image, target = sys.argv[1:]
driver = LibvirtDriver(host="h", uri=uri, instances_path=Path(instances))
driver.init_host(lambda *_: None, lambda *_: None)
guest = guest_spec(ImageFile(image, Path(image), "raw", 1), uuid=uuid)
driver.snapshot(guest, Path(target), None, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.mark.integration
@pytest.mark.parametrize("cured_by", ["init_host", "the next snapshot", "cleanup"])
def test_a_snapshot_whose_caller_was_killed_leaves_the_guest_alone(
    private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver, tmp_path: Path, full: ImageFile, cured_by: str
) -> None:
    driver, guest, target = libvirt_driver, guest_spec(full), tmp_path / "copy"
    driver.spawn(guest)
    arguments = [private_libvirt.uri, str(driver.instances), guest.uuid, str(full.path), str(target)]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert driver.guest_info(guest.uuid).state is PowerState.RUNNING
    assert f"{guest.uuid}.json" in left(driver)
    if cured_by == "init_host":
        again = LibvirtDriver(host="h", uri=private_libvirt.uri, instances_path=driver.instances)
        again.init_host(lambda *_: None, lambda *_: None)
        again.close()
    elif cured_by == "cleanup":
        driver.cleanup(guest.uuid)
    else:
        driver.snapshot(guest, tmp_path / "another", None, pass_by)
        assert contents(tmp_path / "another", "qcow2") == DATA
    assert left(driver) == []
    assert not target.exists()
    if cured_by != "cleanup":
        assert "None" in private_libvirt.virsh("domjobinfo", guest.uuid).stdout
        driver.suspend(guest.uuid)
        driver.resume(guest)


@pytest.mark.integration
def test_a_guest_that_goes_off_meanwhile_is_copied_as_it_was_left(
    private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver, tmp_path: Path, full: ImageFile
) -> None:
    guest = guest_spec(full)
    libvirt_driver.spawn(guest)
    libvirt_driver.snapshot(
        guest, tmp_path / "copy", None, lambda *_: private_libvirt.virsh("destroy", guest.uuid, check=False) and None
    )
    assert libvirt_driver.guest_info(guest.uuid).state is PowerState.SHUTDOWN
    assert contents(tmp_path / "copy", "qcow2") == DATA
    assert left(libvirt_driver) == []


@pytest.mark.integration
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small file system")
def test_a_full_disk_fails_the_snapshot_and_not_the_guest() -> None:
    """A libvirt of its own: a mount must be there before libvirt's namespace is made."""
    with tempfile.TemporaryDirectory(prefix="tn-full-", dir="/tmp") as name:
        small, target = Path(name) / "small", Path(name) / "copy"
        Path(name).chmod(0o755)
        small.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=755", "tmpfs", str(small)], check=True)
        try:
            with PrivateLibvirt() as lab:
                options = LibvirtOptions(snapshots_directory=str(small / "snapshots"))
                driver = LibvirtDriver(host="h", uri=lab.uri, instances_path=lab.instances, options=options)
                driver.init_host(lambda *_: None, lambda *_: None)
                guest = guest_spec(full_image(lab.instances / "full.raw", 64))
                driver.spawn(guest)
                for state in ("running", "off"):
                    STATES[state](driver, guest)
                    before = driver.guest_info(guest.uuid)
                    with pytest.raises(ImageStorageFull):
                        driver.snapshot(guest, target if state == "running" else small / "copy", None, pass_by)
                    assert driver.guest_info(guest.uuid) == before
                    assert [path.name for path in small.rglob("*")] == ["snapshots"]
                driver.close()
        finally:
            subprocess.run(["umount", "-l", str(small)], check=True)


@pytest.mark.integration
def test_a_disk_that_names_any_other_file_is_not_copied(
    libvirt_driver: LibvirtDriver, instances_path: Path, tmp_path: Path
) -> None:
    guest = guest_spec(blank_image(instances_path / "blank.qcow2"))
    libvirt_driver.spawn(guest)
    libvirt_driver.power_off(guest.uuid, 0, 1)
    disk = instances_path / guest.uuid / "disk"
    subprocess.run(["qemu-img", "rebase", "-u", "-F", "raw", "-b", "/etc/passwd", str(disk)], check=True)
    with pytest.raises(DriverError, match="no image of this host"):
        libvirt_driver.snapshot(guest, tmp_path / "copy", None, pass_by)
    assert not (tmp_path / "copy").exists()
