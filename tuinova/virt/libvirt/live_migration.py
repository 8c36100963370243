"""Live migration (nova/virt/libvirt/driver.py _live_migration_operation, migration.py).

libvirtd at the source carries it out by itself, peer to peer: a caller that dies does not stop it, and one that calls
again follows the move that is under way. Which host has the guest is always said by its domains: it has left the source
when it is undefined there, and has not arrived while the destination's domain is one that waits for its memory.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import libvirt

from tuinova.core.errors import HypervisorUnavailable
from tuinova.core.states import PowerState
from tuinova.virt.driver import DriverError, GuestNotFound, GuestSpec, LiveProgress, MigrationAborted
from tuinova.virt.libvirt import move_notes, power
from tuinova.virt.libvirt.connection import open_connection
from tuinova.virt.libvirt.errors import connection_broken, translate, words
from tuinova.virt.libvirt.guests import Guests
from tuinova.virt.libvirt.layout import InstanceFiles
from tuinova.virt.libvirt.live_checks import LiveChecks
from tuinova.virt.libvirt.live_files import LiveFiles, carry_log, is_arriving, moved_definition
from tuinova.virt.libvirt.move_notes import FROM, TO, MoveNote
from tuinova.virt.libvirt.options import LibvirtOptions

LOG = logging.getLogger(__name__)

POLL = 0.5  # seconds, Nova's
FIRST_POLL = 0.05  # until it has begun
LEAVE_PATIENCE = 30.0  # seconds that libvirt gets to forget a guest that has gone
ABORT_PATIENCE = 60.0  # seconds until a move that was told to end must have ended
GIB = 1 << 30
# Off, gone, or itself one that arrives.
_NO_JOB = frozenset(
    {libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_OPERATION_UNSUPPORTED, libvirt.VIR_ERR_NO_DOMAIN}
)
_XML = libvirt.VIR_DOMAIN_XML_MIGRATABLE | libvirt.VIR_DOMAIN_XML_SECURE


class LiveMigrations:
    """The calls at source and destination."""

    def __init__(self, guests: Guests, checks: LiveChecks, files: LiveFiles, options: LibvirtOptions) -> None:
        self._guests = guests
        self._host = guests.host
        self._checks = checks
        self._files = files
        self._options = options
        self._under_way: dict[str, Future[None]] = {}
        # Told to end from here: what libvirt's call then says of it depends on what it was copying just then.
        self._told_to_end: set[str] = set()

    # at the destination ----------------------------------------------------------------------------------------------
    def prepare(self, guest: GuestSpec, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Files and ports; a failure leaves nothing."""
        self._checks.compare_cpu(data)
        if data["block_migration"]:
            self._files.prepare(guest, self._guests.files(guest.uuid), data)
        try:
            self._guests.plug(guest)
        except BaseException:
            self.roll_back(guest, data)
            raise
        return dict(data)

    def roll_back(self, guest: GuestSpec, data: Mapping[str, Any]) -> None:
        """Remove what waits for the guest; a guest that has come is left alone."""
        domain = self._host.find_or_none(guest.uuid)
        if domain is not None:
            if not power.is_incoming(domain):
                raise DriverError(reason=f"guest {guest.uuid} has arrived on host {self._host.name}")
            power.force_off(domain, guest.uuid)
        files = self._guests.files(guest.uuid)
        self._guests.networks.unplug_all(guest.uuid)
        if data["block_migration"]:
            files.drop(files.incoming, *((files.directory,) if is_arriving(files) else ()))

    def settle(self, guest: GuestSpec, data: Mapping[str, Any]) -> None:
        """The guest is at home here: its whole log, a definition from its record, kept."""
        domain = self._host.find(guest.uuid)
        if power.is_incoming(domain):
            raise DriverError(reason=f"guest {guest.uuid} has not arrived on host {self._host.name} yet")
        files = self._guests.files(guest.uuid)
        self._carry_log(guest, data)
        self._guests.define(guest, files)
        move_notes.forget(files.directory, FROM)

    # at the source ---------------------------------------------------------------------------------------------------
    def leave(self, guest: GuestSpec, data: Mapping[str, Any]) -> None:
        """What the guest left behind goes, once it is sure that it has left."""
        domain = self._host.find_or_none(guest.uuid)
        if domain is not None:
            if not power.has_migrated(domain):
                raise DriverError(reason=f"guest {guest.uuid} is still on host {self._host.name}")
            power.undefine(domain)
        files = self._guests.files(guest.uuid)
        if not data["block_migration"]:
            self._guests.networks.unplug_all(guest.uuid)
            return
        if files.directory.exists() and not self._has_left(files, data):
            raise DriverError(reason=f"guest {guest.uuid} is on neither host: its files are kept")
        self._carry_log(guest, data)
        self._guests.remove(guest.uuid)

    def _has_left(self, files: InstanceFiles, data: Mapping[str, Any]) -> bool:
        """For a domain that is undefined here: noted when its move was over, or seen at the destination."""
        if move_notes.read(files.directory, TO) is not None:
            return True
        conn = None
        try:
            conn = open_connection(data["destination"]["uri"])
            return not power.is_incoming(conn.lookupByUUIDString(files.uuid))
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return False
            raise DriverError(reason=f"the destination of {files.uuid} can't be asked: {words(error)}") from error
        finally:
            if conn is not None:
                conn.close()

    def _carry_log(self, guest: GuestSpec, data: Mapping[str, Any]) -> None:
        if data["block_migration"]:
            ends = (InstanceFiles(Path(data[end]["instances"]), guest.uuid) for end in ("source", "destination"))
            carry_log(*ends)

    def move(self, guest: GuestSpec, data: Mapping[str, Any], progress: LiveProgress) -> None:
        """Return when the guest is at the destination."""
        files = self._guests.files(guest.uuid)
        domain = self._host.find_or_none(guest.uuid)
        if domain is None:
            if files.directory.exists() and self._has_left(files, data):
                return
            raise GuestNotFound(uuid=guest.uuid)
        if migration_stats(domain) is not None:
            LOG.info("the live migration of %s is under way already", guest.uuid)
            self._follow_to_its_end(guest, data, progress)
        else:
            self._carry_out(guest, domain, data, progress)
        if files.directory.exists() and data["block_migration"]:
            move_notes.write(files.directory, TO, MoveNote(data["destination"]["instances"]))

    def _carry_out(
        self, guest: GuestSpec, domain: libvirt.virDomain, data: Mapping[str, Any], progress: LiveProgress
    ) -> None:
        move_notes.forget(self._guests.files(guest.uuid).directory, TO, FROM)
        self._told_to_end.discard(guest.uuid)
        with ThreadPoolExecutor(1, "live-migration") as pool:
            under_way = self._under_way[guest.uuid] = pool.submit(self._migrate, guest.uuid, data)
            try:
                told = self._follow(under_way, domain, _writable(data), progress)
                if under_way.exception() is None and told:
                    # What libvirt told last was half a second before the end.
                    rest = {f"{kind}_remaining_bytes": 0 for kind in ("memory", "disk")}
                    progress({**told, **rest})
            except BaseException:
                self._end(guest.uuid, under_way)
                if under_way.exception() is not None:
                    raise
                LOG.info("%s had arrived before its live migration could be ended", guest.uuid)
            finally:
                del self._under_way[guest.uuid]
        error = under_way.exception()
        if isinstance(error, libvirt.libvirtError) and connection_broken(error):
            # libvirtd may have gone on with it, or come back without it.
            self._follow_to_its_end(guest, data, progress)
        elif error is not None:
            if guest.uuid in self._told_to_end:
                raise MigrationAborted(uuid=guest.uuid) from error
            raise _translated(error, self._host.name, guest.uuid)

    def _migrate(self, uuid: str, data: Mapping[str, Any]) -> None:
        """In a thread of its own: libvirt's call lasts as long as the move."""
        domain = self._host.find(uuid)
        flags = libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER
        flags |= libvirt.VIR_MIGRATE_UNDEFINE_SOURCE | libvirt.VIR_MIGRATE_PERSIST_DEST
        parameters: dict[str, Any] = {
            libvirt.VIR_MIGRATE_PARAM_DEST_XML: domain.XMLDesc(_XML),
            libvirt.VIR_MIGRATE_PARAM_PERSIST_XML: domain.XMLDesc(_XML | libvirt.VIR_DOMAIN_XML_INACTIVE),
        }
        parameters = {name: moved_definition(xml, data, uuid) for name, xml in parameters.items()}
        if writable := _writable(data):
            flags |= libvirt.VIR_MIGRATE_NON_SHARED_INC
            parameters[libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS] = writable
        if data.get("volumes"):
            # Both hosts see the very same files, which libvirt can't know of a local directory.
            flags |= libvirt.VIR_MIGRATE_UNSAFE
        if data["destination"].get("data_uri"):
            parameters[libvirt.VIR_MIGRATE_PARAM_URI] = data["destination"]["data_uri"]
        if self._options.live_migration_bandwidth:
            parameters[libvirt.VIR_MIGRATE_PARAM_BANDWIDTH] = self._options.live_migration_bandwidth
        if self._options.live_migration_permit_post_copy and power.state_of(domain) == PowerState.RUNNING:
            flags |= libvirt.VIR_MIGRATE_POSTCOPY
        elif self._options.live_migration_permit_auto_converge:
            flags |= libvirt.VIR_MIGRATE_AUTO_CONVERGE
        domain.migrateToURI3(data["destination"]["migration_uri"], parameters, flags)

    def _follow(
        self, under_way: Future[None], domain: libvirt.virDomain, writable: list[str], progress: LiveProgress
    ) -> dict[str, int]:
        """Tell how far it is, and keep Nova's times, until libvirt's call is over; returns what was told last."""
        began = time.monotonic()
        clock: _Clock | None = None
        pause, told = FIRST_POLL, {}
        while not wait([under_way], pause).done:
            stats = _quietly_stats(domain, writable)
            if stats is None:
                continue
            pause = POLL
            told = progress_of(stats)
            progress(told)
            total = told["memory_total_bytes"] + told["disk_total_bytes"]
            if clock is None and total:
                clock = _Clock(self._options, total)
            if clock is not None:
                self._keep_time(domain, clock, time.monotonic() - began)
        return told

    def _keep_time(self, domain: libvirt.virDomain, clock: _Clock, elapsed: float) -> None:
        for downtime in clock.due_downtimes(elapsed):
            try:
                domain.migrateSetMaxDowntime(downtime, 0)
            except libvirt.libvirtError as error:
                LOG.debug("downtime of the migration of %s: %s", domain.name(), error)
        if clock.is_over(elapsed):
            if self._options.live_migration_timeout_action == "force_complete":
                self.force_complete(domain.UUIDString())
            else:
                raise DriverError(reason=f"the live migration did not end within {clock.timeout:.0f} s")

    def _follow_to_its_end(self, guest: GuestSpec, data: Mapping[str, Any], progress: LiveProgress) -> None:
        """A move that somebody else began: what becomes of it is seen from the domain."""
        connection = self._host.connection
        while True:
            stats = connection.lasting(lambda: self._stats_of(guest.uuid))
            if stats is None:
                break
            try:
                progress(progress_of(stats))
            except BaseException:
                self.abort(guest.uuid)
                raise
            time.sleep(POLL)
        deadline = time.monotonic() + LEAVE_PATIENCE
        while connection.lasting(lambda: self._is_leaving(guest.uuid)):
            if time.monotonic() > deadline:
                break
            time.sleep(power.POLL)
        if connection.lasting(lambda: self._host.find_or_none(guest.uuid)) is not None:
            raise DriverError(reason=f"the live migration of {guest.uuid} ended, and the guest is still here")
        if not self._has_left(self._guests.files(guest.uuid), data):
            raise GuestNotFound(uuid=guest.uuid)

    def _stats_of(self, uuid: str) -> dict[str, Any] | None:
        domain = self._host.find_or_none(uuid)
        return None if domain is None else migration_stats(domain)

    def _is_leaving(self, uuid: str) -> bool:
        """Between the end of the job and that of the domain."""
        domain = self._host.find_or_none(uuid)
        return domain is not None and power.is_leaving(domain)

    def _end(self, uuid: str, under_way: Future[None]) -> None:
        """Make libvirt's call return."""
        deadline = time.monotonic() + ABORT_PATIENCE
        while not wait([under_way], POLL / 5).done and time.monotonic() < deadline:
            try:
                self.abort(uuid, patience=0)
            except (DriverError, HypervisorUnavailable, libvirt.libvirtError) as error:
                LOG.debug("ending the live migration of %s: %s", uuid, error)
        wait([under_way])

    # beside it -------------------------------------------------------------------------------------------------------
    def abort(self, uuid: str, patience: float = ABORT_PATIENCE) -> None:
        """End it; returns when it is known whether the guest stayed."""
        domain = self._moving(uuid)
        self._told_to_end.add(uuid)
        domain.abortJob()
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            found = self._host.find_or_none(uuid)
            if found is None or migration_stats(found) is None:
                return
            time.sleep(power.POLL)

    def force_complete(self, uuid: str) -> None:
        """Post-copy where it may be, else the guest stands still until it is over."""
        domain = self._moving(uuid)
        if self._options.live_migration_permit_post_copy:
            try:
                domain.migrateStartPostCopy(0)
                return
            except libvirt.libvirtError as error:
                if connection_broken(error):
                    raise
                LOG.info("no post-copy for %s, it is paused instead: %s", uuid, error)
        domain.suspend()

    def _moving(self, uuid: str) -> libvirt.virDomain:
        domain = self._host.find(uuid)
        while migration_stats(domain) is None:
            ours = self._under_way.get(uuid)
            if ours is None or ours.done():
                raise DriverError(reason=f"no live migration of {uuid} is under way")
            time.sleep(FIRST_POLL)  # it is just beginning
        return domain


class _Clock:
    """Nova's times for one move: how long the guest may stand still at its end, and when it is given up."""

    def __init__(self, options: LibvirtOptions, total: int) -> None:
        size = max(1.0, total / GIB)
        self.timeout = options.live_migration_completion_timeout * size
        self._was_over = False
        steps = max(1, options.live_migration_downtime_steps)
        first = options.live_migration_downtime / steps
        width = (options.live_migration_downtime - first) / steps
        delay = options.live_migration_downtime_delay * size
        self._steps = [(delay * number, int(first + width * number)) for number in range(steps + 1)]

    def due_downtimes(self, elapsed: float) -> Iterator[int]:
        """Milliseconds that may be set now; each once."""
        while self._steps and self._steps[0][0] <= elapsed:
            yield self._steps.pop(0)[1]

    def is_over(self, elapsed: float) -> bool:
        """Whether it took too long; said once."""
        if self._was_over or not self.timeout or elapsed < self.timeout:
            return False
        self._was_over = True
        return True


def migration_stats(domain: libvirt.virDomain) -> dict[str, Any] | None:
    """The figures of a migration away from here; None when there is none."""
    try:
        stats: dict[str, Any] = domain.jobStats()
    except libvirt.libvirtError as error:
        if error.get_error_code() in _NO_JOB:
            return None
        raise
    if stats.get("type") == libvirt.VIR_DOMAIN_JOB_NONE:
        return None
    return stats if stats.get("operation") == libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT else None


def _quietly_stats(domain: libvirt.virDomain, writable: list[str]) -> dict[str, Any] | None:
    """The same, and nothing while libvirtd is away: the end of the move is told by the call that moves.

    libvirt has no figures before the memory's turn; the disks, which come first, are asked one by one.
    """
    try:
        stats = migration_stats(domain)
        if stats is None or stats.get("memory_total"):
            return stats
        size = domain.maxMemory() * 1024
        copies = [job for target in writable if (job := domain.blockJobInfo(target, 0))]
        done, total = (sum(job[key] for job in copies) for key in ("cur", "end"))
    except libvirt.libvirtError:
        return None
    memory = {"memory_total": size, "memory_remaining": size}
    return {**stats, **memory, "disk_total": total, "disk_processed": done, "disk_remaining": total - done}


def _writable(data: Mapping[str, Any]) -> list[str]:
    """The disks that QEMU copies."""
    return [disk["target"] for disk in data["disks"] if not disk["readonly"]]


def progress_of(stats: Mapping[str, Any]) -> dict[str, int]:
    """Nova's names of a migration's figures."""
    return {
        f"{kind}_{part}_bytes": int(stats.get(f"{kind}_{part}", 0))
        for kind in ("memory", "disk")
        for part in ("total", "processed", "remaining")
    }


def _translated(error: BaseException, host: str, uuid: str) -> BaseException:
    if isinstance(error, libvirt.libvirtError):
        if error.get_error_code() == libvirt.VIR_ERR_OPERATION_ABORTED:
            return MigrationAborted(uuid=uuid)
        return translate(error, host=host, uuid=uuid)
    return error
