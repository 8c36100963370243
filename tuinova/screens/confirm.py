"""The question before an action: names the servers, defaults to Cancel, shows the equivalent command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Button, Input

from tuinova.core.states import Confirm
from tuinova.i18n import _
from tuinova.screens.actions import TuiAction, refusal
from tuinova.screens.commands import unique_name
from tuinova.screens.dialogs import Dialog, FlatButton, TextLine, cancel_button
from tuinova.screens.rows import Row, addresses, span_text, status_look
from tuinova.screens.widgets.text_panel import Line
from tuinova.text import clean

if TYPE_CHECKING:
    from textual.binding import BindingType

SHOWN = 8


def server_line(row: Row, reason: str = "") -> Line:
    """A server in one line: its name, state and address, or why it is left out."""
    glyph, tone = status_look(row["status"])
    parts = [("  " + row["name"] + "  ", "strong"), (f"{glyph} {_(row['status'])}  ", tone)]
    return [*parts, (_("left out: {reason}").format(reason=reason), "warn") if reason else (addresses(row), "dim")]


def kept_for(client: Any) -> int:
    """Seconds for which a deleted server can be restored; 0 where deleting is final. Only admins may know."""
    options = {(one["group"], one["name"]): one["value"] for one in client.config()}
    return int(options.get(("DEFAULT", "reclaim_instance_interval")) or 0)


class ConfirmScreen(Dialog[bool]):
    """Yes or no; for deletes the name (or, for several servers, their number) must be typed."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("y", "yes", show=False), Binding("n", "cancel", show=False)]

    def __init__(self, action: TuiAction, rows: Sequence[Row], roles: Sequence[str]) -> None:
        super().__init__()
        self._action = action
        self._rows = list(rows)
        self._reasons = {row["id"]: refusal(action, row, roles) for row in rows} if len(rows) > 1 else {}
        self._typed = action.confirm is Confirm.TYPE_NAME
        self.DANGER = self._typed

    @property
    def _legal(self) -> int:
        return sum(not self._reasons.get(row["id"]) for row in self._rows)

    @property
    def wanted(self) -> tuple[str, ...]:
        """What may be typed: the name as it is shown or the id; for several servers their number."""
        if len(self._rows) > 1:
            return (str(self._legal),)
        row = self._rows[0]
        return (clean(row["name"]), row["name"], row["id"])

    def heading(self) -> str:
        """The action's name."""
        return _(self._action.label)

    def body(self) -> ComposeResult:
        """Which servers, what happens, the command, and where the name is typed."""
        label = _(self._action.label)
        if len(self._rows) == 1:
            yield TextLine([(_("{action}: are you sure?").format(action=label), "")])
        else:
            text = _("{action} on {count} instances: are you sure?").format(action=label, count=self._legal)
            yield TextLine([(text, "")])
        for row in self._rows[:SHOWN]:
            yield TextLine(server_line(row, self._reasons.get(row["id"], "")))
        if len(self._rows) > SHOWN:
            yield TextLine([("  " + _("and {count} more").format(count=len(self._rows) - SHOWN), "dim")])
        if self._action.help:
            yield TextLine([("", "")])
            yield TextLine([(_(self._action.help), "warn" if self._typed else "dim")], id="help")
        yield TextLine([("", "")])
        yield TextLine([("$ ", "dim"), (self._command(), "key")], id="command")
        if self._typed:
            yield TextLine([("", "")])
            yield TextLine([(_("Type {text} to go on:").format(text=self.wanted[0]), "")])
            yield Input(id="typed")

    def _command(self) -> str:
        from tuinova.screens.actions import command_line

        known = list(self.tui.servers.rows.values())
        legal = [row for row in self._rows if not self._reasons.get(row["id"])]
        return command_line(self._action, *(unique_name(row, known) for row in legal[:SHOWN])) + (
            " ..." if len(legal) > SHOWN else ""
        )

    def buttons(self) -> Sequence[FlatButton]:
        """Cancel first."""
        return (cancel_button(), FlatButton(_(self._action.label), id="yes", danger=self._typed, disabled=self._typed))

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#typed" if self._typed else "#cancel").focus()
        if self._action.id == "delete":
            self.tui.call_service(kept_for, self._say_kept, failed=lambda _error: None)

    def _say_kept(self, seconds: int) -> None:
        if self.open and seconds > 0:
            text = _("It can be restored for {span}, then it is gone for good.").format(span=span_text(seconds))
            self.query_one("#help", TextLine).show([(text, "")])

    def on_input_changed(self, event: Input.Changed) -> None:
        """The button opens when the right text stands there."""
        self.query_one("#yes", Button).disabled = event.value.strip() not in self.wanted

    def on_input_submitted(self, _event: Input.Submitted) -> None:
        """Enter in the field goes on only with the right text."""
        self.action_yes()

    def action_yes(self) -> None:
        """Go on, where it is allowed."""
        button = self.query_one("#yes", Button)
        if not button.disabled:
            self.dismiss(True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Yes or no."""
        if event.button.id == "yes":
            self.dismiss(True)
        else:
            self.dismiss(False)
