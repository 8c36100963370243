"""Resize and cold migration of fake guests, on one host or between two hosts of one directory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuinova.core.errors import ResizeError
from tuinova.virt.driver import DriverError, GuestNotFound, GuestSpec, Progress
from tuinova.virt.fake import disks, machine, moving
from tuinova.virt.fake.copying import quarters
from tuinova.virt.fake.power import PowerKeeper
from tuinova.virt.fake.record import GuestRecord, redefine
from tuinova.virt.fake.store import GuestStore


class ColdMigrations(PowerKeeper):
    """The calls of a cold migration in the order of the contract."""

    def migration_address(self) -> Mapping[str, Any]:
        """See the contract: hosts of one directory reach each other by it."""
        self.faults.strike("migration_address", "before")
        return {
            "driver": "fake",
            "host": self.host,
            "address": self.options.host_ip,
            "directory": str(self.directory.resolve().parent),
        }

    def neighbour(self, address: Mapping[str, Any]) -> GuestStore:
        """The guests of the host that an address names; raises DriverError when it can't be reached."""
        host = address.get("host")
        if address.get("driver") != "fake" or not isinstance(host, str) or "/" in host or host in ("", ".", ".."):
            raise DriverError(reason=f"{host!r} is no host of the fake driver")
        if host == self.host:
            return self.store
        store = GuestStore(self.directory.resolve().parent / host)
        if address.get("directory") != str(store.directory.parent) or not store.is_there:
            raise DriverError(reason=f"{host} can't be reached from {self.host}")
        return store

    # at the source ---------------------------------------------------------------------------------------------------
    def migrate_disk_and_power_off(
        self,
        guest: GuestSpec,
        new: GuestSpec,
        destination: Mapping[str, Any],
        timeout: int,
        retry_interval: int,
        progress: Progress,
    ) -> None:
        """See the contract; in the middle the guest is off and set aside, and half of its disks are copied."""
        names = (guest.uuid, guest.name, guest.display_name)
        self.faults.strike("migrate_disk_and_power_off", "before", *names)
        record = self.ours(guest.uuid)
        # An image's own size (a flavor of 0 GiB) may be larger than what comes next.
        too_small = 0 < new.root_gb * disks.GIB < disks.root_bytes(record)
        if too_small or new.root_gb < guest.root_gb or new.ephemeral_gb < guest.ephemeral_gb:
            raise ResizeError(reason="Unable to resize disk down.")
        try:
            there = self.neighbour(destination)
        except DriverError as error:
            raise ResizeError(reason=error.message) from error
        if self._has_moved(record, there):
            return
        if there is not self.store and there.exists(guest.uuid):
            raise ResizeError(reason=f"{destination['host']} has a guest {guest.uuid} already")
        try:
            self.go_off(guest.uuid, timeout, retry_interval)
            self._set_aside(guest.uuid, there)
            self._copy(guest.uuid, there, progress, names)
            self.faults.strike("migrate_disk_and_power_off", "after", *names)
        except BaseException:
            self._unmove(guest.uuid)
            raise

    def _has_moved(self, record: GuestRecord, there: GuestStore) -> bool:
        """Whether all this is done: the disks were brought, and may be a guest there by now."""
        if not moving.is_set_aside(self.store, record.uuid):
            return False
        if there is self.store:
            return not record.aside or moving.brought(there, record.uuid) is not None
        return there.exists(record.uuid) or moving.brought(there, record.uuid) is not None

    def _set_aside(self, uuid: str, there: GuestStore) -> None:
        # Marked first: from then on nothing starts it here, so what is set aside stays what it is.
        def mark(record: GuestRecord, _now: float) -> machine.Events:
            record.aside = there.host
            return []

        record = self.apply(uuid, mark)
        if not moving.is_set_aside(self.store, uuid):
            with self.store.locked(uuid):
                moving.set_aside(self.store, record)

    def _copy(self, uuid: str, there: GuestStore, progress: Progress, names: tuple[str, ...]) -> None:
        record = self.store.load(uuid)
        total = sum(disk.size for disk in disks.seen(record) if disk.role != disks.SWAP)
        for begin, _ in quarters(self, progress, total):
            if begin >= total // 2:
                self.faults.strike("migrate_disk_and_power_off", "middle", *names)
        moving.bring(self.store, there, record)

    def _unmove(self, uuid: str) -> None:
        """Take back all of it but the power; the mark goes last, so that a repetition finds what is left to do."""
        record = self.store.load(uuid)
        if record.aside:
            self._forget_at(record.aside, uuid)
        self.store.forget_aside(uuid)
        self.apply(uuid, _unmark)

    def _forget_at(self, host: str, uuid: str) -> None:
        moving.forget_brought(self._store_of(host), uuid, whole=host != self.host)

    def _store_of(self, host: str) -> GuestStore:
        return self.store if host == self.host else GuestStore(self.directory.parent / host)

    def confirm_migration(self, guest: GuestSpec, *, same_host: bool) -> None:
        """See the contract; in the middle nothing is set aside any more, the definition is still there."""
        names = (guest.uuid, guest.name, guest.display_name)
        self.faults.strike("confirm_migration", "before", *names)
        self.store.forget_aside(guest.uuid)
        self.faults.strike("confirm_migration", "middle", *names)
        try:
            record = self.ours(guest.uuid)
            if same_host:
                self.apply(guest.uuid, _at_home)
            elif record.aside:  # never a guest that runs from disks of its own
                self.discard(guest.uuid)
        except GuestNotFound:
            if not same_host and moving.brought(self.store, guest.uuid) is None:
                moving.forget_brought(self.store, guest.uuid, whole=True)  # a removal that was cut short
        self.faults.strike("confirm_migration", "after", *names)

    def finish_revert_migration(self, guest: GuestSpec, *, power_on: bool) -> None:
        """See the contract; in the middle the guest is back and off."""
        names = (guest.uuid, guest.name, guest.display_name)
        self.faults.strike("finish_revert_migration", "before", *names)
        if moving.is_set_aside(self.store, guest.uuid):
            self._clear_the_place(guest.uuid)
            moving.put_back(self.store, guest.uuid)
        else:
            self.store.forget_aside(guest.uuid)
            self.apply(guest.uuid, _unmark)
        self.faults.strike("finish_revert_migration", "middle", *names)
        self._see_to_power(guest, power_on)
        self.faults.strike("finish_revert_migration", "after", *names)

    def _clear_the_place(self, uuid: str) -> None:
        try:
            record = self.ours(uuid)
        except GuestNotFound:
            return
        if record.aside:
            self._forget_at(record.aside, uuid)
        self.stop_for_good(uuid)
        self.desk.end_consoles(uuid)

    # at the destination ----------------------------------------------------------------------------------------------
    def finish_migration(self, guest: GuestSpec, *, power_on: bool) -> None:
        """See the contract; in the middle it is a guest here, and off."""
        names = (guest.uuid, guest.name, guest.display_name)
        self.faults.strike("finish_migration", "before", *names)
        came = moving.brought(self.store, guest.uuid)
        if came is not None:
            self._settle_in(guest, came)
        self.must_have_disks(self.ours(guest.uuid))
        self.faults.strike("finish_migration", "middle", *names)
        self._see_to_power(guest, power_on)
        self.faults.strike("finish_migration", "after", *names)

    def _settle_in(self, guest: GuestSpec, came: GuestRecord) -> None:
        with self.store.locked(guest.uuid):
            try:
                record = self.ours(guest.uuid)
            except GuestNotFound:
                record = came
            redefine(record, guest)
            record.contents, record.saved, record.migrating = came.contents, False, None
            record.aside, record.came_from = "", came.came_from
            self.store.save(record)
        if guest.config_drive and guest.config_drive_files is not None:
            self.store.write_config_drive_once(guest.uuid, guest.config_drive_files)
        moving.forget_brought(self.store, guest.uuid, whole=False)

    def discard_migrated(self, guest: GuestSpec) -> None:
        """See the contract; the only copy of a guest's disks is never removed. In the middle the guest is off."""
        names = (guest.uuid, guest.name, guest.display_name)
        self.faults.strike("discard_migrated", "before", *names)
        try:
            record = self.ours(guest.uuid)
        except GuestNotFound:
            moving.forget_brought(self.store, guest.uuid, whole=True)
        else:
            source = self.host if record.aside else record.came_from
            if source and moving.is_set_aside(self._store_of(source), guest.uuid):
                self.stop_for_good(guest.uuid)
                self.faults.strike("discard_migrated", "middle", *names)
                self.discard(guest.uuid)
            else:
                moving.forget_brought(self.store, guest.uuid, whole=False)
        self.faults.strike("discard_migrated", "after", *names)

    def _see_to_power(self, guest: GuestSpec, power_on: bool) -> None:
        def define(record: GuestRecord, now: float) -> machine.Events:
            if record.is_active:
                return []
            redefine(record, guest)
            return self.boot(guest, even_if_running=False)(record, now) if power_on else []

        self.apply(guest.uuid, define)


def _unmark(record: GuestRecord, _now: float) -> machine.Events:
    record.aside = ""
    return []


def _at_home(record: GuestRecord, _now: float) -> machine.Events:
    record.came_from = ""
    return []
