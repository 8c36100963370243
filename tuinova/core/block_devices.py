"""The block device mapping of a server (nova/objects/block_device.py), as its row keeps it.

A server that has only what its image and flavor say keeps none: its mapping is made of them whenever it is asked for.
So the row of an ordinary server costs nothing more, and the mapping changes in the transaction of the server's state.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from operator import attrgetter
from typing import Any, Final

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
        return {name: value for name, value in asdict(self).items() if value is not None and value is not False}


_NAMES = frozenset(item.name for item in fields(BlockDevice))


_IS_EPHEMERAL, _IS_SWAP = attrgetter("is_ephemeral"), attrgetter("is_swap")


def stored(devices: Iterable[BlockDevice]) -> list[dict[str, Any]]:
    """A mapping as a server's row keeps it."""
    return [device.as_dict() for device in devices]


def loaded(rows: Sequence[Mapping[str, Any]]) -> list[BlockDevice]:
    """The mapping of what a row keeps."""
    return [BlockDevice(**{name: value for name, value in row.items() if name in _NAMES}) for row in rows]


def devices_of(instance: Instance) -> list[BlockDevice]:
    """A server's whole mapping, each with its device's name: root, ephemeral disks, swap, volumes.

    What the server's own rows don't say is the image's and the flavor's.
    """
    kept = loaded(instance.block_devices or ())
    plain = plain_devices(instance.uuid, instance.image_ref, instance.flavor, instance.root_device_name)
    found = [device for device in kept if device.is_root] or [device for device in plain if device.is_root]
    for is_kind in (_IS_EPHEMERAL, _IS_SWAP):
        found += [device for device in kept if is_kind(device)] or [device for device in plain if is_kind(device)]
    shown = {device.uuid for device in found}
    return _named([*found, *(device for device in kept if device.uuid not in shown)], root_prefix(instance))


def volumes_of(instance: Instance) -> list[BlockDevice]:
    """Those that are volumes; nothing is made for a server without."""
    if not instance.block_devices:
        return []
    return [device for device in loaded(instance.block_devices) if device.is_volume]


def own_swap(instance: Instance) -> BlockDevice | None:
    """The swap disk that was asked for, other than the flavor's."""
    return next((device for device in loaded(instance.block_devices or ()) if device.is_swap), None)


def own_ephemerals(instance: Instance) -> list[BlockDevice]:
    """The ephemeral disks that were asked for, other than the flavor's one."""
    return [device for device in loaded(instance.block_devices or ()) if device.is_ephemeral]


def find_volume(instance: Instance, volume_id: str) -> BlockDevice | None:
    """The row of one volume."""
    return next((device for device in volumes_of(instance) if device.volume_id == volume_id), None)


def is_volume_backed(instance: Instance) -> bool:
    """Whether the root is a volume (nova/compute/utils.py is_volume_backed_instance)."""
    return any(device.is_root for device in volumes_of(instance))


# names ---------------------------------------------------------------------------------------------------------------
_PREFIX_OF_BUS: Final = {"scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd", "fdc": "fd", "xen": "xvd"}
_NAME: Final = re.compile(r"(?:/dev/)?(xvd|[a-z]d)([a-z]+)[0-9]*")


def root_prefix(instance: Instance) -> str:
    """What the names of the guest's disks begin with."""
    match = _NAME.fullmatch(instance.root_device_name or "")
    return match.group(1) if match else prefix_of(None)


def prefix_of(bus: str | None) -> str:
    """The same by bus: virtio is the default (nova/virt/libvirt/blockinfo.py get_dev_prefix_for_disk_bus)."""
    return _PREFIX_OF_BUS.get(bus or "", "vd")


def letters(number: int) -> str:
    """a, b ... z, aa, ab ..."""
    text = ""
    while True:
        text = chr(ord("a") + number % 26) + text
        number = number // 26 - 1
        if number < 0:
            return text


def free_name(used: Collection[str | None], prefix: str) -> str:
    """The first name with this prefix that no device has."""
    number = 0
    while (name := f"/dev/{prefix}{letters(number)}") in used:
        number += 1
    return name


def _named(devices: Sequence[BlockDevice], prefix: str) -> list[BlockDevice]:
    used = {device.device_name for device in devices}
    found = []
    for device in devices:
        if device.device_name is None:
            name = free_name(used, prefix_of(device.disk_bus) if device.disk_bus else prefix)
            used.add(name)
            device = replace(device, device_name=name)
        found.append(device)
    return found


def next_name(instance: Instance, bus: str | None) -> str:
    """The name of the next disk of a server; what the caller asks for is not looked at, as in Nova's libvirt driver."""
    used = {device.device_name for device in devices_of(instance)}
    return free_name(used, prefix_of(bus) if bus else root_prefix(instance))


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
