"""The flavors room and its editor: what is typed is what the service is asked; what it refuses stays in the form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fake_client import FakeService
from textual.widgets import Checkbox, Input, SelectionList, TextArea

from tuinova.client import ApiError
from tuinova.screens.app import TuinovaApp
from tuinova.screens.dialogs import TextLine
from tuinova.screens.flavor_editor import FlavorEditor
from tuinova.screens.flavors import FlavorsRoom
from tuinova.screens.list_room import TypeNameScreen


def flavor(ident: str, name: str, ram: int, **more: Any) -> dict[str, Any]:
    return {
        "id": ident,
        "name": name,
        "vcpus": 1,
        "ram": ram,
        "disk": 1,
        "OS-FLV-EXT-DATA:ephemeral": 0,
        "swap": 0,
        "rxtx_factor": 1.0,
        "os-flavor-access:is_public": True,
        "description": None,
        "extra_specs": {"hw_rng:allowed": "True"},
        **more,
    }


@pytest.fixture
def service(service: FakeService) -> FakeService:
    """With two flavors, one private."""
    service.resources["flavors"] = [
        flavor("1", "m1.tiny", 512),
        flavor("9", "gpu[/]", 8192, **{"os-flavor-access:is_public": False}),
    ]
    service.answers["flavors.access"] = ["p-demo"]
    service.answers["flavors.create"] = {"id": "77"}
    return service


def asked(service: FakeService) -> list[tuple[str, Any]]:
    """The calls on flavors that change something."""
    return [(verb, call[0]) for name, verb, call in service.requests if name == "flavors" and verb != "access"]


async def open_room(app: TuinovaApp, pilot: Any, until: Callable[..., Any]) -> FlavorsRoom:
    await until(pilot, lambda: app.state == "ready")
    await pilot.press("2")
    await until(pilot, lambda: isinstance(app.main.view, FlavorsRoom) and len(app.main.view.model) == 2)
    room = app.main.view
    assert isinstance(room, FlavorsRoom)
    return room


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_the_table_shows_the_flavors_and_survives_hostile_names(
    size: tuple[int, int], make_app: Callable[..., TuinovaApp], until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=size) as pilot:
        room = await open_room(app, pilot, until)
        text = "\n".join(room.table.render_line(y).text for y in range(4))
        assert "m1.tiny" in text
        assert "gpu[/]" in text


async def test_an_edit_of_sizes_replaces_under_the_same_id_after_a_warning(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await open_room(app, pilot, until)
        await pilot.press("home", "e")
        await until(pilot, lambda: isinstance(app.screen, FlavorEditor))
        editor = app.screen
        editor.query_one("#ram", Input).value = "1024"
        await until(pilot, lambda: "replaces" in str(editor.query_one("#warning", TextLine).render()))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: not isinstance(app.screen, FlavorEditor))
    ((verb, (ident, body)),) = asked(service)
    assert (verb, ident, body["ram"], body["id"], body["name"]) == ("replace", "1", 1024, "1", "m1.tiny")


async def test_an_edit_of_extra_specs_touches_nothing_else(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await open_room(app, pilot, until)
        await pilot.press("home", "e")
        await until(pilot, lambda: isinstance(app.screen, FlavorEditor))
        app.screen.query_one("#specs", TextArea).text = "hw:cpu_policy=dedicated"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: not isinstance(app.screen, FlavorEditor))
    assert asked(service) == [
        ("set_extra_specs", ("1", {"hw:cpu_policy": "dedicated"})),
        ("delete_extra_spec", ("1", "hw_rng:allowed")),
    ]


async def test_access_is_given_and_taken_by_the_second_tab(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await open_room(app, pilot, until)
        await pilot.press("end", "e")
        await until(pilot, lambda: isinstance(app.screen, FlavorEditor) and app.screen._before == {"p-demo"})
        editor = app.screen
        listed = editor.query_one("#projects", SelectionList)
        await until(pilot, lambda: listed.option_count == 2)
        assert listed.selected == ["p-demo"]
        listed.toggle("p-admin")
        listed.toggle("p-demo")
        await until(pilot, lambda: editor._chosen == {"p-admin"})
        await pilot.press("ctrl+s")
        await until(pilot, lambda: not isinstance(app.screen, FlavorEditor))
    assert asked(service) == [("add_access", ("9", "p-admin")), ("remove_access", ("9", "p-demo"))]


async def test_a_copy_is_a_new_flavor(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await open_room(app, pilot, until)
        await pilot.press("home", "y")
        await until(pilot, lambda: isinstance(app.screen, FlavorEditor))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: not isinstance(app.screen, FlavorEditor))
    (verb, (body,)), (second, _specs) = asked(service)
    assert (verb, body["name"], body["id"], second) == ("create", "m1.tiny-copy", None, "set_extra_specs")


async def test_a_refusal_stands_at_its_field_and_nothing_typed_is_lost(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    service.refusals["flavors.create"] = ApiError(409, "Flavor with ID 1 already exists.", "req-9")
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await open_room(app, pilot, until)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, FlavorEditor))
        editor = app.screen
        editor.query_one("#name", Input).value = "mine"
        editor.query_one("#id", Input).value = "1"
        await pilot.press("ctrl+s")
        line = editor.query_one("#problem-id", TextLine)
        await until(pilot, lambda: line.has_class("-shown"))
        assert "req-9" in str(line.render())
        assert editor.query_one("#name", Input).value == "mine"


async def test_wrong_values_are_told_before_anything_is_sent(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await open_room(app, pilot, until)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, FlavorEditor))
        editor = app.screen
        editor.query_one("#ram", Input).value = "0"
        editor.query_one("#specs", TextArea).text = "bad/key=1"
        editor.query_one("#public", Checkbox).value = False
        await pilot.press("ctrl+s")
        await pilot.pause()
        for field in ("name", "ram", "specs"):
            assert editor.query_one(f"#problem-{field}").has_class("-shown")
    assert asked(service) == []


async def test_a_delete_asks_for_the_name(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await open_room(app, pilot, until)
        await pilot.press("home", "D")
        await until(pilot, lambda: isinstance(app.screen, TypeNameScreen))
        await pilot.press(*"m1.tin", "enter")
        assert isinstance(app.screen, TypeNameScreen)
        await pilot.press("y", "enter")
        await until(pilot, lambda: bool(asked(service)))
    assert asked(service) == [("delete", ("1",))]


async def test_read_only_changes_nothing(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    app = make_app(read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_room(app, pilot, until)
        await pilot.press("n", "e", "D", "y")
        await pilot.pause()
        assert app.screen is app.main
    assert asked(service) == []
