"""What the orders of the volume service do; each may be carried out twice, as it is after a crash."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tuinova.core.conductor import Conductor
from tuinova.core.conductor.errors import ConductorClosed, DatabaseUnavailable
from tuinova.core.errors import ImageDataConflict, ImageNotFound
from tuinova.core.errors.volumes import NoValidBackend, SnapshotNotFound, VolumeNotFound
from tuinova.core.faults import message_of
from tuinova.core.records import Volume, WorkOrder
from tuinova.core.states.volumes import SnapshotStatus, VolumeStatus
from tuinova.core.volume_manager.store import VolumeReporter, VolumeStore

LOG = logging.getLogger(__name__)
# Nothing can be said about the volume: the order stays open and is taken up again.
LEFT_OPEN = (ConductorClosed, DatabaseUnavailable)


@dataclass(frozen=True, slots=True)
class VolumeWorker:
    """The order's method finds here what it works with."""

    conductor: Conductor
    store: VolumeStore


def _fail(worker: VolumeWorker, order: WorkOrder, expected: str, values: Mapping[str, Any], error: Exception) -> None:
    fault = message_of(error)[:1000]
    worker.conductor.volume_step(
        order.instance_uuid,
        lambda facts: {**values, "progress": None, "fault": fault} if facts.volume.status == expected else None,
        order_done=order.id,
    )


def create_volume(worker: VolumeWorker, order: WorkOrder) -> None:
    """Make a new volume's data: available, or in error with the reason."""
    volume = worker.conductor.volume(order.instance_uuid)
    if volume.status not in (VolumeStatus.CREATING, VolumeStatus.DOWNLOADING):
        worker.conductor.order_done(order.id)
        return
    try:
        worker.store.make(volume)
    except LEFT_OPEN:
        raise
    except Exception as error:
        LOG.warning("%s of %s failed: %s", order.method, order.instance_uuid, error, exc_info=True)
        status = _status(worker, volume.id)
        making = status if status == VolumeStatus.DOWNLOADING else VolumeStatus.CREATING
        _fail(worker, order, making, {"status": VolumeStatus.ERROR}, error)
        return
    worker.conductor.order_done(order.id)


def _status(worker: VolumeWorker, volume_id: str) -> str | None:
    try:
        return worker.conductor.volume(volume_id).status
    except VolumeNotFound:
        return None


def delete_volume(worker: VolumeWorker, order: WorkOrder) -> None:
    """Remove a volume and, last, its row; `cascade` removes its snapshots first."""
    volume = worker.conductor.volume(order.instance_uuid)
    if volume.status != VolumeStatus.DELETING:
        worker.conductor.order_done(order.id)
        return
    try:
        for snapshot in worker.conductor.snapshots(volume_id=volume.id):
            worker.store.driver.delete_snapshot(worker.store.spec(volume), snapshot.id)
            worker.conductor.snapshot_step(snapshot.id, {}, drop=True)
        with worker.store.alone(volume.id):
            if volume.backend:
                worker.store.driver.delete(worker.store.spec(volume))
    except LEFT_OPEN:
        raise
    except Exception as error:
        LOG.warning("%s of %s failed: %s", order.method, order.instance_uuid, error, exc_info=True)
        _fail(worker, order, VolumeStatus.DELETING, {"status": VolumeStatus.ERROR_DELETING}, error)
        return
    worker.conductor.volume_step(volume.id, {}, order_done=order.id, drop=True)


def extend_volume(worker: VolumeWorker, order: WorkOrder) -> None:
    """Make a volume bigger that no guest has."""
    volume = worker.conductor.volume(order.instance_uuid)
    size = int(order.args["size"])
    if volume.status != VolumeStatus.EXTENDING:
        worker.conductor.volume_step(volume.id, {"reserved_gb": 0}, order_done=order.id)
        return
    try:
        check_room(worker.store, volume, size)
        with worker.store.alone(volume.id):
            worker.store.driver.extend(worker.store.spec(volume), size)
    except LEFT_OPEN:
        raise
    except Exception as error:
        LOG.warning("%s of %s failed: %s", order.method, order.instance_uuid, error, exc_info=True)
        _fail(worker, order, volume.status, {"status": VolumeStatus.ERROR_EXTENDING, "reserved_gb": 0}, error)
        return
    worker.conductor.volume_step(
        volume.id,
        lambda facts: {
            "size": size,
            "reserved_gb": 0,
            "fault": None,
            **({"status": VolumeStatus.AVAILABLE} if facts.volume.status == VolumeStatus.EXTENDING else {}),
        },
        order_done=order.id,
    )


def check_room(store: VolumeStore, volume: Volume, size: int) -> None:
    """Raise NoValidBackend where the backend has not as much as the volume would take more."""
    for backend in store.backends():
        if backend.name == volume.backend and size - volume.size > backend.free_gb:
            raise NoValidBackend(
                reason=f"{size - volume.size} GiB more were asked for, {int(backend.free_gb)} GiB are free."
            )


def revert_volume(worker: VolumeWorker, order: WorkOrder) -> None:
    """Write a volume anew from its newest snapshot; half done it is in error, and may be deleted."""
    volume = worker.conductor.volume(order.instance_uuid)
    if volume.status != VolumeStatus.REVERTING:
        worker.conductor.order_done(order.id)
        return
    try:
        reporter = VolumeReporter(worker.conductor, volume.id, "reverting", (VolumeStatus.REVERTING,))
        worker.store.revert(volume, str(order.args["snapshot_id"]), reporter)
    except LEFT_OPEN:
        raise
    except Exception as error:
        LOG.warning("%s of %s failed: %s", order.method, order.instance_uuid, error, exc_info=True)
        _fail(worker, order, VolumeStatus.REVERTING, {"status": VolumeStatus.ERROR}, error)
        return
    worker.conductor.volume_step(
        volume.id,
        lambda facts: (
            {"status": VolumeStatus.AVAILABLE, "progress": None, "fault": None}
            if facts.volume.status == VolumeStatus.REVERTING
            else None
        ),
        order_done=order.id,
    )


def create_snapshot(worker: VolumeWorker, order: WorkOrder) -> None:
    """Keep the data of a volume at rest."""
    snapshot_id = str(order.args["snapshot_id"])
    snapshot = worker.conductor.snapshot(snapshot_id)
    volume = worker.conductor.volume(snapshot.volume_id)
    if snapshot.status != SnapshotStatus.CREATING:
        worker.conductor.order_done(order.id)
        return
    try:
        with worker.store.alone(volume.id):
            worker.store.driver.create_snapshot(worker.store.spec(volume), snapshot_id, lambda done, total: None)
    except LEFT_OPEN:
        raise
    except Exception as error:
        LOG.warning("%s of %s failed: %s", order.method, order.instance_uuid, error, exc_info=True)
        values: dict[str, Any] = {"status": SnapshotStatus.ERROR, "fault": message_of(error)[:1000]}
    else:
        values = {"status": SnapshotStatus.AVAILABLE, "progress": None, "fault": None}
    worker.conductor.snapshot_step(snapshot_id, values, expect=(SnapshotStatus.CREATING,), order_done=order.id)


def delete_snapshot(worker: VolumeWorker, order: WorkOrder) -> None:
    """Remove a snapshot and, last, its row."""
    snapshot = worker.conductor.snapshot(str(order.args["snapshot_id"]))
    if snapshot.status != SnapshotStatus.DELETING:
        worker.conductor.order_done(order.id)
        return
    volume = worker.conductor.volume(snapshot.volume_id)
    try:
        worker.store.driver.delete_snapshot(worker.store.spec(volume), snapshot.id)
    except LEFT_OPEN:
        raise
    except Exception as error:
        LOG.warning("%s of %s failed: %s", order.method, order.instance_uuid, error, exc_info=True)
        values = {"status": SnapshotStatus.ERROR_DELETING, "fault": message_of(error)[:1000]}
        worker.conductor.snapshot_step(snapshot.id, values, expect=(SnapshotStatus.DELETING,), order_done=order.id)
        return
    worker.conductor.snapshot_step(snapshot.id, {}, order_done=order.id, drop=True)


def upload_volume(worker: VolumeWorker, order: WorkOrder) -> None:
    """Write a volume at rest into the image that the request made."""
    volume = worker.conductor.volume(order.instance_uuid)
    image_id, disk_format = str(order.args["image_id"]), str(order.args["disk_format"])
    back = volume.previous_status or VolumeStatus.AVAILABLE
    try:
        # It is whole already where a crash came between the image's end and the volume's.
        if worker.conductor.image(image_id).status != "active":
            _fill_image(worker, volume, image_id, disk_format)
    except LEFT_OPEN:
        raise
    except Exception as error:
        LOG.warning("%s of %s failed: %s", order.method, order.instance_uuid, error, exc_info=True)
        _drop_image(worker, image_id)
        _fail(worker, order, VolumeStatus.UPLOADING, {"status": back, "previous_status": None}, error)
        return
    worker.conductor.volume_step(
        volume.id,
        lambda facts: (
            {"status": back, "previous_status": None, "progress": None, "fault": None}
            if facts.volume.status == VolumeStatus.UPLOADING
            else None
        ),
        order_done=order.id,
    )


def _fill_image(worker: VolumeWorker, volume: Volume, image_id: str, disk_format: str) -> None:
    images = worker.store.images
    worker.conductor.update_image(image_id, expect_status=("queued", "saving"), status="saving")
    images.discard(image_id)
    reporter = VolumeReporter(worker.conductor, volume.id, "uploading", (VolumeStatus.UPLOADING,))
    with worker.store.alone(volume.id):
        target = images.snapshot_path(image_id)
        worker.store.driver.upload(worker.store.spec(volume), target, disk_format, reporter)
    stored = images.adopt(image_id, disk_format, reporter)
    worker.conductor.update_image(
        image_id,
        expect_status="saving",
        status="active",
        size=stored.size,
        virtual_size=stored.virtual_size,
        checksum=stored.checksum,
        os_hash_algo="sha512",
        os_hash_value=stored.sha512,
    )


def _drop_image(worker: VolumeWorker, image_id: str) -> None:
    """Row and data of an image that was not finished."""
    try:
        if worker.conductor.image(image_id).status == "active":
            return
        worker.conductor.update_image(image_id, protected=False)  # it was never whole
        worker.conductor.delete_image(image_id)
    except (ImageNotFound, ImageDataConflict):
        LOG.info("image %s is gone already", image_id)
    worker.store.images.discard(image_id)


METHODS: Mapping[str, Callable[[VolumeWorker, WorkOrder], None]] = {
    "create_volume": create_volume,
    "delete_volume": delete_volume,
    "extend_volume": extend_volume,
    "revert_volume": revert_volume,
    "create_snapshot": create_snapshot,
    "delete_snapshot": delete_snapshot,
    "upload_volume": upload_volume,
}
GONE = (VolumeNotFound, SnapshotNotFound)
