"""How a fake host changes its guests: under a lock, with the faults that were ordered, and telling who listens."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path

from tuinova.virt.driver import DriverError, GuestNotFound
from tuinova.virt.fake import machine
from tuinova.virt.fake.disk_file import DiskContent
from tuinova.virt.fake.events import EventDesk
from tuinova.virt.fake.faults import Faults
from tuinova.virt.fake.options import FakeOptions
from tuinova.virt.fake.record import GuestRecord, flush
from tuinova.virt.fake.store import GuestStore

Change = Callable[[GuestRecord, float], machine.Events]


class GuestKeeper:
    """The part of the fake driver that is not the contract."""

    def __init__(self, host: str, path: Path, nodes: int, options: FakeOptions) -> None:
        self.host = host
        self.options = options
        self.directory = path / host
        self.nodes = (host, *(f"{host}-{number}" for number in range(2, nodes + 1)))
        self.store = GuestStore(self.directory)
        self.store.create()
        self.faults = Faults(self.directory, host, options.faults)
        self.desk = EventDesk(self)
        self.domain_ids = itertools.count(1)
        self.image_contents: dict[tuple[str, int], DiskContent] = {}

    def ours(self, uuid: str) -> GuestRecord:
        """One of our guests; raises GuestNotFound."""
        record = self.store.load(uuid)
        if record.foreign:
            raise GuestNotFound(uuid=uuid)
        return record

    def begin(self, uuid: str, method: str) -> None:
        """The faults that were ordered for the start of a call; never under a lock, since one may hang."""
        if self.faults.are_ordered:
            for when in ("before", "middle"):
                self.faults.strike(method, when, *self._names(uuid))

    def finish(self, uuid: str, method: str) -> None:
        """The faults that were ordered for the end of a call."""
        if self.faults.are_ordered:
            self.faults.strike(method, "after", *self._names(uuid))

    def _names(self, uuid: str) -> tuple[str, ...]:
        try:
            record = self.store.peek(uuid)
        except GuestNotFound:
            return (uuid,)
        return uuid, record.name, record.display_name

    def change(self, uuid: str, change: Change, method: str) -> GuestRecord:
        """A whole call: its faults, and the change of one guest."""
        self.begin(uuid, method)
        record = self.apply(uuid, change)
        self.finish(uuid, method)
        return record

    def apply(self, uuid: str, change: Change) -> GuestRecord:
        """Change a guest under its lock and tell the listeners."""
        with self.store.locked(uuid):
            record, now = self.ours(uuid), time.time()
            before = record.clone()
            events = machine.settle(self.store, record, now)
            events += change(record, now)
            if record != before:
                if record.volumes:
                    flush(before, record)
                self.store.save(record)
            for event in events:
                self.desk.tell(uuid, event)
        if record.down_at is not None:
            self.desk.expect(uuid, record.down_at)
        self.desk.look_at_consoles()
        return record

    def settle(self, uuid: str, *, look: bool = False, all_boots: bool = False) -> GuestRecord:
        """Let happen what was due to a guest; with `look` its log is brought up to date. Returns it as it is now."""
        with self.store.locked(uuid):
            record, now = self.store.load(uuid), time.time()
            before = record.clone()
            events = machine.settle(self.store, record, now)
            if look:
                machine.flush(self.store, record, now)
            if all_boots:
                machine.keep_earlier(self.store, record)
            if record != before:
                self.store.save(record)
            for event in events:
                self.desk.tell(uuid, event)
        return record

    def remove(self, uuid: str, method: str) -> None:
        """Power off and remove every file; a guest that is gone is fine, a foreign one is left alone."""
        if self.stop_for_good(uuid):
            self.faults.strike(method, "middle", uuid)
            self.discard(uuid)
            self.store.forget_aside(uuid)
        self.faults.strike(method, "after", uuid)

    def stop_for_good(self, uuid: str) -> bool:
        """Power off before the files go; False for a foreign guest."""
        try:
            with self.store.locked(uuid):
                record = self.store.load(uuid)
                if record.foreign:
                    return False
                now = time.time()
                events = machine.stop(record, now)
                if self.desk.has_console(uuid):
                    machine.flush(self.store, record, now)
                if events and self.faults.are_ordered:
                    self.store.save(record)  # a fault in the middle finds it off, with its files
                for event in events:
                    self.desk.tell(uuid, event)
        except GuestNotFound:
            pass  # only files are left, or nothing
        return True

    def discard(self, uuid: str) -> None:
        """Remove the files of a guest and end its consoles."""
        self.desk.end_consoles(uuid)
        self.store.remove(uuid)

    @staticmethod
    def must_be_active(record: GuestRecord, what: str) -> None:
        """Raise DriverError for a guest that is off."""
        if not record.is_active:
            raise DriverError(reason=f"Cannot {what} {record.name}: domain is not running")
