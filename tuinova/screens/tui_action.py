"""One action of the TUI, as a row of data, and how keys are printed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tuinova.core.states import ACTION_BY_NAME, Action, Confirm
from tuinova.i18n import _


@dataclass(frozen=True, slots=True)
class TuiAction:
    """One action of the TUI.

    `label` is Nova's dashboard's; `short` stands in the footer. `scope`: "server" rows act on servers and stand in the
    action menu under `group`; "table", "app" and "page" rows are commands of that place. `key` is Textual's name of a
    key, `letter` the one in the menu. `nova` names the row of `core.states.ACTIONS` that it performs, `body` its
    payload, `form` the dialog `module:Class` that asks for what it needs. `changes`: refused with --read-only.
    `footer`: place in the footer, 0 for none.

    The equivalent command is `tuinova`, `command`, options (`sample` where none are chosen), the servers, `after`;
    `alone` says that it takes one server only.
    """

    id: str
    label: str
    scope: str
    key: str = ""
    short: str = ""
    letter: str = ""
    group: str = ""
    nova: str = ""
    body: Any = None
    form: str = ""
    many: bool = True
    changes: bool = False
    footer: int = 0
    command: tuple[str, ...] = ()
    sample: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    alone: bool = False
    help: str = ""
    alias: tuple[str, ...] = field(default=())

    @property
    def row(self) -> Action | None:
        """The row of Nova's table, None for an action of our own."""
        return ACTION_BY_NAME.get(self.nova) if self.nova else None

    @property
    def confirm(self) -> Confirm:
        """How it is asked for."""
        return self.row.confirm if self.row else Confirm.NONE

    @property
    def footer_label(self) -> str:
        """The word in the footer."""
        return _(self.short or self.label)


def server_action(
    action_id: str, label: str, short: str, letter: str, group: str, command: str, *, nova: str, **more: Any
) -> TuiAction:
    """A row that performs an action of Nova's; `command` is what stands after `tuinova server`."""
    words = ("server", *command.split()) if command else ()
    return TuiAction(
        action_id,
        label,
        "server",
        short=short,
        letter=letter,
        group=group,
        command=words,
        nova=nova,
        changes=True,
        **more,
    )


KEY_TEXT = {
    "slash": "/",
    "full_stop": ".",
    "asterisk": "*",
    "colon": ":",
    "question_mark": "?",
    "enter": "⏎",
    "escape": "Esc",
    "space": "Space",
    "tab": "Tab",
    "ctrl+p": "^P",
    "ctrl+q": "^Q",
    "f1": "F1",
    "backspace": "⌫",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
}


def key_text(key: str) -> str:
    """A key as it is printed on a screen."""
    return KEY_TEXT.get(key, key)
