"""Volumes through moves, shelving, evacuation and rebuild; what is different for a server that boots from one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.core.logic.conftest import NOTE, House, quick_options
from tests.core.logic.test_boot_from_volume import boot, image_with_data, of_image
from tests.core.logic.test_volumes import plugged, read_on, write_on
from tuinova.core.block_devices import find_volume, is_volume_backed, volumes_of
from tuinova.core.errors import Invalid
from tuinova.core.records import Instance
from tuinova.virt.fake.volumes import content_of

HOSTS = ("node1", "node2")


@pytest.fixture
def pair(make_house: Callable[..., House]) -> House:
    """Two hosts; a resize goes to the other one."""
    return make_house(*HOSTS, options=quick_options(allow_resize_to_same_host=False))


def with_volume(house: House, text: str = "kept") -> tuple[Instance, str]:
    """A server of an image with a volume on which its guest wrote."""
    server, volume = house.create(host=house.host_names[0]), house.volume()
    house.attach(server.uuid, volume.id)
    write_on(house, server.uuid, volume.id, text)
    return house.server(server.uuid), volume.id


def from_volume(house: House, **fields: object) -> Instance:
    """A server that boots from a volume."""
    return boot(house, of_image(image_with_data(house), 2), host=house.host_names[0], **fields)


@pytest.mark.parametrize("end", ["confirmResize", "revertResize"])
@pytest.mark.parametrize("action", ["resize", "migrate"])
def test_cold_moves_take_volumes_along(pair: House, action: str, end: str) -> None:
    server, volume = with_volume(pair)
    moved = pair.act(server.uuid, action, {"flavorRef": "2"} if action == "resize" else None)
    assert (moved.vm_state, moved.host) == ("resized", "node2")
    assert plugged(pair, server.uuid) == ["vdb"]
    assert read_on(pair, server.uuid, volume) == "kept"
    write_on(pair, server.uuid, volume, "moved")
    done = pair.act(server.uuid, end)
    assert (done.vm_state, done.host) == ("active", "node2" if end == "confirmResize" else "node1")
    assert read_on(pair, server.uuid, volume) == "moved"
    assert pair.status_of(volume) == "in-use"
    pair.detach(server.uuid, volume)
    assert pair.status_of(volume) == "available"
    assert pair.volumes_are_sound()


def test_a_volume_that_came_while_a_resize_waited_stays_after_a_revert(pair: House) -> None:
    server, _ = with_volume(pair)
    pair.act(server.uuid, "resize", {"flavorRef": "2"})
    second = pair.volume()
    pair.attach(server.uuid, second.id)
    pair.act(server.uuid, "revertResize")
    assert plugged(pair, server.uuid) == ["vdb", "vdc"]
    assert pair.volumes_are_sound()


def test_live_migration_takes_volumes_along(pair: House) -> None:
    server, volume = with_volume(pair)
    moved = pair.act(server.uuid, "os-migrateLive", {"host": None, "block_migration": "auto"})
    assert (moved.vm_state, moved.host) == ("active", "node2")
    assert read_on(pair, server.uuid, volume) == "kept"
    pair.detach(server.uuid, volume)
    assert plugged(pair, server.uuid) == []


def test_a_server_without_local_disks_migrates_without_copying(pair: House) -> None:
    server = from_volume(pair)
    moved = pair.act(server.uuid, "os-migrateLive", {"host": None, "block_migration": False})
    assert (moved.vm_state, moved.host) == ("active", "node2")
    assert pair.note_of(server.uuid) == "from the image"


def test_resize_of_a_volume_backed_server_looks_at_no_disk(pair: House) -> None:
    server = from_volume(pair, flavor_ref="2")
    resized = pair.act(server.uuid, "resize", {"flavorRef": "84"})
    assert (resized.vm_state, resized.flavor["name"]) == ("resized", "m1.micro")
    done = pair.act(server.uuid, "confirmResize")
    assert done.vm_state == "active"
    assert pair.note_of(server.uuid) == "from the image"
    assert {allocation.disk_gb for allocation in pair.conductor.allocations()} == {0}


def test_shelving_keeps_volumes_reserved_and_brings_them_back(pair: House) -> None:
    server, volume = with_volume(pair)
    shelved = pair.act(server.uuid, "shelve")
    assert shelved.vm_state == "shelved_offloaded"
    assert pair.status_of(volume) == "reserved"
    extra = pair.volume()
    pair.attach(server.uuid, extra.id)
    assert pair.status_of(extra.id) == "reserved"
    assert pair.events(server.uuid) == [("api_attach_volume", "Success")]
    gone = pair.volume()
    pair.attach(server.uuid, gone.id)
    pair.detach(server.uuid, gone.id)
    assert pair.events(server.uuid) == [("api_detach_volume", "Success")]
    assert pair.status_of(gone.id) == "available"
    back = pair.act(server.uuid, "unshelve")
    assert back.vm_state == "active", pair.fault(server.uuid)
    assert read_on(pair, server.uuid, volume) == "kept"
    assert plugged(pair, server.uuid) == ["vdb", "vdc"]
    assert (pair.status_of(volume), pair.status_of(extra.id)) == ("in-use", "in-use")
    assert pair.volumes_are_sound()


def test_a_volume_backed_server_is_offloaded_at_once_and_without_an_image(pair: House) -> None:
    server = from_volume(pair)
    pair.write_note(server.uuid, "before")
    images = len(pair.conductor.images())
    shelved = pair.act(server.uuid, "shelve")
    assert (shelved.vm_state, shelved.host, shelved.task_state) == ("shelved_offloaded", None, None)
    assert pair.events(server.uuid) == [("compute_shelve_offload_instance", "Success")]
    assert len(pair.conductor.images()) == images
    back = pair.act(server.uuid, "unshelve")
    assert back.vm_state == "active", pair.fault(server.uuid)
    assert pair.events(server.uuid) == [("schedule_instances", "Success"), ("compute_unshelve_instance", "Success")]
    assert pair.note_of(server.uuid) == "before"
    assert pair.volumes_are_sound()


def test_a_failed_unshelve_leaves_it_as_shelved_as_before(pair: House) -> None:
    server = from_volume(pair)
    pair.act(server.uuid, "shelve")
    for driver in pair.drivers.values():
        driver.faults.order("spawn", {"error": "no"})
    failed = pair.act(server.uuid, "unshelve")
    assert (failed.vm_state, failed.host, failed.task_state) == ("shelved_offloaded", None, None)
    [device] = volumes_of(failed)
    assert (pair.status_of(device.volume_id or ""), device.connection) == ("reserved", None)
    for driver in pair.drivers.values():
        driver.faults.order("spawn", None)
    assert pair.act(server.uuid, "unshelve").vm_state == "active"
    assert pair.volumes_are_sound()


def test_a_deleted_offloaded_server_lets_go_of_its_volumes(pair: House) -> None:
    server, volume = with_volume(pair)
    pair.act(server.uuid, "shelve")
    pair.act(server.uuid, "delete")
    assert pair.status_of(volume) == "available"
    assert pair.volumes_are_sound()


def test_evacuation_brings_the_volumes(pair: House) -> None:
    server, volume = with_volume(pair)
    pair.conductor.set_service("node1", "nova-compute", forced_down=True)
    moved = pair.act(server.uuid, "evacuate", {"host": None})
    assert (moved.vm_state, moved.host) == ("stopped", "node2"), pair.fault(server.uuid)
    moved = pair.act(server.uuid, "start")
    assert read_on(pair, server.uuid, volume) == "kept"
    assert pair.volumes_are_sound()


def test_rebuild_of_a_server_with_a_volume_keeps_its_data(house: House) -> None:
    server, volume = with_volume(house)
    house.write_note(server.uuid, "lost")
    rebuilt = house.act(server.uuid, "rebuild", {"imageRef": server.image_ref})
    assert rebuilt.vm_state == "active", house.fault(server.uuid)
    assert house.note_of(server.uuid) is None
    assert read_on(house, server.uuid, volume) == "kept"


def test_rebuild_writes_the_root_volume_anew(house: House) -> None:
    server = from_volume(house)
    house.write_note(server.uuid, "lost")
    [device] = volumes_of(server)
    snapshot = house.engine.volume_api.create_snapshot(house.ctx(), device.volume_id or "", force=True)
    house.settle()
    with pytest.raises(Invalid, match="Size of specified image 3GB is larger than volume size 2GB"):
        house.act(server.uuid, "rebuild", {"imageRef": image_with_data(house, 3).id})
    rebuilt = house.act(server.uuid, "rebuild", {"imageRef": image_with_data(house).id})
    assert (rebuilt.vm_state, rebuilt.image_ref) == ("active", None), house.fault(server.uuid)
    assert house.note_of(server.uuid) == "from the image"
    assert [one.volume_id for one in volumes_of(rebuilt)] == [device.volume_id]
    assert house.status_of(device.volume_id or "") == "in-use"
    assert content_of(house.volume_driver.directory / f"snapshot-{snapshot.id}").files[NOTE] == "lost"
    assert house.volumes_are_sound()


def test_what_a_volume_backed_server_refuses(house: House) -> None:
    server = from_volume(house)
    with pytest.raises(Invalid) as caught:
        house.act(server.uuid, "rescue", {})
    assert caught.value.message == (f"Instance {server.uuid} cannot be rescued: Cannot rescue a volume-backed instance")
    with pytest.raises(Invalid) as caught:
        house.act(server.uuid, "createBackup", {"name": "b", "backup_type": "daily", "rotation": 1})
    assert caught.value.message == "Backup is not supported for volume-backed instances."


def test_an_image_of_a_volume_backed_server_boots_again(house: House) -> None:
    server, data = from_volume(house), house.volume()
    house.attach(server.uuid, data.id)
    house.write_note(server.uuid, "at the snapshot")
    write_on(house, server.uuid, data.id, "data too")
    answer = house.engine.compute_api.act(house.ctx(), server.uuid, "createImage", {"name": "all of it"}).answer
    house.settle()
    image = house.conductor.image(str(answer["image_id"]))
    assert (image.status, image.size, image.disk_format) == ("active", 0, None)
    assert house.events(server.uuid) == [("api_snapshot_instance", "Success")]
    snapshots = house.conductor.snapshots()
    assert {snapshot.status for snapshot in snapshots} == {"available"}
    assert len(snapshots) == 2
    house.write_note(server.uuid, "later")
    root = {"source_type": "image", "destination_type": "local", "uuid": image.id, "boot_index": 0}
    copy = house.create(image_ref=image.id, block_devices=[root])
    assert (copy.vm_state, copy.image_ref) == ("active", None), house.fault(copy.uuid)
    assert is_volume_backed(copy)
    assert house.note_of(copy.uuid) == "at the snapshot"
    first, second = volumes_of(copy)
    assert read_on(house, copy.uuid, second.volume_id or "") == "data too"
    assert find_volume(copy, first.volume_id or "") is not None
    path = house.volume_driver.directory / f"volume-{first.volume_id}"
    assert content_of(path).files["/home/cirros/note"] == "at the snapshot"
    assert house.volumes_are_sound()


def test_a_soft_deleted_server_keeps_its_volumes_until_it_is_reclaimed(make_house: Callable[..., House]) -> None:
    from dataclasses import replace

    from tuinova.core.compute_api import ApiOptions

    options = quick_options(reclaim_instance_interval=3600)
    house = make_house(options=replace(options, api=ApiOptions(reclaim_instance_interval=3600)))
    server, volume = with_volume(house)
    house.act(server.uuid, "delete")
    assert house.server(server.uuid).vm_state == "soft-delete"
    assert house.status_of(volume) == "in-use"
    house.act(server.uuid, "restore")
    assert read_on(house, server.uuid, volume) == "kept"
    house.act(server.uuid, "forceDelete")
    assert house.status_of(volume) == "available"
