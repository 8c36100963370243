"""Every error that a caller can meet: its HTTP code and Nova's words.

Sources: nova/exception.py and the handlers that turn exceptions into answers. `code` is what the REST face answers and
what an instance fault records; the message is formatted from keyword arguments, which stay readable as attributes.
"""

from __future__ import annotations

from typing import Any


class NovaError(Exception):
    """The base: `code` is the HTTP code, `msg_fmt` Nova's text."""

    code = 500
    msg_fmt = "An unknown exception occurred."

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        self.kwargs = kwargs
        self.message = message if message is not None else self.msg_fmt.format(**kwargs)
        super().__init__(self.message)


# 400: the request itself ---------------------------------------------------------------------------------------------
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


class ImageNotFoundAsked(Invalid):
    """An unknown image named in a request body."""

    msg_fmt = "Can not find requested image"


class MissingImageRef(Invalid):
    """Create without image and without block devices."""

    msg_fmt = "Missing imageRef attribute"


class ImageNotActive(Invalid):
    """An image whose data is not there."""

    msg_fmt = "Image {image_id} is not active."


class ImageUnacceptable(Invalid):
    """An image that may not be used: backing file, data file, wrong or damaged format."""

    msg_fmt = "Image {image_id} is unacceptable: {reason}"


class InvalidDiskFormat(Invalid):
    """Data that is not in the format that the image claims."""

    msg_fmt = "Disk format {disk_format} is not acceptable"


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


# 403 -----------------------------------------------------------------------------------------------------------------
class Forbidden(NovaError):
    """Not allowed for this caller."""

    code = 403
    msg_fmt = "Forbidden"


class PolicyNotAuthorized(Forbidden):
    """A role is missing."""

    msg_fmt = "Policy doesn't allow {action} to be performed."


class ZeroDiskFlavorForbidden(Forbidden):
    """A zero-disk flavor where only volume-backed servers may use one."""

    msg_fmt = "Only volume-backed servers are allowed for flavors with zero disk."


class DeletedListForbidden(Forbidden):
    """status=DELETED asked by somebody who is not admin."""

    msg_fmt = "Only administrators may list deleted instances"


class QuotaExceeded(Forbidden):
    """Instances, cores or RAM beyond the quota; the lists run in parallel."""

    msg_fmt = "Quota exceeded for {overs}: Requested {req}, but already used {used} of {allowed} {overs}"


class KeypairLimitExceeded(Forbidden):
    """Too many key pairs of one user."""

    msg_fmt = "Quota exceeded, too many key pairs."


class MetadataLimitExceeded(Forbidden):
    """Too many metadata items on one server."""

    msg_fmt = "Maximum number of metadata items exceeds {allowed}"


class ServerGroupLimitExceeded(Forbidden):
    """Too many server groups."""

    msg_fmt = "Quota exceeded, too many server groups."


class ServerGroupMembersExceeded(Forbidden):
    """Too many servers in a group."""

    msg_fmt = "Quota exceeded, too many servers in group"


class ImageProtected(Forbidden):
    """Deleting an image that is marked protected."""

    msg_fmt = "Image {image_id} is protected and cannot be deleted."


# 404 -----------------------------------------------------------------------------------------------------------------
class NotFound(NovaError):
    """What was named is not there, or not this caller's."""

    code = 404
    msg_fmt = "Resource could not be found."


class InstanceNotFound(NotFound):
    """Unknown server."""

    msg_fmt = "Instance {instance_id} could not be found."


class FlavorNotFound(NotFound):
    """Unknown flavor in the path."""

    msg_fmt = "Flavor {flavor_id} could not be found."


class FlavorExtraSpecsNotFound(NotFound):
    """Unknown extra spec."""

    msg_fmt = "Flavor {flavor_id} has no extra specs with key {key}."


class FlavorAccessNotFound(NotFound):
    """Removing access that was never given."""

    msg_fmt = "Flavor access not found for {flavor_id} / {project_id} combination."


class FlavorAccessListPublic(NotFound):
    """The access list of a public flavor."""

    msg_fmt = "Access list not available for public flavors."


class ImageNotFound(NotFound):
    """Unknown image in the path."""

    msg_fmt = "Image {image_id} could not be found."


class KeypairNotFound(NotFound):
    """Unknown key pair of this user."""

    msg_fmt = "Keypair {name} not found for user {user_id}"


class ProjectNotFound(NotFound):
    """Unknown project."""

    msg_fmt = "Could not find project: {project_id}."


class UserNotFound(NotFound):
    """Unknown user."""

    msg_fmt = "Could not find user: {user_id}."


class ServiceNotFound(NotFound):
    """Unknown service."""

    msg_fmt = "Service {service_id} could not be found."


class ComputeHostNotFound(NotFound):
    """Unknown hypervisor."""

    msg_fmt = "Compute host {host} could not be found."


class ServerGroupNotFound(NotFound):
    """Unknown server group."""

    msg_fmt = "Instance group {group_id} could not be found."


class MetadataItemNotFound(NotFound):
    """Unknown metadata key."""

    msg_fmt = "Metadata item was not found"


class ActionNotFound(NotFound):
    """Unknown request id of a server's action log."""

    msg_fmt = "Action {action_id} not found"


class ConsoleNotAvailable(NotFound):
    """No console device."""

    msg_fmt = "Guest does not have a console available."


class TraceNotFound(NotFound):
    """No scheduling decision is kept for this server."""

    msg_fmt = "No scheduling decision is kept for server {instance_id}."


# 409 -----------------------------------------------------------------------------------------------------------------
class Conflict(NovaError):
    """Right in itself, but not now."""

    code = 409
    msg_fmt = "Conflict"


class InstanceIsLocked(Conflict):
    """The lock, for everybody but admins."""

    msg_fmt = "Instance {instance_uuid} is locked"


class InstanceNotReady(Conflict):
    """No host yet."""

    msg_fmt = "Instance {instance_id} is not ready"


class InstanceInvalidState(Conflict):
    """Wrong vm_state, task_state, or never launched; `attr` is which, `state` its value (None: never launched)."""

    msg_fmt = "Cannot '{action}' instance {instance_uuid} while it is in {attr} {state}"

    def __init__(self, *, action: str, instance_uuid: str, attr: str | None = None, state: str | None = None) -> None:
        message = None
        if attr is None or state is None:
            message = f"Instance {instance_uuid} is in an invalid state for '{action}'"
        super().__init__(message, action=action, instance_uuid=instance_uuid, attr=attr, state=state)


class ServiceUnavailable(Conflict):
    """The server's compute service is down."""

    msg_fmt = "Service is unavailable at this time."


class FlavorExists(Conflict):
    """Same flavor name."""

    msg_fmt = "Flavor with name {name} already exists."


class FlavorIdExists(Conflict):
    """Same flavor id."""

    msg_fmt = "Flavor with ID {flavor_id} already exists."


class FlavorAccessExists(Conflict):
    """Access given twice."""

    msg_fmt = "Flavor access already exists for flavor {flavor_id} and project {project_id} combination."


class FlavorAccessPublic(Conflict):
    """Access to what is public."""

    msg_fmt = "Can not add access to a public flavor."


class KeypairExists(Conflict):
    """Same key pair name."""

    msg_fmt = "Key pair '{name}' already exists."


class ImageExists(Conflict):
    """Same image id."""

    msg_fmt = "Image ID {image_id} already exists!"


class ImageDataConflict(Conflict):
    """Data for an image that has some, or is being written by somebody else."""

    msg_fmt = "Image {image_id} is in status {status}: its data can't be written."


class ServiceHostsInstances(Conflict):
    """Deleting a compute service that still has servers."""

    msg_fmt = "Unable to delete compute service that is hosting instances. Migrate or delete the instances first."


class InstanceNotRunning(Conflict):
    """What needs a running guest."""

    msg_fmt = "Instance {instance_id} is not running."


class ConsoleUnavailableNow(Conflict):
    """There is no console right now; the reason says which of the known ones and what to do."""

    msg_fmt = "{reason}"


class ChangesTrimmed(NovaError):
    """The asked part of the change feed is no longer kept: read everything again."""

    code = 410
    msg_fmt = "Changes before {oldest} are no longer kept; read the list again."


class ConsoleTokenExpired(NovaError):
    """Unknown or expired console token."""

    code = 401
    msg_fmt = "The token '{token}' is invalid or has expired"


# 501 / 503 -----------------------------------------------------------------------------------------------------------
class NotSupported(NovaError):
    """The driver, or this version, can't do it."""

    code = 501
    msg_fmt = "The requested functionality is not supported."


class HypervisorUnavailable(NovaError):
    """libvirt does not answer."""

    code = 503
    msg_fmt = "Connection to the hypervisor is broken on host {host}: {reason}"


class ImageStorageFull(NovaError):
    """No room for image data."""

    code = 413
    msg_fmt = "Image storage media is full: {reason}"


# 500: faults of the engine -------------------------------------------------------------------------------------------
class NoValidHost(NovaError):
    """No host passed (nova/exception.py NoValidHost); the reason may be empty, the trailing blank is Nova's."""

    msg_fmt = "No valid host was found. {reason}"

    def __init__(self, message: str | None = None, *, reason: str = "") -> None:
        super().__init__(message, reason=reason)


class MaxRetriesExceeded(NoValidHost):
    """Every try and every alternate failed."""

    msg_fmt = "Exceeded maximum number of retries. {reason}"


class SchedulerHostFilterNotFound(NovaError):
    """An unknown filter in the configuration."""

    msg_fmt = "Scheduler Host Filter {filter_name} could not be found."


class UnsupportedPolicyException(Invalid):
    """A server group policy whose filter is not enabled."""

    msg_fmt = "ServerGroup policy is not supported: {reason}"


class ComputeResourcesUnavailable(NovaError):
    """A host-side claim that failed: the build goes to the next host."""

    msg_fmt = "Insufficient compute resources: {reason}."


class BuildAbortException(NovaError):
    """A build failure that no other host would cure."""

    msg_fmt = "Build of instance {instance_uuid} aborted: {reason}"


class NoMoreFixedIps(NovaError):
    """The network has no free address."""

    msg_fmt = "No fixed IP addresses available for network: {net}"


class InstancePowerOffFailure(NovaError):
    """The hypervisor did not power the guest off."""

    msg_fmt = "Failed to power off instance: {reason}"


class InstancePowerOnFailure(NovaError):
    """The hypervisor did not power the guest on."""

    msg_fmt = "Failed to power on instance: {reason}."


class InternalError(NovaError):
    """A hypervisor error in its own words."""

    msg_fmt = "{err}"


class InvalidConfig(NovaError):
    """A configuration file that can't be read as one."""

    msg_fmt = "{reason}"


class StateDirectoryLocked(NovaError):
    """A second service on one state directory."""

    msg_fmt = "Another tuinova service (pid {pid}) has the state directory {path}: stop it, or set TUINOVA_STATE_DIR."


class DatabaseTooNew(NovaError):
    """A database written by a newer version."""

    msg_fmt = (
        "The database is at schema {found}, this version knows up to {known}: use the newer tuinova that wrote it."
    )
