"""Rebuild: a server's disk anew from an image (nova/compute/api.py rebuild, servers.py _action_rebuild)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuinova.core import image_properties
from tuinova.core.block_devices import is_volume_backed, volumes_of
from tuinova.core.compute_api import checks
from tuinova.core.compute_api.accepting import Accepted, Acceptor, Handler
from tuinova.core.compute_api.create import image_copy
from tuinova.core.compute_api.naming import generate_password
from tuinova.core.context import RequestContext
from tuinova.core.drafts import EventFinish, OrderDraft
from tuinova.core.errors import (
    FlavorMemoryTooSmall,
    ImageNotFoundAsked,
    InstanceNotReady,
    Invalid,
    RebuildImageNotFound,
)
from tuinova.core.records import TRUSTED_CERTS, Flavor, Image, Instance
from tuinova.core.states import Action
from tuinova.core.volume_api.create import check_image_size

# Fields of the request that only change the server's row: the body's name to the row's.
_PLAIN = {
    "description": "description",
    "hostname": "hostname",
    "accessIPv4": "access_ip_v4",
    "accessIPv6": "access_ip_v6",
    "OS-DCF:diskConfig": "disk_config",
}
# What a scheduler that refuses the new image makes the server have again.
_OF_THE_IMAGE = ("image_ref", "image", "kernel_id", "ramdisk_id")
_EVENT = "rebuild_server"


def _rebuild(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    """The scheduler is asked only about another image; the same one goes to the host at once."""
    asked: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
    password = str(asked.get("adminPass") or generate_password(api.options.password_length))
    instance = api.look(ctx, row, uuid)
    values = _changes(api, ctx, asked)
    image = _image(api, ctx, asked)
    backed = is_volume_backed(instance)
    if backed:
        if asked.get("trusted_image_certificates"):
            raise Invalid("Image certificate validation is not supported for volume-backed servers.")
        _check_root_volume(api, instance, image)
    else:
        checks.check_sizes(ctx, _flavor(instance), image)
    image_properties.check(int(instance.flavor["vcpus"]), instance.flavor.get("extra_specs") or {}, image.properties)
    files = checks.check_files(asked.get("personality") or (), api.catalogue.limits(ctx.project_id or ""))
    if files:
        values["config_drive"] = True  # the only way to the guest
    # The root volume of one that boots from it is written anew (2.93), whatever image it was made of.
    other_image = not backed and instance.image_ref != image.id

    def check(seen: Instance) -> None:
        api.check(ctx, row)(seen)
        if seen.host is None:
            raise InstanceNotReady(instance_id=uuid)

    def order(seen: Instance) -> OrderDraft:
        args: dict[str, Any] = {"preserve_ephemeral": _true(asked.get("preserve_ephemeral"))}
        if seen.config_drive or values.get("config_drive"):
            args["admin_password"] = password  # only the config drive has it; it is kept nowhere else
            args |= {"injected_files": [list(file) for file in files]} if files else {}
        if backed:
            args["reimage"] = image.id
        if not other_image:
            return OrderDraft("rebuild_instance", seen.host, args)
        before = {name: getattr(seen, name) for name in _OF_THE_IMAGE}
        return OrderDraft(_EVENT, None, {**args, "before": before})

    of_image = _of_root(image) if backed else _of_image(image)
    drive = {"config_drive": True} if image.properties.get("img_config_drive") == "mandatory" else {}
    accepted = api.accept(
        ctx,
        uuid,
        check=check,
        updates={**values, **of_image, **drive, "task_state": row.task, "progress": 0},
        system_metadata=_certificates(asked),
        record=row.recorded_as,
        event=None if other_image else EventFinish(_EVENT, ctx.request_id),
        order=order,
    )
    return Accepted(accepted, {"adminPass": password})


def _changes(api: Acceptor, ctx: RequestContext, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What the row gets beside the image; raises what Nova answers, in its order."""
    values = {field: asked[key] for key, field in _PLAIN.items() if key in asked}
    for field in ("access_ip_v4", "access_ip_v6"):
        if field in values:
            values[field] = values[field] or None
    if "name" in asked:
        values["name"] = str(asked["name"]).strip()
    if "user_data" in asked:
        checks.check_user_data(asked["user_data"])
        values["user_data"] = asked["user_data"]
    if "key_name" in asked:
        keypair = checks.asked_keypair(ctx, asked["key_name"], api.conductor)
        values["key_name"] = keypair.name if keypair else None
        values["key_data"] = keypair.embedded() if keypair else None
    if asked.get("metadata") is not None:
        checks.check_metadata_quota(asked["metadata"], api.catalogue.limits(ctx.project_id or ""))
        values["metadata"] = dict(asked["metadata"])
    return values


def _certificates(asked: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What the request says of trusted certificates: others, none any more (null), or nothing."""
    key = "trusted_image_certificates"
    return {TRUSTED_CERTS: asked[key] or None} if key in asked else None


def _image(api: Acceptor, ctx: RequestContext, asked: Mapping[str, Any]) -> Image:
    image_ref = asked.get("imageRef")
    if not image_ref:
        raise Invalid("Could not parse imageRef from request.")
    try:
        return checks.asked_image(ctx, str(image_ref), api.catalogue)
    except ImageNotFoundAsked as error:
        raise RebuildImageNotFound() from error


def _of_image(image: Image) -> dict[str, Any]:
    return {
        "image_ref": image.id,
        "image": image_copy(image),
        "kernel_id": image.properties.get("kernel_id"),
        "ramdisk_id": image.properties.get("ramdisk_id"),
    }


def _of_root(image: Image) -> dict[str, Any]:
    """What a server keeps of the image that its root volume is made of."""
    return {"image": {**image_copy(image), "id": None}}


def _check_root_volume(api: Acceptor, instance: Instance, image: Image) -> None:
    """The image must fit the volume; raises Invalid."""
    [root] = [device for device in volumes_of(instance) if device.is_root]
    volume = api.conductor.volume(root.volume_id or "")
    if image.min_ram > int(instance.flavor["memory_mb"]):
        raise FlavorMemoryTooSmall()
    check_image_size(image, volume.size)


def _flavor(instance: Instance) -> Flavor:
    """The server's own copy as far as images must fit it."""
    own = instance.flavor
    return Flavor(own["id"], own["name"], int(own["memory_mb"]), int(own["vcpus"]), int(own.get("root_gb") or 0))


def _true(value: Any) -> bool:
    return value is True or str(value).strip().lower() in ("true", "1", "on", "yes")


HANDLERS: Mapping[str, Handler] = {"rebuild": _rebuild}
