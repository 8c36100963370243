"""Neutron's lists: filters by any field, chosen fields, order, pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.datastructures import QueryParams

from tuinova.api.params import sort_pairs
from tuinova.core.errors.network import HTTPBadRequest

Json = dict[str, Any]
_NO_FILTER = frozenset({"fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir"})
_TAGS = frozenset({"tags", "tags-any", "not-tags", "not-tags-any"})
_TRUE, _FALSE = frozenset({"true", "1"}), frozenset({"false", "0"})


def answer(key: str, rows: Sequence[Json], query: QueryParams, *, path: str) -> Json:
    """The body of a list."""
    found = [row for row in rows if _fits(row, query)]
    found = _sorted(found, query)
    found, more = _page(found, query)
    body: Json = {key: [chosen(row, query) for row in found]}
    if more and found:
        kept = "&".join(f"{name}={value}" for name, value in query.multi_items() if name != "marker")
        body[f"{key}_links"] = [{"rel": "next", "href": f"{path}?{kept}&marker={found[-1]['id']}"}]
    return body


def chosen(row: Json, query: QueryParams) -> Json:
    """The fields that are asked for, all where none is."""
    wanted = [name for text in query.getlist("fields") for name in text.split(",") if name]
    return {name: row[name] for name in wanted if name in row} if wanted else row


def _fits(row: Json, query: QueryParams) -> bool:
    for name in dict.fromkeys(query.keys()):
        values = query.getlist(name)
        if name in _NO_FILTER:
            continue
        if name in _TAGS:
            if not _TAG_TESTS[name](set(row.get("tags", ())), set(",".join(values).split(","))):
                return False
        elif name == "fixed_ips":
            if not all(_has_address(row, value) for value in values):
                return False
        elif name not in row:
            raise HTTPBadRequest(reason=f"[{name[:60]!r}] is invalid attribute for filtering")
        elif not any(_equal(row[name], value) for value in values):
            return False
    return True


_TAG_TESTS: Mapping[str, Callable[[set[str], set[str]], bool]] = {
    "tags": lambda held, asked: asked <= held,
    "tags-any": lambda held, asked: bool(asked & held),
    "not-tags": lambda held, asked: not asked <= held,
    "not-tags-any": lambda held, asked: not asked & held,
}


def _has_address(row: Json, text: str) -> bool:
    """`fixed_ips=ip_address=10.0.0.5`, `subnet_id=...` or `ip_address_substr=...`."""
    name, _, wanted = text.partition("=")
    held = row.get("fixed_ips", ())
    if name == "ip_address_substr":
        return any(wanted in one["ip_address"] for one in held)
    return any(one.get(name) == wanted for one in held)


def _equal(value: Any, text: str) -> bool:
    if isinstance(value, bool):
        lowered = text.lower()
        return lowered in (_TRUE if value else _FALSE)
    if value is None:
        return text in ("", "None", "null")
    if isinstance(value, list):
        return text in value
    return str(value) == text


def _sorted(rows: list[Json], query: QueryParams) -> list[Json]:
    for key, direction in reversed(sort_pairs(query, "asc")):
        if rows and key not in rows[0]:
            raise HTTPBadRequest(reason=f"'{key[:60]}' is an invalid attribute for sort key")
        rows = sorted(rows, key=lambda row: (row[key] is None, _comparable(row[key])), reverse=direction == "desc")
    return rows


def _comparable(value: Any) -> Any:
    return value if isinstance(value, int | float) else str(value)


def _page(rows: list[Json], query: QueryParams) -> tuple[list[Json], bool]:
    marker = query.get("marker")
    if marker is not None:
        places = [place for place, row in enumerate(rows) if row["id"] == marker]
        if not places:
            raise HTTPBadRequest(reason=f"Invalid input for operation: marker {marker[:60]} could not be found.")
        rows = rows[places[0] + 1 :]
    text = query.get("limit")
    if text is None:
        return rows, False
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise HTTPBadRequest(reason=f"Limit must be an integer 0 or greater and not '{text[:40]}'")
    limit = int(text) or len(rows)
    return rows[:limit], len(rows) > limit
