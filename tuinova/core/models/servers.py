"""Servers and what is written about them: actions, events, faults, migrations, groups, scheduler traces."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlmodel import Field

from tuinova.core.models.base import AUTOINCREMENT, Table, json_field, named_json, text_field


class Instance(Table, table=True):
    """A server; rows of deleted ones stay (nova/db/main/models.py Instance)."""

    __tablename__ = "instance"
    __table_args__ = (
        Index("ix_instance_project", "project_id", "deleted"),
        Index("ix_instance_host", "host", "deleted"),
        AUTOINCREMENT,
    )

    id: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(max_length=36, unique=True)
    name: str = Field(max_length=255)
    hostname: str = Field(max_length=255)
    description: str | None = Field(default=None, max_length=255)
    project_id: str = Field(max_length=64)
    user_id: str = Field(max_length=64)
    vm_state: str = Field(max_length=32)
    task_state: str | None = Field(default=None, max_length=64)
    power_state: int = 0
    progress: int = 0
    created_at: datetime
    updated_at: datetime | None = None
    launched_at: datetime | None = None
    terminated_at: datetime | None = None
    deleted_at: datetime | None = None
    deleted: bool = False
    host: str | None = Field(default=None, max_length=255)
    node: str | None = Field(default=None, max_length=255)
    availability_zone: str | None = Field(default=None, max_length=255)
    pinned_availability_zone: str | None = Field(default=None, max_length=255)
    flavor_id: str = Field(max_length=255)
    memory_mb: int
    vcpus: int
    flavor: dict[str, Any] = json_field({})
    image_ref: str | None = Field(default=None, max_length=255)
    image: dict[str, Any] = json_field({})
    kernel_id: str | None = Field(default=None, max_length=255)
    ramdisk_id: str | None = Field(default=None, max_length=255)
    key_name: str | None = Field(default=None, max_length=255)
    key_data: dict[str, Any] | None = json_field(nullable=True)
    user_data: str | None = text_field()
    # "metadata" is taken on a declarative class; only the column has Nova's name.
    metadata_: dict[str, Any] = named_json("metadata")
    system_metadata: dict[str, Any] = json_field({})
    config_drive: bool = False
    locked_by: str | None = Field(default=None, max_length=16)
    locked_reason: str | None = Field(default=None, max_length=255)
    reservation_id: str = Field(max_length=32)
    launch_index: int = 0
    root_device_name: str | None = Field(default=None, max_length=64)
    scheduler_hints: dict[str, Any] = json_field({})
    server_group_id: str | None = Field(default=None, max_length=36)
    addresses: list[Any] = json_field([])
    access_ip_v4: str | None = Field(default=None, max_length=39)
    access_ip_v6: str | None = Field(default=None, max_length=39)
    disk_config: str = Field(default="AUTO", max_length=16)
    fault: dict[str, Any] | None = json_field(nullable=True)
    security_groups: list[Any] = json_field([])
    tags: list[Any] = json_field([])
    version: int = 0
    task_progress: dict[str, Any] | None = json_field(nullable=True)
    # NULL: what the image and the flavor say, nothing else.
    block_devices: list[Any] | None = json_field(nullable=True)


class InstanceAction(Table, table=True):
    """One line of a server's action log."""

    __tablename__ = "instance_action"
    __table_args__ = (Index("ix_instance_action_instance", "instance_uuid"), AUTOINCREMENT)

    id: int | None = Field(default=None, primary_key=True)
    instance_uuid: str = Field(max_length=36)
    action: str = Field(max_length=255)
    request_id: str = Field(max_length=64)
    user_id: str | None = Field(default=None, max_length=64)
    project_id: str | None = Field(default=None, max_length=64)
    start_time: datetime
    finish_time: datetime | None = None
    updated_at: datetime | None = None
    message: str | None = Field(default=None, max_length=255)


class ActionEvent(Table, table=True):
    """One step of an action."""

    __tablename__ = "action_event"
    __table_args__ = (Index("ix_action_event_action", "action_id"),)

    id: int | None = Field(default=None, primary_key=True)
    action_id: int = Field(foreign_key="instance_action.id")
    event: str = Field(max_length=255)
    start_time: datetime
    finish_time: datetime | None = None
    result: str | None = Field(default=None, max_length=16)
    traceback: str | None = text_field()
    host: str | None = Field(default=None, max_length=255)
    details: str | None = text_field()


class InstanceFault(Table, table=True):
    """A fault of a server; the newest is also kept in the server's own row."""

    __tablename__ = "instance_fault"
    __table_args__ = (Index("ix_instance_fault_instance", "instance_uuid"),)

    id: int | None = Field(default=None, primary_key=True)
    instance_uuid: str = Field(max_length=36)
    code: int
    message: str = Field(max_length=255)
    details: str | None = text_field()
    host: str | None = Field(default=None, max_length=255)
    created: datetime


class Migration(Table, table=True):
    """A move of a server between hosts or flavors."""

    __tablename__ = "migration"
    __table_args__ = (Index("ix_migration_instance", "instance_uuid"), AUTOINCREMENT)

    id: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(max_length=36, unique=True)
    instance_uuid: str = Field(max_length=36)
    migration_type: str = Field(max_length=32)
    status: str = Field(max_length=64)
    source_compute: str | None = Field(default=None, max_length=255)
    source_node: str | None = Field(default=None, max_length=255)
    dest_compute: str | None = Field(default=None, max_length=255)
    dest_node: str | None = Field(default=None, max_length=255)
    dest_host: str | None = Field(default=None, max_length=255)
    old_flavor: dict[str, Any] | None = json_field(nullable=True)
    new_flavor: dict[str, Any] | None = json_field(nullable=True)
    user_id: str | None = Field(default=None, max_length=64)
    project_id: str | None = Field(default=None, max_length=64)
    created_at: datetime
    updated_at: datetime | None = None
    stats: dict[str, Any] | None = json_field(nullable=True)


class ServerGroup(Table, table=True):
    """A server group; its members are the living servers that name it."""

    __tablename__ = "server_group"

    id: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(max_length=36, unique=True)
    name: str = Field(max_length=255)
    project_id: str = Field(max_length=64, index=True)
    user_id: str = Field(max_length=64)
    policy: str = Field(max_length=64)
    rules: dict[str, Any] = json_field({})
    created_at: datetime


class ServerGroupMember(Table, table=True):
    """A server that was put into a group when it was created."""

    __tablename__ = "server_group_member"

    id: int | None = Field(default=None, primary_key=True)
    group_uuid: str = Field(max_length=36, foreign_key="server_group.uuid", index=True)
    instance_uuid: str = Field(max_length=36, unique=True)


class ScheduleTrace(Table, table=True):
    """One decision of the scheduler about a server."""

    __tablename__ = "schedule_trace"
    __table_args__ = (Index("ix_schedule_trace_instance", "instance_uuid"),)

    id: int | None = Field(default=None, primary_key=True)
    instance_uuid: str = Field(max_length=36)
    request_id: str = Field(max_length=64)
    at: datetime
    trace: dict[str, Any] = json_field({})
