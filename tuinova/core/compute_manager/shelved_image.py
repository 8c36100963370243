"""The end of a shelved server's image."""

from __future__ import annotations

from collections.abc import Sequence

from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.work import Outcome, Updates
from tuinova.core.conductor.images import drop_image
from tuinova.core.conductor.transaction import Part
from tuinova.core.records import Instance
from tuinova.core.shelved_image import NOT_SHELVED, discard_dropped, shelved_image


def without_shelved_image(
    compute: Compute,
    instance: Instance,
    updates: Updates,
    facts: Updates | None = None,
    *,
    also: Sequence[Part] = (),
) -> Outcome:
    """A success after which the image is not needed; one that somebody protects stays."""
    image_id = shelved_image(instance)
    if image_id is None:
        return Outcome(updates, facts, also=also)
    return Outcome(
        {**updates, "system_metadata": {**updates.get("system_metadata", {}), **NOT_SHELVED}},
        facts,
        also=[drop_image(image_id), *also],
        then=lambda: discard_dropped(compute.conductor, compute.images, image_id),
    )
