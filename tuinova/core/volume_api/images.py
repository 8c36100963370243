"""Images of volumes (Cinder's os-volume_upload_image)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuinova.core import policy
from tuinova.core.conductor.images import insert_image
from tuinova.core.conductor.volumes import VOLUME_HOST, VolumeFacts
from tuinova.core.context import RequestContext
from tuinova.core.drafts import OrderDraft, new_uuid
from tuinova.core.errors import InvalidInput
from tuinova.core.errors.volumes import InvalidVolume, VolumeNotFound
from tuinova.core.records import Image, Volume
from tuinova.core.states.volumes import VOLUME_ACTIONS, VolumeStatus

if TYPE_CHECKING:
    from tuinova.core.conductor import Conductor

_FORMATS = ("raw", "qcow2")
# What a volume keeps of its image that is a field of an image, not a property.
_FIELDS = frozenset(
    {"image_id", "image_name", "checksum", "container_format", "disk_format", "min_disk", "min_ram", "size"}
)


class VolumeUploads:
    """The part of the volume API that makes images."""

    _conductor: Conductor

    def upload(
        self,
        ctx: RequestContext,
        volume_id: str,
        *,
        image_name: str,
        disk_format: str = "raw",
        container_format: str = "bare",
        visibility: str = "shared",
        protected: bool = False,
    ) -> tuple[Volume, Image]:
        """Accept that a volume is written into a new image."""
        if disk_format not in _FORMATS:
            raise InvalidInput(reason=f"A volume is uploaded as {' or '.join(_FORMATS)}, not as {disk_format}.")
        if visibility == "public":
            policy.authorize(ctx, "publicize_image")
        volume = self._conductor.volume(volume_id)

        def check(facts: VolumeFacts) -> None:
            if not policy.sees_project(ctx, facts.volume.project_id):
                raise VolumeNotFound(volume_id=volume_id)
            if facts.volume.status not in VOLUME_ACTIONS["upload"]:
                raise InvalidVolume(
                    reason=f"Volume {volume_id} status must be available, but current status is: {facts.volume.status}."
                )

        image = Image(
            id=new_uuid(),
            name=image_name,
            status="saving",
            owner=ctx.project_id,
            disk_format=disk_format,
            container_format=container_format,
            visibility=visibility,
            protected=protected,
            min_disk=int(volume.image_metadata.get("min_disk") or 0),
            min_ram=int(volume.image_metadata.get("min_ram") or 0),
            properties={key: value for key, value in volume.image_metadata.items() if key not in _FIELDS},
        )
        changed = self._conductor.accept_volume(
            ctx,
            volume_id,
            check=check,
            updates=lambda facts: {"status": VolumeStatus.UPLOADING, "previous_status": facts.volume.status},
            order=OrderDraft("upload_volume", VOLUME_HOST, {"image_id": image.id, "disk_format": disk_format}),
            also=[lambda tx, _volume: insert_image(tx, image)],
        )
        return changed, image
