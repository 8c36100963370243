"""What the dialogs of actions share: the servers, the fields, the command as it would be typed, sending, refusals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.widget import Widget
from textual.widgets import Button, Input

from tuinova.client import ApiError
from tuinova.i18n import _
from tuinova.screens.actions import command_line, refusal
from tuinova.screens.commands import unique_name
from tuinova.screens.confirm import server_line
from tuinova.screens.dialogs import Dialog, FlatButton, TextLine, cancel_button
from tuinova.screens.fields import WalksFields
from tuinova.screens.filter_picker import FilterPicker
from tuinova.screens.outcome import Outcome, execute, perform
from tuinova.screens.rows import Row
from tuinova.screens.tui_action import TuiAction
from tuinova.screens.widgets.pick_list import Offer

if TYPE_CHECKING:
    from textual.binding import BindingType

Json = dict[str, Any]
SHOWN = 3  # servers that are named in the head; the rest is counted
TALL = 30  # lines of a terminal where a crowd of servers leaves room for more words
NAMED = 6  # servers that the command names


def if_allowed(ask: Callable[[], Any], otherwise: Any) -> Any:
    """What the service answers, or something else where this person may not ask."""
    try:
        return ask()
    except ApiError as error:
        if error.code != 403:
            raise
        return otherwise


class ActionForm(WalksFields, Dialog[list[Outcome]]):
    """Asks what an action needs, sends it, and closes with a result per server.

    A refusal for one server stays here, beside what was filled in. Subclasses give `fields`, `options`, `payload`, and
    where they need them `read`, `loaded`, `problem`, `send`.
    """

    HEIGHT: ClassVar[int] = 18  # lines that it would like
    FIRST: ClassVar[str] = "cancel"  # what has the focus at first

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "send", show=False),
        Binding("y", "send", show=False),
        Binding("n", "cancel", show=False),
    ]
    DEFAULT_CSS = """
    ActionForm > #frame { width: 84; height: 92%; }
    ActionForm #fields { height: 1fr; margin-top: 1; scrollbar-size-vertical: 1; }
    ActionForm .field { height: auto; width: 1fr; }
    ActionForm .field > .label { width: 20; height: 1; }
    ActionForm .field > Input, ActionForm .field > TextArea { width: 1fr; }
    ActionForm TextArea { height: 3; }
    ActionForm Checkbox { border: none; padding: 0; height: 1; background: transparent; width: 1fr; }
    ActionForm Checkbox:focus { border: none; background: $cursor-blur-bg; }
    ActionForm #problem { display: none; }
    ActionForm #problem.-shown { display: block; }
    """

    def __init__(self, action: TuiAction, rows: Sequence[Row]) -> None:
        super().__init__()
        self.action = action
        self.rows = list(rows)
        self._sending = False

    # what subclasses give --------------------------------------------------------------------------------------------
    def fields(self) -> ComposeResult:
        """The fields."""
        yield from ()

    def options(self) -> list[str]:
        """The command's options for what is filled in."""
        return list(self.action.sample)

    def payload(self, row: Row) -> Any:
        """The action's body for a server."""
        return self.action.body

    def send(self, client: Any, row: Row, payload: Any) -> Any:
        """Ask the service, in a thread."""
        return execute(client, self.action, row, payload)

    def problem(self) -> tuple[str, str]:
        """The first field that is wrong and why; two empty words when nothing is."""
        return "", ""

    def read(self, client: Any) -> Any:
        """What the fields need of the service, in a thread; None for nothing."""
        return None

    def loaded(self, found: Any) -> None:
        """What was read."""

    # the frame -------------------------------------------------------------------------------------------------------
    @property
    def row(self) -> Row:
        """The first server as it is now."""
        return self._fresh(self.rows[0])

    def _fresh(self, row: Row) -> Row:
        return self.tui.servers.rows.get(row["id"], row)

    @property
    def legal(self) -> list[Row]:
        """The servers for which it will be asked."""
        if len(self.rows) == 1:
            return self.rows
        return [row for row in self.rows if not refusal(self.action, row, self.tui.roles)]

    def heading(self) -> str:
        """The action's name."""
        return _(self.action.label)

    def hint(self) -> str:
        """How it is used."""
        return _("Tab: next   ^S: do it   Esc: close")

    def body(self) -> ComposeResult:
        """Servers, what it does, fields, what is wrong, the command."""
        for row in self.rows[:SHOWN]:
            reason = refusal(self.action, row, self.tui.roles) if len(self.rows) > 1 else ""
            yield TextLine(server_line(row, reason))
        if len(self.rows) > SHOWN:
            yield TextLine([("  " + _("and {count} more").format(count=len(self.rows) - SHOWN), "dim")])
        if self.action.help and (len(self.rows) == 1 or self.app.size.height >= TALL):
            yield TextLine([(_(self.action.help), "dim")], id="help")
        with VerticalScroll(id="fields", can_focus=False):
            yield from self.fields()
        yield TextLine([("", "")], id="problem")
        yield TextLine([("", "")], id="command")

    def buttons(self) -> Sequence[FlatButton]:
        """Cancel first."""
        return (cancel_button(), FlatButton(_(self.action.label), id="send", danger=self.DANGER))

    def field(self, label: str, widget: Widget) -> ComposeResult:
        """A label and its widget in a line."""
        with Horizontal(classes="field"):
            yield TextLine([(label, "label")], classes="label")
            yield widget

    def on_mount(self) -> None:
        """Show, read."""
        super().on_mount()
        self.query_one("#frame").styles.max_height = self.HEIGHT
        self.changed()
        self.query_one(f"#{self.FIRST}").focus()
        if type(self).read is not ActionForm.read:
            self.tui.call_service(self.read, self._take, title=self.heading(), failed=self._unread)

    def _take(self, found: Any) -> None:
        if self.open:
            self.loaded(found)
            self.changed()

    def _unread(self, error: Exception) -> None:
        if self.open:
            self.say(str(error))

    # what is filled in -----------------------------------------------------------------------------------------------
    def changed(self) -> None:
        """Something was chosen or typed: the command follows."""
        self.query_one("#command", TextLine).show([("$ ", "dim"), (self.command(self.options()), "key")])

    def command(self, options: list[str]) -> str:
        """The equivalent command for the servers."""
        known = list(self.tui.servers.rows.values())
        names = [unique_name(row, known) for row in self.legal]
        return command_line(self.action, *names[:NAMED], options=options) + (" ..." if len(names) > NAMED else "")

    def text_of(self, field: str) -> str:
        """What stands in an input."""
        return self.query_one(f"#{field}", Input).value

    def pick(self, title: str, offers: Sequence[Offer], take: Callable[[str], None], current: str = "") -> None:
        """Open a list for a field."""

        def picked(chosen: str | None) -> None:
            if chosen is not None:
                take(chosen)
                self.changed()

        self.tui.push_screen(FilterPicker(title, offers, current), picked)

    # sending ---------------------------------------------------------------------------------------------------------
    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Send or leave."""
        event.stop()
        if event.button.id == "send":
            self.action_send()
        elif event.button.id == "cancel":
            self.action_cancel()
        else:
            self.pressed(event.button.id or "")

    def pressed(self, field: str) -> None:
        """A field that opens a list."""

    def action_send(self) -> None:
        """Check, ask the service; a refusal stays in the form."""
        if self._sending:
            return
        if self.tui.client is None:
            self.say(_("Not connected yet."))
            return
        field, text = self.problem()
        if text:
            self.say(text)
            if field:
                self.query_one(f"#{field}").focus()
            return
        roles = self.tui.roles
        rows = [self._fresh(row) for row in self.rows]
        payloads = {row["id"]: self.payload(row) for row in rows}
        typed = any(field.password and field.value for field in self.query(Input))
        self._busy(True)

        def work(client: Any) -> list[Outcome]:
            found = perform(client, self.action, rows, roles, lambda one, row: self.send(one, row, payloads[row["id"]]))
            # A password that was typed comes back with Nova's answer, too: that one nobody needs to be shown.
            return [outcome._replace(answer=None) for outcome in found] if typed else found

        self.tui.call_service(work, self._sent, title=self.heading())

    def _busy(self, busy: bool) -> None:
        self._sending = busy
        self.query_one("#send", Button).disabled = busy
        self.say(_("asking the service ...") if busy else "", "busy")

    def _sent(self, outcomes: list[Outcome]) -> None:
        if not self.open:
            self.tui.tell(self.action, outcomes)  # the dialog was left while the service was asked
            return
        refused = outcomes[0] if len(outcomes) == 1 and not outcomes[0].ok else None
        if refused is None:
            self.dismiss(outcomes)
            return
        self._busy(False)
        self.say(refused.text)
