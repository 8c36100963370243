"""Volumes of real guests as virsh sees them; what the guests see is the contract's suite's."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.lab import PrivateLibvirt
from tests.lab.guests import blank_image, demo_image, guest_spec
from tests.virt_libvirt.test_volume_files import files, path_of, quiet
from tuinova.core.errors import DeviceDetachFailed
from tuinova.core.states import PowerState
from tuinova.virt.driver import DriverError, GuestSpec, ImageFile
from tuinova.virt.libvirt import disks
from tuinova.virt.libvirt.driver import LibvirtDriver
from tuinova.virt.libvirt.options import LibvirtOptions
from tuinova.virt.libvirt.volume_options import BackendOptions, VolumeOptions
from tuinova.virt.libvirt.volumes import LibvirtVolumeDriver
from tuinova.virt.volumes import VolumeDisk, VolumeSpec

pytestmark = pytest.mark.integration
GIB = 1 << 30


class Volumes:
    """A host, and volumes beside it."""

    def __init__(self, lab: PrivateLibvirt, instances: Path, directory: Path, options: LibvirtOptions) -> None:
        self.lab, self.directory = lab, directory
        self.host = LibvirtDriver(host="h", uri=lab.uri, instances_path=instances, options=options)
        self.host.show_volumes({"file": directory})
        place = VolumeOptions((BackendOptions("file", "file", directory, "qcow2"),))
        self.driver = LibvirtVolumeDriver(place, changed=self.host.refresh_pools)
        self.driver.start()
        self.host.init_host(lambda *_: None, lambda *_: None)

    def make(self, size_gb: int = 1, source: Any = None) -> VolumeSpec:
        volume = VolumeSpec(str(uuid.uuid4()), "file", size_gb)
        self.driver.create(volume, source, quiet)
        return volume

    def disk(self, volume: VolumeSpec, device: str = "vdb", **more: Any) -> VolumeDisk:
        return VolumeDisk(volume.id, device, self.driver.connection(volume), volume.size_gb, **more)

    def plugged(self, guest: GuestSpec) -> list[list[str]]:
        """The serials in the definition that is kept, and in the one that runs."""
        found = []
        for option in ("--inactive", None):
            xml = self.lab.virsh("dumpxml", guest.uuid, *([option] if option else [])).stdout
            found.append(re.findall("<serial>(.*)</serial>", xml))
        return found


@pytest.fixture
def volumes(private_libvirt: PrivateLibvirt, instances_path: Path) -> Iterator[Volumes]:
    options = LibvirtOptions(device_detach_attempts=1, device_detach_timeout=1)
    made = Volumes(private_libvirt, instances_path, instances_path / "volumes", options)
    yield made
    for guest in made.host.list_guests():
        made.host.cleanup(guest.uuid)
    made.host.close()
    for name in private_libvirt.virsh("pool-list", "--all", "--name").stdout.split():
        private_libvirt.virsh("pool-destroy", name, check=False)
        private_libvirt.virsh("pool-undefine", name)


@pytest.fixture
def blank(instances_path: Path) -> ImageFile:
    return blank_image(instances_path / "blank.qcow2")


def test_virsh_lists_the_volumes_and_another_service_gets_a_pool_of_its_own(
    volumes: Volumes, private_libvirt: PrivateLibvirt, instances_path: Path
) -> None:
    def listed(pool: str) -> list[str]:
        rows = private_libvirt.virsh("vol-list", pool).stdout.splitlines()
        return [row.split()[0] for row in rows if row.strip()]

    def pools() -> list[str]:
        return private_libvirt.virsh("pool-list", "--name").stdout.split()

    volume = volumes.make()
    name = path_of(volumes.driver, volume).name
    (pool,) = [one for one in pools() if name in listed(one)]  # its name is taken where another service was here
    volumes.driver.delete(volume)
    assert listed(pool) == []
    before = len(pools())
    private_libvirt.virsh("pool-destroy", pool)
    other = Volumes(private_libvirt, instances_path, instances_path / "others", LibvirtOptions())
    again = Volumes(private_libvirt, instances_path, instances_path / "volumes", LibvirtOptions())
    assert len(pools()) == before + 1
    assert pool in pools()
    assert other.host.warnings() == again.host.warnings()
    for made in (other, again):
        made.host.close()


def test_a_volume_is_plugged_into_every_definition_that_the_guest_has(volumes: Volumes, blank: ImageFile) -> None:
    host, guest = volumes.host, guest_spec(blank, swap_mb=16)
    disks_ = [volumes.disk(volumes.make(), device) for device in ("vdc", "vdd", "sde")]
    host.spawn(guest)
    for disk, bring_to in zip(
        disks_, (lambda: None, lambda: host.pause(guest.uuid), lambda: host.power_off(guest.uuid, 0, 0)), strict=True
    ):
        bring_to()
        for _ in range(2):
            host.attach_volume(guest, disk)
    ids = [disk.volume_id for disk in disks_]
    assert [sorted(found) for found in volumes.plugged(guest)] == [sorted(ids), sorted(ids)]
    xml = ET.fromstring(volumes.lab.virsh("dumpxml", guest.uuid).stdout)
    drive = next(disk for disk in xml.findall("./devices/disk") if disk.findtext("serial") == ids[0])
    assert (drive.find("target").attrib, drive.find("driver").get("discard")) == (
        {"dev": "vdc", "bus": "virtio"},
        "unmap",
    )  # type: ignore[union-attr]
    # What is written from the record is the same.
    host.power_on(replace(guest, volumes=disks_))
    assert [sorted(found) for found in volumes.plugged(guest)] == [sorted(ids), sorted(ids)]
    host.power_off(guest.uuid, 0, 0)
    for disk in disks_:
        for _ in range(2):
            host.detach_volume(guest, disk)
    assert volumes.plugged(guest) == [[], []]
    host.destroy(replace(guest, volumes=disks_))
    assert len(files(volumes.directory)) == 3
    host.detach_volume(guest, disks_[0])


def test_a_machine_with_pci_express_takes_several_volumes_while_it_runs(volumes: Volumes, blank: ImageFile) -> None:
    host, guest = volumes.host, guest_spec(replace(blank, properties={"hw_machine_type": "q35"}))
    host.spawn(guest)
    disks_ = [volumes.disk(volumes.make(), device) for device in ("vdb", "vdc", "vdd")]
    for disk in disks_:
        host.attach_volume(guest, disk)
    assert volumes.plugged(guest) == [[disk.volume_id for disk in disks_]] * 2


def test_half_an_attachment_is_made_whole(volumes: Volumes, blank: ImageFile) -> None:
    host, guest, disk = volumes.host, guest_spec(blank), volumes.disk(volumes.make())
    host.spawn(guest)
    host.attach_volume(guest, disk)
    volumes.lab.virsh("detach-disk", guest.uuid, "vdb", "--config")
    host.attach_volume(guest, disk)
    assert volumes.plugged(guest) == [[disk.volume_id]] * 2


@pytest.mark.long
def test_a_guest_that_does_not_let_go_keeps_its_volume_until_it_is_off(volumes: Volumes, blank: ImageFile) -> None:
    host, guest, disk = volumes.host, guest_spec(blank), volumes.disk(volumes.make())
    host.spawn(guest)
    host.attach_volume(guest, disk)
    with pytest.raises(DeviceDetachFailed, match="did not let go"):
        host.detach_volume(guest, disk)
    assert volumes.plugged(guest) == [[], [disk.volume_id]]
    host.power_off(guest.uuid, 0, 0)
    host.detach_volume(guest, disk)
    host.reboot(guest, "HARD")  # type: ignore[arg-type]
    assert volumes.plugged(guest) == [[], []]


def test_a_suspended_guests_volumes_stay_as_they_are(volumes: Volumes, blank: ImageFile) -> None:
    host, guest = volumes.host, guest_spec(blank)
    kept, other = (volumes.disk(volumes.make(), device) for device in ("vdb", "vdc"))
    host.spawn(guest)
    host.attach_volume(guest, kept)
    host.suspend(guest.uuid)
    for refused in (lambda: host.attach_volume(guest, other), lambda: host.detach_volume(guest, kept)):
        with pytest.raises(DriverError, match="is suspended"):
            refused()
    host.resume(replace(guest, volumes=[kept]))
    assert volumes.plugged(guest) == [[kept.volume_id]] * 2


def test_a_volume_with_a_header_that_names_a_file_is_never_plugged(volumes: Volumes, blank: ImageFile) -> None:
    host, guest, volume = volumes.host, guest_spec(blank), volumes.make()
    host.spawn(guest)
    disk = volumes.disk(volume)
    disks.qemu_img.run(
        ["rebase", "-u", "-f", "qcow2", "-F", "raw", "-b", "/etc/passwd", str(path_of(volumes.driver, volume))],
        timeout=60,
        address_space=1 << 30,
        cpu_seconds=30,
    )
    with pytest.raises(DriverError, match="can't be used"):
        host.attach_volume(guest, disk)
    with pytest.raises(DriverError, match="can't be used"):
        host.reboot(replace(guest, volumes=[disk]), "HARD")  # type: ignore[arg-type]
    assert volumes.plugged(guest)[0] == []


def test_a_volume_grows_under_a_guest_in_any_state(volumes: Volumes, blank: ImageFile) -> None:
    host, guest, volume = volumes.host, guest_spec(blank), volumes.make()
    disk = volumes.disk(volume)
    host.spawn(guest)
    host.attach_volume(guest, disk)
    for size, bring_to in enumerate(
        (lambda: None, lambda: host.pause(guest.uuid), lambda: host.power_off(guest.uuid, 0, 0)), start=2
    ):
        bring_to()
        for _ in range(2):
            host.extend_volume(guest, disk, size)
        assert disks.virtual_size(path_of(volumes.driver, volume)) == size * GIB


def test_a_snapshot_of_a_volume_is_whole_in_any_state_of_its_guest(volumes: Volumes, blank: ImageFile) -> None:
    host, guest, volume = volumes.host, guest_spec(blank), volumes.make()
    disk = volumes.disk(volume)
    host.spawn(guest)
    host.attach_volume(guest, disk)
    states = (lambda: None, lambda: host.pause(guest.uuid), lambda: host.power_off(guest.uuid, 0, 0))
    for bring_to in states:
        bring_to()
        before, key = host.guest_info(guest.uuid), str(uuid.uuid4())
        target = volumes.driver.snapshot_connection(volume, key)
        for _ in range(2):
            host.snapshot_volume(guest, disk, target, quiet)
        assert host.guest_info(guest.uuid) == before
        made = Path(target["path"])
        assert disks.virtual_size(made) == GIB
        assert disks.backing_file(made) is None
        assert volumes.driver.made()[key] == ["snapshot file"]

    def enough(*_: int) -> None:
        raise ValueError("enough")

    host.power_on(replace(guest, volumes=[disk]))
    there = files(volumes.directory)
    with pytest.raises(ValueError, match="enough"):
        host.snapshot_volume(guest, disk, volumes.driver.snapshot_connection(volume, str(uuid.uuid4())), enough)
    assert files(volumes.directory) == there
    assert list((host.instances / "snapshots").iterdir()) == []


KILLED = """
import json, os, signal, sys
from pathlib import Path
from tests.lab.guests import guest_spec
from tuinova.virt.libvirt.driver import LibvirtDriver
from tuinova.virt.volumes import VolumeDisk
uri, instances, guest, volume, source, target = sys.argv[1:]
driver = LibvirtDriver(host="h", uri=uri, instances_path=Path(instances))
driver.init_host(lambda *_: None, lambda *_: None)
disk = VolumeDisk(volume, "vdb", json.loads(source), 1)
driver.snapshot_volume(
    guest_spec(None, uuid=guest), disk, json.loads(target), lambda *_: os.kill(os.getpid(), signal.SIGKILL)
)
"""


def test_a_snapshot_of_a_volume_whose_caller_was_killed_leaves_nothing(volumes: Volumes, blank: ImageFile) -> None:
    host, guest, volume, key = volumes.host, guest_spec(blank), volumes.make(), str(uuid.uuid4())
    disk, target = volumes.disk(volume), volumes.driver.snapshot_connection(volume, key)
    host.spawn(guest)
    host.attach_volume(guest, disk)
    arguments = [volumes.lab.uri, str(host.instances), guest.uuid, volume.id, json.dumps(disk.connection)]
    command = [sys.executable, "-c", KILLED, *arguments, json.dumps(target)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    snapshots = host.instances / "snapshots"
    assert f"{guest.uuid}.json" in files(snapshots)
    again = Volumes(volumes.lab, host.instances, volumes.directory, LibvirtOptions())
    again.host.close()
    assert files(snapshots) == []
    assert files(volumes.directory) == [path_of(volumes.driver, volume).name]
    host.snapshot_volume(guest, disk, target, quiet)
    assert volumes.driver.made()[key] == ["snapshot file"]


@pytest.mark.long
def test_a_guest_that_still_boots_lets_go_in_the_end(volumes: Volumes) -> None:
    host = volumes.host
    guest, disk = guest_spec(demo_image()), volumes.disk(volumes.make())
    patient = Volumes(volumes.lab, host.instances, volumes.directory, LibvirtOptions(device_detach_timeout=5))
    host.spawn(guest)
    host.attach_volume(guest, disk)
    patient.host.detach_volume(guest, disk)
    assert volumes.plugged(guest) == [[], []]
    assert host.guest_info(guest.uuid).state is PowerState.RUNNING
    patient.host.close()
