"""Service state, capabilities, retries and load."""

from __future__ import annotations

import pytest

from tuinova.core.errors import SchedulerHostFilterNotFound
from tuinova.scheduler import FILTERS, PRESETS, SchedulerOptions, ServiceInfo, filter_names
from tuinova.scheduler.filters import build_filters


def test_all_hosts_pass_the_filter_of_that_name(cloud, request_for) -> None:
    cloud.add("a", service=ServiceInfo(disabled=True))
    assert cloud.passing("AllHostsFilter", request_for()) == ["a"]


def test_compute_filter_wants_enabled_services_heard_of_in_time(cloud, request_for, now) -> None:
    cloud.add("up", service=ServiceInfo(last_seen=now - 60))
    cloud.add("late", service=ServiceInfo(last_seen=now - 61))
    cloud.add("disabled", service=ServiceInfo(disabled=True, disabled_reason="disk swap", last_seen=now))
    cloud.add("down", service=ServiceInfo(forced_down=True, last_seen=now))
    cloud.add("silent", service=ServiceInfo())
    reasons = cloud.refusals("ComputeFilter", request_for())
    assert reasons == {
        "late": "compute service down: last heard of 61 s ago, limit 60 s",
        "disabled": "compute service disabled: disk swap",
        "down": "compute service forced down",
        "silent": "compute service was never heard of",
    }


def test_service_down_time_is_an_option(cloud, request_for, now) -> None:
    cloud.add("a", service=ServiceInfo(last_seen=now - 90))
    assert cloud.passing("ComputeFilter", request_for(), service_down_time=90) == ["a"]
    assert cloud.passing("ComputeFilter", request_for(), service_down_time=89) == []


def test_a_clock_that_is_ahead_is_forgiven_as_far_as_one_behind(cloud, request_for, now) -> None:
    cloud.add("a", service=ServiceInfo(last_seen=now + 60))
    cloud.add("b", service=ServiceInfo(last_seen=now + 61))
    assert cloud.passing("ComputeFilter", request_for()) == ["a"]


def test_an_unscoped_spec_counts_only_if_the_host_has_such_an_attribute(cloud, request_for) -> None:
    cloud.add("a", stats={"node_color": "blue"})
    cloud.add("b", stats={"node_color": "red"})
    cloud.add("c")
    spec = request_for(extra_specs={"node_color": "blue", "unheard_of": "1"})
    assert cloud.refusals("ComputeCapabilitiesFilter", spec) == {
        "b": "extra spec node_color = 'blue': the host has 'red'"
    }


def test_a_refusal_names_the_spec_that_failed_and_not_one_that_did_not_count(cloud, request_for) -> None:
    cloud.add("a", stats={"colour": "red"}, vcpus=2)
    cloud.add("b", vcpus=2)
    cloud.add("c", vcpus=4, stats={"colour": "blue"})
    spec = request_for(extra_specs={"colour": "blue", "vcpus_total": ">= 4", "capabilities:colour": "blue"})
    assert cloud.refusals("ComputeCapabilitiesFilter", spec) == {
        "a": "extra spec colour = 'blue': the host has 'red'",
        "b": "extra spec vcpus_total = '>= 4': the host has '2'",
    }
    cloud.add("b", vcpus=4)
    assert cloud.refusals("ComputeCapabilitiesFilter", spec)["b"] == (
        "extra spec capabilities:colour = 'blue': the host has no such capability"
    )


def test_a_capability_that_can_not_be_found_fails(cloud, request_for) -> None:
    cloud.add("a", cpu_info={"features": ["aes"]})
    cloud.add("b")
    spec = request_for(extra_specs={"capabilities:cpu_info:features": "<in> aes"})
    assert cloud.refusals("ComputeCapabilitiesFilter", spec) == {
        "b": "extra spec capabilities:cpu_info:features = '<in> aes': the host has no such capability"
    }


def test_capabilities_reach_numbers_stats_and_nested_keys(cloud, request_for) -> None:
    cloud.add("a", vcpus=16, stats={"rack": "r1"}, cpu_info={"topology": {"cores": 4}})
    cloud.add("b", vcpus=8, stats={"rack": "r1"}, cpu_info={"topology": {"cores": 4}})
    cloud.add("c", vcpus=16, stats={"rack": "r2"}, cpu_info={"topology": {"cores": 4}})
    cloud.add("d", vcpus=16, stats={"rack": "r1"}, cpu_info={"topology": {"cores": 2}})
    extra = {"vcpus_total": "= 12", "capabilities:rack": "r1", "capabilities:cpu_info:topology:cores": ">= 4"}
    assert cloud.passing("ComputeCapabilitiesFilter", request_for(extra_specs=extra)) == ["a"]


def test_the_name_of_a_host_is_an_attribute(cloud, request_for) -> None:
    cloud.add("a")
    cloud.add("b")
    spec = request_for(extra_specs={"capabilities:hypervisor_hostname": "b"})
    assert cloud.passing("ComputeCapabilitiesFilter", spec) == ["b"]


def test_other_scopes_are_ignored(cloud, request_for) -> None:
    cloud.add("a")
    spec = request_for(extra_specs={"hw:cpu_policy": "dedicated", "quota:vif_inbound": "1"})
    assert cloud.passing("ComputeCapabilitiesFilter", spec) == ["a"]


def test_physical_address_bits_of_the_flavor_need_as_many_of_the_host(cloud, request_for) -> None:
    cloud.add("wide", cpu_info={"maxphysaddr": {"mode": "emulate", "bits": 46}})
    cloud.add("narrow", cpu_info={"maxphysaddr": {"mode": "emulate", "bits": 40}})
    spec = request_for(extra_specs={"hw:maxphysaddr_bits": "42"})
    assert cloud.passing("ComputeCapabilitiesFilter", spec) == ["wide"]


def test_retry_filter_leaves_out_what_was_tried(cloud, request_for) -> None:
    cloud.add("a", node="n1")
    cloud.add("a", node="n2")
    cloud.add("b")
    assert cloud.passing("RetryFilter", request_for()) == ["a", "b"]
    assert cloud.refusals("RetryFilter", request_for(tried=(("a", "n1"), ("b", "other")))) == {
        "a": "already tried for this server"
    }


def test_io_ops_must_stay_below_the_limit(cloud, request_for) -> None:
    cloud.add("busy", num_io_ops=8)
    cloud.add("free", num_io_ops=7)
    assert cloud.refusals("IoOpsFilter", request_for()) == {"busy": "8 I/O operations in progress, limit 8"}
    assert cloud.passing("IoOpsFilter", request_for(), max_io_ops_per_host=9) == ["busy", "free"]


def test_instances_must_stay_below_the_limit(cloud, request_for) -> None:
    cloud.add("full", num_instances=50)
    cloud.add("free", num_instances=49)
    assert cloud.refusals("NumInstancesFilter", request_for()) == {"full": "50 servers, limit 50"}
    assert cloud.passing("NumInstancesFilter", request_for(), max_instances_per_host=49) == []


def test_aggregates_set_their_own_limits_and_the_least_wins(cloud, request_for, aggregate) -> None:
    limits = [
        aggregate(1, max_io_ops_per_host="9", max_instances_per_host="3"),
        aggregate(2, max_io_ops_per_host="4", max_instances_per_host="5"),
    ]
    cloud.add("own", num_io_ops=4, num_instances=3, aggregates=limits)
    cloud.add("bad", num_io_ops=4, num_instances=3, aggregates=[aggregate(3, max_io_ops_per_host="few")])
    cloud.add("plain", num_io_ops=4, num_instances=3)
    assert cloud.passing("AggregateIoOpsFilter", request_for()) == ["bad", "plain"]
    assert cloud.passing("AggregateNumInstancesFilter", request_for()) == ["bad", "plain"]
    assert cloud.passing("IoOpsFilter", request_for()) == ["bad", "own", "plain"]


def test_metrics_filter_wants_every_metric_that_weighs(cloud, request_for, metrics) -> None:
    cloud.add("both", metrics={"cpu.percent": 1.0, "net": 2.0})
    cloud.add("one", metrics={"cpu.percent": 1.0})
    settings = metrics(weight_setting=("cpu.percent=1.0", "net=-1"))
    assert cloud.refusals("MetricsFilter", request_for(), metrics=settings) == {"one": "does not report net"}
    assert cloud.passing("MetricsFilter", request_for()) == ["both", "one"]


def test_a_metric_that_is_no_longer_reported_is_gone(cloud, request_for, metrics) -> None:
    cloud.add("a", metrics={"net": 2.0})
    cloud.add("a")
    assert cloud.passing("MetricsFilter", request_for(), metrics=metrics(weight_setting=("net=1",))) == []


def test_the_default_is_todays_five_in_order() -> None:
    assert PRESETS["default"] == (
        "ComputeFilter",
        "ComputeCapabilitiesFilter",
        "ImagePropertiesFilter",
        "ServerGroupAntiAffinityFilter",
        "ServerGroupAffinityFilter",
    )
    assert [one.name for one in build_filters(SchedulerOptions())] == list(PRESETS["default"])


def test_ocata_is_the_set_of_2017_with_core_same_host_and_different_host() -> None:
    assert filter_names("ocata") == (
        "RetryFilter",
        "AvailabilityZoneFilter",
        "RamFilter",
        "DiskFilter",
        "CoreFilter",
        "ComputeFilter",
        "ComputeCapabilitiesFilter",
        "ImagePropertiesFilter",
        "ServerGroupAntiAffinityFilter",
        "ServerGroupAffinityFilter",
        "SameHostFilter",
        "DifferentHostFilter",
    )


def test_filters_are_named_in_a_list_in_text_and_by_module_path() -> None:
    expected = ("RamFilter", "ComputeFilter")
    assert filter_names(["RamFilter", "ComputeFilter", "RamFilter"]) == expected
    assert filter_names("RamFilter, ComputeFilter") == expected
    assert filter_names(("nova.scheduler.filters.ram_filter.RamFilter", "ComputeFilter")) == expected


def test_an_unknown_filter_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SchedulerHostFilterNotFound) as caught:
        filter_names(("ComputFilter",))
    assert str(caught.value) == ("Scheduler Host Filter ComputFilter could not be found. Did you mean ComputeFilter?")


def test_every_filter_knows_when_it_runs() -> None:
    once = {name for name, kind in FILTERS.items() if kind.once}
    assert once == {
        *("AllHostsFilter", "ComputeFilter", "ComputeCapabilitiesFilter", "ImagePropertiesFilter", "SameHostFilter"),
        *("DifferentHostFilter", "SimpleCIDRAffinityFilter", "AggregateInstanceExtraSpecsFilter"),
        *("AggregateImagePropertiesIsolation", "AggregateMultiTenancyIsolation", "AggregateTypeAffinityFilter"),
        *("IsolatedHostsFilter", "AvailabilityZoneFilter"),
    }
    rebuild = {name for name, kind in FILTERS.items() if kind.run_on_rebuild}
    assert rebuild == {"ImagePropertiesFilter", "AggregateImagePropertiesIsolation", "IsolatedHostsFilter"}
