"""/volume/v3/volumes: Cinder's rows."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from tuinova.api import params
from tuinova.api.operations import Call, Operation
from tuinova.api.schemas import volumes as schemas
from tuinova.api.schemas.types import is_true
from tuinova.api.volume_views import volume_basic, volume_detail
from tuinova.core.drafts import VolumeFilter
from tuinova.core.errors import InstanceNotFound, Invalid, InvalidInput
from tuinova.core.errors.volumes import VolumeMetadataNotFound
from tuinova.core.records import Volume, VolumeAttachment
from tuinova.core.volume_api.create import VolumeRequest

_MOST = 1000


def project_filter(call: Call) -> str | None:
    """Whose rows a list shows: the acting project's, or for an admin who asks for it everybody's or another's."""
    if not call.ctx.is_admin:
        return call.ctx.project_id
    if call.query.get("project_id"):
        return call.query["project_id"]
    asked = call.query.get("all_tenants", call.query.get("all_projects"))
    if asked is not None and (asked == "" or params.parse_boolean(asked, "all_tenants")):
        return None
    return call.ctx.project_id


def sorting(call: Call) -> tuple[tuple[str, str], ...]:
    """`sort=name:asc,size:desc`, or sort_key and sort_dir."""
    text = call.query.get("sort")
    if text is None:
        return params.sort_pairs(call.query)
    pairs = []
    for part in text.split(",")[:10]:
        key, _, direction = part.strip().partition(":")
        if direction not in ("", "asc", "desc"):
            raise InvalidInput(reason=f"Unknown sort direction, must be one of: asc, desc (not {direction[:20]})")
        pairs.append((key[:40], direction or "desc"))
    return tuple(pairs)


def properties_filter(call: Call) -> dict[str, str]:
    """`metadata={"key": "value"}`, as JSON or as Python writes it."""
    text = call.query.get("metadata")
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        try:
            found = ast.literal_eval(text[:4096])
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            found = None
    if not isinstance(found, dict):
        raise InvalidInput(reason="The filter metadata must be an object of texts.")
    return {str(key): str(value) for key, value in found.items()}


def _filter(call: Call, limit: int) -> VolumeFilter:
    query = call.query
    return VolumeFilter(
        project_id=project_filter(call),
        user_id=query.get("user_id"),
        ids=[query["id"]] if "id" in query else None,
        name=query.get("name"),
        name_like=query.get("name~"),
        status=query.get("status"),
        volume_type=query.get("volume_type"),
        availability_zone=query.get("availability_zone"),
        bootable=params.boolean(query, "bootable"),
        properties=properties_filter(call),
        sort=sorting(call),
        limit=limit,
        offset=max(0, params.integer(query, "offset") or 0),
        marker=query.get("marker"),
    )


def next_link(call: Call, key: str, page: Sequence[Any], limit: int, last: str) -> dict[str, Any]:
    """The link to the next page after a full one."""
    if not page or len(page) < limit:
        return {}
    kept = [(name, value) for name, value in call.query.multi_items() if name not in ("marker", "offset")]
    href = f"{call.base_url}{call.request.url.path}?{urlencode([*kept, ('marker', last)])}"
    return {f"{key}_links": [{"rel": "next", "href": href}]}


def _page(call: Call) -> tuple[list[Volume], int]:
    limit = params.page_limit(call.query, _MOST) or _MOST
    return call.state.conductor.volumes(_filter(call, limit)), limit


def index(call: Call) -> Any:
    """The short list."""
    found, limit = _page(call)
    rows = [volume_basic(volume, call.base_url) for volume in found]
    return {"volumes": rows, **next_link(call, "volumes", found, limit, found[-1].id if found else "")}


def detail(call: Call) -> Any:
    """The list with details."""
    found, limit = _page(call)
    rows = views(call, found)
    return {"volumes": rows, **next_link(call, "volumes", found, limit, found[-1].id if found else "")}


def views(call: Call, volumes: Sequence[Volume]) -> list[dict[str, Any]]:
    """The whole volumes with their attachments, which are read at once."""
    held: dict[str, list[Any]] = {}
    if volumes:
        for attachment in call.state.conductor.attachments(volume_ids=[volume.id for volume in volumes]):
            held.setdefault(attachment.volume_id, []).append(attachment)
    host = call.state.engine.service_name
    if call.ctx.is_admin:
        held = {ident: [_where(call, one) for one in found] for ident, found in held.items()}
    return [volume_detail(volume, held.get(volume.id, []), call.ctx, call.base_url, host) for volume in volumes]


def _where(call: Call, attachment: VolumeAttachment) -> VolumeAttachment:
    """An attachment with the host of its server now: moves don't touch it."""
    try:
        return replace(attachment, host=call.state.conductor.instance(attachment.instance_uuid).host)
    except InstanceNotFound:
        return attachment


def summary(call: Call) -> Any:
    """How many volumes there are and how much they hold."""
    found = call.state.conductor.volumes(VolumeFilter(project_id=project_filter(call)))
    sizes = sum(volume.size for volume in found)
    return {"volume-summary": {"total_count": len(found), "total_size": sizes, "metadata": {}}}


def show(call: Call) -> Any:
    """One volume."""
    return {"volume": views(call, [call.state.volumes.get(call.ctx, call.param("id"))])[0]}


def create(call: Call) -> Any:
    """A new volume: its data are made after the answer."""
    asked = call.body["volume"]
    for unserved in ("consistencygroup_id", "group_id", "backup_id"):
        if asked.get(unserved):
            raise InvalidInput(reason=f"{unserved} can't be given: there are no such things here.")
    if is_true(asked.get("multiattach") or False):
        raise InvalidInput(reason="A volume of several servers (multiattach) can't be made here.")
    size = asked.get("size")
    request = VolumeRequest(
        size=int(size) if size is not None else None,
        name=asked.get("name", asked.get("display_name")),
        description=asked.get("description", asked.get("display_description")),
        image_id=asked.get("imageRef") or None,
        snapshot_id=asked.get("snapshot_id") or None,
        source_volid=asked.get("source_volid") or None,
        volume_type=asked.get("volume_type") or None,
        availability_zone=asked.get("availability_zone") or None,
        metadata=asked.get("metadata") or {},
    )
    return {"volume": views(call, [call.state.volumes.create(call.ctx, request)])[0]}


def update(call: Call) -> Any:
    """Name, description, metadata."""
    asked = call.body["volume"]
    values: dict[str, Any] = {}
    for name in ("name", "description"):
        if name in asked or f"display_{name}" in asked:
            values[name] = asked.get(name, asked.get(f"display_{name}"))
    if asked.get("metadata") is not None:
        values["properties"] = dict(asked["metadata"])
    if not values:
        raise Invalid(
            "Invalid input for field/attribute volume. Value: {}. "
            "At least one of name, description, metadata must be given."
        )
    return {"volume": views(call, [call.state.volumes.update(call.ctx, call.param("id"), values)])[0]}


def delete(call: Call) -> None:
    """Remove it after the answer."""
    cascade = bool(params.boolean(call.query, "cascade"))
    call.state.volumes.delete(call.ctx, call.param("id"), cascade=cascade)


# metadata ------------------------------------------------------------------------------------------------------------
def metadata(call: Call) -> Any:
    """All items."""
    return {"metadata": call.state.volumes.get(call.ctx, call.param("id")).properties}


def merge_metadata(call: Call) -> Any:
    """Add or change items."""
    return {"metadata": call.state.volumes.set_metadata(call.ctx, call.param("id"), call.body["metadata"])}


def replace_metadata(call: Call) -> Any:
    """Exactly these items."""
    items = call.body["metadata"]
    return {"metadata": call.state.volumes.set_metadata(call.ctx, call.param("id"), items, replace=True)}


def metadata_item(call: Call) -> Any:
    """One item."""
    key = call.param("key")
    found = call.state.volumes.get(call.ctx, call.param("id")).properties
    if key not in found:
        raise VolumeMetadataNotFound(volume_id=call.param("id"), metadata_key=key)
    return {"meta": {key: found[key]}}


def set_metadata_item(call: Call) -> Any:
    """Change one item."""
    call.state.volumes.set_metadata(call.ctx, call.param("id"), call.body["meta"])
    return {"meta": call.body["meta"]}


def delete_metadata(call: Call) -> None:
    """Take one item away."""
    call.state.volumes.delete_metadata(call.ctx, call.param("id"), call.param("key"))


_ONE, _META = "/volumes/{id}", "/volumes/{id}/metadata"
OPERATIONS = (
    Operation("GET", "/volumes", index, rule="volume:get_all"),
    Operation("GET", "/volumes/detail", detail, rule="volume:get_all"),
    Operation("GET", "/volumes/summary", summary, rule="volume:get_all"),
    Operation("POST", "/volumes", create, 202, "volume:create", schemas.VOLUME),
    Operation("GET", _ONE, show, rule="volume:get"),
    Operation("PUT", _ONE, update, 200, "volume:update", schemas.VOLUME_UPDATE),
    Operation("DELETE", _ONE, delete, 202, "volume:delete"),
    Operation("GET", _META, metadata, rule="volume:get"),
    Operation("POST", _META, merge_metadata, 200, "volume:update_volume_metadata", schemas.METADATA),
    Operation("PUT", _META, replace_metadata, 200, "volume:update_volume_metadata", schemas.METADATA),
    Operation("GET", _META + "/{key}", metadata_item, rule="volume:get"),
    Operation("PUT", _META + "/{key}", set_metadata_item, 200, "volume:update_volume_metadata", schemas.META_ITEM),
    Operation("DELETE", _META + "/{key}", delete_metadata, 200, "volume:delete_volume_metadata"),
)
