"""Commands about servers as somebody types them: what they print, what is refused and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.cli.conftest import Typed
from tuinova.client import Client
from tuinova.core.conductor import moves
from tuinova.core.context import new_request_id
from tuinova.core.drafts import MigrationDraft
from tuinova.core.states import ACTIONS
from tuinova.virt.fake.faults import order_faults

Type = Callable[..., Typed]


@pytest.fixture(scope="module")
def server(running: Any, admin: Client) -> dict[str, Any]:
    return running.boot(admin, name="vm1")


def _record(running: Any, ident: str, kind: str, status: str, **values: Any) -> str:
    """A move as the engine writes it; its uuid."""
    conductor = running.state.conductor
    ctx = replace(conductor.resolve_identity("admin", "admin"), request_id=new_request_id())
    small = running.state.compute.get(ctx, ident).flavor
    draft = MigrationDraft(kind, status, new_flavor={**small, "id": "2", "name": "m1.small"})
    conductor.step(ident, also=[moves.begin(ctx, draft)])
    conductor.note_migration(draft.uuid, **values)
    return draft.uuid


# what is refused -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["resize", "--flavor", "nope", "vm1"], "No Flavor found for nope"),
        (["resize", "--flavor", "m1.tiny", "nope"], "No Server found for nope"),
        (["migrate", "--block-migration", "vm1"], "--live-migration must be specified if --block-migration"),
        (["migration", "abort", "vm1", "last"], "The <migration> argument must be an ID or UUID"),
        (["evacuate", "--shared-storage", "vm1"], "2.13 or earlier is required to specify shared-storage."),
        (["rebuild", "--image", "nope", "vm1"], "No Image found for nope"),
        (["rebuild", "--user-data", "/nope", "vm1"], "Can't open '/nope' of --user-data: No such file"),
        (["set", "--root-password", "vm1"], "--root-password asks on a terminal"),
        (["set", "--state", "error", "vm1"], "--state asks on a terminal"),
        (["unshelve", "nope"], "No Server found for nope"),
        (["restore", "nope"], "No Server found for nope"),
    ],
)
def test_a_refusal_before_anything_is_asked(typed: Type, server: dict[str, Any], words: list[str], said: str) -> None:
    done = typed("server", *words)
    assert (done.code, done.out) == (1, "")
    assert said in done.err


def test_what_is_not_shelved_is_left_alone(typed: Type, server: dict[str, Any]) -> None:
    assert typed("server", "unshelve", "vm1") == Typed(0, "", "")


def test_a_rebuild_needs_a_status_that_it_can_wait_for(typed: Type, admin: Client, running: Any) -> None:
    paused = running.boot(admin, name="paused")["id"]
    admin.servers.action(paused, "pause")
    running.engine.settle(10)
    done = typed("server", "rebuild", "paused")
    assert (done.code, done.err) == (1, "The server status is not ACTIVE, SHUTOFF or ERROR.\n")


def test_deleting_goes_on_after_a_failure(typed: Type, admin: Client, running: Any) -> None:
    running.boot(admin, name="gone")
    done = typed("server", "delete", "--wait", "nope", "gone")
    assert done.code == 1
    assert done.err.splitlines() == [
        "Failed to delete server with name or ID 'nope': No Server found for nope",
        "1 of 2 servers failed to delete.",
    ]
    assert [row["name"] for row in admin.servers.list(name="^gone$")] == []


# what is shown -------------------------------------------------------------------------------------------------------
def test_the_action_table_of_a_server(typed: Type, server: dict[str, Any]) -> None:
    rows = typed("server", "actions", "vm1", "-f", "json").json
    assert [row["Action"] for row in rows] == [row.name for row in ACTIONS]
    told = {row["Action"]: row for row in rows}
    assert told["stop"] == {"Action": "stop", "Now": True, "Why not": ""}
    assert told["start"]["Now"] is False
    assert told["start"]["Why not"] == f"Cannot 'start' instance {server['id']} while it is in vm_state active"
    assert told["attach_volume"]["Now"] is True
    assert told["attach_interface"]["Now"] is True
    header = typed("server", "actions", "vm1").out.splitlines()[1]
    assert [cell.strip() for cell in header.strip("|").split("|")] == ["Action", "Now", "Why not"]


def test_topology_stands_among_the_fields(typed: Type, server: dict[str, Any]) -> None:
    shown = typed("server", "show", "--topology", "vm1", "-f", "json").json
    assert shown["topology"] == {"nodes": [], "pagesize_kb": None}
    assert list(shown) == sorted(shown)


def test_migrations_have_openstacks_columns(typed: Type, running: Any, server: dict[str, Any]) -> None:
    cold = _record(running, server["id"], "migration", "error", dest_compute="h2", dest_host="192.0.2.7")
    resize = _record(running, server["id"], "resize", "confirmed")
    [first, second] = typed("server", "migration", "list", "--server", "vm1", "-f", "json").json
    assert list(first) == [
        *("Id", "UUID", "Source Node", "Dest Node", "Source Compute", "Dest Compute", "Dest Host", "Status"),
        *("Server UUID", "Old Flavor", "New Flavor", "Type", "Created At", "Updated At"),
    ]
    assert (first["UUID"], first["Type"], first["Status"]) == (resize, "resize", "confirmed")
    assert (second["UUID"], second["Dest Host"], second["Server UUID"]) == (cold, "192.0.2.7", server["id"])
    assert isinstance(first["Old Flavor"], int)
    names = ["-f", "value", "-c", "UUID"]
    for words, found in (
        (["--type", "cold-migration"], [cold]),
        (["--type", "evacuation"], []),
        (["--status", "confirmed"], [resize]),
        (["--host", "h2"], [cold]),
        (["--limit", "1"], [resize]),
        (["--marker", resize], [cold]),
    ):
        assert typed("server", "migration", "list", *words, *names).out.split() == found
    table = typed("server", "migration", "list", "--project", "admin", "--user", "admin")
    assert " m1.micro (84) | m1.small (2) | resize         " not in table.err
    assert "| m1.micro (84) | m1.small (2) |" in table.out
    assert "| Type      | Project" in table.out


def test_a_live_migration_under_way(typed: Type, running: Any, server: dict[str, Any]) -> None:
    stats = {"memory_total_bytes": 1000, "memory_processed_bytes": 600, "memory_remaining_bytes": 400}
    uuid = _record(running, server["id"], "live-migration", "running", dest_compute="h2", stats=stats)
    number = running.state.conductor.migration(uuid).id
    by_number = typed("server", "migration", "show", "vm1", str(number), "-f", "json").json
    assert by_number == typed("server", "migration", "show", "vm1", uuid, "-f", "json").json
    assert list(by_number)[:3] == ["ID", "Server UUID", "Status"]
    assert (by_number["UUID"], by_number["Memory Processed Bytes"]) == (uuid, 600)
    running.state.conductor.note_migration(uuid, status="completed")
    done = typed("server", "migration", "show", "vm1", uuid)
    assert (done.code, done.out) == (1, "")
    assert f"In-progress live migration {uuid} is not found for server {server['id']}." in done.err
    done = typed("server", "migration", "show", "vm1", str(number))
    assert (
        f"Live migration {number} for server {server['id']} is not in progress. (HTTP 404) (Request-ID: req-"
        in done.err
    )


def test_members_may_not_list_migrations(typed: Type, running: Any) -> None:
    done = typed("server", "migration", "list", user="demo", project="demo")
    assert (done.code, done.out) == (1, "")
    assert "Policy doesn't allow os_compute_api:os-migrations:index to be performed. (HTTP 403)" in done.err


# tags ----------------------------------------------------------------------------------------------------------------
def test_tags_are_added_looked_for_removed(typed: Type, admin: Client, server: dict[str, Any]) -> None:
    assert typed("server", "set", "--tag", "web", "--tag", "blue", "vm1") == Typed(0, "", "")
    assert typed("server", "show", "vm1", "-f", "value", "-c", "tags").out == "['web', 'blue']\n"
    names = ("-f", "value", "-c", "Name")
    assert typed("server", "list", "--tags", "web", "--tags", "blue", *names).out == "vm1\n"
    assert "vm1" not in typed("server", "list", "--not-tags", "web", *names).out
    assert typed("server", "unset", "--tag", "web", "vm1").code == 0
    assert admin.servers.get(server["id"])["tags"] == ["blue"]
    assert f"Instance {server['id']} has no tag 'web' (HTTP 404)" in typed("server", "unset", "--tag", "web", "vm1").err
    assert typed("server", "unset", "--all-tags", "vm1").code == 0
    assert admin.servers.get(server["id"])["tags"] == []


# networks ------------------------------------------------------------------------------------------------------------
def test_a_network_is_given_by_name_or_id(typed: Type, server: dict[str, Any]) -> None:
    rows = typed("network", "list", "--long", "-f", "json").json
    assert [row["Name"] for row in rows] == ["fake"]
    for network in ("fake", rows[0]["ID"]):
        words = ("server", "create", "--flavor", "84", "--image", "img", "--network", network, "--wait", "joined")
        made = typed(*words, "-f", "json").json
        assert list(made["addresses"]) == ["fake"]
        assert typed("server", "delete", "--wait", "joined").code == 0
    done = typed("server", "create", "--flavor", "84", "--image", "img", "--network", "nope", "x")
    assert (done.code, done.err) == (1, "No Network found for nope\n")


def test_members_do_not_see_what_networks_are_made_of(typed: Type, running: Any) -> None:
    [row] = typed("network", "list", "--long", "-f", "json", user="demo", project="demo").json
    assert (row["Name"], row["Network Type"]) == ("fake", None)


# groups --------------------------------------------------------------------------------------------------------------
def test_a_server_group_is_made_listed_shown_deleted(typed: Type, running: Any) -> None:
    made = typed(
        *("server", "group", "create", "--policy", "anti-affinity", "--rule", "max_server_per_host=2", "g1"),
        *("-f", "json"),
    ).json
    assert (made["name"], made["policy"], made["rules"], made["members"]) == (
        *("g1", "anti-affinity"),
        {"max_server_per_host": 2},
        [],
    )
    listed = typed("server", "group", "list", "--long", "-f", "json").json
    assert [list(row) for row in listed] == [["ID", "Name", "Policy", "Members", "Project Id", "User Id"]]
    assert typed("server", "group", "show", "g1", "-f", "json").json == made
    done = typed("server", "group", "delete", "g1", "g2")
    assert done.code == 1
    assert "1 of 2 server groups failed to delete." in done.err
    assert typed("server", "group", "list").out == "\n"


def test_a_failed_build_tells_the_driver_s_reason(running: Any, server: dict[str, Any], typed: Type) -> None:
    """The fault of a build that found no other host says nothing of the disk that was full."""
    image, flavor = server["image"]["id"], "m1.micro"
    fault = {"spawn": {"error": "[Errno 28] No space left on device"}}
    for driver in running.engine.drivers.values():
        order_faults(driver.store.directory, fault)
    try:
        said = typed("server", "create", "--flavor", flavor, "--image", image, "--wait", "unlucky")
    finally:
        for driver in running.engine.drivers.values():
            order_faults(driver.store.directory, {})
    assert said.code == 1
    assert said.err.startswith("Error creating server: unlucky\n")
    assert "No space left on device" in said.err
    typed("server", "delete", "--wait", "unlucky")


def test_a_create_whose_user_data_would_not_reach_the_guest_says_so(typed: Type, running: Any, tmp_path: Any) -> None:
    script = tmp_path / "user-data"
    script.write_text("#!/bin/sh\n")
    image = running.image["id"]
    words = ("server", "create", "--image", image, "--flavor", "m1.micro", "--user-data", str(script))
    assert "Without a config drive" in typed(*words, "--no-network", "silent").err
    assert "Without a config drive" not in typed(*words, "asking").err
    assert "Without a config drive" not in typed(*words, "--use-config-drive", "told").err


# what belongs to no server -------------------------------------------------------------------------------------------
def test_orphans_are_listed_with_their_fate(running: Any, typed: Type, admin: Client) -> None:
    ident = running.boot(admin, name="lost")["id"]
    conductor = running.state.conductor
    host = conductor.instance(ident).host
    conductor.step(ident, updates={"host": "its-old-name"})
    [row] = typed("hypervisor", "orphan", "list", "-f", "json").json
    wanted = {"ID": ident, "Host": host, "What": ["domain"], "Reason": "its server is on its-old-name", "Fate": "log"}
    assert row == wanted
    conductor.step(ident, updates={"host": host})
    assert typed("hypervisor", "orphan", "list", "-f", "value").out == ""
