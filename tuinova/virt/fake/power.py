"""How a fake guest comes up and goes down: what the calls of the contract have in common."""

from __future__ import annotations

import time
from collections.abc import Mapping

from tuinova.core.states import PowerState
from tuinova.virt.driver import DriverError, GuestSpec, ImageFile
from tuinova.virt.fake import machine
from tuinova.virt.fake.accounts import with_password
from tuinova.virt.fake.disk_file import DiskContent, unpack
from tuinova.virt.fake.disks import ROOT
from tuinova.virt.fake.guests import Change, GuestKeeper
from tuinova.virt.fake.record import GuestRecord, drive_metadata, flush, ignores_acpi, record_of, redefine

STEP = 0.02
_KEPT_IMAGES = 256


class PowerKeeper(GuestKeeper):
    """Powering guests on and off, and what a new one is made from."""

    def new_record(self, guest: GuestSpec, drive: Mapping[str, bytes] | None) -> GuestRecord:
        """The record of a guest that was never started; `drive` are the files of its config drive."""
        record = record_of(guest, self.options.boot_seconds)
        metadata = drive_metadata(drive)
        record.ignore_acpi = ignores_acpi(guest, metadata)
        files = record.contents.get(ROOT, {})
        if guest.image is not None and not record.volumes_root:
            content = self.image_content(guest.image)
            files, record.image_bytes = content.files, 0 if guest.root_gb else content.size
        if password := metadata.get("admin_pass"):
            files = with_password(files, "root", str(password))
        if files:
            record.contents = {**record.contents, ROOT: files}
        if record.volumes:
            flush(None, record)
        return record

    def image_content(self, image: ImageFile) -> DiskContent:
        """What an image holds; read once, since an image's data never changes."""
        key = (image.id, image.size)
        content = self.image_contents.get(key)
        if content is None:
            content = unpack(image.path, image.size)
            if len(self.image_contents) >= _KEPT_IMAGES:
                self.image_contents.clear()
            self.image_contents[key] = content
        return content

    def boot(self, guest: GuestSpec, *, even_if_running: bool) -> Change:
        """The change that starts a guest from its present definition, rescued when it is."""

        def change(record: GuestRecord, now: float) -> machine.Events:
            if record.state == PowerState.RUNNING and not even_if_running:
                return []
            self.must_have_disks(record)
            events = machine.stop(record, now)
            redefine(record, guest)
            return events + machine.start(self.store, record, now, next(self.domain_ids))

        return change

    def go_off(self, uuid: str, timeout: float, retry_interval: float) -> GuestRecord:
        """Off: by the guest itself within `timeout` seconds, else by force."""
        if timeout > 0 and (record := self.shut_down(uuid, timeout, retry_interval)) is not None:
            return record
        return self.apply(uuid, lambda record, now: machine.stop(record, now))

    def shut_down(self, uuid: str, seconds: float, retry_interval: float) -> GuestRecord | None:
        """Press the power button, again every `retry_interval`; None when the guest did not go off by itself."""
        give_up = time.monotonic() + seconds
        while True:
            record = self.apply(uuid, self._press)
            if record.state == PowerState.PAUSED:
                return None  # it can't hear
            press_again = min(give_up, time.monotonic() + max(retry_interval, STEP))
            while record.is_active:
                wait = press_again - time.monotonic()
                if record.down_at is not None:
                    wait = min(wait, max(record.down_at - time.time(), 0.001))
                if wait <= 0 or self.faults.closed.wait(min(wait, 0.5)):
                    break
                record = self.settle(uuid)
            if not record.is_active:
                return record
            if self.faults.closed.is_set():
                raise DriverError(reason="The driver was closed while the guest shut down")
            if time.monotonic() >= give_up:
                return None

    def _press(self, record: GuestRecord, now: float) -> machine.Events:
        machine.press_power_button(record, now, self.options.shutdown_seconds)
        return machine.settle(self.store, record, now)

    @staticmethod
    def must_have_disks(record: GuestRecord) -> None:
        """Raise DriverError for a guest whose disks a cold migration has set aside."""
        if record.aside:
            raise DriverError(reason=f"Cannot start {record.name}: its disks were set aside by a migration")
