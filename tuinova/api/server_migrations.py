"""/servers/{id}/migrations: a server's live migrations under way (nova/api/openstack/compute/server_migrations.py)."""

from __future__ import annotations

from typing import Any

from tuinova.api.migrations import LIVE, UNDER_WAY, places
from tuinova.api.operations import Call, Operation
from tuinova.api.schemas import servers as schemas
from tuinova.api.views import microseconds
from tuinova.core.drafts import MigrationFilter
from tuinova.core.errors import Invalid, MigrationNotFound
from tuinova.core.policy import allowed
from tuinova.core.records import Migration

_RULE = "os_compute_api:servers:migrations:"
_MOVED = tuple(f"{kind}_{part}_bytes" for kind in ("memory", "disk") for part in ("total", "processed", "remaining"))
_DIGITS = 18


def _view(move: Migration, hosts: bool) -> dict[str, Any]:
    stats = move.stats or {}
    return {
        "id": move.id,
        "uuid": move.uuid,
        "server_uuid": move.instance_uuid,
        "status": move.status,
        "user_id": move.user_id,
        "project_id": move.project_id,
        "created_at": microseconds(move.created_at),
        "updated_at": microseconds(move.updated_at),
        **places(move, hosts),
        **{name: stats.get(name) for name in _MOVED},
    }


def index(call: Call) -> Any:
    """Live migrations under way."""
    instance = call.state.instance(call.ctx, call.param("id"))
    wanted = MigrationFilter(instance_uuid=instance.uuid, migration_type=(LIVE,), in_progress=True)
    hosts = allowed(call.ctx, _RULE + "index:host")
    return {"migrations": [_view(move, hosts) for move in call.state.conductor.migrations(wanted)]}


def show(call: Call) -> Any:
    """One of them by its number."""
    instance = call.state.instance(call.ctx, call.param("id"))
    text = call.param("number")
    try:
        move = call.state.conductor.migration_of(instance.uuid, _number(text))
    except MigrationNotFound as error:
        raise MigrationNotFound(
            f"In-progress live migration {text[:80]} is not found for server {instance.uuid}."
        ) from error
    if move.migration_type != LIVE:
        raise MigrationNotFound(f"Migration {text} for server {instance.uuid} is not live-migration.")
    if move.status not in UNDER_WAY:
        raise MigrationNotFound(f"Live migration {text} for server {instance.uuid} is not in progress.")
    return {"migration": _view(move, hosts=True)}


def _number(text: str) -> int:
    """The number in the path; what is none names no migration."""
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS:
        raise MigrationNotFound(migration_id=text[:80])
    return int(text)


def force_complete(call: Call) -> None:
    """Make one end soon. An unknown one is a wrong request here, as in Nova."""
    try:
        _act(call, "force_complete")
    except MigrationNotFound as error:
        raise Invalid(error.message) from error


def abort(call: Call) -> None:
    """End one; the server stays where it is."""
    _act(call, "abort live migration")


def _act(call: Call, name: str) -> None:
    ident, number = call.param("id"), call.param("number")
    try:
        call.state.compute.act(call.ctx, ident, name, {"migration_id": number})
    except MigrationNotFound as error:
        raise MigrationNotFound(f"Migration {number[:80]} not found for instance {ident}") from error


_ONE = "/servers/{id}/migrations/{number}"
OPERATIONS = (
    Operation("GET", "/servers/{id}/migrations", index, rule=_RULE + "index"),
    Operation("GET", _ONE, show, rule=_RULE + "show"),
    Operation("DELETE", _ONE, abort, 202),
    Operation("POST", _ONE + "/action", force_complete, 202, None, schemas.FORCE_COMPLETE),
)
