"""Help, palette, command line, themes, what is remembered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake_client import FakeService, uuid_of
from test_walk import screen_text
from textual.command import CommandPalette
from textual.widgets import Input

from tuinova.screens.actions import PLACE_ACTIONS, SERVER_ACTIONS, key_text
from tuinova.screens.command_line import CommandLine, only_looks
from tuinova.screens.help import HelpScreen, help_lines
from tuinova.screens.settings import Settings, load_settings, save_settings
from tuinova.screens.themes import ANSI, DARK, LIGHT, themes
from tuinova.screens.widgets.text_panel import TextPanel, wrap_line
from tuinova.screens.widgets.tones import LOOKS, tone_styles


def test_the_help_names_every_action_and_its_key() -> None:
    text = "\n".join("".join(part for part, _tone in line) for line in help_lines(()))
    for action in (*PLACE_ACTIONS, *SERVER_ACTIONS):
        if action.key:
            assert action.label in text
            assert key_text(action.key) in text


async def test_question_mark_opens_the_help_and_escape_closes_it(
    make_app: Any, service: FakeService, until: Any
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)


async def test_the_palette_finds_servers_by_name(make_app: Any, service: FakeService, until: Any) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        await pilot.press(*"db")
        await until(pilot, lambda: "db-1" in screen_text(app) and "SHUTOFF" in screen_text(app))
        await pilot.press("escape")


async def test_a_command_runs_as_the_acting_person_and_shows_its_output(
    make_app: Any, service: FakeService, until: Any
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("colon", *"--version", "enter")
        await until(pilot, lambda: isinstance(app.screen, CommandLine) and "1 lines" in screen_text(app), 60)
        assert "tuinova" in app.screen.query_one(TextPanel).plain_text()
        await pilot.press("up")
        assert "--version" in screen_text(app)
        await pilot.press(*" '", "enter")
        await until(pilot, lambda: "No closing quotation" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)


async def test_a_command_s_tables_fit_into_the_panel(
    make_app: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The panel does not scroll sideways."""
    given: list[dict[str, str]] = []

    def no_process(*_args: Any, env: dict[str, str], **_options: Any) -> None:
        given.append(env)
        raise OSError("no process")

    monkeypatch.setattr("tuinova.screens.command_line.subprocess.Popen", no_process)
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("colon", *"server list", "enter")
        await until(pilot, lambda: given)
    assert given[0]["CLIFF_FIT_WIDTH"] == "1"
    assert int(given[0]["COLUMNS"]) <= 76


async def test_read_only_runs_only_commands_that_look(make_app: Any, service: FakeService, until: Any) -> None:
    app = make_app(read_only=True)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("colon", *"server", "space", *"delete", "space", *"vm1", "enter")
        await until(pilot, lambda: "Read-only" in screen_text(app))


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        ("server list --long", True),
        ("console log show vm1", True),
        ("info", True),
        ("server delete list", False),
        ("server create --name show", False),
        ("", False),
    ],
)
def test_a_command_that_looks_is_known_by_its_verb(text: str, looks: bool) -> None:
    assert only_looks(text.split()) is looks


@pytest.mark.parametrize("theme", [DARK, LIGHT, ANSI, "nord"])
async def test_every_theme_draws_and_is_remembered(
    make_app: Any, service: FakeService, until: Any, theme: str, tmp_path: Path
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        before = app.tone_styles
        app.theme = theme
        app.remember(theme=theme)
        await pilot.pause()
        assert "ACTIVE" in screen_text(app)
        if theme != DARK:
            assert app.tone_styles != before
    assert json.loads((tmp_path / "ui.json").read_text())["theme"] == theme
    assert make_app().theme == theme


async def test_without_colour_the_cursor_shows_by_reverse(
    make_app: Any, service: FakeService, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        table = app.instances.table
        assert all(segment.style.reverse for segment in table.render_line(1) if segment.text.strip())
        assert not any(segment.style.reverse for segment in table.render_line(2))
        assert app.theme == ANSI


def test_every_theme_gives_every_tone_a_look() -> None:
    for theme in themes():
        variables = {**theme.to_color_system().generate(), **theme.variables}
        styles = tone_styles(variables, False)
        assert set(styles) == {"", *LOOKS}
        assert all(style for name, style in styles.items() if name)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"theme": 7, "columns": [1, "name"], "sort_by": null}'])
def test_a_damaged_file_of_choices_is_no_reason_to_stop(tmp_path: Path, content: str) -> None:
    file = tmp_path / "ui.json"
    file.write_text(content)
    settings = load_settings(file)
    assert settings.theme == ""
    assert settings.sort_by == "age"
    assert all(isinstance(column, str) for column in settings.columns)


def test_choices_that_cannot_be_kept_say_why(tmp_path: Path) -> None:
    file = tmp_path / "file" / "ui.json"
    file.parent.write_text("in the way")
    assert save_settings(file, Settings())


def test_a_long_line_wraps_at_blanks_and_long_words_are_cut() -> None:
    wrapped = wrap_line([("one two three four", ""), (" five", "dim")], 9, 2)
    texts = ["".join(text for text, _tone in line) for line in wrapped]
    assert [text.strip() for text in texts] == ["one two", "three", "four", "five"]
    assert all(len(text) <= 9 for text in texts)
    narrow = wrap_line([("  Status            ", "label"), ("ACTIVE and more", "")], 17, 20)
    assert all(sum(len(text) for text, _tone in line) <= 17 for line in narrow)
    cut = ["".join(text for text, _tone in line) for line in wrap_line([("数" * 12, "")], 9, 0)]
    assert "".join(cut) == "数" * 12


async def test_rooms_open_by_digit_and_click(make_app: Any, service: FakeService, until: Any) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("2")
        await until(pilot, lambda: app.main.current.id == "flavors")
        await pilot.click("#rooms", offset=(3, 0))
        await until(pilot, lambda: app.main.current.id == "instances")
        assert app.focused is app.instances.table


async def test_counts_follow_every_change(make_app: Any, service: FakeService, until: Any) -> None:
    app = make_app()
    async with app.run_test(size=(200, 60)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        service.change(uuid_of(1), vm_state="error")
        service.remove(uuid_of(7))
        service.remove(uuid_of(2))
        await until(pilot, lambda: uuid_of(2) not in app.servers.rows)
        truth: dict[str, int] = {}
        for row in app.servers.rows.values():
            truth[row["status"]] = truth.get(row["status"], 0) + 1
        assert {status: count for status, count in app.counts.items() if count} == truth


async def test_keys_typed_in_one_go_reach_the_screen_that_they_open(
    make_app: Any, service: FakeService, until: Any
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        for key in ("down", "colon", *"serverSDlist"):
            app.simulate_key(key)
        await until(pilot, lambda: isinstance(app.screen, CommandLine))
        await until(pilot, lambda: app.screen.query_one(Input).value == "serverSDlist")
        assert app.servers.marks == set()
        assert app.servers.cursor == uuid_of(2)


async def test_a_move_and_an_action_typed_in_one_go_act_on_the_row_moved_to(
    make_app: Any, service: FakeService, until: Any
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        for key in ("down", "S", "y"):
            app.simulate_key(key)
        await until(pilot, lambda: service.requests)
        assert service.requests == [(uuid_of(2), "os-stop", None)]


async def test_a_filter_typed_in_one_go_is_the_whole_filter(make_app: Any, service: FakeService, until: Any) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        for key in ("slash", *"web"):
            app.simulate_key(key)
        await until(pilot, lambda: app.servers.filter_text == "web")
        assert app.screen is app.main
