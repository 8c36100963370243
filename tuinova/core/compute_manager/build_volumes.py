"""The volumes of a server that is built (nova/virt/block_device.py): made where they are not there, then attached.

All of it is repeated after a crash: what has a row is not made a second time, what is half made is made anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tuinova.core.block_devices import BlockDevice, devices_of, loaded, volumes_of
from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.progress import Reporter
from tuinova.core.compute_manager.work import LEFT_OPEN
from tuinova.core.conductor.block_devices import kept, note_attached, note_attaching
from tuinova.core.conductor.errors import UnexpectedTaskState
from tuinova.core.conductor.transaction import Part, Tx
from tuinova.core.conductor.volume_rows import reserve
from tuinova.core.conductor.volumes import insert_volume
from tuinova.core.errors import InstanceNotFound, SnapshotLimitExceeded, VolumeLimitExceeded, VolumeSizeExceedsQuota
from tuinova.core.errors.volumes import VolumeNotCreated, VolumeNotFound
from tuinova.core.faults import message_of
from tuinova.core.quota_table import VOLUME
from tuinova.core.records import Instance, Volume, WorkOrder
from tuinova.core.states import TaskState
from tuinova.core.states.volumes import VolumeStatus
from tuinova.core.volume_api.create import VolumeRequest

# A build that fails so fails on every host.
NOT_MADE = (VolumeNotCreated, VolumeNotFound, VolumeLimitExceeded, SnapshotLimitExceeded, VolumeSizeExceedsQuota)
_MAKING = (VolumeStatus.CREATING, VolumeStatus.DOWNLOADING)


def prepare(compute: Compute, order: WorkOrder, task: TaskState = TaskState.BLOCK_DEVICE_MAPPING) -> Instance:
    """Make the server's volumes that are not there yet, and say how its guest reaches each of them."""
    uuid = order.instance_uuid
    instance = compute.conductor.instance(uuid)
    for device in volumes_of(instance):
        if device.volume_id is None:
            instance = compute.conductor.step(uuid, expect_task=task, also=[_write_volume(compute, order, device)])
    found: dict[str, Mapping[str, Any]] = {}
    for device in volumes_of(instance):
        volume = compute.conductor.volume(device.volume_id or "")
        if volume.status in _MAKING:
            _make(compute, uuid, volume, task)
            volume = compute.conductor.volume(volume.id)
        if volume.status in (VolumeStatus.ERROR, VolumeStatus.DELETING):
            raise VolumeNotCreated(volume_id=volume.id, status=volume.status, reason=volume.fault or "")
        found[volume.id] = compute.volumes.connection(volume)
    with compute.volumes.alone(*found):
        # What copies their data at rest has ended; nothing begins to while they are reserved.
        return compute.conductor.step(uuid, expect_task=task, also=[*map(note_attaching, found), _reached(found)])


def _write_volume(compute: Compute, order: WorkOrder, device: BlockDevice) -> Part:
    """The volume's row and its attachment, in one transaction with the mapping's row."""
    request = VolumeRequest(
        size=device.volume_size,
        name="",
        description="",
        image_id=device.image_id,
        snapshot_id=device.snapshot_id,
        volume_type=device.volume_type,
    )
    values = compute.volumes.draft(order.ctx, request)
    limits = compute.conductor.quota_of(str(values["project_id"]), VOLUME)

    def part(tx: Tx, instance: Instance) -> Mapping[str, Any]:
        devices = loaded(instance.block_devices or ())
        volume = insert_volume(tx, values, limits)
        reserve(tx, volume, instance.uuid, any_status=True, ident=device.attachment_id)
        return kept(
            [
                replace(one, volume_id=volume.id, volume_size=volume.size) if one.uuid == device.uuid else one
                for one in devices
            ]
        )

    return part


def _make(compute: Compute, uuid: str, volume: Volume, task: TaskState) -> None:
    try:
        compute.volumes.make(volume, Reporter(compute, uuid, task, "creating volume"))
    except (UnexpectedTaskState, InstanceNotFound, *LEFT_OPEN):
        raise
    except Exception as error:
        reason = message_of(error)
        compute.conductor.volume_step(
            volume.id,
            lambda facts: (
                {"status": VolumeStatus.ERROR, "fault": reason[:1000], "progress": None}
                if facts.volume.status in _MAKING
                else None
            ),
        )
        raise VolumeNotCreated(volume_id=volume.id, status=VolumeStatus.ERROR, reason=reason) from error


def _reached(connections: Mapping[str, Mapping[str, Any]]) -> Part:
    def part(tx: Tx, instance: Instance) -> Mapping[str, Any]:
        names = {one.uuid: one.device_name for one in devices_of(instance)}
        rows = [replace(one, device_name=names[one.uuid]) for one in loaded(instance.block_devices or ())]
        reached = {ident: dict(connection) for ident, connection in connections.items()}
        return kept([replace(one, connection=reached.get(one.volume_id or "", one.connection)) for one in rows])

    return part


def all_attached(instance: Instance) -> Sequence[Part]:
    """The guest has all of its volumes."""
    return [
        note_attached(device.volume_id, device.connection)
        for device in volumes_of(instance)
        if device.volume_id is not None and device.connection is not None
    ]
