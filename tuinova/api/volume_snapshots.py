"""/volume/v3/snapshots: Cinder's rows."""

from __future__ import annotations

from typing import Any

from tuinova.api import params
from tuinova.api.operations import Call, Operation
from tuinova.api.schemas import volumes as schemas
from tuinova.api.schemas.types import is_true
from tuinova.api.volume_actions import one_action
from tuinova.api.volume_views import snapshot_basic, snapshot_detail
from tuinova.api.volumes import next_link, project_filter, properties_filter, sorting
from tuinova.core.errors import InvalidInput, MarkerNotFound
from tuinova.core.errors.volumes import VolumeMetadataNotFound
from tuinova.core.policy import authorize
from tuinova.core.records import VolumeSnapshot

_SORT_KEYS = ("created_at", "updated_at", "name", "size", "status", "id", "volume_id")
_EXACT = ("name", "status", "volume_id", "id", "user_id")


def _page(call: Call) -> tuple[list[VolumeSnapshot], int]:
    query = call.query
    limit = params.page_limit(query) or params.MAX_LIMIT
    found = call.state.conductor.snapshots(project_id=project_filter(call), volume_id=query.get("volume_id"))
    for name in _EXACT:
        if name in query:
            found = [one for one in found if getattr(one, name) == query[name]]
    if wanted := properties_filter(call):
        found = [one for one in found if wanted.items() <= one.properties.items()]
    for key, direction in reversed(sorting(call)):
        if key not in _SORT_KEYS:
            raise InvalidInput(reason=f"Sort key supplied is invalid: {key}")
        found.sort(key=lambda one: str(getattr(one, key) or ""), reverse=direction == "desc")
    if (marker := query.get("marker")) is not None:
        places = [place for place, one in enumerate(found) if one.id == marker]
        if not places:
            raise MarkerNotFound(marker=marker)
        found = found[places[0] + 1 :]
    return found[max(0, params.integer(query, "offset") or 0) :][:limit], limit


def index(call: Call) -> Any:
    """The short list."""
    found, limit = _page(call)
    link = next_link(call, "snapshots", found, limit, found[-1].id if found else "")
    return {"snapshots": [snapshot_basic(one) for one in found], **link}


def detail(call: Call) -> Any:
    """The list with details."""
    found, limit = _page(call)
    link = next_link(call, "snapshots", found, limit, found[-1].id if found else "")
    return {"snapshots": [snapshot_detail(one) for one in found], **link}


def show(call: Call) -> Any:
    """One snapshot."""
    return {"snapshot": snapshot_detail(call.state.volumes.get_snapshot(call.ctx, call.param("id")))}


def create(call: Call) -> Any:
    """A new snapshot: its data are kept after the answer."""
    asked = call.body["snapshot"]
    made = call.state.volumes.create_snapshot(
        call.ctx,
        asked["volume_id"],
        name=asked.get("name", asked.get("display_name")),
        description=asked.get("description", asked.get("display_description")),
        metadata=asked.get("metadata"),
        force=is_true(asked.get("force") or False),
    )
    return {"snapshot": snapshot_basic(made)}


def update(call: Call) -> Any:
    """Name, description, metadata."""
    asked = call.body["snapshot"]
    values: dict[str, Any] = {}
    for name in ("name", "description"):
        if name in asked or f"display_{name}" in asked:
            values[name] = asked.get(name, asked.get(f"display_{name}"))
    if asked.get("metadata") is not None:
        values["properties"] = dict(asked["metadata"])
    return {"snapshot": snapshot_basic(call.state.volumes.update_snapshot(call.ctx, call.param("id"), values))}


def delete(call: Call) -> None:
    """Remove it after the answer."""
    call.state.volumes.delete_snapshot(call.ctx, call.param("id"))


# metadata ------------------------------------------------------------------------------------------------------------
def metadata(call: Call) -> Any:
    """All items."""
    return {"metadata": call.state.volumes.get_snapshot(call.ctx, call.param("id")).properties}


def _write(call: Call, items: dict[str, str]) -> dict[str, str]:
    changed = call.state.volumes.update_snapshot(call.ctx, call.param("id"), {"properties": items})
    return changed.properties


def merge_metadata(call: Call) -> Any:
    """Add or change items."""
    old = call.state.volumes.get_snapshot(call.ctx, call.param("id")).properties
    return {"metadata": _write(call, {**old, **call.body["metadata"]})}


def replace_metadata(call: Call) -> Any:
    """Exactly these items."""
    return {"metadata": _write(call, dict(call.body["metadata"]))}


def delete_metadata(call: Call) -> None:
    """Take one item away."""
    key = call.param("key")
    kept = dict(call.state.volumes.get_snapshot(call.ctx, call.param("id")).properties)
    if kept.pop(key, None) is None:
        raise VolumeMetadataNotFound(
            f"Snapshot {call.param('id')} has no metadata with key {key}.",
            volume_id=call.param("id"),
            metadata_key=key,
        )
    _write(call, kept)


# actions -------------------------------------------------------------------------------------------------------------
def _reset(call: Call, ident: str, asked: Any) -> None:
    call.state.volumes.reset_snapshot_status(call.ctx, ident, asked["status"])


def _force_delete(call: Call, ident: str, asked: Any) -> None:
    call.state.volumes.delete_snapshot(call.ctx, ident, force=True)


ACTIONS = {
    "os-reset_status": ("volume_extension:snapshot_admin_actions:reset_status", _reset),
    "os-force_delete": ("volume_extension:snapshot_admin_actions:force_delete", _force_delete),
}


def act(call: Call) -> Any:
    """Carry out the action of the body."""
    name, asked = one_action(call, ACTIONS, schemas.SNAPSHOT_ACTIONS)
    rule, handler = ACTIONS[name]
    call.state.volumes.get_snapshot(call.ctx, call.param("id"))
    authorize(call.ctx, rule)
    handler(call, call.param("id"), asked)


_ONE, _META = "/snapshots/{id}", "/snapshots/{id}/metadata"
OPERATIONS = (
    Operation("GET", "/snapshots", index, rule="volume:get_all_snapshots"),
    Operation("GET", "/snapshots/detail", detail, rule="volume:get_all_snapshots"),
    Operation("POST", "/snapshots", create, 202, "volume:create_snapshot", schemas.SNAPSHOT),
    Operation("GET", _ONE, show, rule="volume:get_snapshot"),
    Operation("PUT", _ONE, update, 200, "volume:update_snapshot", schemas.SNAPSHOT_UPDATE),
    Operation("DELETE", _ONE, delete, 202, "volume:delete_snapshot"),
    Operation("GET", _META, metadata, rule="volume:get_snapshot"),
    Operation("POST", _META, merge_metadata, 200, "volume:update_snapshot", schemas.METADATA),
    Operation("PUT", _META, replace_metadata, 200, "volume:update_snapshot", schemas.METADATA),
    Operation("DELETE", _META + "/{key}", delete_metadata, 200, "volume:update_snapshot"),
    Operation("POST", "/snapshots/{id}/action", act, 202, json_body=True),
)
