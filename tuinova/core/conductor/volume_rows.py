"""The rows of volumes, snapshots and attachments: what happens to them inside a transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, Table, bindparam, delete, insert, select, update

from tuinova.core.conductor.orders import write_order
from tuinova.core.conductor.transaction import Tx
from tuinova.core.context import RequestContext
from tuinova.core.drafts import OrderDraft, new_uuid
from tuinova.core.errors import NovaError
from tuinova.core.errors.volumes import (
    InvalidVolume,
    SnapshotNotFound,
    VolumeAlreadyAttached,
    VolumeNotFound,
    VolumeTypeNotFound,
)
from tuinova.core.models import Volume as VolumeTable
from tuinova.core.models import VolumeAttachment as AttachmentTable
from tuinova.core.models import VolumeSnapshot as SnapshotTable
from tuinova.core.models import VolumeType as TypeTable
from tuinova.core.records import Volume, VolumeAttachment, VolumeSnapshot, VolumeType
from tuinova.core.states.volumes import ATTACHMENT_RESERVED, VOLUME_ACTIONS, VolumeStatus

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R", bound="DataclassInstance")

# The host of the volume service's work orders: one for all compute hosts; no machine is called so.
VOLUME_HOST: Final = "@volume"


class Rows(Generic[R]):
    """One table whose rows have an id as text, and their record."""

    def __init__(self, table: Table, record: type[R], missing: Callable[[str], NovaError]) -> None:
        self.table = table
        self.c = table.c
        self._record = record
        self._missing = missing
        self._names = tuple(item.name for item in fields(record))
        self.all = select(*(table.c[name] for name in self._names))
        self._one = self.all.where(table.c.id == bindparam("id"))

    def record(self, row: Any) -> R:
        """The record of a row of `all`."""
        return self._record(*row)

    def find(self, connection: Connection, ident: str) -> R | None:
        """One row by its id, None where there is none."""
        row = connection.execute(self._one, {"id": ident}).first()
        return None if row is None else self._record(*row)

    def read(self, connection: Connection, ident: str) -> R:
        """One row by its id; raises what is missing."""
        found = self.find(connection, ident)
        if found is None:
            raise self._missing(ident)
        return found

    def where(self, connection: Connection, *conditions: ColumnElement[bool]) -> list[R]:
        """The rows that match, oldest first."""
        statement = self.all.where(*conditions).order_by(self.c.created_at, self.c.id)
        return [self._record(*row) for row in connection.execute(statement)]

    def insert(self, tx: Tx, values: Mapping[str, Any]) -> R:
        """Write a new row."""
        tx.run(insert(self.table), {"created_at": tx.now, **values})
        return self.read(tx.connection, values["id"])

    def save(self, tx: Tx, ident: str, values: Mapping[str, Any]) -> None:
        """Change a row."""
        tx.run(update(self.table).where(self.c.id == ident).values(**values))

    def delete(self, tx: Tx, ident: str) -> None:
        """Remove a row."""
        tx.run(delete(self.table).where(self.c.id == ident))


VOLUMES: Final = Rows(VolumeTable.__table__, Volume, lambda key: VolumeNotFound(volume_id=key))  # type: ignore[attr-defined]
SNAPSHOTS: Final = Rows(SnapshotTable.__table__, VolumeSnapshot, lambda key: SnapshotNotFound(snapshot_id=key))  # type: ignore[attr-defined]
TYPES: Final = Rows(TypeTable.__table__, VolumeType, lambda key: VolumeTypeNotFound(volume_type_id=key))  # type: ignore[attr-defined]
ATTACHMENTS: Final = Rows(AttachmentTable.__table__, VolumeAttachment, lambda key: VolumeNotFound(volume_id=key))  # type: ignore[attr-defined]


def save_volume(tx: Tx, volume: Volume, values: Mapping[str, Any]) -> Volume:
    """Change a volume and tell the followers."""
    VOLUMES.save(tx, volume.id, {**values, "updated_at": tx.now})
    tx.change("volume", "update", volume.id, volume.project_id)
    return VOLUMES.read(tx.connection, volume.id)


def drop_volume(tx: Tx, volume: Volume) -> None:
    """Remove a volume's row; its snapshots are gone before it."""
    for attachment in ATTACHMENTS.where(tx.connection, ATTACHMENTS.c.volume_id == volume.id):
        ATTACHMENTS.delete(tx, attachment.id)
    VOLUMES.delete(tx, volume.id)
    tx.change("volume", "delete", volume.id, volume.project_id)


def save_snapshot(tx: Tx, snapshot: VolumeSnapshot, values: Mapping[str, Any]) -> VolumeSnapshot:
    """Change a snapshot and tell the followers."""
    SNAPSHOTS.save(tx, snapshot.id, {**values, "updated_at": tx.now})
    tx.change("snapshot", "update", snapshot.id, snapshot.project_id)
    return SNAPSHOTS.read(tx.connection, snapshot.id)


def drop_snapshot(tx: Tx, snapshot: VolumeSnapshot) -> None:
    """Remove a snapshot's row."""
    SNAPSHOTS.delete(tx, snapshot.id)
    tx.change("snapshot", "delete", snapshot.id, snapshot.project_id)


def order_for(tx: Tx, ctx: RequestContext, volume_id: str, method: str, args: Mapping[str, Any] | None = None) -> None:
    """An order of the volume service; orders of one volume are carried out one after another."""
    write_order(tx, ctx, volume_id, OrderDraft(method, VOLUME_HOST, dict(args or {})))


# attachments ---------------------------------------------------------------------------------------------------------
def attachment_of(tx: Tx, volume_id: str) -> VolumeAttachment | None:
    """Who has a volume."""
    found = ATTACHMENTS.where(tx.connection, ATTACHMENTS.c.volume_id == volume_id)
    return found[0] if found else None


def reserve(
    tx: Tx, volume: Volume, instance_uuid: str, *, any_status: bool = False, ident: str | None = None
) -> VolumeAttachment:
    """Keep a volume for a server; raises VolumeAlreadyAttached, InvalidVolume for one that is not available.

    `any_status`: a volume that was just written for this server and is made by its build.
    """
    holder = attachment_of(tx, volume.id)
    if holder is not None:
        raise VolumeAlreadyAttached(volume_id=volume.id, instances=holder.instance_uuid)
    if not any_status:
        if volume.status not in VOLUME_ACTIONS["reserve"]:
            raise InvalidVolume(
                reason=f"Volume {volume.id} status must be available or downloading to reserve, but the current "
                f"status is {volume.status}."
            )
        save_volume(tx, volume, {"status": VolumeStatus.RESERVED})
    values = {
        "id": ident or new_uuid(),
        "volume_id": volume.id,
        "instance_uuid": instance_uuid,
        "status": ATTACHMENT_RESERVED,
        "device": None,
        "host": None,
        "attached_at": None,
    }
    return ATTACHMENTS.insert(tx, values)


def note_attachment(tx: Tx, volume_id: str, status: str, volume_status: str, **values: Any) -> None:
    """A step of an attachment's life with the volume's own; one that is gone is left alone."""
    holder = attachment_of(tx, volume_id)
    volume = VOLUMES.find(tx.connection, volume_id)
    if holder is None or volume is None:
        return
    ATTACHMENTS.save(tx, holder.id, {"status": status, **values})
    save_volume(tx, volume, {"status": volume_status})


def let_go(tx: Tx, ctx: RequestContext, volume_id: str, instance_uuid: str, *, delete: bool = False) -> None:
    """A server has a volume no more: it is available, or removed where it goes with the server.

    One that is gone, or another server's, is left alone. A volume whose making had not ended is in error, unless it is
    removed.
    """
    volume = VOLUMES.find(tx.connection, volume_id)
    holder = attachment_of(tx, volume_id)
    if volume is None or holder is None or holder.instance_uuid != instance_uuid:
        return
    ATTACHMENTS.delete(tx, holder.id)
    if delete and not SNAPSHOTS.where(tx.connection, SNAPSHOTS.c.volume_id == volume_id):
        save_volume(tx, volume, {"status": VolumeStatus.DELETING})
        order_for(tx, ctx, volume_id, "delete_volume")
    elif volume.status in (VolumeStatus.CREATING, VolumeStatus.DOWNLOADING):
        save_volume(tx, volume, {"status": VolumeStatus.ERROR})
    elif volume.status in _HELD:
        save_volume(tx, volume, {"status": VolumeStatus.AVAILABLE})
    else:
        save_volume(tx, volume, {})


_HELD = frozenset(
    {VolumeStatus.RESERVED, VolumeStatus.ATTACHING, VolumeStatus.IN_USE, VolumeStatus.DETACHING, VolumeStatus.EXTENDING}
)
