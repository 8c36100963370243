"""The one-line bars."""

from __future__ import annotations

from collections import Counter
from typing import Any

from fake_client import FakeService
from test_walk import screen_text
from textual.app import App, ComposeResult

from tuinova.screens.title import count_pieces
from tuinova.screens.widgets.bars import Bar, Piece


def text_of(pieces: Any) -> str:
    """Pieces as text."""
    return "".join(piece.text for piece in pieces)


def test_counts_have_words_where_there_is_room_and_the_urgent_first() -> None:
    counts = Counter({"ACTIVE": 3, "ERROR": 1, "SHUTOFF": 0})
    assert text_of(count_pieces(counts, 60)).split() == ["✖", "1", "ERROR", "●", "3", "ACTIVE"]
    assert text_of(count_pieces(counts, 14)).split() == ["✖", "1", "●", "3"]
    assert text_of(count_pieces(counts, 6)).split() == ["✖", "1"]
    assert count_pieces(counts, 0) == []


async def test_a_footer_never_shows_a_key_without_its_word(make_app: Any, service: FakeService, until: Any) -> None:
    for width in range(40, 130, 3):
        app = make_app()
        async with app.run_test(size=(width, 12)) as pilot:
            await until(pilot, lambda app=app: app.state == "ready")
            footer = screen_text(app).splitlines()[-1].split()
            assert footer[-2:] == ["q", "Quit"]
            for key, word in (("n", "Launch"), ("/", "Filter"), ("o", "Sort"), ("Space", "Mark")):
                assert (key in footer) == (word in footer)


async def test_what_still_comes_while_the_program_ends_finds_no_bar_and_no_fault(
    make_app: Any, service: FakeService, until: Any
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        # The screen outlives its children for a moment, as when everything is closed.
        await app.main.query(Bar).remove()
        app.main.instances._follow_cursor()
        app._notice(None)
        app._show_title()


async def test_a_click_on_a_count_filters_by_it_and_again_shows_all(
    make_app: Any, service: FakeService, until: Any
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        title = app.main.query_one("#title", Bar)
        start = next(start for start, _end, target in title._targets if target == "filter:status:PAUSED")
        await pilot.click("#title", offset=(start, 0))
        await until(pilot, lambda: len(app.servers) == 1)
        await pilot.click("#title", offset=(start, 0))
        await until(pilot, lambda: len(app.servers) == 11)


async def test_a_click_on_a_key_of_the_footer_presses_it(make_app: Any, service: FakeService, until: Any) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        bar = app.main.query_one("#footer", Bar)
        start = next(start for start, _end, target in bar._targets if target == "key:question_mark")
        await pilot.click("#footer", offset=(start + 1, 0))
        await until(pilot, lambda: app.screen is not app.main)


async def test_a_long_reason_is_cut_not_left_out(make_app: Any, service: FakeService, until: Any) -> None:
    service.stop("No tuinova service answers: " + "because " * 30)
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "The service does not answer: No tuinova service" in screen_text(app))
        line = next(line for line in screen_text(app).splitlines() if "No tuinova service" in line)
        assert "…" in line
        assert line.rstrip().endswith("r: now")


class Line(App[None]):
    """A bar and nothing else."""

    def get_css_variables(self) -> dict[str, str]:
        return {**super().get_css_variables(), "bar-bg": "black", "bar-fg": "white"}

    def compose(self) -> ComposeResult:
        yield Bar()


async def test_a_sentence_that_is_too_long_is_cut_and_not_left_out() -> None:
    app = Line()
    async with app.run_test(size=(40, 3)):
        bar = app.query_one(Bar)
        bar.show([Piece("The service does not answer: Not a usable URL: 中文")], [Piece("r: now")])
        assert bar.render_line(0).text == "The service does not answer: Not …r: now"
