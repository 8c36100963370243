"""The dialogs that plug things into a server: what they offer, the command they show, what they send."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from fake_client import FakeService, server_view, uuid_of
from grammar import assert_parses
from test_network_rooms import BACK, FRONT, GROUP, OUTSIDE, SUBNETS, VOLUME, port

from tuinova.client import ApiError
from tuinova.screens.dialogs import TextLine
from tuinova.screens.forms.attach import PickedForm

SERVER = uuid_of(1)
FREE = port("p-09", "n-back", "", "10.2.0.9")
FLOATING = {"id": "f-1", "floating_ip_address": "172.24.4.20", "floating_network_id": "n-out", "port_id": None}
HELD = {**FLOATING, "id": "f-2", "floating_ip_address": "172.24.4.21", "port_id": "p-01"}


@pytest.fixture
def service() -> FakeService:
    """A server with a port and a volume, and things to plug in."""
    service = FakeService([server_view(1, "vm1")])
    service.resources |= {
        "networks": [FRONT, BACK, OUTSIDE],
        "subnets": SUBNETS,
        "ports": [port("p-01", "n-front", SERVER, "10.1.0.5"), FREE],
        "security_groups": [GROUP, {**GROUP, "id": "g-2", "name": "db"}],
        "volumes": [VOLUME, {**VOLUME, "id": "v-2", "name": "held", "status": "in-use"}],
        "floating_ips": [FLOATING, HELD],
    }
    return service


# letter in the menu, the first line's label, the words after the server, what is sent
ROWS = [
    ("B", "data", ["add", "volume"], "v-1", ("attach_volume", ("v-1", {}))),
    ("W", "held", ["remove", "volume"], "v-2", ("detach_volume", "v-2")),
    ("I", "front", ["add", "network"], "n-front", ("add_interface", {"net_id": "n-front"})),
    ("O", "10.1.0.5", ["remove", "port"], "p-01", ("remove_interface", "p-01")),
    ("X", "front", ["add", "fixed", "ip"], "n-front", ("add_interface", {"net_id": "n-front"})),
    ("Y", "10.1.0.5", ["remove", "fixed", "ip"], "10.1.0.5", ("removeFixedIp", {"address": "10.1.0.5"})),
    ("S", "db", ["add", "security", "group"], "db", ("addSecurityGroup", {"name": "g-2"})),
    ("Z", "web", ["remove", "security", "group"], "web", ("removeSecurityGroup", {"name": "g-1"})),
]


async def opened(app: Any, pilot: Any, until: Any, letter: str) -> PickedForm:
    await until(pilot, lambda: app.state == "ready")
    await pilot.press("a", letter)
    await until(pilot, lambda: isinstance(app.screen, PickedForm) and app.screen.offers)
    screen = app.screen
    assert isinstance(screen, PickedForm)
    return screen


@pytest.mark.parametrize(("letter", "label", "verb", "word", "request_"), ROWS, ids=[row[0] for row in ROWS])
async def test_what_is_picked_is_in_the_command_and_is_sent(
    make_app: Any, service: FakeService, until: Any, letter: str, label: str, verb: list[str], word: str, request_: Any
) -> None:
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        form = await opened(app, pilot, until, letter)
        assert form.picked is not None
        assert form.picked.label == label
        words = shlex.split(form.command(form.options()))
        assert words == ["tuinova", "server", *verb, "vm1", word]
        assert_parses(words)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.screen is app.main)
    assert (SERVER, *request_) in service.requests


async def test_an_interface_may_be_a_port_that_is_free(make_app: Any, service: FakeService, until: Any) -> None:
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        form = await opened(app, pilot, until, "I")
        form._choose("port:p-09")
        words = shlex.split(form.command([]))
        assert words == ["tuinova", "server", "add", "port", "vm1", "p-09"]
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.screen is app.main)
    assert (SERVER, "add_interface", {"port_id": "p-09"}) in service.requests


@pytest.mark.parametrize(("letter", "address", "bound"), [("L", "172.24.4.20", "p-01"), ("T", "172.24.4.21", None)])
async def test_a_floating_ip_is_bound_to_the_server_s_port_and_freed(
    make_app: Any, service: FakeService, until: Any, letter: str, address: str, bound: str | None
) -> None:
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        form = await opened(app, pilot, until, letter)
        assert form.picked is not None
        assert form.picked.label == address
        assert_parses(shlex.split(form.command([])))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.screen is app.main)
    ident = FLOATING["id"] if bound else HELD["id"]
    assert ("floating_ips", "update", ((ident,), {"port_id": bound})) in service.requests


async def test_a_refusal_stays_in_the_dialog(make_app: Any, service: FakeService, until: Any) -> None:
    service.refusals["v-1"] = ApiError(400, "Invalid volume: volume v-1 is already attached", "req-v")
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        form = await opened(app, pilot, until, "B")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "already attached" in str(form.query_one("#problem", TextLine).render()))
        assert app.screen is form


async def test_nothing_to_plug_in_is_said(make_app: Any, service: FakeService, until: Any) -> None:
    service.resources["volumes"] = []
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("a", "B")
        await until(pilot, lambda: isinstance(app.screen, PickedForm))
        await pilot.pause(0.1)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "No volume is free." in str(app.screen.query_one("#problem", TextLine).render()))
