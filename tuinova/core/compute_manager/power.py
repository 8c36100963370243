"""Start, stop and reboot (nova/compute/manager.py start_instance, stop_instance, reboot_instance)."""

from __future__ import annotations

import logging

from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.shelved_image import without_shelved_image
from tuinova.core.compute_manager.work import SUCCESS, Failure, Outcome, Updates, Work, keep_vm_state, to_error
from tuinova.core.errors import HypervisorUnavailable
from tuinova.core.records import Instance, WorkOrder
from tuinova.core.shelved_image import shelved_image
from tuinova.core.states import HARD_REBOOT_TASKS, SOFT_REBOOT_TASKS, PowerState, TaskState, VmState
from tuinova.virt.driver import GuestNotFound, RebootType

LOG = logging.getLogger(__name__)

_PENDING = {RebootType.SOFT: TaskState.REBOOT_PENDING, RebootType.HARD: TaskState.REBOOT_PENDING_HARD}
_STARTED = {RebootType.SOFT: TaskState.REBOOT_STARTED, RebootType.HARD: TaskState.REBOOT_STARTED_HARD}


def start(compute: Compute, order: WorkOrder, instance: Instance) -> Updates | Outcome:
    """Power on from the server's definition; a shelved server is none any more."""
    compute.driver.power_on(compute.specs.make(instance))
    updates = {"vm_state": VmState.ACTIVE, "power_state": compute.power_state(instance.uuid)}
    return without_shelved_image(compute, instance, updates) if shelved_image(instance) else updates


def stop(compute: Compute, order: WorkOrder, instance: Instance) -> Updates:
    """Ask the guest to shut down for as long as its image or the host allows, then force it."""
    shut_down(compute, order, instance)
    return {"vm_state": VmState.STOPPED, "power_state": compute.power_state(instance.uuid)}


def shut_down(
    compute: Compute,
    order: WorkOrder,
    instance: Instance,
    *,
    clean: bool | None = None,
    missing_ok: bool = False,
) -> None:
    """Power the guest off, gracefully unless the order says otherwise."""
    if clean is None:
        clean = bool(order.args.get("clean_shutdown", True))
    properties = instance.image.get("properties") or {}
    timeout = compute.options.stop_timeout(properties) if clean else 0
    try:
        compute.driver.power_off(instance.uuid, timeout, compute.options.shutdown_retry_interval)
    except GuestNotFound:
        if not missing_ok:
            raise
        LOG.debug("%s has no guest that could be shut down", instance.uuid)


def reboot_type(order: WorkOrder) -> RebootType:
    """The kind that the order asks for."""
    return RebootType(order.args["reboot_type"])


def reboot_pending(order: WorkOrder) -> Updates:
    """The first task state after the request's own."""
    return {"task_state": _PENDING[reboot_type(order)]}


def reboot(compute: Compute, order: WorkOrder, instance: Instance) -> Updates:
    """Reboot; always ends ACTIVE, from whatever state a hard one began."""
    kind = reboot_type(order)
    instance = compute.conductor.step(
        instance.uuid, updates={"task_state": _STARTED[kind]}, expect_task=frozenset({str(_PENDING[kind])})
    )
    compute.driver.reboot(compute.specs.make(instance), kind)
    return {"vm_state": VmState.ACTIVE, "power_state": compute.power_state(instance.uuid)}


def reboot_failed(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """A guest that still runs stays ACTIVE, and Nova counts the event as a success; else ERROR.

    A hypervisor that does not answer says nothing of the guest: the vm_state stands until the power sync sees it.
    """
    try:
        state = compute.power_state(instance.uuid)
    except HypervisorUnavailable:
        return keep_vm_state(compute, order, instance, error)
    if state is not PowerState.RUNNING:
        return to_error(compute, order, instance, error)
    return Failure({"vm_state": VmState.ACTIVE, "task_state": None, "power_state": state}, SUCCESS)


START = Work("compute_start_instance", frozenset({TaskState.POWERING_ON}), start, keep_vm_state)
STOP = Work("compute_stop_instance", frozenset({TaskState.POWERING_OFF}), stop, keep_vm_state)
REBOOT = Work("compute_reboot_instance", SOFT_REBOOT_TASKS | HARD_REBOOT_TASKS, reboot, reboot_failed, reboot_pending)
