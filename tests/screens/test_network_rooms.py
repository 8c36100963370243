"""The rooms of networks and volumes: what they show, what their dialogs ask for, and the picture of the topology."""

from __future__ import annotations

from collections.abc import Callable
from shlex import split
from typing import Any

import pytest
from fake_client import FakeService, server_view, uuid_of
from grammar import assert_parses
from textual.widgets import Input

from tuinova.client import ApiError
from tuinova.screens.app import TuinovaApp
from tuinova.screens.dialogs import TextLine
from tuinova.screens.fields import ChoiceField
from tuinova.screens.fields_screen import FieldsScreen
from tuinova.screens.group_room import GroupRoom
from tuinova.screens.list_room import TypeNameScreen
from tuinova.screens.networks.picture import COLUMN, LABEL, columns_of, draw, nodes_of
from tuinova.screens.widgets.bars import Tab, tab_pieces
from tuinova.screens.widgets.text_panel import TextPanel, width_of

FRONT = {"id": "n-front", "name": "front", "tuinova:mode": "nat", "status": "ACTIVE"}
BACK = {"id": "n-back", "name": "back", "tuinova:mode": "isolated", "status": "ACTIVE"}
OUTSIDE = {"id": "n-out", "name": "outside", "router:external": True, "status": "ACTIVE"}
SUBNETS = [
    {"id": "s-1", "network_id": "n-front", "name": "", "cidr": "10.1.0.0/24", "gateway_ip": "10.1.0.1"},
    {"id": "s-2", "network_id": "n-back", "name": "deep", "cidr": "10.2.0.0/24", "gateway_ip": None},
]
ROUTER = {
    "id": "r-1",
    "name": "edge",
    "external_gateway_info": {"network_id": "n-out", "external_fixed_ips": [{"ip_address": "172.24.4.9"}]},
}


def port(ident: str, network: str, owner: str, address: str, kind: str = "compute:nova") -> dict[str, Any]:
    return {
        "id": ident,
        "name": "",
        "network_id": network,
        "mac_address": f"fa:16:3e:00:00:{ident[-2:]}",
        "device_id": owner,
        "device_owner": kind,
        "status": "ACTIVE",
        "fixed_ips": [{"subnet_id": "s", "ip_address": address}],
    }


PORTS = [
    port("p-01", "n-front", uuid_of(1), "10.1.0.5"),
    port("p-02", "n-back", uuid_of(1), "10.2.0.5"),
    port("p-03", "n-front", "r-1", "10.1.0.1", "network:router_interface"),
]
GROUP = {
    "id": "g-1",
    "name": "web",
    "description": "",
    "security_group_rules": [
        {
            "id": "rule-1",
            "direction": "ingress",
            "ethertype": "IPv4",
            "protocol": "tcp",
            "port_range_min": 80,
            "port_range_max": 80,
            "remote_ip_prefix": None,
            "remote_group_id": "g-1",
        }
    ],
}
VOLUME = {"id": "v-1", "name": "data", "status": "available", "size": 2, "bootable": "false", "attachments": []}


@pytest.fixture
def service() -> FakeService:
    """Two servers, three networks, a router, a group, a volume."""
    service = FakeService([server_view(1, "vm1"), server_view(2, "alone", "stopped")])
    service.resources |= {
        "networks": [FRONT, BACK, OUTSIDE],
        "subnets": SUBNETS,
        "ports": PORTS,
        "routers": [ROUTER],
        "security_groups": [GROUP],
        "floating_ips": [{"id": "f-1", "floating_ip_address": "172.24.4.20", "floating_network_id": "n-out"}],
        "volumes": [VOLUME],
    }
    return service


async def opened(app: TuinovaApp, pilot: Any, until: Callable[..., Any], room: str, part: str = "") -> Any:
    """A part of a room with its rows."""
    await until(pilot, lambda: app.state == "ready")
    await app.main.action_room(room)
    view = app.main.view
    assert isinstance(view, GroupRoom)
    if part:
        await view.open_part(next(one for one in view.PARTS if one.id == part))
    inner = view.view
    if hasattr(inner, "model"):
        await until(pilot, lambda: inner.model.rows)
    return inner


async def filled(app: TuinovaApp, pilot: Any, until: Callable[..., Any], **values: str) -> FieldsScreen:
    await until(pilot, lambda: isinstance(app.screen, FieldsScreen))
    screen = app.screen
    assert isinstance(screen, FieldsScreen)
    for name, value in values.items():
        field = screen.query_one(f"#{name}")
        if isinstance(field, ChoiceField):
            field.value = value
            screen.changed()
        else:
            assert isinstance(field, Input)
            field.value = value
    await pilot.pause()
    return screen


def command(screen: FieldsScreen) -> list[str]:
    return split(str(screen.query_one("#command", TextLine).render()).removeprefix("$ "))


def calls(service: FakeService, collection: str) -> list[Any]:
    return [(verb, given) for name, verb, given in service.requests if name == collection]


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
@pytest.mark.parametrize("room", ["networks", "volumes"])
async def test_every_list_of_the_room_opens_and_shows_its_rows(
    size: tuple[int, int], room: str, make_app: Callable[..., TuinovaApp], service: FakeService, until: Any
) -> None:
    service.resources["volume_snapshots"] = [
        {"id": "sn-1", "name": "kept", "status": "available", "size": 2, "volume_id": "v-1"}
    ]
    service.resources["volume_types"] = [{"id": "t-1", "name": "fast", "extra_specs": {}}]
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await opened(app, pilot, until, room)
        view = app.main.view
        assert isinstance(view, GroupRoom)
        for part in view.PARTS:
            assert view.current is part
            inner = view.view
            await until(pilot, lambda inner=inner: getattr(inner, "model", None) is None or inner.model.rows)
            assert not getattr(getattr(inner, "table", None), "problem", "")
            await pilot.press("right_square_bracket")
            await pilot.pause()
        assert view.current is view.PARTS[0]


async def test_a_network_is_made_with_its_first_subnet(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Any
) -> None:
    service.answers["networks.create"] = {"id": "n-new"}
    app = make_app()
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(app, pilot, until, "networks")
        await pilot.press("n")
        screen = await filled(app, pilot, until, name="lab", cidr="10.9.0.0/24", dns="9.9.9.9, 1.1.1.1")
        assert_parses(command(screen))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: calls(service, "subnets"))
    assert calls(service, "networks") == [("create", (({"name": "lab", "tuinova:mode": "nat"},), {}))]
    ((verb, ((body,), _more)),) = calls(service, "subnets")
    assert verb == "create"
    assert body["network_id"] == "n-new"
    assert body["dns_nameservers"] == ["9.9.9.9", "1.1.1.1"]


async def test_a_refused_subnet_takes_the_network_back_and_stays_in_the_dialog(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Any
) -> None:
    service.answers["networks.create"] = {"id": "n-new"}
    service.refusals["subnets.create"] = ApiError(400, "overlaps with another subnet", "req-o")
    app = make_app()
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(app, pilot, until, "networks")
        await pilot.press("n")
        screen = await filled(app, pilot, until, name="lab", cidr="10.1.0.0/24")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "overlaps" in str(screen.query_one("#problem", TextLine).render()))
        assert app.screen is screen
    assert [verb for verb, _given in calls(service, "networks")] == ["create", "delete"]


async def test_the_bridge_is_asked_for_only_of_a_provider_network(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Any
) -> None:
    app = make_app()
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(app, pilot, until, "networks")
        await pilot.press("n")
        screen = await filled(app, pilot, until, name="flat")
        assert screen.query_one("#field-bridge").has_class("hidden")
        await filled(app, pilot, until, mode="provider", bridge="br0")
        assert not screen.query_one("#field-bridge").has_class("hidden")
        assert_parses(command(screen))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: calls(service, "networks"))
    ((_verb, ((body,), _more)),) = calls(service, "networks")
    assert body == {"name": "flat", "tuinova:mode": "provider", "provider:physical_network": "br0"}


async def test_a_rule_for_several_ports_is_one_rule_each(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Any
) -> None:
    app = make_app()
    async with app.run_test(size=(100, 40)) as pilot:
        inner = await opened(app, pilot, until, "networks", "security-groups")
        assert "members of web" in inner.query_one(TextPanel).plain_text()
        await pilot.press("a")
        screen = await filled(app, pilot, until, ports="22, 8000-8080", prefix="10.0.0.0/8")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: len(calls(service, "security_group_rules")) == 2)
        assert app.screen is not screen
    bodies = [given[0][0] for _verb, given in calls(service, "security_group_rules")]
    assert [(body["port_range_min"], body["port_range_max"]) for body in bodies] == [("22", "22"), ("8000", "8080")]
    assert bodies[0]["remote_ip_prefix"] == "10.0.0.0/8"


async def test_a_group_goes_only_after_its_name_was_typed(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Any
) -> None:
    app = make_app()
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(app, pilot, until, "networks", "security-groups")
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, TypeNameScreen))
        await pilot.press(*"web", "enter")
        await until(pilot, lambda: calls(service, "security_groups"))
    assert calls(service, "security_groups") == [("delete", (("g-1",), {}))]


async def test_a_volume_is_attached_from_its_list(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Any
) -> None:
    app = make_app()
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(app, pilot, until, "volumes")
        await pilot.press("a")
        screen = await filled(app, pilot, until)
        assert_parses(command(screen))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: any(verb == "attach_volume" for _name, verb, _given in service.requests))
    assert (uuid_of(1), "attach_volume", ("v-1", {})) in service.requests


async def test_a_volume_is_extended_and_read_only_refuses(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Any
) -> None:
    app = make_app(read_only=True)
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(app, pilot, until, "volumes")
        await pilot.press("e")
        await pilot.pause()
        assert app.screen is app.main
    app = make_app()
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(app, pilot, until, "volumes")
        await pilot.press("e")
        screen = await filled(app, pilot, until)
        assert_parses(command(screen))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: calls(service, "volumes"))
    assert calls(service, "volumes") == [("extend", (("v-1", 3), {}))]


# the picture ---------------------------------------------------------------------------------------------------------
def lines_of(width: int = 3) -> list[str]:
    columns = columns_of([FRONT, BACK, OUTSIDE], SUBNETS)[:width]
    nodes = nodes_of([ROUTER], [server_view(1, "vm1"), server_view(2, "alone", "stopped")], PORTS)
    return ["".join(text for text, _tone in line) for line in draw(columns, nodes)]


def test_networks_stand_upright_with_the_outside_first() -> None:
    lines = lines_of()
    assert lines[0].split() == ["outside", "back", "front"]
    assert lines[1].split() == ["external", "isolated", "nat"]
    assert all(width_of(line) == LABEL + 3 * COLUMN for line in lines[:3])


def test_a_node_reaches_to_the_networks_that_it_is_on_and_passes_the_others() -> None:
    router, _addresses, alone, _none, server, addresses = lines_of()[4:]
    places = [LABEL, LABEL + COLUMN, LABEL + 2 * COLUMN]
    assert [router[place] for place in places] == ["●", "╂", "●"]
    assert [server[place] for place in places] == ["╂", "●", "●"]
    assert [alone[place] for place in places] == ["┃", "┃", "┃"]
    assert addresses.split() == ["┃", "┃", "10.2.0.5", "┃", "10.1.0.5"]


def test_a_hostile_name_stays_in_its_cells() -> None:
    nodes = nodes_of([], [server_view(1, "x\x1b[31m" + "宽" * 40)], PORTS)
    lines = ["".join(text for text, _tone in line) for line in draw(columns_of([FRONT], SUBNETS), nodes)]
    assert all("\x1b" not in line for line in lines)
    assert all(width_of(line) == LABEL + COLUMN for line in lines[3:])


async def test_the_topology_shows_as_many_networks_as_fit_and_brings_the_others(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Any
) -> None:
    app = make_app()
    async with app.run_test(size=(LABEL + 2 * COLUMN + 4, 30)) as pilot:
        view = await opened(app, pilot, until, "networks", "topology")
        panel = view.query_one(TextPanel)
        await until(pilot, lambda: "vm1" in panel.plain_text())
        assert "outside" in panel.plain_text()
        assert "front" not in panel.plain_text()
        view.action_shift(1)
        assert "front" in panel.plain_text()
        assert "outside" not in panel.plain_text()


def test_tabs_that_do_not_fit_leave_arrows_to_the_ones_beside() -> None:
    tabs = [Tab(str(number), f"t{number}", f"Room number {number}") for number in range(9)]
    pieces = tab_pieces(tabs, "t4", "room", 50)
    assert sum(piece.width for piece in pieces) <= 50
    assert pieces[0].text == "‹ "
    assert pieces[-1].text == " ›"
    assert any(piece.tone == "current" and piece.target == "room:t4" for piece in pieces)
    assert tab_pieces(tabs, "t0", "room", 50)[0].tone == "current"
    assert len(tab_pieces(tabs, "t0", "room", 500)) == 9
