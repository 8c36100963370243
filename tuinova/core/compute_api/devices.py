"""The block device mapping of new servers, with Nova's rules (nova/block_device.py, nova/compute/api.py).

A request whose only device is its image's disk has no mapping of its own: nothing is looked at and nothing is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tuinova.core import policy
from tuinova.core.block_devices import LOCAL, SWAP, VOLUME, BlockDevice
from tuinova.core.catalogue_cache import CatalogueCache
from tuinova.core.compute_api.request import CreateRequest
from tuinova.core.compute_api.volume_images import MAPPING, mapping_of
from tuinova.core.conductor import Conductor
from tuinova.core.conductor.block_devices import reserve_volumes
from tuinova.core.conductor.transaction import Part
from tuinova.core.context import RequestContext
from tuinova.core.drafts import new_uuid
from tuinova.core.errors import FlavorMemoryTooSmall, Invalid, NotFound
from tuinova.core.errors.volumes import (
    BlockDeviceNotBootable,
    InvalidBdm,
    InvalidBdmBootSequence,
    InvalidBdmDiskBus,
    InvalidBdmEphemeralSize,
    InvalidBdmFormat,
    InvalidBdmImage,
    InvalidBdmLocalsLimit,
    InvalidBdmSnapshot,
    InvalidBdmSwapSize,
    InvalidBdmVolume,
    InvalidBdmVolumeType,
    InvalidVolume,
    VolumeSmallerThanImage,
)
from tuinova.core.records import Flavor, Image, Volume
from tuinova.core.states.volumes import VOLUME_ACTIONS, SnapshotStatus
from tuinova.core.volume_api.create import check_image_size

# [DEFAULT] max_local_block_devices
_MOST_LOCAL = 3
_GIB = 1 << 30
# nova/objects/block_device.py, nova/virt/libvirt/blockinfo.py SUPPORTED_DEVICE_BUSES
_BUSES = frozenset({"fdc", "ide", "lxc", "sata", "scsi", "usb", "uml", "virtio", "xen", "nvme"})
_DEVICE_TYPES = frozenset({"disk", "cdrom", "floppy", "lun", "fs"})
# What a volume keeps of its image that is no property.
_FIELDS = frozenset(
    {"image_id", "image_name", "checksum", "container_format", "disk_format", "min_disk", "min_ram", "size"}
)


@dataclass(frozen=True, slots=True)
class Devices:
    """What the mapping says: `rows` is None for a server without one, `image` what a volume-backed server boots."""

    rows: tuple[BlockDevice, ...] | None = None
    image: Mapping[str, Any] | None = None  # of the root volume: min_disk, min_ram, properties

    @property
    def volume_backed(self) -> bool:
        """Whether the root is a volume."""
        return any(row.is_root and row.is_volume for row in self.rows or ())

    @property
    def has_volumes(self) -> bool:
        """Whether the build has any to make or to attach."""
        return any(row.is_volume for row in self.rows or ())

    def of_one_server(self) -> list[dict[str, Any]] | None:
        """The rows of one server, each with an id of its own."""
        if self.rows is None:
            return None
        return [replace(row, uuid=new_uuid(), attachment_id=new_uuid()).as_dict() for row in self.rows] or None

    def parts(self) -> Sequence[Part]:
        """What reserves the volumes that are there."""
        return [reserve_volumes] if any(row.volume_id for row in self.rows or ()) else ()


def plan(
    ctx: RequestContext, request: CreateRequest, flavor: Flavor, conductor: Conductor, catalogue: CatalogueCache
) -> Devices:
    """Look at the mapping; raises Nova's refusals."""
    brought = _brought(ctx, request, catalogue)
    if brought:
        request = _with_image_mapping(request, brought)
    asked = _rows(request)
    if not asked or _is_plain(asked, request):
        return Devices()
    if any(row.is_volume for row in asked):
        policy.authorize(ctx, "os_compute_api:servers:create:attach_volume")
    if any(row.volume_id for row in asked) and request.counts[1] > 1:
        raise Invalid("Cannot attach one or more volumes to multiple instances")
    look = _Look(ctx, conductor, catalogue)
    _check_sequence(asked, request)
    checked = [look.at(row) for row in asked]
    _check_sizes(checked, flavor)
    _check_local(checked, request)
    root = next((row for row in checked if row.is_root and row.is_volume), None)
    image = look.boot_image(root) if root is not None else None
    if image is not None and root is not None:
        _check_root(root, image, flavor)
    # The image's own disk is the server's by its image_ref.
    kept = tuple(row for row in checked if row.source_type != "image" or row.is_volume)
    return Devices(kept, image)


def _is_plain(rows: Sequence[BlockDevice], request: CreateRequest) -> bool:
    [only, *others] = rows
    return not others and only.source_type == "image" and not only.is_volume and only.image_id == request.image_ref


def _brought(ctx: RequestContext, request: CreateRequest, catalogue: CatalogueCache) -> list[dict[str, Any]]:
    """The mapping that the image brings (that of a volume-backed server)."""
    if not request.image_ref:
        return []
    try:
        image = catalogue.image(request.image_ref)
    except NotFound:
        return []  # said by whoever looks for the image
    if MAPPING not in image.properties or not (ctx.is_admin or image.visible_to(ctx.project_id)):
        return []
    return mapping_of(image.properties)


def _with_image_mapping(request: CreateRequest, brought: Sequence[Mapping[str, Any]]) -> CreateRequest:
    """The request with the image's mapping before its own; a root that the image brings is the image's disk."""
    own = [dict(entry) for entry in request.block_devices]
    image_ref = request.image_ref
    if any(entry.get("boot_index") == 0 for entry in brought):
        own = [entry for entry in own if not (entry.get("uuid") == image_ref and str(entry.get("boot_index")) == "0")]
        image_ref = None
    return replace(request, image_ref=image_ref, block_devices=(*brought, *own))


# the request's words -------------------------------------------------------------------------------------------------
def _rows(request: CreateRequest) -> list[BlockDevice]:
    if request.legacy_devices:
        if request.block_devices:
            raise Invalid("Using different block_device_mapping syntaxes is not allowed in the same request.")
        return [row for asked in request.legacy_devices if (row := _legacy(asked, request)) is not None]
    return [_row(asked, request) for asked in request.block_devices if not asked.get("no_device")]


def _row(asked: Mapping[str, Any], request: CreateRequest) -> BlockDevice:
    """One entry of block_device_mapping_v2 (nova/block_device.py BlockDeviceDict.from_api)."""
    source, ident = str(asked.get("source_type") or "blank"), asked.get("uuid")
    usual = LOCAL if source in ("blank", "image") else VOLUME
    destination = str(asked.get("destination_type") or usual)
    if source == "blank" and ident:
        raise InvalidBdmFormat(details="Invalid device UUID.")
    if source != "blank" and not ident:
        raise InvalidBdmFormat(details="Missing device UUID.")
    index = -1 if asked.get("boot_index") is None else int(asked["boot_index"])
    if source == "image" and destination == LOCAL and not (request.image_ref == ident and index == 0):
        raise InvalidBdmFormat(details="Mapping image to local is not supported.")
    if source in ("volume", "snapshot") and destination == LOCAL:
        raise InvalidBdmFormat(details=f"Mapping {source} to local is not supported.")
    if destination == LOCAL and asked.get("volume_type"):
        raise InvalidBdmFormat(details="Specifying a volume_type with destination_type=local is not supported.")
    device_type = asked.get("device_type") or "disk"
    if device_type not in _DEVICE_TYPES:
        raise InvalidBdmFormat(details=f"Invalid device_type '{device_type[:40]}'.")
    size = asked.get("volume_size")
    return BlockDevice(
        source,
        destination,
        boot_index=index,
        disk_bus=asked.get("disk_bus") or None,
        device_type=device_type,
        guest_format=asked.get("guest_format") or None,
        volume_id=str(ident) if source == "volume" else None,
        snapshot_id=str(ident) if source == "snapshot" else None,
        image_id=str(ident) if source == "image" else None,
        volume_size=int(size) if size is not None else None,
        volume_type=asked.get("volume_type") or None,
        delete_on_termination=_is_true(asked.get("delete_on_termination", destination == LOCAL)),
        tag=asked.get("tag"),
    )


def _legacy(asked: Mapping[str, Any], request: CreateRequest) -> BlockDevice | None:
    """One entry of block_device_mapping (nova/block_device.py BlockDeviceDict.from_legacy)."""
    if asked.get("no_device"):
        return None
    virtual, size = str(asked.get("virtual_name") or ""), asked.get("volume_size")
    common: dict[str, Any] = {
        "device_type": "disk",
        "volume_size": int(size) if size not in (None, "") else None,
        "delete_on_termination": _is_true(asked.get("delete_on_termination", False)),
    }
    if virtual == SWAP:
        return BlockDevice("blank", LOCAL, boot_index=-1, guest_format=SWAP, **common)
    if virtual.startswith("ephemeral"):
        return BlockDevice("blank", LOCAL, boot_index=-1, **common)
    name = str(asked.get("device_name") or "")
    is_root = not request.image_ref and name.removeprefix("/dev/") in ("vda", "sda", "hda", "xvda")
    index = 0 if is_root else -1
    if asked.get("volume_id"):
        return BlockDevice("volume", VOLUME, boot_index=index, volume_id=str(asked["volume_id"]), **common)
    if asked.get("snapshot_id"):
        return BlockDevice("snapshot", VOLUME, boot_index=index, snapshot_id=str(asked["snapshot_id"]), **common)
    raise InvalidBdmFormat(details="Unrecognized legacy format.")


def _is_true(value: Any) -> bool:
    return value is True or str(value).lower() in {"1", "t", "true", "on", "y", "yes"}


# rules ---------------------------------------------------------------------------------------------------------------
def _check_sequence(rows: Sequence[BlockDevice], request: CreateRequest) -> None:
    """Boot indexes are 0..n-1, the image's disk being one of index 0."""
    indexes = sorted(row.boot_index for row in rows if row.boot_index is not None and row.boot_index >= 0)
    if request.image_ref and not any(row.source_type == "image" and not row.is_volume for row in rows):
        indexes = sorted([0, *indexes])
    if not indexes or indexes != list(range(len(indexes))):
        raise InvalidBdmBootSequence()
    volumes = [row.volume_id for row in rows if row.volume_id]
    if len(set(volumes)) != len(volumes):
        raise InvalidBdmFormat(details="The same volume is there twice.")
    tags = [row.tag for row in rows if row.tag]
    if len(set(tags)) != len(tags):
        raise InvalidBdmFormat(details="Device tags must be unique within a request.")


def _check_sizes(rows: Sequence[BlockDevice], flavor: Flavor) -> None:
    """What the flavor allows of ephemeral disks and swap."""
    ephemeral = sum(row.volume_size or flavor.ephemeral_gb for row in rows if row.is_ephemeral)
    if ephemeral > flavor.ephemeral_gb:
        raise InvalidBdmEphemeralSize()
    swaps = [row for row in rows if row.is_swap]
    if len(swaps) > 1:
        raise InvalidBdmFormat(details="More than one swap drive requested.")
    if swaps and (swaps[0].volume_size or flavor.swap) > flavor.swap:
        raise InvalidBdmSwapSize()


def _check_local(rows: Sequence[BlockDevice], request: CreateRequest) -> None:
    local = sum(not row.is_volume for row in rows)
    if request.image_ref and not any(row.source_type == "image" and not row.is_volume for row in rows):
        local += 1
    if local > _MOST_LOCAL:
        raise InvalidBdmLocalsLimit()


def _check_root(root: BlockDevice, image: Mapping[str, Any], flavor: Flavor) -> None:
    """A root volume for its image: memory of the flavor, the volume's size."""
    if int(image.get("min_ram") or 0) > flavor.memory_mb:
        raise FlavorMemoryTooSmall()
    least = int(image.get("min_disk") or 0)
    if root.volume_size is not None and least > root.volume_size:
        raise VolumeSmallerThanImage(volume_size=root.volume_size * _GIB, image_min_disk=least * _GIB)


class _Look:
    """What the rows point at."""

    def __init__(self, ctx: RequestContext, conductor: Conductor, catalogue: CatalogueCache) -> None:
        self._ctx = ctx
        self._conductor = conductor
        self._catalogue = catalogue

    def at(self, row: BlockDevice) -> BlockDevice:
        """A row with what its source says: size, bus; raises when that can't be used."""
        if row.disk_bus is not None and row.disk_bus not in _BUSES:
            raise InvalidBdmDiskBus(disk_bus=row.disk_bus[:40])
        if not row.is_volume:
            return row
        if row.volume_type is not None:
            try:
                self._conductor.volume_type(row.volume_type)
            except NotFound as error:
                raise InvalidBdmVolumeType(id_or_name=row.volume_type) from error
        if row.volume_id is not None:
            volume = self._volume(row.volume_id)
            bus = row.disk_bus or volume.image_metadata.get("hw_disk_bus")
            return replace(row, volume_size=volume.size, disk_bus=bus)
        if row.snapshot_id is not None:
            return replace(row, volume_size=self._snapshot_size(row))
        return self._made_of_image(row) if row.image_id is not None else self._blank(row)

    def _volume(self, volume_id: str) -> Volume:
        try:
            volume = self._conductor.volume(volume_id)
        except NotFound as error:
            raise InvalidBdmVolume(id=volume_id) from error
        if not policy.sees_project(self._ctx, volume.project_id):
            raise InvalidBdmVolume(id=volume_id)
        if volume.status not in VOLUME_ACTIONS["reserve"]:
            raise InvalidVolume(
                reason=f"Volume {volume_id} status must be available or downloading to reserve, but the current "
                f"status is {volume.status}."
            )
        return volume

    def _snapshot_size(self, row: BlockDevice) -> int:
        ident = row.snapshot_id or ""
        try:
            snapshot = self._conductor.snapshot(ident)
        except NotFound as error:
            raise InvalidBdmSnapshot(id=ident) from error
        seen = policy.sees_project(self._ctx, snapshot.project_id)
        if not seen or snapshot.status != SnapshotStatus.AVAILABLE:
            raise InvalidBdmSnapshot(id=ident)
        if row.volume_size is not None and row.volume_size < snapshot.size:
            raise InvalidBdm(
                f"Block Device Mapping is Invalid: Volume size '{row.volume_size}'GB cannot be smaller than the "
                f"snapshot size {snapshot.size}GB. They must be >= original snapshot size."
            )
        return row.volume_size or snapshot.size

    def _made_of_image(self, row: BlockDevice) -> BlockDevice:
        if not row.volume_size:
            raise InvalidBdm(
                "Block Device Mapping is Invalid: Images with destination_type 'volume' need to have a non-zero size "
                "specified"
            )
        image = self._image(row.image_id or "")
        check_image_size(image, row.volume_size)
        return replace(row, disk_bus=row.disk_bus or image.properties.get("hw_disk_bus"))

    def _image(self, image_id: str) -> Image:
        try:
            image = self._catalogue.image(image_id)
        except NotFound as error:
            raise InvalidBdmImage(id=image_id) from error
        seen = self._ctx.is_admin or image.visible_to(self._ctx.project_id)
        if not seen or image.status != "active" or not image.disk_format:
            raise InvalidBdmImage(id=image_id)
        return image

    @staticmethod
    def _blank(row: BlockDevice) -> BlockDevice:
        if not row.volume_size:
            raise InvalidBdm(
                "Block Device Mapping is Invalid: Blank volumes (source: 'blank', dest: 'volume') need to have "
                "non-zero size"
            )
        return row

    def boot_image(self, root: BlockDevice) -> Mapping[str, Any]:
        """What the root says of the image that it is made of; raises for one that can't be booted from."""
        if root.image_id is not None:
            image = self._image(root.image_id)
            return _image_facts(image.name, image.min_disk, image.min_ram, image.properties)
        if root.volume_id is None and root.snapshot_id is None:
            return _image_facts(None, 0, 0, {})
        volume_id = root.volume_id or self._conductor.snapshot(root.snapshot_id or "").volume_id
        volume = self._conductor.volume(volume_id)
        if not volume.bootable:
            raise BlockDeviceNotBootable(id=root.volume_id or root.snapshot_id)
        kept = volume.image_metadata
        properties = {name: text for name, text in kept.items() if name not in _FIELDS}
        return _image_facts(None, int(kept.get("min_disk") or 0), int(kept.get("min_ram") or 0), properties)


def _image_facts(name: str | None, min_disk: int, min_ram: int, properties: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"name": name, "min_disk": min_disk, "min_ram": min_ram, "properties": dict(properties)}
