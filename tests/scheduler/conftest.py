"""A small cloud to schedule on, with a clock of its own and a claim that is the truth."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from tuinova.scheduler import (
    AggregateInfo,
    Amounts,
    FilterScheduler,
    FlavorSpec,
    HostRecord,
    HostTable,
    MetricsOptions,
    RequestSpec,
    SchedulerOptions,
    Selection,
    ServiceInfo,
    Trace,
)
from tuinova.scheduler.filters import FILTERS
from tuinova.scheduler.view import HostView
from tuinova.scheduler.weights import WEIGHERS, Weighed, weigh

NOW = 1_000_000.0


class Truth:
    """Allocations as the database would keep them; `capacity` is by host, in MB."""

    def __init__(self, capacity: dict[str, int] | None = None) -> None:
        self.capacity = capacity
        self.held: dict[str, tuple[str, Amounts]] = {}
        self.refused: list[str] = []
        self.refuse: set[str] = set()
        self._lock = threading.Lock()

    def claim(self, host: str, _node: str, uuid: str, amounts: Amounts) -> bool:
        with self._lock:
            full = self.capacity is not None and self.used(host) + amounts.memory_mb > self.capacity[host]
            if full or host in self.refuse:
                self.refused.append(host)
                return False
            self.held[uuid] = (host, amounts)
            return True

    def unclaim(self, _host: str, _node: str, uuid: str, _amounts: Amounts) -> None:
        with self._lock:
            del self.held[uuid]

    def used(self, host: str) -> int:
        return sum(amounts.memory_mb for on, amounts in self.held.values() if on == host)


class Cloud:
    """Hosts, requests, and each part of the scheduler asked on its own."""

    def __init__(self) -> None:
        self.table = HostTable()
        self.truth = Truth()
        self.traces: list[Trace] = []
        self.now = NOW

    def add(
        self,
        host: str,
        *,
        aggregates: Iterable[AggregateInfo] = (),
        service: ServiceInfo | None = None,
        node: str | None = None,
        **fields: Any,
    ) -> None:
        """A host that is up: 8 vCPUs (ratio 1), 16384 MB, 100 GB, nothing reserved."""
        defaults: dict[str, Any] = {
            "vcpus": 8,
            "memory_mb": 16384,
            "local_gb": 100,
            "cpu_allocation_ratio": 1.0,
            "reserved_host_memory_mb": 0,
        }
        self.table.set_service(host, service or ServiceInfo(last_seen=self.now))
        self.table.set_aggregates(host, aggregates)
        self.table.upsert(HostRecord(host=host, node=node or host, **{**defaults, **fields}))

    def view(self) -> HostView:
        return HostView(self.table.snapshot(), None, self.now)

    def passing(self, name: str, spec: RequestSpec, **options: Any) -> list[str]:
        """The hosts that a filter lets pass; every refusal must have its reason."""
        return sorted(set(self._names()) - set(self.refusals(name, spec, **options)))

    def refusals(self, name: str, spec: RequestSpec, **options: Any) -> dict[str, str]:
        judge, view = FILTERS[name](SchedulerOptions(**options)), self.view()
        mask = judge.mask(view, spec)
        assert len(mask) == len(view)
        assert mask.dtype == bool
        reasons = {view.name(i)[0]: judge.reason(view, spec, i) for i in range(len(view)) if not mask[i]}
        assert all(reasons.values())
        return reasons

    def _names(self) -> list[str]:
        return [host for host, _node in self.table.hosts()]

    def raw(self, name: str, spec: RequestSpec, **options: Any) -> dict[str, float]:
        """What a weigher measures on each host."""
        part = self.part(name, spec, **options)
        return {host: part.at(i)["raw"] for i, host in enumerate(self._names())}

    def part(self, name: str, spec: RequestSpec, **options: Any) -> Weighed:
        return weigh((WEIGHERS[name](SchedulerOptions(**options)),), self.view(), spec)[1][0]

    def weights(self, name: str, spec: RequestSpec, **options: Any) -> dict[str, float]:
        """The weights that one weigher alone gives."""
        total, _parts = weigh((WEIGHERS[name](SchedulerOptions(**options)),), self.view(), spec)
        return dict(zip(self._names(), total.tolist(), strict=True))

    def scheduler(self, **options: Any) -> FilterScheduler:
        return FilterScheduler(SchedulerOptions(**options), self.table, clock=lambda: self.now, rng=random.Random(7))

    def select(self, spec: RequestSpec, **options: Any) -> list[Selection]:
        """Select with the truth as the claim; the traces are kept."""
        self.traces.clear()
        return self.scheduler(**options).select_destinations(
            spec, self.truth.claim, self.traces.append, unclaim=self.truth.unclaim
        )

    def chosen(self, spec: RequestSpec, **options: Any) -> list[str]:
        return [selection.host for selection in self.select(spec, **options)]


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def truth_of() -> type[Truth]:
    return Truth


@pytest.fixture
def now() -> float:
    return NOW


@pytest.fixture
def request_for() -> Callable[..., RequestSpec]:
    """A request for one server of 1 vCPU, 1024 MB, 10 GB; flavor fields and request fields by keyword."""

    def build(*uuids: str, extra_specs: dict[str, str] | None = None, **fields: Any) -> RequestSpec:
        flavor = FlavorSpec("m1.test", 1024, 1, 10, extra_specs=extra_specs or {})
        own = {
            key: fields.pop(key)
            for key in ("memory_mb", "vcpus", "root_gb", "ephemeral_gb", "swap_mb", "name")
            if key in fields
        }
        return RequestSpec(uuids or ("new",), "project", "user", replace(flavor, **own), **fields)

    return build


@pytest.fixture
def aggregate() -> Callable[..., AggregateInfo]:
    def build(number: int = 1, *, zone: str | None = None, **metadata: str) -> AggregateInfo:
        return AggregateInfo(number, f"aggregate{number}", zone, metadata)

    return build


@pytest.fixture
def metrics() -> type[MetricsOptions]:
    return MetricsOptions
