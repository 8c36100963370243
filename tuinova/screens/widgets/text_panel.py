"""A panel of lines: logs, results, help, traces. Lines are parts of (text, tone); only visible ones are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tuinova.screens.widgets.tones import Toned
from tuinova.text import clean

Part = tuple[str, str]
Line = Sequence[Part]


def width_of(text: str) -> int:
    """Cells of a cleaned text."""
    return len(text) if text.isascii() else cell_len(text)


def padded(text: str, width: int) -> str:
    """The text on at least `width` cells; double-width characters count two, which `str.ljust` does not know."""
    return text + " " * (width - width_of(text))


def wrap_line(line: Line, width: int, indent: int = 0) -> list[Line]:
    """The line in pieces of at most `width` cells, broken at blanks where possible; the rest is indented."""
    if sum(width_of(text) for text, _tone in line) <= width or width < 8:
        return [line]
    indent = min(indent, width // 3)
    wrapped: list[Line] = []
    current: list[Part] = []
    room = width
    for text, tone in line:
        for word in _words(text):
            need = width_of(word)
            if need > room and current and need <= width - indent:
                wrapped.append(current)
                current, room = [(" " * indent, "")] if indent else [], width - indent
                word = word.lstrip() if current or not indent else word
                need = width_of(word)
            while need > room:
                cut = _fitting(word, room)
                wrapped.append([*current, (word[:cut], tone)])
                current, room = [(" " * indent, "")] if indent else [], width - indent
                word = word[cut:]
                need = width_of(word)
            if word:
                current.append((word, tone))
                room -= need
    if current:
        wrapped.append(current)
    return wrapped


def _words(text: str) -> Iterable[str]:
    word = ""
    for char in text:
        word += char
        if char == " ":
            yield word
            word = ""
    if word:
        yield word


def _fitting(text: str, room: int) -> int:
    """How many characters fit into `room` cells, one at least."""
    used = 0
    for place, char in enumerate(text):
        used += width_of(char)
        if used > room:
            return max(1, place)
    return len(text)


class TextPanel(Toned, ScrollView, can_focus=True):
    """Lines to read: scrolls, wraps if told, searches, follows the end."""

    DEFAULT_CSS = """
    TextPanel {
        height: 1fr; background: $background; color: $foreground; scrollbar-gutter: stable;
        scrollbar-size-vertical: 1; scrollbar-size-horizontal: 1;
    }
    """

    def __init__(
        self,
        lines: Sequence[Line] = (),
        *,
        wrap: bool = True,
        indent: int = 2,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.wrap = wrap
        self._indent = indent
        self._lines: list[Line] = list(lines)
        self._drawn: list[Line] = []
        self._needle = ""
        self._laid_out_for = -1
        self._match = -1

    # content ---------------------------------------------------------------------------------------------------------
    def show(self, lines: Iterable[Line], *, end: bool = False) -> None:
        """Put these lines here; the place of reading stays, or goes to the end."""
        self._lines = list(lines)
        self._lay_out()
        if end:
            self.to_end()

    def _lay_out(self) -> None:
        width = self.scrollable_content_region.width or self.size.width
        if not width:
            return
        self._laid_out_for = self.size.width
        cleaned: list[Line] = [[(clean(text), tone) for text, tone in line] for line in self._lines]
        if self.wrap:
            self._drawn = [piece for line in cleaned for piece in wrap_line(line, width, self._indent)]
            widest = 1
        else:
            self._drawn = cleaned
            widest = max((sum(width_of(text) for text, _tone in line) for line in cleaned), default=0)
        size = Size(widest, len(self._drawn))
        if size != self.virtual_size:
            self.virtual_size = size
        self.refresh()

    def on_resize(self, _event: events.Resize) -> None:
        if self._laid_out_for != self.size.width:
            self._lay_out()

    @property
    def line_count(self) -> int:
        """Lines as they are drawn."""
        return len(self._drawn)

    def natural_height(self, width: int) -> int:
        """Lines that the content needs at this width."""
        if not self.wrap:
            return len(self._lines)
        return sum(len(wrap_line(line, width, self._indent)) for line in self._lines)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """For `height: auto`."""
        return self.natural_height(width)

    def plain_text(self) -> str:
        """Everything as one text, for tests and for copying."""
        return "\n".join("".join(text for text, _tone in line) for line in self._drawn)

    # reading ---------------------------------------------------------------------------------------------------------
    @property
    def at_end(self) -> bool:
        """Whether the last line is in sight."""
        return self.scroll_offset.y + self.size.height >= len(self._drawn)

    def to_end(self) -> None:
        """Show the last lines."""
        self.scroll_to(y=max(0, len(self._drawn) - self.size.height), animate=False, force=True)

    def search(self, needle: str) -> int:
        """Light up what is looked for and go to the first match from here on; how many lines match."""
        self._needle = needle.lower()
        self._match = -1
        self.refresh()
        count = sum(self._needle in self._text(line) for line in self._drawn) if self._needle else 0
        if count:
            self._match = self.scroll_offset.y - 1
            self.next_match(1)
        return count

    def next_match(self, step: int) -> bool:
        """Go to the next (1) or the one before (-1); wraps around."""
        total = len(self._drawn)
        if not self._needle or not total:
            return False
        place = self._match
        for _try in range(total):
            place = (place + step) % total
            if self._needle in self._text(self._drawn[place]):
                self._match = place
                self.scroll_to(y=max(0, place - self.size.height // 2), animate=False, force=True)
                self.refresh()
                return True
        return False

    @staticmethod
    def _text(line: Line) -> str:
        return "".join(text for text, _tone in line).lower()

    # drawing ---------------------------------------------------------------------------------------------------------
    def render_line(self, y: int) -> Strip:
        width = self.size.width
        base = self.base_style
        number = self.scroll_offset.y + y
        if number >= len(self._drawn):
            return Strip.blank(width, base)
        line = self._drawn[number]
        strip = Strip([Segment(text, base + self.tone(tone) if tone else base) for text, tone in line])
        if self._needle:
            strip = self._lit(strip, self._text(line), number == self._match)
        left = self.scroll_offset.x
        return strip.crop_extend(left, left + width, base)

    def _lit(self, strip: Strip, text: str, current: bool) -> Strip:
        needle = self._needle
        style = self.tone("match") + Style(bold=current, underline=current)
        found = text.find(needle)
        while found >= 0:
            start = width_of(text[:found])
            end = start + width_of(needle)
            parts = [strip.crop(0, start), strip.crop(start, end), strip.crop(end)]
            lit = Strip([Segment(part.text, (part.style or Style.null()) + style) for part in parts[1]])
            strip = Strip.join([parts[0], lit, parts[2]])
            found = text.find(needle, found + len(needle))
        return strip
