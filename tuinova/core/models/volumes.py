"""Volumes, snapshots and types of volumes; who has which volume."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlmodel import Field

from tuinova.core.models.base import Table, json_field, text_field


class Volume(Table, table=True):
    """A volume; the row goes with its data. `reserved_gb` is what an extension that runs will add."""

    __tablename__ = "volume"

    id: str = Field(primary_key=True, max_length=36)
    name: str | None = Field(default=None, max_length=255)
    description: str | None = text_field()
    size: int
    status: str = Field(max_length=32)
    previous_status: str | None = Field(default=None, max_length=32)
    backend: str = Field(max_length=255)
    volume_type: str = Field(max_length=255)
    availability_zone: str = Field(max_length=255)
    bootable: bool = False
    readonly: bool = False
    reserved_gb: int = 0
    snapshot_id: str | None = Field(default=None, max_length=36)
    source_volid: str | None = Field(default=None, max_length=36)
    image_id: str | None = Field(default=None, max_length=36)
    # "metadata" is taken on a declarative class.
    properties: dict[str, Any] = json_field({})
    image_metadata: dict[str, Any] = json_field({})
    fault: str | None = text_field()
    progress: dict[str, Any] | None = json_field(nullable=True)
    project_id: str = Field(max_length=64, index=True)
    user_id: str = Field(max_length=64)
    created_at: datetime
    updated_at: datetime | None = None


class VolumeSnapshot(Table, table=True):
    """A snapshot of a volume."""

    __tablename__ = "volume_snapshot"

    id: str = Field(primary_key=True, max_length=36)
    volume_id: str = Field(max_length=36, foreign_key="volume.id", index=True)
    name: str | None = Field(default=None, max_length=255)
    description: str | None = text_field()
    size: int
    status: str = Field(max_length=32)
    properties: dict[str, Any] = json_field({})
    fault: str | None = text_field()
    progress: dict[str, Any] | None = json_field(nullable=True)
    project_id: str = Field(max_length=64, index=True)
    user_id: str = Field(max_length=64)
    created_at: datetime
    updated_at: datetime | None = None


class VolumeType(Table, table=True):
    """A type of volumes: its extra specs choose the backend."""

    __tablename__ = "volume_type"

    id: str = Field(primary_key=True, max_length=36)
    name: str = Field(max_length=255, unique=True)
    description: str | None = text_field()
    is_public: bool = True
    extra_specs: dict[str, Any] = json_field({})
    projects: list[Any] = json_field([])
    created_at: datetime
    updated_at: datetime | None = None


class VolumeAttachment(Table, table=True):
    """A server's hold on a volume, from the moment it is reserved; a volume has one at most."""

    __tablename__ = "volume_attachment"
    __table_args__ = (Index("ix_volume_attachment_instance", "instance_uuid"),)

    id: str = Field(primary_key=True, max_length=36)
    volume_id: str = Field(max_length=36, foreign_key="volume.id", unique=True)
    instance_uuid: str = Field(max_length=36)
    status: str = Field(max_length=32)
    device: str | None = Field(default=None, max_length=255)
    host: str | None = Field(default=None, max_length=255)
    created_at: datetime
    attached_at: datetime | None = None
