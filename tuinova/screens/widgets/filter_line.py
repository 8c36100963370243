"""The filter's input line, imported when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.message import Message
from textual.widgets import Input

from tuinova.i18n import _

if TYPE_CHECKING:
    from textual.binding import BindingType


class FilterInput(Input):
    """Enter keeps the filter, Esc clears it, the arrows move the table's cursor while one types."""

    DEFAULT_CSS = """
    FilterInput.line {
        height: 1; border: none; padding: 0 1; background: $surface; color: $foreground;
        &:focus { border: none; background: $surface; background-tint: transparent 0%; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave(True)", show=False),
        Binding("enter", "leave(False)", show=False),
        Binding("up", "table(-1)", show=False),
        Binding("down", "table(1)", show=False),
    ]

    class Left(Message):
        """The operator is done; `clear`: and wants all rows again."""

        def __init__(self, clear: bool) -> None:
            self.clear = clear
            super().__init__()

    class Moved(Message):
        """The table's cursor shall move."""

        def __init__(self, lines: int) -> None:
            self.lines = lines
            super().__init__()

    def __init__(self, value: str = "", *, id: str | None = None) -> None:
        super().__init__(
            value,
            placeholder=_("name, or status:active !name:web ip:10.0"),
            id=id,
            classes="line",
            select_on_focus=False,
        )

    def action_leave(self, clear: bool) -> None:
        """Back to the table."""
        self.post_message(self.Left(clear))

    def action_table(self, lines: int) -> None:
        """Move the table's cursor."""
        self.post_message(self.Moved(lines))
