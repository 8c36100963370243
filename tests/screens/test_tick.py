"""A mark says on or off by its letter, not by its tint alone."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.widget import Widget

from tuinova.screens.widgets.tick import Tick, TickList


class Ticks(App[None]):
    def compose(self) -> ComposeResult:
        yield Tick("Public", id="off")
        yield Tick("Protected", True, id="on")
        yield TickList(("admin", "a"), ("demo", "d", True))


def text(tick: Widget) -> str:
    return str(tick.render())


async def test_a_checkbox_is_empty_while_it_is_off() -> None:
    app = Ticks()
    async with app.run_test() as pilot:
        assert "X" not in text(app.query_one("#off"))
        assert "X" in text(app.query_one("#on"))
        for one in app.query(Tick):
            one.toggle()
        await pilot.pause()
        assert "X" in text(app.query_one("#off"))
        assert "X" not in text(app.query_one("#on"))


async def test_a_list_of_checkboxes_marks_what_is_chosen() -> None:
    app = Ticks()
    async with app.run_test() as pilot:
        ticks = app.query_one(TickList)
        assert [("X" in ticks.render_line(y).text) for y in range(2)] == [False, True]
        ticks.toggle("a")
        await pilot.pause()
        assert [("X" in ticks.render_line(y).text) for y in range(2)] == [True, True]
