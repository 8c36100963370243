"""What a decision looks at: a snapshot of the table, and views of some of its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuinova.scheduler.columns import Array, Pool
from tuinova.scheduler.records import Holding, HostRecord


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The table at one moment: its arrays are never written again, so a trace that keeps it stays true."""

    epoch: int
    n: int
    columns: Mapping[str, Array]
    names: list[tuple[str, str]]
    pools: Mapping[str, Pool]
    rows_of_consumer: Mapping[str, tuple[int, ...]]
    rows_of_host: Mapping[str, tuple[int, ...]]
    rows_of_node: Mapping[str, tuple[int, ...]]
    aggregate_keys: set[str]
    zones: frozenset[str]
    held: list[dict[str, Holding]]
    all_alive: bool


class HostView:
    """Some hosts of a snapshot, as arrays: one entry a host, in the table's order."""

    __slots__ = ("_cache", "_everyone", "memo", "now", "rows", "snapshot")

    def __init__(self, snapshot: Snapshot, rows: Array | None, now: float) -> None:
        self.snapshot = snapshot
        self.rows = rows
        self.now = now
        self.memo: dict[Any, Any] = {}
        self._cache: dict[str, Array] = {}
        self._everyone: Array | None = None

    def __len__(self) -> int:
        return self.snapshot.n if self.rows is None else len(self.rows)

    def col(self, name: str) -> Array:
        """A column of the table, or one of the derived values below."""
        found = self._cache.get(name)
        if found is None:
            derive = DERIVED.get(name)
            found = self._gather(name) if derive is None else derive(self)
            self._cache[name] = found
        return found

    def has(self, name: str) -> bool:
        """Whether the table has that column (metrics and custom resources come and go)."""
        return name in self.snapshot.columns

    def _gather(self, name: str) -> Array:
        whole = self.snapshot.columns[name]
        return whole[: self.snapshot.n] if self.rows is None else whole[self.rows]

    def name(self, i: int) -> tuple[str, str]:
        """(host, node) of the i-th host of this view."""
        return self.snapshot.names[i if self.rows is None else int(self.rows[i])]

    def record(self, i: int) -> HostRecord:
        """The record last reported by the i-th host."""
        found: HostRecord = self.snapshot.columns["record"][self.row(i)]
        return found

    def row(self, i: int) -> int:
        """The row in the table of the i-th host."""
        return i if self.rows is None else int(self.rows[i])

    def keep(self, mask: Array) -> HostView:
        """The hosts for which the mask is true; itself when that is all of them."""
        if mask is self._everyone or mask.all():
            return self
        kept = np.flatnonzero(mask)
        narrowed = HostView(self.snapshot, kept if self.rows is None else self.rows[kept], self.now)
        narrowed.memo = self.memo
        return narrowed

    def everyone(self) -> Array:
        """A mask that lets every host pass, the same for all who ask, so not to be written."""
        if self._everyone is None:
            self._everyone = np.ones(len(self), dtype=bool)
            self._everyone.setflags(write=False)
        return self._everyone

    def nobody(self) -> Array:
        """A mask that lets no host pass."""
        return np.zeros(len(self), dtype=bool)

    def at_rows(self, rows: Iterable[int]) -> Array:
        """A mask of the hosts that stand in these rows of the table."""
        whole = np.zeros(self.snapshot.n, dtype=bool)
        whole[[row for row in rows if row < self.snapshot.n]] = True
        return whole if self.rows is None else whole[self.rows]

    def on_hosts(self, hosts: Iterable[str], *, ignore_case: bool = False) -> Array:
        """A mask of the hosts with one of these names."""
        names, rows = self.snapshot.names, []
        for host in hosts:
            for row in self.snapshot.rows_of_host.get(host.lower(), ()):
                if ignore_case or names[row][0] == host:
                    rows.append(row)
        return self.at_rows(rows)

    def holding(self, uuids: Iterable[str]) -> Array:
        """How many of these servers each host has; remembered, so that it stays as it was at the decision."""
        key = ("holding", frozenset(uuids))
        whole = self.memo.get(key)
        if whole is None:
            whole = np.zeros(self.snapshot.n, dtype=np.int64)
            for uuid in key[1]:
                for row in self.snapshot.rows_of_consumer.get(uuid, ()):
                    if row < self.snapshot.n:
                        whole[row] += 1
            self.memo[key] = whole
        found: Array = whole if self.rows is None else whole[self.rows]
        return found

    def map_pool(self, column: str, compute: Callable[[Any], Any], dtype: Any = bool) -> Array:
        """`compute` of a shared value, called once for each distinct value that these hosts have."""
        codes = self.col(column)
        values = self.snapshot.pools[column].values
        results = np.zeros(len(values), dtype=dtype)
        for code in np.flatnonzero(np.bincount(codes, minlength=len(values))):
            results[code] = compute(values[code])
        return results[codes]

    def pooled(self, column: str, i: int) -> Any:
        """The shared value of the i-th host."""
        return self.snapshot.pools[column].values[int(self.col(column)[i])]

    def forget_arrays(self) -> None:
        """Drop gathered arrays (they can be gathered again from the snapshot); memory of a kept trace."""
        self._cache.clear()
        self._everyone = None


def _free_disk_mb(view: HostView) -> Array:
    free: Array = view.col("base_disk") - view.col("used_disk")
    np.minimum(free, view.col("disk_least"), out=free)
    free *= 1024
    return free


DERIVED: dict[str, Callable[[HostView], Array]] = {
    "free_ram_mb": lambda v: v.col("base_mem") - v.col("used_mem"),
    "free_disk_gb": lambda v: v.col("base_disk") - v.col("used_disk"),
    "free_disk_mb": _free_disk_mb,
    "free_vcpus": lambda v: v.col("base_vcpu") - v.col("used_vcpu"),
    "vcpus_used": lambda v: v.col("reserved_vcpu") + v.col("used_vcpu"),
}
"""Values computed from columns: what is free as Nova's HostState has it."""
