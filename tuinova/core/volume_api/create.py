"""New volumes: what is asked for, looked at in Cinder's order (cinder/volume/flows/api/create_volume.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tuinova.core import policy
from tuinova.core.catalogue_cache import CatalogueCache
from tuinova.core.conductor import Conductor
from tuinova.core.conductor.seeds import DEFAULT_VOLUME_TYPE
from tuinova.core.context import RequestContext
from tuinova.core.drafts import new_uuid
from tuinova.core.errors import ImageNotFound, Invalid, InvalidInput
from tuinova.core.errors.volumes import InvalidSnapshot, InvalidVolume, SnapshotNotFound, VolumeNotFound
from tuinova.core.records import Image, Volume, VolumeSnapshot
from tuinova.core.states.volumes import VOLUME_ACTIONS, SnapshotStatus, VolumeStatus

ZONE = "nova"
_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class VolumeRequest:
    """What POST /volumes asks for; size in GiB, None where a source says it."""

    size: int | None = None
    name: str | None = None
    description: str | None = None
    image_id: str | None = None
    snapshot_id: str | None = None
    source_volid: str | None = None
    volume_type: str | None = None
    availability_zone: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


def new_volume(
    ctx: RequestContext, request: VolumeRequest, conductor: Conductor, catalogue: CatalogueCache
) -> dict[str, Any]:
    """The row of a new volume; raises Cinder's refusals."""
    sources = [item for item in (request.image_id, request.snapshot_id, request.source_volid) if item]
    if len(sources) > 1:
        raise InvalidInput(reason="Only one of the following can be specified: snapshot, source volume, image.")
    if request.availability_zone not in (None, "", ZONE):
        raise InvalidInput(reason=f"Availability zone '{request.availability_zone}' is invalid.")
    snapshot = _snapshot(ctx, request.snapshot_id, conductor)
    source = _source(ctx, request.source_volid, conductor)
    image = asked_image(ctx, request.image_id, catalogue)
    size = _size(request.size, snapshot, source)
    if image is not None:
        check_image_size(image, size)
    origin = source or (conductor.volume(snapshot.volume_id) if snapshot is not None else None)
    volume_type = request.volume_type or (origin.volume_type if origin is not None else DEFAULT_VOLUME_TYPE)
    volume_type = conductor.volume_type(volume_type).name
    return {
        "id": new_uuid(),
        "name": request.name,
        "description": request.description,
        "size": size,
        "status": VolumeStatus.CREATING,
        "previous_status": None,
        # What is made of a volume lies beside it.
        "backend": origin.backend if origin is not None else "",
        "volume_type": volume_type,
        "availability_zone": ZONE,
        "bootable": origin.bootable if origin is not None else False,
        "readonly": False,
        "reserved_gb": 0,
        "snapshot_id": request.snapshot_id or None,
        "source_volid": request.source_volid or None,
        "image_id": image.id if image is not None else None,
        "properties": dict(request.metadata),
        "image_metadata": dict(origin.image_metadata) if origin is not None else {},
        "fault": None,
        "progress": None,
        "project_id": ctx.project_id or "",
        "user_id": ctx.user_id or "",
    }


def _snapshot(ctx: RequestContext, snapshot_id: str | None, conductor: Conductor) -> VolumeSnapshot | None:
    if not snapshot_id:
        return None
    snapshot = conductor.snapshot(snapshot_id)
    if not policy.sees_project(ctx, snapshot.project_id):
        raise SnapshotNotFound(snapshot_id=snapshot_id)
    if snapshot.status != SnapshotStatus.AVAILABLE:
        raise InvalidSnapshot(
            reason=f"Originating snapshot status must be one of 'available' values (it is {snapshot.status})"
        )
    return snapshot


def _source(ctx: RequestContext, volume_id: str | None, conductor: Conductor) -> Volume | None:
    if not volume_id:
        return None
    volume = conductor.volume(volume_id)
    if not policy.sees_project(ctx, volume.project_id):
        raise VolumeNotFound(volume_id=volume_id)
    if volume.status == VolumeStatus.ERROR:
        raise InvalidVolume(reason="Unable to create a volume from an errored source volume.")
    if volume.status == VolumeStatus.IN_USE:
        raise InvalidVolume(
            reason="Volume status must be available to be cloned, but it is in-use: create a snapshot of it (--force) "
            "and a volume of that."
        )
    if volume.status not in VOLUME_ACTIONS["clone"]:
        raise InvalidVolume(reason=f"Source volume status must be available or in-use, but it is {volume.status}.")
    return volume


def asked_image(ctx: RequestContext, image_id: str | None, catalogue: CatalogueCache) -> Image | None:
    """The image that a volume is made of; raises Cinder's 400 for one that the caller can't use."""
    if not image_id:
        return None
    try:
        image = catalogue.image(image_id)
    except ImageNotFound:
        image = None
    if image is None or not (ctx.is_admin or image.visible_to(ctx.project_id)):
        raise Invalid("Invalid image identifier or unable to access requested image.")
    if image.status != "active":
        raise InvalidInput(reason=f"Image {image_id} is not active.")
    if image.size == 0 or image.disk_format not in ("qcow2", "raw", "iso", "ami"):
        raise InvalidInput(reason=f"Image {image_id} holds no disk.")
    return image


def _size(asked: int | None, snapshot: VolumeSnapshot | None, source: Volume | None) -> int:
    size = asked
    if size is None and snapshot is not None:
        size = snapshot.size
    if size is None and source is not None:
        size = source.size
    if size is None or size <= 0:
        raise InvalidInput(reason=f"Volume size '{size}' must be an integer and greater than 0")
    if snapshot is not None and size < snapshot.size:
        raise InvalidInput(
            reason=f"Volume size '{size}'GB cannot be smaller than the snapshot size {snapshot.size}GB. "
            "They must be >= original snapshot size."
        )
    if source is not None and size < source.size:
        raise InvalidInput(
            reason=f"Volume size '{size}'GB cannot be smaller than original volume size  {source.size}GB. "
            "They must be >= original volume size."
        )
    return size


def image_gib(image: Image) -> int:
    """The whole GiB that an image's disk needs."""
    needed = max(image.size or 0, image.virtual_size or 0)
    return max(1, -(-needed // _GIB))


def check_image_size(image: Image, size: int) -> None:
    """Raise when a volume is too small for its image."""
    needed = image_gib(image)
    if needed > size:
        raise InvalidInput(reason=f"Size of specified image {needed}GB is larger than volume size {size}GB.")
    if image.min_disk > size:
        raise InvalidInput(
            reason=f"Volume size {size}GB cannot be smaller than the image minDisk size {image.min_disk}GB."
        )
