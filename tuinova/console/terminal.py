"""A guest's terminal for a pane: bytes in, styled lines out.

Nothing that the guest prints leaves here but printable characters with colours: no control, no title, no clipboard, no
invisible or direction-changing character. Not thread-safe: whoever feeds in one thread and reads in another has a lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from pyte.screens import Char
from wcwidth import wcwidth

from tuinova.console.parser import Parser
from tuinova.console.screen import GuestScreen

_STYLE = itemgetter(slice(1, None))
_DATA = itemgetter(0)
_SMALLEST = 2
_LARGEST = 1000


class Segment(NamedTuple):
    """A run of text of one style. Colours: "default", a name (red, bright_red) or "#rrggbb", as rich has them."""

    text: str
    fg: str = "default"
    bg: str = "default"
    bold: bool = False
    italic: bool = False
    underline: bool = False
    reverse: bool = False
    strike: bool = False


class Cursor(NamedTuple):
    """Where the cursor is: row and column from 0, always on the screen."""

    row: int
    column: int
    visible: bool


class Match(NamedTuple):
    """A place that a search found: the line as `Terminal.line` counts, the columns from `start` up to `end`."""

    line: int
    start: int
    end: int


class Terminal:
    """Lines are counted from the top of the screen: 0 .. rows - 1; -1 is the newest line of the scrollback."""

    def __init__(self, rows: int = 24, columns: int = 80, history: int = 5000) -> None:
        self._screen = GuestScreen(_size(columns), _size(rows), history)
        self._parser = Parser(self._screen)

    # in --------------------------------------------------------------------------------------------------------------
    def feed(self, data: bytes) -> None:
        """Take what the guest said, cut anywhere."""
        self._parser.feed(data)

    def resize(self, rows: int, columns: int) -> None:
        """A new size of the pane. A serial line has no window size: the guest is not told."""
        rows, columns = _size(rows), _size(columns)
        if (rows, columns) != (self.rows, self.columns):
            self._screen.resize(rows, columns)

    # out -------------------------------------------------------------------------------------------------------------
    @property
    def rows(self) -> int:
        """Lines of the screen."""
        return self._screen.lines

    @property
    def columns(self) -> int:
        """Columns of the screen."""
        return self._screen.columns

    @property
    def scrollback(self) -> int:
        """How many lines are kept above the screen."""
        return len(self._screen.history)

    @property
    def scrolled(self) -> int:
        """How many lines have left the screen in all: by how much a kept place has moved up since."""
        return self._screen.scrolled

    def take_dirty(self) -> set[int]:
        """The rows of the screen that changed since the last call."""
        dirty = {row for row in self._screen.dirty if row < self._screen.lines}
        self._screen.dirty.clear()
        return dirty

    @property
    def cursor(self) -> Cursor:
        """Where the guest's cursor is."""
        cursor = self._screen.cursor
        return Cursor(cursor.y, min(cursor.x, self.columns - 1), not cursor.hidden)

    @property
    def application_cursor(self) -> bool:
        """Arrow keys are to be sent as `ESC O A`, not `ESC [ A`."""
        return self._screen.application_cursor

    @property
    def bracketed_paste(self) -> bool:
        """Pastes are to be wrapped in `ESC [ 200 ~` and `ESC [ 201 ~`."""
        return self._screen.bracketed_paste

    @property
    def bells(self) -> int:
        """How often the guest rang."""
        return self._screen.bells

    @property
    def answers(self) -> bytes:
        """What the guest asked the terminal for and waits for; see `take_answers`."""
        return bytes(self._screen.answers)

    def take_answers(self) -> bytes:
        """The answers since the last call. Exactly one viewer sends them (the focused one), the others drop them."""
        answers = bytes(self._screen.answers)
        self._screen.answers.clear()
        return answers

    def line(self, y: int) -> list[Segment]:
        """A line, without the blanks at its end; empty beyond the screen and the scrollback."""
        segments = [
            Segment(text, fg, bg, bold, italic, underline, reverse, strike)
            for (fg, bg, bold, italic, underline, strike, reverse, _blink), text in self._runs(y)
        ]
        while segments and not segments[-1].text.strip(" "):
            last = segments[-1]
            if last.bg != "default" or last.reverse or last.underline or last.strike:
                return segments
            segments.pop()
        if segments:
            last = segments[-1]
            if last.bg == "default" and not (last.reverse or last.underline or last.strike):
                segments[-1] = last._replace(text=last.text.rstrip(" "))
        return segments

    def _runs(self, y: int) -> list[tuple[tuple[str, str, bool, bool, bool, bool, bool, bool], str]]:
        return [(style, "".join(map(_DATA, cells))) for style, cells in groupby(self._row(y), key=_STYLE)]

    def text(self, y: int) -> str:
        """A line without its styles."""
        return "".join(map(_DATA, self._row(y))).rstrip(" ")

    def _row(self, y: int) -> Sequence[Char]:
        """The cells of a line, as wide as the screen at most; each double-width character has its second cell."""
        screen = self._screen
        row: Sequence[Char]
        if y >= 0:
            line = screen.buffer.get(y)
            if y >= screen.lines or not line:
                return ()
            row = [line[x] for x in range(min(max(line) + 1, screen.columns))]
        elif -y <= len(screen.history):
            row = screen.history[y][: screen.columns]
        else:
            return ()
        text = "".join(map(_DATA, row))
        return row if len(text) == len(row) and text.isascii() else _mended(row)

    # search ----------------------------------------------------------------------------------------------------------
    def search(self, words: str) -> list[Match]:
        """Every place, oldest first, in the scrollback and on the screen where the text stands; case is ignored."""
        wanted = words.casefold()
        found: list[Match] = []
        if not wanted:
            return found
        for y in range(-self.scrollback, self.rows):
            row = self._row(y)
            text = "".join(map(_DATA, row)).casefold()
            start = text.find(wanted)
            if start < 0:
                continue
            columns = _columns_of(row)
            while start >= 0:
                end = start + len(wanted)
                found.append(Match(y, columns[start], columns[end - 1] + 1))
                start = text.find(wanted, end)
        return found


def _size(value: int) -> int:
    return min(max(int(value), _SMALLEST), _LARGEST)


def _columns_of(row: Sequence[Char]) -> list[int]:
    """The column of each character of the line's folded text (a cell may hold none or several)."""
    columns: list[int] = []
    for column, cell in enumerate(row):
        columns.extend([column] * len(cell.data.casefold()))
    return columns


def _mended(row: Sequence[Char]) -> list[Char]:
    """Cells in which every double-width character is whole: a half that was cut off becomes a blank."""
    mended = list(row)
    x = 0
    while x < len(mended):
        data = mended[x].data
        if data == "":
            mended[x] = mended[x]._replace(data=" ")
        elif not data.isascii() and wcwidth(data[0]) == 2:
            if x + 1 < len(mended) and mended[x + 1].data == "":
                x += 1
            else:
                mended[x] = mended[x]._replace(data=" ")
        x += 1
    return mended
