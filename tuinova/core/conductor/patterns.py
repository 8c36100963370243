"""Regular expressions of list filters: what is none is a substring, and none may take the service down.

Python's matcher backtracks and can't be interrupted, so a pattern whose cost could explode is not run: repeats inside
repeats, back references, look-arounds, or so many repeats that the work exceeds the cube of the text's length. Names
are at most 255 characters.
"""

from __future__ import annotations

import re
from functools import lru_cache

_MAX_PATTERN = 255
_MAX_POWER = 3  # each repeat is one more power of the text's length, and so is a beginning that is not fixed
_MAX_OPTIONAL = 6  # each `?` doubles the work at most
_MAX_TEXT = 4096
_REPEAT = re.compile(r"\*|\+|\?|\{\d*,?\d*\}")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")


def regexp(pattern: str | None, value: object) -> bool:
    """SQL's `value REGEXP pattern`: true where the pattern is found anywhere in the value."""
    if pattern is None or value is None:
        return False
    return searcher(pattern)(str(value)[:_MAX_TEXT])


@lru_cache(maxsize=256)
def searcher(pattern: str) -> _Searcher:
    """The compiled test of one pattern."""
    return _Searcher(pattern)


class _Searcher:
    __slots__ = ("_compiled", "_text")

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._compiled = _compile(pattern)

    def __call__(self, value: str) -> bool:
        if self._compiled is None:
            return self._text in value
        return self._compiled.search(value) is not None


def _compile(pattern: str) -> re.Pattern[str] | None:
    if len(pattern) > _MAX_PATTERN or not _affordable(_trimmed(pattern)):
        return None
    try:
        return re.compile(_trimmed(pattern))
    except (re.error, OverflowError, RecursionError):
        return None


def _trimmed(pattern: str) -> str:
    """The pattern without `.*` at its ends, which finds the same and costs less."""
    if "|" in pattern or pattern.endswith("\\.*"):
        return pattern
    return pattern.removeprefix("^.*").removeprefix(".*").removesuffix(".*$").removesuffix(".*")


def _affordable(pattern: str) -> bool:
    """Whether the matcher's work is bounded by a small power of the text's length."""
    position, optional = 0, 0
    power = 0 if pattern.startswith("^") and "|" not in pattern else 1
    open_groups: list[bool] = []  # for each open group: does it hold a repeat or a choice?
    last_was_costly_group = False
    while position < len(pattern):
        character = pattern[position]
        costly_group, last_was_costly_group = last_was_costly_group, False
        if character == "\\":
            if pattern[position + 1 : position + 2].isdigit():
                return False
            position += 2
        elif character == "[" and (found := _CLASS.match(pattern, position)):
            position = found.end()
        elif character == "(":
            if pattern.startswith("(?", position) and not pattern.startswith("(?:", position):
                return False
            open_groups.append(False)
            position += 3 if pattern.startswith("(?:", position) else 1
        elif character == ")":
            last_was_costly_group = open_groups.pop() if open_groups else False
            if open_groups and last_was_costly_group:
                open_groups[-1] = True
            position += 1
        elif found := _REPEAT.match(pattern, position):
            power, optional = (power, optional + 1) if found.group() == "?" else (power + 1, optional)
            if costly_group or power > _MAX_POWER or optional > _MAX_OPTIONAL:
                return False
            open_groups = [True] * len(open_groups)
            position = found.end()
            if pattern.startswith("?", position):  # a lazy repeat is still one
                position += 1
        else:
            if character == "|" and open_groups:
                open_groups[-1] = True
            position += 1
    return True
