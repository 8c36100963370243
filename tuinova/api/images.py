"""/image/v2/images: Glance's rows (glance/api/v2/images.py); the data is in `image_data`."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from tuinova.api.operations import Call, Operation, Reply
from tuinova.api.schemas import images as schemas
from tuinova.api.state import ApiState
from tuinova.api.validation import validate
from tuinova.api.views import seconds
from tuinova.core.context import RequestContext
from tuinova.core.errors import Conflict, Forbidden, ImageNotFound, Invalid, InvalidDiskFormat
from tuinova.core.image_import import IMPORT_METHODS
from tuinova.core.image_store import DISK_FORMATS
from tuinova.core.policy import allowed, authorize
from tuinova.core.records import Image

_READ_ONLY = frozenset(
    {
        *("id", "status", "size", "virtual_size", "checksum", "created_at", "updated_at", "file", "schema", "self"),
        *("os_hash_algo", "os_hash_value", "owner", "direct_url", "locations", "deleted", "deleted_at", "stores"),
        *("task_progress", "task_message"),
    }
)
_RESERVED = frozenset({"self", "file", "schema", "direct_url", "locations", "deleted", "deleted_at", "stores"})
_FIXED_WITH_DATA = frozenset({"disk_format", "container_format"})
_MOST_PROPERTIES = 128
# Names that Glance keeps for itself.
_GLANCES_OWN = "os_glance_"


def view(image: Image) -> dict[str, Any]:
    """The image, properties on top; while it is imported, and after that failed, what there is to say of it."""
    return {
        **image.properties,
        **_task(image),
        "id": image.id,
        "name": image.name,
        "status": image.status,
        "visibility": image.visibility,
        "owner": image.owner,
        "protected": image.protected,
        "os_hidden": image.os_hidden,
        "disk_format": image.disk_format,
        "container_format": image.container_format,
        "min_disk": image.min_disk,
        "min_ram": image.min_ram,
        "size": image.size,
        "virtual_size": image.virtual_size,
        "checksum": image.checksum,
        "os_hash_algo": image.os_hash_algo,
        "os_hash_value": image.os_hash_value,
        "tags": image.tags,
        "created_at": seconds(image.created_at),
        "updated_at": seconds(image.updated_at),
        "self": f"/v2/images/{image.id}",
        "file": f"/v2/images/{image.id}/file",
        "schema": "/v2/schemas/image",
    }


def _task(image: Image) -> dict[str, Any]:
    task = image.task or {}
    return {f"task_{key}": task[key] for key in ("progress", "message") if task.get(key)}


def visible_image(state: ApiState, ctx: RequestContext, ident: str) -> Image:
    """An image that the caller may know of; raises ImageNotFound."""
    image = state.conductor.image(ident)
    if ctx.is_admin or image.visible_to(ctx.project_id):
        return image
    raise ImageNotFound(image_id=ident)


def own_image(state: ApiState, ctx: RequestContext, ident: str, what: str) -> Image:
    """An image that the caller may change; raises ImageNotFound, Forbidden."""
    image = visible_image(state, ctx, ident)
    if not ctx.is_admin and image.owner != ctx.project_id:
        raise Forbidden(f"You are not permitted to {what} this image.")
    return image


def show(call: Call) -> Any:
    """One image, not wrapped."""
    return view(visible_image(call.state, call.ctx, call.param("id")))


def create(call: Call) -> Any:
    """A queued image without data."""
    asked = dict(call.body)
    refused = sorted((set(asked) & _READ_ONLY) - {"id", "owner"})
    if refused:
        raise Forbidden(f"Attribute '{refused[0]}' is read-only.")
    own = {name: asked.pop(name) for name in (*schemas.FIELDS, "id", "owner") if name in asked}
    if own.get("visibility") == "public":
        authorize(call.ctx, "publicize_image")
    owner = own.get("owner") or call.ctx.project_id
    if owner != call.ctx.project_id and not call.ctx.is_admin:
        raise Forbidden(f"You are not permitted to create images owned by '{owner}'.")
    _check_properties(asked)
    own |= {"id": own.get("id", str(uuid.uuid4())).lower(), "owner": owner}
    image = Image(status="queued", properties=asked, **{"name": None, **own})
    if image.disk_format is not None and image.disk_format not in DISK_FORMATS:
        raise InvalidDiskFormat(disk_format=image.disk_format)
    headers = {"OpenStack-image-import-methods": ",".join(IMPORT_METHODS)}  # what clients look for before an import
    return Reply(view(call.state.conductor.create_image(image)), headers=headers)


def _check_properties(properties: dict[str, Any]) -> None:
    if len(properties) > _MOST_PROPERTIES:
        raise Invalid(f"The limit has been exceeded on the number of allowed image properties: {_MOST_PROPERTIES}")
    for name in properties:
        if not 0 < len(name) <= 255:
            raise Invalid(f"Invalid property name: {name[:80]!r}")
        if name.startswith(_GLANCES_OWN):
            raise Forbidden(f"Attribute '{name[:80]}' is reserved.")


def update(call: Call) -> Any:
    """A JSON patch."""
    ident = call.param("id")
    image = own_image(call.state, call.ctx, ident, "modify")
    changed = image
    for step in call.body:
        changed = _patched(changed, step, admin=call.ctx.is_admin)
    published = changed.visibility == "public" and image.visibility != "public"
    if published and not allowed(call.ctx, "publicize_image"):
        raise Forbidden("You are not authorized to complete publicize_image action.")
    _check_properties(changed.properties)
    names = (*_SETTABLE, "properties")
    values = {name: getattr(changed, name) for name in names if getattr(changed, name) != getattr(image, name)}
    if not values:
        return view(image)
    return view(call.state.conductor.update_image(ident, **values))


def _patched(image: Image, step: dict[str, Any], *, admin: bool) -> Image:
    """The image after one step of the patch; an admin may give it to another project."""
    name = _pointed(step["path"])
    if name in _READ_ONLY and not (name == "owner" and admin):
        raise Forbidden(f"Attribute '{name}' is {'reserved' if name in _RESERVED else 'read-only'}.")
    if step["op"] == "remove":
        return _without(image, name)
    if "value" not in step:
        raise Invalid(f"Operation '{step['op']}' requires a value.")
    value = step["value"]
    if name in _SETTABLE:
        validate(_FIELD_SCHEMAS[name], {name: value})
        if name in _FIXED_WITH_DATA and image.status != "queued" and value != getattr(image, name):
            raise Forbidden(f"Attribute {name} can be replaced only for a queued image.")
        return replace(image, **{name: value})
    if step["op"] == "replace" and name not in image.properties:
        raise Conflict(f"Property {name} does not exist.")
    validate(_PROPERTY_SCHEMA, {name: value})
    return replace(image, properties={**image.properties, name: value})


def _without(image: Image, name: str) -> Image:
    if name in _SETTABLE:
        raise Forbidden(f"Property {name} may not be removed.")
    if name not in image.properties:
        raise Conflict(f"Property {name} does not exist.")
    return replace(image, properties={key: value for key, value in image.properties.items() if key != name})


def _pointed(path: str) -> str:
    """The key that a JSON pointer of one step names."""
    if "/" in path[1:] or not path[1:]:
        raise Invalid(f"Invalid JSON pointer for this resource: '{path[:80]}'")
    return path[1:].replace("~1", "/").replace("~0", "~")


_SETTABLE = {**schemas.FIELDS, "owner": {"type": "string", "minLength": 1, "maxLength": 255}}
_FIELD_SCHEMAS = {name: {"type": "object", "properties": {name: rule}} for name, rule in _SETTABLE.items()}
_PROPERTY_SCHEMA = {"type": "object", "additionalProperties": schemas.PROPERTY}


def delete(call: Call) -> None:
    """Remove row and data; servers that were made of it keep running on their own copy of the base."""
    ident = call.param("id")
    image = own_image(call.state, call.ctx, ident, "delete")
    call.state.conductor.delete_image(ident)
    call.state.importer.cancel(ident)
    call.state.image_store.delete(ident)
    if image.status == "uploading":
        call.state.image_store.discard_import(ident)  # staged: no import will come for it


def add_tag(call: Call) -> None:
    """Put a tag on."""
    _retag(call, add=True)


def remove_tag(call: Call) -> None:
    """Take a tag off."""
    _retag(call, add=False)


def _retag(call: Call, *, add: bool) -> None:
    ident, tag = call.param("id"), call.param("tag")
    image = own_image(call.state, call.ctx, ident, "modify")
    if len(tag) > 255:
        raise Invalid(f"Invalid tag: {tag[:80]}")
    if not add and tag not in image.tags:
        raise ImageNotFound(f"Image {ident} has no tag {tag}.")
    tags = [kept for kept in image.tags if kept != tag]
    call.state.conductor.update_image(ident, tags=[*tags, tag] if add else tags)


OPERATIONS = (
    Operation("POST", "/images", create, 201, "add_image", schemas.CREATE),
    Operation("GET", "/images/{id}", show, rule="get_image"),
    Operation("PATCH", "/images/{id}", update, 200, "modify_image", schemas.PATCH),
    Operation("DELETE", "/images/{id}", delete, 204, "delete_image"),
    Operation("PUT", "/images/{id}/tags/{tag}", add_tag, 204, "modify_image"),
    Operation("DELETE", "/images/{id}/tags/{tag}", remove_tag, 204, "modify_image"),
)
