"""Volumes that are files: what is made, what is refused, and that a failure leaves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.guests import blank_image
from tuinova.core.errors import ComputeResourcesUnavailable, ImageStorageFull, ImageUnacceptable, InvalidConfig
from tuinova.virt.driver import DriverError, ImageFile
from tuinova.virt.libvirt import disks
from tuinova.virt.libvirt.volume_options import BackendOptions, VolumeOptions, read_backends
from tuinova.virt.libvirt.volumes import LibvirtVolumeDriver
from tuinova.virt.volumes import VolumeSource, VolumeSpec

MIB, GIB = 1 << 20, 1 << 30
ROOT = Path(__file__).parents[2]


def quiet(*_: int) -> None:
    return None


def place(directory: Path, fmt: str = "qcow2") -> LibvirtVolumeDriver:
    driver = LibvirtVolumeDriver(VolumeOptions((BackendOptions("file", "file", directory, fmt),)))
    driver.start()
    return driver


@pytest.fixture
def driver(tmp_path: Path) -> LibvirtVolumeDriver:
    return place(tmp_path / "volumes")


@pytest.fixture
def image(tmp_path: Path) -> ImageFile:
    """A disk of 16 MiB with something on it."""
    path = tmp_path / "image.raw"
    path.write_bytes(b"from the image".ljust(16 * MIB, b"\0"))
    return ImageFile("image-1", path, "raw", path.stat().st_size)


def spec(size_gb: int = 1, backend: str = "file") -> VolumeSpec:
    return VolumeSpec(str(uuid.uuid4()), backend, size_gb)


def path_of(driver: LibvirtVolumeDriver, volume: VolumeSpec) -> Path:
    return Path(driver.connection(volume)["path"])


def text(path: Path, fmt: str, count: int = 14) -> bytes:
    """What a guest would read first."""
    out = path.with_name("read.raw")
    subprocess.run(
        ["qemu-img", "dd", "-f", fmt, "-O", "raw", "bs=512", "count=1", f"if={path}", f"of={out}"], check=True
    )
    data = out.read_bytes()[:count]
    out.unlink()
    return data


def write(path: Path, fmt: str, data: bytes) -> None:
    """As a guest would."""
    pattern = path.with_name("pattern")
    pattern.write_bytes(data.ljust(512, b"\0"))
    subprocess.run(
        ["qemu-io", "-f", fmt, "-c", f"write -s {pattern} 0 512", str(path)], check=True, capture_output=True
    )
    pattern.unlink()


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


# making --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("fmt", ["qcow2", "raw"])
def test_a_volume_has_its_size_its_images_data_and_no_more_than_it_needs(
    tmp_path: Path, image: ImageFile, fmt: str
) -> None:
    driver = place(tmp_path / "volumes", fmt)
    empty, made, seen = spec(2), spec(3), []
    driver.create(empty, None, quiet)
    for _ in range(2):
        driver.create(made, VolumeSource(image=image), lambda *step: seen.append(step))
    for volume in (empty, made):
        path = path_of(driver, volume)
        assert driver.connection(volume) == {"type": "file", "path": str(path), "format": fmt}
        assert disks.virtual_size(path) == volume.size_gb * GIB
        assert path.stat().st_blocks * 512 < 32 * MIB
        assert path.stat().st_mode & 0o777 == 0o600
        assert disks.backing_file(path) is None
    assert text(path_of(driver, made), fmt) == b"from the image"
    assert seen == sorted(seen)
    assert seen[-1] == (16 * MIB, 16 * MIB)
    backend = driver.backends()[0]
    assert (backend.name, backend.kind, backend.format) == ("file", "file", fmt)
    assert 0 < backend.free_gb < backend.total_gb


def test_copies_stand_alone_whatever_goes_first(driver: LibvirtVolumeDriver, image: ImageFile) -> None:
    volume, clone, again = spec(), spec(2), spec(2)
    driver.create(volume, VolumeSource(image=image), quiet)
    key = str(uuid.uuid4())
    for _ in range(2):
        driver.create_snapshot(volume, key, quiet)
    write(path_of(driver, volume), "qcow2", b"written later ")
    driver.create(clone, VolumeSource(volume=volume), quiet)
    driver.delete(volume)
    driver.create(again, VolumeSource(snapshot_id=key), quiet)
    driver.delete_snapshot(volume, key)
    driver.delete_snapshot(volume, key)
    assert text(path_of(driver, clone), "qcow2") == b"written later "
    assert text(path_of(driver, again), "qcow2") == b"from the image"
    assert disks.virtual_size(path_of(driver, again)) == 2 * GIB
    assert set(driver.made()) == {clone.id, again.id}


def test_a_changed_format_leaves_old_volumes_what_they_are(tmp_path: Path, image: ImageFile) -> None:
    directory = tmp_path / "volumes"
    old = spec()
    place(directory, "raw").create(old, VolumeSource(image=image), quiet)
    driver = place(directory, "qcow2")
    assert driver.connection(old)["format"] == "raw"
    driver.extend(old, 2)
    new = spec(2)
    driver.create(new, VolumeSource(volume=old), quiet)
    assert driver.connection(new)["format"] == "qcow2"
    assert text(path_of(driver, new), "qcow2") == b"from the image"
    driver.cleanup(old.id)
    assert set(driver.made()) == {new.id}


def test_a_volume_grows_and_never_shrinks(driver: LibvirtVolumeDriver) -> None:
    volume = spec(2)
    driver.create(volume, None, quiet)
    for size in (3, 3, 1):
        driver.extend(volume, size)
        assert disks.virtual_size(path_of(driver, volume)) == 3 * GIB


def test_an_image_is_made_of_a_volume(driver: LibvirtVolumeDriver, image: ImageFile, tmp_path: Path) -> None:
    volume = spec()
    driver.create(volume, VolumeSource(image=image), quiet)
    for disk_format in ("raw", "qcow2"):
        target = tmp_path / f"upload.{disk_format}"
        driver.upload(volume, target, disk_format, quiet)
        assert text(target, disk_format) == b"from the image"
        assert disks.virtual_size(target) == GIB
    with pytest.raises(DriverError, match="can't become an image of format 'iso'"):
        driver.upload(volume, tmp_path / "upload.iso", "iso", quiet)


# refused -------------------------------------------------------------------------------------------------------------
def test_what_does_not_fit_is_refused_before_anything_is_written(driver: LibvirtVolumeDriver, tmp_path: Path) -> None:
    big = blank_image(tmp_path / "big.qcow2", 2 * GIB)
    with pytest.raises(ImageUnacceptable, match="Image virtual size is 2GB and doesn't fit in a volume of size 1GB"):
        driver.create(spec(), VolumeSource(image=big), quiet)
    large = spec(2)
    driver.create(large, None, quiet)
    before = files(tmp_path / "volumes")
    with pytest.raises(DriverError, match="do not fit"):
        driver.create(spec(1), VolumeSource(volume=large), quiet)
    with pytest.raises(DriverError, match="can't have 0 GiB"):
        driver.create(spec(0), None, quiet)
    assert files(tmp_path / "volumes") == before


def hostile(path: Path, option: str) -> None:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-u", *option.split(), str(path), "1G"], check=True)


@pytest.mark.parametrize("option", ["-F raw -b /etc/passwd", "-o data_file={secret},data_file_raw=on"])
def test_neither_an_image_nor_a_volume_may_name_another_file(
    driver: LibvirtVolumeDriver, tmp_path: Path, option: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret".ljust(GIB // 1024, b"\0"))
    image = tmp_path / "image.qcow2"
    hostile(image, option.format(secret=secret))
    with pytest.raises(ImageUnacceptable):
        driver.create(spec(), VolumeSource(image=ImageFile("i", image, "qcow2", image.stat().st_size)), quiet)
    # A guest that broke out of its machine may write any header.
    volume = spec()
    driver.create(volume, None, quiet)
    path = path_of(driver, volume)
    path.write_bytes(image.read_bytes())
    for use in (
        lambda: driver.create(spec(), VolumeSource(volume=volume), quiet),
        lambda: driver.create_snapshot(volume, str(uuid.uuid4()), quiet),
        lambda: driver.upload(volume, tmp_path / "upload", "raw", quiet),
    ):
        with pytest.raises(DriverError, match="can't be used"):
            use()
    assert files(tmp_path / "volumes") == [path.name]
    assert not (tmp_path / "upload").exists()


def test_an_id_that_is_no_uuid_is_no_path(driver: LibvirtVolumeDriver, tmp_path: Path) -> None:
    for key in ("../../etc/passwd", "", "*"):
        with pytest.raises(DriverError, match="is no uuid"):
            driver.create(VolumeSpec(key, "file", 1), None, quiet)
        with pytest.raises(DriverError, match="is no uuid"):
            driver.cleanup(key)
    with pytest.raises(DriverError, match="no place for volumes called 'elsewhere'"):
        driver.create(spec(backend="elsewhere"), None, quiet)
    with pytest.raises(DriverError, match="are missing"):
        driver.connection(spec())


def test_a_volume_that_a_guest_writes_is_neither_copied_nor_replaced(
    driver: LibvirtVolumeDriver, image: ImageFile
) -> None:
    volume = spec()
    driver.create(volume, None, quiet)
    command = ["qemu-io", "-f", "qcow2", str(path_of(driver, volume))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as guest:
        assert guest.stdin is not None
        guest.stdin.write(b"write 0 512\n")
        guest.stdin.flush()
        assert guest.stdout is not None
        guest.stdout.readline()
        with pytest.raises(DriverError, match="is in use"):
            driver.create_snapshot(volume, str(uuid.uuid4()), quiet)
        with pytest.raises(DriverError, match="is in use"):
            driver.extend(volume, 2)
        with pytest.raises(DriverError, match="is in use"):
            driver.replace(volume, VolumeSource(image=image), quiet)
        guest.stdin.close()
    driver.extend(volume, 2)


# written anew --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("fmt", ["qcow2", "raw"])
def test_what_is_written_anew_is_what_its_source_says_and_keeps_size_and_format(
    tmp_path: Path, image: ImageFile, fmt: str
) -> None:
    volume, key = spec(2), str(uuid.uuid4())
    old = place(tmp_path / "volumes", fmt)
    old.create(volume, VolumeSource(image=image), quiet)
    old.create_snapshot(volume, key, quiet)
    path = path_of(old, volume)
    driver = place(tmp_path / "volumes", "raw" if fmt == "qcow2" else "qcow2")
    for source in (VolumeSource(snapshot_id=key, volume=volume), VolumeSource(image=image)):
        write(path, fmt, b"written later ")
        for _ in range(2):
            driver.replace(volume, source, quiet)
        assert path_of(driver, volume) == path
        assert text(path, fmt) == b"from the image"
        assert disks.virtual_size(path) == 2 * GIB
    # Whatever a guest made of its disk: that is what one goes back for.
    path.write_bytes(b"QFI\xfb no disk at all")
    driver.replace(volume, VolumeSource(snapshot_id=key, volume=volume), quiet)
    assert text(path, fmt) == b"from the image"
    driver.delete(volume)
    driver.replace(volume, VolumeSource(snapshot_id=key, volume=volume), quiet)
    assert disks.virtual_size(path_of(driver, volume)) == 2 * GIB


def test_a_volume_is_whole_until_what_replaces_it_is(
    driver: LibvirtVolumeDriver, image: ImageFile, tmp_path: Path
) -> None:
    volume, key = spec(), str(uuid.uuid4())
    driver.create(volume, VolumeSource(image=image), quiet)
    driver.create_snapshot(volume, key, quiet)
    path = path_of(driver, volume)
    write(path, "qcow2", b"written later ")

    def enough(*_: int) -> None:
        assert text(path, "qcow2") == b"written later "
        raise ValueError("enough")

    for source in (VolumeSource(image=image), VolumeSource(snapshot_id=key, volume=volume)):
        with pytest.raises(ValueError, match="enough"):
            driver.replace(volume, source, enough)
    with pytest.raises(DriverError, match="are missing"):
        driver.replace(volume, VolumeSource(snapshot_id=str(uuid.uuid4()), volume=volume), quiet)
    big = blank_image(tmp_path / "big.qcow2", 2 * GIB)
    with pytest.raises(ImageUnacceptable):
        driver.replace(volume, VolumeSource(image=big), quiet)
    subprocess.run(
        [sys.executable, "-c", KILLED.replace("create(", "replace("), str(path.parent), str(image.path), volume.id],
        cwd=ROOT,
        capture_output=True,
    )
    assert f"{path.name}.part" in files(path.parent)
    place(path.parent)
    assert text(path, "qcow2") == b"written later "
    assert files(path.parent) == sorted([path.name, f"snapshot-{key}.qcow2"])


# interrupted ---------------------------------------------------------------------------------------------------------
def test_a_caller_that_has_enough_leaves_nothing(driver: LibvirtVolumeDriver, image: ImageFile, tmp_path: Path) -> None:
    def enough(*_: int) -> None:
        raise ValueError("enough")

    volume = spec()
    driver.create(volume, VolumeSource(image=image), quiet)
    for source in (VolumeSource(image=image), VolumeSource(volume=volume)):
        with pytest.raises(ValueError, match="enough"):
            driver.create(spec(), source, enough)
    with pytest.raises(ValueError, match="enough"):
        driver.upload(volume, tmp_path / "upload", "raw", enough)
    assert files(tmp_path / "volumes") == [path_of(driver, volume).name]
    assert not (tmp_path / "upload").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.virt_libvirt.test_volume_files import place
from tuinova.virt.driver import ImageFile
from tuinova.virt.volumes import VolumeSource, VolumeSpec
driver = place(Path(sys.argv[1]))
image = ImageFile("i", Path(sys.argv[2]), "raw", 1)
volume = VolumeSpec(sys.argv[3], "file", 1)
driver.create(volume, VolumeSource(image=image), lambda *_: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_what_a_killed_caller_left_goes_and_what_another_makes_stays(
    driver: LibvirtVolumeDriver, image: ImageFile, tmp_path: Path
) -> None:
    directory, volume = tmp_path / "volumes", spec()
    arguments = [str(directory), str(image.path), volume.id]
    subprocess.run([sys.executable, "-c", KILLED, *arguments], cwd=ROOT, capture_output=True)
    assert files(directory) == [f"volume-{volume.id}.qcow2.part"]
    assert driver.made() == {volume.id: ["volume file"]}
    with pytest.raises(DriverError, match="are missing"):
        driver.connection(volume)

    def another_starts(*_: int) -> None:
        place(directory)

    other = spec()
    driver.create(other, VolumeSource(image=image), another_starts)
    assert files(directory) == [path_of(driver, other).name]
    driver.create(volume, VolumeSource(image=image), quiet)
    assert text(path_of(driver, volume), "qcow2") == b"from the image"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB."""
    path = tmp_path / "small"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m,mode=755", "tmpfs", str(path)], check=True)
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small file system")
def test_a_full_disk_is_said_to_be_one_and_nothing_is_left(
    driver: LibvirtVolumeDriver, small: Path, tmp_path: Path
) -> None:
    full = tmp_path / "full.raw"
    full.write_bytes(os.urandom(8 * MIB))
    image = ImageFile("full", full, "raw", 8 * MIB)
    tight, volume = place(small / "volumes"), spec()
    with pytest.raises(ComputeResourcesUnavailable, match="is full"):
        tight.create(volume, VolumeSource(image=image), quiet)
    driver.create(volume, VolumeSource(image=image), quiet)
    with pytest.raises(ImageStorageFull):
        driver.upload(volume, small / "upload", "raw", quiet)
    assert [path.name for path in small.rglob("*")] == ["volumes"]
    fits = spec()
    tight.create(fits, VolumeSource(image=blank_image(tmp_path / "blank.qcow2")), quiet)
    write(path_of(tight, fits), "qcow2", b"data")
    with path_of(tight, fits).open("ab") as file:
        file.write(os.urandom(4 * MIB))
    with pytest.raises(ComputeResourcesUnavailable, match="is full"):
        tight.create_snapshot(fits, str(uuid.uuid4()), quiet)
    with pytest.raises(ComputeResourcesUnavailable, match="is full"):
        tight.replace(fits, VolumeSource(image=image), quiet)
    assert text(path_of(tight, fits), "qcow2", 4) == b"data"
    assert files(small / "volumes") == [path_of(tight, fits).name]


# options -------------------------------------------------------------------------------------------------------------
def test_several_places_are_read_from_the_options() -> None:
    usual = Path("/state/volumes")
    assert read_backends((), usual, "raw", "") == (BackendOptions("file", "file", usual, "raw"),)
    assert [backend.name for backend in read_backends((), usual, "raw", "vg0")] == ["lvm", "file"]
    entries = ("fast=lvm:vg-0", "slow=file:/srv/volumes", "plain=file:/srv/plain:raw")
    assert read_backends(entries, usual, "qcow2", "") == (
        BackendOptions("fast", "lvm", volume_group="vg-0"),
        BackendOptions("slow", "file", Path("/srv/volumes"), "qcow2"),
        BackendOptions("plain", "file", Path("/srv/plain"), "raw"),
    )


@pytest.mark.parametrize(
    "entries",
    [
        ("x",),
        ("=file:/a",),
        ("x=nfs:/a",),
        ("x=file:relative",),
        ("x=lvm:--all",),
        ("x=lvm:..",),
        ("x=lvm:a/b",),
        ("x=file:/a", "x=file:/b"),
        ("x=file:/a", "y=file:/a"),
        ("x=lvm:a", "y=lvm:a"),
    ],
)
def test_places_that_can_not_be_are_refused(entries: tuple[str, ...]) -> None:
    with pytest.raises(InvalidConfig):
        read_backends(entries, Path("/v"), "qcow2", "")
