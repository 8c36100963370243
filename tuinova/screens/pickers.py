"""Short lists to pick from: sort column, columns, theme, language, project."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from textual import events
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tuinova.i18n import N_, _
from tuinova.screens.columns import SERVER_COLUMNS, Column
from tuinova.screens.dialogs import Dialog
from tuinova.screens.identity import Acting
from tuinova.screens.themes import ANSI, DARK, LIGHT
from tuinova.text import clean

if TYPE_CHECKING:
    from tuinova.screens.app import TuinovaApp
    from tuinova.screens.widgets.server_table import ServerTable


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to pick: `note` stands beside it, `on` puts a mark before it."""

    id: str
    label: str
    note: str = ""
    on: bool = False


class Picker(Dialog[str]):
    """Pick one; with `many` Enter and Space toggle and every change is told at once."""

    def __init__(
        self, title: str, choices: Sequence[Choice], *, toggled: Callable[[list[str]], None] | None = None
    ) -> None:
        super().__init__()
        self._title = title
        self._choices = list(choices)
        self._toggled = toggled

    def heading(self) -> str:
        """What is picked."""
        return self._title

    def hint(self) -> str:
        """How."""
        return _("Enter: switch on or off   Esc: close") if self._toggled else _("Enter: take it   Esc: close")

    def body(self) -> ComposeResult:
        """The list."""
        yield OptionList(*(Option(self._prompt(one), id=one.id) for one in self._choices))

    def _prompt(self, choice: Choice) -> Content:
        mark = "◆ " if choice.on else "  "
        note = f"   {clean(choice.note)}" if choice.note else ""
        return Content.assemble((mark, "bold $key-fg"), clean(choice.label), (note, "$tone-dim"))

    def on_mount(self) -> None:
        super().on_mount()
        listed = self.query_one(OptionList)
        chosen = [place for place, one in enumerate(self._choices) if one.on]
        listed.highlighted = chosen[0] if chosen and not self._toggled else 0
        listed.focus()

    def on_key(self, event: events.Key) -> None:
        """Space works as Enter does."""
        if event.key == "space":
            event.stop()
            self.query_one(OptionList).action_select()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter or a click."""
        if self._toggled is None:
            self.dismiss(event.option_id)
            return
        place = event.option_index
        self._choices[place] = replace(self._choices[place], on=not self._choices[place].on)
        event.option_list.replace_option_prompt_at_index(place, self._prompt(self._choices[place]))
        self._toggled([one.id for one in self._choices if one.on])


def pick_sort(app: TuinovaApp, table: ServerTable) -> None:
    """Sort by a column; the one in force turns its direction."""
    model = table.model
    arrow = _("descending") if model.descending else _("ascending")
    choices = [
        Choice(column.key, _(column.label), arrow if column.key == model.sort_by else "", column.key == model.sort_by)
        for column in SERVER_COLUMNS
    ]

    def picked(column: str | None) -> None:
        if column:
            table.sort(column)

    app.push_screen(Picker(_("Sort by"), choices), picked)


def pick_columns(app: TuinovaApp, table: ServerTable, usual: Sequence[Column]) -> None:
    """Choose the columns; all off brings back those that the width gives."""
    shown = {column.key for column in table.shown_columns}

    def toggled(chosen: list[str]) -> None:
        columns = [column for column in SERVER_COLUMNS if column.key in chosen]
        table.set_columns(columns or usual, fit_columns=not columns)
        app.remember(columns=[column.key for column in columns])

    choices = [Choice(column.key, _(column.label), on=column.key in shown) for column in SERVER_COLUMNS]
    app.push_screen(Picker(_("Columns"), choices, toggled=toggled))


THEME_LABELS = {DARK: N_("Dark"), LIGHT: N_("Light"), ANSI: N_("The terminal's own colours")}
LANGUAGES = {"en": "English", "zh_CN": "中文"}


def pick_theme(app: TuinovaApp) -> None:
    """Pick a theme: ours first, then Textual's."""
    ours = [Choice(name, _(label), name, app.theme == name) for name, label in THEME_LABELS.items()]
    others = [
        Choice(name, name, on=app.theme == name)
        for name in sorted(app.available_themes)
        if name not in THEME_LABELS and not name.startswith("ansi")
    ]

    def picked(name: str | None) -> None:
        if name:
            app.theme = name
            app.remember(theme=name)

    app.push_screen(Picker(_("Theme"), [*ours, *others]), picked)


def pick_language(app: TuinovaApp) -> None:
    """Pick the language of the screens."""
    from tuinova.i18n import language

    current = "zh_CN" if language().startswith("zh") else "en"

    def picked(name: str | None) -> None:
        if name:
            os.environ["TUINOVA_LANG"] = name
            app.remember(language=name)
            app.redraw_words()

    choices = [Choice(code, label, on=code == current) for code, label in LANGUAGES.items()]
    app.push_screen(Picker(_("Language"), choices), picked)


def pick_project(app: TuinovaApp) -> None:
    """Switch project or user: the lists come from the service."""

    def read(client: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        return client.projects.list(), client.users.list()

    def show(found: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
        projects, users = found
        identity = app.identity
        user = identity.user if identity else ""
        project = identity.project if identity else ""
        choices = [
            Choice(f"project:{one['name']}", one["name"], _("project"), one["name"] == project) for one in projects
        ]
        choices += [Choice(f"user:{one['name']}", one["name"], _("user"), one["name"] == user) for one in users]

        def picked(choice: str | None) -> None:
            if not choice:
                return
            kind, _colon, name = choice.partition(":")
            acting = Acting(
                username=name if kind == "user" else user or None,
                project=name if kind == "project" else project or None,
            )
            app.connect_as(acting)

        app.push_screen(Picker(_("Act as"), choices), picked)

    app.call_service(read, show, title=_("Switch project or user"))
