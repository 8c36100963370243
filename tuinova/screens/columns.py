"""The columns of the tables as data: what a cell shows, how it sorts, which width it needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tuinova.core.states import POWER_STATE_TEXT
from tuinova.i18n import N_, _
from tuinova.screens import rows
from tuinova.screens.progress import percent_of

Cell = tuple[str, str]  # text (not cleaned yet), tone


class Column(NamedTuple):
    """One column: `minimum` and `ideal` are widths in cells; `cell(row, now)` gives text and tone.

    `live` marks a cell whose text depends on the clock; `sort` gives a comparable value or None (None sorts last).
    `descending` is the direction of the first sort by it. `ending` cells keep their last word when they are cut.
    """

    key: str
    label: str
    cell: Callable[[Any, float], Cell]
    sort: Callable[[Any], Any]
    minimum: int
    ideal: int
    right: bool = False
    live: bool = False
    descending: bool = False
    ending: bool = False


_DIGITS = re.compile(r"(\d+)")


def natural(text: object) -> Any:
    """A sort key under which vm2 comes before vm10; None for an empty text."""
    if not text:
        return None
    parts = _DIGITS.split(str(text).lower())
    return tuple((int(part), "") if index % 2 else (-1, part) for index, part in enumerate(parts))


def _status(row: rows.Row, _now: float) -> Cell:
    glyph, tone = rows.status_look(row["status"])
    return f"{glyph} {_(row['status'])}", tone


def _task(row: rows.Row, _now: float) -> Cell:
    task = row.get("task_state")
    if not task:
        return _("None"), "dim"
    percent = percent_of(row)
    return (_(task) if percent is None else f"{_(task)} {percent}%"), "busy"


def _power(row: rows.Row, _now: float) -> Cell:
    word, tone = rows.POWER_LOOK.get(row.get("power_state") or 0, ("N/A", "dim"))
    return _(word), tone


def _name(row: rows.Row, _now: float) -> Cell:
    return row["name"], "name"


def _text(getter: Callable[[rows.Row], object], tone: str = "") -> Callable[[rows.Row, float], Cell]:
    def cell(row: rows.Row, _now: float) -> Cell:
        value = getter(row)
        return (str(value), tone) if value else ("-", "dim")

    return cell


def _age(row: rows.Row, now: float) -> Cell:
    return rows.span_text(rows.age(row, now)), "dim"


def _newest(row: rows.Row) -> float | None:
    created = rows.parse_time(row.get("created"))
    return None if created is None else -created


def _address_key(row: rows.Row) -> Any:
    return natural(rows.addresses(row))


def _field(key: str) -> Callable[[rows.Row], Any]:
    return lambda row: row.get(key)


def _named(key: str) -> Callable[[rows.Row], str]:
    return lambda row: rows.name_of(row.get(key))


def _power_rank(row: rows.Row) -> int:
    return int(row.get("power_state") or 0)


def _status_rank(row: rows.Row) -> int:
    return rows.STATUS_RANK.get(row["status"], 99)


def _column(key: str, label: str, getter: Callable[[rows.Row], object], minimum: int, ideal: int) -> Column:
    return Column(key, label, _text(getter), lambda row: natural(getter(row)), minimum, ideal)


# In the order in which width lets them in.
SERVER_COLUMNS: tuple[Column, ...] = (
    Column("name", N_("Instance Name"), _name, lambda row: natural(row["name"]), 15, 36),
    Column("status", N_("Status"), _status, _status_rank, 15, 19),
    Column("task", N_("Task"), _task, _field("task_state"), 13, 22, ending=True),
    Column("power", N_("Power State"), _power, _power_rank, 9, 11),
    Column("ip", N_("IP Address"), _text(rows.addresses), _address_key, 15, 15),
    Column("age", N_("Age"), _age, _newest, 4, 5, True, True),
    _column("flavor", N_("Flavor"), _named("flavor"), 10, 14),
    _column("image", N_("Image Name"), _named("image"), 12, 22),
    _column("zone", N_("Availability Zone"), _field("az"), 6, 17),
    _column("host", N_("Host"), _field("host"), 10, 18),
    _column("key", N_("Key Pair"), _field("key_name"), 8, 14),
    _column("project", N_("Project"), lambda row: rows.named(row.get("project_id")), 8, 16),
)
SHORT_LABELS: dict[str, str] = {
    "Instance Name": N_("Name"),
    "Power State": N_("Power"),
    "Availability Zone": N_("Zone"),
    "Image Name": N_("Image"),
}
# What may stand before the colon of a filter term, beside the columns' keys.
SERVER_FIELDS: dict[str, Callable[[rows.Row], Any]] = {
    "name": _field("name"),
    "id": _field("id"),
    "status": _field("status"),
    "task": _field("task_state"),
    "vm_state": _field("vm_state"),
    "power": lambda row: POWER_STATE_TEXT.get(row.get("power_state"), ""),  # type: ignore[arg-type]
    "ip": rows.addresses,
    "flavor": _named("flavor"),
    "image": _named("image"),
    "zone": _field("az"),
    "host": _field("host"),
    "key": _field("key_name"),
    "project": lambda row: rows.named(row.get("project_id")),
    "user": lambda row: rows.named(row.get("user_id")),
    "locked": lambda row: "yes" if row.get("locked") else "no",
    "fault": lambda row: (row.get("fault") or {}).get("message", ""),
    "description": _field("description"),
    "property": lambda row: " ".join(f"{key}={value}" for key, value in (row.get("metadata") or {}).items()),
}

GAP = 1


class Placed(NamedTuple):
    """A column with its place: `start` and `width` in cells."""

    column: Column
    start: int
    width: int


def place(columns: Sequence[Column], room: int, start: int, *, fit: bool = True) -> list[Placed]:
    """Give columns their widths: as many as fit at their minimum, then the spare room, the first column last.

    With `fit` False all columns stay (the table scrolls sideways).
    """
    chosen: list[Column] = []
    used = 0
    for column in columns:
        need = column.minimum + (GAP if chosen else 0)
        if fit and chosen and used + need > room:
            break
        chosen.append(column)
        used += need
    widths = {column.key: column.minimum for column in chosen}
    spare = max(0, room - used)
    for column in [*chosen[1:], *chosen[:1]]:
        more = min(spare, column.ideal - column.minimum)
        widths[column.key] += more
        spare -= more
    if chosen and len(chosen) == len(columns):
        widths[chosen[0].key] += min(spare, 24)
    placed: list[Placed] = []
    for column in chosen:
        placed.append(Placed(column, start, widths[column.key]))
        start += widths[column.key] + GAP
    return placed


def widths_of(placed: Sequence[Placed]) -> Mapping[str, int]:
    """Widths by column key."""
    return {item.column.key: item.width for item in placed}
