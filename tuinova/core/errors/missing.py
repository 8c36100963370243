"""404: what was named is not there, or not this caller's."""

from __future__ import annotations

from tuinova.core.errors.base import NovaError


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


class ImageMemberNotFound(NotFound):
    """A project that is no member of the image, or one that the caller may not know of."""

    msg_fmt = "{member_id} not found in the member list of the image {image_id}."


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


class MigrationNotFound(NotFound):
    """No such move."""

    msg_fmt = "Migration {migration_id} could not be found."


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
