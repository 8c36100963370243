"""Alembic's revisions. Names only: alembic itself is imported by `upgrade`, when there is something to upgrade."""

from typing import Final

# Every revision that this version knows, oldest first.
REVISIONS: Final = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
HEAD: Final = REVISIONS[-1]
