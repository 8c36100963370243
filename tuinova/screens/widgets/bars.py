"""The one-line bars: title with connection and counts, rooms, and the footer's keys."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tuinova.screens.widgets.tones import Toned
from tuinova.text import clean

LEAST_TEXT = 8  # cells; less of a text is not worth showing


class Piece(NamedTuple):
    """A run of text in a bar; `target` is what a click on it means."""

    text: str
    tone: str = ""
    target: str = ""

    @property
    def width(self) -> int:
        """Cells."""
        return cell_len(self.text)


class Tab(NamedTuple):
    """A room or a page's tab in its bar: the key that opens it, its word, a shorter one for narrow terminals."""

    key: str
    id: str
    label: str
    short: str = ""


def tab_pieces(tabs: Sequence[Tab], current: str, kind: str, width: int) -> list[Piece]:
    """The tabs as pieces whose targets are `kind:id`.

    Where it is narrow they stand closer together, then have shorter words, and at last only those around the current
    one are shown, with arrows where there are more.
    """
    pieces: list[Piece] = []
    for end, short in ((" ", False), ("", False), ("", True)):
        pieces = []
        for tab in tabs:
            tone = "current" if tab.id == current else "tab"
            key = f" {tab.key}" if tab.key else ""
            pieces.append(Piece(f"{key} {(tab.short if short else '') or tab.label}{end}", tone, f"{kind}:{tab.id}"))
        if sum(piece.width for piece in pieces) <= width:
            return pieces
    place = next((number for number, tab in enumerate(tabs) if tab.id == current), 0)
    return _around(pieces, place, width)


def _around(pieces: Sequence[Piece], place: int, width: int) -> list[Piece]:
    """As many pieces as fit, the one at `place` among them, between arrows to the ones beside."""
    first, last = place, place
    room = width - 4 - pieces[place].width  # two cells for each arrow
    while True:
        grown = False
        if last + 1 < len(pieces) and pieces[last + 1].width <= room:
            last += 1
            room -= pieces[last].width
            grown = True
        if first > 0 and pieces[first - 1].width <= room:
            first -= 1
            room -= pieces[first].width
            grown = True
        if not grown:
            break
    before = [Piece("‹ ", "tab", pieces[first - 1].target)] if first > 0 else []
    after = [Piece(" ›", "tab", pieces[last + 1].target)] if last + 1 < len(pieces) else []
    return [*before, *pieces[first : last + 1], *after]


class Bar(Toned, Widget):
    """One line: pieces from the left, pieces from the right; the left ones give way when it gets narrow."""

    DEFAULT_CSS = """
    Bar {
        height: 1; width: 1fr; background: $bar-bg; color: $bar-fg;
    }
    """

    class Picked(Message):
        """A click on a piece with a target."""

        def __init__(self, bar: Bar, target: str) -> None:
            self.bar = bar
            self.target = target
            super().__init__()

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._left: tuple[Piece, ...] = ()
        self._right: tuple[Piece, ...] = ()
        self._targets: list[tuple[int, int, str]] = []

    def show(self, left: Sequence[Piece], right: Sequence[Piece] = ()) -> None:
        """Put these pieces on the bar; nothing is drawn when they are the same."""
        fresh = (tuple(left), tuple(right))
        if fresh != (self._left, self._right):
            self._left, self._right = fresh
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        base = self.base_style
        right_width = sum(piece.width for piece in self._right)
        self._targets = []
        segments, used = self._segments(self._left, 0, max(0, width - right_width), base)
        if used + right_width <= width:
            segments.append(Segment(" " * (width - used - right_width), base))
            more, _end = self._segments(self._right, width - right_width, width, base)
            segments += more
        return Strip(segments).crop_extend(0, width, base)

    def _segments(self, pieces: Sequence[Piece], start: int, end: int, base: Style) -> tuple[list[Segment], int]:
        segments: list[Segment] = []
        for target, group in groupby(pieces, key=lambda piece: piece.target or piece):
            run = list(group)  # a key and its word come together or not at all
            if start + sum(piece.width for piece in run) > end:
                if not segments and not isinstance(target, str) and end - start > LEAST_TEXT:
                    text = set_cell_size(clean(run[0].text), end - start - 1) + "…"
                    segments.append(Segment(text, base + self.tone(run[0].tone)))
                    start = end
                break
            first = start
            for piece in run:
                style = base + self.tone(piece.tone) if piece.tone else base
                segments.append(Segment(clean(piece.text), style))
                start += piece.width
            if isinstance(target, str):
                self._targets.append((first, start, target))
        return segments, start

    def on_click(self, event: events.Click) -> None:
        for start, end, target in self._targets:
            if start <= event.x < end:
                event.stop()
                self.post_message(self.Picked(self, target))
                return
