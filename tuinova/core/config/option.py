"""What an option is: its type, its default, and how a value from a file or the environment becomes one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final


class _Same:
    """The type of SAME."""

    def __repr__(self) -> str:
        return "SAME"


SAME: Final = _Same()
_TRUE = {"true", "1", "yes", "on", "t", "y"}
_FALSE = {"false", "0", "no", "off", "f", "n"}


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `nova_default` is SAME where ours is Nova's, None for an option that Nova does not have.

    `optional` options may be unset: their default is None.
    """

    group: str
    name: str
    kind: str  # bool | int | float | str | list
    default: Any
    help: str
    nova_default: Any = SAME
    ours: bool = False  # not an option of Nova's
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None

    @property
    def differs_from_nova(self) -> bool:
        """Whether our default is not Nova's."""
        return not self.ours and not isinstance(self.nova_default, _Same) and self.nova_default != self.default

    @property
    def default_of_nova(self) -> Any:
        """Nova's default, None for what is ours alone."""
        if self.ours:
            return None
        return self.default if isinstance(self.nova_default, _Same) else self.nova_default

    def read(self, value: Any) -> Any:
        """The value as the option's type; raises ValueError with a sentence about what is wrong."""
        if value is None or (self.default is None and value == ""):
            return None
        read = _READERS[self.kind](value)
        self._check(read)
        return read

    def _check(self, value: Any) -> None:
        if self.choices:
            for word in value if isinstance(value, tuple) else (value,):
                if word not in self.choices:
                    raise ValueError(f"{word!r} is none of {', '.join(self.choices)}")
        if self.minimum is not None and value < self.minimum:
            raise ValueError(f"{value} is below {self.minimum:g}")
        if self.maximum is not None and value > self.maximum:
            raise ValueError(f"{value} is above {self.maximum:g}")


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(f"{value!r} is not true or false")


def _int(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(f"{value!r} is not a whole number")
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{value!r} is not a whole number") from None


def _float(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is not a number")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is not a number") from None
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError(f"{value!r} is not a number")
    return number


def _str(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")
    return value


def _list(value: Any) -> tuple[str, ...]:
    """A list of words; text is split at commas, as oslo.config does."""
    if isinstance(value, str):
        return tuple(word.strip() for word in value.split(",") if word.strip())
    if isinstance(value, list | tuple) and all(isinstance(word, str) for word in value):
        return tuple(value)
    raise ValueError(f"{value!r} is not a list of texts")


_READERS: dict[str, Callable[[Any], Any]] = {"bool": _bool, "int": _int, "float": _float, "str": _str, "list": _list}
