"""409 and its kin: right in itself, but not now."""

from __future__ import annotations

from tuinova.core.errors.base import NovaError


class Conflict(NovaError):
    """Right in itself, but not now."""

    code = 409
    msg_fmt = "Conflict"


class GuestPasswordSet(Conflict):
    """A guest posts a password, and has done so already."""

    msg_fmt = "The guest has posted a password already."


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


class UnshelveInstanceInvalidState(Conflict):
    """A place asked for a shelved server that still has one; `state` is its vm_state."""

    msg_fmt = (
        'Specifying an availability zone or a host when unshelving server "{instance_uuid}" with status "{state}" is '
        "not supported. The server status must be SHELVED_OFFLOADED."
    )


class UnshelveHostNotInAZ(Conflict):
    """A host and a zone that don't fit together."""

    msg_fmt = 'Host "{host}" is not in the availability zone "{availability_zone}".'


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


class ImageMemberExists(Conflict):
    """A project that is a member already."""

    msg_fmt = "Member {member_id} is duplicated for image {image_id}"


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
