"""Live migration of fake guests between two hosts of one directory.

The guest's file is renamed from one host's directory into the other's: at any moment, also when a process is killed,
the guest is at exactly one of them. What its terminal and its memory hold is in that file, so it goes along.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid as uuids
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tuinova.core.states import PowerState
from tuinova.virt.driver import (
    DriverError,
    GuestNotFound,
    GuestSpec,
    LifecycleEvent,
    LiveProgress,
    MigrationAborted,
    MigrationPreCheckError,
)
from tuinova.virt.fake import disks, machine, moving, processes
from tuinova.virt.fake.cold_migration import ColdMigrations
from tuinova.virt.fake.journal import Journal
from tuinova.virt.fake.power import STEP
from tuinova.virt.fake.record import GuestRecord
from tuinova.virt.fake.store import GuestStore

_QUICK_STEPS = 4  # a migration that takes no time is told in so many steps
_NOT_SHARED = "Shared storage live-migration requires either shared storage or boot-from-volume with no local disks."
_SHARED = "Block migration can not be used with shared storage."
_NO_JOB = "Requested operation is not valid: no job is active on the domain"


def _on_volumes_alone(guest: GuestSpec) -> bool:
    """Whether it boots from a volume and has no disk of its host's (a config drive is made anew)."""
    local = guest.swap_mb or (guest.ephemerals if guest.ephemerals is not None else guest.ephemeral_gb)
    return not local and any(disk.boot_index == 0 for disk in guest.volumes)


class LiveMigrations(ColdMigrations):
    """The calls of a live migration in the order of the contract."""

    # checks ----------------------------------------------------------------------------------------------------------
    def check_can_live_migrate_destination(self, guest: GuestSpec, block_migration: bool | None) -> Mapping[str, Any]:
        """See the contract."""
        self.faults.strike("check_can_live_migrate_destination", "before", guest.uuid, guest.name, guest.display_name)
        if self.store.exists(guest.uuid):
            raise MigrationPreCheckError(reason=f"{self.host} has a guest {guest.uuid} already")
        return {
            "destination": dict(self.migration_address()),
            "block_migration": block_migration,
            "shared_storage": self.options.shared_storage,
            "cpu_features": sorted(self.options.cpu_info.get("features", ())),
        }

    def check_can_live_migrate_source(self, guest: GuestSpec, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """See the contract; the refusals are Nova's (nova/virt/libvirt/driver.py check_can_live_migrate_source)."""
        self.faults.strike("check_can_live_migrate_source", "before", guest.uuid, guest.name, guest.display_name)
        record = self.ours(guest.uuid)
        if not record.is_active:
            raise MigrationPreCheckError(reason=f"{record.name} is not running on {self.host}")
        self._destination(data)
        missing = set(self.options.cpu_info.get("features", ())) - set(data.get("cpu_features", ()))
        if missing:
            names = ", ".join(sorted(missing))
            raise MigrationPreCheckError(reason=f"Unacceptable CPU info: the destination's CPU lacks {names}")
        is_shared = bool(self.options.shared_storage and data.get("shared_storage"))
        asked = data.get("block_migration")
        if asked is None and not is_shared and _on_volumes_alone(guest):
            return {**data, "block_migration": False, "is_shared_instance_path": False}
        if asked and is_shared:
            raise MigrationPreCheckError(reason=f"{self.host} is not on local storage: {_SHARED}")
        if asked is False and not is_shared and not _on_volumes_alone(guest):
            raise MigrationPreCheckError(reason=f"{self.host} is not on shared storage: {_NOT_SHARED}")
        return {**data, "block_migration": not is_shared, "is_shared_instance_path": is_shared}

    def _destination(self, data: Mapping[str, Any]) -> GuestStore:
        address = data.get("destination")
        try:
            there = self.neighbour(address if isinstance(address, Mapping) else {})
        except DriverError as error:
            raise MigrationPreCheckError(reason=error.message) from error
        if there is self.store:
            raise MigrationPreCheckError(reason=f"Unable to migrate to the current host ({self.host})")
        return there

    # at the destination ----------------------------------------------------------------------------------------------
    def pre_live_migration(self, guest: GuestSpec, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """See the contract: a directory, and the number of the domain that will be."""
        names = (guest.uuid, guest.name, guest.display_name)
        self.faults.strike("pre_live_migration", "before", *names)
        if not self.store.exists(guest.uuid):
            self.store.make_directory(guest.uuid)
        self.faults.strike("pre_live_migration", "after", *names)
        return {**data, "domain_id": next(self.domain_ids)}

    def post_live_migration_at_destination(self, guest: GuestSpec, data: Mapping[str, Any]) -> None:
        """See the contract; a shutdown that had begun goes on here."""
        self.change(guest.uuid, lambda record, now: [], "post_live_migration_at_destination")

    def rollback_live_migration_at_destination(self, guest: GuestSpec, data: Mapping[str, Any]) -> None:
        """See the contract; a guest that came is whole and lives nowhere else, so it is never removed."""
        names = (guest.uuid, guest.name, guest.display_name)
        self.faults.strike("rollback_live_migration_at_destination", "before", *names)
        if self.store.exists(guest.uuid):
            raise DriverError(reason=f"{guest.name} lives on {self.host}: its live migration was not rolled back")
        moving.forget_brought(self.store, guest.uuid, whole=True)
        self.faults.strike("rollback_live_migration_at_destination", "after", *names)

    # at the source ---------------------------------------------------------------------------------------------------
    def live_migration(self, guest: GuestSpec, data: Mapping[str, Any], progress: LiveProgress) -> None:
        """See the contract; in the middle half of the memory is carried, after it the guest is at the destination."""
        names = (guest.uuid, guest.name, guest.display_name)
        self.faults.strike("live_migration", "before", *names)
        there = self._destination(data)
        if there.exists(guest.uuid) and not self.store.exists(guest.uuid):
            return
        token = self._begin_job(guest.uuid, there, data)
        try:
            self._carry(guest, token, data, progress)
            events = self._switch_over(guest.uuid, token, there)
        except BaseException:
            self._end_job(guest.uuid, token)
            raise
        self.desk.tell(guest.uuid, LifecycleEvent.STOPPED)
        self.desk.look_at_consoles()
        _tell_there(there, guest.uuid, events)
        self.faults.strike("live_migration", "after", *names)

    def _begin_job(self, uuid: str, there: GuestStore, data: Mapping[str, Any]) -> str:
        token = uuids.uuid4().hex
        pid, start = processes.me()

        def change(record: GuestRecord, _now: float) -> machine.Events:
            self.must_be_active(record, "migrate")
            if _has_job(record):
                raise DriverError(reason=f"{record.name} is migrating already")
            domain_id = data.get("domain_id")
            record.migrating = {
                "token": token,
                "pid": pid,
                "start": start,
                "to": there.host,
                "domain_id": domain_id if isinstance(domain_id, int) else _free_domain_id(there),
            }
            return []

        self.apply(uuid, change)
        return token

    def forget_dead_job(self, uuid: str) -> None:
        """A live migration that died with the process that ran it."""

        def change(record: GuestRecord, _now: float) -> machine.Events:
            if not _has_job(record):
                record.migrating = None
            return []

        with contextlib.suppress(GuestNotFound):
            self.apply(uuid, change)

    def _end_job(self, uuid: str, token: str) -> None:
        def change(record: GuestRecord, _now: float) -> machine.Events:
            if record.migrating is not None and record.migrating.get("token") == token:
                record.migrating = None
            return []

        try:
            self.apply(uuid, change)
        except GuestNotFound:
            return  # removed meanwhile, or gone to where it was to go

    def _carry(self, guest: GuestSpec, token: str, data: Mapping[str, Any], progress: LiveProgress) -> None:
        """Copy memory and disks, as fast as the options say, until nothing remains or somebody is out of patience."""
        record = self.settle(guest.uuid)
        memory = record.memory_mb * disks.MIB
        disk = sum(d.size for d in disks.seen(record)) // 16 if data.get("block_migration") else 0
        rate = self.options.live_migration_mb_per_second
        began, share, is_past_the_middle = time.monotonic(), 0.0, False
        while True:
            order = _checked(self.settle(guest.uuid), token).get("order")
            if order == "abort":
                raise MigrationAborted(uuid=guest.uuid)
            progress(_amounts(memory, disk, share))
            if share >= 0.5 and not is_past_the_middle:
                is_past_the_middle = True
                self.faults.strike("live_migration", "middle", guest.uuid, guest.name, guest.display_name)
            if share >= 1.0:
                return
            if rate and self.faults.closed.wait(STEP):
                raise DriverError(reason="The driver was closed during a live migration")
            if order == "force_complete":
                share = 1.0
            elif rate:
                share = min(1.0, (time.monotonic() - began) * rate / max(record.memory_mb, 1))
            else:
                share += 1 / _QUICK_STEPS

    def _switch_over(self, uuid: str, token: str, there: GuestStore) -> list[LifecycleEvent]:
        """The moment in which the guest changes its place; returns what the destination has to tell."""
        with self.store.locked(uuid), _prepared(there, uuid):
            record, now = self.ours(uuid), time.time()
            before = record.clone()
            events = machine.settle(self.store, record, now)
            if record.logged:
                machine.flush(self.store, record, now)
            if record != before:
                self.store.save(record)
            for event in events:
                self.desk.tell(uuid, event)
            if _checked(record, token).get("order") == "abort":
                raise MigrationAborted(uuid=uuid)
            try:
                moving.copy_files(self.store.path(uuid), there.path(uuid))
                os.rename(self.store.path(uuid, "guest.json"), there.path(uuid, "guest.json"))
            except OSError as error:
                raise DriverError(reason=f"{record.name} can't be moved to {there.host}: {error}") from error
        is_running = record.state == PowerState.RUNNING
        return [LifecycleEvent.STARTED, LifecycleEvent.RESUMED if is_running else LifecycleEvent.PAUSED]

    def live_migration_abort(self, uuid: str) -> None:
        """See the contract; another process may do so too."""
        self._order(uuid, "abort")

    def live_migration_force_complete(self, uuid: str) -> None:
        """See the contract."""
        self._order(uuid, "force_complete")

    def _order(self, uuid: str, order: str) -> None:
        def change(record: GuestRecord, _now: float) -> machine.Events:
            if record.migrating is None or not _has_job(record):
                raise DriverError(reason=_NO_JOB)
            if record.migrating.get("order") != "abort":
                record.migrating = {**record.migrating, "order": order}
            return []

        self.change(uuid, change, f"live_migration_{order}")

    def post_live_migration(self, guest: GuestSpec, data: Mapping[str, Any]) -> None:
        """See the contract; a guest that did not leave is left alone."""
        names = (guest.uuid, guest.name, guest.display_name)
        self.faults.strike("post_live_migration", "before", *names)
        if self.store.exists(guest.uuid):
            raise DriverError(reason=f"{guest.name} is still on {self.host}")
        self.desk.end_consoles(guest.uuid)
        moving.forget_brought(self.store, guest.uuid, whole=True)
        self.faults.strike("post_live_migration", "after", *names)


@contextlib.contextmanager
def _prepared(there: GuestStore, uuid: str) -> Iterator[None]:
    """Hold the guest's lock at the destination; raises DriverError when nobody awaits it there."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(there.locked(uuid))
        except GuestNotFound:
            raise DriverError(reason=f"{there.host} does not await {uuid}") from None
        yield


def _has_job(record: GuestRecord) -> bool:
    job = record.migrating
    return job is not None and processes.lives(int(job.get("pid", 0)), str(job.get("start", "")))


def _checked(record: GuestRecord, token: str) -> dict[str, Any]:
    """The job as it stands; raises DriverError when the guest went off, or was started anew, under it."""
    job = record.migrating
    if not record.is_active or job is None or job.get("token") != token:
        raise DriverError(reason=f"operation failed: domain {record.name} is not running")
    return job


def _amounts(memory: int, disk: int, share: float) -> dict[str, int]:
    amounts: dict[str, int] = {}
    for name, total in (("memory", memory), ("disk", disk)):
        done = int(total * share)
        amounts |= {
            f"{name}_total_bytes": total,
            f"{name}_processed_bytes": done,
            f"{name}_remaining_bytes": total - done,
        }
    return amounts


def _free_domain_id(there: GuestStore) -> int:
    return 1 + max((record.domain_id or 0 for record in there.records()), default=0)


def _tell_there(there: GuestStore, uuid: str, events: list[LifecycleEvent]) -> None:
    """Tell whoever watches the destination, in the way in which all processes do."""
    journal = Journal(str(Path(there.directory) / "events"))
    journal.open()
    for event in events:
        journal.add(uuid, event)
    journal.close()
