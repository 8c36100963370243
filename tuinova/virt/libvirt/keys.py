"""Names of keys as Linux input codes (linux/input-event-codes.h), for keys sent to a guest's keyboard."""

from __future__ import annotations

from collections.abc import Sequence

from tuinova.virt.driver import DriverError

_ROWS = {
    1: ("esc", *"1234567890-=", "backspace", "tab", *"qwertyuiop[]", "enter", "ctrl", *"asdfghjkl;'`", "shift", "\\")
}
_ROWS[44] = (*"zxcvbnm,./", "rightshift", "kpasterisk", "alt", "space", "capslock")
_ROWS[59] = tuple(f"f{number}" for number in range(1, 11))
_ROWS[87] = ("f11", "f12")
_ROWS[102] = ("home", "up", "pageup", "left", "right", "end", "down", "pagedown", "insert", "delete")

KEY_CODES = {name: first + index for first, names in _ROWS.items() for index, name in enumerate(names)}
KEY_CODES |= {"rightctrl": 97, "sysrq": 99, "print": 99, "rightalt": 100, "altgr": 100, "pause": 119, "meta": 125}
KEY_CODES |= {"leftctrl": 29, "leftshift": 42, "leftalt": 56, "leftmeta": 125, "del": 111, "escape": 1, "return": 28}


def key_codes(names: Sequence[str]) -> list[int]:
    """The codes of keys that are pressed together."""
    unknown = [name for name in names if name.lower() not in KEY_CODES]
    if unknown or not names:
        raise DriverError(reason=f"unknown key {unknown[0]!r}" if unknown else "no key is named")
    return [KEY_CODES[name.lower()] for name in names]
