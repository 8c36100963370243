"""The picture of a guest's terminal: lines of its emulator as strips, its scrollback, and what a search found."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from rich.color import ColorParseError
from rich.segment import Segment as RichSegment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tuinova.console.terminal import Match, Segment
from tuinova.screens.widgets.console_keys import encode, encode_paste
from tuinova.screens.widgets.console_line import ConsoleLine
from tuinova.screens.widgets.tones import Toned

_FRAME = 1 / 30


@lru_cache(maxsize=2048)
def _style(segment: Segment) -> Style:
    """The rich style of a run (its text left out by the caller, so that runs of one style share it)."""
    try:
        return Style(
            color=None if segment.fg == "default" else segment.fg,
            bgcolor=None if segment.bg == "default" else segment.bg,
            bold=segment.bold or None,
            italic=segment.italic or None,
            underline=segment.underline or None,
            reverse=segment.reverse or None,
            strike=segment.strike or None,
        )
    except ColorParseError:
        return Style.null()


class ConsoleView(Toned, Widget, can_focus=True):
    """Keys go to the guest while `typing`; else they are the pane's commands."""

    ALLOW_MAXIMIZE = True
    DEFAULT_CSS = """
    ConsoleView { height: 1fr; width: 1fr; background: #000000; color: #d0d0d0; }
    ConsoleView:ansi { background: ansi_default; color: ansi_default; }
    """

    class Command(Message):
        """A key pressed while not typing, or the detach key."""

        def __init__(self, key: str, character: str | None) -> None:
            self.key = key
            self.character = character
            super().__init__()

    class Woken(Message):
        """The reader has something to paint; at most one is under way."""

    def __init__(self, detach_key: str) -> None:
        super().__init__()
        self.detach_key = detach_key
        self.line: ConsoleLine | None = None
        self.typing = True
        self.back = 0  # lines that the picture is scrolled up
        self.matches: list[Match] = []
        self.current: Match | None = None
        self.sentence = ""
        self.is_command: Callable[[str], bool] = lambda _key: True
        self._scrolled = 0
        self._cursor_row = 0
        self._strips: dict[int, Strip] = {}
        self._waking = False

    @property
    def takes_all_keys(self) -> bool:
        """No binding of the application may take a key away from the guest."""
        return self.typing and self.has_focus

    # painting --------------------------------------------------------------------------------------------------------
    def wake(self) -> None:
        """Called by the reader, in its thread."""
        if not self._waking and self.is_running:
            self._waking = True
            self.post_message(self.Woken())

    def on_console_view_woken(self) -> None:
        self.set_timer(_FRAME, self._paint)

    def _paint(self) -> None:
        """Repaint the rows that changed; everything when the picture is scrolled or rows moved."""
        self._waking = False
        line = self.line
        if line is None:
            return
        with line.guard:
            terminal = line.terminal
            dirty = terminal.take_dirty()
            moved = terminal.scrolled - self._scrolled
            self._scrolled = terminal.scrolled
            row = terminal.cursor.row
        if self.back and moved > 0:
            self.back = min(self.back + moved, terminal.scrollback)  # what is read stays in place
            self.refresh()
        elif self.back == 0:
            self._refresh_rows(dirty | {row, self._cursor_row})
        self._cursor_row = row
        self.post_message(self.Command("", None))  # the pane looks at the state

    def _refresh_rows(self, rows: set[int]) -> None:
        for row in rows:
            self._strips.pop(row, None)
        if len(rows) > 8:
            self.refresh()
            return
        self.refresh(*(Region(0, row, self.size.width, 1) for row in rows if row < self.size.height))

    def repaint(self) -> None:
        """Everything anew: scrolled, searched, another mode."""
        self._strips.clear()
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        if self.line is not None and event.size.width and event.size.height:
            self.line.resize(event.size.height, event.size.width)
        self._strips.clear()

    def notify_style_update(self) -> None:
        self._strips.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        if self.sentence and y == self.size.height - 1:
            text = f" {self.sentence} "
            return Strip([RichSegment(text, base + self.tone("warn") + Style(reverse=True))]).adjust_cell_length(
                width, base
            )
        if self.line is None:
            return Strip.blank(width, base)
        kept = self._strips.get(y) if self.back == 0 else None
        if kept is None:
            kept = self._build(y - self.back, width, base)
            if self.back == 0:
                self._strips[y] = kept
        return kept

    def _build(self, line_number: int, width: int, base: Style) -> Strip:
        assert self.line is not None
        with self.line.guard:
            terminal = self.line.terminal
            segments = terminal.line(line_number)
            cursor = terminal.cursor
        strip = Strip(
            [RichSegment(segment.text, base + _style(segment._replace(text=""))) for segment in segments]
        ).adjust_cell_length(width, base)
        for match in self.matches:
            if match.line == line_number:
                strip = self._marked(strip, match, width)
        at_cursor = self.back == 0 and cursor.visible and cursor.row == line_number and cursor.column < width
        if at_cursor:
            hot = self.has_focus and self.typing
            style = Style(reverse=True) if hot else Style(underline=True)
            strip = _restyled(strip, cursor.column, cursor.column + 1, style, width)
        return strip

    def _marked(self, strip: Strip, match: Match, width: int) -> Strip:
        style = Style(reverse=True, bold=True) if match == self.current else Style(reverse=True)
        return _restyled(strip, match.start, min(match.end, width), style, width)

    # scrolling -------------------------------------------------------------------------------------------------------
    def scroll_lines(self, lines: int) -> None:
        """Up for positive numbers."""
        if self.line is None:
            return
        with self.line.guard:
            limit = self.line.terminal.scrollback
            if self.back == 0:
                self._scrolled = self.line.terminal.scrolled  # what was not painted yet moves nothing
        back = min(max(self.back + lines, 0), limit)
        if back != self.back:
            self.back = back
            self.repaint()
            self.post_message(self.Command("", None))

    def show_line(self, number: int) -> None:
        """Scroll so that a line of the emulator's counting is in the picture."""
        height = self.size.height
        if number < -self.back or number >= height - self.back:
            self.back = 0
            self.scroll_lines(max(height // 2 - number, 0))
        self.repaint()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_lines(3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_lines(-3)

    # keys ------------------------------------------------------------------------------------------------------------
    async def _on_key(self, event: events.Key) -> None:
        if not self.typing and event.key != self.detach_key and not self.is_command(event.key):
            return  # the page's: Esc, the tabs' digits, the action menu
        event.stop()
        event.prevent_default()
        if not self.typing or event.key == self.detach_key:
            self.post_message(self.Command(event.key, event.character))
            return
        if event.key in ("shift+pageup", "shift+pagedown"):
            step = max(self.size.height - 2, 1)
            self.scroll_lines(step if event.key == "shift+pageup" else -step)
            return
        assert self.line is not None
        with self.line.guard:
            application = self.line.terminal.application_cursor
        self._type(encode(event.key, event.character, application))

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        if self.line is None or not self.typing:
            return
        with self.line.guard:
            bracketed = self.line.terminal.bracketed_paste
        self._type(encode_paste(event.text, bracketed))

    def _type(self, data: bytes) -> None:
        assert self.line is not None
        if self.back:
            self.back = 0
            self.repaint()
        self.line.send(data)

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        if self.line is not None:
            # One viewer answers the guest's questions to its terminal, or several answers would be typed.
            self.line.answers_wanted = has_focus
        self.repaint()
        self.post_message(self.Command("", None))


def _restyled(strip: Strip, start: int, end: int, style: Style, width: int) -> Strip:
    """The strip with a style over some of its cells."""
    left, middle, right = strip.crop(0, start), strip.crop(start, end), strip.crop(end, width)
    return Strip.join([left, middle.apply_style(style), right])
