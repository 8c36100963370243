"""What became of an action on many servers: a line for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding

from tuinova.i18n import _
from tuinova.screens.dialogs import Dialog, FlatButton, TextLine
from tuinova.screens.outcome import Outcome
from tuinova.screens.widgets.text_panel import Line, TextPanel

if TYPE_CHECKING:
    from textual.binding import BindingType
    from textual.widgets import Button


def outcome_line(outcome: Outcome) -> Line:
    """One server's result; a refusal of the service keeps its request id."""
    if outcome.ok:
        return [("● ", "ok"), (outcome.name, "strong"), (f"  {_('accepted')}", "dim")]
    glyph, tone = ("✖ ", "error") if outcome.asked else ("○ ", "warn")
    return [(glyph, tone), (outcome.name, "strong"), ("  ", ""), (outcome.text, tone)]


class ResultsScreen(Dialog[None]):
    """A result per server, the failed ones first."""

    DEFAULT_CSS = "ResultsScreen > #frame { width: 100; }"

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q", "cancel", show=False)]

    def __init__(self, label: str, outcomes: Sequence[Outcome]) -> None:
        super().__init__()
        self._label = label
        self._outcomes = sorted(outcomes, key=lambda outcome: (outcome.ok, not outcome.asked))

    def heading(self) -> str:
        """The action."""
        return self._label

    def body(self) -> ComposeResult:
        """The sum, then a line for each."""
        good = sum(outcome.ok for outcome in self._outcomes)
        failed = sum(not outcome.ok and outcome.asked for outcome in self._outcomes)
        left_out = len(self._outcomes) - good - failed
        parts = [(_("{count} accepted").format(count=good), "ok")]
        if failed:
            parts.append((_("   {count} failed").format(count=failed), "error"))
        if left_out:
            parts.append((_("   {count} left out").format(count=left_out), "warn"))
        yield TextLine(parts)
        yield TextLine([("", "")])
        yield TextPanel([outcome_line(outcome) for outcome in self._outcomes], indent=4)

    def buttons(self) -> Sequence[FlatButton]:
        """Close."""
        return (FlatButton(_("Close"), id="close"),)

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#close").focus()

    def on_button_pressed(self, _event: Button.Pressed) -> None:
        """Close."""
        self.dismiss(None)
