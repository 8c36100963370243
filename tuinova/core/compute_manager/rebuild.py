"""Rebuild a server on its host (nova/compute/manager.py rebuild_instance, _rebuild_default_impl)."""

from __future__ import annotations

from collections.abc import Mapping

from tuinova.core.block_devices import volumes_of
from tuinova.core.compute_manager import networks
from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.power import shut_down
from tuinova.core.compute_manager.progress import Reporter
from tuinova.core.compute_manager.work import Outcome, Work, to_error
from tuinova.core.drafts import OrderDraft
from tuinova.core.errors import PreserveEphemeralNotSupported
from tuinova.core.records import Instance, WorkOrder
from tuinova.core.states import REBUILD_TASKS, TaskState, VmState


def rebuild(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """Off gracefully, away with the guest and its disks, and a new one from the image that the row names now.

    A server that was stopped is stopped again at once, by an order of its own.
    """
    uuid = instance.uuid
    if order.args.get("preserve_ephemeral"):
        raise PreserveEphemeralNotSupported()
    # First of all: an image that went meanwhile must not cost the guest.
    guest = compute.specs.make(
        instance,
        admin_password=order.args.get("admin_password"),
        injected_files=order.args.get("injected_files", ()),
        must_have_image=True,
    )
    shut_down(compute, order, instance, missing_ok=True)  # a server in ERROR may have no guest
    compute.driver.destroy(guest)
    mapping, spawning = TaskState.REBUILD_BLOCK_DEVICE_MAPPING, TaskState.REBUILD_SPAWNING
    if instance.task_state != mapping:  # else a crash came while the root volume was written
        compute.conductor.step(uuid, updates={"task_state": mapping}, expect_task=TaskState.REBUILDING)
    if image_id := order.args.get("reimage"):
        _write_root(compute, instance, str(image_id))
    compute.conductor.step(uuid, updates={"task_state": spawning}, expect_task=mapping)
    compute.driver.spawn(networks.prepare(compute, guest))
    updates = {
        "vm_state": VmState.ACTIVE,
        "power_state": compute.power_state(uuid),
        "launched_at": compute.now(),
        "progress": 0,
    }
    if instance.vm_state != VmState.STOPPED:
        return Outcome(updates)
    stop = OrderDraft("stop_instance", compute.host, {"clean_shutdown": False})
    return Outcome({**updates, "task_state": TaskState.POWERING_OFF}, order=stop)


def _write_root(compute: Compute, instance: Instance, image_id: str) -> None:
    """The root volume anew from the image (nova/compute/manager.py _rebuild_volume_backed_instance)."""
    for device in volumes_of(instance):
        if device.is_root and device.volume_id is not None:
            told = Reporter(compute, instance.uuid, TaskState.REBUILD_BLOCK_DEVICE_MAPPING, "writing volume")
            compute.volumes.reimage(compute.conductor.volume(device.volume_id), image_id, told)


WORKS: Mapping[str, Work] = {
    "rebuild_instance": Work("compute_rebuild_instance", REBUILD_TASKS, rebuild, to_error),
}
