"""The row that an image of a server begins with (nova/compute/utils.py initialize_instance_snapshot_metadata)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tuinova.core.context import RequestContext
from tuinova.core.records import Image, Instance

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
