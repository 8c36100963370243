"""Rescue and unrescue: states, images, passwords, failures, crashes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tuinova.core.errors import ImageNotActive, InstanceInvalidState, UnsupportedRescueImage
from tuinova.core.states import PowerState
from tuinova.virt.fake.accounts import accepts

from .conftest import House
from .test_actions import walked

RUN, OFF = PowerState.RUNNING, PowerState.SHUTDOWN


def rescued(house: House, **fields: Any) -> str:
    server = house.create(**fields)
    assert house.act(server.uuid, "rescue").vm_state == "rescued"
    return server.uuid


def rescue_of(house: House, uuid: str) -> Any:
    """What the guest was rescued with."""
    return house.driver.store.load(uuid).rescue


@pytest.mark.parametrize("state", ["active", "stopped", "error"])
def test_rescue_boots_the_servers_image_and_answers_a_password(house: House, state: str) -> None:
    server = house.in_state(state)
    since, ctx = house.conductor.last_change(), house.ctx()
    accepted = house.engine.compute_api.act(ctx, server.uuid, "rescue", None)
    house.settle()
    after = house.server(server.uuid)
    assert walked(house.conductor.changes(since), server.uuid) == ["rescuing"]
    assert (after.vm_state, after.status, after.task_state, after.power_state) == ("rescued", "RESCUE", None, RUN)
    assert len(accepted.answer["adminPass"]) == 12
    assert after.launched_at > server.launched_at
    assert rescue_of(house, server.uuid)["image"] == server.image_ref
    assert house.events(server.uuid) == [("compute_rescue_instance", "Success")]


def test_unrescue_brings_the_servers_own_disk_back(house: House) -> None:
    uuid = rescued(house)
    since = house.conductor.last_change()
    after = house.act(uuid, "unrescue")
    assert walked(house.conductor.changes(since), uuid) == ["unrescuing"]
    assert (after.vm_state, after.task_state, after.power_state) == ("active", None, RUN)
    assert rescue_of(house, uuid) is None
    assert house.events(uuid) == [("compute_unrescue_instance", "Success")]
    assert "rescue_image_ref" not in after.system_metadata


def test_the_guest_is_asked_to_shut_down_before(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    server, asked = house.create(), []
    power_off = house.driver.power_off

    def watched(uuid: str, timeout: int, retry_interval: int) -> None:
        asked.append((timeout, retry_interval))
        power_off(uuid, timeout, retry_interval)

    monkeypatch.setattr(house.driver, "power_off", watched)
    house.act(server.uuid, "rescue")
    assert asked == [(1, 1)]


def test_the_asked_image_and_password_are_taken(house: House) -> None:
    kernel = house.add_image(name="kernel", disk_format="aki", container_format="aki")
    other = house.add_image(name="other", properties={"kernel_id": kernel.id})
    server = house.create(config_drive=True)
    accepted = house.engine.compute_api.act(
        house.ctx(), server.uuid, "rescue", {"adminPass": "let me in", "rescue_image_ref": other.id}
    )
    house.settle()
    assert accepted.answer == {"adminPass": "let me in"}
    assert rescue_of(house, server.uuid)["image"] == other.id
    assert rescue_of(house, server.uuid)["kernel"] == kernel.id
    drive = Path(house.driver.store.path(server.uuid, "disk.config.rescue"))
    told = json.loads((drive / "openstack/latest/meta_data.json").read_text())
    assert told["admin_pass"] == "let me in"
    assert accepts(house.driver.store.load(server.uuid), "root", "let me in")


def test_a_password_is_kept_only_for_a_config_drive(house: House) -> None:
    server = house.create()
    house.engine.bus.stop(5)
    house.act(server.uuid, "rescue", {"adminPass": "secret"}, settle=False)
    assert "secret" not in str(house.conductor.open_orders())


def test_a_server_of_a_snapshot_is_rescued_with_the_first_image(house: House) -> None:
    server = house.create()
    accepted = house.engine.compute_api.act(house.ctx(), server.uuid, "createImage", {"name": "photo"})
    house.settle()
    copy = house.create(name="copy", image_ref=accepted.answer["image_id"])
    house.act(copy.uuid, "rescue")
    assert rescue_of(house, copy.uuid)["image"] == server.image_ref


def test_an_image_that_is_not_there_or_not_the_callers_is_refused(house: House) -> None:
    demo = house.ctx("demo", "demo")
    server = house.create(ctx=demo)
    private = house.add_image(visibility="private", owner=house.ctx().project_id)
    for image_id in ("b3c5a3a0-0000-4000-8000-000000000000", private.id):
        with pytest.raises(UnsupportedRescueImage) as refusal:
            house.act(server.uuid, "rescue", {"rescue_image_ref": image_id}, ctx=demo)
        assert refusal.value.code == 400
        assert refusal.value.message == f"Requested rescue image '{image_id}' is not supported"
    queued = house.add_image(status="queued")
    with pytest.raises(ImageNotActive):
        house.act(server.uuid, "rescue", {"rescue_image_ref": queued.id}, ctx=demo)
    assert house.server(server.uuid).task_state is None
    assert house.server(server.uuid).vm_state == "active"


def test_the_state_is_refused_before_the_image(house: House) -> None:
    server = house.in_state("paused")
    with pytest.raises(InstanceInvalidState, match=r"Cannot 'rescue' instance .* vm_state paused"):
        house.act(server.uuid, "rescue", {"rescue_image_ref": "nope"})


def test_an_image_that_went_leaves_the_server_as_it_was(house: House) -> None:
    server = house.create()
    house.conductor.delete_image(server.image_ref or "")
    after = house.act(server.uuid, "rescue")
    assert (after.vm_state, after.task_state, after.power_state) == ("active", None, RUN)
    assert house.fault(server.uuid) == (404, f"Image {server.image_ref} could not be found.")
    assert house.events(server.uuid) == [("compute_rescue_instance", "Error")]


@pytest.mark.parametrize("method", ["rescue", "power_off"])
def test_a_driver_that_fails_makes_an_error_that_says_so(house: House, method: str) -> None:
    server = house.create()
    house.driver.faults.order(method, {"error": "no space left"})
    after = house.act(server.uuid, "rescue")
    assert (after.vm_state, after.task_state) == ("error", None)
    assert house.fault(server.uuid) == (
        400,
        f"Instance {server.uuid} cannot be rescued: Driver Error: no space left",
    )
    assert house.events(server.uuid) == [("compute_rescue_instance", "Error")]


def test_an_unrescue_that_fails_is_an_error(house: House) -> None:
    uuid = rescued(house)
    house.driver.faults.order("unrescue", {"error": "no such disk"})
    after = house.act(uuid, "unrescue")
    assert (after.vm_state, after.task_state) == ("error", None)
    assert house.fault(uuid) == (500, "no such disk")


def test_a_rescued_server_is_only_unrescued_deleted_or_left_alone(house: House) -> None:
    uuid = rescued(house)
    for name, body in (
        ("stop", None),
        ("reboot", {"type": "HARD"}),
        ("suspend", None),
        ("shelve", None),
        ("rebuild", {"imageRef": "x"}),
        ("createImage", {"name": "x"}),
        ("rescue", None),
    ):
        with pytest.raises(InstanceInvalidState, match="vm_state rescued"):
            house.act(uuid, name, body)
    assert house.act(uuid, "delete").deleted
    assert house.nothing_left(uuid)


@pytest.mark.parametrize("when", ["before", "middle", "after"])
@pytest.mark.parametrize(("name", "vm_state"), [("rescue", "rescued"), ("unrescue", "active")])
def test_a_crash_in_the_middle_is_carried_through(house: House, name: str, vm_state: str, when: str) -> None:
    uuid = house.create(config_drive=True).uuid if name == "rescue" else rescued(house)
    hangs = house.hang(name, when)
    house.act(uuid, name, {"adminPass": "let me in"} if name == "rescue" else None, settle=False)
    assert hangs.wait(10)
    house.crash()
    house.restart()
    after = house.server(uuid)
    assert (after.vm_state, after.task_state, after.power_state) == (vm_state, None, RUN)
    assert (rescue_of(house, uuid) is not None) == (name == "rescue")
    assert house.events(uuid) == [(f"compute_{name}_instance", "Success")]
    assert not house.conductor.open_orders()
    if name == "rescue":
        assert accepts(house.driver.store.load(uuid), "root", "let me in")


def test_a_rescued_guest_is_rescued_again_when_its_host_was_down(house: House) -> None:
    other = house.add_image(name="other")
    server = house.create()
    house.act(server.uuid, "rescue", {"rescue_image_ref": other.id})
    house.crash()
    house.open(start=False)
    house.driver.power_off(server.uuid, 0, 0)
    house.engine.start()
    house.engine.join_start()
    house.settle()
    after = house.server(server.uuid)
    assert (after.vm_state, after.power_state) == ("rescued", RUN)
    assert rescue_of(house, server.uuid)["image"] == other.id


def test_a_rescue_image_that_went_leaves_a_rescued_guest_off_and_rescued(house: House) -> None:
    other = house.add_image(name="other")
    server = house.create()
    house.act(server.uuid, "rescue", {"rescue_image_ref": other.id})
    house.conductor.delete_image(other.id)
    house.crash()
    house.open(start=False)
    house.driver.power_off(server.uuid, 0, 0)
    house.engine.start()
    house.engine.join_start()
    house.settle()
    after = house.server(server.uuid)
    assert (after.vm_state, after.power_state) == ("rescued", OFF)
    assert house.act(server.uuid, "unrescue").vm_state == "active"
