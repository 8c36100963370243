"""Records of volumes, snapshots, types of volumes and attachments."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

JsonDict = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume as Cinder shows it; sizes in GiB. `properties` is what the API calls metadata.

    `previous_status` is what an upload goes back to, `reserved_gb` what an extension that runs will add, `fault` why it
    is in error, `progress` {"what", "done", "total"} of long work.
    """

    id: str
    name: str | None
    description: str | None
    size: int
    status: str
    previous_status: str | None
    backend: str
    volume_type: str
    availability_zone: str
    bootable: bool
    readonly: bool
    reserved_gb: int
    snapshot_id: str | None
    source_volid: str | None
    image_id: str | None
    properties: JsonDict
    image_metadata: JsonDict
    fault: str | None
    progress: JsonDict | None
    project_id: str
    user_id: str
    created_at: datetime
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class VolumeSnapshot:
    """A snapshot of a volume."""

    id: str
    volume_id: str
    name: str | None
    description: str | None
    size: int
    status: str
    properties: JsonDict
    fault: str | None
    progress: JsonDict | None
    project_id: str
    user_id: str
    created_at: datetime
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class VolumeType:
    """A type of volumes; the extra spec volume_backend_name says where its volumes lie.

    `projects` may use one that is not public.
    """

    id: str
    name: str
    description: str | None = None
    is_public: bool = True
    extra_specs: JsonDict = field(default_factory=dict)
    projects: list[str] = field(default_factory=list)
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class VolumeAttachment:
    """A server's hold on a volume, from the moment it is reserved (reserved, attaching, attached, detaching)."""

    id: str
    volume_id: str
    instance_uuid: str
    status: str
    device: str | None
    host: str | None
    created_at: datetime
    attached_at: datetime | None = None
