"""Disks, console logs, config drives and directories, without a hypervisor."""

from __future__ import annotations

import subprocess
import uuid
from pathlib import Path

import pytest

from tests.lab.guests import blank_image, guest_spec
from tuinova.core.errors import FlavorDiskSmallerThanImage
from tuinova.virt.driver import DriverError, ImageFile
from tuinova.virt.libvirt import configdrive, console_log, disks, layout
from tuinova.virt.libvirt.disks import GIB, GuestDisks
from tuinova.virt.libvirt.images import ImageCache
from tuinova.virt.libvirt.layout import InstanceFiles, QemuUser
from tuinova.virt.libvirt.options import LibvirtOptions
from tuinova.virt.volumes import LocalDisk, VolumeDisk

MIB = 1 << 20


@pytest.fixture
def instances(tmp_path: Path) -> Path:
    path = tmp_path / "instances"
    path.mkdir()
    return path


@pytest.fixture
def files(instances: Path) -> InstanceFiles:
    files = InstanceFiles(instances, str(uuid.uuid4()))
    files.make()
    return files


def guest_disks(instances: Path, options: LibvirtOptions | None = None) -> GuestDisks:
    options = options or LibvirtOptions()
    cache = ImageCache(instances, options)
    cache.prepare()
    return GuestDisks(cache, options)


# disks ---------------------------------------------------------------------------------------------------------------
def test_the_root_disk_is_an_overlay_of_the_flavors_size(instances: Path, files: InstanceFiles, tmp_path: Path) -> None:
    guest_disks(instances).create(guest_spec(blank_image(tmp_path / "x.qcow2"), root_gb=2), files)
    disk = files.path("disk")
    assert disks.virtual_size(disk) == 2 * GIB
    backing = disks.backing_file(disk)
    assert backing is not None
    assert backing.parent == instances / "_base"
    assert disk.stat().st_blocks * 512 < MIB


def test_ephemeral_disks_of_the_request_are_each_what_was_asked_for(
    instances: Path, files: InstanceFiles, tmp_path: Path
) -> None:
    made = guest_disks(instances)
    asked = [LocalDisk(1), LocalDisk(1), LocalDisk(2, "ext3")]
    guest = guest_spec(blank_image(tmp_path / "x.qcow2"), ephemerals=asked, ephemeral_gb=4, swap_mb=8)
    made.create(guest, files)
    sizes = {path.name: disks.virtual_size(path) for path in layout.local_disks(files.directory)}
    assert sizes == {"disk": GIB, "disk.eph0": GIB, "disk.eph1": GIB, "disk.eph2": 2 * GIB, "disk.swap": 8 * MIB}
    bases = [disks.backing_file(files.path(f"disk.eph{number}")) for number in range(3)]
    assert [base.name for base in bases if base] == ["ephemeral_1_ext4", "ephemeral_1_ext4_1", "ephemeral_2_ext3_2"]
    told = [
        subprocess.run(["blkid", "-o", "value", str(base)], capture_output=True, text=True).stdout for base in bases
    ]
    assert [text.split()[0] for text in told] == ["ephemeral0", "ephemeral1", "ephemeral2"]
    assert len({text.split()[1] for text in told}) == 3
    # One that went missing is made again, the same.
    for base in bases:
        assert base is not None
        base.unlink()
    made.mend(guest, files)
    assert all(base is not None and base.exists() for base in bases)
    with pytest.raises(DriverError, match="can't be formatted as 'x; rm'"):
        made.create(guest_spec(None, ephemerals=[LocalDisk(1, "x; rm")]), files)


def test_a_guest_whose_root_is_a_volume_has_no_disk_of_its_own(instances: Path, files: InstanceFiles) -> None:
    root = VolumeDisk("v", "vda", {"type": "file", "path": "/v", "format": "raw"}, boot_index=0)
    guest = guest_spec(None, volumes=[root], root_gb=5)
    guest_disks(instances).create(guest, files)
    guest_disks(instances).mend(guest, files)
    assert layout.local_disks(files.directory) == []


def test_a_flavor_without_disk_takes_the_images_size(instances: Path, files: InstanceFiles, tmp_path: Path) -> None:
    guest_disks(instances).create(guest_spec(blank_image(tmp_path / "x.qcow2", 3 * MIB), root_gb=0), files)
    assert disks.virtual_size(files.path("disk")) == 3 * MIB


def test_an_image_larger_than_the_flavor_is_refused(instances: Path, files: InstanceFiles, tmp_path: Path) -> None:
    image = blank_image(tmp_path / "x.qcow2", 2 * GIB)
    with pytest.raises(FlavorDiskSmallerThanImage) as raised:
        guest_disks(instances).create(guest_spec(image, root_gb=1), files)
    assert (raised.value.kwargs["flavor_size"], raised.value.kwargs["image_size"]) == (GIB, 2 * GIB)


def test_ephemeral_and_swap_stand_on_shared_formatted_bases(
    instances: Path, files: InstanceFiles, tmp_path: Path
) -> None:
    guest = guest_spec(blank_image(tmp_path / "x.qcow2"), ephemeral_gb=1, swap_mb=16)
    guest_disks(instances).create(guest, files)
    ephemeral, swap = (disks.backing_file(files.path(name)) for name in ("disk.local", "disk.swap"))
    assert ephemeral is not None
    assert swap is not None
    label = subprocess.run(["blkid", "-p", "-o", "value", "-s", "LABEL", ephemeral], capture_output=True, text=True)
    assert label.stdout.strip() == "ephemeral0"
    assert b"SWAPSPACE2" in swap.read_bytes()[:4096]
    assert (disks.virtual_size(ephemeral), disks.virtual_size(swap)) == (GIB, 16 * MIB)


def test_raw_disks_without_cow(instances: Path, files: InstanceFiles, tmp_path: Path) -> None:
    options = LibvirtOptions(use_cow_images=False)
    guest_disks(instances, options).create(guest_spec(blank_image(tmp_path / "x.qcow2"), root_gb=1), files)
    assert files.path("disk").stat().st_size == GIB
    assert disks.backing_file(files.path("disk")) is None


def test_a_base_that_went_missing_is_made_again(instances: Path, files: InstanceFiles, tmp_path: Path) -> None:
    maker = guest_disks(instances)
    guest = guest_spec(blank_image(tmp_path / "x.qcow2"), swap_mb=16)
    maker.create(guest, files)
    before = files.path("disk").read_bytes()
    for path in (instances / "_base").iterdir():
        path.unlink()
    files.path("disk.swap").unlink()
    maker.mend(guest, files)
    assert len(list((instances / "_base").iterdir())) == 2
    assert files.path("disk").read_bytes() == before
    assert files.path("disk.swap").exists()


def test_a_missing_root_disk_is_an_error_not_an_empty_disk(
    instances: Path, files: InstanceFiles, tmp_path: Path
) -> None:
    maker = guest_disks(instances)
    guest = guest_spec(blank_image(tmp_path / "x.qcow2"))
    maker.create(guest, files)
    files.path("disk").unlink()
    with pytest.raises(DriverError, match="disk is missing"):
        maker.mend(guest, files)
    assert not files.path("disk").exists()


def test_a_whole_disk_starts_without_its_image(instances: Path, files: InstanceFiles, tmp_path: Path) -> None:
    maker = guest_disks(instances)
    image = blank_image(tmp_path / "x.qcow2")
    maker.create(guest_spec(image), files)
    image.path.unlink()
    maker.mend(guest_spec(ImageFile("another", tmp_path / "nowhere", "qcow2", 1)), files)


# console log ---------------------------------------------------------------------------------------------------------
def test_a_log_is_read_across_rotated_files(files: InstanceFiles) -> None:
    files.path("console.log.1").write_bytes(b"one ")
    files.path("console.log.0").write_bytes(b"two ")
    files.console_log.write_bytes(b"three")
    assert console_log.read(files, all_boots=False) == b"one two three"


def test_only_the_last_100_kib_are_read(files: InstanceFiles) -> None:
    files.path("console.log.0").write_bytes(b"a" * 80_000)
    files.console_log.write_bytes(b"b" * 60_000)
    text = console_log.read(files, all_boots=False)
    assert (len(text), text.count(b"b"), text[:1]) == (102_400, 60_000, b"a")


def test_boots_stay_apart_and_five_are_kept(files: InstanceFiles) -> None:
    for number in range(8):
        console_log.begin_boot(files, keep=5)
        files.path("console.log.0").write_bytes(b"rotated ")
        files.console_log.write_bytes(f"boot {number}\n".encode())
    assert console_log.read(files, all_boots=False) == b"rotated boot 7\n"
    expected = b"".join(f"rotated boot {number}\n".encode() for number in range(2, 8))
    assert console_log.read(files, all_boots=True) == expected
    assert len(list(files.directory.glob("console.log.boot-*"))) == 5


def test_a_boot_goes_on_after_its_memory_was_saved(files: InstanceFiles) -> None:
    files.console_log.write_bytes(b"before ")
    console_log.continue_boot(files)
    files.console_log.write_bytes(b"between ")
    console_log.continue_boot(files)
    files.console_log.write_bytes(b"after")
    assert console_log.read(files, all_boots=False) == b"before between after"
    console_log.begin_boot(files, keep=5)
    assert console_log.read(files, all_boots=False) == b""
    assert console_log.read(files, all_boots=True) == b"before between after"


# config drive --------------------------------------------------------------------------------------------------------
def read_iso(path: Path, name: str) -> bytes:
    return subprocess.run(["isoinfo", "-R", "-x", name, "-i", path], check=True, capture_output=True).stdout


def test_a_config_drive_is_a_labelled_disc(tmp_path: Path) -> None:
    drive = tmp_path / "disk.config"
    contents = {"openstack/latest/meta_data.json": b'{"uuid": "1"}', "openstack/content/0000": b"\x00\xff"}
    configdrive.write(drive, contents, "iso9660")
    assert drive.read_bytes()[32768 + 40 : 32768 + 72].strip() == b"config-2"
    for name, data in contents.items():
        assert read_iso(drive, f"/{name}") == data
    assert [path.name for path in tmp_path.iterdir()] == ["disk.config"]


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", ""])
def test_a_config_drive_holds_no_path_that_leaves_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(DriverError):
        configdrive.write(tmp_path / "disk.config", {name: b"x"}, "iso9660")
    assert list(tmp_path.iterdir()) == []


# directories ---------------------------------------------------------------------------------------------------------
def test_only_a_uuid_names_a_directory(instances: Path) -> None:
    for name in ("../x", "", "_base", "0" * 32):
        with pytest.raises(DriverError):
            InstanceFiles(instances, name)


def test_removing_takes_all_of_a_guest_and_nothing_else(instances: Path, files: InstanceFiles) -> None:
    other = InstanceFiles(instances, str(uuid.uuid4()))
    other.make()
    files.path("disk").write_text("x")
    for suffix in ("_del", "_resize"):
        (instances / (files.uuid + suffix)).mkdir()
    files.remove()
    files.remove()
    assert [path.name for path in instances.iterdir()] == [other.uuid]


def test_directories_of_guests_are_found_even_half_removed(instances: Path, files: InstanceFiles) -> None:
    half = str(uuid.uuid4())
    (instances / f"{half}_del").mkdir()
    (instances / "_base").mkdir()
    assert sorted(layout.guest_directories(instances)) == sorted([files.uuid, half])


def test_a_directory_that_qemu_may_not_enter_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    instances = closed / "instances"
    instances.mkdir(parents=True)
    for directory in (instances, *instances.parents[:-1]):
        if directory.is_relative_to(tmp_path):
            directory.chmod(0o755)
    nobody = QemuUser(65534, 65534)
    closed.chmod(0o700)
    refused = layout.first_closed_directory(instances, nobody)
    assert refused is not None
    assert closed.is_relative_to(refused)
    assert layout.first_closed_directory(instances, QemuUser(0, 0)) is None
    assert layout.first_closed_directory(Path("/usr"), nobody) is None
