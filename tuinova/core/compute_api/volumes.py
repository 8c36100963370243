"""Volumes of servers: attach, detach, and what is said of them (nova/compute/api.py, volume_attachments.py)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tuinova.core import policy
from tuinova.core.block_devices import find_volume
from tuinova.core.compute_api.accepting import Accepted, Acceptor, Handler
from tuinova.core.compute_api.guards import check
from tuinova.core.conductor.block_devices import begin_detaching, change_device, drop_volume_of, take_volume
from tuinova.core.context import RequestContext
from tuinova.core.drafts import EventFinish, OrderDraft
from tuinova.core.errors import InstanceNotReady, Invalid, ServiceUnavailable
from tuinova.core.errors.volumes import (
    InvalidDevicePath,
    RootVolumeDetach,
    VolumeAlreadyAttached,
    VolumeNotAttached,
    VolumeNotFound,
)
from tuinova.core.records import Instance, Volume
from tuinova.core.states import Action, VmState

_DEVICE = re.compile(r"(?:/dev/)?(?:x?[a-z]?d?)([a-z]+)[0-9]*")


def visible_volume(api: Acceptor, ctx: RequestContext, volume_id: str) -> Volume:
    """A volume that is named in a request; one of another project is not there."""
    volume = api.conductor.volume(volume_id)
    if not policy.sees_project(ctx, volume.project_id):
        raise VolumeNotFound(volume_id=volume_id)
    return volume


def _order(method: str, volume_id: str) -> Any:
    """To the server's host, or to nobody for a server on none."""

    def order(instance: Instance) -> OrderDraft | None:
        return None if instance.host is None else OrderDraft(method, instance.host, {"volume_id": volume_id})

    return order


def _attach(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    asked: Mapping[str, Any] = body or {}
    volume_id = str(asked["volumeId"])
    device = asked.get("device")
    seen = api.look(ctx, row, uuid)
    if device and not _DEVICE.fullmatch(device):
        raise InvalidDevicePath(path=device)
    volume = visible_volume(api, ctx, volume_id)
    if find_volume(seen, volume_id) is not None:
        raise VolumeAlreadyAttached(volume_id=volume_id, instances=uuid)

    def allowed(instance: Instance) -> None:
        check(ctx, row, instance, api.host_up)
        if instance.host is None:
            if instance.vm_state != VmState.SHELVED_OFFLOADED:
                raise InstanceNotReady(instance_id=uuid)
            if asked.get("tag"):
                raise Invalid("Attaching volumes with device tags to shelved instance not supported")
        if find_volume(instance, volume_id) is not None:
            raise VolumeAlreadyAttached(volume_id=volume_id, instances=uuid)

    def same_project(now: Volume) -> None:
        if now.project_id != volume.project_id:
            raise VolumeNotFound(volume_id=volume_id)

    values = {"tag": asked.get("tag"), "delete_on_termination": bool(asked.get("delete_on_termination"))}
    accepted = api.accept(
        ctx,
        uuid,
        check=allowed,
        updates={},
        record=row.recorded_as,
        order=_order("attach_volume", volume_id),
        event=EventFinish("api_attach_volume", ctx.request_id) if seen.host is None else None,
        also=[take_volume(volume_id, same_project, **values)],
    )
    device_now = find_volume(accepted, volume_id)
    return Accepted(accepted, {"device": device_now} if device_now is not None else {})


def _detach(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    volume_id = str(body["volume_id"])
    seen = api.look(ctx, row, uuid)
    visible_volume(api, ctx, volume_id)

    def allowed(instance: Instance) -> None:
        check(ctx, row, instance, api.host_up)
        device = find_volume(instance, volume_id)
        if device is None:
            raise VolumeNotAttached(instance_uuid=uuid, volume_id=volume_id)
        if device.is_root:
            raise RootVolumeDetach()
        if instance.vm_state != VmState.SHELVED_OFFLOADED:
            if instance.host is None:
                raise InstanceNotReady(instance_id=uuid)
            if not api.host_up(instance.host):
                raise ServiceUnavailable()

    offloaded = seen.host is None
    device = find_volume(seen, volume_id)
    gone = drop_volume_of(ctx, volume_id, delete=device.delete_on_termination if device is not None else False)
    accepted = api.accept(
        ctx,
        uuid,
        check=allowed,
        updates={},
        record=row.recorded_as,
        order=_order("detach_volume", volume_id),
        event=EventFinish("api_detach_volume", ctx.request_id) if offloaded else None,
        also=[gone if offloaded else begin_detaching(volume_id)],
    )
    return Accepted(accepted)


def update_attachment(api: Acceptor, ctx: RequestContext, uuid: str, volume_id: str, body: Mapping[str, Any]) -> None:
    """2.85: change delete_on_termination; what else is said must be what is so. No action is recorded."""

    def part_check(instance: Instance) -> None:
        device = find_volume(instance, volume_id)
        if device is None:
            raise VolumeNotAttached(instance_uuid=uuid, volume_id=volume_id)
        said = {
            "serverId": (body.get("serverId", uuid), uuid),
            "device": (body.get("device", device.device_name), device.device_name),
            "tag": (body.get("tag", device.tag), device.tag),
        }
        for name, (asked, real) in said.items():
            if asked != real:
                raise Invalid(f"The attribute {name} of an attachment can't be changed (it is {real}).")

    if str(body["volumeId"]) != volume_id:
        # Swapping volumes is for services of Nova's own (role service), which are not here.
        raise Invalid("The volume of an attachment can't be changed: detach it and attach the other one.")
    values = {} if "delete_on_termination" not in body else {"delete_on_termination": body["delete_on_termination"]}
    api.conductor.accept(ctx, uuid, check=part_check, updates={}, also=[change_device(volume_id, **values)])


HANDLERS: Mapping[str, Handler] = {"attach_volume": _attach, "detach_volume": _detach}
