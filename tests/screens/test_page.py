"""The server's page."""

from __future__ import annotations

from typing import Any

import pytest
from fake_client import FakeService, uuid_of
from story import CREATE, STOP, decision, tell
from test_walk import screen_text

from tuinova.screens.action_log import RequestScreen, event_lines, took
from tuinova.screens.log_tab import log_lines
from tuinova.screens.schedule import decision_lines
from tuinova.screens.server_page import TABS, ServerPage
from tuinova.screens.widgets.text_panel import TextPanel

SIZES = [(80, 24), (120, 40), (200, 60)]


def text_of(lines: Any) -> str:
    """Lines of parts as text."""
    return "\n".join("".join(text for text, _tone in line) for line in lines)


@pytest.mark.parametrize("size", SIZES)
async def test_every_tab_opens_by_its_digit(make_app: Any, service: FakeService, until: Any, size: Any) -> None:
    tell(service)
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ServerPage) and "Running" in screen_text(app))
        await pilot.press("2")
        await until(pilot, lambda: "vm1 login:" in screen_text(app))
        await pilot.press("4")
        await until(pilot, lambda: "req-5e6f7a8b" in screen_text(app))
        await pilot.press("5")
        await until(pilot, lambda: "chose kvm-host-1" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)


async def test_a_fault_stands_first_with_code_and_message(make_app: Any, service: FakeService, until: Any) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        app.open_page(uuid_of(7))
        await until(pilot, lambda: isinstance(app.screen, ServerPage) and "Fault" in screen_text(app))
        text = screen_text(app)
        assert "500" in text
        assert "No valid host was found." in text
        assert text.index("Fault") < text.index("Power State")


async def test_the_page_follows_its_server_and_says_when_it_is_gone(
    make_app: Any, service: FakeService, until: Any
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        app.open_page(uuid_of(1))
        await until(pilot, lambda: isinstance(app.screen, ServerPage))
        service.change(uuid_of(1), task_state="powering-off")
        await until(pilot, lambda: "powering-off" in screen_text(app))
        service.remove(uuid_of(1))
        await until(pilot, lambda: "deleted" in screen_text(app))
        assert "vm1" in screen_text(app)


async def test_enter_in_the_action_log_opens_the_path_of_the_request(
    make_app: Any, service: FakeService, until: Any
) -> None:
    tell(service)
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        app.open_page(uuid_of(1), "actions")
        await until(pilot, lambda: isinstance(app.screen, ServerPage) and STOP[:12] in screen_text(app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(app.screen, RequestScreen))
        shown = app.screen.query_one(TextPanel).plain_text()
        assert CREATE in shown
        assert "3.210 s" in shown
        assert "Success" in shown
        assert "chose kvm-host-1" in shown
        assert "RAM" in shown


async def test_the_log_is_searched_and_followed(make_app: Any, service: FakeService, until: Any) -> None:
    tell(service)
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("l")
        await until(pilot, lambda: "vm1 login:" in screen_text(app))
        service.logs[uuid_of(1)] += b"root\r\nPassword: "
        await until(pilot, lambda: "Password:" in screen_text(app))
        await pilot.press("slash", *"line", "space", "1", "2", "enter")
        await until(pilot, lambda: "kernel line 12" in screen_text(app))
        assert "1 lines match" in screen_text(app)


def test_a_log_keeps_hostile_sequences_as_text_and_drops_colours() -> None:
    text = text_of(log_lines(b"\x1b[0;32mOK\x1b[0m \x1b]52;c;aGk=\x07\r\n[/bold]\r\n"))
    assert text == "OK \x1b]52;c;aGk=\x07\n[/bold]\n"
    panel = TextPanel(log_lines(b"\x1b]52;c;aGk=\x07"), wrap=False)
    assert panel.natural_height(80) == 1


def test_an_event_shows_host_duration_and_details() -> None:
    events = [
        {
            "event": "compute_stop_instance",
            "start_time": "2026-08-20T11:59:00.020000",
            "finish_time": "2026-08-20T11:59:00.520000",
            "result": "Error",
            "host": "kvm-host-1",
            "details": "domain is gone",
        },
        {"event": "running_one", "start_time": "2026-08-20T11:59:01.000000", "result": None, "host": None},
    ]
    text = text_of(event_lines(events, 120))
    assert "kvm-host-1" in text
    assert "0.500 s" in text
    assert "domain is gone" in text
    assert text.count("running") >= 2
    assert took("2026-08-20T11:59:00", None) is None


def test_a_decision_shows_the_reason_of_each_refused_host_and_the_weights() -> None:
    text = text_of(decision_lines(decision()))
    assert "kvm-host-4" in text
    assert "MEMORY_MB: 96 free, 128 asked" in text
    assert "service is disabled" in text
    assert "1.625" in text
    assert "14000" in text
    assert "kvm-host-2" in text


def test_a_decision_without_a_host_says_so() -> None:
    made = decision()
    made["trace"] |= {"choice": None, "ranking": [], "weighers": [], "candidates": 0, "outcome": "no_valid_host"}
    text = text_of(decision_lines(made))
    assert "no valid host" in text
    assert "No host was left to weigh." in text


def test_tabs_are_numbered_in_order() -> None:
    assert [tab.key for tab in TABS] == [str(number) for number in range(1, 8)]
