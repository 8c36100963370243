"""Formats of command output, with the rules of `openstack`'s (cliff): table, json, yaml, csv, value, shell.

Commands return `Listing` or `Record` and never format. Tables are drawn here by hand: rich.Table takes half a second
for a thousand rows. `stdout` carries data only.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuinova.text import clean, clean_lines

LIST_FORMATS = ("table", "csv", "json", "value", "yaml")
SHOW_FORMATS = ("table", "json", "shell", "value", "yaml")
_MIN_WIDTH_LIST, _MIN_WIDTH_SHOW = 8, 16


class OutputError(Exception):
    """A wrong combination of output options."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A complex value: `machine` for json, yaml, csv and value; `human` for tables."""

    machine: Any
    human: str


def dict_cell(value: Mapping[str, Any] | None) -> Cell:
    """`a='1', b='2'`, keys sorted."""
    value = dict(value or {})
    return Cell(value, ", ".join(f"{key}='{value[key]}'" for key in sorted(value)))


def list_cell(value: Iterable[Any] | None) -> Cell:
    """`x, y`, sorted."""
    items = list(value or [])
    return Cell(items, ", ".join(sorted(str(item) for item in items)))


def list_dict_cell(value: Iterable[Mapping[str, Any]] | None) -> Cell:
    """One dictionary a line."""
    items = [dict(item) for item in value or []]
    return Cell(items, "\n".join(dict_cell(item).human for item in items))


def dict_list_cell(value: Mapping[str, Sequence[Any]] | None) -> Cell:
    """`net1=10.0.0.3, 10.0.0.4; net2=...`."""
    value = {key: list(items) for key, items in (value or {}).items()}
    return Cell(value, "; ".join(f"{key}={', '.join(str(v) for v in value[key])}" for key in sorted(value)))


@dataclass(slots=True)
class Options:
    """The output options of one command."""

    format: str = "table"
    columns: list[str] = field(default_factory=list)
    sort_columns: list[str] = field(default_factory=list)
    descending: bool = False
    max_width: int = 0
    fit_width: bool = False
    print_empty: bool = False
    noindent: bool = False
    prefix: str = ""
    quote: str = "nonnumeric"


@dataclass(slots=True)
class Listing:
    """Columns and rows of a list command; `hidden` columns are shown only when -c names them.

    A `heading` stands above tables only.
    """

    columns: Sequence[str]
    rows: Iterable[Sequence[Any]]
    hidden: Sequence[str] = ()
    heading: str = ""


@dataclass(slots=True)
class Record:
    """Fields of a show command, in order; a `heading` stands above tables only."""

    fields: Mapping[str, Any]
    heading: str = ""


def render(result: Listing | Record, options: Options) -> str:
    """The text of a result; raises OutputError for an unknown column."""
    text = _render_record(result, options) if isinstance(result, Record) else _render_listing(result, options)
    return f"{clean(result.heading)}\n{text}" if result.heading and options.format == "table" else text


def write(text: str) -> None:
    """Text on stdout, in one piece."""
    sys.stdout.write(text)
    if text and not text.endswith("\n"):
        sys.stdout.write("\n")
    sys.stdout.flush()


# Columns -------------------------------------------------------------------------------------------------------------
def _chosen(available: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Indexes of the wanted columns, in the command's order."""
    chosen = [index for index, name in enumerate(available) if name in wanted]
    unknown = [name for name in wanted if name not in available]
    if unknown or not chosen:
        raise OutputError(
            f"No recognized column names in {unknown or list(wanted)}. "
            f"Recognized columns are ({', '.join(repr(name) for name in available)})."
        )
    return chosen


def _machine(value: Any) -> Any:
    return value.machine if isinstance(value, Cell) else value


def _human(value: Any) -> str:
    if isinstance(value, Cell):
        return clean_lines(value.human)
    if isinstance(value, dict):
        return clean_lines(dict_cell(value).human)
    if isinstance(value, list):
        return clean_lines(
            list_dict_cell(value).human if value and isinstance(value[0], dict) else list_cell(value).human
        )
    return clean_lines(value)


def _sorted_rows(rows: list[Sequence[Any]], columns: Sequence[str], options: Options) -> list[Sequence[Any]]:
    # The first named column has priority; unknown ones are ignored; empty values come last.
    for name in reversed(options.sort_columns):
        if name not in columns:
            continue
        index = columns.index(name)

        def key(row: Sequence[Any], index: int = index) -> tuple[Any, ...]:
            value = _machine(row[index])
            missing = value is None
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                return (missing != options.descending, 0, value, "")
            return (missing != options.descending, 1, 0, "" if missing else str(value))

        rows.sort(key=key, reverse=options.descending)
    return rows


def _render_listing(result: Listing, options: Options) -> str:
    every = [*result.columns, *result.hidden]
    rows = _sorted_rows([tuple(row) for row in result.rows], every, options)
    chosen = _chosen(every, options.columns) if options.columns else list(range(len(result.columns)))
    names = [every[index] for index in chosen]
    picked = [[row[index] for index in chosen] for row in rows]
    return _LIST_RENDERERS[options.format](names, picked, options)


def _render_record(result: Record, options: Options) -> str:
    names = list(result.fields)
    if options.columns:
        names = [names[index] for index in _chosen(names, options.columns)]
    return _SHOW_RENDERERS[options.format]({name: result.fields[name] for name in names}, options)


# Machine formats -----------------------------------------------------------------------------------------------------
def _json(value: Any, options: Options) -> str:
    indent = None if options.noindent else 2
    return json.dumps(value, indent=indent, default=str)


def _yaml(value: Any) -> str:
    import yaml

    return str(yaml.safe_dump(value, default_flow_style=False, sort_keys=False, allow_unicode=True))


def _plain(value: Any) -> str:
    """A machine value as text; safe on a terminal, raw in a pipe."""
    text = str(_machine(value))
    return clean_lines(text) if sys.stdout.isatty() else text


def _list_json(names: list[str], rows: list[list[Any]], options: Options) -> str:
    return _json([{n: _machine(v) for n, v in zip(names, row, strict=True)} for row in rows], options)


def _list_yaml(names: list[str], rows: list[list[Any]], options: Options) -> str:
    return _yaml([{n: _machine(v) for n, v in zip(names, row, strict=True)} for row in rows])


def _list_value(names: list[str], rows: list[list[Any]], options: Options) -> str:
    return "".join(" ".join(_plain(value) for value in row) + "\n" for row in rows)


def _list_csv(names: list[str], rows: list[list[Any]], options: Options) -> str:
    import csv
    import io

    quoting: Any = {
        "all": csv.QUOTE_ALL,
        "minimal": csv.QUOTE_MINIMAL,
        "none": csv.QUOTE_NONE,
        "nonnumeric": csv.QUOTE_NONNUMERIC,
    }[options.quote]
    text = io.StringIO()
    writer = csv.writer(text, quoting=quoting, lineterminator="\n", escapechar="\\")
    writer.writerow(names)
    for row in rows:
        values = [_machine(value) for value in row]
        writer.writerow([v if isinstance(v, (int, float)) and not isinstance(v, bool) else _plain(v) for v in values])
    return text.getvalue()


def _show_json(fields: Mapping[str, Any], options: Options) -> str:
    return _json({name: _machine(value) for name, value in fields.items()}, options)


def _show_yaml(fields: Mapping[str, Any], options: Options) -> str:
    return _yaml({name: _machine(value) for name, value in fields.items()})


def _show_value(fields: Mapping[str, Any], options: Options) -> str:
    return "".join(_plain(value) + "\n" for value in fields.values())  # an empty value is a line too


def _show_shell(fields: Mapping[str, Any], options: Options) -> str:
    lines = []
    for name, value in fields.items():
        variable = options.prefix + name.lower().replace(" ", "_").replace(":", "_").replace("-", "_")
        text = _plain(value)
        # Double quotes in a shell still expand these four.
        for special in ("\\", '"', "$", "`"):
            text = text.replace(special, "\\" + special)
        lines.append(f'{variable}="{text}"')
    return "\n".join(lines)


# Tables --------------------------------------------------------------------------------------------------------------
def text_width(text: str) -> int:
    """Columns that a line takes on a terminal."""
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth

    width = wcswidth(text)
    return width if width >= 0 else len(text)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns; breaks at blanks where there are some."""
    lines: list[str] = []
    for source in text.split("\n"):
        line = source
        while text_width(line) > width:
            cut, taken = 0, 0
            for cut, character in enumerate(line):  # noqa: B007
                taken += text_width(character)
                if taken > width:
                    break
            blank = line.rfind(" ", 0, cut + 1)
            end = blank if blank > 0 else max(cut, 1)
            lines.append(line[:end])
            line = line[end:].lstrip(" ") if blank > 0 else line[end:]
        lines.append(line)
    return lines


def _terminal_width(options: Options) -> int:
    """The width to fit into; 0 for no limit."""
    wanted = options.max_width
    if not wanted:
        try:
            wanted = int(os.environ.get("CLIFF_MAX_TERM_WIDTH", "0"))
        except ValueError:
            wanted = 0
    if wanted > 0:
        return wanted
    if options.fit_width or os.environ.get("CLIFF_FIT_WIDTH") == "1":
        return shutil.get_terminal_size().columns
    return 0


def _fit(widths: list[int], limit: int, least: int) -> list[int]:
    """Column widths shrunk evenly so that the table fits into `limit`; none below `least` unless it was."""
    room = limit - 3 * len(widths) - 1
    if not limit or sum(widths) <= room:
        return widths
    fitted = list(widths)
    open_columns = set(range(len(widths)))
    while open_columns:
        share = room // len(open_columns)
        small = {index for index in open_columns if widths[index] <= share}
        if not small:
            for index in open_columns:
                fitted[index] = max(share, min(least, widths[index]))
            break
        for index in small:
            room -= widths[index]
        open_columns -= small
    return fitted


def _draw(header: Sequence[str], rows: Sequence[Sequence[Any]], options: Options, least: int) -> str:
    texts = [[_human(value) for value in row] for row in rows]
    numbers = [bool(rows) and all(_is_number(row[i]) for row in rows) for i in range(len(header))]
    heads = [clean(name) for name in header]
    widths = [text_width(name) for name in heads]
    for row in texts:
        for index, text in enumerate(row):
            width = text_width(text) if "\n" not in text else max(map(text_width, text.split("\n")))
            if width > widths[index]:
                widths[index] = width
    limit = _terminal_width(options)
    fitted = _fit(widths, limit, least)
    rule = "+" + "+".join("-" * (width + 2) for width in fitted) + "+"
    lines = [rule, *_draw_row(heads, fitted, [False] * len(heads)), rule]
    for row in texts:
        lines.extend(_draw_row(row, fitted, numbers))
    lines.append(rule)
    return "\n".join(lines)


def _draw_row(texts: Sequence[str], widths: Sequence[int], numbers: Sequence[bool]) -> list[str]:
    if all(
        text.isascii() and len(text) <= width and "\n" not in text for text, width in zip(texts, widths, strict=True)
    ):
        cells = [
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(texts, widths, numbers, strict=True)
        ]
        return ["| " + " | ".join(cells) + " |"]
    wrapped = [_wrap(text, max(width, 1)) for text, width in zip(texts, widths, strict=True)]
    lines = []
    for at in range(max(len(cell) for cell in wrapped)):
        cells = []
        for cell, width, number in zip(wrapped, widths, numbers, strict=True):
            text = cell[at] if at < len(cell) else ""
            blank = " " * max(width - text_width(text), 0)
            cells.append(blank + text if number else text + blank)
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _list_table(names: list[str], rows: list[list[Any]], options: Options) -> str:
    if not rows and not options.print_empty:
        return "\n"
    return _draw(names, rows, options, _MIN_WIDTH_LIST)


def _show_table(fields: Mapping[str, Any], options: Options) -> str:
    # Values of one record are of many kinds: all are left aligned, as text.
    rows = [(name, _human(value)) for name, value in fields.items()]
    return _draw(("Field", "Value"), rows, options, _MIN_WIDTH_SHOW)


_LIST_RENDERERS: dict[str, Callable[[list[str], list[list[Any]], Options], str]] = {
    "table": _list_table,
    "json": _list_json,
    "yaml": _list_yaml,
    "value": _list_value,
    "csv": _list_csv,
}
_SHOW_RENDERERS: dict[str, Callable[[Mapping[str, Any], Options], str]] = {
    "table": _show_table,
    "json": _show_json,
    "yaml": _show_yaml,
    "value": _show_value,
    "shell": _show_shell,
}
