"""Every key, made from the registry; the words and glyphs of the table; the filter's language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding

from tuinova.i18n import N_, _
from tuinova.screens.actions import PLACE_ACTIONS, SERVER_ACTIONS, TuiAction, key_text
from tuinova.screens.dialogs import Dialog
from tuinova.screens.rows import STATUS_LOOK
from tuinova.screens.widgets.line_table import fit
from tuinova.screens.widgets.text_panel import Line, TextPanel

if TYPE_CHECKING:
    from textual.binding import BindingType

MOVES = (
    ("↑ ↓ j k", N_("Move the cursor")),
    ("PgUp PgDn", N_("A page up or down")),
    ("Home End g G", N_("First or last row")),
    ("← →", N_("Scroll sideways")),
    ("1 ... 7, Tab", N_("Rooms")),
)
FILTERS = (
    ("web", N_("rows in which web stands anywhere")),
    ("status:active", N_("a field; a beginning of its name is enough (st:act)")),
    ("!name:db", N_("not")),
    ('"two words"', N_("blanks")),
    ("ip:10.0 zone:nova", N_("several terms: all must hold")),
    ("fault:  host:", N_("an empty value: rows that have none")),
)
SCOPES = (("table", N_("Instances")), ("page", N_("The server's page")), ("app", N_("Everywhere")))
KEY_WIDTH = 16


def _row(key: str, text: str, note: str = "") -> Line:
    parts = [("  " + fit(key, KEY_WIDTH), "key"), (text, "")]
    return [*parts, (f"  {note}", "dim")] if note else parts


def _title(text: str) -> list[Line]:
    return [[], [(text, "heading")]]


def _keys(action: TuiAction) -> str:
    return " ".join(key_text(key) for key in (action.key, *action.alias))


def help_lines(room_actions: Sequence[TuiAction]) -> list[Line]:
    """The help for a room with these actions."""
    lines: list[Line] = [[(_("Keys"), "heading")]]
    lines += [_row(key, _(text)) for key, text in MOVES]
    shown: set[str] = set()
    listed = [(title, [action for action in PLACE_ACTIONS if action.scope == scope]) for scope, title in SCOPES]
    own = [action for action in room_actions if action.scope not in dict(SCOPES)]
    for title, actions in [(N_("This room"), own), *listed]:
        rows = [
            _row(_keys(action), _(action.label), _(action.help) if action.help else "")
            for action in actions
            if action.key
        ]
        if rows and title not in shown:
            shown.add(title)
            lines += [*_title(_(title)), *rows]
    lines += _title(_("Actions on servers (all of them in the menu: a)"))
    for action in SERVER_ACTIONS:
        key = key_text(action.key) if action.key else ""
        note = _(action.help) if action.help else ""
        lines.append(_row(f"{key:<6}a {action.letter}".rstrip(), _(action.label), note))
    lines += _title(_("The filter"))
    lines += [_row(key, _(text)) for key, text in FILTERS]
    lines += _title(_("Status"))
    lines += [[("  " + fit(glyph, 4), tone), (_(status), tone)] for status, (glyph, tone) in STATUS_LOOK.items()]
    lines.append([("  " + fit("L", 4), "warn"), (_("locked"), "")])
    lines.append([("  " + fit("◆", 4), "mark"), (_("marked"), "")])
    return lines


class HelpScreen(Dialog[None]):
    """The help of the place from which it was called."""

    DEFAULT_CSS = "HelpScreen > #frame { width: 100; height: 92%; }"

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q,question_mark,enter", "cancel", show=False)]

    def __init__(self, room_actions: Sequence[TuiAction]) -> None:
        super().__init__()
        self._room_actions = room_actions

    def heading(self) -> str:
        """Help."""
        return _("Help")

    def hint(self) -> str:
        """How to leave."""
        return _("arrows scroll   Esc closes")

    def body(self) -> ComposeResult:
        """All lines."""
        yield TextPanel(help_lines(self._room_actions), indent=KEY_WIDTH + 4, classes="tall")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(TextPanel).focus()
