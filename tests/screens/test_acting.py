"""Acting on servers: the menu, the questions, the results."""

from __future__ import annotations

from typing import Any

import pytest
from fake_client import FakeService, uuid_of
from test_walk import screen_text

from tuinova.client import ApiError
from tuinova.screens.confirm import ConfirmScreen
from tuinova.screens.menu import ActionMenu, menu_text
from tuinova.screens.results import ResultsScreen
from tuinova.screens.widgets.text_panel import TextPanel

SIZES = [(80, 24), (120, 40), (200, 60)]


def asked(service: FakeService) -> list[tuple[str, str]]:
    """Server and request key of what reached the service."""
    return [(ident, key) for ident, key, _body in service.requests]


@pytest.mark.parametrize("size", SIZES)
async def test_enter_in_a_question_cancels(make_app: Any, service: FakeService, until: Any, size: Any) -> None:
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("S")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        text = screen_text(app)
        assert "vm1" in text
        assert "tuinova server stop vm1" in text
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.main)
        assert asked(service) == []


async def test_yes_stops_the_server_and_the_row_follows(make_app: Any, service: FakeService, until: Any) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("S", "tab", "enter")
        await until(pilot, lambda: asked(service) == [(uuid_of(1), "os-stop")])
        await until(pilot, lambda: app.servers.rows[uuid_of(1)]["task_state"] == "powering-off")
        service.finish(uuid_of(1))
        await until(pilot, lambda: app.servers.rows[uuid_of(1)]["status"] == "SHUTOFF")
        assert app.counts["SHUTOFF"] == 2
        await until(pilot, lambda: "x Start" in screen_text(app))


async def test_delete_wants_the_name(make_app: Any, service: FakeService, until: Any) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("D", "v", "m", "enter")
        await pilot.pause()
        assert asked(service) == []
        assert isinstance(app.screen, ConfirmScreen)
        await pilot.press("1", "enter")
        await until(pilot, lambda: asked(service) == [(uuid_of(1), "delete")])
        await until(pilot, lambda: uuid_of(1) not in app.servers.rows)


async def test_the_menu_greys_with_the_reason_and_says_it(make_app: Any, service: FakeService, until: Any) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, ActionMenu))
        lines = menu_text(app.screen)
        start = next(line for line in lines if "Start Instance" in line)
        assert start.rstrip().endswith("not while ACTIVE")
        assert next(line for line in lines if "Attach Volume" in line).strip() == "B  Attach Volume"
        assert next(line for line in lines if "Shut Off Instance" in line).strip() == "f  Shut Off Instance"
        await pilot.press("s")
        await pilot.pause()
        assert isinstance(app.screen, ActionMenu)
        assert asked(service) == []


async def test_many_servers_get_a_result_each(make_app: Any, service: FakeService, until: Any) -> None:
    service.refusals[uuid_of(2)] = ApiError(409, "Instance is locked", "req-77")
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("space", "space", "space", "space", "S")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        text = screen_text(app)
        assert "left out: while powering-off runs" in text
        assert "left out: not while SHUTOFF" in text
        assert "tuinova server stop vm1 web-1" in text
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, ResultsScreen))
        result = app.screen.query_one(TextPanel).plain_text()
        assert "web-1" in result
        assert "Instance is locked (HTTP 409) (Request-ID: req-77)" in result
        assert "vm1  accepted" in result
        assert asked(service) == [(uuid_of(1), "os-stop"), (uuid_of(2), "os-stop")]
        assert app.servers.marks == set()


async def test_deleting_many_wants_their_number(make_app: Any, service: FakeService, until: Any) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("space", "space", "D", "1", "enter")
        await pilot.pause()
        assert asked(service) == []
        await pilot.press("backspace", "2", "enter")
        await until(pilot, lambda: len(asked(service)) == 2)


async def test_a_refusal_is_a_toast_with_the_text_and_the_request_id(
    make_app: Any, service: FakeService, until: Any
) -> None:
    service.refusals[uuid_of(1)] = ApiError(409, f"Instance {uuid_of(1)} is locked", "req-42")
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("L")
        await until(pilot, lambda: any("req-42" in note.message for note in app._notifications))
        note = next(note for note in app._notifications if "req-42" in note.message)
        assert f"Instance {uuid_of(1)} is locked (HTTP 409) (Request-ID: req-42)" in note.message
        assert note.severity == "error"


async def test_read_only_refuses_every_change_with_a_sentence(make_app: Any, service: FakeService, until: Any) -> None:
    app = make_app(read_only=True)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        for key in ("S", "D", "L", "e", "n"):
            await pilot.press(key)
            await pilot.pause()
            assert app.screen is app.main
        assert asked(service) == []
        assert any("Read-only" in note.message for note in app._notifications)
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, ActionMenu))
        assert any("Shut Off Instance" in line and "read-only" in line for line in menu_text(app.screen))


async def test_one_key_runs_the_rows_likely_action(make_app: Any, service: FakeService, until: Any) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("down", "down", "down")
        await until(pilot, lambda: "x Start" in screen_text(app))
        await pilot.press("x")
        await until(pilot, lambda: asked(service) == [(uuid_of(4), "os-start")])


async def test_edit_sends_only_what_changed(make_app: Any, service: FakeService, until: Any) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("down", "e")
        await pilot.pause()
        await pilot.press("tab", *"why", "tab", "enter", *"tier", "equals_sign", "2", "ctrl+s")
        await until(pilot, lambda: len(service.requests) == 2)
        assert service.requests[0] == (uuid_of(2), "update", {"description": "why"})
        assert service.requests[1] == (uuid_of(2), "set_metadata", {"tier": "2"})
