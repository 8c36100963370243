"""What a host has (update_available_resource), and builds that never end."""

from __future__ import annotations

import logging
from datetime import timedelta

from tuinova.core.compute_manager.context import Compute
from tuinova.core.errors import HypervisorUnavailable

LOG = logging.getLogger(__name__)


def update_available_resource(compute: Compute) -> None:
    """Tell the conductor what the host's nodes have now, foreign guests included."""
    try:
        nodes = compute.driver.node_resources()
    except HypervisorUnavailable as error:
        LOG.warning("resources of %s are not renewed: %s", compute.host, error)
        return
    options = compute.options
    for node in nodes:
        compute.conductor.save_node(
            compute.host,
            node,
            cpu_allocation_ratio=options.cpu_allocation_ratio,
            ram_allocation_ratio=options.ram_allocation_ratio,
            disk_allocation_ratio=options.disk_allocation_ratio,
            reserved_host_cpus=options.reserved_host_cpus,
            reserved_host_memory_mb=options.reserved_host_memory_mb,
            reserved_host_disk_gb=-(-options.reserved_host_disk_mb // 1024),
        )


def save_networks(compute: Compute) -> None:
    """Tell the conductor which networks guests of this host can join."""
    compute.conductor.save_networks(compute.host, compute.driver.list_networks())


def fail_stuck_builds(compute: Compute) -> None:
    """Servers that have been building for longer than `instance_build_timeout` become ERROR (their task stays)."""
    limit = compute.options.instance_build_timeout
    if not limit:
        return
    oldest = compute.now() - timedelta(seconds=limit)
    for instance in compute.conductor.instances_on(compute.host):
        if instance.vm_state == "building" and instance.created_at < oldest:
            LOG.warning("build of %s takes longer than %d s", instance.uuid, limit)
            compute.conductor.step(instance.uuid, updates={"vm_state": "error"})
