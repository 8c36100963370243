"""What a serial terminal sends for each key: xterm's sequences, by Textual's names."""

from __future__ import annotations

_CURSOR = {"up": "A", "down": "B", "right": "C", "left": "D", "home": "H", "end": "F"}
_PLAIN = {
    "enter": b"\r",
    "tab": b"\t",
    "shift+tab": b"\x1b[Z",
    "escape": b"\x1b",
    "backspace": b"\x7f",
    "delete": b"\x1b[3~",
    "insert": b"\x1b[2~",
    "pageup": b"\x1b[5~",
    "pagedown": b"\x1b[6~",
    "f1": b"\x1bOP",
    "f2": b"\x1bOQ",
    "f3": b"\x1bOR",
    "f4": b"\x1bOS",
    "f5": b"\x1b[15~",
    "f6": b"\x1b[17~",
    "f7": b"\x1b[18~",
    "f8": b"\x1b[19~",
    "f9": b"\x1b[20~",
    "f10": b"\x1b[21~",
    "f11": b"\x1b[23~",
    "f12": b"\x1b[24~",
}
# xterm's modifier numbers.
_MODIFIERS = {"shift": 1, "alt": 2, "ctrl": 4}
# Control keys that Textual names by their symbol.
_CONTROL = {
    "at": 0x00,
    "space": 0x00,
    "left_square_bracket": 0x1B,
    "backslash": 0x1C,
    "right_square_bracket": 0x1D,
    "circumflex_accent": 0x1E,
    "underscore": 0x1F,
    "slash": 0x1F,
}


def encode(key: str, character: str | None, application_cursor: bool) -> bytes:
    """The bytes for a key press; empty for a key that a serial line has nothing for."""
    if key in _PLAIN:
        return _PLAIN[key]
    *modifiers, name = key.split("+")
    if name in _CURSOR:
        return _cursor(_CURSOR[name], modifiers, application_cursor)
    if "ctrl" in modifiers:
        code = ord(name) & 0x1F if len(name) == 1 and name.isalpha() else _CONTROL.get(name)
        if code is not None:
            return (b"\x1b" if "alt" in modifiers else b"") + bytes((code,))
    if "alt" in modifiers:
        base = encode("+".join([*(m for m in modifiers if m != "alt"), name]), name if len(name) == 1 else None, False)
        return b"\x1b" + base if base else b""
    if character is not None and (character.isprintable() or len(character) > 1):
        return character.encode("utf-8", "ignore")
    return b""


def _cursor(letter: str, modifiers: list[str], application: bool) -> bytes:
    if modifiers:
        number = 1 + sum(_MODIFIERS.get(name, 0) for name in modifiers)
        return f"\x1b[1;{number}{letter}".encode()
    return f"\x1b{'O' if application else '['}{letter}".encode()


def encode_paste(text: str, bracketed: bool) -> bytes:
    """Pasted text as a terminal sends it: lines end with CR, and nothing in it can end the bracket early."""
    clean = text.replace("\r\n", "\r").replace("\n", "\r").replace("\x1b", "")
    data = clean.encode("utf-8", "ignore")
    return b"\x1b[200~" + data + b"\x1b[201~" if bracketed else data


def key_label(key: str) -> str:
    """A control key for people: `ctrl+right_square_bracket` is ^]."""
    *modifiers, name = key.split("+")
    if modifiers == ["ctrl"]:
        code = ord(name) & 0x1F if len(name) == 1 else _CONTROL.get(name)
        if code is not None:
            return "^" + chr(code | 0x40)
    return key
