"""Server groups, quotas, usage and host aggregates: what the lists show and what they ask of the service."""

from __future__ import annotations

from collections.abc import Callable
from shlex import split
from typing import Any

import pytest
from fake_client import FakeService, server_view, uuid_of
from grammar import assert_parses
from textual.widgets import Input, TextArea

from tuinova.client import ApiError
from tuinova.screens.administration.aggregates import properties_of
from tuinova.screens.administration.base import counts_anew
from tuinova.screens.administration.quotas import RESOURCES
from tuinova.screens.app import TuinovaApp
from tuinova.screens.dialogs import TextLine
from tuinova.screens.fields import ChoiceField
from tuinova.screens.fields_screen import FieldsScreen
from tuinova.screens.group_room import GroupRoom
from tuinova.screens.list_room import TypeNameScreen
from tuinova.screens.widgets.tick import Tick

GROUP = {
    "id": "g-1",
    "name": "web",
    "policy": "anti-affinity",
    "rules": {"max_server_per_host": 2},
    "members": [uuid_of(1), "gone"],
}
AGGREGATE = {
    "id": 7,
    "uuid": "u-7",
    "name": "rack",
    "availability_zone": "east",
    "hosts": ["kvm-1"],
    "metadata": {"availability_zone": "east", "ssd": "true", "old": "1"},
}
USAGE = {
    "tenant_id": "p-admin",
    "total_vcpus_usage": 1.5,
    "total_memory_mb_usage": 1536.0,
    "total_local_gb_usage": 0.0,
    "start": "2026-08-01T00:00:00",
    "stop": "2026-08-20T00:00:00",
    "server_usages": [
        {
            "name": "vm\x1b[2J",
            "state": "active",
            "flavor": "m1",
            "hours": 1.5,
            "vcpus": 1,
            "memory_mb": 1,
            "local_gb": 0,
        }
    ],
}
DETAIL = {
    "instances": {"limit": 10, "in_use": 9, "reserved": 0},
    "cores": {"limit": 20, "in_use": 20, "reserved": 0},
    "ram": {"limit": -1, "in_use": 512, "reserved": 0},
    "volumes": {"limit": 0, "in_use": 0, "reserved": 0},
    "port": {"limit": 500, "in_use": 2, "reserved": 0},
}


@pytest.fixture
def service() -> FakeService:
    """One row of each kind."""
    service = FakeService([server_view(1, "vm1"), server_view(2, "vm2")])
    service.resources |= {
        "server_groups": [GROUP],
        "aggregates": [AGGREGATE],
        "usage": [USAGE],
        "services": [{"id": f"s-{n}", "host": f"kvm-{n}", "binary": "nova-compute", "zone": "nova"} for n in (1, 2)],
        "images": [{"id": "i-1", "name": "debian", "status": "active"}, {"id": "i-2", "name": "q", "status": "queued"}],
    }
    service.answers["quotas.detail"] = DETAIL
    return service


async def opened(app: TuinovaApp, pilot: Any, until: Callable[..., Any], part: str) -> Any:
    """A list with its rows."""
    await until(pilot, lambda: app.state == "ready")
    await pilot.press("0")
    await until(pilot, lambda: isinstance(app.main.view, GroupRoom))
    view = app.main.view
    await view.open_part(next(one for one in view.PARTS if one.id == part))
    await until(pilot, lambda: view.view.model.rows)
    return view.view


async def dialog(app: TuinovaApp, pilot: Any, until: Callable[..., Any], **values: Any) -> FieldsScreen:
    """The open dialog, filled in."""
    await until(pilot, lambda: isinstance(app.screen, FieldsScreen))
    screen = app.screen
    assert isinstance(screen, FieldsScreen)
    for name, value in values.items():
        field = screen.query_one(f"#{name}")
        if isinstance(field, TextArea):
            field.text = value
        else:
            assert isinstance(field, Input | ChoiceField | Tick)
            field.value = value
            if isinstance(field, ChoiceField):
                screen.changed()
    await pilot.pause()
    return screen


def command(screen: FieldsScreen) -> list[str]:
    words = split(str(screen.query_one("#command", TextLine).render()).removeprefix("$ "))
    assert_parses(words)
    return words[1:]


def calls(service: FakeService, collection: str) -> list[Any]:
    return [(verb, given) for name, verb, given in service.requests if name == collection and verb != "detail"]


def seen(view: Any, lines: int = 12) -> str:
    return "\n".join(view.table.render_line(y).text for y in range(lines))


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_every_list_opens_and_shows_its_rows(
    size: tuple[int, int], make_app: Callable[..., TuinovaApp], until: Callable[..., Any]
) -> None:
    words = {
        "server-groups": ("web", "2", "vm1"),
        "quotas": ("Instances", "9/10", "20/20"),
        "usage": ("admin", "1.5", "1536"),
        "aggregates": ("rack", "east", "kvm-1"),
    }
    app = make_app()
    async with app.run_test(size=size) as pilot:
        for part, expected in words.items():
            view = await opened(app, pilot, until, part)
            assert not view.table.problem
            for word in expected[: None if size[0] > 100 else 2]:
                assert word in seen(view), part


async def test_a_group_is_made_with_its_rule_only_where_it_has_one(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(app, pilot, until, "server-groups")
        await pilot.press("n")
        screen = await dialog(app, pilot, until, name="db", most="2")
        rule = ["--rule", "max_server_per_host=2"]
        assert command(screen) == ["server", "group", "create", "--policy", "anti-affinity", *rule, "db"]
        await dialog(app, pilot, until, policy="soft-affinity")
        assert screen.query_one("#field-most").has_class("hidden")
        assert command(screen) == ["server", "group", "create", "--policy", "soft-affinity", "db"]
        await pilot.press("ctrl+s")
        await until(pilot, lambda: calls(service, "server_groups"))
    assert calls(service, "server_groups") == [("create", (({"name": "db", "policy": "soft-affinity"},), {}))]


async def test_a_group_is_deleted_by_its_name(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(app, pilot, until, "server-groups")
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, TypeNameScreen))
        await pilot.press(*"web", "enter")
        await until(pilot, lambda: calls(service, "server_groups"))
    assert calls(service, "server_groups") == [("delete", (("g-1",), {}))]


async def test_a_limit_is_set_for_its_service_and_a_refusal_stays(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    refusal = "Quota limit 1 for port must be greater than or equal to already used and reserved 2."
    service.refusals["quotas.set"] = ApiError(400, refusal, "req-q")
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        view = await opened(app, pilot, until, "quotas")
        await pilot.press("end")
        await until(pilot, lambda: view.row["key"] == "port")
        await pilot.press("e")
        screen = await dialog(app, pilot, until, limit="1")
        assert command(screen) == ["quota", "set", "--ports", "1", "admin"]
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "already used" in str(screen.query_one("#problem", TextLine).render()))
        del service.refusals["quotas.set"]
        await dialog(app, pilot, until, force=True)
        assert "--force" in command(screen)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: len(calls(service, "quotas")) == 2)
    (_first, (verb, given)) = calls(service, "quotas")
    assert (verb, given) == ("set", (("p-admin", {"port": "1"}), {"force": True, "service": "network"}))


async def test_back_to_the_defaults_is_for_every_service(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, until, "quotas")
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, TypeNameScreen))
        await pilot.press(*"admin", "enter")
        await until(pilot, lambda: len(calls(service, "quotas")) == 3)
    assert calls(service, "quotas") == [("delete", (("p-admin", name), {})) for name in RESOURCES]


async def test_usage_is_the_projects_own_where_all_may_not_be_seen(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any], monkeypatch: Any
) -> None:
    from fake_client import FakeResource

    service.refusals["usage.list"] = ApiError(403, "Policy doesn't allow it to be performed.", "req-u")
    monkeypatch.setattr(FakeResource, "get", lambda self, ident, *period: dict(USAGE) if self.name == "usage" else {})
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        view = await opened(app, pilot, until, "usage")
        text = "\n".join("".join(part for part, _tone in line) for line in view.details(view.row))
        assert "1.50 h" in text
        assert "\x1b" not in text


async def test_an_aggregate_is_edited_by_what_differs(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, until, "aggregates")
        await pilot.press("e")
        screen = await dialog(app, pilot, until, zone="west", properties="ssd=true\nnew=2")
        words = ["--zone", "west", "--no-property", "--property", "ssd=true", "--property", "new=2"]
        assert command(screen) == ["aggregate", "set", *words, "rack"]
        await pilot.press("ctrl+s")
        await until(pilot, lambda: len(calls(service, "aggregates")) == 2)
    assert calls(service, "aggregates") == [
        ("update", ((7, {"availability_zone": "west"}), {})),
        ("set_metadata", ((7, {"old": None, "new": "2"}), {})),
    ]


async def test_a_property_that_is_none_is_told_and_nothing_is_sent(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, until, "aggregates")
        await pilot.press("n")
        screen = await dialog(app, pilot, until, name="a", properties="no equals sign")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "key=value is expected" in str(screen.query_one("#problem", TextLine).render()))
    assert calls(service, "aggregates") == []


@pytest.mark.parametrize(
    ("key", "words", "verb", "given"),
    [
        ("a", ["add", "host", "rack", "kvm-2"], "add_host", (7, "kvm-2")),
        ("r", ["remove", "host", "rack", "kvm-1"], "remove_host", (7, "kvm-1")),
        ("i", ["cache", "image", "rack", "i-1"], "cache_images", (7, ["i-1"])),
    ],
)
async def test_hosts_and_images_are_offered(
    key: str,
    words: list[str],
    verb: str,
    given: tuple[Any, ...],
    make_app: Callable[..., TuinovaApp],
    service: FakeService,
    until: Callable[..., Any],
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, until, "aggregates")
        await pilot.press(key)
        screen = await dialog(app, pilot, until)
        assert command(screen) == ["aggregate", *words]
        await pilot.press("ctrl+s")
        await until(pilot, lambda: calls(service, "aggregates"))
    assert calls(service, "aggregates") == [(verb, (given, {}))]


def test_the_zone_is_no_property() -> None:
    assert properties_of(AGGREGATE) == {"ssd": "true", "old": "1"}


@pytest.mark.parametrize(
    ("change", "anew"),
    [
        ({"kind": "server", "op": "delete", "view": None}, True),
        ({"kind": "server", "op": "update", "view": {"task_state": "scheduling"}}, True),
        ({"kind": "server", "op": "update", "view": {"task_state": "rebooting"}}, False),
        ({"kind": "node", "op": "delete", "view": None}, False),
    ],
)
def test_only_servers_that_come_or_go_are_counted_anew(change: dict[str, Any], anew: bool) -> None:
    assert counts_anew(change) is anew
