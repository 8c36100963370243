"""Volumes of fake guests: files that others made, whose contents the guest reads and writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuinova.core.states import PowerState
from tuinova.virt.driver import DriverError, GuestSpec, Progress
from tuinova.virt.fake import machine
from tuinova.virt.fake.copying import quarters
from tuinova.virt.fake.disk_file import DiskContent, write_disk
from tuinova.virt.fake.disks import GIB
from tuinova.virt.fake.power import PowerKeeper
from tuinova.virt.fake.record import GuestRecord, plugged, volume_content
from tuinova.virt.volumes import VolumeDisk


class VolumeDisks(PowerKeeper):
    """`attach_volume`, `detach_volume`, `extend_volume`, `snapshot_volume`."""

    def attach_volume(self, guest: GuestSpec, disk: VolumeDisk) -> None:
        """See the contract."""

        def change(record: GuestRecord, now: float) -> machine.Events:
            if any(one["id"] == disk.volume_id for one in record.volumes):
                return []
            entry = plugged(disk)
            if not Path(entry["path"]).exists():
                raise DriverError(reason=f"Cannot access storage file '{entry['path']}': No such file or directory")
            if any(one["device"] == entry["device"] for one in record.volumes):
                raise DriverError(reason=f"target {entry['device']} already exists")
            record.volumes = [*record.volumes, entry]
            record.contents = {**record.contents, entry["role"]: volume_content(entry).files}
            return []

        self.change(guest.uuid, change, "attach_volume")

    def detach_volume(self, guest: GuestSpec, disk: VolumeDisk) -> None:
        """See the contract."""

        def change(record: GuestRecord, now: float) -> machine.Events:
            gone = [one["role"] for one in record.volumes if one["id"] == disk.volume_id]
            record.volumes = [one for one in record.volumes if one["id"] != disk.volume_id]
            record.contents = {role: files for role, files in record.contents.items() if role not in gone}
            record.mounts = {point: role for point, role in record.mounts.items() if role not in gone}
            return []

        self.change(guest.uuid, change, "detach_volume")

    def extend_volume(self, guest: GuestSpec, disk: VolumeDisk, size_gb: int) -> None:
        """See the contract."""

        def change(record: GuestRecord, now: float) -> machine.Events:
            self.must_be_active(record, "resize a disk of")
            entry = self._entry(record, disk)
            size = max(int(entry["size"]), size_gb * GIB)
            write_disk(entry["path"], DiskContent(size, record.contents.get(entry["role"], {})))
            record.volumes = [{**one, "size": size} if one is entry else one for one in record.volumes]
            return []

        self.change(guest.uuid, change, "extend_volume")

    def snapshot_volume(
        self, guest: GuestSpec, disk: VolumeDisk, target: Mapping[str, Any], progress: Progress
    ) -> None:
        """See the contract; in the middle half of it is copied."""
        names = (guest.uuid, guest.name, guest.display_name)
        self.faults.strike("snapshot_volume", "before", *names)
        record = self.ours(guest.uuid)
        if record.state not in (PowerState.RUNNING, PowerState.PAUSED):
            raise DriverError(reason=f"Cannot snapshot a disk of {record.name}: domain is not running")
        entry = self._entry(record, disk)
        content = DiskContent(int(entry["size"]), record.contents.get(entry["role"], {}))
        for step, _ in enumerate(quarters(self, progress, content.size)):
            if step == 1:
                self.faults.strike("snapshot_volume", "middle", *names)
        write_disk(str(target["path"]), content)
        self.faults.strike("snapshot_volume", "after", *names)

    @staticmethod
    def _entry(record: GuestRecord, disk: VolumeDisk) -> dict[str, Any]:
        for one in record.volumes:
            if one["id"] == disk.volume_id:
                return one
        raise DriverError(reason=f"{record.name} has no disk with serial {disk.volume_id}")
