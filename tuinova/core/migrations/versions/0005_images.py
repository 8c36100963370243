"""Members of shared images; what an image that is being imported has come to."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add table and column."""
    op.add_column("image", sa.Column("task", sa.JSON(none_as_null=True)))
    op.create_table(
        "image_member",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.String(36), nullable=False),
        sa.Column("member_id", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_image_member"),
        sa.UniqueConstraint("image_id", "member_id", name="uq_image_member_image_id_member_id"),
    )
    op.create_index("ix_image_member_member_id", "image_member", ["member_id"], unique=False)


def downgrade() -> None:
    """Remove them."""
    op.drop_index("ix_image_member_member_id", "image_member")
    op.drop_table("image_member")
    with op.batch_alter_table("image") as table:
        table.drop_column("task")
