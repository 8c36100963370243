"""The table of hosts: what is known of every compute node, as columns, kept current while decisions are made."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tuinova.scheduler import pci
from tuinova.scheduler.layout import POOLED, cells_of, new_columns, new_pools, pci_cells_of, shared_cells_of
from tuinova.scheduler.records import (
    NO_AGGREGATES,
    AggregateInfo,
    AggregateSet,
    Holding,
    HostRecord,
    PciPool,
    ServiceInfo,
    unite_aggregates,
)
from tuinova.scheduler.request import Amounts
from tuinova.scheduler.view import Snapshot

# A table with fewer dead rows or spare values than this is never compacted.
_SPARE = 64

Where = int | tuple[str, str]
_Consumers = dict[str, Holding]


class HostTable:
    """Every compute node as one row; all methods may be called from any thread.

    A row's number stays valid until rows were removed and the table compacted; (host, node) is always accepted instead.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._services: dict[str, ServiceInfo] = {}
        self._aggregates: dict[str, AggregateSet] = {}
        self._zones: Counter[str] = Counter()
        self._declared_zones: frozenset[str] = frozenset()
        self._epoch = 0
        self._dead = 0
        self._names: list[tuple[str, str]] = []
        self._index: dict[tuple[str, str], int] = {}
        self._rows_of_host: dict[str, tuple[int, ...]] = {}
        self._rows_of_node: dict[str, tuple[int, ...]] = {}
        self._rows_of_consumer: dict[str, tuple[int, ...]] = {}
        self._held: list[_Consumers] = []
        self._foreign: list[Amounts] = []
        self._aggregate_keys: set[str] = set()
        self._columns = new_columns()
        self._pools = new_pools()

    def __len__(self) -> int:
        return self._columns.n - self._dead

    def index_of(self, host: str, node: str) -> int | None:
        """The row of a compute node, None when there is none."""
        with self._lock:
            row = self._index.get((host, node))
            return row if row is not None and self._columns["alive"][row] else None

    def hosts(self) -> list[tuple[str, str]]:
        """(host, node) of every row."""
        with self._lock:
            alive = self._columns["alive"]
            return [name for row, name in enumerate(self._names) if alive[row]]

    def snapshot(self) -> Snapshot:
        """The table as it is now; costs microseconds, since only what is written later is copied."""
        with self._lock:
            return Snapshot(
                epoch=self._epoch,
                n=self._columns.n,
                columns=self._columns.share(),
                names=self._names,
                pools=self._pools,
                rows_of_consumer=self._rows_of_consumer,
                rows_of_host=self._rows_of_host,
                rows_of_node=self._rows_of_node,
                aggregate_keys=self._aggregate_keys,
                zones=self._declared_zones | self._zones.keys(),
                held=self._held,
                all_alive=not self._dead,
            )

    # What services report -----------------------------------------------------------------------------------------
    def upsert(self, record: HostRecord) -> int:
        """Add or renew a compute node and return its row."""
        with self._lock:
            row = self._row_for(record.host, record.node)
            self._write_inventory(row, record)
            self._write_usage(row, record)
            self._tidy()
            return self._index[record.host, record.node]

    def load(self, records: Iterable[HostRecord]) -> None:
        """Add or renew many compute nodes."""
        records = list(records)
        with self._lock:
            self._columns.reserve(self._columns.n + len(records))
            for record in records:
                self.upsert(record)

    def remove(self, host: str, node: str) -> None:
        """Forget a compute node and what it holds."""
        with self._lock:
            row = self.index_of(host, node)
            if row is None:
                return
            for uuid in list(self._held[row]):
                self.release(row, uuid)
            self._columns.put("alive", row, False)
            self._dead += 1
            self._tidy()

    def set_service(self, host: str, service: ServiceInfo) -> None:
        """State of the compute service of a host, which all its nodes share."""
        with self._lock:
            self._services[host] = service
            for row in self._rows_named(host):
                self._write_service(row, service)

    def heartbeat(self, host: str, when: float) -> None:
        """The compute service of a host was heard of, in seconds of the scheduler's clock."""
        with self._lock:
            self.set_service(host, replace(self._services.get(host, ServiceInfo()), last_seen=when))

    def set_aggregates(self, host: str, aggregates: Iterable[AggregateInfo]) -> None:
        """The aggregates that a host is in now, all of them."""
        with self._lock:
            united = unite_aggregates(aggregates)
            self._zones.subtract(self._aggregates.get(host, NO_AGGREGATES).zones)
            self._zones.update(united.zones)
            self._zones = +self._zones
            self._aggregates[host] = united
            for row in self._rows_named(host):
                self._write_aggregates(row, united)
            self._tidy()

    def declare_zones(self, zones: Iterable[str]) -> None:
        """Zones that some aggregate carries even if it has no host: to ask for such a zone finds none."""
        with self._lock:
            self._declared_zones = frozenset(zones)

    # What decisions and their outcomes change -----------------------------------------------------------------------
    def consume(
        self,
        where: Where,
        amounts: Amounts,
        uuid: str,
        *,
        is_instance: bool = True,
        building: bool = True,
        image_properties: Mapping[str, Any] | None = None,
        pci_requests: tuple[pci.PciRequest, ...] = (),
    ) -> None:
        """Count a consumer on a host; one that is counted there already is counted anew, not twice.

        An instance that is being built is one I/O operation until `build_finished`.
        """
        with self._lock:
            row = self._resolve(where)
            if row is None:
                return
            old = self._held[row].get(uuid)
            if old is not None:
                building = old.building
                self._drop(row, uuid)
            devices = pci.allot(self._columns["pci"][row], pci_requests) or ()
            self._hold(row, uuid, Holding(amounts, is_instance, building, image_properties or {}, devices))

    def release(self, where: Where | None, uuid: str) -> None:
        """Give back what a consumer has of a host, or of every host when none is named."""
        with self._lock:
            row = None if where is None else self._resolve(where)
            rows = self._rows_of_consumer.get(uuid, ()) if where is None else () if row is None else (row,)
            for held_at in rows:
                if uuid in self._held[held_at]:
                    self._drop(held_at, uuid)

    def build_finished(self, where: Where, uuid: str, *, succeeded: bool) -> None:
        """A build ended: its I/O is over; a success forgets the failures of the host, a failure adds one."""
        with self._lock:
            row = self._resolve(where)
            if row is None:
                return
            holding = self._held[row].get(uuid)
            if holding is not None and holding.building:
                self._held[row][uuid] = replace(holding, building=False)
                self._add("num_io_ops", row, -1)
            failures = 0 if succeeded else int(self._columns["failed_builds"][row]) + 1
            self._columns.put("failed_builds", row, failures)

    def set_foreign(self, where: Where, amounts: Amounts) -> None:
        """What guests that are not ours use of a host."""
        with self._lock:
            row = self._resolve(where)
            if row is not None:
                self._charge(row, self._foreign[row], -1)
                self._foreign[row] = amounts
                self._charge(row, amounts, 1)

    # Rows -----------------------------------------------------------------------------------------------------------
    def _resolve(self, where: Where) -> int | None:
        if isinstance(where, tuple):
            return self.index_of(*where)
        return where if 0 <= where < self._columns.n and self._columns["alive"][where] else None

    def _rows_named(self, host: str) -> list[int]:
        return [row for row in self._rows_of_host.get(host.lower(), ()) if self._names[row][0] == host]

    def _row_for(self, host: str, node: str) -> int:
        row = self._index.get((host, node))
        if row is None:
            row = self._columns.append()
            self._index[host, node] = row
            self._names.append((host, node))
            self._held.append({})
            self._foreign.append(Amounts())
            _append(self._rows_of_host, host.lower(), row)
            _append(self._rows_of_node, node, row)
        elif self._columns["alive"][row]:
            return row
        else:
            self._dead -= 1
        self._columns.put("alive", row, True)
        self._write_service(row, self._services.get(host, ServiceInfo()))
        self._write_aggregates(row, self._aggregates.get(host, NO_AGGREGATES))
        return row

    def _write_inventory(self, row: int, record: HostRecord) -> None:
        for column, value in cells_of(record):
            self._columns.put(column, row, value)
        for column, key, value in shared_cells_of(record):
            self._intern(column, row, key, value)
        self._write_pci(row, record.pci_pools)
        self._write_sparse("metric:", row, record.metrics, np.float64, np.nan)
        self._write_sparse("total:", row, record.custom_resources, np.int64, 0)

    def _write_usage(self, row: int, r: HostRecord) -> None:
        for given, is_instance in ((r.instances, True), (r.migrations, False)):
            if given is not None:
                self._replace_held(row, given, is_instance)
        for uuid, holding in self._held[row].items():
            if holding.pci:  # the record's free devices already lack these
                self._held[row][uuid] = replace(holding, pci=())
        if r.foreign is not None:
            self.set_foreign(row, r.foreign)
        for name in ("num_instances", "num_io_ops", "failed_builds"):
            value = getattr(r, name)
            if value is not None:
                self._columns.put(name, row, value)

    def _replace_held(self, row: int, given: Mapping[str, Amounts], is_instance: bool) -> None:
        held = self._held[row]
        for uuid in [u for u, holding in held.items() if holding.is_instance == is_instance and u not in given]:
            self._drop(row, uuid)
        for uuid, amounts in given.items():
            old = held.get(uuid)
            if old is not None and old.amounts == amounts and old.is_instance == is_instance:
                continue
            if old is not None:
                self._drop(row, uuid)
            self._hold(row, uuid, replace(old or Holding(amounts), amounts=amounts, is_instance=is_instance))

    def _write_service(self, row: int, service: ServiceInfo) -> None:
        self._columns.put("disabled", row, service.disabled)
        self._columns.put("forced_down", row, service.forced_down)
        self._columns.put("last_seen", row, -np.inf if service.last_seen is None else service.last_seen)
        self._intern("disabled_reason", row, service.disabled_reason, service.disabled_reason)

    def _write_aggregates(self, row: int, united: AggregateSet) -> None:
        key = tuple((a.id, a.name, a.zone, tuple(sorted(a.metadata.items()))) for a in united.aggregates)
        self._intern("aggregates", row, key, united)
        self._aggregate_keys.update(united.metadata)

    def _write_sparse(self, prefix: str, row: int, values: Mapping[str, Any], dtype: Any, fill: Any) -> None:
        """Columns that only some hosts fill; a value that is no longer reported goes back to the fill value."""
        for name in values:
            if prefix + name not in self._columns:
                self._columns.add(prefix + name, dtype, fill)
        for column in self._columns.names(prefix):
            self._columns.put(column, row, values.get(column.removeprefix(prefix), fill))

    def _write_pci(self, row: int, pools: tuple[PciPool, ...]) -> None:
        self._columns.put("pci", row, pools)
        for column, value in pci_cells_of(sum(pool.count for pool in pools)):
            self._columns.put(column, row, value)

    def _intern(self, column: str, row: int, key: Any, value: Any) -> None:
        self._columns.put(column, row, self._pools[column].code(key, lambda: value))

    # Usage ----------------------------------------------------------------------------------------------------------
    def _hold(self, row: int, uuid: str, holding: Holding) -> None:
        self._held[row][uuid] = holding
        _append(self._rows_of_consumer, uuid, row)
        self._charge(row, holding.amounts, 1)
        if holding.is_instance:
            self._add("num_instances", row, 1)
        if holding.building:
            self._add("num_io_ops", row, 1)
        if holding.pci:
            self._write_pci(row, pci.without(self._columns["pci"][row], holding.pci))

    def _drop(self, row: int, uuid: str) -> None:
        holding = self._held[row].pop(uuid)
        rows = tuple(other for other in self._rows_of_consumer.get(uuid, ()) if other != row)
        if rows:
            self._rows_of_consumer[uuid] = rows
        else:
            self._rows_of_consumer.pop(uuid, None)
        self._charge(row, holding.amounts, -1)
        if holding.is_instance:
            self._add("num_instances", row, -1)
        if holding.building:
            self._add("num_io_ops", row, -1)
        if holding.pci:
            self._write_pci(row, pci.with_back(self._columns["pci"][row], holding.pci))

    def _charge(self, row: int, amounts: Amounts, sign: int) -> None:
        for name, amount in (("vcpu", amounts.vcpus), ("mem", amounts.memory_mb), ("disk", amounts.disk_gb)):
            if amount:
                self._columns.own("used_" + name)[row] += sign * amount
        for name, amount in amounts.others:
            column = "used:" + name
            if column not in self._columns:
                self._columns.add(column, np.int64, 0)
            self._columns.own(column)[row] += sign * amount

    def _add(self, column: str, row: int, change: int) -> None:
        self._columns.put(column, row, max(0, int(self._columns[column][row]) + change))

    # Compaction -----------------------------------------------------------------------------------------------------
    def _tidy(self) -> None:
        n = self._columns.n
        crowded = any(len(pool.values) > _SPARE + 4 * n for pool in self._pools.values())
        if crowded or (self._dead > _SPARE and 2 * self._dead > n):
            self._compact()

    def _compact(self) -> None:
        """Drop dead rows and unused values; everything is made anew, so snapshots keep what they have."""
        rows = np.flatnonzero(self._columns["alive"][: self._columns.n])
        self._columns = self._columns.take(rows)
        self._names = [self._names[row] for row in rows]
        self._held = [self._held[row] for row in rows]
        self._foreign = [self._foreign[row] for row in rows]
        self._index = {name: row for row, name in enumerate(self._names)}
        self._rows_of_host, self._rows_of_node, self._rows_of_consumer = {}, {}, {}
        for row, (host, node) in enumerate(self._names):
            _append(self._rows_of_host, host.lower(), row)
            _append(self._rows_of_node, node, row)
            for uuid in self._held[row]:
                _append(self._rows_of_consumer, uuid, row)
        self._pools = dict(self._pools)
        for name in POOLED:
            codes = self._columns.own(name)
            self._pools[name], codes[: len(rows)] = self._pools[name].only(codes[: len(rows)])
        self._aggregate_keys = {key for united in self._pools["aggregates"].values for key in united.metadata}
        self._dead = 0
        self._epoch += 1


def _append(rows: dict[str, tuple[int, ...]], key: str, row: int) -> None:
    rows[key] = (*rows.get(key, ()), row)
