"""The lines of a screen: what pyte asks of its buffer, on a ring, so that scrolling a whole screen moves nothing."""

from __future__ import annotations

from collections import deque

from pyte.screens import Char, StaticDefaultDict

from tuinova.console.style import BLANK

Line = StaticDefaultDict[int, Char]


class Rows:
    """Line number to cells; a line that was never written takes no room. Numbers must be below the size."""

    __slots__ = ("_rows",)

    def __init__(self, count: int) -> None:
        self._rows: deque[Line | None] = deque([None] * count)

    def __getitem__(self, y: int) -> Line:
        line = self._rows[y]
        if line is None:
            line = self._rows[y] = StaticDefaultDict(BLANK)
        return line

    def __setitem__(self, y: int, line: Line) -> None:
        self._rows[y] = line

    def __contains__(self, y: int) -> bool:
        return 0 <= y < len(self._rows) and self._rows[y] is not None

    def get(self, y: int) -> Line | None:
        """The line if there is something in it."""
        return self._rows[y] if 0 <= y < len(self._rows) else None

    def pop(self, y: int, default: Line | None = None) -> Line | None:
        """Take a line out; its place is blank."""
        line, self._rows[y] = self._rows[y], None
        return default if line is None else line

    def values(self) -> list[Line]:
        """The lines in which there is something."""
        return [line for line in self._rows if line is not None]

    def clear(self) -> None:
        """Blank all."""
        self._rows = deque([None] * len(self._rows))

    def scroll(self) -> Line | None:
        """Move all up by one; gives the line that leaves."""
        leaving = self._rows.popleft()
        self._rows.append(None)
        return leaving

    def resize(self, count: int) -> None:
        """Cut or add at the bottom."""
        while len(self._rows) > count:
            self._rows.pop()
        self._rows.extend([None] * (count - len(self._rows)))
