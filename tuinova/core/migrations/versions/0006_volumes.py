"""Volumes, their snapshots, types and attachments; the block devices of servers."""

import uuid
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_DEFAULT_TYPE = "__DEFAULT__"
_NAMESPACE = uuid.UUID("6f1d2b0e-6c57-4c0b-9e5e-7f4f0f6f3a51")


def upgrade() -> None:
    """Make the tables, the default type and the servers' column."""
    _volume()
    _volume_type()
    _volume_attachment()
    _volume_snapshot()
    op.add_column("instance", sa.Column("block_devices", sa.JSON(none_as_null=True)))


def downgrade() -> None:
    """Remove them, those that point at others first."""
    with op.batch_alter_table("instance") as table:
        table.drop_column("block_devices")
    for name in ("volume_snapshot", "volume_attachment", "volume_type", "volume"):
        op.drop_table(name)


def _volume() -> None:
    op.create_table(
        "volume",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255)),
        sa.Column("description", sa.Text()),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("previous_status", sa.String(32)),
        sa.Column("backend", sa.String(255), nullable=False),
        sa.Column("volume_type", sa.String(255), nullable=False),
        sa.Column("availability_zone", sa.String(255), nullable=False),
        sa.Column("bootable", sa.Boolean(), nullable=False),
        sa.Column("readonly", sa.Boolean(), nullable=False),
        sa.Column("reserved_gb", sa.Integer(), nullable=False),
        sa.Column("snapshot_id", sa.String(36)),
        sa.Column("source_volid", sa.String(36)),
        sa.Column("image_id", sa.String(36)),
        sa.Column("properties", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("image_metadata", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("fault", sa.Text()),
        sa.Column("progress", sa.JSON(none_as_null=True)),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_volume"),
    )
    op.create_index("ix_volume_project_id", "volume", ["project_id"])


def _volume_type() -> None:
    table = op.create_table(
        "volume_type",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("extra_specs", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("projects", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_volume_type"),
        sa.UniqueConstraint("name", name="uq_volume_type_name"),
    )
    values = {
        "id": str(uuid.uuid5(_NAMESPACE, f"volume_type:{_DEFAULT_TYPE}")),
        "name": _DEFAULT_TYPE,
        "description": "Default Volume Type",
        "is_public": True,
        "extra_specs": {},
        "projects": [],
        "created_at": datetime.now(UTC),
    }
    op.bulk_insert(table, [values])


def _volume_attachment() -> None:
    op.create_table(
        "volume_attachment",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("volume_id", sa.String(36), nullable=False),
        sa.Column("instance_uuid", sa.String(36), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("device", sa.String(255)),
        sa.Column("host", sa.String(255)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attached_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_volume_attachment"),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.id"], name="fk_volume_attachment_volume_id"),
        sa.UniqueConstraint("volume_id", name="uq_volume_attachment_volume_id"),
    )
    op.create_index("ix_volume_attachment_instance", "volume_attachment", ["instance_uuid"])


def _volume_snapshot() -> None:
    op.create_table(
        "volume_snapshot",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("volume_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255)),
        sa.Column("description", sa.Text()),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("properties", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("fault", sa.Text()),
        sa.Column("progress", sa.JSON(none_as_null=True)),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_volume_snapshot"),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.id"], name="fk_volume_snapshot_volume_id"),
    )
    op.create_index("ix_volume_snapshot_volume_id", "volume_snapshot", ["volume_id"])
    op.create_index("ix_volume_snapshot_project_id", "volume_snapshot", ["project_id"])
