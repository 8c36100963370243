"""Volumes of servers: attach and detach in every state, what is refused, what a crash leaves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.core.logic.conftest import House
from tuinova.core.block_devices import find_volume
from tuinova.core.errors import InstanceInvalidState, NovaError
from tuinova.core.errors.volumes import InvalidVolume, VolumeAlreadyAttached, VolumeNotAttached, VolumeNotFound
from tuinova.virt.fake.record import GuestRecord
from tuinova.virt.fake.volumes import content_of

UUID = "11111111-2222-3333-4444-555555555555"


def run_in(house: House, uuid: str, change: Callable[[GuestRecord], None]) -> None:
    def apply(record: GuestRecord, now: float) -> list[Any]:
        change(record)
        return []

    house.driver_of(uuid).apply(uuid, apply)


def write_on(house: House, uuid: str, volume_id: str, text: str) -> None:
    """A file on a volume, as the guest writes it."""

    def change(record: GuestRecord) -> None:
        [role] = [one["role"] for one in record.volumes if one["id"] == volume_id]
        record.contents = {**record.contents, role: {**record.contents.get(role, {}), "/note": text}}

    run_in(house, uuid, change)


def read_on(house: House, uuid: str, volume_id: str) -> str | None:
    record = house.driver_of(uuid).store.load(uuid)
    [role] = [one["role"] for one in record.volumes if one["id"] == volume_id]
    return record.contents.get(role, {}).get("/note")


def plugged(house: House, uuid: str) -> list[str]:
    return [one["device"] for one in house.driver_of(uuid).store.load(uuid).volumes]


def test_what_one_guest_writes_the_next_one_reads(house: House) -> None:
    first, second, volume = house.create(), house.create(), house.volume()
    server = house.attach(first.uuid, volume.id)
    device = find_volume(server, volume.id)
    assert device is not None
    assert (device.device_name, house.status_of(volume.id)) == ("/dev/vdb", "in-use")
    assert plugged(house, first.uuid) == ["vdb"]
    assert house.newest_action(first.uuid).action == "attach_volume"
    assert house.events(first.uuid) == [("compute_attach_volume", "Success")]
    write_on(house, first.uuid, volume.id, "hello")
    house.detach(first.uuid, volume.id)
    assert house.events(first.uuid) == [("compute_detach_volume", "Success")]
    assert (house.status_of(volume.id), plugged(house, first.uuid)) == ("available", [])
    assert house.server(first.uuid).block_devices is None
    house.attach(second.uuid, volume.id)
    assert read_on(house, second.uuid, volume.id) == "hello"
    assert house.volumes_are_sound()


@pytest.mark.parametrize("state", ["active", "paused", "stopped"])
def test_attach_and_detach_in_each_state(house: House, state: str) -> None:
    server, volume = house.in_state(state), house.volume()
    house.attach(server.uuid, volume.id)
    assert plugged(house, server.uuid) == ["vdb"]
    house.detach(server.uuid, volume.id)
    assert plugged(house, server.uuid) == []
    assert house.status_of(volume.id) == "available"
    assert house.server(server.uuid).vm_state == server.vm_state


@pytest.mark.parametrize("state", ["suspended", "error"])
def test_other_states_are_refused(house: House, state: str) -> None:
    server, volume = house.in_state(state), house.volume()
    with pytest.raises(InstanceInvalidState) as caught:
        house.attach(server.uuid, volume.id)
    assert caught.value.message.startswith(f"Cannot 'attach_volume' instance {server.uuid} while it is in vm_state")
    assert house.status_of(volume.id) == "available"


def test_a_volume_survives_stop_start_and_reboot(house: House) -> None:
    server, volume = house.create(), house.volume()
    house.attach(server.uuid, volume.id)
    write_on(house, server.uuid, volume.id, "kept")
    house.act(server.uuid, "stop")
    house.act(server.uuid, "start")
    house.act(server.uuid, "reboot", {"type": "HARD"})
    assert plugged(house, server.uuid) == ["vdb"]
    assert read_on(house, server.uuid, volume.id) == "kept"


def test_refusals_of_attach_and_detach(house: House) -> None:
    server, other, volume = house.create(), house.create(), house.volume()
    house.attach(server.uuid, volume.id)
    with pytest.raises(VolumeAlreadyAttached) as caught:
        house.attach(server.uuid, volume.id)
    assert caught.value.message == (
        f"Invalid volume: volume {volume.id} is already attached to instances: {server.uuid}"
    )
    with pytest.raises(VolumeAlreadyAttached):
        house.attach(other.uuid, volume.id)
    with pytest.raises(VolumeNotFound):
        house.attach(server.uuid, UUID)
    with pytest.raises(VolumeNotAttached):
        house.detach(other.uuid, volume.id)
    with pytest.raises(VolumeNotFound):
        house.detach(server.uuid, UUID)
    with pytest.raises(InvalidVolume):
        house.engine.volume_api.delete(house.ctx(), volume.id)
    assert [action.action for action in house.conductor.actions(other.uuid)] == ["create"]


def test_two_requests_can_not_both_take_a_volume(house: House) -> None:
    servers = [house.create() for _ in range(4)]
    volume = house.volume()
    won, lost = [], []
    gate = threading.Barrier(len(servers))

    def take(uuid: str) -> None:
        gate.wait()
        try:
            house.attach(uuid, volume.id, settle=False)
            won.append(uuid)
        except NovaError as error:
            lost.append(error)

    threads = [threading.Thread(target=take, args=(server.uuid,)) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    house.settle()
    assert (len(won), len(lost)) == (1, 3)
    assert all(isinstance(error, InvalidVolume) for error in lost)
    assert [one.instance_uuid for one in house.conductor.attachments()] == won
    assert house.volumes_are_sound()


def test_a_failed_attach_gives_the_volume_back(house: House) -> None:
    server, volume = house.create(), house.volume()
    house.driver.faults.order("attach_volume", {"error": "no slot is free", "times": 1})
    house.attach(server.uuid, volume.id)
    assert house.events(server.uuid) == [("compute_attach_volume", "Error")]
    assert house.fault(server.uuid) == (500, "no slot is free")
    assert house.status_of(volume.id) == "available"
    assert house.server(server.uuid).block_devices is None
    assert house.server(server.uuid).vm_state == "active"
    assert house.volumes_are_sound()


def test_a_detach_that_the_guest_refuses_leaves_it_in_use(house: House) -> None:
    server, volume = house.create(), house.volume()
    house.attach(server.uuid, volume.id)
    house.driver.faults.order("detach_volume", {"error": "the guest did not let go", "times": 1})
    house.detach(server.uuid, volume.id)
    assert house.events(server.uuid) == [("compute_detach_volume", "Error")]
    assert house.fault(server.uuid) == (500, "the guest did not let go")
    assert house.status_of(volume.id) == "in-use"
    assert plugged(house, server.uuid) == ["vdb"]
    house.detach(server.uuid, volume.id)
    assert house.status_of(volume.id) == "available"


def test_a_deleted_server_gives_its_volumes_back_or_takes_them_along(house: House) -> None:
    server, kept, gone = house.create(), house.volume(), house.volume()
    house.attach(server.uuid, kept.id)
    house.attach(server.uuid, gone.id, delete_on_termination=True)
    house.act(server.uuid, "delete")
    assert house.server(server.uuid).deleted
    assert (house.status_of(kept.id), house.status_of(gone.id)) == ("available", "gone")
    assert set(house.volume_driver.made()) == {kept.id}
    assert house.volumes_are_sound()


@pytest.mark.parametrize("method", ["attach_volume", "detach_volume"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_in_the_middle_is_carried_on(house: House, method: str, when: str) -> None:
    server, volume = house.create(), house.volume()
    if method == "detach_volume":
        house.attach(server.uuid, volume.id)
    reached = house.hang(method, when)
    (house.attach if method == "attach_volume" else house.detach)(server.uuid, volume.id, settle=False)
    assert reached.wait(5)
    house.crash()
    house.restart()
    expected = ("in-use", ["vdb"]) if method == "attach_volume" else ("available", [])
    assert (house.status_of(volume.id), plugged(house, server.uuid)) == expected
    assert house.events(server.uuid) == [(f"compute_{method}", "Success")]
    assert house.volumes_are_sound()


def test_a_server_that_is_deleted_while_a_volume_is_attached_holds_nothing(house: House) -> None:
    server, volume = house.create(), house.volume()
    reached = house.hang("attach_volume")
    house.attach(server.uuid, volume.id, settle=False)
    assert reached.wait(5)
    house.act(server.uuid, "delete", settle=False)
    house.driver.faults.order("attach_volume", None)
    house.settle()
    assert house.server(server.uuid).deleted
    assert house.status_of(volume.id) == "available"
    assert house.volumes_are_sound()


def test_extending_a_volume_that_a_guest_has(house: House) -> None:
    server, volume = house.create(), house.volume()
    house.attach(server.uuid, volume.id)
    house.engine.volume_api.extend(house.ctx(), volume.id, 3)
    house.settle()
    assert (house.status_of(volume.id), house.conductor.volume(volume.id).size) == ("in-use", 3)
    assert house.driver.store.load(server.uuid).volumes[0]["size"] == 3 << 30
    assert house.newest_action(server.uuid).action == "extend_volume"
    assert house.events(server.uuid) == [("compute_extend_volume", "Success")]
    held = find_volume(house.server(server.uuid), volume.id)
    assert held is not None
    assert held.volume_size == 3
    house.act(server.uuid, "stop")
    house.engine.volume_api.extend(house.ctx(), volume.id, 4)
    house.settle()
    assert house.conductor.volume(volume.id).size == 4
    house.driver.faults.order("extend_volume", {"error": "no", "times": 1})
    house.act(server.uuid, "start")
    house.engine.volume_api.extend(house.ctx(), volume.id, 5)
    house.settle()
    assert (house.status_of(volume.id), house.conductor.volume(volume.id).size) == ("in-use", 4)


def test_a_snapshot_of_a_volume_in_use_has_its_data(house: House) -> None:
    server, volume = house.create(), house.volume()
    house.attach(server.uuid, volume.id)
    write_on(house, server.uuid, volume.id, "now")
    api = house.engine.volume_api
    with pytest.raises(InvalidVolume) as caught:
        api.create_snapshot(house.ctx(), volume.id)
    assert caught.value.message == (
        f"Invalid volume: Volume {volume.id} status must be available, but current status is: in-use."
    )
    snapshot = api.create_snapshot(house.ctx(), volume.id, force=True)
    house.settle()
    assert house.conductor.snapshot(snapshot.id).status == "available"
    write_on(house, server.uuid, volume.id, "later")
    copy = house.volume(None, snapshot_id=snapshot.id)
    assert content_of(house.volume_driver.directory / f"volume-{copy.id}").files == {"/note": "now"}
    assert house.volumes_are_sound()


@pytest.mark.parametrize("when", ["before", "middle", "after", None])
def test_a_volume_goes_back_to_its_newest_snapshot(house: House, when: str | None) -> None:
    server, volume = house.create(), house.volume()
    api = house.engine.volume_api
    house.attach(server.uuid, volume.id)
    write_on(house, server.uuid, volume.id, "first")
    house.detach(server.uuid, volume.id)
    old = api.create_snapshot(house.ctx(), volume.id)
    house.settle()
    new = api.create_snapshot(house.ctx(), volume.id)
    house.settle()
    house.attach(server.uuid, volume.id)
    write_on(house, server.uuid, volume.id, "second")
    with pytest.raises(InvalidVolume):
        api.revert(house.ctx(), volume.id, new.id)
    house.detach(server.uuid, volume.id)
    with pytest.raises(NovaError, match="isn't the latest one"):
        api.revert(house.ctx(), volume.id, old.id)
    if when is not None:
        house.volume_driver.faults.order("replace", {"kind": "hang", "when": when})
    api.revert(house.ctx(), volume.id, new.id)
    if when is not None:
        house.crash()
        house.restart()
    house.settle()
    assert house.status_of(volume.id) == "available"
    house.attach(server.uuid, volume.id)
    assert read_on(house, server.uuid, volume.id) == "first"
    assert house.volumes_are_sound()
