"""Making, checking and upgrading the database's schema."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Connection, Engine, MetaData, PrimaryKeyConstraint, String, Table, inspect, select

from tuinova.core.conductor.errors import DatabaseUnavailable
from tuinova.core.conductor.seeds import sow
from tuinova.core.errors import DatabaseTooNew
from tuinova.core.migrations import HEAD, REVISIONS
from tuinova.core.models import metadata

# Alembic's own table, apart from our metadata so that both ways of making a database give the same tables.
_VERSION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def prepare(engine: Engine, now: datetime) -> None:
    """Bring the database to the schema of this version; raises DatabaseTooNew for one of a newer version.

    A fresh one is made and sown in one transaction. Alembic is imported only when something must be upgraded.
    """
    with engine.connect() as connection, connection.begin():
        found = _stored_version(connection)
        if found is None:
            _create(connection, now)
            return
    if found == HEAD:
        return
    if found not in REVISIONS:
        raise DatabaseTooNew(found=found, known=HEAD)
    from tuinova.core.migrations.upgrade import upgrade

    upgrade(engine)


def _stored_version(connection: Connection) -> str | None:
    """The revision that the database is at, None for an empty one."""
    names = set(inspect(connection).get_table_names())
    if "alembic_version" not in names:
        if names & set(metadata.tables):
            raise DatabaseUnavailable(reason="it has tables of these names that tuinova did not make")
        return None
    version = connection.execute(select(_VERSION.c.version_num)).scalar()
    if version is None:
        raise DatabaseUnavailable(reason="its schema version is not recorded")
    return str(version)


def _create(connection: Connection, now: datetime) -> None:
    metadata.create_all(connection, checkfirst=False)
    _VERSION.create(connection)
    connection.execute(_VERSION.insert(), {"version_num": HEAD})
    sow(connection, now)
