"""Rescue and unrescue (nova/compute/manager.py rescue_instance, unrescue_instance)."""

from __future__ import annotations

from collections.abc import Mapping

from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.power import shut_down
from tuinova.core.compute_manager.work import Failure, Updates, Work, keep_vm_state, to_error
from tuinova.core.errors import InstanceNotRescuable
from tuinova.core.records import Instance, WorkOrder
from tuinova.core.states import TaskState, VmState

# Where a rescued server remembers what it was rescued with, for a start after its host went down.
RESCUE_IMAGE = "rescue_image_ref"


class DriverFailed(InstanceNotRescuable):
    """The guest was touched already when it failed."""


def rescue(compute: Compute, order: WorkOrder, instance: Instance) -> Updates:
    """Power off gracefully, then start from the rescue image.

    The request's image, else the one that the server's image was made of, else the server's own.
    """
    image_ref = str(order.args.get("rescue_image_ref") or base_image_ref(instance) or instance.image_ref)
    boot = compute.specs.boot_images(image_ref)
    guest = compute.specs.make(instance, admin_password=order.args.get("admin_password"))
    try:
        shut_down(compute, order, instance)
        compute.driver.rescue(guest, boot)
    except Exception as error:
        raise DriverFailed(instance_id=instance.uuid, reason=f"Driver Error: {error}") from error
    return {
        "vm_state": VmState.RESCUED,
        "power_state": compute.power_state(instance.uuid),
        "launched_at": compute.now(),
        "system_metadata": {RESCUE_IMAGE: image_ref},
    }


def base_image_ref(instance: Instance) -> str | None:
    """The image that the server's own was made of (a snapshot says so)."""
    return (instance.image.get("properties") or {}).get("base_image_ref")


def rescue_failed(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """ERROR, unless the image was not there: then the guest was not touched."""
    failed = to_error if isinstance(error, DriverFailed) else keep_vm_state
    return failed(compute, order, instance, error)


def rescue_again(compute: Compute, instance: Instance) -> None:
    """Start a rescued guest after its host went down; the rescue's disk is a fresh one."""
    image_ref = str(instance.system_metadata.get(RESCUE_IMAGE) or base_image_ref(instance) or instance.image_ref)
    compute.driver.rescue(compute.specs.make(instance), compute.specs.boot_images(image_ref))


def unrescue(compute: Compute, order: WorkOrder, instance: Instance) -> Updates:
    """Start from the server's own disks again; always ends ACTIVE."""
    compute.driver.unrescue(compute.specs.make(instance))
    return {
        "vm_state": VmState.ACTIVE,
        "power_state": compute.power_state(instance.uuid),
        "system_metadata": {RESCUE_IMAGE: None},
    }


WORKS: Mapping[str, Work] = {
    "rescue_instance": Work("compute_rescue_instance", frozenset({TaskState.RESCUING}), rescue, rescue_failed),
    "unrescue_instance": Work("compute_unrescue_instance", frozenset({TaskState.UNRESCUING}), unrescue, to_error),
}
