"""Shelve, offload, unshelve (nova/compute/api.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuinova.core import policy
from tuinova.core.block_devices import is_volume_backed
from tuinova.core.compute_api.accepting import Accepted, Acceptor, Handler
from tuinova.core.compute_api.checks import check_zone
from tuinova.core.compute_api.image_rows import image_of
from tuinova.core.conductor import Conductor
from tuinova.core.conductor.images import new_image
from tuinova.core.context import RequestContext
from tuinova.core.drafts import OrderDraft, new_uuid
from tuinova.core.errors import (
    ComputeHostNotFoundAsked,
    InstanceNotReady,
    UnshelveHostNotInAZ,
    UnshelveInstanceInvalidState,
)
from tuinova.core.records import Instance
from tuinova.core.states import Action, VmState

_TO_HOST = "os_compute_api:os-shelve:unshelve_to_host"
_SUFFIX = "-shelved"
_NAME_LIMIT = 255


def _shelve(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    """The image's row is written with the request; Nova answers nothing of it."""
    if is_volume_backed(api.look(ctx, row, uuid)):
        # Its disk stays what it is, so it leaves its host at once, without an image.
        return Accepted(api.order(ctx, row, uuid, "shelve_offload_instance", {"clean_shutdown": True}))
    image_id = new_uuid()
    draft = image_of(ctx, image_id, _image_name, "snapshot", {})
    args = {"image_id": image_id, "clean_shutdown": True}
    return Accepted(api.order(ctx, row, uuid, "shelve_instance", args, also=[new_image(draft)]))


def _image_name(instance: Instance) -> str:
    return instance.name[: _NAME_LIMIT - len(_SUFFIX)] + _SUFFIX


def _offload(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    return Accepted(api.order(ctx, row, uuid, "shelve_offload_instance", {"clean_shutdown": True}))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an unshelve wants the server; `pins`: a zone was named, or null, which unpins it."""

    pins: bool
    zone: str | None
    host: str | None

    @property
    def asked(self) -> bool:
        """Whether a place was asked for at all."""
        return self.pins or self.host is not None

    def zone_of(self, instance: Instance) -> str | None:
        """The zone that the server must be in."""
        return self.zone if self.pins else instance.pinned_availability_zone


def _unshelve(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    asked = body if isinstance(body, Mapping) else {}
    place = _Place("availability_zone" in asked, asked.get("availability_zone"), asked.get("host") or None)
    if place.host is not None:
        policy.authorize(ctx, _TO_HOST)

    def check(instance: Instance) -> None:
        api.check(ctx, row)(instance)
        if instance.vm_state == VmState.SHELVED and instance.host is None:
            raise InstanceNotReady(instance_id=uuid)
        if place.asked and instance.vm_state != VmState.SHELVED_OFFLOADED:
            raise UnshelveInstanceInvalidState(instance_uuid=uuid, state=instance.vm_state)

    if place.asked:
        instance = api.conductor.instance(uuid)
        check(instance)
        _check_place(api.conductor, place, instance)

    def order(instance: Instance) -> OrderDraft:
        destination = [place.host, None] if place.host else None
        return OrderDraft("unshelve_instance", None, {"zone": place.zone_of(instance), "destination": destination})

    pinned = {"pinned_availability_zone": place.zone} if place.pins else {}
    accepted = api.accept(
        ctx, uuid, check=check, updates={"task_state": row.task, **pinned}, record=row.recorded_as, order=order
    )
    return Accepted(accepted)


def _check_place(conductor: Conductor, place: _Place, instance: Instance) -> None:
    check_zone(place.zone, conductor)
    if place.host is None:
        return
    if place.host not in {node.host for node in conductor.nodes()}:
        raise ComputeHostNotFoundAsked(host=place.host)
    zone = place.zone_of(instance)
    zones = {service.availability_zone for service in conductor.services(place.host) if service.binary == _COMPUTE}
    if zone is not None and zone not in zones:
        raise UnshelveHostNotInAZ(host=place.host, availability_zone=zone)


_COMPUTE = "nova-compute"

HANDLERS: Mapping[str, Handler] = {"shelve": _shelve, "shelveOffload": _offload, "unshelve": _unshelve}
