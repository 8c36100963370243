"""Beyond the quota of a project, in Neutron's and Cinder's words (Nova's own are in `forbidden`)."""

from __future__ import annotations

from tuinova.core.errors.base import NovaError


class OverQuota(NovaError):
    """Neutron's: networks, ports and the like; `overs` are the names, as Python lists them."""

    code = 409
    msg_fmt = "Quota exceeded for resources: {overs}."


class VolumeLimitExceeded(NovaError):
    """Cinder's: too many volumes."""

    code = 413
    msg_fmt = "Maximum number of volumes allowed ({allowed}) exceeded for quota '{name}'."


class SnapshotLimitExceeded(NovaError):
    """Cinder's: too many snapshots."""

    code = 413
    msg_fmt = "Maximum number of snapshots allowed ({allowed}) exceeded"


class VolumeSizeExceedsQuota(NovaError):
    """Cinder's: too many gigabytes."""

    code = 413
    msg_fmt = (
        "Requested volume or snapshot exceeds allowed {name} quota. Requested {requested}G, quota is {quota}G and "
        "{consumed}G has been consumed."
    )
