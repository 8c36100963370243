"""Images of servers: snapshots and backups (nova/compute/manager.py snapshot_instance, backup_instance)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.progress import Reporter
from tuinova.core.compute_manager.work import Failure, Outcome, Updates, Work, is_repeated, keep_vm_state
from tuinova.core.conductor.images import drop_image, fill_image, note_image
from tuinova.core.conductor.transaction import Part
from tuinova.core.drafts import ImageFilter
from tuinova.core.errors import ImageNotFound
from tuinova.core.records import Image, Instance, WorkOrder
from tuinova.core.shelved_image import discard_dropped
from tuinova.core.states import TaskState

LOG = logging.getLogger(__name__)

_T = TaskState
IMAGE_ID = "image_id"


@dataclass(frozen=True, slots=True)
class Walk:
    """The task states of one way to an image: while the disk is copied, and while the copy becomes the image's data."""

    begin: TaskState
    pending: TaskState
    uploading: TaskState

    @property
    def tasks(self) -> frozenset[str]:
        """All of them."""
        return frozenset({self.begin, self.pending, self.uploading})


_SNAPSHOT = Walk(_T.IMAGE_SNAPSHOT, _T.IMAGE_PENDING_UPLOAD, _T.IMAGE_UPLOADING)
_BACKUP = Walk(_T.IMAGE_BACKUP, _T.IMAGE_PENDING_UPLOAD, _T.IMAGE_UPLOADING)


class _Copying(Reporter):
    """Ends the copy, too, when somebody deleted the image."""

    def __init__(self, compute: Compute, uuid: str, task: str, what: str, image_id: str) -> None:
        super().__init__(compute, uuid, task, what)
        self._image_id = image_id

    def __call__(self, done: int, total: int) -> None:
        """So many bytes of so many."""
        if self.report({"what": self._what, "done": done, "total": total}):
            self._compute.conductor.image(self._image_id)


def take_image(compute: Compute, order: WorkOrder, instance: Instance, walk: Walk) -> Part:
    """Copy the server's root disk into the image of the order; the part that makes it active goes with the last step.

    Raises UnexpectedTaskState when the server, ImageNotFound when the image is taken away meanwhile.
    """
    conductor, uuid, image_id = compute.conductor, instance.uuid, str(order.args[IMAGE_ID])
    conductor.step(
        uuid,
        updates={"task_state": walk.pending},
        expect_task=walk.tasks,
        # A repeated order finds it as the first time left it.
        also=[note_image(image_id, status="queued")] if is_repeated(order) else (),
    )
    if is_repeated(order):
        compute.images.discard(image_id)  # whole or not: its record was not written
    # Glance takes disks of an Amazon triple only as such; they are raw.
    is_ami = instance.image.get("disk_format") == "ami"
    written = compute.driver.snapshot(
        compute.specs.make(instance),
        compute.images.snapshot_path(image_id),
        "raw" if is_ami else None,
        _Copying(compute, uuid, walk.pending, "snapshot", image_id),
    )
    disk_format = "ami" if is_ami else written
    conductor.step(
        uuid,
        updates={"task_state": walk.uploading},
        expect_task=walk.pending,
        also=[fill_image(image_id, expect="queued", status="saving")],
    )
    stored = compute.images.adopt(image_id, disk_format, _Copying(compute, uuid, walk.uploading, "upload", image_id))
    return fill_image(
        image_id,
        expect="saving",
        status="active",
        disk_format=disk_format,
        container_format=instance.image.get("container_format") or "bare",
        size=stored.size,
        virtual_size=stored.virtual_size,
        checksum=stored.checksum,
        os_hash_algo="sha512",
        os_hash_value=stored.sha512,
        properties=_properties(instance),
    )


def _properties(instance: Instance) -> dict[str, str]:
    """What the driver says of a finished snapshot (nova/virt/libvirt/driver.py _create_snapshot_metadata)."""
    boot = {"kernel_id": instance.kernel_id, "ramdisk_id": instance.ramdisk_id}
    return {
        **{name: value for name, value in boot.items() if value},
        "image_location": "snapshot",
        "image_state": "available",
        "owner_id": instance.project_id,
    }


def drop_unfinished(compute: Compute, order: WorkOrder) -> Sequence[Part]:
    """Take away the image that an order was filling, unless it is whole."""
    image_id = str(order.args[IMAGE_ID])
    try:
        if compute.conductor.image(image_id).status == "active":
            return ()
    except ImageNotFound:
        LOG.debug("image %s is gone", image_id)
    compute.images.discard(image_id)
    return [drop_image(image_id, half_made=True)]


def snapshot_failed(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """The server is as it was; that somebody deleted the image is no fault of it."""
    left = keep_vm_state(compute, order, instance, error)
    return Failure(left.updates, fault=not isinstance(error, ImageNotFound))


def snapshot(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """A snapshot of the root disk; the guest runs on."""
    return Outcome(_seen(compute, instance), also=[take_image(compute, order, instance, _SNAPSHOT)])


def backup(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """A snapshot that is one of a row: the oldest beyond `rotation` go when it is done."""
    filled = take_image(compute, order, instance, _BACKUP)
    old = [image.id for image in _beyond_rotation(compute, order, instance)]
    return Outcome(
        _seen(compute, instance),
        also=[filled, *(drop_image(image_id) for image_id in old)],
        then=lambda: discard_dropped(compute.conductor, compute.images, *old),
    )


def _seen(compute: Compute, instance: Instance) -> Updates:
    return {"power_state": compute.power_state(instance.uuid)}


def _beyond_rotation(compute: Compute, order: WorkOrder, instance: Instance) -> list[Image]:
    """The oldest backups of this server and kind that are too many, the new one among them (Nova's _rotate_backups)."""
    kind = {
        "image_type": "backup",
        "backup_type": str(order.args["backup_type"]),
        "instance_uuid": instance.uuid,
    }
    newest_first = [
        image
        for image in compute.conductor.images(ImageFilter(os_hidden=None, owner=order.ctx.project_id))
        if all(image.properties.get(name) == value for name, value in kind.items())
    ]
    return newest_first[int(order.args["rotation"]) :]


WORKS: Mapping[str, Work] = {
    "snapshot_instance": Work(
        "compute_snapshot_instance",
        _SNAPSHOT.tasks | {_T.IMAGE_SNAPSHOT_PENDING},
        snapshot,
        snapshot_failed,
        first=lambda order: {"task_state": _SNAPSHOT.begin},
        undo=drop_unfinished,
    ),
    "backup_instance": Work(
        "compute_backup_instance",
        _BACKUP.tasks,
        backup,
        snapshot_failed,
        first=lambda order: {"task_state": _BACKUP.begin},
        undo=drop_unfinished,
    ),
}
