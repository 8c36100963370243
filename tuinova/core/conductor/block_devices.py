"""What servers have of volumes: parts of accepted requests and steps, in the transaction of the server's own row."""

from __future__ import annotations

from collections.abc import Sequence

from tuinova.core.block_devices import BlockDevice, devices_of, stored, volumes_of
from tuinova.core.conductor import instance_rows
from tuinova.core.conductor.base import Base
from tuinova.core.conductor.transaction import Tx
from tuinova.core.conductor.volume_rows import ATTACHMENTS, let_go
from tuinova.core.context import RequestContext, service_context
from tuinova.core.errors import InstanceNotFound
from tuinova.core.records import Instance, VolumeAttachment


def release_volumes(tx: Tx, instance: Instance, ctx: RequestContext | None = None) -> None:
    """A server that goes has its volumes no more; those that go with it are deleted. Nothing for one without any."""
    for device in volumes_of(instance):
        if device.volume_id is not None:
            ctx = ctx or service_context()
            let_go(tx, ctx, device.volume_id, instance.uuid, delete=device.delete_on_termination)


class BlockDevices(Base):
    """The conductor's calls about the block devices of servers."""

    def block_devices(self, uuid: str) -> Sequence[BlockDevice]:
        """A server's mapping: its root, ephemeral disks, swap and volumes; raises InstanceNotFound."""
        with self._reading() as connection:
            return devices_of(instance_rows.read(connection, uuid))

    def settle_attachment(self, attachment: VolumeAttachment) -> None:
        """At a start: an attachment of a server that is gone, or that has no such volume, is let go."""

        def job(tx: Tx) -> None:
            held = ATTACHMENTS.find(tx.connection, attachment.id)
            if held is None:
                return
            try:
                instance = instance_rows.read(tx.connection, held.instance_uuid)
            except InstanceNotFound:
                let_go(tx, service_context(), held.volume_id, held.instance_uuid)
                return
            if all(device.volume_id != held.volume_id for device in volumes_of(instance)):
                let_go(tx, service_context(), held.volume_id, held.instance_uuid)

        self._write(job)


__all__ = ["BlockDevices", "release_volumes", "stored"]
