"""What volumes, snapshots and types look like (cinder/api/v3/views)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuinova.core.context import RequestContext
from tuinova.core.records import Volume, VolumeAttachment, VolumeSnapshot, VolumeType
from tuinova.core.states.volumes import ATTACHMENT_ATTACHED, ATTACHMENT_DETACHING, SnapshotStatus

Json = dict[str, Any]
_SHOWN = (ATTACHMENT_ATTACHED, ATTACHMENT_DETACHING)
_WHOLE = (SnapshotStatus.AVAILABLE, SnapshotStatus.DELETING, SnapshotStatus.ERROR_DELETING)


def moment(value: Any) -> str | None:
    """2026-01-31T12:00:00.000000, without a zone."""
    return value.strftime("%Y-%m-%dT%H:%M:%S.%f") if value else None


def volume_links(base: str, kind: str, ident: str) -> list[Json]:
    """Self and bookmark."""
    return [
        {"rel": "self", "href": f"{base}/volume/v3/{kind}/{ident}"},
        {"rel": "bookmark", "href": f"{base}/volume/{kind}/{ident}"},
    ]


def volume_basic(volume: Volume, base: str) -> Json:
    """The row of the short list."""
    return {"id": volume.id, "name": volume.name, "links": volume_links(base, "volumes", volume.id)}


def volume_detail(
    volume: Volume, attachments: Sequence[VolumeAttachment], ctx: RequestContext, base: str, host: str
) -> Json:
    """The whole volume; `tuinova:` keys are ours: why it is in error, and how far long work is."""
    found = {
        **volume_basic(volume, base),
        "description": volume.description,
        "size": volume.size,
        "status": volume.status,
        "availability_zone": volume.availability_zone,
        "created_at": moment(volume.created_at),
        "updated_at": moment(volume.updated_at),
        "attachments": [_attachment(one, ctx) for one in attachments if one.status in _SHOWN],
        "volume_type": volume.volume_type,
        "snapshot_id": volume.snapshot_id,
        "source_volid": volume.source_volid,
        "metadata": {**volume.properties, **({"readonly": "True"} if volume.readonly else {})},
        "user_id": volume.user_id,
        "bootable": "true" if volume.bootable else "false",
        "encrypted": False,
        "multiattach": False,
        "replication_status": None,
        "consistencygroup_id": None,
        "group_id": None,
        "migration_status": None,
        "shared_targets": False,
        "service_uuid": None,
        "consumes_quota": True,
        "os-vol-tenant-attr:tenant_id": volume.project_id,
        "tuinova:fault": volume.fault,
        "tuinova:progress": volume.progress,
    }
    if volume.image_metadata:
        found["volume_image_metadata"] = volume.image_metadata
    if ctx.is_admin:
        found["os-vol-host-attr:host"] = f"{host}@{volume.backend}#{volume.backend}" if volume.backend else None
        found["os-vol-mig-status-attr:migstat"] = None
        found["os-vol-mig-status-attr:name_id"] = None
    return found


def _attachment(attachment: VolumeAttachment, ctx: RequestContext) -> Json:
    return {
        "id": attachment.volume_id,
        "volume_id": attachment.volume_id,
        "attachment_id": attachment.id,
        "server_id": attachment.instance_uuid,
        "host_name": attachment.host if ctx.is_admin else None,
        "device": attachment.device,
        "attached_at": moment(attachment.attached_at),
    }


def snapshot_basic(snapshot: VolumeSnapshot) -> Json:
    """The row of the short list."""
    return {
        "id": snapshot.id,
        "name": snapshot.name,
        "description": snapshot.description,
        "volume_id": snapshot.volume_id,
        "status": snapshot.status,
        "size": snapshot.size,
        "created_at": moment(snapshot.created_at),
        "updated_at": moment(snapshot.updated_at),
        "metadata": snapshot.properties,
        "user_id": snapshot.user_id,
    }


def snapshot_detail(snapshot: VolumeSnapshot) -> Json:
    """The whole snapshot."""
    return {
        **snapshot_basic(snapshot),
        "os-extended-snapshot-attributes:project_id": snapshot.project_id,
        "os-extended-snapshot-attributes:progress": _percent(snapshot),
        "group_snapshot_id": None,
        "consumes_quota": True,
        "tuinova:fault": snapshot.fault,
    }


def _percent(snapshot: VolumeSnapshot) -> str:
    if snapshot.status in _WHOLE:
        return "100%"
    progress = snapshot.progress or {}
    return f"{100 * int(progress.get('done', 0)) // max(1, int(progress.get('total', 1)))}%"


def type_view(kind: VolumeType) -> Json:
    """A type of volumes."""
    return {
        "id": kind.id,
        "name": kind.name,
        "description": kind.description,
        "is_public": kind.is_public,
        "os-volume-type-access:is_public": kind.is_public,
        "qos_specs_id": None,
        "extra_specs": kind.extra_specs,
    }
