"""What servers have of volumes: parts of accepted requests and steps, in the transaction of the server's own row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tuinova.core.block_devices import BlockDevice, devices_of, find_volume, loaded, next_name, stored, volumes_of
from tuinova.core.conductor import instance_rows
from tuinova.core.conductor.base import Base
from tuinova.core.conductor.transaction import Part, Tx
from tuinova.core.conductor.volume_rows import ATTACHMENTS, VOLUMES, attachment_of, let_go, note_attachment, reserve
from tuinova.core.context import RequestContext, service_context
from tuinova.core.errors import InstanceNotFound
from tuinova.core.errors.volumes import InvalidVolume, VolumeNotAttached
from tuinova.core.records import Instance, Volume, VolumeAttachment
from tuinova.core.states.volumes import (
    ATTACHMENT_ATTACHED,
    ATTACHMENT_ATTACHING,
    ATTACHMENT_DETACHING,
    ATTACHMENT_RESERVED,
    VolumeStatus,
)


def kept(devices: Sequence[BlockDevice]) -> Mapping[str, Any]:
    """The update of a server's row."""
    return {"block_devices": stored(devices) or None}


def _changed(instance: Instance, volume_id: str, **values: Any) -> Mapping[str, Any]:
    devices = loaded(instance.block_devices or ())
    return kept([replace(device, **values) if device.volume_id == volume_id else device for device in devices])


# attaching -----------------------------------------------------------------------------------------------------------
def take_volume(volume_id: str, look: Callable[[Volume], None], **values: Any) -> Part:
    """Reserve a volume for the server and write its row of the mapping; `look` refuses by the volume as it is now."""

    def part(tx: Tx, instance: Instance) -> Mapping[str, Any]:
        volume = VOLUMES.read(tx.connection, volume_id)
        look(volume)
        attachment = reserve(tx, volume, instance.uuid)
        bus = volume.image_metadata.get("hw_disk_bus") or None
        device = BlockDevice(
            "volume",
            "volume",
            device_name=next_name(instance, bus),
            disk_bus=bus,
            device_type="disk",
            volume_id=volume_id,
            volume_size=volume.size,
            attachment_id=attachment.id,
            **values,
        )
        return kept([*loaded(instance.block_devices or ()), device])

    return part


def note_attaching(volume_id: str) -> Part:
    """The server's host begins to attach it."""

    def part(tx: Tx, instance: Instance) -> None:
        holder = attachment_of(tx, volume_id)
        if holder is not None and holder.status == ATTACHMENT_RESERVED:
            note_attachment(tx, volume_id, ATTACHMENT_ATTACHING, VolumeStatus.ATTACHING, host=instance.host)

    return part


def note_attached(volume_id: str, connection: Mapping[str, Any]) -> Part:
    """The guest has it; a volume whose row is gone from the mapping is let be."""

    def part(tx: Tx, instance: Instance) -> Mapping[str, Any] | None:
        device = find_volume(instance, volume_id)
        if device is None:
            return None
        note_attachment(
            tx,
            volume_id,
            ATTACHMENT_ATTACHED,
            VolumeStatus.IN_USE,
            host=instance.host,
            device=device.device_name,
            attached_at=tx.now,
        )
        return _changed(instance, volume_id, connection=dict(connection))

    return part


def reserve_volumes(tx: Tx, instance: Instance) -> None:
    """Keep the volumes of a new server's mapping that are there; raises InvalidVolume, VolumeNotFound."""
    for device in volumes_of(instance):
        if device.volume_id is not None:
            reserve(tx, VOLUMES.read(tx.connection, device.volume_id), instance.uuid, ident=device.attachment_id)


# detaching -----------------------------------------------------------------------------------------------------------
def begin_detaching(volume_id: str) -> Part:
    """Say that a volume is on its way out; raises Cinder's refusal for one that is not in use."""

    def part(tx: Tx, instance: Instance) -> None:
        if find_volume(instance, volume_id) is None:
            raise VolumeNotAttached(instance_uuid=instance.uuid, volume_id=volume_id)
        volume = VOLUMES.read(tx.connection, volume_id)
        if volume.status != VolumeStatus.IN_USE:
            raise InvalidVolume(
                reason="Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' "
                "to detach."
            )
        note_attachment(tx, volume_id, ATTACHMENT_DETACHING, VolumeStatus.DETACHING)

    return part


def keep_volume(volume_id: str) -> Part:
    """A detach that failed: the server has the volume as before."""

    def part(tx: Tx, instance: Instance) -> None:
        if find_volume(instance, volume_id) is not None:
            note_attachment(tx, volume_id, ATTACHMENT_ATTACHED, VolumeStatus.IN_USE)

    return part


def drop_volume_of(ctx: RequestContext, volume_id: str, *, delete: bool = False) -> Part:
    """Take a volume out of the server's mapping: it is available again."""

    def part(tx: Tx, instance: Instance) -> Mapping[str, Any]:
        let_go(tx, ctx, volume_id, instance.uuid, delete=delete)
        devices = loaded(instance.block_devices or ())
        return kept([device for device in devices if device.volume_id != volume_id])

    return part


def change_device(volume_id: str, **values: Any) -> Part:
    """Change what the mapping says of a volume; raises VolumeNotAttached."""

    def part(tx: Tx, instance: Instance) -> Mapping[str, Any]:
        if find_volume(instance, volume_id) is None:
            raise VolumeNotAttached(instance_uuid=instance.uuid, volume_id=volume_id)
        return _changed(instance, volume_id, **values)

    return part


def put_aside(tx: Tx, instance: Instance) -> Mapping[str, Any] | None:
    """A server that leaves its host for none keeps its volumes, which no guest has: they are reserved."""
    if not instance.block_devices:
        return None
    for device in volumes_of(instance):
        if device.volume_id is not None:
            note_attachment(
                tx, device.volume_id, ATTACHMENT_RESERVED, VolumeStatus.RESERVED, host=None, attached_at=None
            )
    return kept([replace(device, connection=None) for device in loaded(instance.block_devices)])


# the server goes -----------------------------------------------------------------------------------------------------
def release_volumes(tx: Tx, instance: Instance, ctx: RequestContext | None = None) -> Mapping[str, Any]:
    """A server that goes has its volumes no more; those that go with it are deleted. Nothing for one without any."""
    if not instance.block_devices:
        return {}
    for device in volumes_of(instance):
        if device.volume_id is not None:
            ctx = ctx or service_context()
            let_go(tx, ctx, device.volume_id, instance.uuid, delete=device.delete_on_termination)
    return kept([device for device in loaded(instance.block_devices) if not device.is_volume])


class BlockDevices(Base):
    """The conductor's calls about the block devices of servers."""

    def block_devices(self, uuid: str) -> Sequence[BlockDevice]:
        """A server's mapping: its root, ephemeral disks, swap and volumes; raises InstanceNotFound."""
        with self._reading() as connection:
            return devices_of(instance_rows.read(connection, uuid))

    def settle_attachment(self, attachment: VolumeAttachment) -> None:
        """At a start, where nobody works on it: let go of what no server has, and say of the rest that it is in use."""

        def job(tx: Tx) -> None:
            held = ATTACHMENTS.find(tx.connection, attachment.id)
            if held is None:
                return
            try:
                instance = instance_rows.read(tx.connection, held.instance_uuid)
            except InstanceNotFound:
                let_go(tx, service_context(), held.volume_id, held.instance_uuid)
                return
            device = find_volume(instance, held.volume_id)
            if device is None:
                let_go(tx, service_context(), held.volume_id, held.instance_uuid)
            elif held.status == ATTACHMENT_DETACHING:
                note_attachment(tx, held.volume_id, ATTACHMENT_ATTACHED, VolumeStatus.IN_USE)

        self._write(job)
