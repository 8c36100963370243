"""Rebuild, rescue, images, backups, shelving, soft deletes as somebody types them, and how each ends."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Running
from tests.cli.conftest import Typed
from tuinova.client import Client
from tuinova.core.paths import Paths

Type = Callable[..., Typed]
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Shelved and deleted servers stay on their host for a while."""
    base: Path = tmp_path_factory.mktemp("svc")
    (base / "run").mkdir()
    config = base / "tuinova.toml"
    config.write_text(
        "[DEFAULT]\nshelved_offload_time = -1\nreclaim_instance_interval = 3600\n[tuinova]\nfake_boot_seconds = 0.1\n"
    )
    service = Running(Paths(base, base / "run", config), hosts=2)
    yield service
    service.stop()


@pytest.fixture
def name(running: Any, admin: Client) -> Iterator[str]:
    made = f"vm-{next(_NUMBERS)}"
    ident = running.boot(admin, name=made, flavorRef="1", config_drive=True)["id"]
    yield made
    running.engine.settle(20)
    admin.servers.action(ident, "forceDelete")
    running.engine.settle(20)


@pytest.fixture(scope="module")
def other(running: Any, admin: Client) -> str:
    """The name of another image."""
    running.upload(admin, name="other", visibility="public")
    return "other"


def shown(admin: Client, name: str) -> dict[str, Any]:
    return admin.servers.find(name)


def settled(running: Any, admin: Client, name: str) -> str:
    running.engine.settle(20)
    return str(shown(admin, name)["status"])


# rebuild and rescue --------------------------------------------------------------------------------------------------
def test_a_rebuild_shows_the_server_and_its_password(typed: Type, admin: Client, name: str, other: str) -> None:
    words = ("server", "rebuild", "--image", other, "--property", "a=b", "--description", "new", "--wait", name)
    done = typed(*words, "-f", "json")
    assert (done.code, done.err) == (0, "Complete\n")
    made = done.json
    assert (made["status"], made["description"], made["properties"]) == ("ACTIVE", "new", {"a": "b"})
    assert made["image"].startswith("other (")
    assert len(made["adminPass"]) == 12
    assert "user_data" not in made
    at_once = typed("server", "rebuild", "--password", "secret", name, "-f", "json").json
    assert (at_once["status"], at_once["adminPass"]) == ("REBUILD", "secret")


def test_a_stopped_server_is_off_after_its_rebuild(typed: Type, admin: Client, running: Any, name: str) -> None:
    typed("server", "stop", name)
    running.engine.settle(20)
    assert typed("server", "rebuild", "--wait", name, "-f", "value", "-c", "status").out == "SHUTOFF\n"


def test_user_data_and_key_are_taken_away(typed: Type, admin: Client, running: Any, name: str, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("#!/bin/sh\n")
    typed("server", "rebuild", "--user-data", str(tmp_path / "data"), "--wait", name)
    assert shown(admin, name)["OS-EXT-SRV-ATTR:user_data"] == "IyEvYmluL3NoCg=="
    typed("server", "rebuild", "--no-user-data", "--no-key-name", "--wait", name)
    assert shown(admin, name)["OS-EXT-SRV-ATTR:user_data"] is None


def test_rescue_and_unrescue_are_silent(typed: Type, admin: Client, running: Any, name: str, other: str) -> None:
    assert typed("server", "rescue", "--image", other, "--password", "x", name) == Typed(0, "", "")
    assert settled(running, admin, name) == "RESCUE"
    refused = typed("server", "stop", name)
    assert f"Cannot 'stop' instance {shown(admin, name)['id']} while it is in vm_state rescued" in refused.err
    assert typed("server", "unrescue", name) == Typed(0, "", "")
    assert settled(running, admin, name) == "ACTIVE"


def test_the_rest_face_answers_with_the_password(admin: Client, running: Any, name: str) -> None:
    ident = shown(admin, name)["id"]
    path = f"/v2.1/servers/{ident}/action"
    answer = admin.request("POST", path, {"rescue": None})
    assert (answer.status, set(answer.json())) == (200, {"adminPass"})
    running.engine.settle(20)
    admin.servers.action(ident, "unrescue")
    running.engine.settle(20)
    answer = admin.request("POST", path, {"rebuild": {"imageRef": running.image["id"]}})
    made = answer.json()["server"]
    assert (answer.status, answer.headers["Location"]) == (202, f"http://localhost/v2.1/servers/{ident}")
    assert set(made) == {*admin.servers.get(ident), "adminPass", "user_data"}


# images --------------------------------------------------------------------------------------------------------------
def test_an_image_of_a_server(typed: Type, admin: Client, name: str) -> None:
    words = ("server", "image", "create", "--name", "snap", "--property", "k=v", "--wait", name)
    made = typed(*words, "-f", "json").json
    assert (made["name"], made["status"], made["properties"]["k"]) == ("snap", "active", "v")
    assert made["properties"]["instance_uuid"] == shown(admin, name)["id"]
    unwaited = typed("server", "image", "create", name, "-f", "json").json
    assert (unwaited["name"], unwaited["status"]) in {(name, "queued"), (name, "saving"), (name, "active")}


def test_backups_rotate(typed: Type, admin: Client, running: Any, name: str) -> None:
    words = ("server", "backup", "create", "--type", "daily", "--rotate", "1", "--wait")
    first = typed(*words, "--name", "b1", name, "-f", "json").json
    second = typed(*words, "--name", "b2", name, "-f", "json").json
    assert (second["status"], second["properties"]["backup_type"]) == ("active", "daily")
    names = [row["name"] for row in admin.images.list()]
    assert "b2" in names
    assert "b1" not in names
    gone = typed("server", "backup", "create", "--rotate", "0", "--name", "b0", "--wait", name, "-f", "json")
    assert (gone.code, gone.json["name"]) == (0, "b0")
    assert "b0" not in [row["name"] for row in admin.images.list()]
    assert first["id"] != second["id"]


def test_a_snapshot_that_fails_fails_its_wait(typed: Type, admin: Client, running: Any, name: str) -> None:
    for driver in running.engine.drivers.values():
        driver.faults.order("snapshot", {"error": "the disk is bad", "times": 1})
    done = typed("server", "image", "create", "--wait", name)
    for driver in running.engine.drivers.values():
        driver.faults.order("snapshot", None)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"Error creating server image: {name}\n")
    assert "server event show" in done.err
    assert shown(admin, name)["status"] == "ACTIVE"


# shelving ------------------------------------------------------------------------------------------------------------
def test_shelve_offload_unshelve(typed: Type, admin: Client, running: Any, name: str) -> None:
    assert typed("server", "shelve", "--wait", name) == Typed(0, "", "")
    assert shown(admin, name)["status"] == "SHELVED"
    zone = typed("server", "unshelve", "--availability-zone", "nova", name)
    assert "The server status must be SHELVED_OFFLOADED. (HTTP 409)" in zone.err
    assert typed("server", "shelve", "--offload", "--wait", name) == Typed(0, "", "")
    assert (shown(admin, name)["status"], shown(admin, name)["OS-EXT-SRV-ATTR:host"]) == ("SHELVED_OFFLOADED", None)
    host = next(iter(running.engine.drivers))
    assert typed("server", "unshelve", "--host", host, "--wait", name) == Typed(0, "", "")
    assert (shown(admin, name)["status"], shown(admin, name)["OS-EXT-SRV-ATTR:host"]) == ("ACTIVE", host)


def test_an_unshelve_without_room_fails_its_wait(typed: Type, admin: Client, running: Any, name: str) -> None:
    typed("server", "shelve", "--offload", "--wait", name)
    for host in running.engine.drivers:
        typed("compute", "service", "set", "--disable", host, "nova-compute")
    try:
        done = typed("server", "unshelve", "--wait", name)
    finally:
        for host in running.engine.drivers:
            typed("compute", "service", "set", "--enable", host, "nova-compute")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"Error unshelving server: {name}\n")
    assert shown(admin, name)["status"] == "SHELVED_OFFLOADED"


# soft delete ---------------------------------------------------------------------------------------------------------
def test_a_deleted_server_is_restored_by_name(typed: Type, admin: Client, running: Any, name: str) -> None:
    assert typed("server", "delete", "--wait", name) == Typed(0, "", "")
    assert typed("server", "show", name).err == f"No Server found for {name}\n"
    names = ("-f", "value", "-c", "Name")
    assert typed("server", "list", "--status", "SOFT_DELETED", *names).out == f"{name}\n"
    assert typed("server", "restore", name) == Typed(0, "", "")
    assert settled(running, admin, name) == "ACTIVE"


def test_force_deletes_at_once(typed: Type, admin: Client, running: Any) -> None:
    running.boot(admin, name="twice", flavorRef="1")
    typed("server", "delete", "--wait", "twice")
    assert typed("server", "delete", "--force", "--wait", "twice") == Typed(0, "", "")
    assert typed("server", "list", "--status", "SOFT_DELETED", "--name", "twice").out == "\n"


# inside the guest ----------------------------------------------------------------------------------------------------
def test_diagnostics_are_shown_by_name(typed: Type, admin: Client, running: Any, name: str) -> None:
    told = typed("server", "show", "--diagnostics", name, "-f", "json").json
    assert list(told) == sorted(told)
    assert {"state", "driver", "uptime", "num_cpus", "cpu_details", "nic_details", "disk_details"} <= set(told)
    assert typed("server", "show", "--diagnostics", name).code == 0
    typed("server", "stop", name)
    running.engine.settle(20)
    refused = typed("server", "show", "--diagnostics", name)
    assert (refused.code, "(HTTP 409)" in refused.err) == (1, True)


def test_members_have_no_diagnostics(typed: Type, running: Any) -> None:
    with running.client("demo", "demo") as demo:
        running.boot(demo, name="mine")
    done = typed("server", "show", "--diagnostics", "mine", user="demo", project="demo")
    assert "Policy doesn't allow os_compute_api:os-server-diagnostics to be performed. (HTTP 403)" in done.err


def test_a_dump_and_a_password_are_asked_for(typed: Type, admin: Client, running: Any, name: str) -> None:
    assert typed("server", "dump", "create", name) == Typed(0, "", "")
    assert typed("server", "set", "--password", "new", name) == Typed(0, "", "")
    running.engine.settle(20)
    log = typed("server", "event", "list", name, "-f", "value", "-c", "Action").out.split()
    assert log[:2] == ["changePassword", "trigger_crash_dump"]
