"""What placement decides before any filter."""

from __future__ import annotations

import pytest

from tuinova.core.errors import NoValidHost
from tuinova.scheduler import AggregateInfo, Amounts, ServiceInfo


def fits(cloud, spec, **options) -> bool:
    """Whether placement has a candidate; when it has none, it gives no reason."""
    try:
        cloud.select(spec, enabled_filters=("AllHostsFilter",), **options)
    except NoValidHost as caught:
        error = caught
    else:
        return True
    assert str(error) == "No valid host was found. "
    return False


def why(cloud, stage: str) -> str:
    found = [one for one in cloud.traces[0].to_dict()["stages"] if one["name"] == stage]
    return found[0]["rejected"][0]["reason"]


@pytest.mark.parametrize(
    ("inventory", "used", "most"),
    [
        ({"memory_mb": 1000}, Amounts(), 1000),
        ({"memory_mb": 1000, "reserved_host_memory_mb": 100}, Amounts(), 900),
        ({"memory_mb": 1000}, Amounts(0, 300), 700),
        ({"memory_mb": 1000, "ram_allocation_ratio": 1.5}, Amounts(0, 900), 600),
        ({"memory_mb": 1000, "reserved_host_memory_mb": 100, "ram_allocation_ratio": 2.0}, Amounts(0, 900), 900),
        ({"memory_mb": 1000, "ram_allocation_ratio": 2.0}, Amounts(), 1000),  # never more than the physical host
    ],
)
def test_memory_fits_up_to_what_reserve_ratio_and_use_leave(cloud, request_for, inventory, used, most) -> None:
    cloud.add("a", **inventory, instances={"x": used})
    assert not fits(cloud, request_for(memory_mb=most + 1))
    assert fits(cloud, request_for(memory_mb=most))


def test_vcpus_and_disk_are_judged_the_same_way(cloud, request_for) -> None:
    cloud.add(
        "a",
        vcpus=4,
        cpu_allocation_ratio=4.0,
        reserved_host_cpus=1,
        local_gb=20,
        reserved_host_disk_gb=5,
        instances={"x": Amounts(8, 0, 5)},
    )
    assert not fits(cloud, request_for(vcpus=5))
    assert not fits(cloud, request_for(root_gb=10, ephemeral_gb=1))
    assert fits(cloud, request_for(vcpus=4, root_gb=10))


def test_a_class_of_which_nothing_is_asked_is_not_judged(cloud, request_for) -> None:
    cloud.add("a", local_gb=10, instances={"x": Amounts(0, 0, 50)})
    assert fits(cloud, request_for(root_gb=0))
    assert fits(cloud, request_for("two", root_gb=5, extra_specs={"resources:DISK_GB": "0"}))


def test_foreign_guests_take_capacity(cloud, request_for) -> None:
    cloud.add("a", memory_mb=2048, foreign=Amounts(1, 1536, 1))
    assert not fits(cloud, request_for(memory_mb=513))
    assert why(cloud, "capacity") == "needs 513 MB, has 512 MB free (allocation ratio 1)"
    assert fits(cloud, request_for(memory_mb=512))


def test_reasons_name_every_class_that_is_short(cloud, request_for) -> None:
    cloud.add("a", memory_mb=8192, vcpus=2, instances={"x": Amounts(0, 7680)})
    assert not fits(cloud, request_for(memory_mb=8192, vcpus=4))
    assert not fits(cloud, request_for(memory_mb=512, vcpus=4))
    assert why(cloud, "capacity") == "needs 4 vCPUs, the whole host has 2"
    assert not fits(cloud, request_for(memory_mb=8192, vcpus=4))
    reason = why(cloud, "capacity")
    assert reason == "needs 8192 MB, has 512 MB free (allocation ratio 1); needs 4 vCPUs, the whole host has 2"


def test_custom_resources_are_counted_and_used_up(cloud, request_for) -> None:
    cloud.add("a", custom_resources={"CUSTOM_GPU": 1})
    cloud.add("b")
    spec = request_for("one", extra_specs={"resources:CUSTOM_GPU": "1"})
    assert cloud.chosen(spec) == ["a"]
    assert not fits(cloud, request_for("two", extra_specs={"resources:CUSTOM_GPU": "1"}))
    assert not fits(cloud, request_for("two", extra_specs={"resources:CUSTOM_FPGA": "1"}))


def test_a_zone_is_the_hosts_in_its_aggregates(cloud, request_for, aggregate) -> None:
    cloud.add("west", aggregates=[aggregate(1, zone="west")])
    cloud.add("east", aggregates=[aggregate(2, zone="east")])
    cloud.add("plain")
    assert cloud.chosen(request_for(availability_zone="west")) == ["west"]
    stage = next(one for one in cloud.traces[0].to_dict()["stages"] if one["name"] == "availability zone")
    assert [one["reason"] for one in stage["rejected"]] == ["zone east, not west", "zone nova, not west"]


def test_the_default_zone_asked_for_explicitly_restricts_nothing(cloud, request_for, aggregate) -> None:
    cloud.add("west", aggregates=[aggregate(1, zone="west")])
    assert cloud.chosen(request_for(availability_zone="nova")) == ["west"]


def test_a_zone_whose_aggregate_has_no_host_finds_none(cloud, request_for) -> None:
    cloud.add("a")
    cloud.table.declare_zones(["empty"])
    assert not fits(cloud, request_for(availability_zone="empty"))


def test_disabled_services_are_no_candidates(cloud, request_for, now) -> None:
    cloud.add("a", service=ServiceInfo(disabled=True, disabled_reason="repair", last_seen=now))
    assert not fits(cloud, request_for())
    assert why(cloud, "compute status") == "compute service disabled: repair"


def test_traits_are_required_and_forbidden_by_flavor_and_image(cloud, request_for) -> None:
    cloud.add("both", traits=frozenset({"HW_A", "HW_B"}))
    cloud.add("one", traits=frozenset({"HW_A"}))
    cloud.add("none")
    assert cloud.chosen(request_for("1", extra_specs={"trait:HW_A": "required", "trait:HW_B": "forbidden"})) == ["one"]
    reasons = [one["reason"] for one in cloud.traces[0].to_dict()["stages"][-7]["rejected"]]
    assert reasons == ["has forbidden trait HW_B", "lacks trait HW_A"]
    assert cloud.chosen(request_for("2", image_properties={"trait:HW_B": "required"})) == ["both"]
    assert not fits(cloud, request_for("3", extra_specs={"accel:device_profile": "x"}))


def test_image_traits_are_asked_for_only_when_enabled(cloud, request_for) -> None:
    cloud.add("qcow2", traits=frozenset({"COMPUTE_IMAGE_TYPE_QCOW2", "COMPUTE_STORAGE_BUS_VIRTIO"}))
    spec = request_for(image_disk_format="raw")
    assert fits(cloud, spec)
    assert not fits(cloud, spec, query_placement_for_image_type_support=True)
    assert fits(cloud, request_for(image_disk_format="qcow2"), query_placement_for_image_type_support=True)
    scsi = request_for(image_properties={"hw_disk_bus": "scsi"})
    assert fits(cloud, scsi)
    assert not fits(cloud, scsi, image_metadata_prefilter=True)
    virtio = request_for(image_properties={"hw_disk_bus": "virtio"})
    assert fits(cloud, virtio, image_metadata_prefilter=True)


def test_projects_can_be_limited_to_their_aggregates(cloud, request_for) -> None:
    cloud.add("theirs", aggregates=[AggregateInfo(1, "a", None, {"filter_tenant_id": "rich"})])
    cloud.add("all")
    options = {"limit_tenants_to_placement_aggregate": True}
    cloud.add("full", memory_mb=1, aggregates=[AggregateInfo(2, "b", None, {"filter_tenant_id": "project"})])
    assert not fits(cloud, request_for(), **options)  # its own aggregate has no room, others are not for it
    cloud.table.remove("full", "full")
    assert fits(cloud, request_for(), **options)  # a project without an aggregate may go anywhere
    assert not fits(cloud, request_for(), **options, placement_aggregate_required_for_tenants=True)


def test_aggregates_with_traits_can_be_kept_for_requests_with_them(cloud, request_for) -> None:
    cloud.add(
        "gpu",
        traits=frozenset({"CUSTOM_GPU"}),
        aggregates=[AggregateInfo(1, "gpus", None, {"trait:CUSTOM_GPU": "required"})],
    )
    assert fits(cloud, request_for())
    options = {"enable_isolated_aggregate_filtering": True}
    assert not fits(cloud, request_for(), **options)
    assert why(cloud, "isolated aggregates") == "aggregate gpus is for requests with its traits only"
    assert fits(cloud, request_for(extra_specs={"trait:CUSTOM_GPU": "required"}), **options)


def test_placement_answers_with_so_many_candidates_at_most(cloud, request_for) -> None:
    for name in ("a", "b", "c"):
        cloud.add(name, memory_mb=16384 + ord(name))
    assert cloud.chosen(request_for("1"), max_placement_results=2) == ["b"]
    assert cloud.traces[0].candidates == 2
    assert cloud.chosen(request_for("2", force_hosts=("c",)), max_placement_results=1) == ["c"]
