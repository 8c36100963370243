"""Progress of long tasks; what a migration has moved so far."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column("instance", sa.Column("task_progress", sa.JSON(none_as_null=True)))
    op.add_column("migration", sa.Column("stats", sa.JSON(none_as_null=True)))


def downgrade() -> None:
    """Remove them."""
    with op.batch_alter_table("migration") as table:
        table.drop_column("stats")
    with op.batch_alter_table("instance") as table:
        table.drop_column("task_progress")
