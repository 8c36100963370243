"""GET /image/v2/images: Glance's filters, order and pages (glance/api/v2/images.py)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from tuinova.api import params
from tuinova.api.images import view
from tuinova.api.operations import Call, Operation
from tuinova.core.drafts import ImageFilter
from tuinova.core.errors import Invalid

# Filters of texts that take one value, or `in:` and several.
_TEXTS: Final = ("name", "status", "disk_format", "container_format")
_PLAIN: Final = ("owner", "checksum", "os_hash_value")
_NUMBERS: Final = ("min_disk", "min_ram", "size_min", "size_max")
_TIMES: Final = ("created_at", "updated_at")
_HOW: Final = frozenset({"lt", "lte", "gt", "gte", "eq", "neq"})
_VISIBILITIES: Final = frozenset({"public", "private", "shared", "community", "all"})
_ANSWERS: Final = frozenset({"pending", "accepted", "rejected", "all"})
_OWN: Final = frozenset(
    {
        *(*_TEXTS, *_PLAIN, *_NUMBERS, *_TIMES),
        *("id", "visibility", "member_status", "tag", "os_hidden", "protected"),
        *("limit", "marker", "sort", "sort_key", "sort_dir"),
    }
)
_MOST = 1000


def index(call: Call) -> Any:
    """The images that the project may use."""
    limit = params.page_limit(call.query)
    found = call.state.conductor.images(_filter(call, limit))
    body: dict[str, Any] = {
        "images": [view(image) for image in found],
        "first": "/v2/images",
        "schema": "/v2/schemas/images",
    }
    if found and len(found) == limit:
        kept = [(key, value) for key, value in call.query.multi_items() if key != "marker"]
        body["next"] = f"/v2/images?{urlencode([*kept, ('marker', found[-1].id)])}"
    return body


def _filter(call: Call, limit: int) -> ImageFilter:
    query, ctx = call.query, call.ctx
    ident = query.get("id")
    visibility = _one_of(call, "visibility", _VISIBILITIES)
    answer = _one_of(call, "member_status", _ANSWERS)
    texts: dict[str, Any] = {name: _several(query.get(name)) for name in _TEXTS}
    plain: dict[str, Any] = {name: query.get(name) for name in _PLAIN}
    numbers: dict[str, Any] = {name: params.integer(query, name) for name in _NUMBERS}
    return ImageFilter(
        project_id=None if ctx.is_admin else ctx.project_id,
        # An admin sees all; asking for an answer is asking for what is shared with his own project.
        member_id=ctx.project_id if ctx.is_admin and answer is not None else None,
        member_status=answer or "accepted",
        ids=None if ident is None else ident.removeprefix("in:").split(",")[:_MOST],
        visibility=visibility,
        tags=query.getlist("tag"),
        properties={key: value for key, value in query.items() if key not in _OWN},
        times=[(name, *_compared(name, text)) for name in _TIMES for text in query.getlist(name)],
        os_hidden=bool(params.boolean(query, "os_hidden")),
        protected=params.boolean(query, "protected"),
        sort=_sorting(call),
        limit=limit,
        marker=query.get("marker"),
        **texts,
        **plain,
        **numbers,
    )


def _several(text: str | None) -> str | list[str] | None:
    """A value, or those of `in:a,b`; a comma in double quotes belongs to its value (glance/common/utils.py)."""
    if text is None or not text.startswith("in:"):
        return text
    values, current, quoted = [], "", False
    for letter in text.removeprefix("in:"):
        if letter == '"':
            quoted = not quoted
        elif letter == "," and not quoted:
            values.append(current)
            current = ""
        else:
            current += letter
    if quoted:
        raise Invalid(f"Invalid filter value {text[:80]}. The quote is not closed.")
    return [*values, current][:_MOST]


def _one_of(call: Call, name: str, known: frozenset[str]) -> str | None:
    text = call.query.get(name)
    if text is not None and text not in known:
        raise Invalid(f"Invalid {name} value: {text[:80]}")
    return text


def _compared(name: str, text: str) -> tuple[str, datetime]:
    """`gte:2026-01-01T00:00:00Z`, or only the moment."""
    how, colon, moment = text.partition(":")
    if not colon or how not in _HOW:
        how, moment = "eq", text
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError as error:
        raise Invalid(f'Bad "{name}" query filter value: {text[:80]}. It is no time.') from error
    return how, parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _sorting(call: Call) -> tuple[tuple[str, str], ...]:
    """`sort=name:asc,size:desc`, or Nova's kind of parameters."""
    text = call.query.get("sort")
    if text is None:
        return params.sort_pairs(call.query) or (("created_at", "desc"),)
    pairs = []
    for part in text.split(",")[:10]:
        key, _, direction = part.strip().partition(":")
        if direction not in ("", "asc", "desc"):
            raise Invalid(f"Invalid sort direction: {direction[:20]}")
        pairs.append((key[:40], direction or "desc"))
    return tuple(pairs)


OPERATIONS = (Operation("GET", "/images", index, rule="get_images"),)
