"""The volume API as one object: volumes here, snapshots and types beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tuinova.core import policy
from tuinova.core.catalogue_cache import CatalogueCache
from tuinova.core.conductor import Conductor
from tuinova.core.conductor.volumes import VOLUME_HOST, LaneOrder, VolumeFacts
from tuinova.core.context import RequestContext
from tuinova.core.drafts import OrderDraft
from tuinova.core.errors import Invalid, InvalidInput
from tuinova.core.errors.volumes import InvalidVolume, VolumeMetadataNotFound, VolumeNotFound
from tuinova.core.quota_table import VOLUME
from tuinova.core.records import Volume
from tuinova.core.states.volumes import VOLUME_ACTIONS, VOLUME_RESETS, SnapshotStatus, VolumeStatus
from tuinova.core.volume_api.create import VolumeRequest, new_volume
from tuinova.core.volume_api.images import VolumeUploads
from tuinova.core.volume_api.snapshots import SnapshotRequests
from tuinova.core.volume_manager.store import VolumeStore

_NOT_DELETABLE = (
    "Volume status must be available or error or error_restoring or error_extending or error_managing and must not be "
    "migrating, attached, belong to a group, have snapshots or be disassociated from snapshots after volume transfer."
)


class VolumeAPI(SnapshotRequests, VolumeUploads):
    """Each method is one request; raises Cinder's refusals, and VolumeNotFound for what the caller can't see."""

    def __init__(self, conductor: Conductor, catalogue: CatalogueCache, store: VolumeStore) -> None:
        self._conductor = conductor
        self._catalogue = catalogue
        self.store = store

    # reading ---------------------------------------------------------------------------------------------------------
    def get(self, ctx: RequestContext, volume_id: str) -> Volume:
        """One volume that the caller may see."""
        volume = self._conductor.volume(volume_id)
        self._see(ctx, volume)
        return volume

    @staticmethod
    def _see(ctx: RequestContext, volume: Volume) -> None:
        if not policy.sees_project(ctx, volume.project_id):
            raise VolumeNotFound(volume_id=volume.id)

    # creating, changing ----------------------------------------------------------------------------------------------
    def create(self, ctx: RequestContext, request: VolumeRequest) -> Volume:
        """Accept a new volume; its data are made afterwards."""
        values = new_volume(ctx, request, self._conductor, self._catalogue)
        limits = self._conductor.quota_of(ctx.project_id or "", VOLUME)
        return self._conductor.create_volume(ctx, values, limits, OrderDraft("create_volume", VOLUME_HOST, {}))

    def update(self, ctx: RequestContext, volume_id: str, values: Mapping[str, Any]) -> Volume:
        """Name, description, metadata."""
        return self._change(ctx, volume_id, values)

    def _change(self, ctx: RequestContext, volume_id: str, values: Any) -> Volume:
        return self._conductor.accept_volume(
            ctx, volume_id, check=lambda facts: self._see(ctx, facts.volume), updates=values
        )

    def set_metadata(
        self, ctx: RequestContext, volume_id: str, items: Mapping[str, str], *, replace: bool = False
    ) -> dict[str, str]:
        """Merge items into the metadata, or replace all of it."""
        changed = self._change(
            ctx,
            volume_id,
            lambda facts: {"properties": dict(items) if replace else {**facts.volume.properties, **items}},
        )
        return changed.properties

    def delete_metadata(self, ctx: RequestContext, volume_id: str, key: str) -> None:
        """Take one item away."""

        def updates(facts: VolumeFacts) -> Mapping[str, Any]:
            if key not in facts.volume.properties:
                raise VolumeMetadataNotFound(volume_id=volume_id, metadata_key=key)
            return {"properties": {name: value for name, value in facts.volume.properties.items() if name != key}}

        self._change(ctx, volume_id, updates)

    def set_image_metadata(self, ctx: RequestContext, volume_id: str, items: Mapping[str, str]) -> dict[str, str]:
        """Merge items into what the volume keeps of its image."""
        changed = self._change(
            ctx, volume_id, lambda facts: {"image_metadata": {**facts.volume.image_metadata, **items}}
        )
        return changed.image_metadata

    def delete_image_metadata(self, ctx: RequestContext, volume_id: str, key: str) -> None:
        """Take one item of it away."""

        def updates(facts: VolumeFacts) -> Mapping[str, Any]:
            kept = dict(facts.volume.image_metadata)
            if kept.pop(key, None) is None:
                raise VolumeMetadataNotFound(volume_id=volume_id, metadata_key=key)
            return {"image_metadata": kept}

        self._change(ctx, volume_id, updates)

    def set_bootable(self, ctx: RequestContext, volume_id: str, bootable: bool) -> None:
        """Say whether a server may boot from it."""
        self._change(ctx, volume_id, {"bootable": bootable})

    def set_readonly(self, ctx: RequestContext, volume_id: str, readonly: bool) -> None:
        """Say whether servers may write to it; only while none has it."""

        def check(facts: VolumeFacts) -> None:
            self._see(ctx, facts.volume)
            if facts.volume.status not in VOLUME_ACTIONS["readonly"]:
                raise InvalidVolume(
                    reason=f"Volume {volume_id} status must be available to update readonly flag, but current status "
                    f"is: {facts.volume.status}."
                )

        self._conductor.accept_volume(ctx, volume_id, check=check, updates={"readonly": readonly})

    # extending -------------------------------------------------------------------------------------------------------
    def extend(self, ctx: RequestContext, volume_id: str, size: int) -> None:
        """Make it bigger; one that a server has is made bigger by the server's host, and its guest sees that."""

        def check(facts: VolumeFacts) -> None:
            volume = facts.volume
            self._see(ctx, volume)
            if volume.status not in VOLUME_ACTIONS["extend online"]:
                raise InvalidVolume(
                    reason=f"Volume {volume_id} status must be '('available', 'in-use')' to extend, currently "
                    f"{volume.status}."
                )
            if size <= volume.size:
                raise InvalidInput(
                    reason="New size for extend must be greater than current size. "
                    f"(current: {volume.size}, extended: {size})."
                )

        def order(facts: VolumeFacts) -> OrderDraft | LaneOrder:
            found = self.lane_order(facts, "extend_volume", "extend_attached_volume", {"size": size})
            return replace(found, record="extend_volume") if isinstance(found, LaneOrder) else found

        owner = self.get(ctx, volume_id).project_id
        self._conductor.accept_volume(
            ctx,
            volume_id,
            check=check,
            updates=lambda facts: {
                "status": VolumeStatus.EXTENDING,
                "previous_status": facts.volume.status,
                "reserved_gb": size - facts.volume.size,
            },
            order=order,
            grow=(self._conductor.quota_of(owner, VOLUME), size),
        )

    def lane_order(
        self, facts: VolumeFacts, at_rest: str, attached: str, args: Mapping[str, Any]
    ) -> OrderDraft | LaneOrder:
        """An order of the volume service, or for a volume that a guest may have, of that guest's host."""
        holder = facts.attachment
        host = self._conductor.instance(holder.instance_uuid).host if holder is not None else None
        if holder is None or host is None:
            return OrderDraft(at_rest, VOLUME_HOST, dict(args))
        return LaneOrder(holder.instance_uuid, OrderDraft(attached, host, {"volume_id": facts.volume.id, **dict(args)}))

    def revert(self, ctx: RequestContext, volume_id: str, snapshot_id: str) -> None:
        """Bring a volume at rest back to its newest snapshot (Cinder's 3.40)."""
        found = self._conductor.snapshots(volume_id=self.get(ctx, volume_id).id)
        if not found:
            raise Invalid(f"Volume {volume_id} doesn't have any snapshots.")
        if found[0].id != snapshot_id:
            raise Invalid(f"Specified snapshot ID {snapshot_id} isn't the latest one of volume {volume_id}.")

        def check(facts: VolumeFacts) -> None:
            volume = facts.volume
            self._see(ctx, volume)
            if volume.status != VolumeStatus.AVAILABLE or found[0].status != SnapshotStatus.AVAILABLE:
                raise InvalidVolume(
                    reason=f"Can't revert volume {volume_id} to its latest snapshot {snapshot_id}. The volume and the "
                    "snapshot must be available."
                )
            if volume.size != found[0].size:
                raise InvalidVolume(
                    reason=f"Can't revert volume {volume_id} to its latest snapshot {snapshot_id}. The volume size "
                    f"must be equal to the snapshot size ({found[0].size})."
                )

        self._conductor.accept_volume(
            ctx,
            volume_id,
            check=check,
            updates={"status": VolumeStatus.REVERTING},
            order=OrderDraft("revert_volume", VOLUME_HOST, {"snapshot_id": snapshot_id}),
        )

    # deleting, resetting ---------------------------------------------------------------------------------------------
    def delete(self, ctx: RequestContext, volume_id: str, *, cascade: bool = False, force: bool = False) -> None:
        """Remove it; with `cascade` its snapshots too, with `force` whatever status it has."""

        def check(facts: VolumeFacts) -> None:
            self._see(ctx, facts.volume)
            if facts.attachment is not None or (facts.snapshots and not cascade):
                raise InvalidVolume(reason=_NOT_DELETABLE)
            if facts.volume.status not in VOLUME_ACTIONS["delete"] and not force:
                raise InvalidVolume(reason=_NOT_DELETABLE)

        self._conductor.accept_volume(
            ctx,
            volume_id,
            check=check,
            updates={"status": VolumeStatus.DELETING, "fault": None},
            order=OrderDraft("delete_volume", VOLUME_HOST, {}),
        )

    def reset_status(
        self, ctx: RequestContext, volume_id: str, status: str | None, attach_status: str | None = None
    ) -> None:
        """Say that it is in another status; nothing else is done to it.

        Whether it is attached is what servers have of it, and no word of its own: an `attach_status` that says
        otherwise is refused.
        """
        if status is not None and status not in VOLUME_RESETS:
            raise Invalid(
                f"Invalid input for field/attribute status. Value: {status}. '{status}' is not one of "
                f"{list(VOLUME_RESETS)}"
            )

        def check(facts: VolumeFacts) -> None:
            self._see(ctx, facts.volume)
            holder = facts.attachment
            if attach_status not in (None, "detached" if holder is None else "attached"):
                has = "no server has it" if holder is None else f"server {holder.instance_uuid} has it"
                raise InvalidVolume(reason=f"attach_status can't be {attach_status}: {has}; attach or detach it.")

        updates = {} if status is None else {"status": status, "reserved_gb": 0}
        self._conductor.accept_volume(ctx, volume_id, check=check, updates=updates)
