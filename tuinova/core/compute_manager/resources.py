"""What a host has and what is left on it that nobody owns (update_available_resource, running deleted guests)."""

from __future__ import annotations

import logging
from datetime import timedelta

from tuinova.core.compute_manager.context import Compute
from tuinova.core.errors import HypervisorUnavailable, InstanceNotFound, NovaError
from tuinova.core.records import Instance

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


def reap_leftovers(compute: Compute) -> int:
    """Guests and files of servers that are deleted, or that failed to build and live nowhere; returns how many.

    What no row speaks of is left alone (a service with another state directory may own it), and so is what the row
    places on another host: after a change of a host's name that would be every guest there is.
    """
    if compute.options.running_deleted_instance_action == "noop":
        return 0
    try:
        found = {guest.uuid for guest in compute.driver.list_guests()} | set(compute.driver.leftovers())
    except HypervisorUnavailable as error:
        LOG.warning("leftovers of %s are not looked for: %s", compute.host, error)
        return 0
    ours = {instance.uuid for instance in compute.conductor.instances_on(compute.host)}
    reaped = 0
    for uuid in sorted(found - ours):
        if _ownerless(compute, uuid):
            compute.bus.submit(compute.host, uuid, lambda uuid=uuid: _reap(compute, uuid))  # type: ignore[misc]
            reaped += 1
    return reaped


def _ownerless(compute: Compute, uuid: str) -> bool:
    try:
        instance = compute.conductor.instance(uuid, with_deleted=True)
    except InstanceNotFound:
        LOG.warning("%s on %s has no record here and is left alone", uuid, compute.host)
        return False
    return _gone_from(instance, compute)


def _gone_from(instance: Instance, compute: Compute) -> bool:
    if not instance.deleted:
        if instance.host not in (None, compute.host):
            LOG.warning("%s is on %s, but its record says %s; left alone", instance.uuid, compute.host, instance.host)
        return instance.host is None
    grace = timedelta(seconds=compute.options.running_deleted_instance_timeout)
    return instance.deleted_at is None or compute.now() - instance.deleted_at >= grace


def _reap(compute: Compute, uuid: str) -> None:
    # Looked at again in the server's lane: a build may have brought it back to this host meanwhile.
    if not _ownerless(compute, uuid):
        return
    action = compute.options.running_deleted_instance_action
    LOG.warning("%s is on %s without an owner: %s", uuid, compute.host, action)
    if action == "log":
        return
    try:
        if action == "shutdown":
            compute.driver.power_off(uuid, 0, 0)
        else:
            compute.driver.cleanup(uuid)
    except NovaError as error:
        LOG.warning("%s could not be removed: %s", uuid, error)


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
