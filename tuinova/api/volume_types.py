"""/volume/v3/types: types of volumes, their extra specs and who may use a private one."""

from __future__ import annotations

from typing import Any

from tuinova.api.operations import Call, Operation
from tuinova.api.schemas import volumes as schemas
from tuinova.api.schemas.types import is_true
from tuinova.api.volume_actions import one_action
from tuinova.api.volume_views import type_view
from tuinova.core.conductor.seeds import DEFAULT_VOLUME_TYPE
from tuinova.core.errors import Invalid, NotFound
from tuinova.core.errors.volumes import VolumeTypeNotFound, VolumeTypeNotFoundByName, VolumeTypeSpecNotFound
from tuinova.core.policy import authorize
from tuinova.core.records import VolumeType

_MANAGE = "volume_extension:types_manage"


def _visible(call: Call, kind: VolumeType) -> bool:
    return kind.is_public or call.ctx.is_admin or call.ctx.project_id in kind.projects


def _type(call: Call) -> VolumeType:
    """The type of the path, by id, or "default"; raises VolumeTypeNotFound."""
    ident = call.param("id")
    try:
        kind = call.state.conductor.volume_type(DEFAULT_VOLUME_TYPE if ident == "default" else ident)
    except VolumeTypeNotFoundByName as error:
        raise VolumeTypeNotFound(volume_type_id=ident) from error
    if not _visible(call, kind) or (ident not in (kind.id, "default")):
        raise VolumeTypeNotFound(volume_type_id=ident)
    return kind


def index(call: Call) -> Any:
    """The types that the project may use; an admin asks for private ones with is_public=None or false."""
    found = [kind for kind in call.state.conductor.volume_types() if _visible(call, kind)]
    asked = call.query.get("is_public")
    if not call.ctx.is_admin:
        asked = None if asked is None else "none"
    if asked is None and call.ctx.is_admin:
        found = [kind for kind in found if kind.is_public]
    elif asked is not None and asked.lower() != "none":
        found = [kind for kind in found if kind.is_public == is_true(asked)]
    return {"volume_types": [type_view(kind) for kind in found]}


def show(call: Call) -> Any:
    """One type."""
    return {"volume_type": type_view(_type(call))}


def create(call: Call) -> Any:
    """A new type."""
    asked = call.body["volume_type"]
    public = asked.get("os-volume-type-access:is_public", asked.get("is_public", True))
    made = call.state.conductor.create_volume_type(
        asked["name"],
        description=asked.get("description"),
        is_public=is_true(public),
        extra_specs=asked.get("extra_specs") or {},
    )
    return {"volume_type": type_view(made)}


def update(call: Call) -> Any:
    """Name, description, whether it is public."""
    asked = dict(call.body["volume_type"])
    if not asked:
        raise Invalid("Specify volume type name, description, is_public or a combination thereof.")
    if "is_public" in asked:
        asked["is_public"] = is_true(asked["is_public"])
    return {"volume_type": type_view(call.state.conductor.update_volume_type(_type(call).id, asked))}


def delete(call: Call) -> None:
    """Remove it."""
    kind = _type(call)
    if kind.name == DEFAULT_VOLUME_TYPE:
        raise Invalid(f"The volume type {kind.id} is the default volume type and cannot be deleted.")
    call.state.conductor.delete_volume_type(kind.id)


# extra specs ---------------------------------------------------------------------------------------------------------
def extra_specs(call: Call) -> Any:
    """All of them."""
    return {"extra_specs": _type(call).extra_specs}


def set_extra_specs(call: Call) -> Any:
    """Add or change some."""
    call.state.conductor.set_volume_type_specs(_type(call).id, call.body["extra_specs"])
    return {"extra_specs": call.body["extra_specs"]}


def extra_spec(call: Call) -> Any:
    """One of them."""
    kind, key = _type(call), call.param("key")
    if key not in kind.extra_specs:
        raise VolumeTypeSpecNotFound(volume_type_id=kind.id, extra_specs_key=key)
    return {key: kind.extra_specs[key]}


def set_extra_spec(call: Call) -> Any:
    """Change one."""
    if set(call.body) != {call.param("key")}:
        raise Invalid("Request body and URI mismatch")
    call.state.conductor.set_volume_type_specs(_type(call).id, call.body)
    return call.body


def delete_extra_spec(call: Call) -> None:
    """Take one away."""
    call.state.conductor.set_volume_type_specs(_type(call).id, {call.param("key"): None})


# access --------------------------------------------------------------------------------------------------------------
def access(call: Call) -> Any:
    """The projects that may use a private type."""
    kind = _type(call)
    if kind.is_public:
        raise NotFound("Access list not available for public volume types.")
    return {"volume_type_access": [{"volume_type_id": kind.id, "project_id": one} for one in kind.projects]}


def act(call: Call) -> None:
    """Give a project access, or take it away."""
    name, asked = one_action(call, schemas.TYPE_ACTIONS, schemas.TYPE_ACTIONS)
    authorize(call.ctx, _MANAGE)
    kind = _type(call)
    call.state.conductor.set_volume_type_access(kind.id, asked["project"], given=name == "addProjectAccess")


_SPECS = "/types/{id}/extra_specs"
OPERATIONS = (
    Operation("GET", "/types", index, rule="volume_extension:type_get_all"),
    Operation("POST", "/types", create, 200, _MANAGE, schemas.TYPE),
    Operation("GET", "/types/{id}", show, rule="volume_extension:type_get"),
    Operation("PUT", "/types/{id}", update, 200, _MANAGE, schemas.TYPE_UPDATE),
    Operation("DELETE", "/types/{id}", delete, 202, _MANAGE),
    Operation("GET", _SPECS, extra_specs, rule="volume_extension:type_get"),
    Operation("POST", _SPECS, set_extra_specs, 200, _MANAGE, schemas.EXTRA_SPECS),
    Operation("GET", _SPECS + "/{key}", extra_spec, rule="volume_extension:type_get"),
    Operation("PUT", _SPECS + "/{key}", set_extra_spec, 200, _MANAGE, schemas.EXTRA_SPEC),
    Operation("DELETE", _SPECS + "/{key}", delete_extra_spec, 202, _MANAGE),
    Operation("GET", "/types/{id}/os-volume-type-access", access, rule=_MANAGE),
    Operation("POST", "/types/{id}/action", act, 202, json_body=True),
)
