"""POST /volume/v3/volumes/{id}/action: each key of the body is one action (cinder/api/contrib)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tuinova.api.operations import Call, Operation, Reply
from tuinova.api.schemas import volumes as schemas
from tuinova.api.schemas.types import is_true
from tuinova.api.validation import Schema, validate
from tuinova.api.volume_views import moment
from tuinova.core.errors import Invalid, InvalidInput
from tuinova.core.policy import authorize

_ADMIN = "volume_extension:volume_admin_actions:"


def one_action(call: Call, known: Mapping[str, Any], schema_of: Mapping[str, Schema]) -> tuple[str, Any]:
    """The body's one key and what stands under it, checked; raises Invalid."""
    body = call.body
    if not isinstance(body, dict) or len(body) != 1:
        raise Invalid("There is no such action: one is asked for at a time")
    [(name, asked)] = body.items()
    if name not in known:
        raise Invalid(f"There is no such action: {str(name)[:80]}")
    validate(schema_of[name], asked)
    return name, asked


def _extend(call: Call, ident: str, asked: Any) -> None:
    call.state.volumes.extend(call.ctx, ident, int(asked["new_size"]))


def _set_bootable(call: Call, ident: str, asked: Any) -> Reply:
    call.state.volumes.set_bootable(call.ctx, ident, is_true(asked["bootable"]))
    return Reply(status=200)


def _reset(call: Call, ident: str, asked: Any) -> None:
    status, attach_status = asked.get("status"), asked.get("attach_status")
    if status is None and attach_status is None and "migration_status" not in asked:
        raise Invalid("Must specify 'status', 'attach_status', or 'migration_status' for update.")
    call.state.volumes.reset_status(call.ctx, ident, status, attach_status)


def _force_delete(call: Call, ident: str, asked: Any) -> None:
    call.state.volumes.delete(call.ctx, ident, force=True)


def _readonly(call: Call, ident: str, asked: Any) -> None:
    call.state.volumes.set_readonly(call.ctx, ident, is_true(asked["readonly"]))


def _upload(call: Call, ident: str, asked: Any) -> Reply:
    volume, image = call.state.volumes.upload(
        call.ctx,
        ident,
        image_name=asked["image_name"],
        disk_format=asked.get("disk_format") or "raw",
        container_format=asked.get("container_format") or "bare",
        visibility=asked.get("visibility") or "shared",
        protected=is_true(asked.get("protected") or False),
    )
    told = {
        "id": volume.id,
        "updated_at": moment(volume.updated_at),
        "status": volume.status,
        "display_description": volume.description,
        "size": volume.size,
        "volume_type": {"name": volume.volume_type},
        "image_id": image.id,
        "container_format": image.container_format,
        "disk_format": image.disk_format,
        "image_name": image.name,
        "protected": image.protected,
        "visibility": image.visibility,
    }
    return Reply({"os-volume_upload_image": told}, 202)


def _set_image_metadata(call: Call, ident: str, asked: Any) -> Reply:
    return Reply({"metadata": call.state.volumes.set_image_metadata(call.ctx, ident, asked["metadata"])}, 200)


def _unset_image_metadata(call: Call, ident: str, asked: Any) -> Reply:
    call.state.volumes.delete_image_metadata(call.ctx, ident, asked["key"])
    return Reply(status=200)


def _show_image_metadata(call: Call, ident: str, asked: Any) -> Reply:
    return Reply({"metadata": call.state.volumes.get(call.ctx, ident).image_metadata}, 200)


def _retype(call: Call, ident: str, asked: Any) -> None:
    volume = call.state.volumes.get(call.ctx, ident)
    kind = call.state.conductor.volume_type(asked["new_type"])
    wanted = kind.extra_specs.get("volume_backend_name")
    if volume.volume_type == kind.name:
        raise InvalidInput(reason=f"New volume_type same as original: {kind.id}.")
    if wanted not in (None, volume.backend):
        raise InvalidInput(reason=f"The volume would have to move to {wanted}: volumes are not moved here.")
    call.state.volumes.update(call.ctx, ident, {"volume_type": kind.name})


def _revert(call: Call, ident: str, asked: Any) -> None:
    call.state.volumes.revert(call.ctx, ident, asked["snapshot_id"])


# key: (policy, handler)
ACTIONS: Mapping[str, tuple[str, Callable[[Call, str, Any], Reply | None]]] = {
    "os-extend": ("volume:extend", _extend),
    "os-set_bootable": ("volume:update", _set_bootable),
    "os-reset_status": (_ADMIN + "reset_status", _reset),
    "os-force_delete": (_ADMIN + "force_delete", _force_delete),
    "os-update_readonly_flag": ("volume:update_readonly_flag", _readonly),
    "os-volume_upload_image": ("volume_extension:volume_actions:upload_image", _upload),
    "os-set_image_metadata": ("volume_extension:volume_image_metadata:set", _set_image_metadata),
    "os-unset_image_metadata": ("volume_extension:volume_image_metadata:remove", _unset_image_metadata),
    "os-show_image_metadata": ("volume:get", _show_image_metadata),
    "os-retype": ("volume:retype", _retype),
    "revert": ("volume:revert_to_snapshot", _revert),
}


def act(call: Call) -> Any:
    """Carry out the action of the body."""
    ident = call.param("id")
    name, asked = one_action(call, ACTIONS, schemas.VOLUME_ACTIONS)
    rule, handler = ACTIONS[name]
    call.state.volumes.get(call.ctx, ident)  # 404 before 403
    authorize(call.ctx, rule)
    return handler(call, ident, asked)


OPERATIONS = (Operation("POST", "/volumes/{id}/action", act, 202, json_body=True),)
