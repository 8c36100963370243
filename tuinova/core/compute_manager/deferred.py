"""Deletes that are put off, and taken back (nova/compute/manager.py soft_delete_instance, restore_instance)."""

from __future__ import annotations

from collections.abc import Mapping

from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.power import shut_down
from tuinova.core.compute_manager.shelved_image import without_shelved_image
from tuinova.core.compute_manager.work import Failure, Outcome, Updates, Work, keep_vm_state
from tuinova.core.records import Instance, WorkOrder
from tuinova.core.states import TaskState, VmState


def soft_delete(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """Off at once; disks, addresses and allocation stay. A shelved server's image goes, as Nova has it."""
    shut_down(compute, order, instance, clean=False, missing_ok=True)
    updates = {"vm_state": VmState.SOFT_DELETED, "power_state": compute.power_state(instance.uuid)}
    return without_shelved_image(compute, instance, updates)


def soft_delete_failed(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """As it was, and not deleted."""
    return Failure({**keep_vm_state(compute, order, instance, error).updates, "deleted_at": None})


def restore(compute: Compute, order: WorkOrder, instance: Instance) -> Updates:
    """On again, whether it ran before or not: always ends ACTIVE."""
    compute.driver.power_on(compute.specs.make(instance))
    return {"vm_state": VmState.ACTIVE, "power_state": compute.power_state(instance.uuid)}


def restore_failed(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """Still put aside, and for as long again: without a time it would never be reclaimed."""
    return Failure({**keep_vm_state(compute, order, instance, error).updates, "deleted_at": compute.now()})


WORKS: Mapping[str, Work] = {
    "soft_delete_instance": Work(
        "compute_soft_delete_instance", frozenset({TaskState.SOFT_DELETING}), soft_delete, soft_delete_failed
    ),
    "restore_instance": Work("compute_restore_instance", frozenset({TaskState.RESTORING}), restore, restore_failed),
}
