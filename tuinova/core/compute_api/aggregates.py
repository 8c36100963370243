"""Images brought to the hosts of an aggregate ahead of its servers (nova/conductor/manager.py cache_images)."""

from __future__ import annotations

from collections.abc import Sequence

from tuinova.core.compute_api.guards import HostUp
from tuinova.core.conductor import Conductor
from tuinova.core.context import RequestContext
from tuinova.core.drafts import OrderDraft
from tuinova.core.errors import ImageNotFound, Invalid
from tuinova.core.records import Aggregate

_COMPUTE = "nova-compute"


def cache_images(
    ctx: RequestContext, aggregate: Aggregate, image_ids: Sequence[str], conductor: Conductor, host_up: HostUp
) -> None:
    """A work order for each image on each host of the aggregate that takes servers now."""
    if len(set(image_ids)) != len(image_ids):
        raise Invalid("Duplicate images in request")
    for image_id in image_ids:
        try:
            conductor.image(image_id)
        except ImageNotFound as error:
            raise Invalid(str(error)) from error
    enabled = {service.host for service in conductor.services(binary=_COMPUTE) if not service.disabled}
    hosts = [host for host in aggregate.hosts if host in enabled and host_up(host)]
    orders = [
        (image_id, OrderDraft("cache_image", host, {"cache": image_id})) for host in hosts for image_id in image_ids
    ]
    if orders:
        conductor.add_orders(ctx, orders)
