"""Moves of servers: who sees which, filters and pages, live migrations under way, ending them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tuinova.client import ApiError, Client
from tuinova.core.conductor import moves
from tuinova.core.context import new_request_id
from tuinova.core.drafts import MigrationDraft
from tuinova.core.records import User

UUID = "11111111-2222-3333-4444-555555555555"
NOVAS_KEYS = {
    *("id", "uuid", "instance_uuid", "migration_type", "status", "old_instance_type_id", "new_instance_type_id"),
    *("source_compute", "source_node", "dest_compute", "dest_node", "dest_host", "user_id", "project_id"),
    *("created_at", "updated_at"),
}
STATS = {
    "memory_total_bytes": 1000,
    "memory_processed_bytes": 600,
    "memory_remaining_bytes": 400,
    "disk_total_bytes": 0,
    "disk_processed_bytes": 0,
    "disk_remaining_bytes": 0,
}


@pytest.fixture(scope="module")
def server(running: Any, demo: Client) -> dict[str, Any]:
    return running.boot(demo, name="mover")


@pytest.fixture(scope="module")
def manager(running: Any) -> Iterator[Client]:
    """User boss, a manager of project demo."""
    conductor = running.state.conductor
    conductor.create_user(User(id="b055", name="boss"))
    conductor.assign_role("b055", conductor.project("demo").id, "manager")
    with running.client("boss", "demo") as client:
        yield client


def record(running: Any, server: dict[str, Any], kind: str, status: str, **values: Any) -> str:
    """A move as the engine writes it; its uuid."""
    conductor = running.state.conductor
    ctx = replace(conductor.resolve_identity("demo", "demo"), request_id=new_request_id())
    small = running.state.compute.get(ctx, server["id"]).flavor
    draft = MigrationDraft(kind, status, new_flavor={**small, "id": "2", "name": "m1.small"})
    conductor.step(server["id"], also=[moves.begin(ctx, draft)])
    if values:
        conductor.note_migration(draft.uuid, **values)
    return draft.uuid


@pytest.fixture(scope="module")
def made(running: Any, server: dict[str, Any]) -> list[str]:
    """Three moves, the oldest first: a resize, a migration, a live migration that runs."""
    return [
        record(running, server, "resize", "confirmed"),
        record(running, server, "migration", "error", dest_compute="h2", dest_node="n2", dest_host="192.0.2.7"),
        record(running, server, "live-migration", "running", dest_compute="h3", stats=STATS),
    ]


def _uuids(client: Client, **filters: Any) -> list[str]:
    return [row["uuid"] for row in client.migrations.list(**filters)]


def test_moves_are_listed_newest_first_with_novas_keys(
    running: Any, admin: Client, server: dict[str, Any], made: list[str]
) -> None:
    rows = admin.migrations.list()
    assert [row["uuid"] for row in rows] == made[::-1]
    live, cold, resize = rows
    assert set(cold) == set(resize) == NOVAS_KEYS
    assert set(live) == NOVAS_KEYS | {"links"}
    assert [link["href"] for link in live["links"]] == [
        f"http://localhost/v2.1/servers/{server['id']}/migrations/{live['id']}",
        f"http://localhost/servers/{server['id']}/migrations/{live['id']}",
    ]
    assert (cold["status"], cold["dest_compute"], cold["dest_host"]) == ("error", "h2", "192.0.2.7")
    numbers = running.state.conductor.flavor_numbers()
    assert (resize["old_instance_type_id"], resize["new_instance_type_id"]) == (numbers["84"], numbers["2"])


@pytest.mark.parametrize(
    ("filters", "which"),
    [
        ({"status": "error"}, [1]),
        ({"migration_type": "resize"}, [0]),
        ({"migration_type": "nonsense"}, []),
        ({"host": "h3"}, [2]),
        ({"hidden": "true"}, []),
        ({"hidden": "0", "status": "running"}, [2]),
        ({"instance_uuid": UUID}, []),
        ({"changes-since": "2001-01-01T00:00:00Z"}, [2, 1, 0]),
        ({"changes-before": "2001-01-01T00:00:00Z"}, []),
    ],
)
def test_filters(admin: Client, made: list[str], filters: dict[str, str], which: list[int]) -> None:
    assert _uuids(admin, **filters) == [made[index] for index in which]


def test_moves_of_a_server_of_a_person_of_a_project(admin: Client, server: dict[str, Any], made: list[str]) -> None:
    who = {key: admin.migrations.list()[0][key] for key in ("user_id", "project_id")}
    for filters in ({"instance_uuid": server["id"]}, *({key: value} for key, value in who.items())):
        assert _uuids(admin, **filters) == made[::-1]
    assert _uuids(admin, user_id="nobody") == []


def test_pages(admin: Client, made: list[str]) -> None:
    first = admin.get("/v2.1/os-migrations", params={"limit": 2, "status": None})
    assert [row["uuid"] for row in first["migrations"]] == [made[2], made[1]]
    [link] = first["migrations_links"]
    assert link == {"rel": "next", "href": f"http://localhost/v2.1/os-migrations?limit=2&marker={made[1]}"}
    last = admin.get(link["href"].removeprefix("http://localhost"))
    assert [row["uuid"] for row in last["migrations"]] == [made[0]]
    assert "migrations_links" not in last
    assert _uuids(admin, limit=1) == made[::-1]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("marker=nothing", "Marker nothing could not be found."),
        ("limit=-1", "limit must be >= 0"),
        (
            "changes-since=2002-01-01T00:00:00Z&changes-before=2001-01-01T00:00:00Z",
            "The value of changes-since must be less than or equal to changes-before.",
        ),
        ("nonsense=1", "Additional properties are not allowed ('nonsense' was unexpected)"),
        ("marker=a&marker=b", "Invalid input for query parameters marker. Value: ['a', 'b']. ['a', 'b'] is too long"),
    ],
)
def test_a_wrong_query_is_400(admin: Client, query: str, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        admin.get(f"/v2.1/os-migrations?{query}")
    assert (caught.value.code, caught.value.message) == (400, message)


def test_members_see_none_managers_their_project_without_hosts(
    demo: Client, manager: Client, admin: Client, made: list[str]
) -> None:
    with pytest.raises(ApiError, match=r"Policy doesn't allow os_compute_api:os-migrations:index to be performed\."):
        demo.migrations.list()
    with pytest.raises(ApiError, match="os-migrations:index:all_projects"):
        manager.migrations.list()
    project = admin.projects.find("demo")["id"]
    rows = manager.migrations.list(project_id=project)
    assert [row["uuid"] for row in rows] == made[::-1]
    assert {row[key] for row in rows for key in ("source_compute", "dest_compute", "dest_host")} == {None}


def test_own_rows_name_the_flavors_and_say_what_was_moved(admin: Client, made: list[str]) -> None:
    rows = admin.get("/tuinova/v1/migrations", params={"migration_type": "live-migration"})["migrations"]
    assert rows[0]["stats"] == STATS
    assert rows[0]["old_flavor"] == {"id": "84", "name": "m1.micro"}
    assert rows[0]["new_flavor"] == {"id": "2", "name": "m1.small"}


def test_a_live_migration_under_way_is_shown_with_what_it_moved(
    admin: Client, manager: Client, server: dict[str, Any], made: list[str]
) -> None:
    [row] = admin.servers.migrations(server["id"])
    assert row["uuid"] == made[2]
    assert {key: row[key] for key in STATS} == STATS
    assert (row["server_uuid"], row["dest_compute"]) == (server["id"], "h3")
    one = admin.get(f"/v2.1/servers/{server['id']}/migrations/{row['id']}")["migration"]
    assert one == row
    [unplaced] = manager.servers.migrations(server["id"])
    assert unplaced == {**row, **dict.fromkeys(("source_compute", "source_node", "dest_compute"))}
    with pytest.raises(ApiError, match="servers:migrations:show"):
        manager.get(f"/v2.1/servers/{server['id']}/migrations/{row['id']}")


def test_what_is_no_live_migration_under_way_is_404(
    running: Any, admin: Client, server: dict[str, Any], made: list[str]
) -> None:
    ids = {row["uuid"]: row["id"] for row in admin.migrations.list()}
    done = record(running, server, "live-migration", "completed")
    number = running.state.conductor.migration(done).id
    uuid = server["id"]
    for ident, message in (
        (ids[made[0]], f"Migration {ids[made[0]]} for server {uuid} is not live-migration."),
        (number, f"Live migration {number} for server {uuid} is not in progress."),
        (999, f"In-progress live migration 999 is not found for server {uuid}."),
        ("abc", f"In-progress live migration abc is not found for server {uuid}."),
        ("9" * 40, f"In-progress live migration {'9' * 40} is not found for server {uuid}."),
    ):
        with pytest.raises(ApiError) as caught:
            admin.get(f"/v2.1/servers/{uuid}/migrations/{ident}")
        assert (caught.value.code, caught.value.message) == (404, message)
    running.state.conductor.note_migration(done, status="error", migration_type="x")


def test_another_projects_server_has_no_migrations(manager: Client, running: Any, admin: Client) -> None:
    foreign = running.boot(admin, name="foreign")
    with pytest.raises(ApiError) as caught:
        manager.servers.migrations(foreign["id"])
    assert caught.value.code == 404


def test_force_complete_takes_null_only(admin: Client, server: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as caught:
        admin.post(f"/v2.1/servers/{server['id']}/migrations/1/action", {"force_complete": {}})
    text = "Invalid input for field/attribute force_complete. Value: {}. {} is not of type 'null'"
    assert (caught.value.code, caught.value.message) == (400, text)


def test_ending_a_migration_is_for_managers(demo: Client, server: dict[str, Any]) -> None:
    for name, do in (("force_complete", demo.servers.force_complete), ("delete", demo.servers.abort_migration)):
        with pytest.raises(ApiError) as caught:
            do(server["id"], 1)
        text = f"Policy doesn't allow os_compute_api:servers:migrations:{name} to be performed."
        assert (caught.value.code, caught.value.message) == (403, text)
