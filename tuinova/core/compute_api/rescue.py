"""Rescue and unrescue (nova/compute/api.py rescue, unrescue)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuinova.core.block_devices import is_volume_backed
from tuinova.core.compute_api.accepting import Accepted, Acceptor, Handler
from tuinova.core.compute_api.checks import visible_image
from tuinova.core.compute_api.naming import generate_password
from tuinova.core.context import RequestContext
from tuinova.core.errors import ImageNotActive, ImageNotFound, ImageNotFoundAsked, UnsupportedRescueImage
from tuinova.core.errors.volumes import VolumeBackedNotRescuable
from tuinova.core.records import Instance
from tuinova.core.states import Action


def _rescue(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    """The password is answered whether the guest can be given it or not, as Nova does."""
    asked = body if isinstance(body, Mapping) else {}
    password = str(asked.get("adminPass") or generate_password(api.options.password_length))
    image_ref = asked.get("rescue_image_ref") or None
    if is_volume_backed(api.look(ctx, row, uuid)) and not _is_stable(api, image_ref):
        raise VolumeBackedNotRescuable(instance_id=uuid)
    if image_ref is not None:
        api.look(ctx, row, uuid)  # what is wrong with the server is told before what is wrong with the image
        _check_image(api, ctx, str(image_ref))

    def args(instance: Instance) -> Mapping[str, Any]:
        # Only the config drive has it; it is kept nowhere else.
        secret = {"admin_password": password} if instance.config_drive else {}
        return {"rescue_image_ref": image_ref, "clean_shutdown": True, **secret}

    return Accepted(api.order(ctx, row, uuid, "rescue_instance", args), {"adminPass": password})


def _is_stable(api: Acceptor, image_ref: Any) -> bool:
    """Whether the rescue disk goes beside the guest's own (2.87): then its root volume stays where it is."""
    if not image_ref:
        return False
    try:
        properties = api.catalogue.image(str(image_ref)).properties
    except ImageNotFound:
        return False
    return bool(properties.get("hw_rescue_device") or properties.get("hw_rescue_bus"))


def _check_image(api: Acceptor, ctx: RequestContext, image_ref: str) -> None:
    try:
        image = visible_image(ctx, image_ref, api.catalogue)
    except ImageNotFoundAsked as error:
        raise UnsupportedRescueImage(image=image_ref) from error
    # Nova finds this out on the host, when the guest is off already.
    if image.status != "active":
        raise ImageNotActive(image_id=image_ref)
    for name in ("kernel_id", "ramdisk_id"):
        part = image.properties.get(name)
        if part and visible_image(ctx, part, api.catalogue).status != "active":
            raise ImageNotActive(image_id=part)


def _unrescue(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    return Accepted(api.order(ctx, row, uuid, "unrescue_instance", {}))


HANDLERS: Mapping[str, Handler] = {"rescue": _rescue, "unrescue": _unrescue}
