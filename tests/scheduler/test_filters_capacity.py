"""Capacity as filters judged it in 2017, by ratio, by aggregate and exactly."""

from __future__ import annotations

from tuinova.scheduler import Amounts


def test_core_filter_overcommits_by_the_ratio_but_not_one_server_over_the_whole_host(cloud, request_for) -> None:
    cloud.add("a", vcpus=4, cpu_allocation_ratio=2.0, instances={"x": Amounts(6)})
    assert cloud.passing("CoreFilter", request_for(vcpus=2)) == ["a"]
    assert cloud.refusals("CoreFilter", request_for(vcpus=3)) == {"a": "needs 3 vCPUs, 2 usable (allocation ratio 2)"}
    cloud.add("a", vcpus=4, cpu_allocation_ratio=2.0, instances={})
    assert cloud.refusals("CoreFilter", request_for(vcpus=5)) == {"a": "needs 5 vCPUs, the whole host has 4"}


def test_core_filter_passes_a_host_that_does_not_tell_its_cpus(cloud, request_for) -> None:
    cloud.add("a", vcpus=0)
    assert cloud.passing("CoreFilter", request_for()) == ["a"]


def test_ram_filter_counts_reserved_memory_as_used_and_overcommits_by_the_ratio(cloud, request_for) -> None:
    cloud.add(
        "a", memory_mb=1000, reserved_host_memory_mb=100, ram_allocation_ratio=1.5, instances={"x": Amounts(0, 900)}
    )
    assert cloud.passing("RamFilter", request_for(memory_mb=500)) == ["a"]
    assert cloud.refusals("RamFilter", request_for(memory_mb=501)) == {
        "a": "needs 501 MB of RAM, 500 usable (allocation ratio 1.5)"
    }
    assert cloud.refusals("RamFilter", request_for(memory_mb=1000)) == {
        "a": "needs 1000 MB of RAM, 500 usable (allocation ratio 1.5)"
    }
    assert cloud.refusals("RamFilter", request_for(memory_mb=1001)) == {
        "a": "needs 1001 MB of RAM, the whole host has 1000"
    }


def test_disk_filter_counts_root_ephemeral_and_swap(cloud, request_for) -> None:
    cloud.add("a", local_gb=20)
    assert cloud.passing("DiskFilter", request_for(root_gb=10, ephemeral_gb=9, swap_mb=1024)) == ["a"]
    assert cloud.passing("DiskFilter", request_for(root_gb=10, ephemeral_gb=9, swap_mb=1025)) == []


def test_disk_filter_believes_the_file_system_when_it_has_less(cloud, request_for) -> None:
    cloud.add("a", local_gb=100, disk_available_least=5)
    cloud.add("b", local_gb=100, disk_available_least=500)
    assert cloud.passing("DiskFilter", request_for(root_gb=6)) == ["b"]


def test_disk_filter_overcommits_by_the_ratio(cloud, request_for) -> None:
    cloud.add("a", local_gb=10, disk_allocation_ratio=2.0, instances={"x": Amounts(0, 0, 12)})
    assert cloud.passing("DiskFilter", request_for(root_gb=8)) == ["a"]
    assert cloud.passing("DiskFilter", request_for(root_gb=9)) == []


def test_aggregates_set_ratios_and_the_least_wins(cloud, request_for, aggregate) -> None:
    keys = ("cpu_allocation_ratio", "ram_allocation_ratio", "disk_allocation_ratio")
    wide, wider = aggregate(1, **dict.fromkeys(keys, "2.0")), aggregate(2, **dict.fromkeys(keys, "4"))
    full = {"vcpus": 2, "memory_mb": 100, "local_gb": 10, "instances": {"x": Amounts(2, 100, 10)}}
    cloud.add("wide", aggregates=[wide, wider], **full)
    cloud.add("plain", **full)
    fits = request_for(vcpus=2, memory_mb=100, root_gb=10)
    for name in ("AggregateCoreFilter", "AggregateRamFilter", "AggregateDiskFilter"):
        assert cloud.passing(name, fits) == ["wide"]
        assert cloud.passing(name.removeprefix("Aggregate"), fits) == []
    cloud.table.consume(("wide", "wide"), Amounts(1, 1, 1), "y")
    for name in ("AggregateCoreFilter", "AggregateRamFilter", "AggregateDiskFilter"):
        assert cloud.passing(name, fits) == []


def test_exact_filters_want_all_that_is_free(cloud, request_for) -> None:
    cloud.add("exact", vcpus=5, memory_mb=1200, local_gb=8, instances={"x": Amounts(3, 1000, 4)})
    cloud.add("more", vcpus=4, memory_mb=300, local_gb=8)
    spec = request_for(vcpus=2, memory_mb=200, root_gb=3, swap_mb=1024)
    for name in ("ExactCoreFilter", "ExactRamFilter", "ExactDiskFilter"):
        assert cloud.passing(name, spec) == ["exact"]
    assert cloud.refusals("ExactCoreFilter", spec) == {"more": "needs exactly 2 vCPUs, 4 free"}
