"""501, 503, 413: what the driver, the hypervisor or the storage can not do."""

from __future__ import annotations

from tuinova.core.errors.base import NovaError


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


class ImageMemberLimitExceeded(NovaError):
    """More members than an image may have."""

    code = 413
    msg_fmt = "Image member limit exceeded for image {image_id}: Attempted: {attempted}, Maximum: {maximum}"
