"""Guests with volumes on the way to another host: what both hosts reach is never copied."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.guests import blank_image, guest_spec
from tests.virt_libvirt.test_live_migration import Pair, pair, pass_by, root_only
from tests.virt_libvirt.test_volume_files import files, place, quiet, spec
from tuinova.virt.driver import GuestSpec, MigrationPreCheckError
from tuinova.virt.libvirt.driver import LibvirtDriver
from tuinova.virt.libvirt.volumes import LibvirtVolumeDriver
from tuinova.virt.volumes import VolumeDisk

__all__ = ["pair"]
pytestmark = [pytest.mark.integration, root_only]


@pytest.fixture
def driver() -> Iterator[LibvirtVolumeDriver]:
    """Volumes in a directory that both hosts' QEMU may enter."""
    with tempfile.TemporaryDirectory(prefix="tn-volumes-", dir="/tmp") as name:
        Path(name).chmod(0o711)
        yield place(Path(name))


@pytest.fixture
def volume_disk(driver: LibvirtVolumeDriver) -> Callable[..., VolumeDisk]:
    def make(device: str, boot_index: int | None = None) -> VolumeDisk:
        volume = spec()
        driver.create(volume, None, quiet)
        return VolumeDisk(volume.id, device, driver.connection(volume), 1, boot_index=boot_index)

    return make


def serials(pair: Pair, number: int, guest: GuestSpec) -> list[str]:
    """Of the definition that is kept and of the one that runs."""
    xml = "".join(pair.hosts[number].virsh("dumpxml", guest.uuid, *more).stdout for more in ((), ("--inactive",)))
    assert xml.count("<backingStore/>") >= 2
    return re.findall("<serial>(.*)</serial>", xml)


def test_volumes_stay_where_they_are_when_their_guest_moves_alive(
    pair: Pair, volume_disk: Callable[..., VolumeDisk]
) -> None:
    here, there = pair.drivers
    kept = volume_disk("vdb")
    guest = guest_spec(blank_image(here.instances / "blank.qcow2"), volumes=[kept])
    here.spawn(guest)
    data = pair.prepare(guest)
    assert [disk["target"] for disk in data["disks"]] == ["vda"]
    here.live_migration(guest, data, pass_by)
    pair.finish(guest, data)
    assert pair.where(guest) == ["", "RUNNING"]
    assert serials(pair, 1, guest) == [kept.volume_id] * 2
    pair.assert_nothing_at(0, guest)
    there.extend_volume(guest, kept, 2)
    there.power_off(guest.uuid, 0, 0)
    there.detach_volume(guest, kept)
    assert len(list(Path(kept.connection["path"]).parent.iterdir())) == 1
    # Cold, and back: what is not copied is there all the same.
    there.attach_volume(guest, kept)
    there.migrate_disk_and_power_off(guest, guest, here.migration_address(), 0, 1, quiet)
    here.finish_migration(guest, power_on=True)
    there.confirm_migration(guest, same_host=False)
    assert serials(pair, 0, guest) == [kept.volume_id] * 2
    pair.assert_nothing_at(1, guest)


@pytest.mark.long
def test_a_guest_without_disks_of_its_own_moves_though_nothing_is_shared(
    pair: Pair, volume_disk: Callable[..., VolumeDisk]
) -> None:
    here, there = pair.drivers
    guest = guest_spec(None, volumes=[volume_disk("vda", 0), volume_disk("vdb")])
    here.spawn(guest)
    data = dict(there.check_can_live_migrate_destination(guest, False))
    unlike = {**data, "volumes": {**data["volumes"], guest.volumes[1].volume_id: [0, 0, 0]}}
    with pytest.raises(MigrationPreCheckError, match="is not the same one"):
        here.check_can_live_migrate_source(guest, unlike)
    data = dict(there.pre_live_migration(guest, here.check_can_live_migrate_source(guest, data)))
    here.live_migration(guest, data, pass_by)
    pair.finish(guest, data)
    assert pair.where(guest) == ["", "RUNNING"]
    pair.assert_nothing_at(0, guest)
    os.unlink(guest.volumes[1].connection["path"])
    with pytest.raises(MigrationPreCheckError, match="does not reach volume"):
        here.check_can_live_migrate_destination(guest, None)


@pytest.mark.long
def test_a_resize_of_a_volume_backed_guest_leaves_its_root_alone(
    libvirt_driver: LibvirtDriver, volume_disk: Callable[..., VolumeDisk]
) -> None:
    root = volume_disk("vda", 0)
    guest = guest_spec(None, root_gb=5, volumes=[root], ephemeral_gb=1)
    new = guest_spec(None, uuid=guest.uuid, name=guest.name, root_gb=1, memory_mb=160, volumes=[root], ephemeral_gb=1)
    libvirt_driver.spawn(guest)
    libvirt_driver.migrate_disk_and_power_off(guest, new, libvirt_driver.migration_address(), 0, 0, quiet)
    libvirt_driver.finish_migration(new, power_on=True)
    libvirt_driver.confirm_migration(new, same_host=True)
    libvirt_driver.destroy(new)
    assert len(files(Path(root.connection["path"]).parent)) == 1
