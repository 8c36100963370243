"""400: the request itself is wrong."""

from __future__ import annotations

from tuinova.core.errors.base import NovaError


class Invalid(NovaError):
    """A request that can never be right."""

    code = 400
    msg_fmt = "Bad Request - Invalid Parameters"


class InvalidInput(Invalid):
    """A value that breaks a rule; the reason names the field."""

    msg_fmt = "Invalid input received: {reason}"


class SchemaError(Invalid):
    """A body that its schema refuses (nova/api/validation/validators.py)."""

    msg_fmt = "Invalid input for field/attribute {path}. Value: {value}. {reason}"


class FlavorNotFoundAsked(Invalid):
    """An unknown flavor named in a request body (create, resize)."""

    msg_fmt = "Flavor {flavor_id} could not be found."


class CannotResizeDisk(Invalid):
    """A resize that the disk does not allow."""

    msg_fmt = "Server disk was unable to be resized because: {reason}"


class CannotResizeToSameFlavor(Invalid):
    """A resize that changes nothing."""

    msg_fmt = "When resizing, instances must change flavor!"


class CannotMigrateToSameHost(Invalid):
    """A migration to where the server is."""

    msg_fmt = "Cannot migrate to the host where the server exists."


class NotResized(Invalid):
    """Confirm or revert without a finished resize."""

    msg_fmt = "Instance has not been resized."


class InvalidMigrationState(Invalid):
    """An abort or force-complete of a migration that is not under way."""

    msg_fmt = (
        "Migration {migration_id} state of instance {instance_uuid} is {state}. Cannot {method} while the migration is "
        "in this state."
    )


class ComputeServiceInUse(Invalid):
    """An evacuation from a host that is up."""

    msg_fmt = "Compute service of {host} is still in use."


class UnableToMigrateToSelf(Invalid):
    """A live migration to where the server is."""

    msg_fmt = "Unable to migrate instance ({instance_id}) to current host ({host})."


class ImageNotFoundAsked(Invalid):
    """An unknown image named in a request body."""

    msg_fmt = "Can not find requested image"


class MissingImageRef(Invalid):
    """Create without image and without block devices."""

    msg_fmt = "Missing imageRef attribute"


class ImageNotActive(Invalid):
    """An image whose data is not there."""

    msg_fmt = "Image {image_id} is not active."


class UnsupportedRescueImage(Invalid):
    """A rescue image that is not there."""

    msg_fmt = "Requested rescue image '{image}' is not supported"


class RebuildImageNotFound(Invalid):
    """An unknown image named in a rebuild."""

    msg_fmt = "Cannot find image for rebuild"


class PreserveEphemeralNotSupported(Invalid):
    """A rebuild that is to keep the ephemeral disk."""

    msg_fmt = "The current driver does not support preserving ephemeral partitions."


class ImageUnacceptable(Invalid):
    """An image that may not be used: backing file, data file, wrong or damaged format."""

    msg_fmt = "Image {image_id} is unacceptable: {reason}"


class InvalidDiskFormat(Invalid):
    """Data that is not in the format that the image claims."""

    msg_fmt = "Disk format {disk_format} is not acceptable"


class DownloadRefused(Invalid):
    """Something on the web that is not fetched, or that is not what was promised."""

    msg_fmt = "{reason}"


class FlavorMemoryTooSmall(Invalid):
    """RAM below the image's min_ram."""

    msg_fmt = "Flavor's memory is too small for requested image."


class FlavorDiskTooSmall(Invalid):
    """Root disk below what the image needs."""

    msg_fmt = "Flavor's disk is too small for requested image."


class FlavorDiskSmallerThanImage(FlavorDiskTooSmall):
    """Root disk below the image's virtual size; both in bytes."""

    msg_fmt = (
        "Flavor's disk is too small for requested image. Flavor disk is {flavor_size} bytes, "
        "image is {image_size} bytes."
    )


class FlavorDiskSmallerThanMinDisk(FlavorDiskTooSmall):
    """Root disk below the image's min_disk; both in bytes."""

    msg_fmt = (
        "The created instance's disk would be too small. Flavor's disk is smaller than the minimum size specified in "
        "image metadata. Flavor disk is {flavor_size} bytes, minimum size is {image_min_disk} bytes."
    )


class KeypairNotFoundAsked(Invalid):
    """An unknown key pair named in a create."""

    msg_fmt = "Invalid key_name provided."


class InvalidKeypair(Invalid):
    """Key data that is no key."""

    msg_fmt = "Keypair data is invalid: {reason}"


class ZoneNotAvailable(Invalid):
    """A zone without an enabled service."""

    msg_fmt = "The requested availability zone is not available"


class InvalidZone(Invalid):
    """Zone text with too many colons."""

    msg_fmt = "Unable to parse availability_zone"


class ComputeHostNotFoundAsked(Invalid):
    """An unknown host named in a create."""

    msg_fmt = "Compute host {host} could not be found."


class QuotaBelowUsage(Invalid):
    """A quota set below what is used, without force."""

    msg_fmt = "Quota limit {limit} for {resource} must be greater than or equal to already used and reserved {used}."


class InvalidStatusFilter(Invalid):
    """An unknown status in a list filter (2.38 and later)."""

    msg_fmt = "Invalid status value"


class MarkerNotFound(Invalid):
    """Paging from a row that is not there."""

    msg_fmt = "marker [{marker}] not found"


class ConsoleTypeUnavailable(Invalid):
    """A console type that is not served."""

    msg_fmt = "Unavailable console type {console_type}."


class ConsoleTypeInvalid(Invalid):
    """A console type that Nova does not know."""

    msg_fmt = "Invalid console type {console_type}"
