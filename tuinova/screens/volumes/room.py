"""The room and its lists."""

from __future__ import annotations

from typing import ClassVar

from tuinova.i18n import N_
from tuinova.screens.group_room import GroupRoom, Part


class VolumeRooms(GroupRoom):
    """Everything of Cinder's."""

    PARTS: ClassVar[tuple[Part, ...]] = (
        Part("volumes", N_("Volumes"), "tuinova.screens.volumes.volumes:VolumesList"),
        Part("snapshots", N_("Snapshots"), "tuinova.screens.volumes.snapshots:SnapshotsList"),
        Part("types", N_("Volume Types"), "tuinova.screens.volumes.types:TypesList", N_("Types")),
    )
