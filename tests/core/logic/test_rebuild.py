"""Rebuild: what may change, what is refused, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tuinova.core.errors import (
    FlavorDiskSmallerThanImage,
    FlavorDiskSmallerThanMinDisk,
    FlavorMemoryTooSmall,
    ImageNotActive,
    Invalid,
    KeypairNotFoundAsked,
    MetadataLimitExceeded,
    RebuildImageNotFound,
)
from tuinova.core.states import PowerState

from .conftest import House
from .test_actions import walked
from .test_create import SSH_KEY

WALK = ["rebuilding", "rebuild_block_device_mapping", "rebuild_spawning"]
SERVER_EVENT, HOST_EVENT = ("rebuild_server", "Success"), ("compute_rebuild_instance", "Success")
RUN, OFF = PowerState.RUNNING, PowerState.SHUTDOWN


def same_image(house: House) -> dict[str, Any]:
    assert house.image is not None
    return {"imageRef": house.image.id}


@pytest.mark.parametrize("state", ["active", "stopped", "error"])
@pytest.mark.parametrize("other", [False, True], ids=["same image", "other image"])
def test_a_rebuild_makes_the_disk_anew_and_keeps_what_the_server_is(house: House, state: str, other: bool) -> None:
    server = house.in_state(state)
    image = house.add_image(name="other", properties={"os_distro": "x"}) if other else house.image
    assert image is not None
    house.write_note(server.uuid, "gone soon")
    since = house.conductor.last_change()
    accepted = house.engine.compute_api.act(house.ctx(), server.uuid, "rebuild", {"imageRef": image.id})
    assert accepted.instance.status == "REBUILD"
    assert len(accepted.answer["adminPass"]) == 12
    house.settle()
    after = house.server(server.uuid)
    stopped = state == "stopped"
    assert walked(house.conductor.changes(since), server.uuid) == [*WALK, *(["powering-off"] if stopped else [])]
    assert (after.vm_state, after.task_state) == ("stopped" if stopped else "active", None)
    assert after.power_state == (OFF if stopped else RUN)
    assert house.events(server.uuid) == [
        SERVER_EVENT,
        HOST_EVENT,
        *([("compute_stop_instance", "Success")] if stopped else []),
    ]
    assert house.note_of(server.uuid) is None
    assert (after.image_ref, after.image["properties"]) == (image.id, image.properties)
    for name in ("uuid", "name", "flavor", "addresses", "host", "hostname", "key_name"):
        assert getattr(after, name) == getattr(server, name)
    assert {allocation.consumer for allocation in house.conductor.allocations()} == {server.uuid}
    assert not house.conductor.open_orders()


def test_a_stopped_server_is_stopped_again_without_grace(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    server, asked = house.in_state("stopped"), []
    power_off = house.driver.power_off

    def watched(uuid: str, timeout: int, retry_interval: int) -> None:
        asked.append(timeout)
        power_off(uuid, timeout, retry_interval)

    monkeypatch.setattr(house.driver, "power_off", watched)
    house.act(server.uuid, "rebuild", same_image(house))
    assert asked == [1, 0]


def test_a_rebuild_changes_what_it_is_asked_to(house: House) -> None:
    api, ctx = house.engine.compute_api, house.ctx()
    api.import_keypair(ctx, "mine", SSH_KEY)
    server = house.create(metadata={"a": "b"}, config_drive=True, user_data="aGk=", description="old")
    kernel = house.add_image(name="k", disk_format="aki", container_format="aki")
    image = house.add_image(name="other", properties={"kernel_id": kernel.id})
    body = {
        "imageRef": image.id,
        "name": " new name ",
        "adminPass": "let me in",
        "metadata": {"c": "d"},
        "description": None,
        "hostname": "new-host",
        "accessIPv4": "192.0.2.7",
        "accessIPv6": "",
        "OS-DCF:diskConfig": "AUTO",
        "key_name": "mine",
        "user_data": None,
    }
    accepted = api.act(ctx, server.uuid, "rebuild", body)
    house.settle()
    after = house.server(server.uuid)
    assert accepted.answer == {"adminPass": "let me in"}
    assert (after.name, after.hostname, after.description) == ("new name", "new-host", None)
    assert (after.metadata, after.user_data, after.key_name) == ({"c": "d"}, None, "mine")
    assert (after.access_ip_v4, after.access_ip_v6, after.disk_config) == ("192.0.2.7", None, "AUTO")
    assert (after.kernel_id, after.ramdisk_id) == (kernel.id, None)
    drive = Path(house.driver.store.path(server.uuid, "disk.config"))
    told = json.loads((drive / "openstack/latest/meta_data.json").read_text())
    assert (told["admin_pass"], told["name"], told["meta"]) == ("let me in", "new name", {"c": "d"})


def test_what_is_not_named_stays(house: House) -> None:
    house.engine.compute_api.import_keypair(house.ctx(), "mine", SSH_KEY)
    server = house.create(metadata={"a": "b"}, user_data="aGk=", description="old", key_name="mine")
    after = house.act(server.uuid, "rebuild", {**same_image(house), "metadata": None})
    for name in ("name", "metadata", "user_data", "description", "key_name", "key_data", "hostname"):
        assert getattr(after, name) == getattr(server, name)
    assert house.act(server.uuid, "rebuild", {**same_image(house), "key_name": None}).key_name is None


def test_trusted_certificates_are_kept_exchanged_and_forgotten(house: House) -> None:
    server = house.create(trusted_image_certificates=["a"])

    def rebuilt(**asked: Any) -> Any:
        house.settle()
        return house.act(server.uuid, "rebuild", {**same_image(house), **asked}).system_metadata.get("trusted_certs")

    assert rebuilt() == ["a"]
    assert rebuilt(trusted_image_certificates=["b", "c"]) == ["b", "c"]
    assert rebuilt(trusted_image_certificates=None) is None


REFUSED = [
    ({"imageRef": "b3c5a3a0-0000-4000-8000-000000000000"}, RebuildImageNotFound, 400, "Cannot find image for rebuild"),
    ({"key_name": "nope"}, KeypairNotFoundAsked, 400, "Invalid key_name provided."),
    ({"user_data": "%%"}, Invalid, 400, "User data needs to be valid base 64."),
    ({"metadata": {str(n): "x" for n in range(129)}}, MetadataLimitExceeded, 403, "Maximum number of metadata items"),
]


@pytest.mark.parametrize(("body", "error", "code", "text"), REFUSED)
def test_a_wrong_request_is_refused_and_changes_nothing(
    house: House, body: dict[str, Any], error: type[Exception], code: int, text: str
) -> None:
    demo = house.ctx("demo", "demo")
    server = house.create(ctx=demo)
    with pytest.raises(error) as refusal:
        house.act(server.uuid, "rebuild", {**same_image(house), "name": "new", **body}, ctx=demo)
    assert refusal.value.code == code  # type: ignore[attr-defined]
    assert text in str(refusal.value)
    after = house.server(server.uuid)
    assert (after.name, after.task_state, after.version) == (server.name, None, server.version)
    assert [action.action for action in house.conductor.actions(server.uuid)] == ["create"]


def test_an_image_that_does_not_fit_the_flavor_is_refused(house: House) -> None:
    server = house.create(flavor_ref="1")  # 512 MiB, 1 GiB
    for fields, error in (
        ({"min_ram": 1024}, FlavorMemoryTooSmall),
        ({"virtual_size": 2 << 30}, FlavorDiskSmallerThanImage),
        ({"min_disk": 2}, FlavorDiskSmallerThanMinDisk),
        ({"status": "queued"}, ImageNotActive),
    ):
        image = house.add_image(**fields)
        with pytest.raises(error):
            house.act(server.uuid, "rebuild", {"imageRef": image.id})
    assert house.server(server.uuid).task_state is None


def test_another_projects_private_image_is_not_there(house: House) -> None:
    demo = house.ctx("demo", "demo")
    server = house.create(ctx=demo)
    private = house.add_image(visibility="private")
    with pytest.raises(RebuildImageNotFound):
        house.act(server.uuid, "rebuild", {"imageRef": private.id}, ctx=demo)


def test_an_image_that_the_host_does_not_suit_makes_an_error_and_the_old_image_comes_back(house: House) -> None:
    server = house.create()
    before = house.driver.guest_info(server.uuid)
    odd = house.add_image(name="odd", properties={"hw_architecture": "aarch64"})
    after = house.act(server.uuid, "rebuild", {"imageRef": odd.id})
    assert (after.vm_state, after.task_state) == ("error", None)
    assert (after.image_ref, after.image) == (server.image_ref, server.image)
    code, message = house.fault(server.uuid) or (0, "")
    assert (code, message.startswith("No valid host was found.")) == (500, True)
    assert house.events(server.uuid) == [("rebuild_server", "Error")]
    assert house.driver.guest_info(server.uuid) == before
    assert house.conductor.traces(server.uuid)[0].trace["outcome"]


def test_an_ephemeral_disk_that_shall_be_kept_is_an_error_before_anything_is_touched(house: House) -> None:
    server = house.create()
    house.write_note(server.uuid, "kept")
    after = house.act(server.uuid, "rebuild", {**same_image(house), "preserve_ephemeral": True})
    assert (after.vm_state, after.task_state, after.power_state) == ("error", None, RUN)
    assert house.fault(server.uuid) == (
        400,
        "The current driver does not support preserving ephemeral partitions.",
    )
    assert house.note_of(server.uuid) == "kept"


@pytest.mark.parametrize("method", ["power_off", "destroy", "spawn"])
def test_a_driver_that_fails_is_an_error_that_a_rebuild_mends(house: House, method: str) -> None:
    server = house.create()
    house.driver.faults.order(method, {"error": "no space left"})
    after = house.act(server.uuid, "rebuild", same_image(house))
    assert (after.vm_state, after.task_state, after.host) == ("error", None, "node1")
    assert house.fault(server.uuid) == (500, "no space left")
    assert house.events(server.uuid) == [SERVER_EVENT, ("compute_rebuild_instance", "Error")]
    house.driver.faults.order(method, None)
    assert house.act(server.uuid, "rebuild", same_image(house)).vm_state == "active"


@pytest.mark.parametrize(("method", "when"), [("power_off", "after"), ("destroy", "after"), ("spawn", "middle")])
def test_a_crash_in_the_middle_is_an_error(house: House, method: str, when: str) -> None:
    server = house.create()
    hangs = house.hang(method, when)
    house.act(server.uuid, "rebuild", same_image(house), settle=False)
    assert hangs.wait(10)
    house.crash()
    house.restart()
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state) == ("error", None)
    assert house.events(server.uuid) == [SERVER_EVENT, ("compute_rebuild_instance", "Error")]
    assert not house.conductor.open_orders()
    assert house.act(server.uuid, "rebuild", same_image(house)).vm_state == "active"
    assert house.act(server.uuid, "delete").deleted
    assert house.nothing_left(server.uuid)


@pytest.mark.parametrize("other", [False, True], ids=["same image", "other image"])
def test_an_accepted_rebuild_that_had_not_begun_is_carried_out(house: House, other: bool) -> None:
    server = house.create()
    image = house.add_image(name="other") if other else house.image
    assert image is not None
    house.engine.bus.stop(5)
    house.act(server.uuid, "rebuild", {"imageRef": image.id}, settle=False)
    house.crash()
    house.restart()
    assert house.server(server.uuid).vm_state == "active"
    assert house.events(server.uuid) == [SERVER_EVENT, HOST_EVENT]


def test_a_delete_in_the_middle_takes_everything_away(house: House) -> None:
    server = house.create()
    house.driver.faults.order("spawn", {"kind": "slow", "delay": 0.3})
    house.act(server.uuid, "rebuild", same_image(house), settle=False)
    house.act(server.uuid, "delete")
    assert house.server(server.uuid).deleted
    assert house.nothing_left(server.uuid)
