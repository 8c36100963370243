"""Snapshots of volumes: of one at rest, or by force of one that a guest has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tuinova.core import policy
from tuinova.core.conductor.volumes import LaneOrder, VolumeFacts
from tuinova.core.context import RequestContext
from tuinova.core.drafts import OrderDraft, new_uuid
from tuinova.core.errors import Invalid
from tuinova.core.errors.volumes import InvalidSnapshot, InvalidVolume, SnapshotNotFound, VolumeNotFound
from tuinova.core.quota_table import VOLUME
from tuinova.core.records import VolumeSnapshot
from tuinova.core.states.volumes import SNAPSHOT_DELETE, SNAPSHOT_RESETS, VOLUME_ACTIONS, SnapshotStatus

if TYPE_CHECKING:
    from tuinova.core.conductor import Conductor


class SnapshotRequests:
    """The part of the volume API that speaks of snapshots."""

    _conductor: Conductor

    def lane_order(
        self, facts: VolumeFacts, at_rest: str, attached: str, args: Mapping[str, Any]
    ) -> OrderDraft | LaneOrder:
        """See `VolumeAPI`."""
        raise NotImplementedError

    def get_snapshot(self, ctx: RequestContext, snapshot_id: str) -> VolumeSnapshot:
        """One snapshot that the caller may see."""
        snapshot = self._conductor.snapshot(snapshot_id)
        self._see_snapshot(ctx, snapshot)
        return snapshot

    @staticmethod
    def _see_snapshot(ctx: RequestContext, snapshot: VolumeSnapshot) -> None:
        if not policy.sees_project(ctx, snapshot.project_id):
            raise SnapshotNotFound(snapshot_id=snapshot.id)

    def create_snapshot(
        self,
        ctx: RequestContext,
        volume_id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        force: bool = False,
    ) -> VolumeSnapshot:
        """Accept a snapshot; `force` allows one of a volume that a server has, which runs on meanwhile."""

        def check(facts: VolumeFacts) -> None:
            volume = facts.volume
            if not policy.sees_project(ctx, volume.project_id):
                raise VolumeNotFound(volume_id=volume_id)
            if volume.status not in VOLUME_ACTIONS["snapshot force" if force else "snapshot"]:
                allowed = "available or in-use" if force else "available"
                raise InvalidVolume(
                    reason=f"Volume {volume_id} status must be {allowed}, but current status is: {volume.status}."
                )

        ident = new_uuid()
        values = {
            "id": ident,
            "volume_id": volume_id,
            "name": name,
            "description": description,
            "status": SnapshotStatus.CREATING,
            "properties": dict(metadata or {}),
            "fault": None,
            "progress": None,
            "project_id": ctx.project_id or "",
            "user_id": ctx.user_id or "",
        }
        return self._conductor.create_snapshot(
            ctx,
            values,
            self._conductor.quota_of(ctx.project_id or "", VOLUME),
            check=check,
            order=lambda facts: self.lane_order(
                facts, "create_snapshot", "snapshot_attached_volume", {"snapshot_id": ident}
            ),
        )

    def update_snapshot(self, ctx: RequestContext, snapshot_id: str, values: Mapping[str, Any]) -> VolumeSnapshot:
        """Name, description, metadata."""
        return self._conductor.accept_snapshot(
            ctx, snapshot_id, check=lambda snapshot: self._see_snapshot(ctx, snapshot), updates=values
        )

    def delete_snapshot(self, ctx: RequestContext, snapshot_id: str, *, force: bool = False) -> None:
        """Remove it; volumes that were made of it stay."""

        def check(snapshot: VolumeSnapshot) -> None:
            self._see_snapshot(ctx, snapshot)
            if snapshot.status not in SNAPSHOT_DELETE and not force:
                raise InvalidSnapshot(
                    reason="Snapshot status must be available or error and must not be part of a group."
                )

        self._conductor.accept_snapshot(
            ctx, snapshot_id, check=check, updates={"status": SnapshotStatus.DELETING}, method="delete_snapshot"
        )

    def reset_snapshot_status(self, ctx: RequestContext, snapshot_id: str, status: str) -> None:
        """Say that it is in another status; nothing else is done to it."""
        if status not in SNAPSHOT_RESETS:
            raise Invalid(
                f"Invalid input for field/attribute status. Value: {status}. '{status}' is not one of "
                f"{list(SNAPSHOT_RESETS)}"
            )
        self.update_snapshot(ctx, snapshot_id, {"status": status})
