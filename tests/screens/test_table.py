"""The drawn table: columns by width, keys, mouse, hostile and wide names."""

from __future__ import annotations

from typing import Any

import pytest
from fake_client import NOW, FakeService, server_view, uuid_of
from rich.cells import cell_len
from test_walk import screen_text

from tuinova.screens.columns import SERVER_COLUMNS, place
from tuinova.screens.rows import span_text
from tuinova.screens.widgets.line_table import fit

AT_80 = ["name", "status", "task", "power", "ip", "age"]


def keys_at(width: int) -> list[str]:
    """The columns of a table of this width."""
    return [item.column.key for item in place(SERVER_COLUMNS, width - 3, 3)]


def test_eighty_columns_show_the_six_of_a_terminal() -> None:
    assert keys_at(80) == AT_80


@pytest.mark.parametrize(
    ("width", "more"), [(92, ["flavor"]), (120, ["flavor", "image", "zone"]), (200, None), (40, None)]
)
def test_width_lets_columns_in_one_after_another(width: int, more: list[str] | None) -> None:
    keys = keys_at(width)
    every = [column.key for column in SERVER_COLUMNS]
    assert keys == every[: len(keys)]
    if more is not None:
        assert keys == AT_80 + more


@pytest.mark.parametrize("width", range(24, 240, 7))
def test_columns_never_leave_the_table(width: int) -> None:
    placed = place(SERVER_COLUMNS, width - 3, 3)
    assert placed[-1].start + placed[-1].width <= max(width, 19)


@pytest.mark.parametrize("text", ["数据库-主", "a" * 40, "", "数" * 20, "aé" * 9])
@pytest.mark.parametrize("width", [1, 4, 7, 18])
def test_every_cell_is_exactly_as_wide_as_its_column(text: str, width: int) -> None:
    assert cell_len(fit(text, width)) == width
    assert cell_len(fit(text, width, right=True)) == width


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59, "59s"), (60, "1m"), (7200, "2h"), (86400 * 400, "1y"), (-5, "0s"), (None, "-")],
)
def test_ages_are_short(seconds: float | None, text: str) -> None:
    assert span_text(seconds) == text


async def test_hostile_and_wide_names_are_text_and_keep_the_columns(
    make_app: Any, service: FakeService, until: Any
) -> None:
    app = make_app()
    async with app.run_test(size=(200, 60)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        text = screen_text(app)
        assert "vm[/bold]\\x1b]52;c;aGk=\\x07" in text
        assert "\x1b" not in text
        lines = text.splitlines()
        wide = next(line for line in lines if "数据库-主" in line)
        usual = next(line for line in lines if "vm1" in line)
        assert cell_len(wide[: wide.index("●")]) == cell_len(usual[: usual.index("●")])


async def test_keys_move_by_lines_and_pages(make_app: Any, service: FakeService, until: Any) -> None:
    for number in range(100, 200):
        service.servers[uuid_of(number)] = server_view(number, f"srv-{number}")
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        order = app.servers.order
        await pilot.press("j", "down", "k")
        assert app.servers.position(app.servers.cursor) == 1
        await pilot.press("pagedown", "pagedown")
        table = app.instances.table
        place_ = app.servers.position(app.servers.cursor)
        assert place_ == 1 + 2 * (table.size.height - 1)
        assert table.scroll_offset.y <= place_ < table.scroll_offset.y + table.size.height - 1
        await pilot.press("end")
        assert app.servers.cursor == order[-1]
        assert "srv-199" in screen_text(app)
        await pilot.press("home")
        assert app.servers.cursor == order[0]


async def test_the_row_under_the_cursor_keeps_its_line_when_others_come(
    make_app: Any, service: FakeService, until: Any
) -> None:
    for number in range(100, 160):
        service.servers[uuid_of(number)] = server_view(number, f"srv-{number}")
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("pagedown", "pagedown")
        table, cursor = app.instances.table, app.servers.cursor
        before = table.cursor_offset()
        for number in range(5):
            service.put(server_view(300 + number, f"new-{number}", created="2026-08-20T11:59:59Z"))
        # The rows come in a frame of their own, the scrolling with it or with the next one.
        await until(pilot, lambda: uuid_of(304) in app.servers.rows and table.cursor_offset() == before)
        assert app.servers.cursor == cursor


async def test_a_click_on_the_header_sorts_and_is_remembered(make_app: Any, service: FakeService, until: Any) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.click("#servers", offset=(5, 0))
        await until(pilot, lambda: app.servers.sort_by == "name")
        assert "Instance Name▲" in screen_text(app)
        await pilot.click("#servers", offset=(5, 0))
        await until(pilot, lambda: app.servers.descending)
    again = make_app()
    assert (again.servers.sort_by, again.servers.descending) == ("name", True)


async def test_a_click_moves_the_cursor_and_a_click_on_the_mark_marks(
    make_app: Any, service: FakeService, until: Any
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.click("#servers", offset=(10, 4))
        assert app.servers.cursor == uuid_of(4)
        await pilot.click("#servers", offset=(0, 2))
        assert app.servers.marks == {uuid_of(2)}


async def test_the_filter_narrows_while_typing_and_escape_clears(
    make_app: Any, service: FakeService, until: Any
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("slash", *"web")
        await until(pilot, lambda: len(app.servers) == 2)
        assert "2 of 11" in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: app.focused is app.instances.table)
        assert len(app.servers) == 2
        await pilot.press("asterisk")
        assert len(app.servers.marks) == 2
        await pilot.press("escape")
        await until(pilot, lambda: len(app.servers) == 11)
        assert len(app.servers.marks) == 2
        await pilot.press("escape")
        assert app.servers.marks == set()


async def test_a_filter_that_was_left_by_the_mouse_is_gone_on_with(
    make_app: Any, service: FakeService, until: Any
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("slash", *"we")
        await pilot.click("#servers", offset=(10, 2))
        await pilot.press("slash", "b")
        await until(pilot, lambda: app.servers.filter_text == "web")


async def test_a_filter_that_shows_nothing_says_so(make_app: Any, service: FakeService, until: Any) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("slash", *"nosuch")
        await until(pilot, lambda: "No instance matches the filter." in screen_text(app))


async def test_an_empty_house_says_what_to_do(make_app: Any, service: FakeService, until: Any) -> None:
    service.servers.clear()
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        assert "n  launches one" in screen_text(app)


async def test_ages_go_on_without_a_change(make_app: Any, service: FakeService, until: Any) -> None:
    now = [NOW]
    app = make_app(clock=lambda: now[0])
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        assert " 2m" in screen_text(app)
        now[0] += 3600
        app.instances.table.tick()
        await pilot.pause()
        assert " 1h" in screen_text(app)


async def test_chosen_columns_scroll_sideways_where_they_do_not_fit(
    make_app: Any, service: FakeService, until: Any
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        app.instances.table.set_columns(SERVER_COLUMNS, fit_columns=False)
        await pilot.pause()
        assert "operator" not in screen_text(app)
        for _step in range(12):
            await pilot.press("right")
        assert "operator" in screen_text(app)
        assert "Instance Name" not in screen_text(app)
