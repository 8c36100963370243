"""The main screens as pictures, under a fixed clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from fake_client import MADE_PASSWORD, FakeService, uuid_of
from story import catalogue, reading, tell
from textual.widgets import Input

from tuinova.screens.themes import ANSI, LIGHT

SMALL, MIDDLE, LARGE = (80, 24), (120, 40), (200, 60)


def steps(*keys: str, shows: str = "", service: FakeService | None = None) -> Callable[[Any], Any]:
    """Wait for the rows, press keys, wait for a text."""

    async def run(pilot: Any) -> None:
        app = pilot.app
        async with asyncio.timeout(20):
            while app.state != "ready":
                await pilot.pause(0.01)
            await pilot.pause(0.1)
            for key in keys:
                await pilot.press(key)
                await pilot.pause(0.05)
            if service is not None:
                service.stop("No tuinova service answers.")
                while not app.main.query_one("#notice").has_class("-shown"):
                    await pilot.pause(0.01)
            while shows and shows not in _text(app):
                await pilot.pause(0.01)
            app.clear_notifications()  # toasts go by the wall's clock
            for field in app.screen.query(Input):
                field.cursor_blink = False
            await pilot.pause(0.1)

    return run


def _text(app: Any) -> str:
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


@pytest.mark.parametrize("size", [SMALL, MIDDLE, LARGE], ids=["80x24", "120x40", "200x60"])
def test_instances(make_app: Any, snap_compare: Any, size: Any) -> None:
    assert snap_compare(make_app(), terminal_size=size, run_before=steps("down", "space", "space"))


@pytest.mark.parametrize("theme", [LIGHT, ANSI])
def test_themes(make_app: Any, snap_compare: Any, theme: str) -> None:
    app = make_app()
    app.theme = theme
    assert snap_compare(app, terminal_size=SMALL, run_before=steps())


PAGES: dict[str, tuple[tuple[int, int], tuple[str, ...], str]] = {
    "menu": (SMALL, ("a",), "Actions for vm1"),
    "confirm": (SMALL, ("S",), "tuinova server stop vm1"),
    "delete-many": (MIDDLE, ("space", "space", "D"), "Type 2"),
    "filter": (SMALL, ("slash", "w", "e", "b"), "2 of 11"),
    "help": (MIDDLE, ("question_mark",), "Move the cursor"),
    "overview": (MIDDLE, ("enter",), "default"),
    "overview-small": (SMALL, ("enter",), "Running"),
    "log": (SMALL, ("l",), "vm1 login:"),
    "action-log": (MIDDLE, ("enter", "4"), "req-5e6f7a8b"),
    "schedule": (MIDDLE, ("w",), "chose kvm-host-1"),
    "edit": (SMALL, ("e",), "Description"),
    "migrations": (SMALL, ("enter", "6"), "reverted"),
    "migrations-room": (MIDDLE, ("7",), "live-migration"),
    "diagnostics": (MIDDLE, ("enter", "7"), "fa:16:3e:00:00:01"),
    "host-picker": (SMALL, ("m", "up", "enter"), "it is there now"),
    "rebuild": (SMALL, ("a", "i"), "its own"),
    "evacuate": (MIDDLE, ("a", "V"), "is up"),
    "rescued": (SMALL, ("a", "q", "ctrl+s"), MADE_PASSWORD),
    "snapshot-many": (SMALL, ("space", "space", "space", "a", "n"), "stands for"),
    "backup": (SMALL, ("a", "N"), "The oldest"),
    "password": (SMALL, ("a", "P"), "Again"),
    "unshelve-to": (SMALL, (*["down"] * 9, "a", "H"), "Zone"),
}
# Dialogs that differ with the terminal's size.
SIZED = {"resize": (("z",), "its flavor now"), "live-migrate": (("M",), "find out")}


@pytest.mark.parametrize("name", PAGES)
def test_screens(make_app: Any, service: FakeService, snap_compare: Any, name: str) -> None:
    size, keys, shows = PAGES[name]
    tell(service)
    catalogue(service)
    service.readings = [reading()]
    assert snap_compare(make_app(), terminal_size=size, run_before=steps(*keys, shows=shows))


@pytest.mark.parametrize("size", [SMALL, MIDDLE, LARGE], ids=["80x24", "120x40", "200x60"])
@pytest.mark.parametrize("name", SIZED)
def test_dialogs(make_app: Any, service: FakeService, snap_compare: Any, name: str, size: Any) -> None:
    keys, shows = SIZED[name]
    catalogue(service)
    assert snap_compare(make_app(), terminal_size=size, run_before=steps(*keys, shows=shows))


@pytest.mark.parametrize("keys", [(), ("down", "enter"), ("down", "x")], ids=["table", "overview", "abort"])
def test_a_long_task(make_app: Any, service: FakeService, snap_compare: Any, keys: tuple[str, ...]) -> None:
    catalogue(service)
    memory = {"what": "memory", "done": 63 << 20, "total": 100 << 20}
    service.change(uuid_of(2), task_state="migrating", task_progress=memory)
    service.change(uuid_of(3), task_state="image_uploading", progress=42)
    assert snap_compare(make_app(), terminal_size=SMALL, run_before=steps(*keys, shows="63%"))


def test_the_service_is_gone(make_app: Any, service: FakeService, snap_compare: Any) -> None:
    assert snap_compare(
        make_app(), terminal_size=SMALL, run_before=steps(service=service, shows="No tuinova service answers.")
    )


def test_a_fault(make_app: Any, service: FakeService, snap_compare: Any) -> None:
    service.servers = {uuid_of(7): service.servers[uuid_of(7)]}
    assert snap_compare(make_app(), terminal_size=SMALL, run_before=steps("x", shows="No valid host"))
