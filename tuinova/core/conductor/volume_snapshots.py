"""Snapshots and types of volumes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select

from tuinova.core.conductor import quota_counts
from tuinova.core.conductor.base import Base
from tuinova.core.conductor.orders import finish_order, write_order
from tuinova.core.conductor.transaction import Tx
from tuinova.core.conductor.volume_rows import (
    SNAPSHOTS,
    TYPES,
    VOLUMES,
    attachment_of,
    drop_snapshot,
    order_for,
    save_snapshot,
)
from tuinova.core.conductor.volumes import LaneOrder, VolumeFacts
from tuinova.core.context import RequestContext
from tuinova.core.drafts import OrderDraft, new_uuid
from tuinova.core.errors.volumes import (
    VolumeTypeAccessExists,
    VolumeTypeAccessNotFound,
    VolumeTypeAccessPublic,
    VolumeTypeExists,
    VolumeTypeInUse,
    VolumeTypeNotFoundByName,
    VolumeTypeSpecNotFound,
)
from tuinova.core.records import Volume, VolumeSnapshot, VolumeType


def insert_snapshot(
    tx: Tx,
    ctx: RequestContext,
    volume: Volume,
    values: Mapping[str, Any],
    limits: Mapping[str, int],
    lane: str,
    order: OrderDraft,
) -> VolumeSnapshot:
    """Write a snapshot within the quota of its project, and the order that makes it in turn with those of the lane."""
    wanted = {"snapshots": 1, "gigabytes": volume.size}
    quota_counts.refuse_beyond(tx.connection, str(values["project_id"]), limits, wanted)
    made = SNAPSHOTS.insert(tx, {**values, "size": volume.size})
    tx.change("snapshot", "update", made.id, made.project_id)
    write_order(tx, ctx, lane, order)
    return made


class VolumeSnapshots(Base):
    """The conductor's calls about snapshots of volumes."""

    def create_snapshot(
        self,
        ctx: RequestContext,
        values: Mapping[str, Any],
        limits: Mapping[str, int],
        *,
        check: Callable[[VolumeFacts], None],
        order: Callable[[VolumeFacts], OrderDraft | LaneOrder],
    ) -> VolumeSnapshot:
        """Write a snapshot and the order that makes it; `check` refuses by the volume as it is now."""

        def job(tx: Tx) -> VolumeSnapshot:
            volume = VOLUMES.read(tx.connection, values["volume_id"])
            facts = VolumeFacts(volume, attachment_of(tx, volume.id), 0)
            check(facts)
            draft = order(facts)
            if isinstance(draft, LaneOrder):
                return insert_snapshot(tx, ctx, volume, values, limits, draft.instance_uuid, draft.draft)
            return insert_snapshot(tx, ctx, volume, values, limits, volume.id, draft)

        return self._write(job)

    def accept_snapshot(
        self,
        ctx: RequestContext,
        snapshot_id: str,
        *,
        check: Callable[[VolumeSnapshot], None],
        updates: Mapping[str, Any],
        method: str | None = None,
    ) -> VolumeSnapshot:
        """Accept a request on a snapshot; its order is carried out in turn with those of its volume."""

        def job(tx: Tx) -> VolumeSnapshot:
            snapshot = SNAPSHOTS.read(tx.connection, snapshot_id)
            check(snapshot)
            changed = save_snapshot(tx, snapshot, updates)
            if method is not None:
                order_for(tx, ctx, snapshot.volume_id, method, {"snapshot_id": snapshot_id})
            return changed

        return self._write(job)

    def snapshot_step(
        self,
        snapshot_id: str,
        updates: Mapping[str, Any],
        *,
        expect: Sequence[str] | None = None,
        order_done: int | None = None,
        drop: bool = False,
    ) -> VolumeSnapshot | None:
        """What the volume service reports; None when the snapshot is gone or, with `expect`, in another state."""

        def job(tx: Tx) -> VolumeSnapshot | None:
            if order_done is not None:
                finish_order(tx, order_done)
            snapshot = SNAPSHOTS.find(tx.connection, snapshot_id)
            if snapshot is None or (expect is not None and snapshot.status not in expect):
                return None
            if drop:
                drop_snapshot(tx, snapshot)
                return None
            return save_snapshot(tx, snapshot, updates)

        return self._write(job)

    def snapshot(self, snapshot_id: str) -> VolumeSnapshot:
        """One snapshot; raises SnapshotNotFound."""
        with self._reading() as connection:
            return SNAPSHOTS.read(connection, snapshot_id)

    def snapshots(self, *, project_id: str | None = None, volume_id: str | None = None) -> list[VolumeSnapshot]:
        """The snapshots of a project or volume, or all, newest first."""
        conditions = []
        if project_id is not None:
            conditions.append(SNAPSHOTS.c.project_id == project_id)
        if volume_id is not None:
            conditions.append(SNAPSHOTS.c.volume_id == volume_id)
        with self._reading() as connection:
            return SNAPSHOTS.where(connection, *conditions)[::-1]


class VolumeTypes(Base):
    """The conductor's calls about types of volumes."""

    def volume_types(self) -> list[VolumeType]:
        """All types, oldest first."""
        with self._reading() as connection:
            return TYPES.where(connection)

    def volume_type(self, name_or_id: str) -> VolumeType:
        """One type by id or name; raises VolumeTypeNotFoundByName."""
        with self._reading() as connection:
            found = TYPES.find(connection, name_or_id)
            if found is None:
                named = TYPES.where(connection, TYPES.c.name == name_or_id)
                if not named:
                    raise VolumeTypeNotFoundByName(volume_type_name=name_or_id)
                found = named[0]
        return found

    def create_volume_type(
        self, name: str, *, description: str | None, is_public: bool, extra_specs: Mapping[str, str]
    ) -> VolumeType:
        """Write a type; raises VolumeTypeExists."""

        def job(tx: Tx) -> VolumeType:
            if TYPES.where(tx.connection, TYPES.c.name == name):
                raise VolumeTypeExists(id=name)
            values = {"id": new_uuid(), "name": name, "description": description, "is_public": is_public}
            made = TYPES.insert(tx, {**values, "extra_specs": dict(extra_specs), "projects": []})
            tx.change("volume_type", "update", made.id)
            return made

        return self._write(job)

    def update_volume_type(self, type_id: str, values: Mapping[str, Any]) -> VolumeType:
        """Change name, description, is_public; raises VolumeTypeNotFound, VolumeTypeExists."""

        def job(tx: Tx) -> VolumeType:
            old = TYPES.read(tx.connection, type_id)
            name = values.get("name", old.name)
            if name != old.name:
                if TYPES.where(tx.connection, TYPES.c.name == name):
                    raise VolumeTypeExists(id=name)
                tx.run(VOLUMES.table.update().where(VOLUMES.c.volume_type == old.name).values(volume_type=name))
            TYPES.save(tx, type_id, {**values, "updated_at": tx.now})
            tx.change("volume_type", "update", type_id)
            return TYPES.read(tx.connection, type_id)

        return self._write(job)

    def set_volume_type_specs(self, type_id: str, specs: Mapping[str, str | None]) -> VolumeType:
        """Merge extra specs; None takes one away, which must be there. Raises VolumeTypeSpecNotFound."""

        def job(tx: Tx) -> VolumeType:
            old = TYPES.read(tx.connection, type_id)
            merged = dict(old.extra_specs)
            for key, value in specs.items():
                if value is not None:
                    merged[key] = value
                elif merged.pop(key, None) is None:
                    raise VolumeTypeSpecNotFound(volume_type_id=type_id, extra_specs_key=key)
            TYPES.save(tx, type_id, {"extra_specs": merged, "updated_at": tx.now})
            tx.change("volume_type", "update", type_id)
            return TYPES.read(tx.connection, type_id)

        return self._write(job)

    def set_volume_type_access(self, type_id: str, project_id: str, *, given: bool) -> None:
        """Let a project use a private type, or no more; raises Cinder's refusals."""

        def job(tx: Tx) -> None:
            old = TYPES.read(tx.connection, type_id)
            has = project_id in old.projects
            if given and old.is_public:
                raise VolumeTypeAccessPublic
            if given and has:
                raise VolumeTypeAccessExists(volume_type_id=type_id, project_id=project_id)
            if not given and not has:
                raise VolumeTypeAccessNotFound(volume_type_id=type_id, project_id=project_id)
            projects = [*old.projects, project_id] if given else [one for one in old.projects if one != project_id]
            TYPES.save(tx, type_id, {"projects": projects, "updated_at": tx.now})
            tx.change("volume_type", "update", type_id)

        self._write(job)

    def delete_volume_type(self, type_id: str) -> None:
        """Remove a type; raises VolumeTypeNotFound, VolumeTypeInUse."""

        def job(tx: Tx) -> None:
            old = TYPES.read(tx.connection, type_id)
            counting = select(func.count()).where(VOLUMES.c.volume_type == old.name)
            if tx.connection.execute(counting).scalar():
                raise VolumeTypeInUse(volume_type_id=type_id)
            TYPES.delete(tx, type_id)
            tx.change("volume_type", "delete", type_id)

        self._write(job)
