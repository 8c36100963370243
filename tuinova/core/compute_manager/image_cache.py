"""The periodic look at cached images (nova/compute/manager.py _run_image_cache_manager_pass)."""

from __future__ import annotations

import logging

from tuinova.core.compute_manager.context import Compute
from tuinova.core.errors import NotSupported, NovaError

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
