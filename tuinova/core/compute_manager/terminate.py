"""Delete a server with everything that belongs to it (nova/compute/manager.py terminate_instance)."""

from __future__ import annotations

from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.shelved_image import without_shelved_image
from tuinova.core.compute_manager.work import Outcome, Updates, Work, to_error
from tuinova.core.records import Instance, WorkOrder
from tuinova.core.shelved_image import shelved_image
from tuinova.core.states import DELETE_TASKS, PowerState


def terminate(compute: Compute, order: WorkOrder, instance: Instance) -> Updates | Outcome:
    """Remove the guest, its disks and its ports; what is gone already is fine, so this may be repeated."""
    compute.driver.destroy(compute.specs.make(instance))
    updates = {"power_state": PowerState.NOSTATE}
    return without_shelved_image(compute, instance, updates) if shelved_image(instance) else updates


TERMINATE = Work("compute_terminate_instance", DELETE_TASKS, terminate, to_error, delete_row=True, waits=True)
