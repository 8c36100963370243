"""Passwords: asked for twice and never shown, or shown once when the service made one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual.app import ComposeResult
from textual.widgets import Button, Input

from tuinova.i18n import _
from tuinova.screens.dialogs import Dialog, FlatButton, TextLine
from tuinova.screens.forms.base import ActionForm
from tuinova.screens.launch.request import PASSWORD_WORD
from tuinova.screens.outcome import Outcome
from tuinova.screens.rows import Row
from tuinova.screens.widgets.text_panel import Line, TextPanel


class PasswordForm(ActionForm):
    """changePassword: typed twice; the shown command has a word in its place."""

    HEIGHT = 16
    FIRST = "password"

    def fields(self) -> ComposeResult:
        """Twice."""
        yield from self.field(_("New password") + " *", Input(id="password", password=True))
        yield from self.field(_("Again") + " *", Input(id="again", password=True))

    def problem(self) -> tuple[str, str]:
        """Both, and the same."""
        if not self.text_of("password"):
            return "password", _("A password is needed.")
        if self.text_of("password") != self.text_of("again"):
            return "again", _("The two are not the same.")
        return "", ""

    def options(self) -> list[str]:
        """A word where the password would stand."""
        return ["--password", PASSWORD_WORD]

    def payload(self, row: Row) -> Any:
        """Nova's body."""
        return {"adminPass": self.text_of("password")}


class PasswordScreen(Dialog[None]):
    """The administrator's passwords that the service answered with: nobody can ask for them again."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        super().__init__()
        self._found = [(outcome.name, outcome.password) for outcome in outcomes if outcome.password]

    def heading(self) -> str:
        """What it is."""
        return _("Admin password")

    def hint(self) -> str:
        """How to take it along."""
        return _("c: copy   Esc: close")

    def body(self) -> ComposeResult:
        """Names and passwords."""
        yield TextLine([(_("Shown only this once: the service does not keep it."), "warn")])
        yield TextLine([("", "")])
        lines: list[Line] = [[(f"  {name}  ", ""), (password, "strong")] for name, password in self._found]
        panel = TextPanel(lines, id="passwords")
        panel.can_focus = False
        yield panel
        yield TextLine([("", "")], id="copied")

    def buttons(self) -> Sequence[FlatButton]:
        """Copy, close."""
        return (FlatButton(_("Copy"), id="copy"), FlatButton(_("Close"), id="close"))

    def on_mount(self) -> None:
        """Enter does not close what can't be had again."""
        super().on_mount()
        self.query_one("#copy").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Copy or close."""
        event.stop()
        if event.button.id == "copy":
            self.key_c()
        else:
            self.dismiss(None)

    def key_c(self) -> None:
        """To the terminal's clipboard."""
        alone = len(self._found) == 1
        text = self._found[0][1] if alone else "\n".join(f"{name}\t{password}" for name, password in self._found)
        self.app.copy_to_clipboard(text)
        self.query_one("#copied", TextLine).show([(_("Copied, where the terminal allows it."), "ok")])
