"""The block device mapping of a server (nova/objects/block_device.py), as its row keeps it.

A server that has only what its image and flavor say keeps none: its mapping is made of them whenever it is asked for.
So the row of an ordinary server costs nothing more, and the mapping changes in the transaction of the server's state.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from tuinova.core.records import Instance

LOCAL, VOLUME = "local", "volume"
SWAP = "swap"


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """One row of a mapping; `volume_size` in GiB, for swap in MiB; `device_name` with /dev/.

    `connection` is how the guest reaches the volume, as the volume's driver gave it.
    """

    source_type: str
    destination_type: str
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    boot_index: int | None = None
    device_name: str | None = None
    disk_bus: str | None = None
    device_type: str | None = None
    guest_format: str | None = None
    volume_id: str | None = None
    snapshot_id: str | None = None
    image_id: str | None = None
    volume_size: int | None = None
    volume_type: str | None = None
    delete_on_termination: bool = False
    tag: str | None = None
    attachment_id: str | None = None
    connection: Mapping[str, Any] | None = None

    @property
    def is_root(self) -> bool:
        """Whether the server boots from it."""
        return self.boot_index == 0

    @property
    def is_volume(self) -> bool:
        """Whether it is, or will be, a volume."""
        return self.destination_type == VOLUME

    @property
    def is_swap(self) -> bool:
        """An empty local disk for swapping."""
        return self.destination_type == LOCAL and self.source_type == "blank" and self.guest_format == SWAP

    @property
    def is_ephemeral(self) -> bool:
        """An empty local disk."""
        return self.destination_type == LOCAL and self.source_type == "blank" and self.guest_format != SWAP

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON for the server's row; what is not there is left out."""
        return {name: value for name, value in asdict(self).items() if value not in (None, False)}


_NAMES = frozenset(item.name for item in fields(BlockDevice))


def stored(devices: Iterable[BlockDevice]) -> list[dict[str, Any]]:
    """A mapping as a server's row keeps it."""
    return [device.as_dict() for device in devices]


def loaded(rows: Sequence[Mapping[str, Any]]) -> list[BlockDevice]:
    """The mapping of what a row keeps."""
    return [BlockDevice(**{name: value for name, value in row.items() if name in _NAMES}) for row in rows]


def devices_of(instance: Instance) -> list[BlockDevice]:
    """A server's whole mapping: the root first, then as it was asked for."""
    if instance.block_devices is not None:
        return loaded(instance.block_devices)
    return plain_devices(instance.uuid, instance.image_ref, instance.flavor, instance.root_device_name)


def volumes_of(instance: Instance) -> list[BlockDevice]:
    """Those that are volumes; nothing is made for a server without."""
    if not instance.block_devices:
        return []
    return [device for device in loaded(instance.block_devices) if device.is_volume]


def find_volume(instance: Instance, volume_id: str) -> BlockDevice | None:
    """The row of one volume."""
    return next((device for device in volumes_of(instance) if device.volume_id == volume_id), None)


def is_volume_backed(instance: Instance) -> bool:
    """Whether the root is a volume (nova/compute/utils.py is_volume_backed_instance)."""
    return any(device.is_root for device in volumes_of(instance))


def plain_devices(
    server_uuid: str, image_ref: str | None, flavor: Mapping[str, Any], root_device_name: str | None
) -> list[BlockDevice]:
    """What a server has without a mapping of its own: the image's disk, the flavor's ephemeral disk and swap."""
    found = []
    if image_ref:
        found.append(
            BlockDevice(
                "image",
                LOCAL,
                uuid=_plain_uuid(server_uuid, "root"),
                boot_index=0,
                device_name=root_device_name,
                device_type="disk",
                image_id=image_ref,
                delete_on_termination=True,
            )
        )
    return [*found, *flavor_devices(server_uuid, flavor)]


def flavor_devices(server_uuid: str, flavor: Mapping[str, Any]) -> list[BlockDevice]:
    """The flavor's ephemeral disk and swap."""
    found = []
    if ephemeral := int(flavor.get("ephemeral_gb") or 0):
        found.append(_blank(server_uuid, "ephemeral", ephemeral, None))
    if swap := int(flavor.get("swap") or 0):
        found.append(_blank(server_uuid, SWAP, swap, SWAP))
    return found


def _blank(server_uuid: str, what: str, size: int, guest_format: str | None) -> BlockDevice:
    return BlockDevice(
        "blank",
        LOCAL,
        uuid=_plain_uuid(server_uuid, what),
        boot_index=-1,
        device_type="disk",
        guest_format=guest_format,
        volume_size=size,
        delete_on_termination=True,
    )


def _plain_uuid(server_uuid: str, what: str) -> str:
    """The same each time the mapping is made."""
    return str(uuid.uuid5(uuid.UUID(server_uuid), what))
