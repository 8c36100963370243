"""The host table: what is counted, what a snapshot keeps, how rows come and go."""

from __future__ import annotations

import numpy as np
import pytest

from tuinova.scheduler import Amounts, HostRecord, HostTable, ServiceInfo
from tuinova.scheduler.view import HostView


def record(host: str, **fields) -> HostRecord:
    return HostRecord(host=host, node=host, **{"vcpus": 8, "memory_mb": 8192, "local_gb": 100, **fields})


def value(table: HostTable, host: str, column: str):
    row = table.index_of(host, host)
    assert row is not None
    return HostView(table.snapshot(), None, 0.0).col(column)[row]


@pytest.fixture
def table() -> HostTable:
    table = HostTable()
    table.upsert(record("a"))
    return table


def test_a_table_grows_past_its_first_capacity() -> None:
    table = HostTable()
    table.load(record(f"h{i}", memory_mb=1000 + i) for i in range(100))
    assert len(table) == 100
    assert value(table, "h99", "memory_mb") == 1099
    assert value(table, "h0", "memory_mb") == 1000


def test_free_memory_is_total_less_reserved_less_used(table) -> None:
    table.consume(("a", "a"), Amounts(1, 1024, 10), "uuid")
    assert value(table, "a", "free_ram_mb") == 8192 - 512 - 1024
    assert value(table, "a", "free_disk_gb") == 90


def test_a_consumer_is_counted_once_however_often_it_is_told(table) -> None:
    for _ in range(2):
        table.consume(("a", "a"), Amounts(2, 1024, 10), "uuid")
    assert value(table, "a", "used_vcpu") == 2
    assert value(table, "a", "num_instances") == 1
    assert value(table, "a", "num_io_ops") == 1


def test_release_gives_back_everything(table) -> None:
    table.consume(("a", "a"), Amounts(2, 1024, 10, (("CUSTOM_GPU", 1),)), "uuid")
    table.release(None, "uuid")
    for column in ("used_vcpu", "used_mem", "used_disk", "num_instances", "num_io_ops", "used:CUSTOM_GPU"):
        assert value(table, "a", column) == 0


def test_an_instance_may_hold_two_hosts_and_release_one(table) -> None:
    table.upsert(record("b"))
    table.consume(("a", "a"), Amounts(1), "uuid")
    table.consume(("b", "b"), Amounts(1), "uuid")
    table.release(("a", "a"), "uuid")
    assert (value(table, "a", "used_vcpu"), value(table, "b", "used_vcpu")) == (0, 1)


def test_a_migration_uses_resources_but_is_no_instance(table) -> None:
    table.consume(("a", "a"), Amounts(1, 512), "migration", is_instance=False, building=False)
    assert value(table, "a", "used_mem") == 512
    assert value(table, "a", "num_instances") == 0
    assert value(table, "a", "num_io_ops") == 0


def test_renewing_a_record_keeps_what_it_does_not_mention(table) -> None:
    table.consume(("a", "a"), Amounts(1, 512), "uuid")
    table.upsert(record("a", memory_mb=4096))
    assert value(table, "a", "used_mem") == 512
    assert value(table, "a", "memory_mb") == 4096
    assert value(table, "a", "num_instances") == 1


def test_renewing_a_record_with_instances_replaces_them(table) -> None:
    table.consume(("a", "a"), Amounts(1, 512), "gone")
    table.upsert(record("a", instances={"new": Amounts(2, 100)}))
    assert value(table, "a", "used_mem") == 100
    assert value(table, "a", "num_instances") == 1


def test_foreign_guests_count_as_used_and_are_replaced_not_added(table) -> None:
    table.set_foreign(("a", "a"), Amounts(1, 2048, 5))
    table.set_foreign(("a", "a"), Amounts(2, 1024, 5))
    assert value(table, "a", "used_mem") == 1024
    assert value(table, "a", "used_vcpu") == 2
    table.upsert(record("a", foreign=Amounts()))
    assert value(table, "a", "used_mem") == 0


def test_a_failed_build_counts_and_a_success_forgets(table) -> None:
    table.consume(("a", "a"), Amounts(1), "one")
    table.build_finished(("a", "a"), "one", succeeded=False)
    assert value(table, "a", "failed_builds") == 1
    assert value(table, "a", "num_io_ops") == 0
    table.build_finished(("a", "a"), "two", succeeded=True)
    assert value(table, "a", "failed_builds") == 0


def test_a_snapshot_does_not_change_when_the_table_does(table, aggregate) -> None:
    snapshot = table.snapshot()
    view = HostView(snapshot, None, 0.0)
    table.consume(("a", "a"), Amounts(4, 4096, 50), "uuid")
    table.upsert(record("a", memory_mb=1, supported_instances=(("x", "y", "z"),)))
    table.set_service("a", ServiceInfo(disabled=True))
    table.set_aggregates("a", [aggregate(zone="az1")])
    table.upsert(record("b"))
    assert len(view) == 1
    assert view.col("free_ram_mb").tolist() == [8192 - 512]
    assert view.col("disabled").tolist() == [False]
    assert view.pooled("aggregates", 0).zones == frozenset()
    assert view.record(0).memory_mb == 8192


def test_a_snapshot_outlives_the_growth_of_the_table(table) -> None:
    view = HostView(table.snapshot(), None, 0.0)
    table.load(record(f"h{i}") for i in range(200))
    assert view.col("memory_mb").tolist() == [8192]


def test_state_told_before_the_host_is_known_is_kept(aggregate) -> None:
    table = HostTable()
    table.set_service("a", ServiceInfo(disabled=True, last_seen=5.0))
    table.set_aggregates("a", [aggregate(zone="az1")])
    table.upsert(record("a"))
    assert value(table, "a", "disabled")
    assert value(table, "a", "last_seen") == 5.0
    assert "az1" in table.snapshot().zones


def test_a_zone_is_known_while_some_aggregate_or_declaration_carries_it(table, aggregate) -> None:
    table.set_aggregates("a", [aggregate(zone="az1")])
    table.set_aggregates("a", [aggregate(zone="az1")])
    assert table.snapshot().zones == {"az1"}
    table.set_aggregates("a", [])
    assert table.snapshot().zones == set()
    table.declare_zones(["az2"])
    assert table.snapshot().zones == {"az2"}


def test_a_removed_host_is_gone_and_can_come_back(table) -> None:
    table.upsert(record("b"))
    table.consume(("b", "b"), Amounts(1, 512), "uuid")
    table.remove("b", "b")
    assert table.hosts() == [("a", "a")]
    assert table.index_of("b", "b") is None
    table.upsert(record("b"))
    assert value(table, "b", "used_mem") == 0
    assert len(table) == 2


def test_compaction_keeps_the_living_and_leaves_snapshots_alone(aggregate) -> None:
    table = HostTable()
    table.load(record(f"h{i}", memory_mb=1000 + i) for i in range(300))
    table.set_aggregates("h299", [aggregate(zone="az1")])
    table.consume(("h299", "h299"), Amounts(1, 64), "uuid")
    old = HostView(table.snapshot(), None, 0.0)
    for i in range(250):
        table.remove(f"h{i}", f"h{i}")
    assert table.snapshot().epoch > old.snapshot.epoch
    assert len(table) == 50
    row = table.index_of("h299", "h299")
    view = HostView(table.snapshot(), None, 0.0)
    assert view.name(row) == ("h299", "h299")
    assert view.col("memory_mb")[row] == 1299
    assert view.col("used_mem")[row] == 64
    assert view.pooled("aggregates", row).zones == {"az1"}
    assert view.holding(["uuid"])[row] == 1
    assert view.on_hosts(["h299"])[row]
    assert old.name(0) == ("h0", "h0")
    assert old.col("memory_mb")[299] == 1299


def test_ever_new_aggregate_metadata_does_not_pile_up(table, aggregate) -> None:
    for i in range(2000):
        table.set_aggregates("a", [aggregate(stamp=str(i))])
    assert len(table.snapshot().pools["aggregates"].values) < 200
    assert table.snapshot().pools["aggregates"].values[value(table, "a", "aggregates")].metadata["stamp"] == {"1999"}


def test_a_host_with_two_nodes_shares_its_service() -> None:
    table = HostTable()
    for node in ("n1", "n2"):
        table.upsert(HostRecord(host="a", node=node, vcpus=1, memory_mb=1, local_gb=1))
    table.set_service("a", ServiceInfo(forced_down=True))
    assert HostView(table.snapshot(), None, 0.0).col("forced_down").tolist() == [True, True]


def test_aggregate_values_are_split_trimmed_and_united(table, aggregate) -> None:
    table.set_aggregates("a", [aggregate(1, zone="az1", key="x, y"), aggregate(2, key="z")])
    view = HostView(table.snapshot(), None, 0.0)
    assert view.pooled("aggregates", 0).metadata["key"] == {"x", "y", "z"}
    assert view.pooled("aggregates", 0).zones == {"az1"}


def test_a_pool_function_is_called_once_for_each_distinct_value(table) -> None:
    table.load(record(f"h{i}", hypervisor_type="QEMU" if i % 2 else "other") for i in range(50))
    asked = []

    def is_qemu(kind: str) -> bool:
        asked.append(kind)
        return kind == "QEMU"

    result = HostView(table.snapshot(), None, 0.0).map_pool("hypervisor_type", is_qemu)
    assert sorted(asked) == ["QEMU", "other"]
    assert np.count_nonzero(result) == 26
