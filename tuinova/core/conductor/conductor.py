"""The conductor: the one door to the database."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from tuinova.core.conductor import schema
from tuinova.core.conductor.addresses import AddressPool
from tuinova.core.conductor.aggregates import Aggregates
from tuinova.core.conductor.block_devices import BlockDevices
from tuinova.core.conductor.database import open_engines
from tuinova.core.conductor.errors import DatabaseUnavailable
from tuinova.core.conductor.feed import KEEP, Feed, RowCache
from tuinova.core.conductor.flavors import Flavors
from tuinova.core.conductor.floating_ips import FloatingIps
from tuinova.core.conductor.guests import Guests
from tuinova.core.conductor.host_networks import HostNetworks
from tuinova.core.conductor.hosts import Hosts
from tuinova.core.conductor.image_members import ImageMembers
from tuinova.core.conductor.images import Images
from tuinova.core.conductor.listing import Listing
from tuinova.core.conductor.moves import Moves
from tuinova.core.conductor.network_facts import ReadsFacts
from tuinova.core.conductor.networks import Networks
from tuinova.core.conductor.orders import Orders
from tuinova.core.conductor.people import IdentityCache, People
from tuinova.core.conductor.placement import Placement
from tuinova.core.conductor.quotas import Quotas
from tuinova.core.conductor.routers import Routers
from tuinova.core.conductor.security_groups import SecurityGroups
from tuinova.core.conductor.server_groups import ServerGroups
from tuinova.core.conductor.server_ports import ServerPorts
from tuinova.core.conductor.servers import Servers
from tuinova.core.conductor.transaction import Tx
from tuinova.core.conductor.usage import Usage
from tuinova.core.conductor.volume_snapshots import VolumeSnapshots, VolumeTypes
from tuinova.core.conductor.volumes import Volumes
from tuinova.core.conductor.writer import Writer
from tuinova.core.drafts import QuotaLimits
from tuinova.core.records import Change, WorkOrder

LOG = logging.getLogger(__name__)
C = TypeVar("C", bound=Callable[..., None])


def utcnow() -> datetime:
    """The moment, in UTC."""
    return datetime.now(UTC)


class Conductor(
    Servers,
    Listing,
    Orders,
    Placement,
    Moves,
    HostNetworks,
    Networks,
    ServerPorts,
    Routers,
    FloatingIps,
    SecurityGroups,
    ReadsFacts,
    Guests,
    Hosts,
    Aggregates,
    Flavors,
    Images,
    ImageMembers,
    People,
    Quotas,
    ServerGroups,
    Usage,
    Volumes,
    VolumeSnapshots,
    VolumeTypes,
    BlockDevices,
):
    """All calls are blocking and thread-safe; a write returns after its commit, reading never waits for a writer."""

    def __init__(
        self,
        database_url: str,
        *,
        clock: Callable[[], datetime] = utcnow,
        keep_changes: int = KEEP,
        quota_defaults: QuotaLimits | None = None,
        other_quota_defaults: Mapping[str, int] | None = None,
        default_availability_zone: str = "nova",
    ) -> None:
        self.default_availability_zone = default_availability_zone
        self.quota_defaults = quota_defaults or QuotaLimits()
        self.other_quota_defaults = dict(other_quota_defaults or {})
        self._identities = IdentityCache()
        self.database_url = database_url
        self._clock = clock
        self._feed = Feed(keep_changes)
        self._rows = RowCache()
        self._pool = AddressPool()
        self._writer = None
        self._readers = None
        self._commit_listeners: list[Callable[[int], None]] = []
        self._order_listeners: list[Callable[[Sequence[WorkOrder]], None]] = []

    def open(self) -> None:
        """Make or upgrade the database and begin to write; raises DatabaseTooNew, DatabaseUnavailable."""
        try:
            writer, readers = open_engines(self.database_url)
        except (ArgumentError, NoSuchModuleError, ImportError, OSError) as error:
            raise DatabaseUnavailable(reason=str(error)) from error
        try:
            schema.prepare(writer, self._clock())
            with readers.connect() as connection:
                self._feed.start(connection)
        except DBAPIError as error:
            raise DatabaseUnavailable(reason=str(error.orig or error)) from error
        finally:
            if self._feed.started is False:
                writer.dispose()
                readers.dispose()
        driver: Any = readers.dialect.loaded_dbapi
        self._driver_error = driver.Error
        self._readers = readers
        self._engine = writer
        self._writer = Writer(writer, self._clock, self._committed, self._announce)
        self._writer.start()

    def close(self) -> None:
        """Carry out what is queued and let go of the database; harmless when it is closed already."""
        if self._writer is None or self._readers is None:
            return
        self._writer.close()
        self._writer = None
        self._readers.dispose()
        self._readers = None
        self._engine.dispose()

    # in the writer thread --------------------------------------------------------------------------------------------
    def _committed(self, transactions: Sequence[Tx]) -> None:
        """Before any caller hears of its commit: what they read next must show it."""
        self._rows.apply(transactions)
        if self._feed.apply(transactions) and self._writer is not None:
            self._writer.submit(self._feed.trim)

    def _announce(self, transactions: Sequence[Tx]) -> None:
        orders = [order for tx in transactions for order in tx.orders]
        if orders:
            for listener in self._order_listeners:
                _call(listener, orders)
        if any(tx.changes for tx in transactions):
            for wake in self._commit_listeners:
                _call(wake, self._feed.last)

    # followers -------------------------------------------------------------------------------------------------------
    def on_orders(self, callback: Callable[[Sequence[WorkOrder]], None]) -> None:
        """Call with new orders after their commit, in the writer thread: it must not block."""
        self._order_listeners.append(callback)

    def on_commit(self, callback: Callable[[int], None]) -> None:
        """Call with the newest change's number after each commit, in the writer thread: it must not block."""
        self._commit_listeners.append(callback)

    def last_change(self) -> int:
        """The number of the newest change."""
        return self._feed.last

    def changes(self, since: int, limit: int = 1000) -> list[Change]:
        """The changes after that number, in order; raises ChangesTrimmed when some of them are no longer kept."""
        recent = self._feed.recent(since, limit)
        if recent is not None:
            return recent
        with self._reading() as connection:
            return self._feed.stored(connection, since, limit)


def _call(listener: Callable[..., None], argument: object) -> None:
    try:
        listener(argument)
    except Exception:
        LOG.exception("A follower of the conductor failed")
