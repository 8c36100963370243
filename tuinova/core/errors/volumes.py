"""What Cinder says of volumes, and Nova of volumes in its requests (cinder/exception.py, nova/exception.py)."""

from __future__ import annotations

from tuinova.core.errors.base import NovaError
from tuinova.core.errors.conflict import Conflict
from tuinova.core.errors.invalid import Invalid
from tuinova.core.errors.missing import NotFound


class VolumeNotFound(NotFound):
    """Unknown volume."""

    msg_fmt = "Volume {volume_id} could not be found."


class SnapshotNotFound(NotFound):
    """Unknown snapshot."""

    msg_fmt = "Snapshot {snapshot_id} could not be found."


class VolumeTypeNotFound(NotFound):
    """Unknown type of volumes."""

    msg_fmt = "Volume type {volume_type_id} could not be found."


class VolumeTypeNotFoundByName(NotFound):
    """A type of volumes named in a request."""

    msg_fmt = "Volume type with name {volume_type_name} could not be found."


class VolumeTypeSpecNotFound(NotFound):
    """Unknown extra spec of a type."""

    msg_fmt = "Volume Type {volume_type_id} has no extra specs with key {extra_specs_key}."


class VolumeMetadataNotFound(NotFound):
    """Unknown metadata item of a volume."""

    msg_fmt = "Volume {volume_id} has no metadata with key {metadata_key}."


class VolumeTypeExists(Conflict):
    """A name that is taken."""

    msg_fmt = "Volume Type {id} already exists."


class VolumeTypeAccessExists(Conflict):
    """Access that was given already."""

    msg_fmt = "Volume type access for {volume_type_id} / {project_id} combination already exists."


class VolumeTypeAccessNotFound(NotFound):
    """Access that was never given."""

    msg_fmt = "Volume type access not found for {volume_type_id} / {project_id} combination."


class VolumeTypeAccessPublic(Invalid):
    """Access to what everybody may use."""

    msg_fmt = "Invalid volume type: Type access modification is not applicable to public volume type."


class VolumeTypeInUse(Invalid):
    """A type that volumes have."""

    msg_fmt = "Volume Type {volume_type_id} deletion is not allowed with volumes present with the type."


class InvalidVolume(Invalid):
    """A volume that can't be used so; the reason says why."""

    msg_fmt = "Invalid volume: {reason}"


class InvalidSnapshot(Invalid):
    """A snapshot that can't be used so."""

    msg_fmt = "Invalid snapshot: {reason}"


class NoValidBackend(NovaError):
    """No backend has room, or none is of the asked name: the volume's fault."""

    msg_fmt = "No valid backend was found. {reason}"


# nova ----------------------------------------------------------------------------------------------------------------
class VolumeAlreadyAttached(InvalidVolume):
    """A volume that a server has."""

    msg_fmt = "Invalid volume: volume {volume_id} is already attached to instances: {instances}"


class VolumeNotAttached(NotFound):
    """Not this server's volume."""

    msg_fmt = "Instance {instance_uuid} is not attached to volume {volume_id}"


class RootVolumeDetach(Invalid):
    """The root stays with its server."""

    msg_fmt = "Cannot detach a root device volume"


class InvalidDevicePath(Invalid):
    """No name of a block device."""

    msg_fmt = "The supplied device path ({path}) is invalid."


class DevicePathInUse(Conflict):
    """A name that another device of the server has."""

    msg_fmt = "The supplied device path ({path}) is in use."


class TooManyDiskDevices(NovaError):
    """More disks than a guest can have."""

    code = 403
    msg_fmt = "The maximum allowed number of disk devices ({maximum}) to attach to a single instance has been exceeded."


class InvalidBdm(Invalid):
    """A block device mapping that breaks a rule."""

    msg_fmt = "Block Device Mapping is Invalid."


class InvalidBdmBootSequence(InvalidBdm):
    """Boot indexes that are no 0..n-1, or an image that goes with no mapping."""

    msg_fmt = (
        "Block Device Mapping is Invalid: Boot sequence for the instance and image/block device mapping combination "
        "is not valid."
    )


class InvalidBdmFormat(InvalidBdm):
    """A mapping that is not well formed."""

    msg_fmt = "Block Device Mapping is Invalid: {details}"


class InvalidBdmEphemeralSize(InvalidBdm):
    """More ephemeral disk than the flavor has."""

    msg_fmt = "Ephemeral disks requested are larger than the instance type allows."


class InvalidBdmSwapSize(InvalidBdm):
    """More swap than the flavor has, or two swaps."""

    msg_fmt = "Swap drive requested is larger than instance type allows."


class InvalidBdmLocalsLimit(InvalidBdm):
    """Too many local disks."""

    msg_fmt = "Block Device Mapping is Invalid: You specified more local devices than the limit allows"


class InvalidBdmDiskBus(InvalidBdm):
    """An unknown bus."""

    msg_fmt = "Block Device Mapping is Invalid: The disk bus '{disk_bus}' is not valid."


class InvalidBdmVolumeType(InvalidBdm):
    """An unknown type of volumes."""

    msg_fmt = "Block Device Mapping is Invalid: Volume type {id_or_name} could not be found"


class InvalidBdmImage(InvalidBdm):
    """An image that can't be used."""

    msg_fmt = "Block Device Mapping is Invalid: failed to get image {id}."


class InvalidBdmVolume(InvalidBdm):
    """A volume that can't be used."""

    msg_fmt = "Block Device Mapping is Invalid: failed to get volume {id}."


class InvalidBdmSnapshot(InvalidBdm):
    """A snapshot that can't be used."""

    msg_fmt = "Block Device Mapping is Invalid: failed to get snapshot {id}."


class VolumeSmallerThanImage(Invalid):
    """A root volume below what the image needs; both in bytes."""

    msg_fmt = (
        "Volume is smaller than the minimum size specified in image metadata. Volume size is {volume_size} bytes, "
        "minimum size is {image_min_disk} bytes."
    )


class BlockDeviceNotBootable(InvalidBdm):
    """A root that nothing can be booted from."""

    msg_fmt = "Block Device {id} is not bootable."


class VolumeNotCreated(NovaError):
    """A volume that a build made and that went wrong."""

    msg_fmt = "Volume {volume_id} did not finish being created. Its status is {status}: {reason}"


class VolumeBackedNotRescuable(Invalid):
    """Rescue of a volume-backed server."""

    msg_fmt = "Instance {instance_id} cannot be rescued: Cannot rescue a volume-backed instance"


class BackupOfVolumeBacked(Invalid):
    """Backup of a volume-backed server."""

    msg_fmt = "Backup is not supported for volume-backed instances."
