"""The states of volumes and snapshots (cinder/objects/fields.py), and from which of them an action may begin."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class VolumeStatus(StrEnum):
    """cinder/objects/fields.py VolumeStatus, those that can be met here."""

    CREATING = "creating"
    DOWNLOADING = "downloading"
    AVAILABLE = "available"
    RESERVED = "reserved"
    ATTACHING = "attaching"
    IN_USE = "in-use"
    DETACHING = "detaching"
    EXTENDING = "extending"
    UPLOADING = "uploading"
    REVERTING = "reverting"
    MAINTENANCE = "maintenance"
    DELETING = "deleting"
    ERROR = "error"
    ERROR_DELETING = "error_deleting"
    ERROR_EXTENDING = "error_extending"


class SnapshotStatus(StrEnum):
    """cinder/objects/fields.py SnapshotStatus."""

    CREATING = "creating"
    AVAILABLE = "available"
    DELETING = "deleting"
    ERROR = "error"
    ERROR_DELETING = "error_deleting"


_V = VolumeStatus
# cinder/volume/api.py: the states from which each action may begin.
VOLUME_ACTIONS: Final[Mapping[str, frozenset[str]]] = {
    "delete": frozenset({_V.AVAILABLE, _V.ERROR, _V.ERROR_EXTENDING, "error_restoring", "error_managing"}),
    "extend": frozenset({_V.AVAILABLE}),
    "extend online": frozenset({_V.AVAILABLE, _V.IN_USE}),
    "reserve": frozenset({_V.AVAILABLE}),
    "snapshot": frozenset({_V.AVAILABLE}),
    "snapshot force": frozenset({_V.AVAILABLE, _V.IN_USE}),
    "clone": frozenset({_V.AVAILABLE, _V.IN_USE}),
    "upload": frozenset({_V.AVAILABLE}),
    "readonly": frozenset({_V.AVAILABLE}),
}
SNAPSHOT_DELETE: Final = frozenset({SnapshotStatus.AVAILABLE, SnapshotStatus.ERROR})
# What an administrator may say of a volume or snapshot (cinder/api/contrib/admin_actions.py).
VOLUME_RESETS: Final = (
    *("creating", "available", "deleting", "error", "error_deleting", "error_managing", "managing", "attaching"),
    *("in-use", "maintenance", "detaching", "error_restoring"),
)
SNAPSHOT_RESETS: Final = ("creating", "available", "deleting", "error", "error_deleting")
# The states of attachments.
ATTACHMENT_RESERVED, ATTACHMENT_ATTACHING = "reserved", "attaching"
ATTACHMENT_ATTACHED, ATTACHMENT_DETACHING = "attached", "detaching"
