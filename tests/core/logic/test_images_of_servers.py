"""Snapshots and backups: what an image of a server says and holds, and what is left of one that fails."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tuinova.core.drafts import ImageFilter
from tuinova.core.errors import Invalid, InvalidDiskFormat
from tuinova.core.records import Image
from tuinova.core.states import PowerState
from tuinova.virt.fake import FakeOptions

from .conftest import House
from .test_actions import wait_for_task, walked

PHOTO = {"name": "photo", "metadata": {"why": "test"}}
BACKUP = {"name": "nightly", "backup_type": "daily", "rotation": 2}
WALKS = {
    "createImage": ["image_snapshot_pending", "image_snapshot", "image_pending_upload", "image_uploading"],
    "createBackup": ["image_backup", "image_pending_upload", "image_uploading"],
}
EVENTS = {"createImage": "compute_snapshot_instance", "createBackup": "compute_backup_instance"}
BODIES: dict[str, Any] = {"createImage": PHOTO, "createBackup": BACKUP}


def make_image(house: House, uuid: str, name: str = "createImage", body: Any = None) -> Image:
    accepted = house.engine.compute_api.act(house.ctx(), uuid, name, body or BODIES[name])
    house.settle()
    return house.conductor.image(accepted.answer["image_id"])


@pytest.mark.parametrize("name", ["createImage", "createBackup"])
@pytest.mark.parametrize("state", ["active", "paused", "stopped", "suspended"])
def test_an_image_of_a_server_walks_its_states_and_leaves_the_server_alone(house: House, name: str, state: str) -> None:
    server = house.in_state(state)
    guest = house.driver.guest_info(server.uuid)
    since = house.conductor.last_change()
    image = make_image(house, server.uuid, name)
    after = house.server(server.uuid)
    assert walked(house.conductor.changes(since), server.uuid) == WALKS[name]
    assert (after.vm_state, after.task_state, after.power_state) == (state, None, server.power_state)
    assert house.driver.guest_info(server.uuid) == guest
    assert house.events(server.uuid) == [(EVENTS[name], "Success")]
    action = house.newest_action(server.uuid)
    assert (action.action, action.message) == (name, None)
    assert (image.status, image.disk_format, image.container_format) == ("active", "qcow2", "bare")
    assert image.checksum
    assert image.size == house.engine.image_store.path(image.id).stat().st_size
    assert not house.conductor.open_orders()


def test_the_image_is_queued_with_the_request_and_inherits_from_the_servers_image(house: House) -> None:
    house.image = house.add_image(
        min_disk=1, min_ram=64, properties={"hw_disk_bus": "scsi", "os_distro": "cirros", "cache_in_nova": "True"}
    )
    server = house.create(flavor_ref="1")
    hangs = house.hang("snapshot")
    ctx = house.ctx()
    accepted = house.engine.compute_api.act(ctx, server.uuid, "createImage", PHOTO)
    queued = house.conductor.image(accepted.answer["image_id"])
    assert (queued.name, queued.status, queued.owner, queued.visibility) == (
        "photo",
        "queued",
        ctx.project_id,
        "private",
    )
    assert (queued.disk_format, queued.container_format) == (None, None)
    assert hangs.wait(10)
    house.driver.faults.order("snapshot", {"kind": "slow"})
    house.driver.faults.order("snapshot", None)
    house.settle()
    assert house.server(server.uuid).task_state is None
    image = make_image(house, server.uuid)
    assert (image.min_disk, image.min_ram, image.virtual_size) == (1, 64, 1 << 30)
    assert image.properties == {
        "base_image_ref": house.image.id,
        "boot_roles": "admin,manager,member,reader",
        "hw_disk_bus": "scsi",
        "image_location": "snapshot",
        "image_state": "available",
        "image_type": "snapshot",
        "instance_uuid": server.uuid,
        "os_distro": "cirros",
        "owner_id": server.project_id,
        "owner_project_name": "admin",
        "owner_user_name": "admin",
        "user_id": ctx.user_id,
        "why": "test",
    }


def test_a_snapshot_of_a_server_of_a_snapshot_names_the_first_image(house: House) -> None:
    server = house.create()
    image = make_image(house, server.uuid)
    second = house.create(name="vm2", image_ref=image.id)
    assert house.server(second.uuid).vm_state == "active"
    assert make_image(house, second.uuid).properties["base_image_ref"] == server.image_ref


def test_the_files_of_the_disk_come_back_in_a_new_server(house: House) -> None:
    server = house.create()
    house.write_note(server.uuid, "kept")
    image = make_image(house, server.uuid)
    house.write_note(server.uuid, "later")
    copy = house.create(name="copy", image_ref=image.id)
    assert (house.note_of(copy.uuid), house.note_of(server.uuid)) == ("kept", "later")


def test_an_amazon_image_stays_one(house: House) -> None:
    kernel = house.add_image(name="k", disk_format="aki", container_format="aki")
    ramdisk = house.add_image(name="r", disk_format="ari", container_format="ari")
    house.image = house.add_image(
        disk_format="ami",
        container_format="ami",
        properties={"kernel_id": kernel.id, "ramdisk_id": ramdisk.id},
    )
    server = house.create()
    image = make_image(house, server.uuid)
    assert (image.status, image.disk_format, image.container_format) == ("active", "ami", "ami")
    assert (image.properties["kernel_id"], image.properties["ramdisk_id"]) == (kernel.id, ramdisk.id)


def test_an_admins_image_of_anothers_server_is_shared_with_its_project(house: House) -> None:
    server = house.create(ctx=house.ctx("demo", "demo"))
    image = make_image(house, server.uuid)
    assert (image.visibility, image.owner) == ("shared", house.ctx().project_id)
    assert image.members == {server.project_id: "pending"}
    assert image.properties["owner_id"] == server.project_id
    assert house.create(ctx=house.ctx("demo", "demo"), image_ref=image.id, name="its copy").vm_state == "active"
    assert not image.visible_to("another project's id")
    assert not image.visible_to(None)


@pytest.mark.parametrize("name", ["createImage", "createBackup"])
def test_the_lock_does_not_keep_anybody_from_an_image(house: House, name: str) -> None:
    demo = house.ctx("demo", "demo")
    server = house.create(ctx=demo)
    house.act(server.uuid, "lock", ctx=demo)
    house.act(server.uuid, name, BODIES[name], ctx=house.ctx("demo", "demo"))
    assert house.events(server.uuid) == [(EVENTS[name], "Success")]


@pytest.mark.parametrize("name", ["createImage", "createBackup"])
@pytest.mark.parametrize("when", ["before", "middle", "after"])
def test_a_driver_that_fails_leaves_the_server_a_fault_and_no_image(house: House, name: str, when: str) -> None:
    server = house.create()
    house.driver.faults.order("snapshot", {"error": "no such disk", "when": when})
    house.act(server.uuid, name, BODIES[name])
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state, after.power_state) == ("active", None, PowerState.RUNNING)
    assert house.fault(server.uuid) == (500, "no such disk")
    assert house.events(server.uuid) == [(EVENTS[name], "Error")]
    assert house.newest_action(server.uuid).message == "Error"
    assert house.files_of_images() == set()
    assert not house.conductor.images(ImageFilter(name=BODIES[name]["name"], os_hidden=None))


def test_a_full_disk_is_a_clear_error_and_leaves_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    server = house.create()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tuinova.core.image_store.os.fsync", full)
    house.act(server.uuid, "createImage", PHOTO)
    assert house.fault(server.uuid) == (413, "Image storage media is full: No space left on device")
    assert house.server(server.uuid).task_state is None
    assert house.no_image_is_half_made()


def test_a_driver_that_writes_rubbish_is_found_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    server = house.create()

    def rubbish(guest: Any, target: Any, disk_format: Any, progress: Any) -> str:
        target.write_bytes(b"QFI\xfb" + bytes(100))
        return "qcow2"

    monkeypatch.setattr(house.driver, "snapshot", rubbish)
    house.act(server.uuid, "createImage", PHOTO)
    code, message = house.fault(server.uuid) or (0, "")
    assert (code, message.startswith("Image ")) == (400, True)
    assert house.no_image_is_half_made()


@pytest.mark.parametrize(("copy_seconds", "when"), [(6, "while it is copied"), (0, "before it is taken")])
def test_an_image_that_is_deleted_meanwhile_ends_the_snapshot_without_a_fault(
    make_house: Any, copy_seconds: float, when: str
) -> None:
    house = make_house(fake=FakeOptions(boot_seconds=0, watch_seconds=3600, copy_seconds=copy_seconds))
    server = house.create()
    if not copy_seconds:
        house.driver.faults.order("snapshot", {"kind": "slow", "when": "after", "delay": 0.5})
    begun = time.monotonic()
    accepted = house.engine.compute_api.act(house.ctx(), server.uuid, "createImage", PHOTO)
    wait_for_task(house, server.uuid, "image_pending_upload")
    house.conductor.delete_image(accepted.answer["image_id"])
    house.settle()
    assert time.monotonic() - begun < 5
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state, house.fault(server.uuid)) == ("active", None, None)
    assert house.files_of_images() == set()
    assert house.events(server.uuid) == [("compute_snapshot_instance", "Error")]


@pytest.mark.parametrize("name", ["createImage", "createBackup"])
def test_a_delete_ends_a_snapshot_that_runs_and_takes_its_image_away(make_house: Any, name: str) -> None:
    house = make_house(fake=FakeOptions(boot_seconds=0, watch_seconds=3600, copy_seconds=6))
    server = house.create()
    accepted = house.engine.compute_api.act(house.ctx(), server.uuid, name, BODIES[name])
    wait_for_task(house, server.uuid, "image_pending_upload")
    house.act(server.uuid, "delete")
    assert house.server(server.uuid).deleted
    assert accepted.answer["image_id"] not in house.conductor.image_ids()
    assert house.files_of_images() == set()
    assert house.nothing_left(server.uuid)


def test_a_backup_beyond_its_rotation_takes_the_oldest_of_its_kind_away(house: House) -> None:
    server = house.create()
    other = house.create(name="other")
    weekly = make_image(house, server.uuid, "createBackup", {**BACKUP, "backup_type": "weekly"})
    of_other = make_image(house, other.uuid, "createBackup")
    photo = make_image(house, server.uuid)
    made = []
    for _ in range(4):
        house.seconds += 1
        made.append(make_image(house, server.uuid, "createBackup"))
    left = house.conductor.image_ids()
    assert [image.id in left for image in made] == [False, False, True, True]
    assert {weekly.id, of_other.id, photo.id} <= left
    assert house.files_of_images() == {image.id for image in house.conductor.images() if image.checksum}


def test_a_rotation_of_none_takes_the_new_backup_away_too(house: House) -> None:
    server = house.create()
    accepted = house.engine.compute_api.act(house.ctx(), server.uuid, "createBackup", {**BACKUP, "rotation": 0})
    house.settle()
    assert accepted.answer["image_id"] not in house.conductor.image_ids()
    assert house.files_of_images() == set()
    assert house.events(server.uuid) == [("compute_backup_instance", "Success")]


def test_a_protected_backup_survives_the_rotation(house: House) -> None:
    server = house.create()
    first = make_image(house, server.uuid, "createBackup", {**BACKUP, "rotation": 1})
    house.conductor.update_image(first.id, protected=True)
    house.seconds += 1
    second = make_image(house, server.uuid, "createBackup", {**BACKUP, "rotation": 1})
    assert {first.id, second.id} <= house.conductor.image_ids()
    assert house.engine.image_store.exists(first.id)


def test_a_failed_backup_rotates_nothing(house: House) -> None:
    server = house.create()
    first = make_image(house, server.uuid, "createBackup", {**BACKUP, "rotation": 1})
    house.seconds += 1
    house.driver.faults.order("snapshot", {"error": "no"})
    house.act(server.uuid, "createBackup", {**BACKUP, "rotation": 1})
    assert house.conductor.image(first.id).status == "active"
    assert house.no_image_is_half_made()


def test_what_another_project_calls_a_backup_of_the_server_does_not_count(house: House) -> None:
    server = house.create()
    foreign = house.add_image(
        owner="somebody",
        properties={"image_type": "backup", "backup_type": "daily", "instance_uuid": server.uuid},
        visibility="private",
    )
    house.seconds += 1
    mine = make_image(house, server.uuid, "createBackup", {**BACKUP, "rotation": 1})
    assert {foreign.id, mine.id} <= house.conductor.image_ids()


@pytest.mark.parametrize("rotation", [-1, None, "x", True])
def test_a_rotation_must_be_a_number_from_0_on(house: House, rotation: Any) -> None:
    server = house.create()
    with pytest.raises(Invalid):
        house.act(server.uuid, "createBackup", {**BACKUP, "rotation": rotation})
    assert house.server(server.uuid).task_state is None


@pytest.mark.parametrize("name", ["createImage", "createBackup"])
@pytest.mark.parametrize("when", ["before", "middle", "after"])
def test_a_crash_leaves_no_half_made_image_and_no_task(house: House, name: str, when: str) -> None:
    server = house.create()
    hangs = house.hang("snapshot", when)
    accepted = house.engine.compute_api.act(house.ctx(), server.uuid, name, BODIES[name])
    assert hangs.wait(10)
    house.crash()
    house.restart()
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state, after.power_state) == ("active", None, PowerState.RUNNING)
    assert accepted.answer["image_id"] not in house.conductor.image_ids()
    assert house.no_image_is_half_made()
    assert house.events(server.uuid) == [(EVENTS[name], "Error")]
    assert not house.conductor.open_orders()
    assert make_image(house, server.uuid, name).status == "active"


def test_a_crash_while_the_copy_becomes_data_does_not_bring_the_image_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = house.create()
    accepted = []

    def die(*_: Any) -> None:
        house.conductor.close()  # nothing that happens now is written down
        raise InvalidDiskFormat(disk_format="none")

    with monkeypatch.context() as patched:
        patched.setattr(house.engine.image_store, "adopt", die)
        accepted.append(house.engine.compute_api.act(house.ctx(), server.uuid, "createImage", PHOTO))
        house.engine.bus.wait_idle(10)
    house.crash()
    house.restart()
    assert accepted[0].answer["image_id"] not in house.conductor.image_ids()
    assert house.server(server.uuid).task_state is None
    assert house.events(server.uuid) == [("compute_snapshot_instance", "Error")]
    assert house.no_image_is_half_made()


def test_a_delete_accepted_before_a_crash_takes_the_half_made_image_too(house: House) -> None:
    server = house.create()
    hangs = house.hang("snapshot")
    accepted = house.engine.compute_api.act(house.ctx(), server.uuid, "createImage", PHOTO)
    assert hangs.wait(10)
    house.act(server.uuid, "delete", settle=False)
    house.crash()
    house.restart()
    assert house.server(server.uuid).deleted
    assert accepted.answer["image_id"] not in house.conductor.image_ids()
    assert not house.conductor.open_orders()


def test_an_upload_that_a_crash_cut_off_may_be_made_again(house: House) -> None:
    image = house.add_image(status="saving")
    house.engine.image_store.path(image.id).write_bytes(b"data that was never announced")
    house.crash()
    house.restart()
    assert house.conductor.image(image.id).status == "queued"
    assert not house.engine.image_store.exists(image.id)
