"""/servers/{id}/metadata (nova/api/openstack/compute/server_metadata.py)."""

from __future__ import annotations

from typing import Any

from tuinova.api.operations import Call, Operation
from tuinova.api.schemas import servers as schemas
from tuinova.core.errors import Invalid, MetadataItemNotFound

_RULE = "os_compute_api:server-metadata:"


def index(call: Call) -> Any:
    """All items."""
    return {"metadata": call.state.instance(call.ctx, call.param("id")).metadata}


def merge(call: Call) -> Any:
    """Add or change items."""
    return {"metadata": call.state.compute.set_metadata(call.ctx, call.param("id"), call.body["metadata"])}


def replace(call: Call) -> Any:
    """Exactly these items."""
    items = call.body["metadata"]
    return {"metadata": call.state.compute.set_metadata(call.ctx, call.param("id"), items, replace=True)}


def show_item(call: Call) -> Any:
    """One item."""
    metadata = call.state.instance(call.ctx, call.param("id")).metadata
    key = call.param("key")
    if key not in metadata:
        raise MetadataItemNotFound
    return {"meta": {key: metadata[key]}}


def set_item(call: Call) -> Any:
    """Add or change one item."""
    key, meta = call.param("key"), call.body["meta"]
    if key not in meta:
        raise Invalid("Request body and URI mismatch")
    changed = call.state.compute.set_metadata(call.ctx, call.param("id"), meta)
    return {"meta": {key: changed[key]}}


def delete_item(call: Call) -> None:
    """Remove one item."""
    call.state.compute.delete_metadata(call.ctx, call.param("id"), call.param("key"))


OPERATIONS = (
    Operation("GET", "/servers/{id}/metadata", index, rule=_RULE + "index"),
    Operation("POST", "/servers/{id}/metadata", merge, 200, _RULE + "create", schemas.METADATA),
    Operation("PUT", "/servers/{id}/metadata", replace, 200, _RULE + "update_all", schemas.METADATA),
    Operation("GET", "/servers/{id}/metadata/{key}", show_item, rule=_RULE + "show"),
    Operation("PUT", "/servers/{id}/metadata/{key}", set_item, 200, _RULE + "update", schemas.METADATA_ITEM),
    Operation("DELETE", "/servers/{id}/metadata/{key}", delete_item, 204, _RULE + "delete"),
)
