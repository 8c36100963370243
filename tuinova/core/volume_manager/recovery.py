"""What the start of the service makes of volumes that are in the middle of something that nobody works on."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from tuinova.core.conductor import Conductor
from tuinova.core.conductor.volumes import VOLUME_HOST
from tuinova.core.context import service_context
from tuinova.core.drafts import OrderDraft
from tuinova.core.records import Volume, VolumeAttachment
from tuinova.core.states.volumes import SnapshotStatus, VolumeStatus

LOG = logging.getLogger(__name__)

_INTERRUPTED = "The service was stopped while this was done."
# What a volume becomes that is in the middle of something and has no order; None: its order is written anew.
_ENDS: Mapping[str, Mapping[str, Any] | None] = {
    VolumeStatus.CREATING: {"status": VolumeStatus.ERROR, "fault": _INTERRUPTED, "progress": None},
    VolumeStatus.DOWNLOADING: {"status": VolumeStatus.ERROR, "fault": _INTERRUPTED, "progress": None},
    VolumeStatus.REVERTING: {"status": VolumeStatus.ERROR, "fault": _INTERRUPTED, "progress": None},
    VolumeStatus.EXTENDING: {"status": VolumeStatus.ERROR_EXTENDING, "fault": _INTERRUPTED, "reserved_gb": 0},
    VolumeStatus.DELETING: None,
}


def settle(conductor: Conductor) -> None:
    """End what nobody works on; attachments whose server is gone, or knows nothing of them, are let go."""
    orders = conductor.open_orders()
    busy = {order.instance_uuid for order in orders}
    snapshots = {order.args.get("snapshot_id") for order in orders}
    for volume in conductor.unsettled_volumes():
        held = conductor.attachments(volume_ids=[volume.id])
        holder = held[0] if held else None
        if volume.id in busy or (holder is not None and holder.instance_uuid in busy):
            continue
        _settle_volume(conductor, volume, holder)
    for snapshot in conductor.snapshots():
        if snapshot.id in snapshots:
            continue
        if snapshot.status == SnapshotStatus.CREATING:
            LOG.info("snapshot %s was not finished", snapshot.id)
            conductor.snapshot_step(snapshot.id, {"status": SnapshotStatus.ERROR, "fault": _INTERRUPTED})
        elif snapshot.status == SnapshotStatus.DELETING:
            conductor.accept_snapshot(
                service_context(), snapshot.id, check=lambda _: None, updates={}, method="delete_snapshot"
            )


def _settle_volume(conductor: Conductor, volume: Volume, holder: VolumeAttachment | None) -> None:
    if holder is not None:
        conductor.settle_attachment(holder)
        return
    if volume.status == VolumeStatus.UPLOADING:
        back = volume.previous_status or VolumeStatus.AVAILABLE
        conductor.volume_step(volume.id, {"status": back, "previous_status": None, "progress": None})
    elif volume.status in (VolumeStatus.RESERVED, VolumeStatus.ATTACHING, VolumeStatus.DETACHING):
        conductor.volume_step(volume.id, {"status": VolumeStatus.AVAILABLE})
    elif volume.status in _ENDS:
        ending = _ENDS[volume.status]
        LOG.info("volume %s was left %s", volume.id, volume.status)
        if ending is not None:
            conductor.volume_step(volume.id, ending)
        else:
            conductor.accept_volume(
                service_context(),
                volume.id,
                check=lambda facts: None,
                updates={},
                order=OrderDraft("delete_volume", VOLUME_HOST, {}),
            )
