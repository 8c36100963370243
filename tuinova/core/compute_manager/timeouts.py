"""What a host does on its own account when a time is over (nova/compute/manager.py _poll_* and _reclaim_*)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from tuinova.core.compute_manager.context import Compute
from tuinova.core.context import service_context
from tuinova.core.drafts import OrderDraft
from tuinova.core.errors import Conflict, InstanceNotFound
from tuinova.core.records import Instance
from tuinova.core.shelved_image import SHELVED_AT
from tuinova.core.states import TaskState, VmState

LOG = logging.getLogger(__name__)

Since = Callable[[Instance], datetime | None]


def unrescue_old(compute: Compute) -> int:
    """Servers that have been rescued for longer than `rescue_timeout` are unrescued; returns how many."""
    old = _old(compute, VmState.RESCUED, compute.options.rescue_timeout, lambda instance: instance.launched_at)
    done = 0
    for instance in old:
        try:
            compute.sync_actions.unrescue(instance.uuid)
            done += 1
        except (Conflict, InstanceNotFound) as error:
            LOG.info("%s is not unrescued: %s", instance.uuid, error)
    return done


def offload_old(compute: Compute) -> int:
    """Servers that have been shelved for longer than `shelved_offload_time` leave the host; returns how many."""
    old = _old(compute, VmState.SHELVED, compute.options.shelved_offload_time, _shelved_at)
    order = OrderDraft("shelve_offload_instance", compute.host, {"clean_shutdown": False})
    return sum(_begin(compute, one, VmState.SHELVED, TaskState.SHELVING_OFFLOADING, order) for one in old)


def reclaim_old(compute: Compute) -> int:
    """Servers that were put aside longer ago than `reclaim_instance_interval` are deleted; returns how many."""
    old = _old(compute, VmState.SOFT_DELETED, compute.options.reclaim_instance_interval, _deleted_at)
    order = OrderDraft("terminate_instance", compute.host, {})
    return sum(_begin(compute, one, VmState.SOFT_DELETED, TaskState.DELETING, order) for one in old)


def _shelved_at(instance: Instance) -> datetime | None:
    try:
        return datetime.fromisoformat(str(instance.system_metadata.get(SHELVED_AT)))
    except ValueError:
        return instance.updated_at


def _deleted_at(instance: Instance) -> datetime | None:
    return instance.deleted_at or instance.updated_at


def _old(compute: Compute, vm_state: VmState, seconds: int, since: Since) -> list[Instance]:
    """The idle servers of the host that have been in a state for longer than that; none with a time of 0 or less."""
    if seconds <= 0:
        return []
    limit = compute.now() - timedelta(seconds=seconds)
    return [
        instance
        for instance in compute.conductor.instances_on(compute.host)
        if instance.vm_state == vm_state and instance.task_state is None and (since(instance) or limit) <= limit
    ]


def _begin(compute: Compute, seen: Instance, vm_state: VmState, task: TaskState, order: OrderDraft) -> bool:
    """Write the order if nothing happened to the server meanwhile; Nova records no action for these."""

    def check(instance: Instance) -> None:
        if (instance.vm_state, instance.task_state, instance.host) != (vm_state, None, compute.host):
            raise Conflict(f"{instance.uuid} is {instance.vm_state} in task {instance.task_state} now")

    LOG.info("%s has been %s for long enough: %s", seen.uuid, vm_state, order.method)
    try:
        compute.conductor.accept(
            service_context(), seen.uuid, check=check, updates={"task_state": task}, record=None, order=order
        )
    except (Conflict, InstanceNotFound) as error:
        LOG.info("%s is left alone: %s", seen.uuid, error)
        return False
    return True
