"""Servers, work orders, the change feed."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    _change()
    _instance()
    _instance_action()
    _instance_fault()
    _migration()
    _schedule_trace()
    _server_group()
    _work_order()
    _action_event()
    _server_group_member()


def downgrade() -> None:
    """Remove them, those that point at others first."""
    for name in (
        "server_group_member",
        "action_event",
        "work_order",
        "server_group",
        "schedule_trace",
        "migration",
        "instance_fault",
        "instance_action",
        "instance",
        "change",
    ):
        op.drop_table(name)


def _change() -> None:
    op.create_table(
        "change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("op", sa.String(16), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("project_id", sa.String(64)),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("view", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_change"),
        sqlite_autoincrement=True,
    )


_INSTANCE_COLUMNS: tuple[sa.Column[Any], ...] = (
    sa.Column("id", sa.Integer(), nullable=False),
    sa.Column("uuid", sa.String(36), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("hostname", sa.String(255), nullable=False),
    sa.Column("description", sa.String(255)),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("vm_state", sa.String(32), nullable=False),
    sa.Column("task_state", sa.String(64)),
    sa.Column("power_state", sa.Integer(), nullable=False),
    sa.Column("progress", sa.Integer(), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("updated_at", sa.DateTime(timezone=True)),
    sa.Column("launched_at", sa.DateTime(timezone=True)),
    sa.Column("terminated_at", sa.DateTime(timezone=True)),
    sa.Column("deleted_at", sa.DateTime(timezone=True)),
    sa.Column("deleted", sa.Boolean(), nullable=False),
    sa.Column("host", sa.String(255)),
    sa.Column("node", sa.String(255)),
    sa.Column("availability_zone", sa.String(255)),
    sa.Column("pinned_availability_zone", sa.String(255)),
    sa.Column("flavor_id", sa.String(255), nullable=False),
    sa.Column("memory_mb", sa.Integer(), nullable=False),
    sa.Column("vcpus", sa.Integer(), nullable=False),
    sa.Column("flavor", sa.JSON(none_as_null=True), nullable=False),
    sa.Column("image_ref", sa.String(255)),
    sa.Column("image", sa.JSON(none_as_null=True), nullable=False),
    sa.Column("kernel_id", sa.String(255)),
    sa.Column("ramdisk_id", sa.String(255)),
    sa.Column("key_name", sa.String(255)),
    sa.Column("key_data", sa.JSON(none_as_null=True)),
    sa.Column("user_data", sa.Text()),
    sa.Column("metadata", sa.JSON(none_as_null=True), nullable=False),
    sa.Column("system_metadata", sa.JSON(none_as_null=True), nullable=False),
    sa.Column("config_drive", sa.Boolean(), nullable=False),
    sa.Column("locked_by", sa.String(16)),
    sa.Column("locked_reason", sa.String(255)),
    sa.Column("reservation_id", sa.String(32), nullable=False),
    sa.Column("launch_index", sa.Integer(), nullable=False),
    sa.Column("root_device_name", sa.String(64)),
    sa.Column("scheduler_hints", sa.JSON(none_as_null=True), nullable=False),
    sa.Column("server_group_id", sa.String(36)),
    sa.Column("addresses", sa.JSON(none_as_null=True), nullable=False),
    sa.Column("access_ip_v4", sa.String(39)),
    sa.Column("access_ip_v6", sa.String(39)),
    sa.Column("disk_config", sa.String(16), nullable=False),
    sa.Column("fault", sa.JSON(none_as_null=True)),
    sa.Column("security_groups", sa.JSON(none_as_null=True), nullable=False),
    sa.Column("tags", sa.JSON(none_as_null=True), nullable=False),
    sa.Column("version", sa.Integer(), nullable=False),
)


def _instance() -> None:
    op.create_table(
        "instance",
        *_INSTANCE_COLUMNS,
        sa.PrimaryKeyConstraint("id", name="pk_instance"),
        sa.UniqueConstraint("uuid", name="uq_instance_uuid"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_instance_host", "instance", ["host", "deleted"], unique=False)
    op.create_index("ix_instance_project", "instance", ["project_id", "deleted"], unique=False)


def _instance_action() -> None:
    op.create_table(
        "instance_action",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("instance_uuid", sa.String(36), nullable=False),
        sa.Column("action", sa.String(255), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64)),
        sa.Column("project_id", sa.String(64)),
        sa.Column("start_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finish_time", sa.DateTime(timezone=True)),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.Column("message", sa.String(255)),
        sa.PrimaryKeyConstraint("id", name="pk_instance_action"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_instance_action_instance", "instance_action", ["instance_uuid"], unique=False)


def _instance_fault() -> None:
    op.create_table(
        "instance_fault",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("instance_uuid", sa.String(36), nullable=False),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("message", sa.String(255), nullable=False),
        sa.Column("details", sa.Text()),
        sa.Column("host", sa.String(255)),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_instance_fault"),
    )
    op.create_index("ix_instance_fault_instance", "instance_fault", ["instance_uuid"], unique=False)


def _migration() -> None:
    op.create_table(
        "migration",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("instance_uuid", sa.String(36), nullable=False),
        sa.Column("migration_type", sa.String(32), nullable=False),
        sa.Column("status", sa.String(64), nullable=False),
        sa.Column("source_compute", sa.String(255)),
        sa.Column("source_node", sa.String(255)),
        sa.Column("dest_compute", sa.String(255)),
        sa.Column("dest_node", sa.String(255)),
        sa.Column("dest_host", sa.String(255)),
        sa.Column("old_flavor", sa.JSON(none_as_null=True)),
        sa.Column("new_flavor", sa.JSON(none_as_null=True)),
        sa.Column("user_id", sa.String(64)),
        sa.Column("project_id", sa.String(64)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_migration"),
        sa.UniqueConstraint("uuid", name="uq_migration_uuid"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_migration_instance", "migration", ["instance_uuid"], unique=False)


def _schedule_trace() -> None:
    op.create_table(
        "schedule_trace",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("instance_uuid", sa.String(36), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("trace", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_schedule_trace"),
    )
    op.create_index("ix_schedule_trace_instance", "schedule_trace", ["instance_uuid"], unique=False)


def _server_group() -> None:
    op.create_table(
        "server_group",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("policy", sa.String(64), nullable=False),
        sa.Column("rules", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_server_group"),
        sa.UniqueConstraint("uuid", name="uq_server_group_uuid"),
    )
    op.create_index("ix_server_group_project_id", "server_group", ["project_id"], unique=False)


def _work_order() -> None:
    op.create_table(
        "work_order",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("method", sa.String(64), nullable=False),
        sa.Column("instance_uuid", sa.String(36), nullable=False),
        sa.Column("host", sa.String(255)),
        sa.Column("args", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("ctx", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_work_order"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_work_order_host", "work_order", ["host"], unique=False)
    op.create_index("ix_work_order_instance_uuid", "work_order", ["instance_uuid"], unique=False)


def _action_event() -> None:
    op.create_table(
        "action_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("action_id", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(255), nullable=False),
        sa.Column("start_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finish_time", sa.DateTime(timezone=True)),
        sa.Column("result", sa.String(16)),
        sa.Column("traceback", sa.Text()),
        sa.Column("host", sa.String(255)),
        sa.Column("details", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_action_event"),
        sa.ForeignKeyConstraint(["action_id"], ["instance_action.id"], name="fk_action_event_action_id"),
    )
    op.create_index("ix_action_event_action", "action_event", ["action_id"], unique=False)


def _server_group_member() -> None:
    op.create_table(
        "server_group_member",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("group_uuid", sa.String(36), nullable=False),
        sa.Column("instance_uuid", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_server_group_member"),
        sa.ForeignKeyConstraint(["group_uuid"], ["server_group.uuid"], name="fk_server_group_member_group_uuid"),
        sa.UniqueConstraint("instance_uuid", name="uq_server_group_member_instance_uuid"),
    )
    op.create_index("ix_server_group_member_group_uuid", "server_group_member", ["group_uuid"], unique=False)
