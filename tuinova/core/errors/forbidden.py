"""403: not allowed for this caller."""

from __future__ import annotations

from tuinova.core.errors.base import NovaError


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


class FileLimitExceeded(Forbidden):
    """Too many files for one guest."""

    msg_fmt = "Personality file limit exceeded"


class FilePathLimitExceeded(Forbidden):
    """A file whose path is too long."""

    msg_fmt = "Personality file path exceeds maximum {allowed}"


class FileContentLimitExceeded(Forbidden):
    """A file that is too large."""

    msg_fmt = "Personality file content exceeds maximum {allowed}"


class ServerGroupLimitExceeded(Forbidden):
    """Too many server groups."""

    msg_fmt = "Quota exceeded, too many server groups."


class ServerGroupMembersExceeded(Forbidden):
    """Too many servers in a group."""

    msg_fmt = "Quota exceeded, too many servers in group"


class ImageProtected(Forbidden):
    """Deleting an image that is marked protected."""

    msg_fmt = "Image {image_id} is protected and cannot be deleted."
