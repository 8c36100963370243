"""Cached images: the periodic look at them, and bringing one in ahead of the servers that will need it.

nova/compute/manager.py _run_image_cache_manager_pass, cache_images.
"""

from __future__ import annotations

import logging

from tuinova.core.compute_manager.context import Compute
from tuinova.core.conductor.errors import ConductorClosed, DatabaseUnavailable
from tuinova.core.errors import HypervisorUnavailable, NotSupported, NovaError
from tuinova.core.records import WorkOrder

LOG = logging.getLogger(__name__)


def age(compute: Compute) -> None:
    """Have the driver remove what no server of the host uses any more; in a lane of its own, since it reads disks."""
    compute.bus.submit(compute.host, "image cache", lambda: _age(compute))


def _age(compute: Compute) -> None:
    # Soft-deleted servers are among them: they may be restored.
    used = {
        image_id
        for instance in compute.conductor.instances_on(compute.host)
        for image_id in (instance.image_ref, instance.kernel_id, instance.ramdisk_id)
        if image_id
    }
    try:
        removed = compute.driver.age_image_cache(used)
    except NotSupported:
        return
    except NovaError as error:
        LOG.warning("the image cache of %s is left as it is: %s", compute.host, error)
        return
    if removed:
        LOG.info("cached images of %s that nobody uses were removed: %s", compute.host, ", ".join(removed))


def cache(compute: Compute, order: WorkOrder) -> None:
    """Bring the image of the order in; what fails is told in the log, since nobody waits. May be done twice."""
    image_id = order.args["cache"]
    try:
        image = compute.specs.image(image_id)
        if image is None:
            LOG.warning("image %s is not brought to %s: it is not there, or not active", image_id, compute.host)
        elif compute.driver.cache_image(image):
            LOG.info("image %s was brought to %s", image_id, compute.host)
        compute.conductor.order_done(order.id)
    except (HypervisorUnavailable, ConductorClosed, DatabaseUnavailable) as error:
        LOG.warning("image %s waits for %s: %s", image_id, compute.host, error)
    except NovaError as error:
        LOG.warning("image %s is not brought to %s: %s", image_id, compute.host, error)
        compute.conductor.order_done(order.id)
