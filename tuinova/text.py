"""The one seam for foreign strings: names, guest output, libvirt's messages and image properties are hostile input."""

from __future__ import annotations

import re

# C0 and C1 controls, DEL, bidirectional overrides and isolates, zero-width and line separators.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_CONTROL_BUT_LINES = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def clean(value: object) -> str:
    """One line of text that is safe on a terminal: controls are written out as `\\x1b`, nothing is dropped silently."""
    return _CONTROL.sub(_escape, str(value))


def clean_lines(value: object) -> str:
    """As `clean`, with tabs and line ends kept, for console logs and multi-line messages."""
    return _CONTROL_BUT_LINES.sub(_escape, str(value).replace("\r\n", "\n"))


def escape_markup(value: object) -> str:
    """`clean` text in which no part reads as Textual or rich markup."""
    return clean(value).replace("\\", "\\\\").replace("[", "\\[")
