"""The action menu: every action of Nova's table; what is not legal now is greyed with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tuinova.i18n import _
from tuinova.screens.actions import GROUPS, SERVER_ACTIONS, TuiAction, refusal, row_action
from tuinova.screens.dialogs import Dialog, TextLine
from tuinova.screens.rows import Row, status_look
from tuinova.text import clean

if TYPE_CHECKING:
    from textual.widgets._option_list import OptionListContent

WIDTH = 70


class ActionMenu(Dialog[TuiAction]):
    """Pick an action for one server or for the marked ones; a letter picks at once."""

    def __init__(self, rows: Sequence[Row], roles: Sequence[str], read_only: bool) -> None:
        super().__init__()
        self._rows = list(rows)
        self._roles = roles
        self._read_only = read_only
        self._reasons = {action.id: self._reason(action) for action in SERVER_ACTIONS}

    def _reason(self, action: TuiAction) -> str:
        """Why the action is greyed; empty when it is legal for one server at least."""
        if self._read_only and action.changes:
            return _("read-only")
        if len(self._rows) > 1 and not action.many:
            return _("one instance only")
        reasons = [refusal(action, row, self._roles) for row in self._rows]
        return "" if not all(reasons) else reasons[0]

    def heading(self) -> str:
        """For whom."""
        if len(self._rows) > 1:
            return _("Actions for {count} instances").format(count=len(self._rows))
        return _("Actions for {name}").format(name=self._rows[0]["name"])

    def hint(self) -> str:
        """How it is used."""
        return _("letter or Enter: do it   Esc: close")

    def body(self) -> ComposeResult:
        """State, then the list by groups."""
        if len(self._rows) == 1:
            row = self._rows[0]
            glyph, tone = status_look(row["status"])
            task = row.get("task_state")
            yield TextLine(
                [(f"{glyph} {_(row['status'])}", tone), (f"  {_('Task')}: {_(task) if task else _('None')}", "dim")]
            )
        options: list[OptionListContent] = []
        group = ""
        for action in SERVER_ACTIONS:
            if action.group != group:
                group = action.group
                options.append(Option(Content.styled(f"── {_(GROUPS[group])} ", "$tone-label"), disabled=True))
            options.append(Option(self._prompt(action), id=action.id, disabled=bool(self._reasons[action.id])))
        yield OptionList(*options, id="actions")

    def _prompt(self, action: TuiAction) -> Content:
        label = _(action.label)
        reason = self._reasons[action.id]
        right = clean(reason)
        if not reason and len(self._rows) > 1:
            legal = sum(not refusal(action, row, self._roles) for row in self._rows)
            right = _("{legal} of {count}").format(legal=legal, count=len(self._rows))
        room = WIDTH - 5 - cell_len(label) - 2
        while cell_len(right) > room:
            right = right[:-2] + "…"
        pad = " " * max(1, room - cell_len(right) + 1)
        if reason:
            return Content.styled(f" {action.letter}  {label}{pad}{right}", "$tone-dim")
        tone = "$tone-error" if action.group == "end" else ""
        return Content.assemble((f" {action.letter}  ", "bold $key-fg"), (label, tone), (f"{pad}{right}", "$tone-ok"))

    def on_mount(self) -> None:
        super().on_mount()
        listed = self.query_one(OptionList)
        likely = row_action(self._rows[0]).id
        if len(self._rows) == 1 and not self._reasons[likely]:
            listed.highlighted = listed.get_option_index(likely)
        else:
            listed.action_first()
        listed.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter or a click."""
        self._choose(event.option_id or "")

    def on_key(self, event: events.Key) -> None:
        """A letter picks its action; a greyed one says why not."""
        for action in SERVER_ACTIONS:
            if event.character and event.character == action.letter:
                event.stop()
                self._choose(action.id)
                return

    def _choose(self, action_id: str) -> None:
        action = next((one for one in SERVER_ACTIONS if one.id == action_id), None)
        if action is None:
            return
        if reason := self._reasons[action.id]:
            self.tui.say(reason, title=_(action.label), severity="warning")
            return
        self.dismiss(action)


def menu_text(menu: ActionMenu) -> list[Any]:
    """What the menu lists, as plain text lines."""
    return [str(option.prompt) for option in menu.query_one(OptionList).options]
