"""Pause, unpause, suspend and resume (nova/compute/manager.py)."""

from __future__ import annotations

from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.work import Failure, Updates, Work, is_repeated, keep_vm_state, to_error
from tuinova.core.errors import NotSupported
from tuinova.core.records import OLD_VM_STATE, Instance, WorkOrder
from tuinova.core.states import PowerState, TaskState, VmState
from tuinova.virt.driver import DriverError

# libvirt gives up after 30 s when another job has the guest; saving much memory to a slow disk takes minutes.
_SAVE_TRIES = 20


def pause(compute: Compute, order: WorkOrder, instance: Instance) -> Updates:
    """Freeze the guest in memory."""
    compute.driver.pause(instance.uuid)
    return {"vm_state": VmState.PAUSED, "power_state": compute.power_state(instance.uuid)}


def unpause(compute: Compute, order: WorkOrder, instance: Instance) -> Updates:
    """Let it run."""
    compute.driver.unpause(instance.uuid)
    return {"vm_state": VmState.ACTIVE, "power_state": compute.power_state(instance.uuid)}


def suspend(compute: Compute, order: WorkOrder, instance: Instance) -> Updates:
    """Save the memory to disk; the guest is then off."""
    for left in reversed(range(_SAVE_TRIES if is_repeated(order) else 1)):
        try:
            compute.driver.suspend(instance.uuid)
            break
        except DriverError:
            # A save that was begun before a restart goes on in the hypervisor: it is in our way, or done by now.
            state = compute.power_state(instance.uuid)
            if is_repeated(order) and state is PowerState.SHUTDOWN:
                break
            if not left or state is not PowerState.PAUSED:
                raise
    return {
        "vm_state": VmState.SUSPENDED,
        "power_state": compute.power_state(instance.uuid),
        "system_metadata": {OLD_VM_STATE: instance.vm_state},
    }


def resume(compute: Compute, order: WorkOrder, instance: Instance) -> Updates:
    """Start from the saved memory, back to the state of before."""
    compute.driver.resume(compute.specs.make(instance))
    return {"vm_state": instance.old_vm_state, "power_state": compute.power_state(instance.uuid)}


def suspend_or_resume_failed(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """What the driver can't do at all changed nothing; anything else is an ERROR."""
    if isinstance(error, NotSupported):
        return keep_vm_state(compute, order, instance, error)
    return to_error(compute, order, instance, error)


PAUSE = Work("compute_pause_instance", frozenset({TaskState.PAUSING}), pause)
UNPAUSE = Work("compute_unpause_instance", frozenset({TaskState.UNPAUSING}), unpause)
SUSPEND = Work("compute_suspend_instance", frozenset({TaskState.SUSPENDING}), suspend, suspend_or_resume_failed)
RESUME = Work("compute_resume_instance", frozenset({TaskState.RESUMING}), resume, suspend_or_resume_failed)
