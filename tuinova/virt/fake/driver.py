"""The fake driver: Nova's driver contract on guests that are files.

Nova source for the numbers: nova/virt/fake.py. Unlike Nova's, these guests boot, print, obey ACPI or don't, and live on
when the service dies: another driver object on the same directory, in whatever process, sees the same guests.
"""

from __future__ import annotations

import itertools
import time
import uuid as uuids
from collections.abc import Mapping, Sequence
from pathlib import Path

from tuinova.core.errors import ConsoleNotAvailable
from tuinova.core.states import PowerState
from tuinova.virt.driver import (
    ComputeDriver,
    ConnectionListener,
    ConsoleSink,
    ConsoleStream,
    DriverError,
    GuestInfo,
    GuestNotFound,
    GuestSpec,
    HostNetwork,
    LifecycleListener,
    NodeResources,
    RebootType,
)
from tuinova.virt.fake import console, disks, machine
from tuinova.virt.fake.doings import Doings
from tuinova.virt.fake.host import KEYS, NETWORK, is_three_finger_salute, resources
from tuinova.virt.fake.image_cache import ImageCache
from tuinova.virt.fake.live_migration import LiveMigrations
from tuinova.virt.fake.networks import Networks
from tuinova.virt.fake.options import FakeOptions
from tuinova.virt.fake.record import GuestRecord
from tuinova.virt.fake.rescue import Rescues
from tuinova.virt.fake.snapshots import Snapshots
from tuinova.virt.fake.volume_disks import VolumeDisks

LOG_BYTES = 100 * 1024  # nova/virt/libvirt/driver.py MAX_CONSOLE_BYTES
SOFT_REBOOT_SECONDS = 120  # [libvirt] wait_soft_reboot_seconds
_BIG_OUTPUT = 256 * 1024


class FakeDriver(Snapshots, Rescues, VolumeDisks, LiveMigrations, ImageCache, Networks, Doings, ComputeDriver):
    """Guests as files under `path/host`; see `options.py` for its manners and `faults.py` for failures to order."""

    def __init__(self, *, host: str, path: Path, nodes: int = 1, options: FakeOptions | None = None) -> None:
        super().__init__(host, path, nodes, options or FakeOptions())
        self.connection_name = "fake"
        self.virt_type = "fake"
        self.virt_type_reason = "the fake driver was asked for: its guests are files, nothing runs"
        self._booted_at = time.time()

    # life ------------------------------------------------------------------------------------------------------------
    def init_host(self, on_lifecycle: LifecycleListener, on_connection: ConnectionListener) -> None:
        """See the contract."""
        self.faults.closed.clear()
        self.faults.strike("init_host", "before")
        records = list(self.store.records())
        self.domain_ids = itertools.count(1 + max((r.domain_id or 0 for r in records), default=0))
        self.sweep_snapshots()
        self.desk.open(on_lifecycle, on_connection)
        for record in records:
            if record.down_at is not None:
                self.desk.expect(record.uuid, record.down_at)
            if record.migrating is not None:
                self.forget_dead_job(record.uuid)

    def close(self) -> None:
        """See the contract; a call that hangs by order ends with an error."""
        self.faults.closed.set()
        self.desk.close()

    def warnings(self) -> Sequence[str]:
        """See the contract."""
        return []

    # what is there ---------------------------------------------------------------------------------------------------
    def list_guests(self) -> Sequence[GuestInfo]:
        """See the contract."""
        self.faults.strike("list_guests", "before")
        return [self._info(record) for record in self.store.records() if not record.foreign]

    def guest_info(self, uuid: str) -> GuestInfo:
        """See the contract."""
        self.faults.strike("guest_info", "before", uuid)
        return self._info(self.ours(uuid))

    def _info(self, record: GuestRecord) -> GuestInfo:
        if record.down_at is not None and record.down_at <= time.time():
            record = self.settle(record.uuid)
        return GuestInfo(record.uuid, record.power, record.domain_id if record.is_active else None)

    def node_resources(self) -> Sequence[NodeResources]:
        """See the contract."""
        self.faults.strike("node_resources", "before")
        return resources(self.nodes, self.options, self.store.records(), self._booted_at)

    def list_networks(self) -> Sequence[HostNetwork]:
        """See the contract."""
        self.faults.strike("list_networks", "before")
        return [NETWORK]

    def leftovers(self) -> Mapping[str, Sequence[str]]:
        """See the contract."""
        self.faults.strike("leftovers", "before")
        found: dict[str, list[str]] = {uuid: ["directory"] for uuid in self.store.half_made()}
        for uuid in self.store.set_aside():
            found.setdefault(uuid, []).append("resize")
        return found

    # changing a guest ------------------------------------------------------------------------------------------------
    def spawn(self, guest: GuestSpec) -> None:
        """See the contract."""
        names = (guest.uuid, guest.name, guest.display_name)
        self.faults.strike("spawn", "before", *names)
        self.store.make_directory(guest.uuid)
        try:
            drive = guest.config_drive_files() if guest.config_drive and guest.config_drive_files else None
            record = self.new_record(guest, drive)
            self.faults.strike("spawn", "middle", *names)
            if drive is not None:
                self.store.write_config_drive(guest.uuid, drive)
            if self.options.spawn_seconds:
                self.faults.closed.wait(self.options.spawn_seconds)
            # No lock: nobody else knows of it before its file is there.
            events = machine.start(self.store, record, time.time(), next(self.domain_ids))
            self.store.save(record)
            for event in events:
                self.desk.tell(guest.uuid, event)
            self.faults.strike("spawn", "after", *names)
        except BaseException:
            self.stop_for_good(guest.uuid)
            self.discard(guest.uuid)
            raise

    def destroy(self, guest: GuestSpec) -> None:
        """See the contract."""
        self.faults.strike("destroy", "before", guest.uuid, guest.name, guest.display_name)
        self.remove(guest.uuid, "destroy")

    def cleanup(self, uuid: str) -> None:
        """See the contract."""
        self.faults.strike("cleanup", "before", uuid)
        self.remove(uuid, "cleanup")

    def power_off(self, uuid: str, timeout: int, retry_interval: int) -> None:
        """See the contract."""
        self.begin(uuid, "power_off")
        self.go_off(uuid, timeout, retry_interval)
        self.finish(uuid, "power_off")

    def power_on(self, guest: GuestSpec) -> None:
        """See the contract."""
        self.change(guest.uuid, self.boot(guest, even_if_running=False), "power_on")

    def reboot(self, guest: GuestSpec, kind: RebootType) -> RebootType:
        """See the contract; a guest that ignores ACPI or does not run falls back to hard at once, not after 120 s."""
        self.begin(guest.uuid, "reboot")
        record = self.ours(guest.uuid)
        done = RebootType.HARD
        if kind is RebootType.SOFT and record.state == PowerState.RUNNING and not record.ignore_acpi:
            self.shut_down(guest.uuid, SOFT_REBOOT_SECONDS, SOFT_REBOOT_SECONDS)
            done = RebootType.SOFT
        self.apply(guest.uuid, self.boot(guest, even_if_running=True))
        self.finish(guest.uuid, "reboot")
        return done

    def pause(self, uuid: str) -> None:
        """See the contract."""

        def change(record: GuestRecord, now: float) -> machine.Events:
            if record.state == PowerState.PAUSED:
                return []
            self.must_be_active(record, "pause")
            record.halt(now, PowerState.PAUSED)
            return [machine.LifecycleEvent.PAUSED]

        self.change(uuid, change, "pause")

    def unpause(self, uuid: str) -> None:
        """See the contract."""

        def change(record: GuestRecord, now: float) -> machine.Events:
            if record.state == PowerState.RUNNING:
                return []
            self.must_be_active(record, "unpause")
            return machine.go_on(self.store, record, now)

        self.change(uuid, change, "unpause")

    def suspend(self, uuid: str) -> None:
        """See the contract."""

        def change(record: GuestRecord, now: float) -> machine.Events:
            if record.saved:
                return []
            self.must_be_active(record, "suspend")
            return machine.save_memory(record, now)

        self.change(uuid, change, "suspend")

    def resume(self, guest: GuestSpec) -> None:
        """See the contract; without a saved memory the guest boots, as libvirt's does."""

        def change(record: GuestRecord, now: float) -> machine.Events:
            if record.state == PowerState.RUNNING:
                return []
            if record.saved:
                return machine.restore(record, now, next(self.domain_ids))
            self.must_have_disks(record)
            return machine.stop(record, now) + machine.start(self.store, record, now, next(self.domain_ids))

        self.change(guest.uuid, change, "resume")

    def resume_state_on_host_boot(self, guest: GuestSpec) -> None:
        """See the contract; a rescued guest is rescued again, from the disk that it has."""

        def change(record: GuestRecord, now: float) -> machine.Events:
            if record.is_active or record.saved:
                return []
            return self.boot(guest, even_if_running=False)(record, now)

        self.change(guest.uuid, change, "resume_state_on_host_boot")

    # console ---------------------------------------------------------------------------------------------------------
    def console_output(self, uuid: str, all_boots: bool = False) -> bytes:
        """See the contract."""
        self.faults.strike("console_output", "before", uuid)
        try:
            self.ours(uuid)
            self.settle(uuid, look=True, all_boots=all_boots)
            return self.store.read_log(uuid, LOG_BYTES, all_boots)
        except GuestNotFound:
            raise ConsoleNotAvailable() from None

    def open_console(self, uuid: str, sink: ConsoleSink, *, force: bool = False) -> ConsoleStream:
        """See the contract."""
        self.faults.strike("open_console", "before", uuid)
        self.ours(uuid)
        with self.store.locked(uuid):
            record = self.ours(uuid)
            now = time.time()
            events = machine.settle(self.store, record, now)
            machine.flush(self.store, record, now)
            record.logged = True  # from here on the stream follows the log, so all goes there
            self.store.save(record)
            if not record.is_active or record.domain_id is None:
                raise DriverError(reason=f"The domain {record.name} is not running")
            token = console.take_console(self.store, uuid, force=force)
            stream = console.FakeConsole(self.store, uuid, record.domain_id, token, sink)
        stream.send = lambda data: self._type(stream, data)
        for event in events:
            self.desk.tell(uuid, event)
        self.desk.add_console(stream)
        return stream

    def _type(self, stream: console.FakeConsole, data: bytes) -> None:
        printed = 0

        def change(record: GuestRecord, now: float) -> machine.Events:
            nonlocal printed
            if record.domain_id != stream.domain_id or not record.is_active:
                raise DriverError(reason=f"The console stream of {record.uuid} is over")
            printed = machine.typed(self.store, record, data, now, self.options.shutdown_seconds)
            return []

        self.change(stream.uuid, change, "console_write")
        if printed > _BIG_OUTPUT:
            # The log must not be rotated twice before the stream has read it.
            stream.drained.wait(5)

    def send_keys(self, uuid: str, keys: Sequence[str]) -> None:
        """See the contract; ctrl, alt and delete together reset the guest, other keys go to a screen nobody sees."""
        unknown = [key for key in keys if key.lower() not in KEYS]
        if unknown or not keys:
            raise DriverError(reason=f"Unknown key {', '.join(unknown)}" if unknown else "No keys were named")

        def change(record: GuestRecord, now: float) -> machine.Events:
            self.must_be_active(record, "send keys to")
            if is_three_finger_salute(keys) and record.state == PowerState.RUNNING:
                machine.reset(self.store, record, now)
            return []

        self.change(uuid, change, "send_keys")

    def graphics_address(self, uuid: str) -> str | None:
        """See the contract: a fake guest has no display."""
        self.ours(uuid)
        return None

    def disks_of(self, uuid: str) -> Sequence[disks.Disk]:
        """The disks that the guest sees, in order; not of the contract."""
        return disks.seen(self.ours(uuid))

    # for tests -------------------------------------------------------------------------------------------------------
    def plant_foreign(
        self,
        name: str,
        *,
        memory_mb: int = 1024,
        vcpus: int = 1,
        disk_gb: int = 10,
        state: PowerState = PowerState.RUNNING,
    ) -> str:
        """A guest that somebody else made on this host; returns its uuid."""
        uuid = str(uuids.uuid4())
        self.store.make_directory(uuid)
        self.store.save(
            GuestRecord(uuid, name, foreign=True, memory_mb=memory_mb, vcpus=vcpus, disk_gb=disk_gb, state=int(state))
        )
        return uuid
