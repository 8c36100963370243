"""Moves of servers: the migration records, and the allocations that both sides hold meanwhile.

While a server moves, the record's uuid holds what it had at the source and the server's own uuid what it has at the
destination, as Nova's placement allocations do (nova/conductor/tasks/migrate.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, insert, or_, select, update

from tuinova.core.conductor import placement
from tuinova.core.conductor.base import Base
from tuinova.core.conductor.statements import Statement
from tuinova.core.conductor.transaction import Part, Tx
from tuinova.core.context import RequestContext
from tuinova.core.drafts import AmountsLike, MigrationDraft, MigrationFilter
from tuinova.core.errors import ComputeResourcesUnavailable, MarkerNotFound, MigrationNotFound
from tuinova.core.models import Migration as MigrationTable
from tuinova.core.records import MIGRATION_ENDS, Instance, Migration

_T = MigrationTable.__table__  # type: ignore[attr-defined]
_FIELDS = tuple(item.name for item in fields(Migration))
_SELECT = select(*(_T.c[name] for name in _FIELDS))
_ONE = _SELECT.where(_T.c.uuid == bindparam("uuid"))
_NUMBERED = _SELECT.where(_T.c.id == bindparam("id"), _T.c.instance_uuid == bindparam("instance_uuid"))
# A delete looks for them too.
_OF_SERVER = Statement(_SELECT.where(_T.c.instance_uuid == bindparam("instance_uuid")).order_by(_T.c.id.desc()))
_EXACT = ("instance_uuid", "source_compute", "dest_compute", "user_id", "project_id")
_RENAME = Statement(
    update(placement.TABLE).where(placement.TABLE.c.consumer == bindparam("_old")).values(consumer=bindparam("v_new"))
)


# Parts of a transaction ----------------------------------------------------------------------------------------------
def begin(ctx: RequestContext, draft: MigrationDraft) -> Part:
    """Write the record of a move from where the server is."""

    def part(tx: Tx, instance: Instance) -> None:
        tx.run(
            insert(_T),
            {
                "uuid": draft.uuid,
                "instance_uuid": instance.uuid,
                "migration_type": draft.migration_type,
                "status": draft.status,
                "source_compute": instance.host,
                "source_node": instance.node,
                "dest_compute": draft.dest_compute,
                "old_flavor": dict(instance.flavor),
                "new_flavor": dict(draft.new_flavor or instance.flavor),
                "user_id": ctx.user_id,
                "project_id": ctx.project_id,
                "created_at": tx.now,
                "updated_at": tx.now,
            },
        )
        tx.change("migration", "update", draft.uuid, instance.project_id)

    return part


def note(uuid: str, **values: Any) -> Part:
    """Change fields of a move's record; one that is gone is left alone."""

    def part(tx: Tx, instance: Instance) -> None:
        tx.run(update(_T).where(_T.c.uuid == uuid).values({**values, "updated_at": tx.now}))
        tx.change("migration", "update", uuid, instance.project_id)

    return part


def advance(uuid: str, before: str, after: str, refusal: Callable[[], Exception] | None = None) -> Part:
    """Change a move's status if it is still the expected one; another one stays, or is refused."""

    def part(tx: Tx, instance: Instance) -> None:
        changed = tx.run(
            update(_T).where(_T.c.uuid == uuid, _T.c.status == before).values(status=after, updated_at=tx.now)
        )
        if changed.rowcount != 1 and refusal is not None:
            raise refusal()
        tx.change("migration", "update", uuid, instance.project_id)

    return part


def claim_destination(uuid: str, host: str, node: str, amounts: AmountsLike) -> Part:
    """Take the destination's capacity for the server; what it held becomes the move's.

    Raises ComputeResourcesUnavailable when there is no room; a repeated claim keeps the first.
    """

    def part(tx: Tx, instance: Instance) -> None:
        if placement.held_by(tx, uuid) is not None:
            return
        tx.do(_RENAME, {"_old": instance.uuid, "v_new": uuid})
        if not placement.take(tx, instance.uuid, host, node, amounts):
            raise ComputeResourcesUnavailable(reason=f"{host} has no room")
        values = {"dest_compute": host, "dest_node": node, "dest_host": placement.address_of(host, node)}
        tx.run(update(_T).where(_T.c.uuid == uuid).values(**values, updated_at=tx.now))
        tx.change("migration", "update", uuid, instance.project_id)

    return part


def stay_at_destination(uuid: str) -> Part:
    """The server is stuck at the destination with its old sizes: it holds these there, the move nothing."""

    def part(tx: Tx, instance: Instance) -> None:
        there, old = placement.held_by(tx, instance.uuid), placement.held_by(tx, uuid)
        placement.release(tx, uuid)
        if there is not None and old is not None:
            placement.hold(tx, instance.uuid, there.host, there.node, old)
        tx.change("migration", "update", uuid, instance.project_id)

    return part


def stay(uuid: str, status: str) -> Part:
    """The move ends with this status and the server stays where it is now: nothing is held at the source any more."""

    def part(tx: Tx, instance: Instance) -> None:
        placement.release(tx, uuid)
        note(uuid, status=status)(tx, instance)

    return part


def return_to_source(uuid: str) -> Part:
    """The server stays at the source: give back the destination's capacity, the move's share is its own again."""

    def part(tx: Tx, instance: Instance) -> None:
        if placement.held_by(tx, uuid) is None:
            return
        placement.release(tx, instance.uuid)
        tx.do(_RENAME, {"_old": uuid, "v_new": instance.uuid})
        tx.change("migration", "update", uuid, instance.project_id)

    return part


def _conditions(wanted: MigrationFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [
        _T.c[name] == value for name in _EXACT if (value := getattr(wanted, name)) is not None
    ]
    if wanted.host is not None:
        found.append(or_(_T.c.source_compute == wanted.host, _T.c.dest_compute == wanted.host))
    if wanted.status is not None:
        found.append(_T.c.status.in_(list(wanted.status)))
    if wanted.migration_type is not None:
        found.append(_T.c.migration_type.in_(list(wanted.migration_type)))
    if wanted.in_progress is not None:
        ended = _T.c.status.in_(sorted(MIGRATION_ENDS))
        found.append(~ended if wanted.in_progress else ended)
    if wanted.changes_since is not None:
        found.append(_T.c.updated_at >= wanted.changes_since)
    if wanted.changes_before is not None:
        found.append(_T.c.updated_at <= wanted.changes_before)
    return found


def of_server(connection: Connection, instance_uuid: str) -> list[Migration]:
    """All moves of a server, newest first."""
    return [Migration(*row) for row in _OF_SERVER.all(connection, {"instance_uuid": instance_uuid})]


class Moves(Base):
    """The conductor's calls about moves."""

    def migrations(self, wanted: MigrationFilter | None = None) -> list[Migration]:
        """The moves that match, newest first; raises MarkerNotFound."""
        wanted = wanted or MigrationFilter()
        statement = _SELECT.where(*_conditions(wanted)).order_by(_T.c.id.desc())
        with self._reading() as connection:
            found = [Migration(*row) for row in connection.execute(statement)]
        if wanted.marker is not None:
            places = [place for place, one in enumerate(found) if one.uuid == wanted.marker]
            if not places:
                raise MarkerNotFound(marker=wanted.marker)
            found = found[places[0] + 1 :]
        return found if wanted.limit is None else found[: wanted.limit]

    def migration(self, uuid: str) -> Migration:
        """One move by its uuid; raises MigrationNotFound."""
        with self._reading() as connection:
            row = connection.execute(_ONE, {"uuid": uuid}).first()
        if row is None:
            raise MigrationNotFound(migration_id=uuid)
        return Migration(*row)

    def migration_of(self, instance_uuid: str, number: int) -> Migration:
        """One move of a server by the number that the API shows; raises MigrationNotFound."""
        with self._reading() as connection:
            row = connection.execute(_NUMBERED, {"id": number, "instance_uuid": instance_uuid}).first()
        if row is None:
            raise MigrationNotFound(migration_id=number)
        return Migration(*row)

    def note_migration(self, uuid: str, **values: Any) -> None:
        """Change fields of a move's record apart from its server's row (progress, an old host's clean-up)."""

        def job(tx: Tx) -> None:
            tx.run(update(_T).where(_T.c.uuid == uuid).values({**values, "updated_at": tx.now}))
            tx.change("migration", "update", uuid)

        self._write(job)


def other_hosts(found: Sequence[Migration], host: str | None) -> list[str]:
    """The hosts other than `host` that these moves name: they may still have something of the server."""
    hosts = {place for one in found for place in (one.source_compute, one.dest_compute)}
    return sorted(place for place in hosts if place and place != host)


def give_up(uuid: str, status: str = "error", *more: Part) -> Part:
    """End a move that nobody goes on with: the server stays its source's, and `more`. One that is over stays so."""

    def part(tx: Tx, instance: Instance) -> Mapping[str, Any] | None:
        found = tx.first(select(_T.c.status).where(_T.c.uuid == uuid))
        if found is None or found.status in MIGRATION_ENDS:
            return None
        updates: dict[str, Any] = {}
        for one in (note(uuid, status=status), return_to_source(uuid), *more):
            updates.update(one(tx, instance) or {})
        return updates

    return part


def newest(found: Sequence[Migration], *statuses: str) -> Migration | None:
    """The newest move that has one of these statuses."""
    return next((one for one in found if one.status in statuses), None)
