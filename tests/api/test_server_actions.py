"""POST action: every action of this version, refusals in Nova's words, the lock between people."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tuinova.client import ApiError, Client
from tuinova.client.waiters import wait_for_status
from tuinova.core.states import ACTIONS, Action


@pytest.fixture(scope="module")
def server(running: Any, admin: Client) -> dict[str, Any]:
    return running.boot(admin, name="vm1")


@pytest.fixture(scope="module")
def demo_server(running: Any, demo: Client) -> dict[str, Any]:
    return running.boot(demo, name="dv")


@pytest.mark.parametrize(
    ("key", "body", "status"),
    [
        ("os-stop", None, "SHUTOFF"),
        ("os-start", None, "ACTIVE"),
        ("reboot", {"type": "SOFT"}, "ACTIVE"),
        ("reboot", {"type": "hard"}, "ACTIVE"),
        ("pause", None, "PAUSED"),
        ("unpause", None, "ACTIVE"),
        ("suspend", None, "SUSPENDED"),
        ("resume", None, "ACTIVE"),
    ],
)
def test_an_action_ends_in_its_status(admin: Client, server: dict[str, Any], key: str, body: Any, status: str) -> None:
    answer = admin.request("POST", f"/v2.1/servers/{server['id']}/action", {key: body})
    assert (answer.status, answer.data) == (202, b"")
    assert wait_for_status(admin, server["id"], status, timeout=30)["status"] == status


def test_lock_and_unlock(admin: Client, server: dict[str, Any]) -> None:
    admin.servers.action(server["id"], "lock", {"locked_reason": "mine"})
    shown = admin.servers.get(server["id"])
    assert (shown["locked"], shown["locked_reason"]) == (True, "mine")
    assert admin.servers.list(locked=True)[0]["id"] == server["id"]
    admin.servers.action(server["id"], "unlock")
    assert admin.servers.get(server["id"])["locked"] is False


def test_the_wrong_state_is_409_in_novas_words(admin: Client, server: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as caught:
        admin.servers.action(server["id"], "os-start")
    assert caught.value.code == 409
    assert caught.value.message == f"Cannot 'start' instance {server['id']} while it is in vm_state active"


def test_an_admins_lock_holds_members_but_not_admins(
    demo: Client, demo_admin: Client, demo_server: dict[str, Any]
) -> None:
    ident = demo_server["id"]
    demo_admin.servers.action(ident, "lock")
    with pytest.raises(ApiError) as caught:
        demo.servers.action(ident, "os-stop")
    assert (caught.value.code, caught.value.message) == (409, f"Instance {ident} is locked")
    demo_admin.servers.action(ident, "os-stop")
    wait_for_status(demo_admin, ident, "shutoff", timeout=30)
    demo_admin.servers.action(ident, "unlock")
    demo.servers.action(ident, "os-start")
    wait_for_status(demo, ident, "active", timeout=30)


def test_reset_state_is_for_administrators(demo: Client, admin: Client, demo_server: dict[str, Any]) -> None:
    ident = demo_server["id"]
    with pytest.raises(ApiError) as caught:
        demo.servers.action(ident, "os-resetState", {"state": "error"})
    text = "Policy doesn't allow os_compute_api:os-admin-actions:reset_state to be performed."
    assert (caught.value.code, caught.value.message) == (403, text)
    admin.servers.action(ident, "os-resetState", {"state": "error"})
    assert admin.servers.get(ident)["status"] == "ERROR"
    admin.servers.action(ident, "os-resetState", {"state": "active"})


UUID = "11111111-2222-3333-4444-555555555555"
# The least body of each key that wants more than null.
BODIES: dict[str, Any] = {
    "resize": {"flavorRef": "1"},
    "os-migrateLive": {"host": None, "block_migration": "auto"},
    "evacuate": {},
    "rebuild": {"imageRef": UUID},
    "createImage": {"name": "i"},
    "createBackup": {"name": "b", "backup_type": "", "rotation": 1},
    "changePassword": {"adminPass": "secret"},
}


@pytest.mark.parametrize(
    "row", [row for row in ACTIONS if not row.served and not row.own_route], ids=lambda row: row.key
)
def test_what_comes_later_is_501(admin: Client, server: dict[str, Any], row: Action) -> None:
    with pytest.raises(ApiError) as caught:
        admin.servers.action(server["id"], row.key, BODIES.get(row.key))
    text = f"The requested functionality is not supported. {row.unserved}"
    assert (caught.value.code, caught.value.message) == (501, text)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Malformed request body: no body keys"),
        ({"os-stop": None, "pause": None}, "Malformed request body: too many body keys"),
        ([], "Malformed request body"),
        ("os-stop", "Malformed request body"),
        ({"nonsense": None}, "There is no such action: nonsense"),
        ({"delete": None}, "There is no such action: delete"),
        ({"metadata": None}, "There is no such action: metadata"),
        ({"reboot": None}, "Invalid input for field/attribute reboot. Value: None. None is not of type 'object'"),
        ({"reboot": {}}, "Invalid input for field/attribute reboot. Value: {}. 'type' is a required property"),
        (
            {"reboot": {"type": "WARM"}},
            "Invalid input for field/attribute type. Value: WARM. 'WARM' is not one of "
            "['HARD', 'Hard', 'hard', 'SOFT', 'Soft', 'soft']",
        ),
        (
            {"os-resetState": {"state": "paused"}},
            "Invalid input for field/attribute state. Value: paused. 'paused' is not one of ['active', 'error']",
        ),
        (
            {"lock": {"reason": "x"}},
            "Invalid input for field/attribute lock. Value: {'reason': 'x'}. "
            "Additional properties are not allowed ('reason' was unexpected)",
        ),
        ({"resize": {}}, "Invalid input for field/attribute resize. Value: {}. 'flavorRef' is a required property"),
        (
            {"resize": {"flavorRef": "1", "host": "h"}},
            "Invalid input for field/attribute resize. Value: {'flavorRef': '1', 'host': 'h'}. "
            "Additional properties are not allowed ('host' was unexpected)",
        ),
        (
            {"migrate": {"host": "a b"}},
            "Invalid input for field/attribute host. Value: a b. 'a b' does not match '^[a-zA-Z0-9-._]*$'",
        ),
        (
            {"os-migrateLive": {"host": None}},
            "Invalid input for field/attribute os-migrateLive. Value: {'host': None}. "
            "'block_migration' is a required property",
        ),
        (
            {"os-migrateLive": {"host": None, "block_migration": "auto", "force": True}},
            "Invalid input for field/attribute os-migrateLive. "
            "Value: {'host': None, 'block_migration': 'auto', 'force': True}. "
            "Additional properties are not allowed ('force' was unexpected)",
        ),
        (
            {"evacuate": None},
            "Invalid input for field/attribute evacuate. Value: None. None is not of type 'object'",
        ),
        (
            {"evacuate": {"onSharedStorage": True}},
            "Invalid input for field/attribute evacuate. Value: {'onSharedStorage': True}. "
            "Additional properties are not allowed ('onSharedStorage' was unexpected)",
        ),
        ({"rebuild": {}}, "Invalid input for field/attribute rebuild. Value: {}. 'imageRef' is a required property"),
        (
            {"rebuild": {"imageRef": "cirros"}},
            "Invalid input for field/attribute imageRef. Value: cirros. 'cirros' is not a 'uuid'",
        ),
        (
            {"rescue": {"rescue_image_ref": ""}},
            "Invalid input for field/attribute rescue_image_ref. Value: . '' is not a 'uuid'",
        ),
        (
            {"unshelve": {"zone": "z"}},
            "Invalid input for field/attribute unshelve. Value: {'zone': 'z'}. "
            "Additional properties are not allowed ('zone' was unexpected)",
        ),
        (
            {"createBackup": {"name": "b", "backup_type": "daily", "rotation": -1}},
            "Invalid input for field/attribute rotation. Value: -1. -1 is less than the minimum of 0",
        ),
        (
            {"changePassword": {}},
            "Invalid input for field/attribute changePassword. Value: {}. 'adminPass' is a required property",
        ),
        (
            {"trigger_crash_dump": {}},
            "Invalid input for field/attribute trigger_crash_dump. Value: {}. {} is not of type 'null'",
        ),
        (
            {"os-getConsoleOutput": {"length": -2}},
            "Invalid input for field/attribute length. Value: -2. -2 is less than the minimum of -1",
        ),
    ],
)
def test_a_wrong_body_is_400(admin: Client, server: dict[str, Any], body: Any, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        admin.post(f"/v2.1/servers/{server['id']}/action", body)
    assert (caught.value.code, caught.value.message) == (400, message)


def test_console_output(admin: Client, server: dict[str, Any]) -> None:
    deadline = time.monotonic() + 20
    while "login:" not in (everything := admin.servers.console_output(server["id"])):
        assert time.monotonic() < deadline, everything
        time.sleep(0.05)
    assert "\x1b" not in everything
    assert admin.servers.console_output(server["id"], 1) == everything.split("\n")[-1]
    assert b"login:" in admin.servers.console_log(server["id"])
    assert len(admin.servers.console_log(server["id"], all_boots=True)) >= len(admin.servers.console_log(server["id"]))


def test_the_action_menu(admin: Client, demo: Client, demo_server: dict[str, Any]) -> None:
    rows = admin.servers.actions(demo_server["id"])
    assert [row["action"] for row in rows] == [row.name for row in ACTIONS]
    by_name = {row["action"]: row for row in rows}
    assert by_name["stop"]["legal"] is True
    assert by_name["start"] == {
        "action": "start",
        "key": "os-start",
        "legal": False,
        "why": "vm_state",
        "value": "active",
        "reason": f"Cannot 'start' instance {demo_server['id']} while it is in vm_state active",
        "record": "start",
    }
    assert by_name["attach_interface"]["legal"] is True
    assert by_name["attach_volume"]["legal"] is True
    member = {row["action"]: row for row in demo.servers.actions(demo_server["id"])}
    assert (member["resetState"]["why"], member["resetState"]["value"]) == ("role", "admin")
