"""Refusals in Nova's order, the lock, resets, and what leaves no record."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tuinova.core.drafts import ImageFilter
from tuinova.core.errors import (
    InstanceInvalidState,
    InstanceIsLocked,
    InstanceNotFound,
    Invalid,
    MetadataItemNotFound,
    MetadataLimitExceeded,
    NotSupported,
    NovaError,
    PolicyNotAuthorized,
)
from tuinova.core.states import ACTIONS, Action

from .conftest import House
from .test_create import SSH_KEY

SIMPLE = [
    row
    for row in ACTIONS
    if row.served
    and row.name not in ("lock", "unlock", "resetState", "delete", "forceDelete")
    and row.http == 202
    and not row.own_route
    and row.vm_states is not None  # addresses and groups are changed in every state
]


BODIES: dict[str, Any] = {
    "reboot": {"type": "SOFT"},
    "reboot-hard": {"type": "HARD"},
    "createImage": {"name": "photo"},
    "createBackup": {"name": "photo", "backup_type": "daily", "rotation": 1},
    "changePassword": {"adminPass": "secret"},
}


def body_of(row: Action) -> Any:
    return BODIES.get(row.name)


def wrong_state_of(row: Action) -> str:
    """A vm_state in which the row is refused."""
    return next(state for state in ("rescued", "building") if state not in (row.vm_states or ()))


@pytest.mark.parametrize("row", SIMPLE, ids=lambda row: row.name)
def test_wrong_vm_state_is_refused_without_a_trace(house: House, row: Action) -> None:
    server = house.create()
    wrong = wrong_state_of(row)
    house.conductor.step(server.uuid, updates={"vm_state": wrong})
    before = (house.conductor.last_change(), len(house.conductor.actions(server.uuid)))
    with pytest.raises(InstanceInvalidState) as refusal:
        house.act(server.uuid, row.key, body_of(row))
    name = "reboot" if row.key == "reboot" else row.name
    assert refusal.value.code == 409
    assert refusal.value.message == f"Cannot '{name}' instance {server.uuid} while it is in vm_state {wrong}"
    assert (house.conductor.last_change(), len(house.conductor.actions(server.uuid))) == before
    assert not house.conductor.open_orders()
    assert not house.conductor.images(ImageFilter(status="queued"))


@pytest.mark.parametrize("row", SIMPLE, ids=lambda row: row.name)
def test_running_task_is_refused(house: House, row: Action) -> None:
    server = house.create()
    assert row.vm_states
    house.conductor.step(server.uuid, updates={"vm_state": sorted(row.vm_states)[0], "task_state": "migrating"})
    with pytest.raises(InstanceInvalidState) as refusal:
        house.act(server.uuid, row.key, body_of(row))
    assert refusal.value.message.endswith("while it is in task_state migrating")


def test_the_lock_is_named_before_the_state(house: House) -> None:
    demo = house.ctx("demo", "demo")
    server = house.create(ctx=demo)
    house.act(server.uuid, "lock", ctx=demo)
    with pytest.raises(InstanceIsLocked) as refusal:
        house.act(server.uuid, "start", ctx=demo)  # it runs already
    assert refusal.value.message == f"Instance {server.uuid} is locked"
    with pytest.raises(InstanceInvalidState):
        house.act(server.uuid, "start")


def test_never_launched_is_an_invalid_state(house: House) -> None:
    server = house.create()
    house.conductor.step(server.uuid, updates={"launched_at": None})
    with pytest.raises(InstanceInvalidState) as refusal:
        house.act(server.uuid, "stop")
    assert refusal.value.message == f"Instance {server.uuid} is in an invalid state for 'stop'"


def test_no_host_is_not_ready(house: House) -> None:
    server = house.in_state("stopped")
    house.conductor.step(server.uuid, updates={"host": None})
    with pytest.raises(NovaError) as refusal:
        house.act(server.uuid, "start")
    assert (refusal.value.code, refusal.value.message) == (409, f"Instance {server.uuid} is not ready")


def test_another_projects_server_does_not_exist_for_members(house: House) -> None:
    server = house.create()
    demo = house.ctx("demo", "demo")
    for call in (
        lambda: house.act(server.uuid, "stop", ctx=demo),
        lambda: house.act(server.uuid, "resize", {}, ctx=demo),
        lambda: house.act(server.uuid, "delete", ctx=demo),
        lambda: house.engine.compute_api.update(demo, server.uuid, {"name": "x"}),
        lambda: house.engine.compute_api.set_metadata(demo, server.uuid, {"a": "b"}),
        lambda: house.engine.compute_api.console_output(demo, server.uuid),
        lambda: house.engine.compute_api.get(demo, server.uuid),
    ):
        with pytest.raises(InstanceNotFound):
            call()
    assert house.server(server.uuid).vm_state == "active"


def test_policy_of_the_row_is_named(house: House) -> None:
    server = house.create(ctx=house.ctx("demo", "demo"))
    with pytest.raises(PolicyNotAuthorized) as refusal:
        house.act(server.uuid, "os-resetState", {"state": "active"}, ctx=house.ctx("demo", "demo"))
    assert refusal.value.message == (
        "Policy doesn't allow os_compute_api:os-admin-actions:reset_state to be performed."
    )
    reader = replace(house.ctx("demo", "demo"), roles=frozenset({"reader"}))
    with pytest.raises(PolicyNotAuthorized):
        house.act(server.uuid, "stop", ctx=reader)
    assert house.engine.compute_api.get(reader, server.uuid).uuid == server.uuid


@pytest.mark.parametrize("row", [row for row in ACTIONS if not row.served], ids=lambda row: row.name)
def test_actions_of_later_versions_are_501_and_change_nothing(house: House, row: Action) -> None:
    server = house.create()
    with pytest.raises(NotSupported) as refusal:
        house.act(server.uuid, row.name, {})
    assert refusal.value.message == f"The requested functionality is not supported. {row.unserved}"
    assert house.server(server.uuid).task_state is None


def test_unknown_server_and_unknown_action(house: House) -> None:
    with pytest.raises(InstanceNotFound, match="Instance nope could not be found"):
        house.act("nope", "stop")
    server = house.create()
    with pytest.raises(Invalid, match="There is no such action: explode"):
        house.act(server.uuid, "explode")


# lock ----------------------------------------------------------------------------------------------------------------
def test_lock_of_the_owner_binds_members_and_not_admins(house: House) -> None:
    demo = house.ctx("demo", "demo")
    server = house.create(ctx=demo)
    locked = house.act(server.uuid, "lock", {"locked_reason": "hands off"}, ctx=demo)
    assert (locked.locked_by, locked.locked_reason) == ("owner", "hands off")
    action = house.newest_action(server.uuid)
    assert (action.action, action.events[0].event, action.events[0].result) == ("lock", "api_lock", "Success")
    for name in ("stop", "delete", "reboot", "pause"):
        with pytest.raises(InstanceIsLocked):
            house.act(server.uuid, name, {"type": "SOFT"}, ctx=house.ctx("demo", "demo"))
    assert house.act(server.uuid, "stop").vm_state == "stopped"
    unlocked = house.act(server.uuid, "unlock", ctx=house.ctx("demo", "demo"))
    assert (unlocked.locked_by, unlocked.locked_reason) == (None, None)
    assert house.newest_action(server.uuid).events[0].event == "api_unlock"


def test_owner_locking_twice_is_not_recorded(house: House) -> None:
    demo = house.ctx("demo", "demo")
    server = house.create(ctx=demo)
    house.act(server.uuid, "lock", ctx=demo)
    count = len(house.conductor.actions(server.uuid))
    house.act(server.uuid, "lock", {"locked_reason": "again"}, ctx=house.ctx("demo", "demo"))
    assert len(house.conductor.actions(server.uuid)) == count
    assert house.server(server.uuid).locked_reason is None


def test_member_may_not_undo_an_admins_lock(house: House) -> None:
    server = house.create(ctx=house.ctx("demo", "demo"))
    house.act(server.uuid, "lock", ctx=house.ctx("demo", "demo"))
    assert house.act(server.uuid, "lock").locked_by == "admin"  # from another project: overwritten
    with pytest.raises(PolicyNotAuthorized) as refusal:
        house.act(server.uuid, "unlock", ctx=house.ctx("demo", "demo"))
    assert refusal.value.code == 403
    assert "os_compute_api:os-lock-server:unlock:unlock_override" in refusal.value.message
    assert house.act(server.uuid, "unlock").locked_by is None


def test_unlocking_what_is_not_locked_is_recorded(house: House) -> None:
    server = house.create()
    house.act(server.uuid, "unlock")
    assert house.newest_action(server.uuid).action == "unlock"


def test_lock_set_by_admin_in_the_project_refuses_demo(house: House) -> None:
    server = house.create(ctx=house.ctx("demo", "demo"))
    house.act(server.uuid, "lock", ctx=house.ctx("admin", "demo"))
    with pytest.raises(InstanceIsLocked):
        house.act(server.uuid, "stop", ctx=house.ctx("demo", "demo"))
    assert house.act(server.uuid, "stop", ctx=house.ctx("admin", "demo")).vm_state == "stopped"


def test_what_ignores_the_lock(house: House) -> None:
    demo = house.ctx("demo", "demo")
    server = house.create(ctx=demo)
    house.act(server.uuid, "lock", ctx=demo)
    api = house.engine.compute_api
    assert api.update(demo, server.uuid, {"name": "new", "description": None}).name == "new"
    assert isinstance(api.console_output(demo, server.uuid), str)
    with pytest.raises(InstanceIsLocked):
        api.set_metadata(demo, server.uuid, {"a": "b"})


# reset ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", ["active", "error"])
def test_reset_sets_state_and_ends_the_task_and_touches_nothing_else(house: House, state: str) -> None:
    server = house.in_state("stopped")
    house.conductor.step(server.uuid, updates={"task_state": "rebuilding"})
    after = house.act(server.uuid, "os-resetState", {"state": state})
    assert (after.vm_state, after.task_state, after.power_state, after.host) == (state, None, 4, "node1")
    action = house.newest_action(server.uuid)
    assert (action.action, action.events) == ("resetState", ())
    assert action.finish_time is not None


def test_reset_knows_two_states(house: House) -> None:
    server = house.create()
    with pytest.raises(Invalid):
        house.act(server.uuid, "resetState", {"state": "paused"})


# metadata, name, console, keys ---------------------------------------------------------------------------------------
def test_metadata_is_merged_replaced_and_taken_away(house: House) -> None:
    api, ctx = house.engine.compute_api, house.ctx()
    server = house.create(metadata={"a": "1", "b": "2"})
    assert api.set_metadata(ctx, server.uuid, {"b": "3", "c": "4"}) == {"a": "1", "b": "3", "c": "4"}
    assert api.delete_metadata(ctx, server.uuid, "a") == {"b": "3", "c": "4"}
    with pytest.raises(MetadataItemNotFound):
        api.delete_metadata(ctx, server.uuid, "a")
    assert api.set_metadata(ctx, server.uuid, {"z": "9"}, replace=True) == {"z": "9"}
    assert house.server(server.uuid).metadata == {"z": "9"}
    assert [action.action for action in house.conductor.actions(server.uuid)] == ["create"]


def test_metadata_quota_and_state(house: House) -> None:
    api, ctx = house.engine.compute_api, house.ctx("demo", "demo")
    server = house.create(ctx=ctx)
    with pytest.raises(MetadataLimitExceeded, match="Maximum number of metadata items exceeds 128"):
        api.set_metadata(ctx, server.uuid, {str(number): "x" for number in range(129)})
    house.act(server.uuid, "resetState", {"state": "error"})
    with pytest.raises(InstanceInvalidState, match="Cannot 'update metadata' instance"):
        api.set_metadata(ctx, server.uuid, {"a": "b"})


def test_metadata_may_change_during_a_task(house: House) -> None:
    server = house.create()
    house.driver.faults.order("pause", {"kind": "slow", "delay": 0.3})
    assert house.act(server.uuid, "pause", settle=False).task_state == "pausing"
    house.engine.compute_api.set_metadata(house.ctx(), server.uuid, {"a": "b"})
    house.settle()
    assert (house.server(server.uuid).metadata, house.server(server.uuid).vm_state) == ({"a": "b"}, "paused")


def test_update_refuses_unknown_fields(house: House) -> None:
    server = house.create()
    with pytest.raises(Invalid):
        house.engine.compute_api.update(house.ctx(), server.uuid, {"vm_state": "active"})


def test_console_output_gives_the_last_lines(house: House) -> None:
    server = house.create()
    api, ctx = house.engine.compute_api, house.ctx()
    everything = api.console_output(ctx, server.uuid)
    assert "login:" in everything
    assert "\r" not in everything
    assert "\x1b" not in everything
    # Nova slices with -1 as with any other number: all but the first line.
    assert api.console_output(ctx, server.uuid, -1) == everything.split("\n", 1)[1]
    assert api.console_output(ctx, server.uuid, 0) == ""
    assert api.console_output(ctx, server.uuid, 2) == "\n".join(everything.split("\n")[-2:])


def test_keypair_import_checks_and_fingerprints(house: House) -> None:
    api = house.engine.compute_api
    demo = house.ctx("demo", "demo")
    key = api.import_keypair(demo, "my key", SSH_KEY)
    assert key.fingerprint == "65:96:2d:fc:e8:d5:a9:11:64:0c:0f:ea:00:6e:5b:bd"
    assert key.user_id == demo.user_id
    with pytest.raises(NovaError) as refusal:
        api.import_keypair(demo, "my key", SSH_KEY)
    assert (refusal.value.code, refusal.value.message) == (409, "Key pair 'my key' already exists.")
    for bad in ("", "ssh-rsa", "ssh-rsa AAAA", SSH_KEY.replace("ssh-ed25519 ", "ssh-rsa "), "rubbish"):
        with pytest.raises(NovaError, match="Keypair data is invalid: "):
            api.import_keypair(demo, "bad", bad)
    with pytest.raises(NovaError, match="Keypair data is invalid: "):
        api.import_keypair(demo, " blank", SSH_KEY)
    with pytest.raises(PolicyNotAuthorized):
        api.import_keypair(demo, "other", SSH_KEY, user_id="somebody")
