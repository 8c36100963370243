"""The image that a shelved server consists of: named in its system metadata, gone when the server needs it no more."""

from __future__ import annotations

import logging
from typing import Any, Final

from tuinova.core.conductor import Conductor
from tuinova.core.errors import ImageNotFound
from tuinova.core.image_store import ImageStore
from tuinova.core.records import Instance

LOG = logging.getLogger(__name__)

SHELVED_AT, SHELVED_IMAGE, SHELVED_HOST = "shelved_at", "shelved_image_id", "shelved_host"
# For a step's `system_metadata`: the server is shelved no more.
NOT_SHELVED: Final[dict[str, Any]] = dict.fromkeys((SHELVED_AT, SHELVED_IMAGE, SHELVED_HOST))


def shelved_image(instance: Instance) -> str | None:
    """The id of the image, None for a server that is not shelved."""
    value = instance.system_metadata.get(SHELVED_IMAGE)
    return str(value) if value else None


def discard_dropped(conductor: Conductor, images: ImageStore, *image_ids: str) -> None:
    """Remove the data of images whose rows went; what can't be removed now goes with the next start."""
    for image_id in image_ids:
        try:
            conductor.image(image_id)
        except ImageNotFound:
            try:
                images.discard(image_id)
            except OSError as error:
                LOG.warning("the data of image %s could not be removed: %s", image_id, error)
