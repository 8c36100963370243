"""The line table that screens use: the drawn table with its keys and its mouse."""

from __future__ import annotations

from typing import Generic, TypeVar

from textual import events

from tuinova.screens.columns import GAP
from tuinova.screens.widgets.table_core import MARK_WIDTH, TableCore, fit

R = TypeVar("R")


class LineTable(TableCore[R], Generic[R], can_focus=True):
    """A table of rows with a fixed header line; subclasses give a flag and an empty-state text."""

    def key_up(self) -> None:
        self.move_by(-1)

    def key_down(self) -> None:
        self.move_by(1)

    def key_k(self) -> None:
        self.move_by(-1)

    def key_j(self) -> None:
        self.move_by(1)

    def key_pageup(self) -> None:
        self.move_by(-self._page)

    def key_pagedown(self) -> None:
        self.move_by(self._page)

    def key_home(self) -> None:
        self.move_cursor(0)

    def key_end(self) -> None:
        self.move_cursor(len(self.model) - 1)

    def key_g(self) -> None:
        self.move_cursor(0)

    def key_upper_g(self) -> None:
        self.move_cursor(len(self.model) - 1)

    def key_left(self) -> None:
        self.scroll_to(x=self.scroll_x - 8, animate=False)

    def key_right(self) -> None:
        self.scroll_to(x=self.scroll_x + 8, animate=False)

    def key_enter(self) -> None:
        if self.model.cursor is not None:
            self.post_message(self.Opened(self))

    def key_space(self) -> None:
        if self.model.cursor is None:
            return
        self.model.toggle_mark(self.model.cursor)
        self._refresh_rows({self.model.cursor})
        self.post_message(self.MarksChanged(self))
        self.move_by(1)

    # mouse -----------------------------------------------------------------------------------------------------------
    def on_click(self, event: events.Click) -> None:
        x, y = event.x + self.scroll_offset.x, event.y
        if y == 0:
            for item in self._placed:
                if item.start <= x < item.start + item.width + GAP:
                    self.sort(item.column.key)
            return
        line = self.scroll_offset.y + y - 1
        if line >= len(self.model):
            return
        self.move_cursor(line)
        if x < MARK_WIDTH or event.ctrl:
            self.model.toggle_mark(self.model.order[line])
            self._marks_changed()
        elif event.chain == 2:
            self.post_message(self.Opened(self))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        line = self.scroll_offset.y + event.y - 1
        inside = event.y > 0 and line < len(self.model)
        self._set_hover(self.model.order[line] if inside else None)

    def on_leave(self, _event: events.Leave) -> None:
        self._set_hover(None)

    def _set_hover(self, row_id: str | None) -> None:
        if row_id != self._hover:
            before, self._hover = self._hover, row_id
            self._refresh_rows({before, row_id} - {None})


__all__ = ["LineTable", "fit"]
