"""Lists of servers: filters, sorting, paging, who sees what."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tuinova.client import ApiError, Client


@pytest.fixture(scope="module")
def fleet(running: Any, admin: Client, demo: Client) -> dict[str, str]:
    """name -> id: three of the administrator's, one of demo's; web-2 is off, db is locked."""
    made = {}
    for name in ("web-1", "web-2", "db"):
        made[name] = running.boot(admin, name=name)["id"]
    made["dv"] = running.boot(demo, name="dv")["id"]
    admin.servers.action(made["web-2"], "os-stop")
    from tuinova.client.waiters import wait_for_status

    wait_for_status(admin, made["web-2"], "shutoff", timeout=30)
    admin.servers.action(made["db"], "lock")
    return made


def _names(client: Client, **filters: Any) -> list[str]:
    return [row["name"] for row in client.servers.list(**filters)]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, ["db", "web-2", "web-1"]),
        ({"name": "web"}, ["web-2", "web-1"]),
        ({"name": "^web-1$"}, ["web-1"]),
        ({"name": "(((("}, []),
        ({"status": "ACTIVE"}, ["db", "web-1"]),
        ({"status": "shutoff"}, ["web-2"]),
        ({"status": ["ACTIVE", "SHUTOFF"]}, ["db", "web-2", "web-1"]),
        ({"vm_state": "stopped"}, ["web-2"]),
        ({"power_state": "shutdown"}, ["web-2"]),
        ({"power_state": 1}, ["db", "web-1"]),
        ({"task_state": "None"}, ["db", "web-2", "web-1"]),
        ({"locked": "true"}, ["db"]),
        ({"locked": "0"}, ["web-2", "web-1"]),
        ({"flavor": "84"}, ["db", "web-2", "web-1"]),
        ({"flavor": "1"}, []),
        ({"deleted": "False"}, ["db", "web-2", "web-1"]),
        ({"availability_zone": "nova"}, ["db", "web-2", "web-1"]),
        ({"sort_key": "display_name", "sort_dir": "asc"}, ["db", "web-1", "web-2"]),
        ({"changes-since": "2999-01-01T00:00:00Z"}, []),
        ({"tags": "x"}, []),
        ({"limit": 2}, ["db", "web-2", "web-1"]),
        ({"limit": 1, "name": "web"}, ["web-2", "web-1"]),
    ],
)
def test_filters(admin: Client, fleet: dict[str, str], filters: dict[str, Any], names: list[str]) -> None:
    assert _names(admin, **filters) == names


def test_all_projects_are_for_administrators(admin: Client, demo: Client, fleet: dict[str, str]) -> None:
    assert _names(admin, all_tenants=1) == ["dv", "db", "web-2", "web-1"]
    assert _names(admin, all_tenants="") == ["dv", "db", "web-2", "web-1"]
    assert _names(demo) == ["dv"]
    assert _names(demo, all_tenants="0") == ["dv"]
    with pytest.raises(ApiError) as caught:
        _names(demo, all_tenants=1)
    assert caught.value.code == 403
    with pytest.raises(ApiError) as caught:
        demo.servers.rows(all_projects=True)
    assert caught.value.code == 403
    assert [row["name"] for row in admin.servers.rows(all_projects=True)] == ["dv", "db", "web-2", "web-1"]


def test_a_members_foreign_filters_are_dropped(demo: Client, fleet: dict[str, str]) -> None:
    assert _names(demo, host="elsewhere", deleted="true") == ["dv"]


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("nonsense=1", 400, "Additional properties are not allowed ('nonsense' was unexpected)"),
        ("status=ODD", 400, "Invalid status value"),
        ("marker=none", 400, "marker [none] not found"),
        ("limit=-1", 400, "limit must be >= 0"),
        ("limit=x", 400, "limit must be an integer value"),
        ("sort_dir=up&sort_key=created_at", 400, "Unknown sort direction"),
        ("sort_key=password", 400, "Invalid input for query parameters sort_key. Value: password."),
        ("changes-since=yesterday", 400, "Invalid input for query parameters changes-since. Value: yesterday."),
        (
            "changes-since=2026-01-02T00:00:00Z&changes-before=2026-01-01T00:00:00Z",
            400,
            "The value of changes-since must be less than or equal to changes-before.",
        ),
        ("all_tenants=perhaps", 400, "Invalid value for all_tenants: perhaps"),
    ],
)
def test_a_wrong_query(admin: Client, query: str, code: int, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        admin.get(f"/v2.1/servers/detail?{query}")
    assert caught.value.code == code
    assert caught.value.message.startswith(message)


def test_deleted_servers_are_for_administrators(running: Any, admin: Client, demo: Client) -> None:
    ident = running.boot(admin, name="late")["id"]
    running.remove(admin, ident)
    [row] = [row for row in admin.servers.list(deleted="true") if row["id"] == ident]
    assert row["status"] == "DELETED"
    assert ident in [row["id"] for row in admin.servers.list(status="DELETED")]
    with pytest.raises(ApiError, match="Only administrators may list deleted instances"):
        demo.servers.list(status="DELETED")


def test_the_short_list_has_three_keys_and_a_next_page(admin: Client, fleet: dict[str, str]) -> None:
    page = admin.get("/v2.1/servers?limit=1&name=web")
    assert [set(row) for row in page["servers"]] == [{"id", "name", "links"}]
    [link] = page["servers_links"]
    assert link["rel"] == "next"
    assert f"marker={fleet['web-2']}" in link["href"]
    assert admin.get("/v2.1/servers?limit=0") == {"servers": []}
    assert admin.get("/v2.1/servers/detail?limit=0") == {"servers": []}


def test_rows_carry_the_change_that_they_include(admin: Client, fleet: dict[str, str]) -> None:
    rows, change = admin.servers.rows_and_change()
    assert change == admin.info()["last_change"]
    with admin.changes(change) as stream:
        admin.servers.update(fleet["web-1"], description="changed")
        [seen] = next(iter(stream))
    assert (seen["key"], seen["view"]["description"]) == (fleet["web-1"], "changed")
    assert {row["id"] for row in rows} >= {fleet["web-1"], fleet["web-2"], fleet["db"]}


def test_a_kept_text_is_dropped_with_the_change(running: Any, admin: Client, fleet: dict[str, str]) -> None:
    def description() -> Any:
        return next(row["description"] for row in admin.servers.list() if row["id"] == fleet["db"])

    admin.servers.update(fleet["db"], description="one")
    assert description() == "one"
    admin.servers.update(fleet["db"], description="two")
    assert description() == "two"


def test_the_hosts_status_is_not_kept_with_the_text(admin: Client, fleet: dict[str, str]) -> None:
    def statuses() -> set[str]:
        return {row["host_status"] for row in admin.servers.list()}

    [compute] = admin.services.list(binary="nova-compute")
    assert statuses() == {"UP"}
    admin.services.set(compute["id"], {"status": "disabled", "disabled_reason": "test"})
    assert statuses() == {"MAINTENANCE"}
    admin.services.set(compute["id"], {"status": "enabled"})
    assert statuses() == {"UP"}


def test_lists_are_served_from_texts_that_are_kept(running: Any, admin: Client, fleet: dict[str, str]) -> None:
    admin.servers.list()
    read: list[int] = []
    original = running.engine.conductor.instances_by_uuid

    def counted(uuids: Any) -> Any:
        read.append(len(uuids))
        return original(uuids)

    running.engine.conductor.instances_by_uuid = counted
    try:
        admin.servers.list()
        admin.servers.update(fleet["db"], description=str(time.time()))
        admin.servers.list()
    finally:
        del running.engine.conductor.instances_by_uuid
    assert read == [1]


def test_names_come_back_as_they_were(admin: Client, fleet: dict[str, str]) -> None:
    for name in ("vm[/bold]", 'q"\\', "名称 ü", "a" * 255, "<script>", "\u202egnp"[1:]):
        admin.servers.update(fleet["db"], name=name)
        assert json.loads(json.dumps(name)) in _names(admin)
    admin.servers.update(fleet["db"], name="db")
