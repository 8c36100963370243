"""Quotas of classes of projects."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "quota_class",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("class_name", sa.String(255), nullable=False),
        sa.Column("resource", sa.String(64), nullable=False),
        sa.Column("hard_limit", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_quota_class"),
        sa.UniqueConstraint("class_name", "resource", name="uq_quota_class_class_name_resource"),
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_table("quota_class")
