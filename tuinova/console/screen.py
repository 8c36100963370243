"""What a guest's control characters and sequences do to the grid.

Counts, modes and saved states are bounded, and what would make pyte raise is ignored, since the guest is not trusted.
"""

from __future__ import annotations

from pyte import charsets
from pyte import modes as mo
from pyte.screens import Cursor, Margins

from tuinova.console.grid import Grid
from tuinova.console.rows import Rows
from tuinova.console.style import BLANK, restyle

_KNOWN_MODES = frozenset({6, 7, 25})  # origin, wrap, cursor; private ones
_APPLICATION_CURSOR, _BRACKETED_PASTE = 1, 2004
_ALTERNATE = frozenset({47, 1047, 1049})
_CSI = {
    "@": "insert_characters",
    "A": "cursor_up",
    "B": "cursor_down",
    "C": "cursor_forward",
    "D": "cursor_back",
    "E": "cursor_down1",
    "F": "cursor_up1",
    "G": "cursor_to_column",
    "L": "insert_lines",
    "M": "delete_lines",
    "P": "delete_characters",
    "X": "erase_characters",
    "`": "cursor_to_column",
    "a": "cursor_forward",
    "d": "cursor_to_line",
    "e": "cursor_down",
}


class GuestScreen(Grid):
    """What `Parser` calls. `answers` gathers what the guest asked the terminal for."""

    def __init__(self, columns: int, lines: int, history: int) -> None:
        self.answers = bytearray()
        self.bells = 0
        self.application_cursor = False
        self.bracketed_paste = False
        self._saved: tuple[Cursor, int, bool] | None = None
        super().__init__(columns, lines, history)

    def control(self, char: str) -> None:
        """A control character."""
        if char == "\n":
            self.linefeed()
        elif char == "\r":
            self.cursor.x = 0
        elif char == "\b":
            self.backspace()
        elif char == "\t":
            self.tab()
        elif char in "\x0b\x0c":
            self.linefeed()
        elif char == "\x07":
            self.bells += 1
        elif char == "\x0e":
            self.charset = 1
        elif char == "\x0f":
            self.charset = 0

    # sequences -------------------------------------------------------------------------------------------------------
    def escape(self, intermediates: str, final: str) -> None:
        """An escape sequence without parameters; unknown ones are ignored."""
        if intermediates in ("(", ")"):
            self.define_charset(final, intermediates)
        elif intermediates == "#" and final == "8":
            self.alignment_display()
        elif intermediates:
            return
        elif final == "D":
            self.index()
        elif final == "E":
            self.carriage_return()
            self.index()
        elif final == "M":
            self.reverse_index()
        elif final == "H":
            self.set_tab_stop()
        elif final == "7":
            self.save_cursor()
        elif final == "8":
            self.restore_cursor()
        elif final == "c":
            self.reset()
        elif final == "Z":
            self.answer("\x1b[?6c")

    def sequence(self, private: str, parameters: tuple[int, ...], intermediates: str, final: str) -> None:
        """A control sequence; unknown ones are ignored."""
        if final == "m" and not private and not intermediates:
            self.cursor.attrs = restyle(self.cursor.attrs, parameters)
            return
        first = parameters[0]
        if intermediates:
            if intermediates == "!" and final == "p":
                self.soft_reset()
        elif private == "?":
            if final in "hl":
                self._private_modes(parameters, on=final == "h")
        elif private:
            if private == ">" and final == "c" and first == 0:
                self.answer("\x1b[>0;0;0c")
        elif final in _CSI:
            getattr(self, _CSI[final])(first)
        else:
            self._other_sequence(final, parameters, first)

    def _other_sequence(self, final: str, parameters: tuple[int, ...], first: int) -> None:
        if final in "Hf":
            self.cursor_position(first, parameters[1] if len(parameters) > 1 else 1)
        elif final == "J" and first in (0, 1, 2):
            self.erase_in_display(first)
        elif final == "K" and first in (0, 1, 2):
            self.erase_in_line(first)
        elif final == "r":
            self._set_region(first, parameters[1] if len(parameters) > 1 else 0)
        elif final in "ST":
            top, bottom = self.margins or (0, self.lines - 1)
            for _ in range(min(first or 1, self.lines)):
                (self.scroll_up if final == "S" else self.scroll_down)(top, bottom)
        elif final == "b" and self.last_drawn:
            self.draw(self.last_drawn * min(first or 1, self.columns))
            self.last_drawn = self.last_drawn[-1:]
        elif final == "g" and first in (0, 3):
            self.clear_tab_stop(first)
        elif final in "hl" and first == 4:
            (self.mode.add if final == "h" else self.mode.discard)(mo.IRM)
        elif final == "n":
            self._report(first)
        elif final == "c" and first == 0:
            self.answer("\x1b[?6c")
        elif final == "s":
            self.save_cursor()
        elif final == "u":
            self.restore_cursor()

    def _private_modes(self, parameters: tuple[int, ...], *, on: bool) -> None:
        for mode in parameters:
            if mode == _APPLICATION_CURSOR:
                self.application_cursor = on
            elif mode == _BRACKETED_PASTE:
                self.bracketed_paste = on
            elif mode in _ALTERNATE:
                self._alternate(on=on)
            elif mode in _KNOWN_MODES:
                (self.set_mode if on else self.reset_mode)(mode, private=True)

    def _alternate(self, *, on: bool) -> None:
        """Full-screen programs draw on a second screen, which is not kept."""
        if on and self.main is None:
            self.main = (self.buffer, self._copy_cursor())
            self.buffer = Rows(self.lines)
        elif not on and self.main is not None:
            self.buffer, self.cursor = self.main
            self.main = None
            self.buffer.resize(self.lines)
            self.margins = None
            self.clamp()
        self.dirty.update(range(self.lines))

    def _set_region(self, top: int, bottom: int) -> None:
        top, bottom = max(top, 1) - 1, min(bottom or self.lines, self.lines) - 1
        if top < bottom:
            self.margins = None if (top, bottom) == (0, self.lines - 1) else Margins(top, bottom)
            self.cursor_position()

    # state -----------------------------------------------------------------------------------------------------------
    def _copy_cursor(self) -> Cursor:
        copied = Cursor(self.cursor.x, self.cursor.y, self.cursor.attrs)
        copied.hidden = self.cursor.hidden
        return copied

    def save_cursor(self) -> None:
        """One state is kept, as terminals do; pyte keeps any number."""
        self._saved = (self._copy_cursor(), self.charset, mo.DECOM in self.mode)

    def restore_cursor(self) -> None:
        """Back to the saved state, home without one."""
        if self._saved is None:
            self.cursor_position()
            return
        cursor, self.charset, origin = self._saved
        self.cursor.x, self.cursor.y, self.cursor.attrs = cursor.x, cursor.y, cursor.attrs
        (self.mode.add if origin else self.mode.discard)(mo.DECOM)
        self.clamp()

    def cursor_to_line(self, line: int | None = None) -> None:
        """pyte insists on margins in origin mode."""
        if self.margins is None:
            self.mode.discard(mo.DECOM)
        super().cursor_to_line(line)

    def soft_reset(self) -> None:
        """Modes and style as at the start; the text stays."""
        self.mode = {mo.DECAWM, mo.DECTCEM}
        self.margins = None
        self.charset, self.g0_charset, self.g1_charset = 0, charsets.LAT1_MAP, charsets.VT100_MAP
        self.cursor.attrs, self.cursor.hidden = BLANK, False
        self.application_cursor = self.bracketed_paste = False
        self._saved = None

    def reset(self) -> None:
        """All as at the start; the scrollback stays, and what the screen showed joins it."""
        self._keep_screen()
        self.main = self._saved = None
        self.application_cursor = self.bracketed_paste = False
        super().reset()

    def _report(self, what: int) -> None:
        if what == 5:
            self.answer("\x1b[0n")
        elif what == 6:
            top = self.margins.top if self.margins is not None and mo.DECOM in self.mode else 0
            self.answer(f"\x1b[{self.cursor.y - top + 1};{min(self.cursor.x, self.columns - 1) + 1}R")

    def answer(self, text: str) -> None:
        """Note an answer for the guest; one that asks without end gets a few."""
        if len(self.answers) < 256:
            self.answers += text.encode()
