"""Volumes of a host's guests: attach, detach, extend, snapshot (nova/compute/manager.py, virt/block_device.py)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from tuinova.core.block_devices import BlockDevice, find_volume
from tuinova.core.compute_manager.aside import Aside
from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.guests import volume_disk
from tuinova.core.compute_manager.work import LEFT_OPEN, Failure, Outcome, Updates, Work
from tuinova.core.conductor.block_devices import (
    change_device,
    drop_volume_of,
    keep_volume,
    note_attached,
    note_attaching,
)
from tuinova.core.conductor.transaction import Part
from tuinova.core.drafts import ANY
from tuinova.core.errors import HypervisorUnavailable
from tuinova.core.errors.volumes import SnapshotNotFound, VolumeNotAttached
from tuinova.core.faults import message_of
from tuinova.core.records import Instance, WorkOrder
from tuinova.core.states import PowerState
from tuinova.core.states.volumes import SnapshotStatus, VolumeStatus
from tuinova.core.volume_manager.work import check_room

LOG = logging.getLogger(__name__)
_UP = (PowerState.RUNNING, PowerState.PAUSED)


def _volume_of(order: WorkOrder) -> str:
    return str(order.args["volume_id"])


def _device(instance: Instance, volume_id: str) -> BlockDevice:
    device = find_volume(instance, volume_id)
    if device is None:
        raise VolumeNotAttached(instance_uuid=instance.uuid, volume_id=volume_id)
    return device


# attach --------------------------------------------------------------------------------------------------------------
def attach_volume(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """Give the guest a volume that was reserved for it; waits while its data are copied at rest."""
    volume_id = _volume_of(order)
    device = _device(instance, volume_id)
    with compute.volumes.alone(volume_id):
        connection = compute.volumes.connection(compute.conductor.volume(volume_id))
        guest = compute.specs.make(instance, connections={volume_id: connection})
        compute.driver.attach_volume(guest, volume_disk(device, connection))
        return Outcome({}, also=[note_attached(volume_id, connection)])


def _not_attached(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """The row of the mapping goes, the volume is available again (Nova: the reserved BDM is destroyed)."""
    return Failure({}, also=_given_back(compute, order))


def _given_back(compute: Compute, order: WorkOrder) -> Sequence[Part]:
    return [drop_volume_of(order.ctx, _volume_of(order))]


# detach --------------------------------------------------------------------------------------------------------------
def detach_volume(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """Take a volume out of the guest, which must let go of it."""
    volume_id = _volume_of(order)
    device = _device(instance, volume_id)
    guest = compute.specs.make(instance, without=volume_id)
    compute.driver.detach_volume(guest, volume_disk(device, device.connection or {}))
    return Outcome({}, also=_given_back(compute, order))


def _still_attached(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    return Failure({}, also=_kept(compute, order))


def _kept(compute: Compute, order: WorkOrder) -> Sequence[Part]:
    return [keep_volume(_volume_of(order))]


# extend, snapshot ----------------------------------------------------------------------------------------------------
def extend_volume(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """Make a volume bigger that a guest has; one that runs sees it at once."""
    volume_id, size = _volume_of(order), int(order.args["size"])
    device = _device(instance, volume_id)
    volume = compute.conductor.volume(volume_id)
    check_room(compute.volumes, volume, size)
    if compute.power_state(instance.uuid) in _UP:
        disk = volume_disk(device, device.connection or {})
        compute.driver.extend_volume(compute.specs.make(instance), disk, size)
    else:
        compute.volumes.driver.extend(compute.volumes.spec(volume), size)
    compute.conductor.volume_step(
        volume_id,
        lambda facts: {
            "size": size,
            "reserved_gb": 0,
            "fault": None,
            **({"status": VolumeStatus.IN_USE} if facts.volume.status == VolumeStatus.EXTENDING else {}),
        },
    )
    return Outcome({}, also=[change_device(volume_id, volume_size=size)])


def _not_extended(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """The guest goes on with the volume as it was (Nova and Cinder: error_extending, from which only admins lead)."""
    _extension_over(compute, order, message_of(error))
    return Failure({})


def _extension_over(compute: Compute, order: WorkOrder, fault: str | None) -> None:
    compute.conductor.volume_step(
        _volume_of(order),
        lambda facts: {
            "reserved_gb": 0,
            "fault": fault,
            **(
                {"status": VolumeStatus.IN_USE if facts.attachment is not None else VolumeStatus.AVAILABLE}
                if facts.volume.status == VolumeStatus.EXTENDING
                else {}
            ),
        },
    )


def _extension_given_up(compute: Compute, order: WorkOrder) -> Sequence[Part]:
    _extension_over(compute, order, "The server was taken away by another request.")
    return ()


def snapshot_volume(compute: Compute, order: WorkOrder, instance: Instance) -> None:
    """Keep the present data of a volume that a guest has."""
    snapshot_id = str(order.args["snapshot_id"])
    try:
        _snapshot(compute, instance, _volume_of(order), snapshot_id)
        values: Updates = {"status": SnapshotStatus.AVAILABLE, "progress": None, "fault": None}
    except (HypervisorUnavailable, *LEFT_OPEN):
        raise  # it waits for the hypervisor
    except Exception as error:
        LOG.warning("snapshot %s of %s failed", snapshot_id, instance.uuid, exc_info=True)
        values = {"status": SnapshotStatus.ERROR, "fault": message_of(error)[:1000]}
    if compute.conductor.snapshot_step(snapshot_id, values, expect=(SnapshotStatus.CREATING,)) is None:
        _drop_if_gone(compute, _volume_of(order), snapshot_id)


def _drop_if_gone(compute: Compute, volume_id: str, snapshot_id: str) -> None:
    """A snapshot that was deleted by force while it was made leaves nothing."""
    try:
        compute.conductor.snapshot(snapshot_id)
    except SnapshotNotFound:
        compute.volumes.driver.delete_snapshot(compute.volumes.spec(compute.conductor.volume(volume_id)), snapshot_id)


def _snapshot(compute: Compute, instance: Instance, volume_id: str, snapshot_id: str) -> None:
    volume = compute.conductor.volume(volume_id)
    device = None if instance.deleted else find_volume(instance, volume_id)
    spec = compute.volumes.spec(volume)
    running = instance.host == compute.host and compute.power_state(instance.uuid) in _UP
    if device is None or device.connection is None or not running:
        with compute.volumes.alone(volume_id):
            compute.volumes.driver.create_snapshot(spec, snapshot_id, _unheard)
        return
    compute.driver.snapshot_volume(
        compute.specs.make(instance),
        volume_disk(device, device.connection),
        compute.volumes.driver.snapshot_connection(spec, snapshot_id),
        _unheard,
    )


def _unheard(done: int, total: int) -> None:
    """Nobody hears of it."""


WORKS: Mapping[str, Work] = {
    "attach_volume": Work(
        "compute_attach_volume",
        ANY,
        attach_volume,
        _not_attached,
        first_also=lambda compute, order: [note_attaching(_volume_of(order))],
        goes_on=True,
        let_go=_given_back,
    ),
    "detach_volume": Work("compute_detach_volume", ANY, detach_volume, _still_attached, goes_on=True, let_go=_kept),
    "extend_attached_volume": Work(
        "compute_extend_volume", ANY, extend_volume, _not_extended, goes_on=True, let_go=_extension_given_up
    ),
}
ASIDES: Mapping[str, Aside] = {"snapshot_attached_volume": Aside(snapshot_volume)}
