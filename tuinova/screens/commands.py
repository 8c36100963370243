"""The equivalent command lines of what the screens do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding

from tuinova.i18n import _
from tuinova.screens.actions import SERVER_ACTIONS, command_line, refusal
from tuinova.screens.dialogs import Dialog
from tuinova.screens.rows import Row
from tuinova.screens.widgets.text_panel import Line, TextPanel
from tuinova.text import clean

if TYPE_CHECKING:
    from textual.binding import BindingType


def unique_name(row: Row, known: Iterable[Row]) -> str:
    """The name where a command finds the server by it, else its id."""
    name = row["name"]
    if not name or name != clean(name) or sum(other["name"] == name for other in known) > 1:
        return str(row["id"])
    return str(name)


def command_lines(rows: Sequence[Row], known: Sequence[Row], roles: Sequence[str]) -> list[Line]:
    """The command of every action that is legal now for all of these servers."""
    names = [unique_name(row, known) for row in rows]
    lines: list[Line] = []
    for action in SERVER_ACTIONS:
        if not action.command or (len(rows) > 1 and not action.many):
            continue
        if any(refusal(action, row, roles) for row in rows):
            continue
        lines.append([(_(action.label), "label")])
        lines.append([("  $ ", "dim"), (command_line(action, *names), "key")])
    return lines


class CommandsScreen(Dialog[None]):
    """Show command: what to type for what the keys do."""

    DEFAULT_CSS = "CommandsScreen > #frame { width: 90; }"

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q,enter", "cancel", show=False)]

    def __init__(self, rows: Sequence[Row]) -> None:
        super().__init__()
        self._rows = rows

    def heading(self) -> str:
        """Whose commands."""
        first = str(self._rows[0]["name"])
        return first if len(self._rows) == 1 else _("{count} instances").format(count=len(self._rows))

    def hint(self) -> str:
        """How to leave."""
        return _("select with the mouse; Esc closes")

    def body(self) -> ComposeResult:
        """The lines."""
        known = list(self.tui.servers.rows.values())
        panel = TextPanel(command_lines(self._rows, known, self.tui.roles), indent=4, classes="auto")
        yield panel

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(TextPanel).focus()
