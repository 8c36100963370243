"""Many requests at once: the claim is the truth, and no host is ever over-allocated."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given, settings
from hypothesis import strategies as st

from tuinova.core.errors import NoValidHost
from tuinova.scheduler import (
    Amounts,
    FilterScheduler,
    FlavorSpec,
    HostRecord,
    HostTable,
    RequestSpec,
    SchedulerOptions,
    ServiceInfo,
)


class Ledger:
    """Allocations of all three classes under one lock; an allocation beyond a host's inventory is refused."""

    def __init__(self, hosts: dict[str, Amounts]) -> None:
        self.hosts = hosts
        self.held: dict[str, tuple[str, Amounts]] = {}
        self._lock = threading.Lock()

    def used(self, host: str) -> Amounts:
        mine = [amounts for on, amounts in self.held.values() if on == host]
        return Amounts(sum(a.vcpus for a in mine), sum(a.memory_mb for a in mine), sum(a.disk_gb for a in mine))

    def claim(self, host: str, _node: str, uuid: str, amounts: Amounts) -> bool:
        with self._lock:
            used, whole = self.used(host), self.hosts[host]
            if (
                used.vcpus + amounts.vcpus > whole.vcpus
                or used.memory_mb + amounts.memory_mb > whole.memory_mb
                or used.disk_gb + amounts.disk_gb > whole.disk_gb
            ):
                return False
            self.held[uuid] = (host, amounts)
            return True

    def unclaim(self, _host: str, _node: str, uuid: str, _amounts: Amounts) -> None:
        with self._lock:
            del self.held[uuid]


inventories = st.lists(
    st.builds(Amounts, st.integers(1, 16), st.integers(256, 8192), st.integers(5, 100)), min_size=1, max_size=5
)
wishes = st.lists(
    st.tuples(st.integers(1, 4), st.integers(64, 2048), st.integers(0, 20), st.integers(1, 4)), min_size=1, max_size=14
)


@settings(max_examples=60, deadline=None)
@given(inventories, wishes, st.integers(1, 3), st.sampled_from(["default", "ocata"]))
def test_no_sequence_of_concurrent_requests_over_allocates_a_host(inventory, wanted, subset, filters) -> None:
    hosts = {f"h{i}": whole for i, whole in enumerate(inventory)}
    table, ledger = HostTable(), Ledger(hosts)
    for name, whole in hosts.items():
        table.set_service(name, ServiceInfo(last_seen=0.0))
        table.upsert(
            HostRecord(
                name, name, whole.vcpus, whole.memory_mb, whole.disk_gb, cpu_allocation_ratio=1.0,
                reserved_host_memory_mb=0,
            )
        )  # fmt: skip
    options = SchedulerOptions(host_subset_size=subset, enabled_filters=filters)
    scheduler = FilterScheduler(options, table, clock=lambda: 0.0)

    def serve(number: int) -> tuple[list[str], bool]:
        vcpus, memory, disk, count = wanted[number]
        uuids = tuple(f"{number}-{i}" for i in range(count))
        spec = RequestSpec(uuids, "p", "u", FlavorSpec("f", memory, vcpus, disk))
        try:
            scheduler.select_destinations(spec, ledger.claim, unclaim=ledger.unclaim)
        except NoValidHost:
            return list(uuids), False
        return list(uuids), True

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(serve, range(len(wanted))))

    for name, whole in hosts.items():
        used = ledger.used(name)
        assert used.vcpus <= whole.vcpus
        assert used.memory_mb <= whole.memory_mb
        assert used.disk_gb <= whole.disk_gb
    for uuids, served in outcomes:
        assert all((uuid in ledger.held) == served for uuid in uuids)
    columns = table.snapshot().columns
    for name in hosts:
        row, used = table.index_of(name, name), ledger.used(name)
        told = tuple(int(columns[column][row]) for column in ("used_vcpu", "used_mem", "used_disk"))
        assert told == (used.vcpus, used.memory_mb, used.disk_gb)


def test_decisions_and_changes_of_the_table_run_side_by_side() -> None:
    table = HostTable()

    def record(name: str, memory: int) -> HostRecord:
        return HostRecord(name, name, 64, memory, 1000)

    for i in range(100):
        table.set_service(f"h{i}", ServiceInfo(last_seen=0.0))
        table.upsert(record(f"h{i}", 65536))
    scheduler = FilterScheduler(SchedulerOptions(), table, clock=lambda: 0.0)
    stop, failures = threading.Event(), []

    def churn() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            try:
                table.upsert(record(f"h{turn % 100}", 65536 + turn % 7))
                table.remove(f"x{turn - 1}", f"x{turn - 1}")
                table.upsert(record(f"x{turn}", 8))
                table.heartbeat(f"h{turn % 100}", 0.0)
            except Exception as error:  # noqa: BLE001 - a thread has nobody else to tell
                failures.append(error)
                return

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for i in range(200):
            spec = RequestSpec((f"a{i}", f"b{i}"), "p", "u", FlavorSpec("f", 64, 1, 1))
            selections = scheduler.select_destinations(spec, lambda *_given: True, lambda trace: trace.compact())
            assert all(selection.host.startswith("h") for selection in selections)
    finally:
        stop.set()
        thread.join()
    assert failures == []


def test_two_requests_for_the_last_place_get_one_each_or_none() -> None:
    table = HostTable()
    table.set_service("a", ServiceInfo(last_seen=0.0))
    table.upsert(HostRecord("a", "a", 1, 1024, 10, cpu_allocation_ratio=1.0, reserved_host_memory_mb=0))
    ledger = Ledger({"a": Amounts(1, 1024, 10)})
    scheduler = FilterScheduler(SchedulerOptions(), table, clock=lambda: 0.0)
    meet = threading.Barrier(2)

    def claim(host: str, node: str, uuid: str, amounts: Amounts) -> bool:
        meet.wait(5)  # both have decided before either claims
        return ledger.claim(host, node, uuid, amounts)

    def serve(uuid: str) -> bool:
        try:
            scheduler.select_destinations(RequestSpec((uuid,), "p", "u", FlavorSpec("f", 1024, 1, 10)), claim)
        except NoValidHost as error:
            return str(error) != "No valid host was found. There are not enough hosts available."
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(serve, ("1", "2"))) == [False, True]
