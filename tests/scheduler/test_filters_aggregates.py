"""Rules in the metadata of aggregates, and zones as a filter."""

from __future__ import annotations

import pytest


def test_extra_specs_must_be_found_in_the_aggregates(cloud, request_for, aggregate) -> None:
    cloud.add("ssd", aggregates=[aggregate(1, ssd="true"), aggregate(2, tier="1,2")])
    cloud.add("disk", aggregates=[aggregate(3, ssd="false", tier="2")])
    cloud.add("plain")
    extra = {"ssd": "true", "aggregate_instance_extra_specs:tier": "<or> 2 <or> 3", "hw:cpu_policy": "shared"}
    assert cloud.refusals("AggregateInstanceExtraSpecsFilter", request_for(extra_specs=extra)) == {
        "disk": "extra spec ssd = 'true': its aggregates have false",
        "plain": "extra spec ssd = 'true': no aggregate of the host has this key",
    }


def test_no_extra_specs_ask_nothing_of_aggregates(cloud, request_for) -> None:
    cloud.add("plain")
    assert cloud.passing("AggregateInstanceExtraSpecsFilter", request_for()) == ["plain"]
    assert cloud.passing("AggregateInstanceExtraSpecsFilter", request_for(extra_specs={"hw:x": "1"})) == ["plain"]


def test_aggregates_can_be_reserved_for_projects(cloud, request_for, aggregate) -> None:
    cloud.add(
        "ours", aggregates=[aggregate(1, filter_tenant_id="someone"), aggregate(2, filter_tenant_id2="a,project")]
    )
    cloud.add("theirs", aggregates=[aggregate(3, filter_tenant_id="someone")])
    cloud.add("all")
    assert cloud.refusals("AggregateMultiTenancyIsolation", request_for()) == {
        "theirs": "reserved for projects someone"
    }


def test_aggregates_can_be_reserved_for_flavors_by_name(cloud, request_for, aggregate) -> None:
    cloud.add("ours", aggregates=[aggregate(1, instance_type="m1.big, m1.test")])
    cloud.add("theirs", aggregates=[aggregate(2, instance_type="m1.big")])
    cloud.add("all")
    assert cloud.refusals("AggregateTypeAffinityFilter", request_for()) == {
        "theirs": "flavor m1.test is not among m1.big"
    }


@pytest.mark.parametrize(
    ("zone", "expected"),
    [(None, ["default", "west"]), ("west", ["west"]), ("nova", ["default"]), ("east", [])],
)
def test_the_zone_filter_of_2017_knows_the_default_zone(cloud, request_for, aggregate, zone, expected) -> None:
    cloud.add("west", aggregates=[aggregate(1, zone="west")])
    cloud.add("default", aggregates=[aggregate(2, other="x")])
    assert cloud.passing("AvailabilityZoneFilter", request_for(availability_zone=zone)) == expected


def test_the_default_zone_has_a_configured_name(cloud, request_for) -> None:
    cloud.add("a")
    spec = request_for(availability_zone="home")
    assert cloud.passing("AvailabilityZoneFilter", spec, default_availability_zone="home") == ["a"]
    assert cloud.refusals("AvailabilityZoneFilter", spec) == {"a": "zone nova, not home"}
