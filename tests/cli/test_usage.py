"""`tuinova usage`, and the REST face behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tuinova.client import ApiError, Client

Type = Callable[..., Any]
PERIOD = "start=2026-01-01T00:00:00&end=2100-01-01T00:00:00"


@pytest.fixture(scope="module")
def servers(running: Any, admin: Client) -> Iterator[list[str]]:
    """Two servers that began four hours ago, one of them gone for three."""
    made = [running.boot(admin, name=name, flavorRef="d2")["id"] for name in ("lives", "gone")]
    conductor, now = running.engine.conductor, datetime.now(UTC)
    for ident in made:
        conductor.step(ident, updates={"launched_at": now - timedelta(hours=4)})
    running.remove(admin, made[1])
    conductor._write(
        lambda tx: tx.connection.exec_driver_sql(
            "UPDATE instance SET terminated_at = ? WHERE uuid = ?",
            ((now - timedelta(hours=3)).strftime("%Y-%m-%d %H:%M:%S.%f"), made[1]),
        )
    )
    yield made
    running.remove(admin, made[0])


def test_list_and_show(typed: Type, servers: list[str]) -> None:
    [row] = typed("usage", "list", "-f", "json").json
    # ds1G: 1024 MB, 10 GB, 1 vCPU; four hours and one.
    assert (row.pop("Project"), row.pop("Servers")) == ("admin", 2)
    assert row == pytest.approx({"RAM MB-Hours": 5120.0, "CPU Hours": 5.0, "Disk GB-Hours": 50.0}, rel=0.01)
    shown = typed("usage", "show", "--project", "admin", "-f", "json").json
    assert shown["Servers"] == 2
    assert shown["CPU Hours"] == pytest.approx(5, abs=0.05)
    text = typed("usage", "list", "--start", "2026-01-01", "--end", "2099-12-31").out
    assert text.startswith("Usage from 2026-01-01 to 2099-12-31: \n+--")
    assert typed("usage", "show").out.splitlines()[0].endswith(" on project admin: ")
    empty = typed("usage", "show", "-f", "json", user="demo", project="demo").json
    assert (empty["Project"], empty["Servers"], empty["CPU Hours"]) == ("demo", 0, 0.0)


def test_a_period_is_clipped_to_what_was_asked(admin: Client, servers: list[str]) -> None:
    now = datetime.now(UTC)
    start, end = (now - timedelta(hours=2)).isoformat()[:19], (now - timedelta(hours=1)).isoformat()[:19]
    project = admin.info()["project"]["id"]
    usage = admin.usage.get(project, start, end)
    assert [row["name"] for row in usage["server_usages"]] == ["lives"]
    assert usage["total_hours"] == pytest.approx(1.0)
    assert usage["start"].startswith(start)


def test_what_a_server_is_told_with(admin: Client, servers: list[str]) -> None:
    usage = admin.usage.get(admin.info()["project"]["id"], "2026-01-01T00:00:00", "2100-01-01T00:00:00")
    rows = {row["instance_id"]: row for row in usage["server_usages"]}
    lives, gone = (rows[ident] for ident in servers)
    assert set(lives) == {
        *("instance_id", "name", "tenant_id", "flavor", "vcpus", "memory_mb", "local_gb", "hours"),
        *("started_at", "ended_at", "state", "uptime"),
    }
    assert (lives["state"], lives["ended_at"], lives["flavor"]) == ("active", None, "ds1G")
    assert (gone["state"], gone["uptime"]) == ("terminated", 3600)


def test_usage_comes_in_pages(admin: Client, servers: list[str]) -> None:
    page = admin.get(f"/v2.1/os-simple-tenant-usage?{PERIOD}&detailed=1&limit=1")
    assert len(page["tenant_usages"][0]["server_usages"]) == 1
    [link] = page["tenant_usages_links"]
    assert link["rel"] == "next"
    again = admin.get(link["href"].split("localhost", 1)[1])
    both = {row["tenant_usages"][0]["server_usages"][0]["instance_id"] for row in (page, again)}
    assert both == set(servers)
    last = admin.get(again["tenant_usages_links"][0]["href"].split("localhost", 1)[1])
    assert last == {"tenant_usages": []}
    plain = admin.get(f"/v2.1/os-simple-tenant-usage?{PERIOD}")
    assert "server_usages" not in plain["tenant_usages"][0]
    assert "tenant_usages_links" not in plain


def test_the_client_adds_up_the_pages(admin: Client, servers: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = admin.usage.list("2026-01-01T00:00:00", "2100-01-01T00:00:00")[0]
    from tuinova.api import params

    monkeypatch.setattr(params.page_limit, "__defaults__", (1,))
    paged = admin.usage.list("2026-01-01T00:00:00", "2100-01-01T00:00:00")[0]
    assert len(paged["server_usages"]) == len(whole["server_usages"]) == 2
    assert paged["total_hours"] == pytest.approx(whole["total_hours"], abs=0.01)
    alone = admin.usage.get(admin.info()["project"]["id"], "2026-01-01T00:00:00", "2100-01-01T00:00:00")
    assert len(alone["server_usages"]) == 2


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("start=yesterday", "Invalid datetime string: Datetime is in invalid format"),
        ("end=2026-13-45T00:00:00", "Invalid datetime string: Datetime is in invalid format"),
        (
            "start=2026-02-01T00:00:00&end=2026-01-01T00:00:00",
            "Invalid start time. The start time cannot occur after the end time.",
        ),
        (PERIOD + "&limit=x", "limit must be an integer value"),
        (PERIOD + "&marker=nobody", "marker [nobody] not found"),
    ],
)
def test_wrong_periods(admin: Client, query: str, text: str) -> None:
    with pytest.raises(ApiError) as caught:
        admin.get(f"/v2.1/os-simple-tenant-usage?{query}")
    assert (caught.value.code, caught.value.message) == (400, text)


def test_who_may_see_it(running: Any, typed: Type, admin: Client) -> None:
    refused = typed("usage", "list", user="demo", project="demo")
    assert "Policy doesn't allow os_compute_api:os-simple-tenant-usage:list to be performed. (HTTP 403)" in refused.err
    with running.client("demo", "demo") as demo, pytest.raises(ApiError) as caught:
        demo.usage.get(admin.info()["project"]["id"])
    assert caught.value.code == 403
    wrong = typed("usage", "list", "--start", "today")
    assert (wrong.code, wrong.err) == (2, "argument --start: 'today' is no day: use YYYY-MM-DD\n")
