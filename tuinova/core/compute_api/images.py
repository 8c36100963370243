"""Images made of servers: createImage and createBackup, and the row that each begins with (nova/compute/utils.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuinova.core.block_devices import is_volume_backed
from tuinova.core.compute_api import volume_images
from tuinova.core.compute_api.accepting import Accepted, Acceptor, Handler
from tuinova.core.compute_api.image_rows import image_of
from tuinova.core.conductor.images import new_image
from tuinova.core.context import RequestContext
from tuinova.core.drafts import new_uuid
from tuinova.core.errors import Invalid
from tuinova.core.errors.volumes import BackupOfVolumeBacked
from tuinova.core.states import Action


def _asked(body: Any) -> tuple[str, dict[str, str]]:
    """Name and metadata of the request."""
    if not isinstance(body, Mapping) or not str(body.get("name") or "").strip():
        raise Invalid("Invalid input for field/attribute name. Value: None. 'name' is a required property")
    return str(body["name"]).strip(), dict(body.get("metadata") or {})


def _create_image(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    name, metadata = _asked(body)
    if is_volume_backed(api.look(ctx, row, uuid)):
        return volume_images.create_image(api, ctx, row, uuid, name, metadata)
    image_id = new_uuid()
    instance = api.order(
        ctx,
        row,
        uuid,
        "snapshot_instance",
        {"image_id": image_id},
        also=[new_image(image_of(ctx, image_id, lambda instance: name, "snapshot", metadata))],
    )
    return Accepted(instance, {"image_id": image_id})


def _create_backup(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    name, metadata = _asked(body)
    backup_type, rotation = str(body.get("backup_type") or ""), body.get("rotation")
    try:
        keep = int(rotation)
    except (TypeError, ValueError):
        keep = -1
    if is_volume_backed(api.look(ctx, row, uuid)):
        raise BackupOfVolumeBacked()
    if keep < 0 or isinstance(rotation, bool):
        raise Invalid(f"Invalid input for field/attribute rotation. Value: {rotation}. It must be a number from 0 on")
    image_id = new_uuid()
    instance = api.order(
        ctx,
        row,
        uuid,
        "backup_instance",
        {"image_id": image_id, "backup_type": backup_type, "rotation": keep},
        also=[
            new_image(
                image_of(ctx, image_id, lambda instance: name, "backup", {**metadata, "backup_type": backup_type})
            )
        ],
    )
    return Accepted(instance, {"image_id": image_id})


HANDLERS: Mapping[str, Handler] = {"createImage": _create_image, "createBackup": _create_backup}
