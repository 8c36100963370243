"""Check marks that can be told apart without colour: Textual draws the same X, on or off, and only tints it."""

from __future__ import annotations

from typing import Any

from rich.segment import Segment
from textual.strip import Strip
from textual.widgets import Checkbox, SelectionList

ON, OFF = "X", " "


class Tick(Checkbox):
    """A checkbox that is empty while it is off."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._mark()

    def watch_value(self) -> None:
        """The mark changes with the value."""
        self._mark()
        super().watch_value()

    def _mark(self) -> None:
        self.BUTTON_INNER = ON if self.value else OFF


class TickList(SelectionList[str]):
    """A list of checkboxes that are empty while they are off."""

    def render_line(self, y: int) -> Strip:
        """A line; its second segment is the mark."""
        strip = super().render_line(y)
        index = self.scroll_offset.y + y
        if index >= self.option_count or self.get_option_at_index(index).value in self.selected:
            return strip
        left, mark, *rest = strip
        return Strip([left, Segment(OFF, mark.style, mark.control), *rest])
