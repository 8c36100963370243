"""The cells of a screen: select graphic rendition, and one shared cell for each character of a style."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pyte.screens import Char

BLANK = Char(" ")
NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_LEVELS = (0x00, 0x5F, 0x87, 0xAF, 0xD7, 0xFF)
_ON = {1: "bold", 3: "italics", 4: "underscore", 7: "reverse", 9: "strikethrough", 5: "blink"}
_OFF = {21: "bold", 22: "bold", 23: "italics", 24: "underscore", 27: "reverse", 29: "strikethrough", 25: "blink"}


def _palette(number: int) -> str:
    """One of the 256 colours: a name for the first sixteen, so that the operator's theme decides, else #rrggbb."""
    if number < 8:
        return NAMES[number]
    if number < 16:
        return "bright_" + NAMES[number - 8]
    if number < 232:
        number -= 16
        red, green, blue = _LEVELS[number // 36], _LEVELS[number // 6 % 6], _LEVELS[number % 6]
    else:
        red = green = blue = 8 + (number - 232) * 10
    return f"#{red:02x}{green:02x}{blue:02x}"


PALETTE = tuple(_palette(number) for number in range(256))


def _extended(parameters: tuple[int, ...], position: int) -> tuple[str | None, int]:
    """The colour after 38 or 48, and where to go on."""
    kind = parameters[position] if position < len(parameters) else -1
    if kind == 5 and position + 1 < len(parameters):
        number = parameters[position + 1]
        return (PALETTE[number] if number < 256 else None), position + 2
    if kind == 2 and position + 3 < len(parameters):
        red, green, blue = (min(value, 255) for value in parameters[position + 1 : position + 4])
        return f"#{red:02x}{green:02x}{blue:02x}", position + 4
    return None, len(parameters)


@lru_cache(maxsize=4096)
def restyle(style: Char, parameters: tuple[int, ...]) -> Char:
    """The style after `CSI parameters m`; unknown numbers change nothing."""
    change: dict[str, Any] = {}
    position = 0
    while position < len(parameters):
        code = parameters[position]
        position += 1
        if code == 0:
            style, change = BLANK, {}
        elif code in _ON:
            change[_ON[code]] = True
        elif code in _OFF:
            change[_OFF[code]] = False
        elif 30 <= code <= 37 or 40 <= code <= 47:
            change["fg" if code < 40 else "bg"] = NAMES[code % 10]
        elif 90 <= code <= 97 or 100 <= code <= 107:
            change["fg" if code < 100 else "bg"] = "bright_" + NAMES[code % 10]
        elif code in (39, 49):
            change["fg" if code == 39 else "bg"] = "default"
        elif code in (38, 48):
            colour, position = _extended(parameters, position)
            if colour is not None:
                change["fg" if code == 38 else "bg"] = colour
    return style._replace(**change) if change else style


class Cells(dict[str, Char]):
    """Character to cell, of one style: cells are shared, so a kept line costs its pointers only."""

    def __init__(self, style: Char) -> None:
        super().__init__()
        self._style = style

    def __missing__(self, char: str) -> Char:
        cell = self[char] = self._style._replace(data=char)
        return cell
