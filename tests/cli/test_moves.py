"""Resize, migrate, live migrate and evacuate as somebody types them: the end of each, and what `--wait` says of it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from tests.cli.conftest import Typed
from tuinova.cli.waiting import progress_text
from tuinova.client import Client
from tuinova.client.waiters import wait_for_status

Type = Callable[..., Typed]
_NUMBERS = itertools.count(1)


@contextmanager
def hosts(running: Any, **options: Any) -> Iterator[None]:
    """All fake hosts with other manners for a while."""
    drivers = list(running.engine.drivers.values())
    before = [driver.options for driver in drivers]
    for driver in drivers:
        driver.options = replace(driver.options, **options)
    try:
        yield
    finally:
        for driver, kept in zip(drivers, before, strict=True):
            driver.options = kept


@pytest.fixture
def name(running: Any, admin: Client) -> Iterator[str]:
    """A server of this test."""
    made = f"vm-{next(_NUMBERS)}"
    ident = running.boot(admin, name=made, flavorRef="1")["id"]
    yield made
    running.engine.settle(20)
    running.remove(admin, ident)


def shown(admin: Client, name: str) -> dict[str, Any]:
    return admin.servers.find(name)


def host_of(admin: Client, name: str) -> str:
    return str(shown(admin, name)["OS-EXT-SRV-ATTR:host"])


def other_host(running: Any, host: str) -> str:
    return next(found for found in running.engine.drivers if found != host)


def test_a_resize_waits_for_its_confirmation(typed: Type, admin: Client, running: Any, name: str) -> None:
    assert typed("server", "resize", "--flavor", "m1.small", "--wait", name) == Typed(0, "Complete\n", "")
    assert shown(admin, name)["status"] == "VERIFY_RESIZE"
    assert typed("server", "resize", "confirm", name) == Typed(0, "", "")
    wait_for_status(admin, shown(admin, name)["id"], "active", timeout=20)
    assert shown(admin, name)["flavor"]["original_name"] == "m1.small"
    assert typed("server", "resize", "confirm", name).err.startswith("Cannot 'confirmResize' instance")


def test_the_old_forms_of_confirm_and_revert_warn_and_work(typed: Type, admin: Client, name: str) -> None:
    typed("server", "resize", "--flavor", "m1.small", "--wait", name)
    done = typed("server", "resize", "--revert", name)
    assert (done.code, done.out) == (0, "")
    assert done.err == "'server resize --revert' is deprecated. Please use 'server resize revert' instead.\n"
    wait_for_status(admin, shown(admin, name)["id"], "active", timeout=20)
    assert shown(admin, name)["flavor"]["original_name"] == "m1.tiny"


def test_a_resize_that_is_rolled_back_fails_its_wait(typed: Type, admin: Client, running: Any, name: str) -> None:
    typed("server", "resize", "--flavor", "m1.small", "--wait", name)
    typed("server", "resize", "confirm", name)
    running.engine.settle(20)
    done = typed("server", "resize", "--flavor", "m1.tiny", "--wait", name)
    assert (done.code, done.out) == (1, "")
    said = done.err.splitlines()
    assert said[:2] == [f"Error resizing server: {name}", "Resize error: Unable to resize disk down."]
    assert said[2].startswith(f"See 'tuinova server event show {shown(admin, name)['id']} req-")
    assert shown(admin, name)["status"] == "ACTIVE"


def test_without_wait_a_resize_returns_at_once(typed: Type, admin: Client, running: Any, name: str) -> None:
    with hosts(running, copy_seconds=0.5):
        assert typed("server", "resize", "--flavor", "m1.small", name) == Typed(0, "", "")
        assert shown(admin, name)["status"] == "RESIZE"
        running.engine.settle(20)


def test_a_migration_goes_to_another_host_and_back(typed: Type, admin: Client, name: str) -> None:
    was = host_of(admin, name)
    assert typed("server", "migrate", "--wait", name) == Typed(0, "Complete\n", "")
    assert host_of(admin, name) != was
    done = typed("server", "migrate", "revert", name)
    assert done.err == "'server migrate revert' is deprecated. Please use 'server migration revert' instead.\n"
    wait_for_status(admin, shown(admin, name)["id"], "active", timeout=20)
    assert host_of(admin, name) == was


def test_a_stopped_server_migrates_and_stays_off(typed: Type, admin: Client, running: Any, name: str) -> None:
    typed("server", "stop", name)
    running.engine.settle(20)
    assert typed("server", "migrate", "--wait", "--host", other_host(running, host_of(admin, name)), name).code == 0
    typed("server", "migration", "confirm", name)
    running.engine.settle(20)
    assert shown(admin, name)["status"] == "SHUTOFF"


def test_a_live_migration_keeps_the_status(typed: Type, admin: Client, running: Any, name: str) -> None:
    was = host_of(admin, name)
    words = ("server", "migrate", "--live-migration", "--block-migration", "--host", other_host(running, was), "--wait")
    assert typed(*words, name) == Typed(0, "Complete\n", "")
    assert host_of(admin, name) != was
    typed("server", "pause", name)
    running.engine.settle(20)
    assert typed("server", "migrate", "--live-migration", "--wait", name) == Typed(0, "Complete\n", "")
    assert (shown(admin, name)["status"], host_of(admin, name)) == ("PAUSED", was)


def test_old_options_of_live_migration_warn(typed: Type, name: str) -> None:
    done = typed("server", "migrate", "--live-migration", "--disk-overcommit", "--wait", name)
    assert (done.code, done.out) == (0, "Complete\n")
    assert "only supported by --os-compute-api-version 2.24 or below" in done.err


def _live(running: Any, admin: Client, typed: Type, name: str) -> tuple[str, dict[str, Any]]:
    """Begin a slow live migration; the server's id and the migration once it runs."""
    ident = shown(admin, name)["id"]
    told = threading.Event()
    seen: list[dict[str, Any]] = []

    def watch() -> None:
        with admin.acting_as().changes() as stream:
            ready.set()
            for batch in stream:
                for change in batch:
                    moved = (change["view"] or {}).get("task_progress") if change["key"] == ident else None
                    if moved and moved["done"]:
                        seen.append(change["view"])
                        told.set()
                        return

    ready = threading.Event()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    ready.wait(5)
    assert typed("server", "migrate", "--live-migration", name).code == 0
    assert told.wait(15)
    watcher.join(5)
    assert "memory: " in progress_text(seen[0])
    [row] = admin.servers.migrations(ident)
    return ident, row


def test_a_live_migration_is_shown_and_aborted(typed: Type, admin: Client, running: Any, name: str) -> None:
    was = host_of(admin, name)
    with hosts(running, live_migration_mb_per_second=20.0):
        ident, row = _live(running, admin, typed, name)
        record = typed("server", "migration", "show", name, row["uuid"], "-f", "json").json
        assert (record["Status"], record["Server UUID"]) == ("running", ident)
        assert 0 < record["Memory Processed Bytes"] < record["Memory Total Bytes"]
        assert typed("server", "migration", "abort", name, str(row["id"])) == Typed(0, "", "")
        running.engine.settle(20)
    assert (shown(admin, name)["status"], host_of(admin, name)) == ("ACTIVE", was)
    [moved] = typed("server", "migration", "list", "--server", name, "-f", "json").json
    assert moved["Status"] == "cancelled"


def test_a_live_migration_is_forced_to_complete(typed: Type, admin: Client, running: Any, name: str) -> None:
    was = host_of(admin, name)
    with hosts(running, live_migration_mb_per_second=5.0):
        _ident, row = _live(running, admin, typed, name)
        assert typed("server", "migration", "force", "complete", name, row["uuid"]) == Typed(0, "", "")
        running.engine.settle(20)
    assert host_of(admin, name) != was


def test_an_unknown_migration_is_refused_in_novas_words(typed: Type, admin: Client, running: Any, name: str) -> None:
    with hosts(running, live_migration_mb_per_second=20.0):
        ident, row = _live(running, admin, typed, name)
        missing = f"Migration 99999 not found for instance {ident}"
        assert f"{missing} (HTTP 404)" in typed("server", "migration", "abort", name, "99999").err
        assert f"{missing} (HTTP 400)" in typed("server", "migration", "force", "complete", name, "99999").err
        typed("server", "migration", "abort", name, str(row["id"]))
        running.engine.settle(20)
    done = typed("server", "migration", "abort", name, str(row["id"]))
    assert f"Instance {ident} is in an invalid state for 'abort live migration' (HTTP 409)" in done.err


def test_a_live_migration_that_finds_no_host_fails_its_wait(
    typed: Type, admin: Client, running: Any, name: str
) -> None:
    there = other_host(running, host_of(admin, name))
    typed("compute", "service", "set", there, "nova-compute", "--disable", "--disable-reason", "test")
    try:
        done = typed("server", "migrate", "--live-migration", "--wait", name)
    finally:
        typed("compute", "service", "set", there, "nova-compute", "--enable")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"Error migrating server: {name}\nNo valid host was found.")
    assert shown(admin, name)["status"] == "ACTIVE"


def test_an_evacuation_leaves_the_server_off_elsewhere(typed: Type, admin: Client, running: Any, name: str) -> None:
    was = host_of(admin, name)
    done = typed("server", "evacuate", name)
    assert f"Compute service of {was} is still in use. (HTTP 400)" in done.err
    typed("compute", "service", "set", was, "nova-compute", "--down")
    try:
        done = typed("server", "evacuate", "--wait", "--password", "secret", name, "-f", "json")
    finally:
        typed("compute", "service", "set", was, "nova-compute", "--up")
    assert (done.code, done.err) == (0, "Complete\n")
    assert (done.json["status"], done.json["OS-EXT-SRV-ATTR:host"]) == ("SHUTOFF", other_host(running, was))
    assert "adminPass" not in done.json


def test_members_may_resize_but_not_migrate(typed: Type, running: Any) -> None:
    with running.client("demo", "demo") as demo:
        ident = running.boot(demo, name="mine", flavorRef="1")["id"]
        done = typed("server", "migrate", "mine", user="demo", project="demo")
        assert "Policy doesn't allow os_compute_api:os-migrate-server:migrate to be performed. (HTTP 403)" in done.err
        words = ("server", "resize", "--flavor", "m1.small", "--wait", "mine")
        assert typed(*words, user="demo", project="demo") == Typed(0, "Complete\n", "")
        assert typed("server", "resize", "confirm", "mine", user="demo", project="demo").code == 0
        running.engine.settle(20)
        running.remove(demo, ident)
