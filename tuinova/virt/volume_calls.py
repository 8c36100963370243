"""The contract's calls about volumes of guests; `driver` has the whole, and what holds for every call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuinova.core.errors import NotSupported
from tuinova.virt.model import GuestSpec, Progress
from tuinova.virt.volumes import VolumeDisk


class VolumeCalls:
    """What a hypervisor does with volumes as disks of its guests."""

    def attach_volume(self, guest: GuestSpec, disk: VolumeDisk) -> None:
        """Plug a volume into a guest, now (running or paused) and for later starts; plugged already is fine."""
        raise NotSupported()

    def detach_volume(self, guest: GuestSpec, disk: VolumeDisk) -> None:
        """Unplug it; the guest must let go of it. What is unplugged already is fine; raises DeviceDetachFailed."""
        raise NotSupported()

    def extend_volume(self, guest: GuestSpec, disk: VolumeDisk, size_gb: int) -> None:
        """Make the disk of a running or paused guest bigger, so that the guest sees it."""
        raise NotSupported()

    def snapshot_volume(
        self, guest: GuestSpec, disk: VolumeDisk, target: Mapping[str, Any], progress: Progress
    ) -> None:
        """Write the present data of a running or paused guest's disk to `target` (`snapshot_connection`), whole.

        It is the disk of one moment; the guest runs on. A failure leaves no `target`.
        """
        raise NotSupported()
