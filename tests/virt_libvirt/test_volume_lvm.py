"""Volumes that are logical volumes: the calls of LVM's tools on a stand-in for them, and once on the real ones."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.virt_libvirt.test_volume_files import quiet
from tuinova.core.errors import ComputeResourcesUnavailable, ImageUnacceptable
from tuinova.virt.driver import DriverError, ImageFile
from tuinova.virt.libvirt.volume_lvm import VolumeGroup
from tuinova.virt.libvirt.volume_options import BackendOptions, VolumeOptions
from tuinova.virt.libvirt.volumes import LibvirtVolumeDriver
from tuinova.virt.volumes import VolumeSource, VolumeSpec

MIB, GIB = 1 << 20, 1 << 30
# Logical volumes are sparse files of a directory, the group has 4 GiB; what was called is written down.
STAND_IN = """#!{python}
import sys
from pathlib import Path
group, tool, arguments = Path({directory!r}), Path(sys.argv[0]).name, sys.argv[1:]
with open({log!r}, "a") as log:
    print(tool, *arguments, file=log)
def end(words):
    print("  " + words, file=sys.stderr)
    sys.exit(5)
def size_of(text):
    return int(text.removesuffix("b"))
free = (4 << 30) - sum(path.stat().st_size for path in group.iterdir())
if tool == "vgs":
    if arguments[-1] != group.name:
        end('Volume group "%s" not found' % arguments[-1])
    print("  %d %d" % (4 << 30, free))
elif tool == "lvs":
    for path in sorted(group.iterdir()):
        print("  %s|%d|%s" % (path.name, path.stat().st_size, "open" if path.stat().st_mode & 1 else ""))
elif tool == "lvcreate":
    size, name = (arguments[arguments.index(option) + 1] for option in ("--size", "--name"))
    if size_of(size) > free:
        end('Volume group "%s" has insufficient free space (1 extents): 2 required.' % group.name)
    with open(group / name, "xb") as file:
        file.truncate(size_of(size))
elif tool == "lvrename":
    if (group / arguments[2]).exists():
        end('New LV with name "%s" already exists in volume group' % arguments[2])
    (group / arguments[1]).rename(group / arguments[2])
elif tool == "lvextend":
    name = arguments[-1].split("/")[1]
    if size_of(arguments[1]) - (group / name).stat().st_size > free:
        end("Insufficient free space: 2 extents needed, but only 1 available")
    with open(group / name, "r+b") as file:
        file.truncate(size_of(arguments[1]))
elif tool == "blkdiscard":
    path = Path(arguments[-1])
    size = path.stat().st_size
    with open(path, "wb") as file:
        file.truncate(size)
elif tool == "lvremove":
    (group / arguments[-1].split("/")[1]).unlink()
"""
TOOLS = ("vgs", "lvs", "lvcreate", "lvrename", "lvextend", "lvremove", "blkdiscard")


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that stands for the volume group vg0."""
    directory, tools = tmp_path / "vg0", tmp_path / "tools"
    directory.mkdir()
    tools.mkdir()
    text = STAND_IN.format(python=sys.executable, directory=str(directory), log=str(tmp_path / "log"))
    for tool in TOOLS:
        (tools / tool).write_text(text)
        (tools / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setattr(VolumeGroup, "devices", tmp_path)
    return directory


def place(name: str = "vg0", clear: str = "zero") -> LibvirtVolumeDriver:
    driver = LibvirtVolumeDriver(VolumeOptions((BackendOptions("lvm", "lvm", volume_group=name),), clear))
    driver.start()
    return driver


@pytest.fixture
def image(tmp_path: Path) -> ImageFile:
    path = tmp_path / "image.raw"
    path.write_bytes(b"from the image".ljust(16 * MIB, b"\0"))
    return ImageFile("image-1", path, "raw", path.stat().st_size)


def spec(size_gb: int = 1) -> VolumeSpec:
    return VolumeSpec(str(uuid.uuid4()), "lvm", size_gb)


def head(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(14)


def story(driver: LibvirtVolumeDriver, image: ImageFile) -> None:
    """A volume's life in a group of 4 GiB."""
    volume, copy, key = spec(), spec(1), str(uuid.uuid4())
    for _ in range(2):
        driver.create(volume, VolumeSource(image=image), quiet)
    connection = driver.connection(volume)
    assert (connection["type"], connection["format"]) == ("block", "raw")
    assert head(connection["path"]) == b"from the image"
    for _ in range(2):
        driver.create_snapshot(volume, key, quiet)
    with open(connection["path"], "r+b") as file:
        file.write(b"written later ")
    driver.create(copy, VolumeSource(snapshot_id=key), quiet)
    assert head(driver.connection(copy)["path"]) == b"from the image"
    assert driver.made() == {
        volume.id: ["logical volume of a volume"],
        key: ["logical volume of a snapshot"],
        copy.id: ["logical volume of a volume"],
    }
    for _ in range(2):
        driver.extend(copy, 2)
    assert driver.backends()[0].free_gb < 1
    with pytest.raises(ComputeResourcesUnavailable, match="is full"):
        driver.extend(copy, 4)
    for source in (None, VolumeSource(image=image)):
        with pytest.raises(ComputeResourcesUnavailable, match="is full"):
            driver.create(spec(2), source, quiet)
    for _ in range(2):
        driver.delete(volume)
        driver.delete_snapshot(volume, key)
        driver.cleanup(copy.id)
    assert driver.made() == {}
    # Its place is the next one's, and holds nothing of the former.
    after = spec(3)
    driver.create(after, None, quiet)
    assert head(driver.connection(after)["path"]) == bytes(14)
    driver.delete(after)


def test_a_logical_volumes_life(group: Path, image: ImageFile, tmp_path: Path) -> None:
    story(place(), image)
    assert list(group.iterdir()) == []
    calls = (tmp_path / "log").read_text().splitlines()
    removed = [number for number, call in enumerate(calls) if call.startswith("lvremove")]
    assert removed
    assert all(calls[number - 1].startswith("blkdiscard --zeroout") for number in removed)


def test_a_failure_leaves_no_logical_volume(group: Path, image: ImageFile, tmp_path: Path) -> None:
    def enough(*_: int) -> None:
        raise ValueError("enough")

    driver = place()
    with pytest.raises(ValueError, match="enough"):
        driver.create(spec(), VolumeSource(image=image), enough)
    text = tmp_path / "text"
    text.write_bytes(b"no qcow2" * 1000)
    with pytest.raises(ImageUnacceptable):
        driver.create(spec(), VolumeSource(image=ImageFile("i", text, "qcow2", 8000)), quiet)
    assert list(group.iterdir()) == []


def test_a_half_made_one_is_no_volume_and_goes_at_the_start(group: Path, image: ImageFile) -> None:
    key, other = str(uuid.uuid4()), group / "somebody-elses"
    half = group / f"part-volume-{key}"
    for path in (half, other):
        path.touch()
    driver = place()
    assert sorted(group.iterdir()) == [other]
    half.touch()
    with pytest.raises(DriverError, match="are missing"):
        driver.connection(VolumeSpec(key, "lvm", 1))
    assert driver.made() == {key: ["logical volume of a volume"]}

    def another_starts(*_: int) -> None:
        place()

    driver.create(VolumeSpec(key, "lvm", 1), VolumeSource(image=image), another_starts)
    assert sorted(group.iterdir()) == [other, group / f"volume-{key}"]


def test_one_is_written_anew_beside_the_old_one(group: Path, image: ImageFile, tmp_path: Path) -> None:
    def enough(*_: int) -> None:
        raise ValueError("enough")

    driver, volume = place(), spec()
    driver.create(volume, VolumeSource(image=image), quiet)
    path = Path(driver.connection(volume)["path"])
    path.write_bytes(b"written later ".ljust(GIB, b"\0"))
    with pytest.raises(ValueError, match="enough"):
        driver.replace(volume, VolumeSource(image=image), enough)
    with pytest.raises(ComputeResourcesUnavailable, match="is full"):
        driver.replace(VolumeSpec(volume.id, "lvm", 4), VolumeSource(image=image), quiet)
    path.chmod(0o601)
    with pytest.raises(DriverError, match="is in use"):
        driver.replace(volume, VolumeSource(image=image), quiet)
    path.chmod(0o600)
    assert (list(group.iterdir()), head(str(path))) == ([path], b"written later ")
    for _ in range(2):
        driver.replace(volume, VolumeSource(image=image), quiet)
    assert (list(group.iterdir()), head(str(path))) == ([path], b"from the image")
    calls = (tmp_path / "log").read_text().splitlines()
    assert all(calls[n - 1].startswith("blkdiscard") for n, call in enumerate(calls) if call.startswith("lvremove"))


# The logical volumes as each step of `put_in_place` leaves them.
INTERRUPTED = [("", "whole-"), ("part-", "whole-"), ("part-", "")]


@pytest.mark.parametrize("repeated", [False, True], ids=["start", "again"])
@pytest.mark.parametrize(("old", "new"), INTERRUPTED)
def test_a_replacement_that_was_killed_goes_on_and_loses_nothing(
    group: Path, image: ImageFile, old: str, new: str, repeated: bool
) -> None:
    driver, volume = place(), spec()
    for prefix, data in ((old, b"of the old one"), (new, b"of the new one")):
        (group / f"{prefix}volume-{volume.id}").write_bytes(data.ljust(4 * MIB, b"\0"))
    if repeated:
        driver.replace(volume, VolumeSource(image=image), quiet)
    else:
        driver = place()
    path = group / f"volume-{volume.id}"
    assert list(group.iterdir()) == [path]
    assert head(str(path)) == (b"from the image" if repeated else b"of the new one")


def test_one_in_use_is_neither_zeroed_nor_removed(group: Path, image: ImageFile) -> None:
    driver, volume = place(), spec()
    driver.create(volume, VolumeSource(image=image), quiet)
    path = Path(driver.connection(volume)["path"])
    path.chmod(0o601)
    with pytest.raises(DriverError, match="is in use"):
        driver.delete(volume)
    assert head(str(path)) == b"from the image"


def test_a_host_without_the_volume_group_has_no_such_place(group: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert place("elsewhere").backends() == []
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("tuinova.virt.libvirt.volume_lvm._SBIN", "/nowhere")
    assert place().backends() == []
    with pytest.raises(DriverError, match="is not installed"):
        place().create(spec(), None, quiet)


# the real tools ------------------------------------------------------------------------------------------------------
def lacking() -> str:
    """Why there can't be a volume group here."""
    if os.geteuid() != 0:
        return "only root makes volume groups"
    subprocess.run(["modprobe", "-a", "dm_mod", "loop"], capture_output=True)
    if "device-mapper" not in Path("/proc/misc").read_text():
        return "this kernel has no device mapper"
    return "" if Path("/dev/loop-control").exists() else "this kernel has no loop devices"


LACKING = lacking()


@pytest.fixture
def real_group(tmp_path: Path) -> Iterator[str]:
    """A volume group of 4 GiB on a file."""
    name, disk = f"tn-vg-{os.getpid()}", tmp_path / "disk"
    with disk.open("wb") as file:
        file.truncate(4 * GIB + 8 * MIB)
    assert shutil.which("vgcreate", path="/usr/sbin:/sbin"), "lvm2 is not installed"
    loop = subprocess.run(["losetup", "--find", "--show", str(disk)], check=True, capture_output=True, text=True)
    device = loop.stdout.strip()
    try:
        subprocess.run(["/usr/sbin/vgcreate", "--yes", name, device], check=True, capture_output=True)
        yield name
    finally:
        subprocess.run(["/usr/sbin/vgremove", "--yes", "--force", name], capture_output=True)
        subprocess.run(["losetup", "--detach", device], check=True)


@pytest.mark.integration
@pytest.mark.skipif(bool(LACKING), reason=LACKING)
def test_a_logical_volumes_life_on_this_machine(real_group: str, image: ImageFile) -> None:
    story(place(real_group), image)
