"""What weighers measure, and Nova's normalisation of it."""

from __future__ import annotations

import pytest

from tuinova.scheduler import WEIGHERS, Amounts, GroupSpec, PciPool, SchedulerOptions
from tuinova.scheduler.weights import ComputeHostMetricNotFound, SchedulerWeigherNotFound, build_weighers


def test_a_pinned_weigher_scales_from_zero(cloud, request_for) -> None:
    cloud.add("a", memory_mb=8000)
    cloud.add("b", memory_mb=6000)
    assert cloud.weights("RAMWeigher", request_for()) == {"a": 1.0, "b": 0.75}


@pytest.mark.parametrize("name", ["RAMWeigher", "CPUWeigher", "DiskWeigher"])
def test_equal_hosts_get_one_each_of_a_pinned_weigher(cloud, request_for, name) -> None:
    cloud.add("a")
    cloud.add("b")
    assert cloud.weights(name, request_for()) == {"a": 1.0, "b": 1.0}


def test_a_pinned_weigher_counts_less_than_nothing_as_nothing(cloud, request_for) -> None:
    cloud.add("over", memory_mb=1000, instances={"x": Amounts(0, 1500)})
    cloud.add("half", memory_mb=1000, instances={"y": Amounts(0, 500)})
    cloud.add("free", memory_mb=1000)
    assert cloud.weights("RAMWeigher", request_for()) == {"over": 0.0, "half": 0.5, "free": 1.0}
    part = cloud.part("RAMWeigher", request_for())
    assert part.at(0) == {"raw": -500.0, "multiplier": 1.0, "normalized": 0.0, "weight": 0.0}


def test_hosts_that_all_have_nothing_get_nothing(cloud, request_for) -> None:
    cloud.add("a", memory_mb=0)
    cloud.add("b", memory_mb=0)
    assert cloud.weights("RAMWeigher", request_for()) == {"a": 0.0, "b": 0.0}


def test_other_weighers_scale_from_the_least_and_equal_hosts_get_nothing(cloud, request_for) -> None:
    cloud.add("a", hypervisor_version=10)
    cloud.add("b", hypervisor_version=20)
    cloud.add("c", hypervisor_version=30)
    assert cloud.weights("HypervisorVersionWeigher", request_for()) == {"a": 0.0, "b": 0.5, "c": 1.0}
    part = cloud.part("HypervisorVersionWeigher", request_for())
    assert [part.at(i)["normalized"] for i in range(3)] == [0.0, 0.5, 1.0]
    for name in ("a", "b", "c"):
        cloud.add(name, hypervisor_version=30)
    assert set(cloud.weights("HypervisorVersionWeigher", request_for()).values()) == {0.0}


def test_one_host_alone_is_not_weighed(cloud, request_for) -> None:
    cloud.add("a")
    assert cloud.weights("RAMWeigher", request_for()) == {"a": 0.0}
    selection = cloud.select(request_for())
    assert selection[0].host == "a"
    assert cloud.traces[0].weighed == []
    assert cloud.traces[0].to_dict()["ranking"] == [{"host": "a", "node": "a", "weight": 0.0, "weighers": {}}]


def test_cpu_weigher_measures_what_the_ratio_leaves(cloud, request_for) -> None:
    cloud.add("a", vcpus=4, cpu_allocation_ratio=4.0, instances={"x": Amounts(6)})
    cloud.add("b", vcpus=8, reserved_host_cpus=1)
    assert cloud.raw("CPUWeigher", request_for()) == {"a": 10.0, "b": 7.0}


def test_disk_weigher_measures_the_less_of_both_free_disks(cloud, request_for) -> None:
    cloud.add("a", local_gb=100, disk_available_least=20)
    cloud.add("b", local_gb=100, disk_available_least=200, instances={"x": Amounts(0, 0, 90)})
    assert cloud.raw("DiskWeigher", request_for()) == {"a": 20.0 * 1024, "b": 10.0 * 1024}


def test_io_operations_weigh_against_a_host(cloud, request_for) -> None:
    cloud.add("a", num_io_ops=4)
    cloud.add("b", num_io_ops=1)
    assert cloud.weights("IoOpsWeigher", request_for()) == {"a": -1.0, "b": -0.25}


def test_hosts_with_fewer_free_pci_devices_come_first(cloud, request_for) -> None:
    cloud.add("many", pci_pools=(PciPool("1", "2", 150),))
    cloud.add("some", pci_pools=(PciPool("1", "2", 30), PciPool("1", "3", 10)))
    cloud.add("none")
    assert cloud.raw("PCIWeigher", request_for()) == {"many": 1.0, "some": 60.0, "none": 100.0}


@pytest.mark.parametrize(
    ("name", "policy", "expected"),
    [
        ("ServerGroupSoftAffinityWeigher", "soft-affinity", {"two": 2.0, "one": 1.0, "none": 0.0}),
        ("ServerGroupSoftAntiAffinityWeigher", "soft-anti-affinity", {"two": -2.0, "one": -1.0, "none": 0.0}),
        ("ServerGroupSoftAffinityWeigher", "soft-anti-affinity", {"two": 0.0, "one": 0.0, "none": 0.0}),
        ("ServerGroupSoftAntiAffinityWeigher", "anti-affinity", {"two": 0.0, "one": 0.0, "none": 0.0}),
    ],
)
def test_soft_policies_weigh_members_on_the_host(cloud, request_for, name, policy, expected) -> None:
    cloud.add("two", instances={"m1": Amounts(), "m2": Amounts(), "x": Amounts()})
    cloud.add("one", instances={"m3": Amounts()})
    cloud.add("none", instances={"y": Amounts()})
    spec = request_for(group=GroupSpec("g", policy, members=frozenset({"m1", "m2", "m3"})))
    assert cloud.raw(name, spec) == expected


def test_failed_builds_weigh_against_a_host_by_far(cloud, request_for) -> None:
    cloud.add("bad", failed_builds=2)
    cloud.add("good")
    assert cloud.weights("BuildFailureWeigher", request_for()) == {"bad": -1000000.0, "good": 0.0}


def test_the_preferred_cell_comes_first_in_a_move_that_may_leave_it(cloud, request_for) -> None:
    cloud.add("home", cell="c1")
    cloud.add("away", cell="c2")
    assert cloud.raw("CrossCellWeigher", request_for()) == {"home": 0.0, "away": 0.0}
    assert cloud.raw("CrossCellWeigher", request_for(preferred_cell="c1")) == {"home": 1.0, "away": -1.0}


def test_the_number_of_servers_counts_only_with_a_multiplier(cloud, request_for) -> None:
    cloud.add("a", num_instances=2)
    cloud.add("b", num_instances=0)
    assert cloud.raw("NumInstancesWeigher", request_for()) == {"a": 2.0, "b": 0.0}
    assert cloud.weights("NumInstancesWeigher", request_for()) == {"a": 0.0, "b": 0.0}
    packed = cloud.weights("NumInstancesWeigher", request_for(), num_instances_weight_multiplier=2.0)
    assert packed == {"a": 2.0, "b": 0.0}


def test_servers_with_the_same_image_properties_are_counted_when_asked(cloud, request_for) -> None:
    cloud.add("a")
    cloud.add("b")
    for uuid, properties in (("x", {"os_distro": "debian", "os_type": "linux"}), ("y", {"os_type": "linux"})):
        cloud.table.consume(("a", "a"), Amounts(), uuid, image_properties=properties)
    spec = request_for(image_properties={"os_distro": "debian", "os_type": "linux"})
    assert cloud.raw("ImagePropertiesWeigher", spec, image_props_weight_multiplier=1.0) == {"a": 3.0, "b": 0.0}
    assert cloud.raw("ImagePropertiesWeigher", spec) == {"a": 0.0, "b": 0.0}


def test_metrics_are_summed_by_their_ratios(cloud, request_for, metrics) -> None:
    cloud.add("a", metrics={"m1": 2.0, "m2": 10.0})
    cloud.add("b", metrics={"m1": 4.0, "m2": 1.0})
    settings = metrics(weight_setting=("m1=1.5", "m2=-1", "bad"))
    assert cloud.raw("MetricsWeigher", request_for(), metrics=settings) == {"a": -7.0, "b": 5.0}
    doubled = metrics(weight_setting=("m1=1",), weight_multiplier=2.0)
    assert cloud.weights("MetricsWeigher", request_for(), metrics=doubled) == {"a": 0.0, "b": 2.0}


def test_a_missing_metric_is_an_error_or_a_very_low_weight(cloud, request_for, metrics) -> None:
    cloud.add("a", metrics={"m1": 2.0})
    cloud.add("b")
    with pytest.raises(ComputeHostMetricNotFound, match=r"Metric m1 .* b\.b"):
        cloud.raw("MetricsWeigher", request_for(), metrics=metrics(weight_setting=("m1=1",)))
    lenient = metrics(weight_setting=("m1=1",), required=False)
    assert cloud.raw("MetricsWeigher", request_for(), metrics=lenient) == {"a": 2.0, "b": -10000.0}
    nowhere = metrics(weight_setting=("other=1",), required=False)
    assert cloud.raw("MetricsWeigher", request_for(), metrics=nowhere) == {"a": -10000.0, "b": -10000.0}


@pytest.mark.parametrize("name", sorted(WEIGHERS))
def test_every_multiplier_can_be_overridden_by_aggregates_and_the_least_wins(
    cloud, request_for, aggregate, name
) -> None:
    key = WEIGHERS[name].option
    cloud.add("own", aggregates=[aggregate(1, **{key: "3.5"}), aggregate(2, **{key: "2.5"})])
    cloud.add("bad", aggregates=[aggregate(3, **{key: "much"})])
    cloud.add("plain")
    part = cloud.part(name, request_for())
    default = cloud.part(name, request_for()).at(2)["multiplier"]
    sign = -1 if name == "BuildFailureWeigher" else 1
    assert [part.at(i)["multiplier"] for i in range(3)] == [sign * 2.5, default, default]


def test_an_overridden_multiplier_moves_only_its_hosts(cloud, request_for, aggregate) -> None:
    cloud.add("a", aggregates=[aggregate(1, ram_weight_multiplier="-1")])
    cloud.add("b")
    assert cloud.weights("RAMWeigher", request_for()) == {"a": -1.0, "b": 1.0}


def test_a_negative_multiplier_packs(cloud, request_for) -> None:
    cloud.add("full", instances={"x": Amounts(0, 8192)})
    cloud.add("free")
    spread = cloud.weights("RAMWeigher", request_for())
    packed = cloud.weights("RAMWeigher", request_for(), ram_weight_multiplier=-2.0)
    assert spread["free"] > spread["full"]
    assert packed == {"full": -1.0, "free": -2.0}


def test_the_defaults_are_novas() -> None:
    multipliers = {one.name: one.sign * one.configured() for one in build_weighers(SchedulerOptions())}
    assert multipliers == {
        "RAMWeigher": 1.0,
        "CPUWeigher": 1.0,
        "DiskWeigher": 1.0,
        "IoOpsWeigher": -1.0,
        "PCIWeigher": 1.0,
        "ServerGroupSoftAffinityWeigher": 1.0,
        "ServerGroupSoftAntiAffinityWeigher": 1.0,
        "BuildFailureWeigher": -1000000.0,
        "CrossCellWeigher": 1000000.0,
        "HypervisorVersionWeigher": 1.0,
        "NumInstancesWeigher": 0.0,
        "ImagePropertiesWeigher": 0.0,
        "MetricsWeigher": 1.0,
    }


def test_weighers_can_be_chosen_by_name() -> None:
    chosen = build_weighers(SchedulerOptions(weight_classes=("nova.scheduler.weights.ram.RAMWeigher",)))
    assert [one.name for one in chosen] == ["RAMWeigher"]
    every = build_weighers(SchedulerOptions(weight_classes=("nova.scheduler.weights.all_weighers",)))
    assert len(every) == 13
    with pytest.raises(SchedulerWeigherNotFound):
        build_weighers(SchedulerOptions(weight_classes=("NoWeigher",)))
