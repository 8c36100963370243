"""Parameters of queries: paging, booleans, dates (nova/api/openstack/common.py)."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.datastructures import QueryParams

from tuinova.core.errors import Invalid

MAX_LIMIT = 1000
_TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})
_FALSE = frozenset({"0", "f", "false", "off", "n", "no"})


def page_limit(query: QueryParams, most: int = MAX_LIMIT) -> int:
    """The number of rows of one page."""
    text = query.get("limit")
    if text is None:
        return most
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Invalid("limit must be >= 0" if text.startswith("-") else "limit must be an integer value")
    return min(int(text), most)


def integer(query: QueryParams, name: str) -> int | None:
    """A number, None when it is not given."""
    text = query.get(name)
    if text is None:
        return None
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise Invalid(f"Invalid {name} filter [{text[:80]}]")
    return int(text)


def boolean(query: QueryParams, name: str) -> bool | None:
    """A boolean, None when it is not given."""
    text = query.get(name)
    if text is None:
        return None
    return parse_boolean(text, name)


def parse_boolean(text: str, name: str) -> bool:
    """A boolean as clients write it; raises Invalid."""
    lowered = text.strip().lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise Invalid(f"Invalid value for {name}: {text[:80]}")


def moment(query: QueryParams, name: str) -> datetime | None:
    """A time in ISO 8601, UTC unless it says otherwise."""
    text = query.get(name)
    if text is None:
        return None
    try:
        parsed = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError as error:
        raise Invalid(f"Invalid input for query parameters {name}. Value: {text[:80]}. It is no time.") from error
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def sort_pairs(query: QueryParams, default: str = "desc") -> tuple[tuple[str, str], ...]:
    """`sort_key` and `sort_dir`, repeated in step; a direction that is missing is the default's or the last one's."""
    keys = query.getlist("sort_key")
    directions = query.getlist("sort_dir")
    for direction in directions:
        if direction not in ("asc", "desc"):
            raise Invalid(f"Unknown sort direction, must be one of: asc, desc (not {direction[:20]})")
    if len(directions) > len(keys) and keys:
        raise Invalid("Sort direction array size exceeds sort key array size.")
    pairs = []
    last = default
    for index, key in enumerate(keys):
        last = directions[index] if index < len(directions) else last
        pairs.append((key, last))
    return tuple(pairs)
