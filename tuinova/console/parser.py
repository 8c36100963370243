"""Bytes of a guest to terminal operations: a tokeniser that nothing hostile can stall, fill or confuse for long.

Whole runs of text and whole sequences are found by one regular expression, which is several times faster than a state
machine that looks at each character. Nothing is kept but an unfinished sequence of at most `_SEQUENCE` characters;
strings (titles, clipboard, device control) are swallowed unread. C1 controls are not honoured: the guest speaks UTF-8.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import Protocol

_SEQUENCE = 256  # characters of an unfinished control sequence; a longer one is dropped to its end
_STRING = 64 * 1024  # characters of an unfinished string; after so many the guest has surely forgotten to end it
_PARAMETERS = 32
_LARGEST = 9999

_TOKEN = re.compile(
    r"(?P<text>[^\x00-\x1f\x7f-\x9f]+)"
    r"|\x1b\[(?P<csi>[0-?]*)(?P<inter>[ -/]*)(?P<final>[@-~])"
    r"|(?P<control>[\x00-\x1a\x1c-\x1f\x7f-\x9f])"
    r"|\x1b\](?:R|P[0-9a-fA-F]{7})"  # the Linux console's palette: strings without an end
    r"|(?P<string>\x1b(?:\](?!\Z|P[0-9a-fA-F]{0,6}\Z)|[PX^_]))"
    r"|\x1b(?P<two>[ -/]+)(?P<what>[0-~])"
    r"|\x1b(?P<one>[0-OQ-WYZ\\`-~])"
)
# Controls may stand in the middle of a sequence; a terminal carries them out and goes on with it.
_MIXED = re.compile(r"\x1b\[(?P<body>[ -?\x00-\x17\x19\x1c-\x1f]*)(?P<final>[@-~])")
_UNFINISHED = re.compile(r"\x1b(?:\[[ -?\x00-\x17\x19\x1c-\x1f]*|[ -/]*|\](?:P[0-9a-fA-F]{0,6})?)\Z")
_STRING_END = re.compile(r"[\x07\x18\x1a\x1b\x9c]")
_REST_OF_CSI = re.compile(r"[ -?]*")
_BROKEN = re.compile(r"\x1b(?:\[[ -?\x00-\x17\x19\x1c-\x1f]*|[ -/]*)")
_NOT_CONTROL = re.compile(r"[ -?]+")


class Operations(Protocol):
    """What the parser calls."""

    def draw(self, data: str) -> None: ...
    def control(self, char: str) -> None: ...
    def escape(self, intermediates: str, final: str) -> None: ...
    def sequence(self, private: str, parameters: tuple[int, ...], intermediates: str, final: str) -> None: ...


@lru_cache(maxsize=2048)
def parse_parameters(text: str) -> tuple[str, tuple[int, ...]]:
    """("?", (1, 2)) of "?1;2"; absent numbers are 0, big ones are cut, colons count as semicolons."""
    private = text[:1] if text[:1] in ("<", "=", ">", "?") else ""
    numbers = re.split("[;:]", text[len(private) :], maxsplit=_PARAMETERS)[:_PARAMETERS]
    return private, tuple(min(int(part[:6]), _LARGEST) if part.isdigit() else 0 for part in numbers)


class Parser:
    """Feed it bytes; it calls the operations of a screen."""

    def __init__(self, operations: Operations) -> None:
        self._to = operations
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._in_string = 0  # characters swallowed so far, plus one; 0 outside a string
        self._in_long_csi = False

    def feed(self, data: bytes) -> None:
        """Take what the guest said; pieces may end anywhere."""
        text = self._rest + self._decoder.decode(data)
        self._rest = ""
        position = 0
        while position < len(text):
            if self._in_string:
                position = self._swallow_string(text, position)
            elif self._in_long_csi:
                position = self._swallow_csi(text, position)
            else:
                position = self._tokens(text, position)

    def _tokens(self, text: str, position: int) -> int:
        """Carry out tokens until the text ends, a string begins or a sequence is not whole."""
        to, match_token = self._to, _TOKEN.match
        draw, control = to.draw, to.control
        while match := match_token(text, position):
            position = match.end()
            kind = match.lastgroup
            if kind == "text":
                draw(match.group())
            elif kind == "control":
                control(match.group())
            elif kind == "final":
                private, parameters = parse_parameters(match["csi"])
                to.sequence(private, parameters, match["inter"], match["final"])
            elif kind == "string":
                self._in_string = 1
                return position
            elif kind == "what":
                to.escape(match["two"], match["what"])
            elif kind == "one":
                to.escape("", match["one"])
        return position if position >= len(text) else self._broken(text, position)

    def _broken(self, text: str, position: int) -> int:
        """An escape that is not whole, or wrong: keep it, drop it, or take the control out of its middle."""
        if _UNFINISHED.match(text, position):
            if len(text) - position <= _SEQUENCE:
                self._rest = text[position:]
            else:
                self._in_long_csi = True
            return len(text)
        mixed = _MIXED.match(text, position)
        if mixed is not None and mixed.end() - position <= _SEQUENCE:
            for char in _NOT_CONTROL.sub("", mixed["body"]):
                self._to.control(char)
            whole = "".join(_NOT_CONTROL.findall(mixed["body"])) + mixed["final"]
            match = _TOKEN.match("\x1b[" + whole)
            if match is not None and match.lastgroup == "final":
                private, parameters = parse_parameters(match["csi"])
                self._to.sequence(private, parameters, match["inter"], match["final"])
            return mixed.end()
        broken = _BROKEN.match(text, position)
        assert broken is not None, "only an escape matches no token"
        return broken.end()

    def _swallow_string(self, text: str, position: int) -> int:
        """Skip a title, clipboard text or device string up to its end, or to where it has gone on for too long."""
        room = _STRING - self._in_string
        match = _STRING_END.search(text, position, position + room)
        if match is None:
            taken = min(room, len(text) - position)
            self._in_string = 0 if taken >= room else self._in_string + taken
            return position + max(taken, 1)
        end = match.start()
        if match.group() != "\x1b":
            self._in_string = 0
            return end + 1
        if end + 1 == len(text):
            self._rest = "\x1b"  # its second half decides
            return len(text)
        self._in_string = 0
        return end + 2 if text[end + 1] == "\\" else end

    def _swallow_csi(self, text: str, position: int) -> int:
        """Skip the rest of a control sequence that is too long to be one."""
        match = _REST_OF_CSI.match(text, position)
        assert match is not None
        end = match.end()
        if end < len(text):
            self._in_long_csi = False
            return end + 1 if "@" <= text[end] <= "~" else end
        return end
