"""Rescue of fake guests: booted from another disk, with their own as the second one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuinova.virt.driver import BootImages, GuestSpec
from tuinova.virt.fake import disks, machine
from tuinova.virt.fake.accounts import with_password
from tuinova.virt.fake.power import PowerKeeper
from tuinova.virt.fake.record import GuestRecord, drive_metadata, redefine

_DRIVE = "disk.config.rescue"


class Rescues(PowerKeeper):
    """`rescue` and `unrescue`."""

    def rescue(self, guest: GuestSpec, boot: BootImages) -> None:
        """See the contract; in the middle the rescue's config drive is there and the guest is untouched."""
        names = (guest.uuid, guest.name, guest.display_name)
        self.faults.strike("rescue", "before", *names)
        before = self.ours(guest.uuid)
        self.must_have_disks(before)
        try:
            drive = guest.config_drive_files() if guest.config_drive and guest.config_drive_files else None
            self.store.remove_tree(guest.uuid, _DRIVE)
            if drive is not None:
                self.store.write_config_drive(guest.uuid, drive, _DRIVE)
            self.faults.strike("rescue", "middle", *names)
            files = self._files(boot, drive)

            def change(record: GuestRecord, now: float) -> machine.Events:
                events = machine.stop(record, now)
                redefine(record, guest)
                _put_in(record, self._described(boot), files)
                return events + machine.start(self.store, record, now, next(self.domain_ids))

            self.apply(guest.uuid, change)
            self.faults.strike("rescue", "after", *names)
        except BaseException:
            self._take_back(before)
            raise

    def _described(self, boot: BootImages) -> dict[str, Any]:
        properties = boot.image.properties
        return {
            "image": boot.image.id,
            "kernel": boot.kernel.id if boot.kernel else None,
            "ramdisk": boot.ramdisk.id if boot.ramdisk else None,
            "bytes": self.image_content(boot.image).size,
            "last": bool(properties.get("hw_rescue_device") or properties.get("hw_rescue_bus")),
        }

    def _files(self, boot: BootImages, drive: Mapping[str, bytes] | None) -> dict[str, str]:
        files = self.image_content(boot.image).files
        if password := drive_metadata(drive).get("admin_pass"):
            return with_password(files, "root", str(password))
        return files

    def _take_back(self, before: GuestRecord) -> None:
        """Off, and with the disks that it had."""

        def change(record: GuestRecord, now: float) -> machine.Events:
            events = machine.stop(record, now)
            _put_in(record, before.rescue, before.contents.get(disks.RESCUE, {}))
            return events

        self.apply(before.uuid, change)
        if before.rescue is None:
            self.store.remove_tree(before.uuid, _DRIVE)

    def unrescue(self, guest: GuestSpec) -> None:
        """See the contract; in the middle the guest is off, with its own disks again."""
        names = (guest.uuid, guest.name, guest.display_name)
        self.faults.strike("unrescue", "before", *names)

        def put_off(record: GuestRecord, now: float) -> machine.Events:
            if record.rescue is None:
                return []
            events = machine.stop(record, now)
            _put_in(record, None, {})
            return events

        self.apply(guest.uuid, put_off)
        self.faults.strike("unrescue", "middle", *names)
        self.store.remove_tree(guest.uuid, _DRIVE)

        def start(record: GuestRecord, now: float) -> machine.Events:
            if record.is_active:
                return []
            return self.boot(guest, even_if_running=False)(record, now)

        self.apply(guest.uuid, start)
        self.faults.strike("unrescue", "after", *names)


def _put_in(record: GuestRecord, rescue: dict[str, Any] | None, files: dict[str, str]) -> None:
    """Make these the guest's rescue and what its rescue disk holds; None and nothing takes the disk away."""
    kept = {role: held for role, held in record.contents.items() if role != disks.RESCUE}
    record.rescue = rescue
    record.contents = {**kept, disks.RESCUE: files} if files else kept
