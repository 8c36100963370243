"""/image/v2/schemas: what an image and its members look like, for clients that ask before they speak."""

from __future__ import annotations

from typing import Any

from tuinova.api.operations import Call, Operation, Reply
from tuinova.api.schemas import images as schemas
from tuinova.core.errors import NotFound

_TEXT = {"type": ["null", "string"], "readOnly": True}
_NUMBER = {"type": ["null", "integer"], "readOnly": True}
_IMAGE: dict[str, Any] = {
    "name": "image",
    "properties": {
        **schemas.FIELDS,
        "id": {"type": "string"},
        "owner": {"type": ["null", "string"], "maxLength": 255},
        **dict.fromkeys(("status", "checksum", "os_hash_algo", "os_hash_value", "created_at", "updated_at"), _TEXT),
        **dict.fromkeys(("self", "file", "schema"), _TEXT),
        **dict.fromkeys(("size", "virtual_size"), _NUMBER),
    },
    "additionalProperties": {"type": "string"},
    "links": [
        {"rel": "self", "href": "{self}"},
        {"rel": "enclosure", "href": "{file}"},
        {"rel": "describedby", "href": "{schema}"},
    ],
}
_MEMBER: dict[str, Any] = {
    "name": "member",
    "properties": {
        "member_id": {"type": "string"},
        "image_id": {"type": "string"},
        "status": {"type": "string", "enum": ["pending", "accepted", "rejected"]},
        "created_at": {"type": "string"},
        "updated_at": {"type": "string"},
        "schema": {"type": "string", "readOnly": True},
    },
}


def _several(name: str, one: dict[str, Any]) -> dict[str, Any]:
    properties = {name: {"type": "array", "items": one}, "schema": {"type": "string"}}
    paging = {"first": {"type": "string"}, "next": {"type": "string"}} if name == "images" else {}
    return {"name": name, "properties": {**properties, **paging}}


_SCHEMAS = {
    "image": _IMAGE,
    "images": _several("images", _IMAGE),
    "member": _MEMBER,
    "members": _several("members", _MEMBER),
}


def show(call: Call) -> Reply:
    """One by its name."""
    found = _SCHEMAS.get(call.param("name"))
    if found is None:
        raise NotFound(f"There is no schema {call.param('name')[:80]}.")
    return Reply(found)


OPERATIONS = (Operation("GET", "/schemas/{name}", show, rule="get_images"),)
