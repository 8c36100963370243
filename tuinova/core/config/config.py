"""Reading the configuration: file, environment, defaults; each value remembers where it came from."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tuinova.core.config import compute, drivers, images, metadata, scheduling
from tuinova.core.config.option import Option
from tuinova.core.config.renamed import DRIVERS, RENAMED, WITHOUT_EFFECT
from tuinova.core.errors import InvalidConfig

OPTIONS: Final = (*compute.OPTIONS, *metadata.OPTIONS, *scheduling.OPTIONS, *drivers.OPTIONS, *images.OPTIONS)
_BY_NAME: Final[Mapping[tuple[str, str], Option]] = {(option.group, option.name): option for option in OPTIONS}
GROUPS: Final = tuple(dict.fromkeys(option.group for option in OPTIONS))
_PREFIX = "TUINOVA_"
# Variables of the clients, the paths and the tests; never options.
_NOT_OPTIONS = frozenset({"TUINOVA_STATE_DIR", "TUINOVA_URL"})
_FROM_DEFAULT = "default"


class Group:
    """The options of one group as attributes."""

    def __init__(self, name: str, values: dict[str, Any]) -> None:
        self._name = name
        self._values = values

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(f"there is no option {name} in [{self._name}]") from None

    def __iter__(self) -> Any:
        return iter(self._values.items())


class Config:
    """All options: `config.compute.shutdown_retry_interval`, `config.DEFAULT.debug`.

    `warnings` are sentences about names that are old or without effect.
    """

    def __init__(self) -> None:
        self._values = {group: {} for group in GROUPS}  # type: dict[str, dict[str, Any]]
        self._sources: dict[tuple[str, str], str] = {}
        self.warnings: list[str] = []
        self.path: Path | None = None
        for option in OPTIONS:
            self._values[option.group][option.name] = option.default

    def __getattr__(self, name: str) -> Group:
        values = self.__dict__.get("_values", {})
        if name not in values:
            raise AttributeError(f"there is no option group [{name}]")
        return Group(name, values[name])

    def get(self, group: str, name: str) -> Any:
        """One value."""
        return self._values[group][name]

    def set(self, group: str, name: str, value: Any, source: str) -> None:
        """Set one value from a file, a variable or an argument; raises ValueError with a sentence."""
        option = _BY_NAME[(group, name)]
        read = option.read(value)
        self._values[group][name] = option.default if read is None and option.default is not None else read
        self._sources[(group, name)] = source

    def source(self, group: str, name: str) -> str:
        """Where a value came from: "default", the file with its line, or the variable."""
        return self._sources.get((group, name), _FROM_DEFAULT)

    def describe(self) -> list[dict[str, Any]]:
        """Every value in force, as `tuinova config show` prints it."""
        return [
            {
                "group": option.group,
                "name": option.name,
                "value": _shown(option, self._values[option.group][option.name]),
                "default": _plain(option.default),
                "nova_default": _plain(option.default_of_nova),
                "differs_from_nova": option.differs_from_nova,
                "source": self.source(option.group, option.name),
                "help": option.help,
            }
            for option in OPTIONS
        ]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _shown(option: Option, value: Any) -> Any:
    """The value without a password that a database's URL may carry."""
    if (option.group, option.name) == ("database", "connection") and isinstance(value, str):
        return re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:***@", value)
    return _plain(value)


def load(path: Path | None = None, *, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration from a file (a missing one is fine) and the environment, which wins.

    Raises InvalidConfig with the file, the line, the name, and the nearest known name.
    """
    config = Config()
    if path is not None and path.exists():
        config.path = path
        _read_file(config, path)
    _read_environment(config, os.environ if environ is None else environ)
    return config


# the file ------------------------------------------------------------------------------------------------------------
def _read_file(config: Config, path: Path) -> None:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig(reason=f"{path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfig(reason=f"{path}: {error}") from error
    lines = _line_numbers(text)
    for key, value in document.items():
        if isinstance(value, dict):
            for name, inner in value.items():
                _take(config, key, name, inner, f"{path}:{lines.get((key, name), 1)}")
        else:
            _take(config, "DEFAULT", key, value, f"{path}:{lines.get(('', key), 1)}")


def _line_numbers(text: str) -> dict[tuple[str, str], int]:
    """Where each name stands, as far as simple lines tell; used only to point at it."""
    found: dict[tuple[str, str], int] = {}
    group = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\s*\"?([^\]\"]+?)\"?\s*\]", line):
            group = header.group(1)
        elif name := re.match(r"\s*\"?([A-Za-z0-9_-]+)\"?\s*=", line):
            found.setdefault((group, name.group(1)), number)
    return found


def _take(config: Config, group: str, name: str, value: Any, where: str) -> None:
    """Set one value under today's name; old names and those without effect leave a warning."""
    if isinstance(value, dict):
        raise InvalidConfig(reason=f"{where}: [{group}] {name} is an option, not a group")
    if (group, name) in WITHOUT_EFFECT:
        config.warnings.append(f"{where}: [{group}] {name} has no effect in this version")
        return
    key = (group, name)
    if key not in _BY_NAME and key in RENAMED:
        new = RENAMED[key]
        if key == ("DEFAULT", "compute_driver"):
            value = DRIVERS.get(str(value), value)
        else:
            config.warnings.append(f"{where}: [{group}] {name} is an old name, use [{new[0]}] {new[1]}")
        if config.source(*new) != _FROM_DEFAULT:
            return  # today's name is given too, and wins
        key = new
    if key not in _BY_NAME:
        raise InvalidConfig(reason=f"{where}: {_unknown(group, name)}")
    try:
        config.set(*key, value, where)
    except ValueError as error:
        raise InvalidConfig(reason=f"{where}: [{group}] {name}: {error}") from None


def _unknown(group: str, name: str) -> str:
    """The sentence about an unknown name, with the nearest known one."""
    elsewhere = [option.group for option in OPTIONS if option.name == name]
    if elsewhere:
        return f"unknown option [{group}] {name}: it belongs in [{elsewhere[0]}]"
    if group not in GROUPS and not any(old == group for old, _ in RENAMED):
        near = difflib.get_close_matches(group, GROUPS, 1, 0.5)
        return f"unknown group [{group}]" + (f": did you mean [{near[0]}]?" if near else "")
    names = [option.name for option in OPTIONS if option.group == group]
    near = difflib.get_close_matches(name, names, 1, 0.5)
    other = difflib.get_close_matches(name, [option.name for option in OPTIONS], 1, 0.6)
    # Another group's only where it is much nearer: a slip of the pen under the wrong heading.
    if near and not (other and _likeness(name, other[0]) > _likeness(name, near[0]) + 0.2):
        return f"unknown option [{group}] {name}: did you mean {near[0]}?"
    where = next((option.group for option in OPTIONS if other and option.name == other[0]), "")
    return f"unknown option [{group}] {name}" + (f": did you mean [{where}] {other[0]}?" if other else "")


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, other, one).ratio()


# the environment -----------------------------------------------------------------------------------------------------
def _read_environment(config: Config, environ: Mapping[str, str]) -> None:
    """TUINOVA_<GROUP>_<OPTION>, for every group; a variable of a known group with an unknown option is an error."""
    known = {f"{_PREFIX}{option.group}_{option.name}".upper(): option for option in OPTIONS}
    prefixes = tuple(f"{_PREFIX}{group}_".upper() for group in GROUPS)
    for variable, value in environ.items():
        if variable in _NOT_OPTIONS or not variable.startswith(_PREFIX):
            continue
        option = known.get(variable)
        if option is None:
            if variable.startswith(prefixes):
                near = difflib.get_close_matches(variable, known, 1, 0.6)
                hint = f": did you mean {near[0]}?" if near else ""
                raise InvalidConfig(reason=f"unknown option in the environment: {variable}{hint}")
            continue
        try:
            config.set(option.group, option.name, value, f"environment {variable}")
        except ValueError as error:
            raise InvalidConfig(reason=f"{variable}: {error}") from None
