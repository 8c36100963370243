"""Images of volume-backed servers: snapshots of their volumes and a mapping that names them.

nova/compute/api.py snapshot_volume_backed: the image has no data, a server that boots from it gets volumes of the
snapshots.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tuinova.core.block_devices import BlockDevice, devices_of
from tuinova.core.compute_api.accepting import Accepted, Acceptor
from tuinova.core.compute_api.image_rows import image_of
from tuinova.core.conductor.images import insert_image
from tuinova.core.conductor.transaction import Part, Tx
from tuinova.core.conductor.volume_rows import VOLUME_HOST, VOLUMES
from tuinova.core.conductor.volume_snapshots import insert_snapshot
from tuinova.core.context import RequestContext
from tuinova.core.drafts import EventFinish, OrderDraft, new_uuid
from tuinova.core.quota_table import VOLUME
from tuinova.core.records import Instance
from tuinova.core.states import Action
from tuinova.core.states.volumes import SnapshotStatus

# The properties of such an image.
MAPPING, VERSION = "block_device_mapping", "bdm_v2"


def create_image(
    api: Acceptor, ctx: RequestContext, row: Action, uuid: str, name: str, metadata: Mapping[str, str]
) -> Accepted:
    """Image, snapshots and their orders in one transaction; the snapshots are made afterwards."""
    image_id = new_uuid()
    limits = api.conductor.quota_of(ctx.project_id or "", VOLUME)
    draft = image_of(ctx, image_id, lambda _: name, "snapshot", metadata)

    def part(tx: Tx, instance: Instance) -> None:
        entries = [_entry(tx, ctx, instance, device, name, limits) for device in devices_of(instance)]
        made = draft(instance)
        properties = {
            **made.properties,
            MAPPING: json.dumps(entries),
            VERSION: "True",
            "root_device_name": instance.root_device_name or "/dev/vda",
        }
        least = int(instance.image.get("min_disk") or 0)
        insert_image(tx, replace(made, status="active", size=0, min_disk=least, properties=properties))

    parts: list[Part] = [part]
    accepted = api.accept(
        ctx,
        uuid,
        check=api.check(ctx, row),
        updates={},
        record=row.recorded_as,
        event=EventFinish("api_snapshot_instance", ctx.request_id),
        also=parts,
    )
    return Accepted(accepted, {"image_id": image_id})


def _entry(
    tx: Tx, ctx: RequestContext, instance: Instance, device: BlockDevice, name: str, limits: Mapping[str, int]
) -> dict[str, Any]:
    """What the image says of one device: a volume's snapshot, or an empty disk again."""
    common = {
        "boot_index": device.boot_index,
        "device_name": device.device_name,
        "device_type": device.device_type,
        "disk_bus": device.disk_bus,
        "guest_format": device.guest_format,
        "tag": device.tag,
        "delete_on_termination": device.delete_on_termination,
        "volume_size": device.volume_size,
    }
    if not device.is_volume or device.volume_id is None:
        return {**common, "source_type": "blank", "destination_type": "local"}
    volume = VOLUMES.read(tx.connection, device.volume_id)
    values: dict[str, Any] = {
        "id": new_uuid(),
        "volume_id": volume.id,
        "name": f"snapshot for {name}"[:255],
        "description": None,
        "status": SnapshotStatus.CREATING,
        "properties": {},
        "fault": None,
        "progress": None,
        "project_id": ctx.project_id or instance.project_id,
        "user_id": ctx.user_id or "",
    }
    args = {"snapshot_id": values["id"]}
    if instance.host is None:
        insert_snapshot(tx, ctx, volume, values, limits, volume.id, OrderDraft("create_snapshot", VOLUME_HOST, args))
    else:
        order = OrderDraft("snapshot_attached_volume", instance.host, {**args, "volume_id": volume.id})
        insert_snapshot(tx, ctx, volume, values, limits, instance.uuid, order)
    return {**common, "source_type": "snapshot", "destination_type": "volume", "snapshot_id": values["id"]}


def mapping_of(properties: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The mapping that an image brings, as entries of block_device_mapping_v2; nothing of what is no such mapping."""
    try:
        found = json.loads(properties.get(MAPPING) or "[]")
    except ValueError:
        return []
    if not isinstance(found, list) or str(properties.get(VERSION, "")).lower() not in ("true", "1"):
        return []
    return [_asked(entry) for entry in found if isinstance(entry, dict)]


_KEPT = ("source_type", "destination_type", "boot_index", "device_type", "disk_bus", "guest_format", "tag")


def _asked(entry: Mapping[str, Any]) -> dict[str, Any]:
    """One entry as a request would ask for it; an image's words are as hostile as a request's."""
    asked: dict[str, Any] = {name: entry[name] for name in _KEPT if isinstance(entry.get(name), str | int)}
    for name in ("snapshot_id", "volume_id", "image_id"):
        if isinstance(entry.get(name), str):
            asked["uuid"] = entry[name]
    size = entry.get("volume_size")
    if isinstance(size, int) or (isinstance(size, str) and size.isdigit()):
        asked["volume_size"] = int(size)
    index = asked.get("boot_index")
    if not isinstance(index, int) or isinstance(index, bool):
        asked["boot_index"] = -1
    asked["delete_on_termination"] = entry.get("delete_on_termination") is True
    return asked
