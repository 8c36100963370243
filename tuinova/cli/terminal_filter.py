"""What of a guest's bytes may reach the operator's terminal: text, colours and cursor movement.

Sequences that act on the terminal itself (OSC: clipboard, title, links; DCS, APC, PM, SOS strings; 8-bit C1 controls)
are written out as visible text, so that a guest can neither paste into the clipboard nor program the terminal.
"""

from __future__ import annotations

_ESC = 0x1B
# ESC followed by one of these opens a string that only ST or BEL ends.
_STRING_OPENERS = b"]P_^X"

_HELD_AT_MOST = 4096


class TerminalFilter:
    """A stream filter; sequences may be cut anywhere between two calls."""

    def __init__(self) -> None:
        self._state = "text"
        self._length = 0

    def feed(self, data: bytes) -> bytes:
        """The bytes that are safe to write."""
        out = bytearray()
        for byte in data:
            self._step(byte, out)
        return bytes(out)

    def _step(self, byte: int, out: bytearray) -> None:
        if self._state == "text":
            self._text(byte, out)
        elif self._state == "escape":
            self._escape(byte, out)
        elif self._state == "c2":
            self._after_c2(byte, out)
        else:
            self._string(byte, out)

    def _text(self, byte: int, out: bytearray) -> None:
        if byte == _ESC:
            self._state = "escape"
        elif byte == 0xC2:  # the first byte of a C1 control in UTF-8
            self._state = "c2"
        else:
            out.append(byte)

    def _escape(self, byte: int, out: bytearray) -> None:
        if byte in _STRING_OPENERS:
            out += b"^[" + bytes((byte,))
            self._state, self._length = "string", 0
        elif byte == _ESC:
            out.append(_ESC)
        else:
            out += bytes((_ESC, byte))
            self._state = "text"

    def _after_c2(self, byte: int, out: bytearray) -> None:
        self._state = "text"
        if 0x80 <= byte <= 0x9F:
            out += b"\\x%02x" % byte
        else:
            out.append(0xC2)
            self._text(byte, out)

    def _string(self, byte: int, out: bytearray) -> None:
        """Inside an OSC or DCS: its text is shown, its end is swallowed."""
        self._length += 1
        if byte == 0x07 or self._length > _HELD_AT_MOST:
            self._state = "text"
        elif self._state == "string-escape":
            self._state = "text"
            if byte != 0x5C:  # not ST after all
                self._state = "escape"
                self._escape(byte, out)
        elif byte == _ESC:
            self._state = "string-escape"
        elif 0x20 <= byte < 0x7F:
            out.append(byte)
