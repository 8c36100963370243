"""/os-migrations: the moves of servers, finished ones too (nova/api/openstack/compute/migrations.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from tuinova.api import params
from tuinova.api.operations import Call, Operation
from tuinova.api.views import links, microseconds
from tuinova.core.drafts import MigrationFilter
from tuinova.core.errors import Invalid, MarkerNotFound
from tuinova.core.policy import allowed, authorize
from tuinova.core.records import Migration

LIVE = "live-migration"
# Statuses of a live migration of which the API shows what was moved.
UNDER_WAY = frozenset({"queued", "preparing", "running", "post-migrating"})
PLACES = ("source_compute", "source_node", "dest_compute", "dest_node", "dest_host")

_RULE = "os_compute_api:os-migrations:"
_EXACT = ("host", "instance_uuid", "source_compute", "user_id", "project_id")
_MANY = {"type": "array", "items": {"type": "string", "maxLength": 255}}
_ONCE = {**_MANY, "maxItems": 1}
_QUERY = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("hidden", "host", "instance_uuid", "source_compute", "status", "migration_type"), _MANY),
        **dict.fromkeys(("limit", "marker", "changes-since", "changes-before", "user_id", "project_id"), _ONCE),
    },
    "additionalProperties": False,
}


def places(move: Migration, shown: bool) -> dict[str, str | None]:
    """Where from and where to; who may not know hosts gets the keys without values."""
    return {name: getattr(move, name) if shown else None for name in PLACES}


def _filter(call: Call) -> MigrationFilter:
    """The filter of a request; raises Nova's refusals."""
    query, ctx = call.query, call.ctx
    # Whoever does not name his own project asks for all of them.
    if not query.get("project_id") or query["project_id"] != ctx.project_id:
        authorize(ctx, _RULE + "index:all_projects")
    since, before = params.moment(query, "changes-since"), params.moment(query, "changes-before")
    if since and before and since > before:
        raise Invalid("The value of changes-since must be less than or equal to changes-before.")
    values: dict[str, Any] = {name: query[name] for name in _EXACT if query.get(name)}
    for name in ("status", "migration_type"):
        if query.get(name):
            values[name] = (query[name],)
    return MigrationFilter(**values, changes_since=since, changes_before=before, marker=query.get("marker"))


def _page(call: Call) -> tuple[list[Migration], list[dict[str, str]]]:
    """The rows of one page and the link to the next, where there is one."""
    limit = params.page_limit(call.query) or params.MAX_LIMIT
    # Nothing is ever hidden here: hidden moves are an older Nova's, which nobody could list either.
    if params.boolean(call.query, "hidden"):
        return [], []
    try:
        found = call.state.conductor.migrations(_filter(call))
    except MarkerNotFound as error:
        raise Invalid(f"Marker {call.query['marker'][:80]} could not be found.") from error
    shown = found[:limit]
    if len(found) <= limit:
        return shown, []
    kept = [(key, value) for key, value in call.query.multi_items() if key != "marker"]
    follow = urlencode([*kept, ("marker", shown[-1].uuid)])
    return shown, [{"rel": "next", "href": f"{call.base_url}{call.request.url.path}?{follow}"}]


def _view(move: Migration, call: Call, numbers: Mapping[str, int]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": move.id,
        "uuid": move.uuid,
        "instance_uuid": move.instance_uuid,
        "migration_type": move.migration_type,
        "status": move.status,
        "old_instance_type_id": numbers.get((move.old_flavor or {}).get("id", "")),
        "new_instance_type_id": numbers.get((move.new_flavor or {}).get("id", "")),
        "user_id": move.user_id,
        "project_id": move.project_id,
        "created_at": microseconds(move.created_at),
        "updated_at": microseconds(move.updated_at),
        **places(move, allowed(call.ctx, _RULE + "index:host")),
    }
    if move.migration_type == LIVE and move.status in UNDER_WAY:
        body["links"] = links(call.base_url, f"servers/{move.instance_uuid}/migrations", str(move.id))
    return body


def _flavor(flavor: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return {key: flavor.get(key) for key in ("id", "name")} if flavor else None


def index(call: Call) -> Any:
    """Moves, newest first."""
    found, follow = _page(call)
    numbers = call.state.conductor.flavor_numbers()
    body: dict[str, Any] = {"migrations": [_view(move, call, numbers) for move in found]}
    if follow:
        body["migrations_links"] = follow
    return body


def rows(call: Call) -> Any:
    """The same for people: with the flavors' names, and what was moved."""
    found, follow = _page(call)
    numbers = call.state.conductor.flavor_numbers()
    body: dict[str, Any] = {
        "migrations": [
            {
                **_view(move, call, numbers),
                "old_flavor": _flavor(move.old_flavor),
                "new_flavor": _flavor(move.new_flavor),
                "stats": move.stats,
            }
            for move in found
        ]
    }
    if follow:
        body["migrations_links"] = follow
    return body


OPERATIONS = (Operation("GET", "/os-migrations", index, rule=_RULE + "index", query=_QUERY),)
OWN_OPERATIONS = (Operation("GET", "/migrations", rows, rule=_RULE + "index", query=_QUERY),)
