"""Rescue: which disks where, and a real guest that comes back from it whatever went wrong."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.lab import PrivateLibvirt
from tests.lab.guests import blank_image, guest_spec, nic
from tuinova.core.errors import InstanceNotRescuable, NovaError
from tuinova.core.states import PowerState
from tuinova.virt.driver import BootImages, DriverError, GuestSpec, ImageFile
from tuinova.virt.libvirt.disk_plan import Disk
from tuinova.virt.libvirt.driver import LibvirtDriver
from tuinova.virt.libvirt.guest_xml import GuestXml, HostFacts
from tuinova.virt.libvirt.guests import Guests
from tuinova.virt.libvirt.layout import InstanceFiles
from tuinova.virt.libvirt.options import LibvirtOptions
from tuinova.virt.libvirt.rescue import rescue_disks, rescued
from tuinova.virt.volumes import VolumeDisk

OWN = ImageFile("own", Path("/nowhere"), "qcow2", 1)
DATA = VolumeDisk("v1", "vdb", {"type": "file", "path": "/v/volume-v1.qcow2", "format": "qcow2"})
PC, Q35 = "pc", "pc-q35-7.2"


def images(disk_format: str = "qcow2", **properties: str) -> BootImages:
    return BootImages(ImageFile("rescue", Path("/nowhere"), disk_format, 1, properties=properties))


def shape(disks: list[Disk]) -> list[str]:
    return [f"{disk.name} {disk.device} {disk.target}{' first' if disk.boots_first else ''}" for disk in disks]


def full_guest(**properties: str) -> GuestSpec:
    image = replace(OWN, properties=properties)
    return guest_spec(image, ephemeral_gb=1, swap_mb=16, config_drive=True)


@pytest.mark.parametrize(
    ("guest", "boot", "machine", "expected"),
    [
        (
            full_guest(),
            images(),
            PC,
            ["disk.rescue disk vda", "disk disk vdb", "disk.config.rescue cdrom hda"],
        ),
        # The rescue's image is what runs: it decides on the bus.
        (
            full_guest(hw_disk_bus="scsi"),
            images(hw_disk_bus="sata"),
            Q35,
            ["disk.rescue disk sda", "disk disk sdb", "disk.config.rescue cdrom sdc"],
        ),
        (guest_spec(OWN), images("iso"), PC, ["disk.rescue cdrom hda", "disk disk vda"]),
        (guest_spec(replace(OWN, disk_format="iso")), images(), PC, ["disk.rescue disk vda", "disk cdrom hda"]),
        (
            full_guest(),
            images(hw_rescue_device="disk"),
            PC,
            [
                *("disk disk vda", "disk.local disk vdb", "disk.swap disk vdc", "disk.config.rescue cdrom hda"),
                "disk.rescue disk vdd first",
            ],
        ),
        (
            guest_spec(OWN),
            images(hw_rescue_device="cdrom", hw_rescue_bus="usb"),
            PC,
            ["disk disk vda", "disk.rescue cdrom sda first"],
        ),
        (guest_spec(OWN), images(hw_rescue_device="cdrom"), Q35, ["disk disk vda", "disk.rescue cdrom sda first"]),
        (guest_spec(OWN), images(hw_rescue_device="floppy"), PC, ["disk disk vda", "disk.rescue floppy fda first"]),
        (guest_spec(OWN), images(hw_rescue_bus="scsi"), PC, ["disk disk vda", "disk.rescue disk sda first"]),
        # Volumes are there when the guest's own disks keep their places, and only then.
        (guest_spec(OWN, volumes=[DATA]), images(), PC, ["disk.rescue disk vda", "disk disk vdb"]),
        (
            guest_spec(OWN, volumes=[DATA]),
            images(hw_rescue_bus="virtio"),
            PC,
            ["disk disk vda", "volume-v1 disk vdb", "disk.rescue disk vdc first"],
        ),
        (
            guest_spec(None, volumes=[replace(DATA, device="vda", boot_index=0)]),
            images(hw_rescue_device="disk"),
            PC,
            ["volume-v1 disk vda", "disk.rescue disk vdb first"],
        ),
    ],
)
def test_disks_stand_where_novas_do(guest: GuestSpec, boot: BootImages, machine: str, expected: list[str]) -> None:
    assert shape(rescue_disks(guest, boot, machine, LibvirtOptions())) == expected


def test_a_guest_whose_root_is_a_volume_is_rescued_in_place_only() -> None:
    guest = guest_spec(None, volumes=[replace(DATA, device="vda", boot_index=0)])
    with pytest.raises(InstanceNotRescuable, match="Cannot rescue a volume-backed instance"):
        rescue_disks(guest, images(), PC, LibvirtOptions())


def test_a_guest_whose_image_was_deleted_is_rescued_with_its_disk() -> None:
    disks = rescue_disks(guest_spec(None), images(), PC, LibvirtOptions(), has_disk=True)
    assert shape(disks) == ["disk.rescue disk vda", "disk disk vdb"]


@pytest.mark.parametrize("properties", [{"hw_rescue_device": "tape"}, {"hw_rescue_bus": "scart"}])
def test_what_no_machine_has_is_refused(properties: dict[str, str]) -> None:
    with pytest.raises((InstanceNotRescuable, DriverError), match=r"tape|scart"):
        rescue_disks(guest_spec(OWN), images(**properties), PC, LibvirtOptions())


def xml_of(guest: GuestSpec, boot: BootImages) -> ET.Element:
    files = InstanceFiles(Path("/i"), guest.uuid)
    facts = HostFacts("h", Path("/i"), "x86_64", "qemu", PC, False, "none")
    disks = rescue_disks(guest, boot, PC, LibvirtOptions())
    return ET.fromstring(GuestXml(rescued(guest, boot), disks, files, facts, LibvirtOptions(), ".rescue").build())


def test_kernel_and_ramdisk_are_the_rescues() -> None:
    boot = replace(images(), kernel=OWN, ramdisk=OWN)
    guest = guest_spec(OWN, kernel=OWN)
    root = xml_of(guest, boot)
    assert root.findtext("./os/kernel") == f"/i/{guest.uuid}/kernel.rescue"
    assert root.findtext("./os/initrd") == f"/i/{guest.uuid}/ramdisk.rescue"
    assert root.findtext("./os/cmdline", "").startswith("root=/dev/vda ")
    stable = replace(images(hw_rescue_device="disk"), kernel=OWN)
    assert xml_of(guest, stable).findtext("./os/cmdline", "").startswith("root=/dev/vdb ")
    # The guest's own kernel does not boot another disk.
    assert xml_of(guest, images()).find("./os/kernel") is None


def test_a_stable_rescue_boots_by_the_disks_own_order() -> None:
    root = xml_of(guest_spec(OWN), images(hw_rescue_device="disk"))
    assert root.find("./os/boot") is None
    orders = {disk.find("target").get("dev"): disk.find("boot") for disk in root.findall("./devices/disk")}  # type: ignore[union-attr]
    assert orders["vda"] is None
    assert orders["vdb"] is not None


# real guests ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def blank(instances_path: Path) -> ImageFile:
    return blank_image(instances_path / "blank.qcow2")


@pytest.fixture
def boot(instances_path: Path) -> BootImages:
    return BootImages(blank_image(instances_path / "rescue.qcow2", 3 << 20))


def sources(lab: PrivateLibvirt, guest: GuestSpec, *options: str) -> list[str]:
    root = ET.fromstring(lab.virsh("dumpxml", *options, guest.uuid).stdout)
    return [Path(str(source.get("file"))).name for source in root.findall("./devices/disk/source")]


def assert_own_disks(lab: PrivateLibvirt, driver: LibvirtDriver, guest: GuestSpec) -> None:
    assert sources(lab, guest, "--inactive") == ["disk", "disk.config"]
    directory = driver.instances / guest.uuid
    assert [path.name for path in directory.iterdir() if "rescue" in path.name] == []


@pytest.mark.integration
def test_there_and_back(
    private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver, blank: ImageFile, boot: BootImages
) -> None:
    driver, lab = libvirt_driver, private_libvirt
    drives = iter([b"first", b"second", b"third"])
    guest = guest_spec(blank, nics=[nic(80)], config_drive=True, config_drive_files=lambda: {"made": next(drives)})
    driver.spawn(guest)
    before = lab.virsh("dumpxml", "--inactive", guest.uuid).stdout
    directory = driver.instances / guest.uuid
    for _ in range(2):  # the second begins again, from a fresh disk
        driver.power_off(guest.uuid, 0, 1)
        (directory / "disk.rescue").write_bytes(b"used")
        driver.rescue(guest, boot)
        assert driver.guest_info(guest.uuid).state is PowerState.RUNNING
        assert sources(lab, guest) == ["disk.rescue", "disk", "disk.config.rescue"]
        size = subprocess.run(["qemu-img", "info", "-U", directory / "disk.rescue"], capture_output=True, text=True)
        assert "virtual size: 3 MiB" in size.stdout
        assert (directory / "disk.config").read_bytes() != (directory / "disk.config.rescue").read_bytes()
    assert (directory / "unrescue.xml").stat().st_mode & 0o077 == 0
    driver.pause(guest.uuid)
    driver.unpause(guest.uuid)
    driver.power_off(guest.uuid, 0, 1)
    driver.resume_state_on_host_boot(guest)
    assert sources(lab, guest) == ["disk.rescue", "disk", "disk.config.rescue"]
    driver.unrescue(guest)
    assert driver.guest_info(guest.uuid).state is PowerState.RUNNING
    assert_own_disks(lab, driver, guest)
    assert lab.virsh("dumpxml", "--inactive", guest.uuid).stdout == before
    number = driver.guest_info(guest.uuid).hypervisor_id
    driver.unrescue(guest)
    assert driver.guest_info(guest.uuid).hypervisor_id == number


@pytest.mark.integration
def test_a_rescue_that_fails_leaves_the_guest_off_and_as_it_was(
    private_libvirt: PrivateLibvirt,
    libvirt_driver: LibvirtDriver,
    blank: ImageFile,
    boot: BootImages,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = libvirt_driver
    guest = guest_spec(blank, config_drive=True, config_drive_files=lambda: {"made": b"x"})
    driver.spawn(guest)
    driver.power_off(guest.uuid, 0, 1)
    wrong = replace(boot, image=replace(boot.image, properties={"hw_machine_type": "nonsense"}))
    missing = replace(boot, image=ImageFile("gone", Path("/nowhere"), "qcow2", 1))
    for bad in (wrong, missing):
        with pytest.raises(NovaError):
            driver.rescue(guest, bad)
        assert driver.guest_info(guest.uuid).state is PowerState.SHUTDOWN
        assert_own_disks(private_libvirt, driver, guest)

    def fail(*_: object) -> None:
        raise DriverError(reason="no start")

    monkeypatch.setattr(Guests, "start_boot", fail)
    with pytest.raises(DriverError, match="no start"):
        driver.rescue(guest, boot)
    assert_own_disks(private_libvirt, driver, guest)
    monkeypatch.undo()
    driver.rescue(guest, boot)
    # Somebody spoilt what was kept: the record is enough.
    (driver.instances / guest.uuid / "unrescue.xml").write_text("<domain><uuid>another</uuid></domain>")
    driver.unrescue(guest)
    assert driver.guest_info(guest.uuid).state is PowerState.RUNNING
    assert_own_disks(private_libvirt, driver, guest)


@pytest.mark.integration
def test_a_hard_reboot_and_a_delete_end_a_rescue(
    private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver, blank: ImageFile, boot: BootImages
) -> None:
    driver = libvirt_driver
    guest = guest_spec(blank, config_drive=True, config_drive_files=lambda: {"made": b"x"})
    driver.spawn(guest)
    stable = replace(boot, image=replace(boot.image, properties={"hw_rescue_device": "cdrom"}))
    driver.rescue(guest, stable)
    assert sources(private_libvirt, guest) == ["disk", "disk.config.rescue", "disk.rescue"]
    driver.power_on(guest)
    assert sources(private_libvirt, guest) == ["disk", "disk.config.rescue", "disk.rescue"]
    driver.power_off(guest.uuid, 0, 1)
    driver.power_on(guest)
    assert_own_disks(private_libvirt, driver, guest)
    driver.rescue(guest, stable)
    driver.destroy(guest)
    assert list(driver.instances.glob(f"{guest.uuid}*")) == []
