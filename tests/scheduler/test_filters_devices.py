"""PCI devices and NUMA cells."""

from __future__ import annotations

from tuinova.scheduler import Amounts, NumaCell, PciPool
from tuinova.scheduler.pci import requests_of

ALIASES = (
    {"name": "gpu", "vendor_id": "10de", "product_id": "1db4"},
    {"name": "gpu", "vendor_id": "10de", "product_id": "1db6"},
    {"name": "nic", "vendor_id": "8086", "product_id": "1520"},
)
SIBLINGS = (frozenset({0, 4}), frozenset({1, 5}), frozenset({2, 6}), frozenset({3, 7}))


def cell(number: int = 0, **fields) -> NumaCell:
    return NumaCell(number, **{"cpus": 4, "memory_mb": 4096, **fields})


def test_pci_requests_must_be_served_together(cloud, request_for) -> None:
    cloud.add("two", pci_pools=(PciPool("10de", "1db4", 1), PciPool("10de", "1db6", 1)))
    cloud.add("one", pci_pools=(PciPool("10de", "1db4", 1), PciPool("8086", "1520", 8)))
    cloud.add("none")
    spec = request_for(extra_specs={"pci_passthrough:alias": "gpu:2"})
    reasons = cloud.refusals("PciPassthroughFilter", spec, pci_alias=ALIASES)
    assert reasons == {
        "none": "needs 2 of gpu; free PCI devices: none",
        "one": "needs 2 of gpu; free PCI devices: 1 of 10de:1db4, 8 of 8086:1520",
    }
    both = request_for(extra_specs={"pci_passthrough:alias": "gpu:1,nic:8"})
    assert cloud.passing("PciPassthroughFilter", both, pci_alias=ALIASES) == ["one"]
    assert cloud.passing("PciPassthroughFilter", request_for(), pci_alias=ALIASES) == ["none", "one", "two"]


def test_an_alias_that_nobody_defined_is_served_by_no_host(cloud, request_for) -> None:
    cloud.add("a", pci_pools=(PciPool("10de", "1db4", 1),))
    spec = request_for(extra_specs={"pci_passthrough:alias": "fpga:1"})
    assert cloud.refusals("PciPassthroughFilter", spec) == {"a": "PCI alias fpga is not defined"}


def test_devices_are_taken_and_given_back_with_the_server(cloud) -> None:
    cloud.add("a", pci_pools=(PciPool("10de", "1db4", 2),))
    asked = requests_of({"pci_passthrough:alias": "gpu:2"}, ALIASES)
    cloud.table.consume(("a", "a"), Amounts(1), "uuid", pci_requests=asked)
    assert cloud.view().col("pci_free").tolist() == [0]
    cloud.table.release(None, "uuid")
    assert cloud.view().col("pci_free").tolist() == [2]


def numa(cloud, request_for, **extra: str) -> list[str]:
    spec = request_for(extra_specs={f"hw:{key}": value for key, value in extra.items()}, vcpus=4, memory_mb=4096)
    return cloud.passing("NUMATopologyFilter", spec)


def test_without_a_numa_request_any_host_will_do(cloud, request_for) -> None:
    cloud.add("plain")
    assert numa(cloud, request_for) == ["plain"]


def test_a_numa_request_needs_a_host_with_cells(cloud, request_for) -> None:
    cloud.add("plain")
    cloud.add("numa", numa=(cell(0), cell(1)))
    assert numa(cloud, request_for, numa_nodes="2") == ["numa"]


def test_each_guest_cell_needs_a_host_cell_of_its_own(cloud, request_for) -> None:
    cloud.add("one", numa=(cell(0, cpus=8, memory_mb=8192),))
    cloud.add("two", numa=(cell(0), cell(1)))
    cloud.add("full", numa=(cell(0), cell(1, cpus_used=3)))
    assert numa(cloud, request_for, numa_nodes="2") == ["two"]


def test_ratios_overcommit_cells_but_not_one_guest_over_the_whole_cell(cloud, request_for) -> None:
    cells = (cell(0, cpus_used=4, memory_used_mb=4096), cell(1, cpus=1))
    cloud.add("tight", numa=cells)
    cloud.add("wide", numa=cells, cpu_allocation_ratio=2.0, ram_allocation_ratio=2.0)
    assert numa(cloud, request_for, numa_nodes="1") == ["wide"]
    cloud.add("small", numa=(cell(0, cpus=2), cell(1, cpus=2)), cpu_allocation_ratio=16.0)
    assert numa(cloud, request_for, numa_nodes="1") == ["wide"]


def test_uneven_cells_follow_the_extra_specs(cloud, request_for) -> None:
    cloud.add("fits", numa=(cell(0, cpus=3, memory_mb=3072), cell(1, cpus=1, memory_mb=1024)))
    cloud.add("even", numa=(cell(0, cpus=2, memory_mb=2048), cell(1, cpus=2, memory_mb=2048)))
    extra = {"numa_nodes": "2", "numa_cpus.0": "0", "numa_mem.0": "1024", "numa_cpus.1": "1-3", "numa_mem.1": "3072"}
    assert numa(cloud, request_for, **extra) == ["fits"]


def test_cells_that_contradict_the_flavor_fit_nowhere(cloud, request_for) -> None:
    cloud.add("a", numa=(cell(0), cell(1), cell(2)))
    assert numa(cloud, request_for, numa_nodes="3") == []
    assert numa(cloud, request_for, **{"numa_nodes": "1", "numa_cpus.0": "0-1", "numa_mem.0": "4096"}) == []


def test_pinned_cpus_must_be_free_and_dedicated(cloud, request_for) -> None:
    cloud.add("shared", numa=(cell(cpus=8),))
    cloud.add("dedicated", numa=(cell(free_dedicated_cpus=frozenset(range(4))),))
    cloud.add("taken", numa=(cell(free_dedicated_cpus=frozenset(range(3))),))
    assert numa(cloud, request_for, cpu_policy="dedicated") == ["dedicated"]


def test_thread_policies_choose_among_cores(cloud, request_for) -> None:
    cloud.add("threads", numa=(cell(free_dedicated_cpus=frozenset({0, 4, 1, 5}), siblings=SIBLINGS),))
    cloud.add("halves", numa=(cell(free_dedicated_cpus=frozenset({0, 1, 2, 3}), siblings=SIBLINGS),))
    cloud.add("whole", numa=(cell(free_dedicated_cpus=frozenset(range(8)), siblings=SIBLINGS),))
    cloud.add("single", numa=(cell(free_dedicated_cpus=frozenset(range(4))),))
    dedicated = {"cpu_policy": "dedicated"}
    assert numa(cloud, request_for, **dedicated) == ["halves", "single", "threads", "whole"]
    assert numa(cloud, request_for, **dedicated, cpu_thread_policy="require") == ["threads", "whole"]
    assert numa(cloud, request_for, **dedicated, cpu_thread_policy="isolate") == ["single", "whole"]


def test_page_sizes_need_enough_free_pages(cloud, request_for) -> None:
    cloud.add("huge", numa=(cell(free_pages=((4, 10), (2048, 2048))),))
    cloud.add("few", numa=(cell(free_pages=((4, 1 << 20), (2048, 2047))),))
    assert numa(cloud, request_for, mem_page_size="large") == ["huge"]
    assert numa(cloud, request_for, mem_page_size="2048") == ["huge"]
    assert numa(cloud, request_for, mem_page_size="2MB") == ["huge"]
    assert numa(cloud, request_for, mem_page_size="small") == ["few"]
    assert numa(cloud, request_for, mem_page_size="any") == ["few", "huge"]
