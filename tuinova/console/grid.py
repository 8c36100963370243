"""The cells of a guest's terminal: pyte's screen with a faster draw and a scrollback.

Runs of plain text are put down in one go. Lines that leave at the top are kept. Sizes and combined characters are
bounded, since the guest is not trusted.
"""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Callable
from typing import Any

import pyte
from pyte import charsets
from pyte import modes as mo
from pyte.screens import Char, Cursor, StaticDefaultDict
from wcwidth import wcwidth

from tuinova.console.rows import Line, Rows
from tuinova.console.style import BLANK, Cells

Row = tuple[Char, ...]

_COMBINING = 8  # characters in one cell
_STYLES = 1024


class Grid(pyte.Screen):
    """What is on the screen and what has left it; `main` is the first screen while a program uses the second."""

    buffer: Rows  # type: ignore[assignment]  # it has what pyte uses of a dict
    default_char = BLANK  # pyte computes it each time, for a mode that is not honoured here

    def __init__(self, columns: int, lines: int, history: int) -> None:
        self.history: deque[Row] = deque(maxlen=history)
        self.scrolled = 0
        self.main: tuple[Rows, Cursor] | None = None
        self.last_drawn = ""
        self._cells: dict[Char, Cells] = {}
        super().__init__(columns, lines)
        self.buffer = Rows(lines)

    # text ------------------------------------------------------------------------------------------------------------
    def _cells_of(self, style: Char) -> Cells:
        cells = self._cells.get(style)
        if cells is None:
            if len(self._cells) >= _STYLES:
                self._cells.clear()
            cells = self._cells[style] = Cells(style)
        elif len(cells) > 4 * _STYLES:
            cells.clear()
        return cells

    def draw(self, data: str) -> None:
        """Put text down at the cursor; see the class."""
        table = self.g1_charset if self.charset else self.g0_charset
        if table is not charsets.LAT1_MAP:
            data = data.translate(table)
        if data.isascii() and mo.IRM not in self.mode:
            self._draw_run(data)
        else:
            for char in data:
                self._draw_char(char)
        self.last_drawn = data[-1:]

    def _draw_run(self, data: str) -> None:
        cells = self._cells_of(self.cursor.attrs).__getitem__
        columns, wrap = self.columns, mo.DECAWM in self.mode
        position, length = 0, len(data)
        while position < length:
            x = self.cursor.x
            if x >= columns:
                if not wrap:
                    position, x = length - 1, columns - 1
                else:
                    self.carriage_return()
                    self.index()
                    x = 0
            chunk = data[position : position + columns - x]
            end = x + len(chunk)
            line = self.buffer[self.cursor.y]
            if line:
                self._split_wide(line, x)
                self._split_wide(line, end)
            line.update(zip(range(x, end), map(cells, chunk), strict=True))
            self.dirty.add(self.cursor.y)
            self.cursor.x = end
            position += len(chunk)

    @staticmethod
    def _split_wide(line: Line, x: int) -> None:
        """Before the left or right edge of new text: a double-width character that is cut in two becomes blanks."""
        if x in line and line[x].data == "":
            line[x] = line[x]._replace(data=" ")
            line[x - 1] = line[x - 1]._replace(data=" ")

    def _draw_char(self, char: str) -> None:
        width = wcwidth(char)
        if width <= 0:
            if unicodedata.combining(char):
                self._combine(char)
            return
        width = min(width, self.columns)
        if self.cursor.x + width > self.columns:
            if mo.DECAWM in self.mode:
                self.carriage_return()
                self.index()
            else:
                self.cursor.x = self.columns - width
        if mo.IRM in self.mode:
            self.insert_characters(width)
        x, line = self.cursor.x, self.buffer[self.cursor.y]
        self._split_wide(line, x)
        self._split_wide(line, x + width)
        cells = self._cells_of(self.cursor.attrs)
        line[x] = cells[char]
        if width == 2:
            line[x + 1] = cells[""]
        self.dirty.add(self.cursor.y)
        self.cursor.x = x + width

    def _combine(self, char: str) -> None:
        line, x = self.buffer[self.cursor.y], self.cursor.x - 1
        if x > 0 and line[x].data == "":
            x -= 1
        if x < 0 or len(line[x].data) >= _COMBINING:
            return
        line[x] = line[x]._replace(data=unicodedata.normalize("NFC", line[x].data + char))
        self.dirty.add(self.cursor.y)

    # lines -----------------------------------------------------------------------------------------------------------
    def index(self) -> None:
        """Down one line; at the bottom the lines move up, and the top one is kept when it leaves the screen."""
        top, bottom = self.margins or (0, self.lines - 1)
        if self.cursor.y != bottom:
            self.cursor_down()
            return
        self.scroll_up(top, bottom)

    def reverse_index(self) -> None:
        """Up one line; at the top the lines move down."""
        top, bottom = self.margins or (0, self.lines - 1)
        if self.cursor.y == top:
            self.scroll_down(top, bottom)
        else:
            self.cursor_up()

    def insert_lines(self, count: int | None = None) -> None:
        """Blank lines at the cursor; pyte's leaves lines behind where a blank one should have moved."""
        self._shift(count, self.scroll_down)

    def delete_lines(self, count: int | None = None) -> None:
        """The lines at the cursor go, and not to the scrollback."""
        self._shift(count, self._move_up)

    def _shift(self, count: int | None, move: Callable[[int, int], object]) -> None:
        top, bottom = self.margins or (0, self.lines - 1)
        if top <= self.cursor.y <= bottom:
            for _ in range(min(count or 1, bottom - self.cursor.y + 1)):
                move(self.cursor.y, bottom)
            self.carriage_return()

    def scroll_up(self, top: int, bottom: int) -> None:
        """Move the lines of a region up by one; what leaves at the top of the screen is kept."""
        leaving = self._move_up(top, bottom)
        if top == 0 and self.main is None:
            self._keep(leaving)

    def _move_up(self, top: int, bottom: int) -> Line | None:
        buffer = self.buffer
        if len(self.dirty) < self.lines:
            self.dirty.update(range(top, bottom + 1))
        if top == 0 and bottom == self.lines - 1:
            return buffer.scroll()
        leaving = buffer.pop(top)
        for y in range(top, bottom):
            line = buffer.pop(y + 1)
            if line is not None:
                buffer[y] = line
        return leaving

    def _keep(self, line: Line | None) -> None:
        self.scrolled += 1
        if line:
            self.history.append(tuple(map(line.__getitem__, range(min(max(line) + 1, self.columns)))))
        else:
            self.history.append(())

    def _keep_screen(self) -> None:
        """Before the screen is blanked: a boot loader does so, and the last words before a reboot matter."""
        if self.main is not None:
            return
        shown = [y for y in range(self.lines) if any(cell.data.strip() for cell in (self.buffer.get(y) or {}).values())]
        for _ in range(max(shown, default=-1) + 1):
            self._keep(self.buffer.scroll())

    def scroll_down(self, top: int, bottom: int) -> None:
        """Move the lines of a region down by one; nothing comes back from the scrollback."""
        buffer = self.buffer
        buffer.pop(bottom, None)
        for y in range(bottom, top, -1):
            line = buffer.pop(y - 1, None)
            if line is not None:
                buffer[y] = line
        self.dirty.update(range(top, bottom + 1))

    def resize(self, lines: int | None = None, columns: int | None = None) -> None:
        """A new size: lines that no longer fit go to the scrollback, lines that fit again come back from it."""
        lines, columns = lines or self.lines, columns or self.columns
        self.margins = None
        while self.lines > lines:
            if self.cursor.y >= lines:
                self.scroll_up(0, self.lines - 1)
                self.cursor.y -= 1
            self.lines -= 1
            self.buffer.resize(self.lines)
        while self.lines < lines:
            self.lines += 1
            self.buffer.resize(self.lines)
            if self.main is None and self.history:
                self.scroll_down(0, self.lines - 1)
                line: Line = StaticDefaultDict(BLANK)
                line.update(enumerate(self.history.pop()))
                self.buffer[0] = line
                self.scrolled -= 1
                self.cursor.y += 1
        for line in self.buffer.values():
            for x in [x for x in line if x >= columns]:
                del line[x]
        self.columns = columns
        self.tabstops = set(range(8, columns, 8))
        self.clamp()
        self.dirty = set(range(lines))

    def clamp(self) -> None:
        """Bring the cursor back onto the screen."""
        self.cursor.x = min(self.cursor.x, self.columns)
        self.cursor.y = min(max(self.cursor.y, 0), self.lines - 1)

    # erase -----------------------------------------------------------------------------------------------------------
    def erase_in_line(self, how: int = 0, private: bool = False) -> None:
        """Blank a part of the line, in the background colour alone (pyte takes all attributes)."""
        x = self.cursor.x
        first, last = {0: (x, self.columns), 1: (0, min(x + 1, self.columns)), 2: (0, self.columns)}[how]
        line = self.buffer[self.cursor.y]
        self._split_wide(line, first)
        self._split_wide(line, last)
        self._blank(line, first, last)
        self.dirty.add(self.cursor.y)

    def _blank(self, line: Line, first: int, last: int) -> None:
        if self.cursor.attrs.bg == "default":
            for x in [x for x in line if first <= x < last]:
                del line[x]
        else:
            line.update(dict.fromkeys(range(first, last), BLANK._replace(bg=self.cursor.attrs.bg)))

    def erase_in_display(self, how: int = 0, *_args: Any, **_kwargs: Any) -> None:
        """Blank what is below, above, or all of the screen; what a blanked screen showed is kept."""
        if how == 2 or (how == 0 and (self.cursor.x, self.cursor.y) == (0, 0)):
            self._keep_screen()
        first, last = {0: (self.cursor.y + 1, self.lines), 1: (0, self.cursor.y), 2: (0, self.lines)}[how]
        for y in range(first, last):
            self.buffer.pop(y, None)
            if self.cursor.attrs.bg != "default":
                self._blank(self.buffer[y], 0, self.columns)
        self.dirty.update(range(first, last))
        if how != 2:
            self.erase_in_line(how)
