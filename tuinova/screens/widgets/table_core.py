"""A table drawn line by line: ten thousand rows cost what the visible ones cost.

Rows, order, marks and cursor belong to ids (`TableModel`); this widget draws the visible lines, keeps drawn strips, and
turns keys and mouse into moves. Textual's DataTable needs 1.4 s for such a table and its cursor drifts when rows move.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import time
from typing import Any, Generic, TypeVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tuinova.i18n import _
from tuinova.screens.columns import GAP, SHORT_LABELS, Column, Placed, place
from tuinova.screens.table_model import Applied, TableModel
from tuinova.screens.widgets.tones import Toned
from tuinova.text import clean

R = TypeVar("R")
MARK_WIDTH = 3


def fit(text: str, width: int, right: bool = False) -> str:
    """Exactly `width` cells of the text: cut with an ellipsis, or padded; double-width characters count two."""
    length = len(text) if text.isascii() else cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…" if width > 0 else ""
    pad = " " * (width - length)
    return pad + text if right else text + pad


def fit_ending(text: str, width: int) -> str:
    """`fit`, but what is cut is before the last word: a percentage survives."""
    head, blank, end = text.rpartition(" ")
    if not blank or cell_len(text) <= width or cell_len(end) + 4 > width:
        return fit(text, width)
    return f"{fit(head, width - cell_len(end) - 1)} {end}"


class TableCore(Toned, ScrollView, Generic[R], can_focus=True, inherit_bindings=False):
    """The drawing half of a line table: columns, rows, cursor, strips."""

    DEFAULT_CSS = """
    TableCore {
        height: 1fr; background: $background; color: $foreground;
        scrollbar-size-vertical: 1; scrollbar-size-horizontal: 1; scrollbar-gutter: stable;
    }
    """

    class CursorMoved(Message, namespace="line_table"):
        """The cursor is on another row, or the row under it changed."""

        def __init__(self, table: TableCore[Any]) -> None:
            self.table = table
            super().__init__()

    class Opened(CursorMoved, namespace="line_table"):
        """Enter or a double click on the row under the cursor."""

    class MarksChanged(CursorMoved, namespace="line_table"):
        """Other rows are marked."""

    class Sorted(CursorMoved, namespace="line_table"):
        """Sorted by another column or in the other direction."""

    def __init__(
        self,
        model: TableModel[R],
        columns: Sequence[Column],
        *,
        clock: Callable[[], float] = time,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self.model = model
        self.clock = clock
        self.fit_columns = True
        self._columns = tuple(columns)
        self._placed: list[Placed] = []
        self._strips: dict[str, tuple[Any, tuple[Any, ...], Strip]] = {}
        self._hover: str | None = None
        self._drawn_with: dict[str, Style] = {}
        self._generation = 0
        self._ages: dict[str, str] = {}

    # what subclasses change ------------------------------------------------------------------------------------------
    def flag(self, row: R) -> str:
        """One cell beside the mark (a lock, for example)."""
        return ""

    def empty_lines(self) -> Sequence[tuple[str, str]]:
        """(text, tone) lines shown when there is no row."""
        return ()

    # columns ---------------------------------------------------------------------------------------------------------
    @property
    def shown_columns(self) -> list[Column]:
        """The columns that are drawn now."""
        return [item.column for item in self._placed]

    def set_columns(self, columns: Sequence[Column], *, fit_columns: bool = True) -> None:
        """Draw these columns; with `fit_columns` False all of them, scrolling sideways."""
        self._columns = tuple(columns)
        self.fit_columns = fit_columns
        self._lay_out()

    def _lay_out(self) -> None:
        room = (self.scrollable_content_region.width or self.size.width) - MARK_WIDTH
        self._placed = place(self._columns, room, MARK_WIDTH, fit=self.fit_columns)
        self._generation += 1
        self._resize_content()
        self.refresh()

    def _resize_content(self) -> None:
        last = self._placed[-1] if self._placed else None
        width = last.start + last.width if last else 0
        size = Size(width, len(self.model) + 1)
        if size != self.virtual_size:
            self.virtual_size = size

    def on_resize(self, _event: events.Resize) -> None:
        self._lay_out()
        self._show_cursor()

    # data ------------------------------------------------------------------------------------------------------------
    def reload(self) -> None:
        """The model was loaded, sorted or filtered anew: draw everything."""
        self._resize_content()
        self._show_cursor()
        self.refresh()
        self.post_message(self.CursorMoved(self))

    def show_changes(self, applied: Applied, offset: int | None) -> None:
        """A batch was applied to the model; `offset` is the cursor's line on the screen before (`cursor_offset`)."""
        if applied.moved:
            self._resize_content()
            self._keep_offset(offset)
            self.refresh()
        else:
            self._refresh_rows(applied.dirty)
        if applied.moved or self.model.cursor in applied.dirty:
            self.post_message(self.CursorMoved(self))

    def cursor_offset(self) -> int | None:
        """The cursor's line counted from the first visible row; None when it is out of sight."""
        position = self.model.position(self.model.cursor)
        if position is None:
            return None
        offset = position - self.scroll_offset.y
        return offset if 0 <= offset < self._page else None

    def tick(self) -> None:
        """Redraw the visible rows whose clock-bound text changed."""
        now = self.clock()
        live = [item.column for item in self._placed if item.column.live]
        dirty = []
        for row_id in self._visible_ids() if live else ():
            text = "".join(column.cell(self.model.rows[row_id], now)[0] for column in live)
            if self._ages.get(row_id, text) != text:
                dirty.append(row_id)
        self._refresh_rows(dirty)

    def _refresh_rows(self, ids: Any) -> None:
        visible = self._visible_ids()
        if not ids or not visible:
            return
        dirty = [line for line, row_id in enumerate(visible) if row_id in ids]
        if len(dirty) > 8:
            self.refresh()
            return
        for line in dirty:
            self.refresh(Region(0, line + 1, self.size.width, 1))

    def _visible_ids(self) -> list[str]:
        top = self.scroll_offset.y
        return self.model.order[top : top + self._page]

    @property
    def _page(self) -> int:
        """Visible rows: the header takes a line."""
        return max(1, self.scrollable_content_region.height - 1)

    # cursor and scrolling --------------------------------------------------------------------------------------------
    def move_cursor(self, place: int) -> None:
        """Put the cursor on a line and bring it into sight."""
        before = self.model.cursor
        self.model.move_to(place)
        if before == self.model.cursor:
            return
        self._refresh_rows({before, self.model.cursor})
        self._show_cursor()
        self.post_message(self.CursorMoved(self))

    def move_by(self, lines: int) -> None:
        """Move the cursor by lines."""
        self.move_cursor((self.model.position(self.model.cursor) or 0) + lines)

    def press(self, key: str) -> bool:
        """Do what a key means to the table (its `key_...` method), at once; whether it means anything."""
        handler = getattr(self, f"key_{key}", None)
        if handler is None:
            return False
        handler()
        return True

    def _show_cursor(self) -> None:
        position = self.model.position(self.model.cursor)
        if position is None or not self.size.height:
            return
        top, page = self.scroll_offset.y, self._page
        if position < top:
            self.scroll_to(y=position, animate=False, force=True)
        elif position >= top + page:
            self.scroll_to(y=position - page + 1, animate=False, force=True)

    def _keep_offset(self, offset: int | None) -> None:
        """The row under the cursor stays on its line when others move; a table at its top stays at the top."""
        position = self.model.position(self.model.cursor)
        if offset is None or position is None or (self.scroll_offset.y == 0 and position < self._page):
            return
        self.scroll_to(y=max(0, position - offset), animate=False, force=True)

    def mark_shown(self) -> None:
        """Mark all shown rows, or unmark them when all are marked."""
        self.model.mark_shown()
        self._marks_changed()

    def invert_marks(self) -> None:
        """Turn the marks of the shown rows."""
        self.model.invert_marks()
        self._marks_changed()

    def clear_marks(self) -> None:
        """No row is marked."""
        self.model.marks.clear()
        self._marks_changed()

    def _marks_changed(self) -> None:
        self.refresh()
        self.post_message(self.MarksChanged(self))

    def sort(self, column: str, descending: bool | None = None) -> None:
        """Sort by a column; the same again turns the direction."""
        self.model.sort(column, descending)
        self.reload()
        self.post_message(self.Sorted(self))

    # drawing ---------------------------------------------------------------------------------------------------------
    def render_line(self, y: int) -> Strip:
        width = self.size.width
        base = self.base_style
        left = self.scroll_offset.x
        if y == 0:
            return self._header_strip(base).crop_extend(left, left + width, base + self.tone("header"))
        line = self.scroll_offset.y + y - 1
        if line >= len(self.model.order):
            return self._blank(y, width, base)
        row_id = self.model.order[line]
        strip, fill = self._row_strip(row_id, base)
        return strip.crop_extend(left, left + width, fill)

    def _header_strip(self, base: Style) -> Strip:
        style = base + self.tone("header")
        segments = [Segment(" " * MARK_WIDTH, style)]
        for item in self._placed:
            column = item.column
            label = _(column.label)
            sorted_by = column.key == self.model.sort_by
            arrow = ("▼" if self.model.descending else "▲") if sorted_by else ""
            if cell_len(label) + len(arrow) > item.width and column.label in SHORT_LABELS:
                label = _(SHORT_LABELS[column.label])
            if sorted_by:
                label = fit(label, min(cell_len(label), item.width - 1)) + arrow
            text = fit(label, item.width, column.right) + " " * GAP
            segments.append(Segment(text, style + self.tone("sorted") if sorted_by else style))
        return Strip(segments)

    def _row_strip(self, row_id: str, base: Style) -> tuple[Strip, Style]:
        row = self.model.rows[row_id]
        now = self.clock()
        marked, cursor = row_id in self.model.marks, row_id == self.model.cursor
        live = "".join(item.column.cell(row, now)[0] for item in self._placed if item.column.live)
        self._ages[row_id] = live
        if marked:
            base = base + self.tone("marked")
        if row_id == self._hover:
            base = base + self.tone("hover")
        over = self.tone("cursor" if self.has_focus else "cursor-blur") if cursor else Style.null()
        look = (self._generation, marked, cursor, row_id == self._hover, self.has_focus, live)
        if self._drawn_with is not self.tones:
            self._drawn_with = self.tones
            self._strips.clear()
        kept = self._strips.get(row_id)
        if kept is not None and kept[0] is row and kept[1] == look:
            return kept[2], base + over
        strip = self._draw(row, marked, now, base, over)
        if len(self._strips) > 1024:
            self._strips.clear()
            self._ages.clear()
        self._strips[row_id] = (row, look, strip)
        return strip, base + over

    def _draw(self, row: R, marked: bool, now: float, base: Style, over: Style) -> Strip:
        flag = self.flag(row)
        segments = [
            Segment("◆" if marked else " ", base + self.tone("mark") + over),
            Segment(flag or " ", base + self.tone("warn") + over),
            Segment(" ", base + over),
        ]
        last = len(self._placed) - 1
        for place_, item in enumerate(self._placed):
            text, tone = item.column.cell(row, now)
            text, column = clean(text), item.column
            shown = fit_ending(text, item.width) if column.ending else fit(text, item.width, column.right)
            shown += " " * GAP if place_ < last else ""
            segments.append(Segment(shown, (base + self.tone(tone) if tone else base) + over))
        end = self._placed[-1] if self._placed else None
        return Strip(segments, end.start + end.width if end else MARK_WIDTH)

    def _blank(self, y: int, width: int, base: Style) -> Strip:
        lines = () if self.model.order else self.empty_lines()
        first = max(2, (self.size.height - len(lines)) // 2)
        if first <= y < first + len(lines):
            text, tone = lines[y - first]
            text = clean(text)
            pad = max(0, (width - cell_len(text)) // 2)
            strip = Strip([Segment(" " * pad, base), Segment(text, base + self.tone(tone) if tone else base)])
            return strip.crop_extend(0, width, base)
        return Strip.blank(width, base)
