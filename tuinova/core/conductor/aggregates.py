"""Host aggregates and the availability zones that they make (nova/compute/api.py AggregateAPI)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from tuinova.core.conductor.base import Base
from tuinova.core.conductor.statements import InsertStatement
from tuinova.core.conductor.transaction import Tx
from tuinova.core.drafts import new_uuid
from tuinova.core.errors import (
    AggregateHostExists,
    AggregateHostNotFound,
    AggregateNameExists,
    AggregateNotFound,
    AggregateRefusal,
    ComputeHostNotFound,
    InvalidAggregateActionAdd,
    InvalidAggregateActionDelete,
    InvalidAggregateActionRemove,
    InvalidAggregateActionUpdate,
    InvalidAggregateActionUpdateMeta,
)
from tuinova.core.models import Aggregate as AggregateTable
from tuinova.core.models import AggregateHost as HostTable
from tuinova.core.models import AggregateMetadata as MetadataTable
from tuinova.core.models import Instance as InstanceTable
from tuinova.core.models import Service as ServiceTable
from tuinova.core.records import Aggregate

_A = AggregateTable.__table__  # type: ignore[attr-defined]
_H = HostTable.__table__  # type: ignore[attr-defined]
_M = MetadataTable.__table__  # type: ignore[attr-defined]
_I = InstanceTable.__table__  # type: ignore[attr-defined]
_S = ServiceTable.__table__  # type: ignore[attr-defined]

ZONE: Final = "availability_zone"
_COMPUTE = "nova-compute"
_IN_USE = "One or more hosts contain instances in this zone"

_ALL = select(_A.c.id, _A.c.uuid, _A.c.name, _A.c.created_at, _A.c.updated_at).order_by(_A.c.id)
_ONE = _ALL.where(_A.c.id == bindparam("id"))
_NAMED = _ALL.where(_A.c.name == bindparam("name"))
_INSERT = InsertStatement(_A)
_HOSTS = select(_H.c.aggregate_id, _H.c.host).order_by(_H.c.id)
_METADATA = select(_M.c.aggregate_id, _M.c.key, _M.c.value).order_by(_M.c.key)
_TOUCH = update(_A).where(_A.c.id == bindparam("_id")).values(updated_at=bindparam("v_now"))
_DROP_KEY = delete(_M).where(_M.c.aggregate_id == bindparam("id"), _M.c.key == bindparam("key"))
_DROP_HOST = delete(_H).where(_H.c.aggregate_id == bindparam("id"), _H.c.host == bindparam("host"))
_COMPUTE_SERVICE = select(_S.c.id).where(_S.c.host == bindparam("host"), _S.c.binary == _COMPUTE)
_SERVERS = select(func.count(_I.c.id)).where(_I.c.host == bindparam("host"), _I.c.deleted.is_(False))


def _read(connection: Connection, statement: Any = _ALL, params: Mapping[str, Any] | None = None) -> list[Aggregate]:
    rows = connection.execute(statement, params).all()
    wanted = {row.id for row in rows}
    hosts: dict[int, list[str]] = {}
    metadata: dict[int, dict[str, str]] = {}
    for ident, host in connection.execute(_HOSTS):
        if ident in wanted:
            hosts.setdefault(ident, []).append(host)
    for ident, key, value in connection.execute(_METADATA):
        if ident in wanted:
            metadata.setdefault(ident, {})[key] = value
    return [
        Aggregate(
            id=row.id,
            uuid=row.uuid,
            name=row.name,
            metadata=metadata.get(row.id, {}),
            hosts=tuple(hosts.get(row.id, ())),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row in rows
    ]


def _one(connection: Connection, ident: int) -> Aggregate:
    found = _read(connection, _ONE, {"id": ident})
    if not found:
        raise AggregateNotFound(aggregate_id=ident)
    return found[0]


def _has_servers(tx: Tx, hosts: Iterable[str]) -> bool:
    return any(tx.run(_SERVERS, {"host": host}).scalar() for host in hosts)


def _check_zone(
    tx: Tx, aggregate: Aggregate, zone: str | None, refusal: type[AggregateRefusal], hosts: Iterable[str]
) -> None:
    """A zone has a name, and each host is in one zone only (nova: is_safe_to_update_az)."""
    if not zone:
        reason = f"Aggregate {aggregate.name} does not support empty named availability zone"
        raise refusal(aggregate_id=aggregate.id, reason=reason)
    wanted = set(hosts)
    others = [
        other.availability_zone
        for other in _read(tx.connection)
        if other.id != aggregate.id and other.availability_zone not in (None, zone) and wanted & set(other.hosts)
    ]
    if others:
        reason = f"One or more hosts already in availability zone(s) {others}"
        raise refusal(aggregate_id=aggregate.id, reason=reason)


def _check_new_zone(tx: Tx, aggregate: Aggregate, zone: str | None, refusal: type[AggregateRefusal]) -> None:
    """The hosts that an aggregate has may change their zone together while they are empty."""
    _check_zone(tx, aggregate, zone, refusal, aggregate.hosts)
    if zone != aggregate.availability_zone and _has_servers(tx, aggregate.hosts):
        raise refusal(aggregate_id=aggregate.id, reason=_IN_USE)


class Aggregates(Base):
    """The conductor's calls about aggregates; each change is in the feed, and so are the services of its hosts."""

    default_availability_zone: str

    def aggregates(self) -> list[Aggregate]:
        """All, oldest first."""
        with self._reading() as connection:
            return _read(connection)

    def aggregate(self, ident: int) -> Aggregate:
        """One by its number; raises AggregateNotFound."""
        with self._reading() as connection:
            return _one(connection, ident)

    def create_aggregate(self, name: str, zone: str | None = None) -> Aggregate:
        """An aggregate without hosts; raises AggregateNameExists."""

        def job(tx: Tx) -> Aggregate:
            if tx.first(_NAMED, {"name": name}) is not None:
                raise AggregateNameExists(aggregate_name=name)
            values = {"uuid": new_uuid(), "name": name, "created_at": tx.now}
            ident = tx.insert(_INSERT, values)
            if zone:
                tx.run(insert(_M), {"aggregate_id": ident, "key": ZONE, "value": zone})
            return self._changed(tx, ident)

        return self._write(job)

    def update_aggregate(self, ident: int, changes: Mapping[str, str | None]) -> Aggregate:
        """Another `name` or `availability_zone`; raises AggregateNameExists, InvalidAggregateActionUpdate."""

        def job(tx: Tx) -> Aggregate:
            aggregate = _one(tx.connection, ident)
            if ZONE in changes:
                _check_new_zone(tx, aggregate, changes[ZONE], InvalidAggregateActionUpdate)
                _put(tx, ident, {ZONE: changes[ZONE]})
            name = changes.get("name", aggregate.name)
            if name != aggregate.name:
                if tx.first(_NAMED, {"name": name}) is not None:
                    raise AggregateNameExists(aggregate_name=name)
                tx.run(update(_A).where(_A.c.id == ident).values(name=name))
            return self._changed(tx, ident)

        return self._write(job)

    def set_aggregate_metadata(self, ident: int, metadata: Mapping[str, str | None]) -> Aggregate:
        """Add, change and (by None) remove items; raises InvalidAggregateActionUpdateMeta for a zone in use."""

        def job(tx: Tx) -> Aggregate:
            aggregate = _one(tx.connection, ident)
            if ZONE in metadata:
                _check_new_zone(tx, aggregate, metadata[ZONE], InvalidAggregateActionUpdateMeta)
            _put(tx, ident, metadata)
            return self._changed(tx, ident)

        return self._write(job)

    def delete_aggregate(self, ident: int) -> None:
        """Remove one that has no hosts; raises InvalidAggregateActionDelete."""

        def job(tx: Tx) -> None:
            if _one(tx.connection, ident).hosts:
                raise InvalidAggregateActionDelete(aggregate_id=ident, reason="Host aggregate is not empty")
            tx.run(delete(_M).where(_M.c.aggregate_id == ident))
            tx.run(delete(_A).where(_A.c.id == ident))
            tx.change("aggregate", "delete", str(ident))

        self._write(job)

    def add_aggregate_host(self, ident: int, host: str) -> Aggregate:
        """Put a host in; raises ComputeHostNotFound, AggregateHostExists, InvalidAggregateActionAdd."""

        def job(tx: Tx) -> Aggregate:
            aggregate = _one(tx.connection, ident)
            if tx.first(_COMPUTE_SERVICE, {"host": host}) is None:
                raise ComputeHostNotFound(host=host)
            if host in aggregate.hosts:
                raise AggregateHostExists(aggregate_id=ident, host=host)
            if ZONE in aggregate.metadata:
                _check_zone(tx, aggregate, aggregate.availability_zone, InvalidAggregateActionAdd, [host])
            then = replace(aggregate, hosts=(*aggregate.hosts, host))
            if self._would_move(tx, host, then):
                raise InvalidAggregateActionAdd(aggregate_id=ident, reason=_IN_USE)
            tx.run(insert(_H), {"aggregate_id": ident, "host": host})
            return self._changed(tx, ident)

        return self._write(job)

    def remove_aggregate_host(self, ident: int, host: str) -> Aggregate:
        """Take a host out; raises AggregateHostNotFound, InvalidAggregateActionRemove."""

        def job(tx: Tx) -> Aggregate:
            aggregate = _one(tx.connection, ident)
            if host not in aggregate.hosts:
                raise AggregateHostNotFound(aggregate_id=ident, host=host)
            then = replace(aggregate, hosts=tuple(other for other in aggregate.hosts if other != host))
            if self._would_move(tx, host, then):
                raise InvalidAggregateActionRemove(aggregate_id=ident, host=host, reason=_IN_USE)
            tx.run(_DROP_HOST, {"id": ident, "host": host})
            tx.change("service", "update", host)
            return self._changed(tx, ident)

        return self._write(job)

    def _would_move(self, tx: Tx, host: str, then: Aggregate) -> bool:
        """Whether the host's servers would find themselves in another zone, were one aggregate as it is in `then`."""
        now = _read(tx.connection)
        future = [then if aggregate.id == then.id else aggregate for aggregate in now]
        return self._zone(now, host) != self._zone(future, host) and _has_servers(tx, [host])

    def _zone(self, aggregates: Iterable[Aggregate], host: str) -> str:
        zones = (aggregate.availability_zone for aggregate in aggregates if host in aggregate.hosts)
        return next((zone for zone in zones if zone), self.default_availability_zone)

    def _changed(self, tx: Tx, ident: int) -> Aggregate:
        """Note the moment and tell the followers, for whom the services' zones may be others now."""
        if tx.first(_ONE, {"id": ident}).created_at != tx.now:
            tx.run(_TOUCH, {"_id": ident, "v_now": tx.now})
        aggregate = _one(tx.connection, ident)
        tx.change("aggregate", "update", str(ident))
        for host in aggregate.hosts:
            tx.change("service", "update", host)
        return aggregate


def _put(tx: Tx, ident: int, metadata: Mapping[str, str | None]) -> None:
    for key, value in metadata.items():
        tx.run(_DROP_KEY, {"id": ident, "key": key})
        if value is not None:
            tx.run(insert(_M), {"aggregate_id": ident, "key": key, "value": value})
