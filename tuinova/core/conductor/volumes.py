"""Volumes: accepted requests, steps of the volume service, reading; the quota is counted in the transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select

from tuinova.core.conductor import quota_counts
from tuinova.core.conductor.actions import record_action
from tuinova.core.conductor.base import Base
from tuinova.core.conductor.orders import finish_order, write_order
from tuinova.core.conductor.transaction import Tx
from tuinova.core.conductor.volume_rows import (
    ATTACHMENTS,
    SNAPSHOTS,
    VOLUME_HOST,
    VOLUMES,
    attachment_of,
    drop_volume,
    save_volume,
)
from tuinova.core.context import RequestContext
from tuinova.core.drafts import OrderDraft, VolumeFilter
from tuinova.core.errors import InvalidInput, MarkerNotFound
from tuinova.core.records import Volume, VolumeAttachment
from tuinova.core.states.volumes import VolumeStatus

_SORT_KEYS = ("created_at", "updated_at", "name", "size", "status", "bootable", "id", "volume_type")
_EXACT = ("status", "name", "volume_type", "availability_zone", "backend", "bootable", "user_id", "project_id")


@dataclass(frozen=True, slots=True)
class VolumeFacts:
    """What a guard of the volume API looks at: the row as it is now, who has it, how many snapshots hang on it."""

    volume: Volume
    attachment: VolumeAttachment | None
    snapshots: int


@dataclass(frozen=True, slots=True)
class LaneOrder:
    """An order for a server's host about one of its volumes, in turn with the server's own."""

    instance_uuid: str
    draft: OrderDraft
    record: str | None = None  # its line in the server's action log


def _facts(tx: Tx, volume_id: str) -> VolumeFacts:
    volume = VOLUMES.read(tx.connection, volume_id)
    counting = select(func.count()).where(SNAPSHOTS.c.volume_id == volume_id)
    return VolumeFacts(volume, attachment_of(tx, volume_id), int(tx.connection.execute(counting).scalar() or 0))


def _conditions(wanted: VolumeFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [
        VOLUMES.c[name] == value for name in _EXACT if (value := getattr(wanted, name)) is not None
    ]
    if wanted.ids is not None:
        found.append(VOLUMES.c.id.in_(list(wanted.ids)))
    if wanted.name_like is not None:
        found.append(VOLUMES.c.name.contains(wanted.name_like, autoescape=True))
    return found


def insert_volume(tx: Tx, values: Mapping[str, Any], limits: Mapping[str, int]) -> Volume:
    """Write a new volume within the quota of its project; raises Cinder's refusals."""
    wanted = {"volumes": 1, "gigabytes": int(values["size"])}
    quota_counts.refuse_beyond(tx.connection, str(values["project_id"]), limits, wanted)
    volume = VOLUMES.insert(tx, values)
    tx.change("volume", "update", volume.id, volume.project_id)
    return volume


class Volumes(Base):
    """The conductor's calls about volumes."""

    # writing ---------------------------------------------------------------------------------------------------------
    def create_volume(
        self, ctx: RequestContext, values: Mapping[str, Any], limits: Mapping[str, int], order: OrderDraft
    ) -> Volume:
        """Write a volume and the order that makes it; what it is made of is looked at again in the transaction."""

        def job(tx: Tx) -> Volume:
            if values.get("snapshot_id"):
                SNAPSHOTS.read(tx.connection, values["snapshot_id"])
            if values.get("source_volid"):
                VOLUMES.read(tx.connection, values["source_volid"])
            volume = insert_volume(tx, values, limits)
            write_order(tx, ctx, volume.id, order)
            return volume

        return self._write(job)

    def accept_volume(
        self,
        ctx: RequestContext,
        volume_id: str,
        *,
        check: Callable[[VolumeFacts], None],
        updates: Mapping[str, Any] | Callable[[VolumeFacts], Mapping[str, Any]],
        order: OrderDraft | Callable[[VolumeFacts], OrderDraft | LaneOrder | None] | None = None,
        grow: tuple[Mapping[str, int], int] | None = None,
        also: Sequence[Callable[[Tx, Volume], None]] = (),
    ) -> Volume:
        """Accept a request on a volume in one transaction: guard, quota, states, order; a refused one leaves no trace.

        `grow`: the limits and the new size of a volume that becomes bigger.
        """

        def job(tx: Tx) -> Volume:
            facts = _facts(tx, volume_id)
            check(facts)
            volume = facts.volume
            if grow is not None:
                limits, size = grow
                more = {"gigabytes": size - volume.size}
                quota_counts.refuse_beyond(tx.connection, volume.project_id, limits, more)
            for part in also:
                part(tx, volume)
            draft = order(facts) if callable(order) else order
            changed = save_volume(tx, volume, updates(facts) if callable(updates) else updates)
            if isinstance(draft, LaneOrder):
                if draft.record is not None:
                    record_action(tx, ctx, draft.instance_uuid, draft.record)
                write_order(tx, ctx, draft.instance_uuid, draft.draft)
            elif draft is not None:
                write_order(tx, ctx, volume_id, draft)
            return changed

        return self._write(job)

    def volume_step(
        self,
        volume_id: str,
        updates: Mapping[str, Any] | Callable[[VolumeFacts], Mapping[str, Any] | None],
        *,
        order_done: int | None = None,
        drop: bool = False,
        also: Sequence[Callable[[Tx, Volume], None]] = (),
    ) -> Volume | None:
        """What the volume service reports; None when the volume is gone. `updates` of None write nothing."""

        def job(tx: Tx) -> Volume | None:
            if order_done is not None:
                finish_order(tx, order_done)
            if VOLUMES.find(tx.connection, volume_id) is None:
                return None
            facts = _facts(tx, volume_id)
            for part in also:
                part(tx, facts.volume)
            if drop:
                drop_volume(tx, facts.volume)
                return None
            values = updates(facts) if callable(updates) else updates
            return facts.volume if values is None else save_volume(tx, facts.volume, values)

        return self._write(job)

    # reading ---------------------------------------------------------------------------------------------------------
    def volume(self, volume_id: str) -> Volume:
        """One volume; raises VolumeNotFound."""
        with self._reading() as connection:
            return VOLUMES.read(connection, volume_id)

    def volumes(self, wanted: VolumeFilter | None = None) -> list[Volume]:
        """The volumes that match, newest first unless `sort` says otherwise; raises MarkerNotFound, InvalidInput."""
        wanted = wanted or VolumeFilter()
        statement = VOLUMES.all.where(*_conditions(wanted))
        for name, direction in (*wanted.sort, ("created_at", "desc"), ("id", "desc")):
            if name not in _SORT_KEYS:
                raise InvalidInput(reason=f"Sort key supplied is invalid: {name}")
            column = VOLUMES.c[name]
            statement = statement.order_by(column.desc() if direction == "desc" else column.asc())
        with self._reading() as connection:
            found = [VOLUMES.record(row) for row in connection.execute(statement)]
        if wanted.properties:
            found = [volume for volume in found if wanted.properties.items() <= volume.properties.items()]
        return _page(found, wanted)

    def attachments(
        self, *, volume_ids: Sequence[str] | None = None, instance_uuid: str | None = None
    ) -> list[VolumeAttachment]:
        """Who has which volumes."""
        conditions: list[ColumnElement[bool]] = []
        if volume_ids is not None:
            conditions.append(ATTACHMENTS.c.volume_id.in_(list(volume_ids)))
        if instance_uuid is not None:
            conditions.append(ATTACHMENTS.c.instance_uuid == instance_uuid)
        with self._reading() as connection:
            return ATTACHMENTS.where(connection, *conditions)

    def volume_space(self, backend: str) -> int:
        """GiB of a backend that its volumes and snapshots are entitled to."""
        with self._reading() as connection:
            return _held(connection, backend)

    def unsettled_volumes(self) -> list[Volume]:
        """Volumes in a state that something must end, for recovery."""
        passing = (
            *(VolumeStatus.CREATING, VolumeStatus.DOWNLOADING, VolumeStatus.RESERVED, VolumeStatus.ATTACHING),
            VolumeStatus.REVERTING,
            *(VolumeStatus.DETACHING, VolumeStatus.EXTENDING, VolumeStatus.UPLOADING, VolumeStatus.DELETING),
        )
        held = select(ATTACHMENTS.c.volume_id)
        with self._reading() as connection:
            return VOLUMES.where(
                connection, or_(VOLUMES.c.status.in_([str(status) for status in passing]), VOLUMES.c.id.in_(held))
            )


def _held(connection: Connection, backend: str) -> int:
    volumes = select(func.coalesce(func.sum(VOLUMES.c.size + VOLUMES.c.reserved_gb), 0)).where(
        VOLUMES.c.backend == backend
    )
    return int(connection.execute(volumes).scalar() or 0)


def _page(found: list[Volume], wanted: VolumeFilter) -> list[Volume]:
    if wanted.marker is not None:
        places = [place for place, volume in enumerate(found) if volume.id == wanted.marker]
        if not places:
            raise MarkerNotFound(marker=wanted.marker)
        found = found[places[0] + 1 :]
    found = found[wanted.offset :]
    return found if wanted.limit is None else found[: wanted.limit]


__all__ = ["VOLUME_HOST", "LaneOrder", "VolumeFacts", "Volumes", "insert_volume"]
