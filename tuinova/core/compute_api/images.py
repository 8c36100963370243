"""Images made of servers: createImage and createBackup, and the row that each begins with (nova/compute/utils.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tuinova.core.compute_api.accepting import Accepted, Acceptor, Handler
from tuinova.core.conductor.images import new_image
from tuinova.core.context import RequestContext
from tuinova.core.drafts import new_uuid
from tuinova.core.errors import Invalid
from tuinova.core.records import Image, Instance
from tuinova.core.states import Action

# nova/compute/utils.py NON_INHERITABLE_IMAGE_PROPERTIES and the default of non_inheritable_image_properties.
_NOT_INHERITED = frozenset(
    {
        "bittorrent",
        "cache_in_nova",
        "img_signature",
        "img_signature_certificate_uuid",
        "img_signature_hash_method",
        "img_signature_key_type",
        "mappings",
    }
)
_FROM_SYSTEM_METADATA = ("boot_roles", "owner_user_name", "owner_project_name")


def image_of(
    ctx: RequestContext, image_id: str, name: Callable[[Instance], str], image_type: str, extra: Mapping[str, str]
) -> Callable[[Instance], Image]:
    """What makes the queued image of a server: it inherits what the server's own image said.

    Its formats are known when the driver has written it. `min_disk` is at least the server's root disk.
    """

    def make(instance: Instance) -> Image:
        image, same_project = instance.image, ctx.project_id == instance.project_id
        inherited = {key: value for key, value in (image.get("properties") or {}).items() if key not in _NOT_INHERITED}
        kept = {key: value for key in _FROM_SYSTEM_METADATA if (value := instance.system_metadata.get(key))}
        base = inherited.get("base_image_ref") or instance.image_ref
        properties = {
            **kept,
            **inherited,
            **({"base_image_ref": base} if base else {}),
            "instance_uuid": instance.uuid,
            "user_id": str(ctx.user_id or ""),
            "image_type": image_type,
            **extra,
        }
        return Image(
            id=image_id,
            name=name(instance),
            status="queued",
            owner=ctx.project_id or instance.project_id,
            visibility="private" if same_project else "shared",
            min_disk=max(int(image.get("min_disk") or 0), int(instance.flavor.get("root_gb") or 0)),
            min_ram=int(image.get("min_ram") or 0),
            properties={key: str(value) for key, value in properties.items()},
            # Nova shares the image with the server's project when somebody else asks for it.
            members={} if same_project else {instance.project_id: "pending"},
        )

    return make


def _asked(body: Any) -> tuple[str, dict[str, str]]:
    """Name and metadata of the request."""
    if not isinstance(body, Mapping) or not str(body.get("name") or "").strip():
        raise Invalid("Invalid input for field/attribute name. Value: None. 'name' is a required property")
    return str(body["name"]).strip(), dict(body.get("metadata") or {})


def _create_image(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    name, metadata = _asked(body)
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
