"""From a request to claimed hosts with alternates, or to none and nothing claimed."""

from __future__ import annotations

import pytest

from tuinova.core.errors import MaxRetriesExceeded, NoValidHost, UnsupportedPolicyException
from tuinova.scheduler import (
    Amounts,
    GroupSpec,
    PciPool,
    SchedulerOptions,
    Selection,
    ServiceInfo,
    alternates_wanted,
    check_attempt,
    retries_enabled,
)

NOT_ENOUGH = "No valid host was found. There are not enough hosts available."


@pytest.fixture
def three(cloud):
    """Hosts that differ in memory: c is the best, a the worst."""
    for name, memory in (("a", 4096), ("b", 8192), ("c", 16384)):
        cloud.add(name, memory_mb=memory)
    return cloud


def group(policy: str, **fields) -> GroupSpec:
    return GroupSpec("group", policy, **fields)


def test_the_heaviest_host_is_chosen_and_the_next_are_alternates(three, request_for) -> None:
    assert three.select(request_for()) == [Selection("new", "c", "c", (("b", "b"), ("a", "a")))]
    assert three.truth.held == {"new": ("c", Amounts(1, 1024, 10))}


def test_there_are_as_many_alternates_as_further_attempts(three, request_for) -> None:
    assert three.select(request_for("1"), max_attempts=2)[0].alternates == (("b", "b"),)
    assert three.select(request_for("2"), max_attempts=1)[0].alternates == ()
    chosen = three.scheduler().select_destinations(request_for("3"), three.truth.claim, alternates=False)
    assert chosen[0].alternates == ()


def test_a_host_that_refuses_its_claim_is_followed_by_the_next(three, request_for) -> None:
    three.truth.refuse = {"c"}
    assert three.select(request_for()) == [Selection("new", "b", "b", (("a", "a"),))]
    assert three.traces[0].claims == [("c", "c", False), ("b", "b", True)]


def test_when_every_claim_fails_there_are_not_enough_hosts(three, request_for) -> None:
    three.truth.refuse = {"a", "b", "c"}
    with pytest.raises(NoValidHost) as caught:
        three.select(request_for())
    assert str(caught.value) == NOT_ENOUGH


def test_no_candidate_gives_no_reason(three, request_for) -> None:
    with pytest.raises(NoValidHost) as caught:
        three.select(request_for(memory_mb=100_000))
    assert str(caught.value) == "No valid host was found. "


def test_an_empty_cloud_gives_no_reason(cloud, request_for) -> None:
    with pytest.raises(NoValidHost, match=r"^No valid host was found\. $"):
        cloud.select(request_for())


def test_filters_that_remove_all_leave_not_enough_hosts(cloud, request_for) -> None:
    cloud.add("a", service=ServiceInfo(last_seen=0.0))
    with pytest.raises(NoValidHost) as caught:
        cloud.select(request_for())
    assert str(caught.value) == NOT_ENOUGH
    assert cloud.truth.held == {}


def test_filters_stop_at_the_first_that_lets_no_host_pass(cloud, request_for) -> None:
    cloud.add("a", service=ServiceInfo(last_seen=0.0))
    with pytest.raises(NoValidHost):
        cloud.select(request_for())
    assert [stage.name for stage in cloud.traces[0].stages][-1] == "ComputeFilter"


def test_servers_of_one_request_see_what_those_before_them_took(cloud, request_for) -> None:
    cloud.add("a", memory_mb=4096)
    cloud.add("b", memory_mb=4000)
    assert cloud.chosen(request_for("1", "2", "3", "4")) == ["a", "b", "a", "b"]


def test_a_host_that_is_full_after_the_first_server_is_not_asked_again(cloud, request_for) -> None:
    cloud.add("big", memory_mb=1024)
    cloud.add("small", memory_mb=1024, num_io_ops=5)
    cloud.truth = type(cloud.truth)({"big": 1024, "small": 1024})
    assert cloud.chosen(request_for("1", "2")) == ["big", "small"]
    assert cloud.truth.refused == []


def test_all_or_nothing(cloud, request_for) -> None:
    cloud.add("a", memory_mb=2048)
    with pytest.raises(NoValidHost) as caught:
        cloud.select(request_for("1", "2", "3", "4"))
    assert str(caught.value) == NOT_ENOUGH
    assert cloud.truth.held == {}
    assert cloud.view().col("used_mem").tolist() == [0]
    assert [trace.outcome for trace in cloud.traces] == ["undone", "undone", "no_valid_host", "no_valid_host"]
    assert [trace.instance_uuid for trace in cloud.traces] == ["1", "2", "3", "4"]


def test_an_error_of_the_claim_gives_back_what_was_claimed(three, request_for) -> None:
    def claim(host: str, node: str, uuid: str, amounts: Amounts) -> bool:
        if uuid == "2":
            raise RuntimeError("database gone")
        return three.truth.claim(host, node, uuid, amounts)

    with pytest.raises(RuntimeError, match="database gone"):
        three.scheduler().select_destinations(
            request_for("1", "2"), claim, three.traces.append, unclaim=three.truth.unclaim
        )
    assert three.truth.held == {}
    assert set(three.view().col("used_mem").tolist()) == {0}
    assert [trace.message for trace in three.traces] == ["RuntimeError: database gone"] * 2


def test_one_claim_that_can_not_be_given_back_does_not_keep_the_others(cloud, request_for) -> None:
    cloud.add("a", memory_mb=2048)

    def unclaim(host: str, node: str, uuid: str, amounts: Amounts) -> None:
        if uuid == "2":
            raise RuntimeError("database gone")
        cloud.truth.unclaim(host, node, uuid, amounts)

    with pytest.raises(NoValidHost):
        cloud.scheduler().select_destinations(request_for("1", "2", "3"), cloud.truth.claim, unclaim=unclaim)
    assert list(cloud.truth.held) == ["2"]


def test_a_trace_that_can_not_be_kept_does_not_lose_the_host(three, request_for) -> None:
    def sink(_trace: object) -> None:
        raise OSError("disk full")

    assert three.scheduler().select_destinations(request_for(), three.truth.claim, sink)[0].host == "c"


def test_alternates_of_several_servers_hold_none_of_them(three, request_for) -> None:
    three.add("d", memory_mb=2048)
    selections = three.select(request_for("1", "2"), max_attempts=3)
    chosen = {selection.host for selection in selections}
    for selection in selections:
        alternates = [host for host, _node in selection.alternates]
        assert len(alternates) == 2
        assert not chosen & set(alternates)


def test_filters_flagged_once_run_for_the_first_server_only(three, request_for) -> None:
    three.select(request_for("1", "2"))
    first, second = three.traces
    assert [stage.name for stage in first.stages if stage.kind == "filter"] == [
        "ComputeFilter",
        "ComputeCapabilitiesFilter",
        "ImagePropertiesFilter",
        "ServerGroupAntiAffinityFilter",
        "ServerGroupAffinityFilter",
    ]
    assert [stage.name for stage in second.stages] == [
        "capacity",
        "ServerGroupAntiAffinityFilter",
        "ServerGroupAffinityFilter",
    ]


def test_what_the_first_server_ruled_out_stays_ruled_out(three, request_for, now) -> None:
    three.add("c", memory_mb=16384, service=ServiceInfo(last_seen=now - 1000))
    assert "c" not in three.chosen(request_for("1", "2", "3"))


# Named hosts -------------------------------------------------------------------------------------------------------
def test_ignored_hosts_are_left_out_whatever_their_case(three, request_for) -> None:
    assert three.chosen(request_for(ignore_hosts=("C", "b"))) == ["a"]
    with pytest.raises(NoValidHost) as caught:
        three.select(request_for(ignore_hosts=("a", "b", "c")))
    assert str(caught.value) == NOT_ENOUGH


def test_a_forced_host_is_used_even_if_it_is_down(three, request_for, now) -> None:
    three.add("a", service=ServiceInfo(forced_down=True, last_seen=0.0))
    assert three.chosen(request_for(force_hosts=("A",))) == ["a"]
    assert three.traces[0].filters_skipped
    assert [stage.kind for stage in three.traces[0].stages if stage.kind == "filter"] == []


def test_a_forced_host_must_have_room_and_be_enabled(three, request_for) -> None:
    with pytest.raises(NoValidHost, match=r"^No valid host was found\. $"):
        three.select(request_for(force_hosts=("a",), memory_mb=8192))
    three.add("a", service=ServiceInfo(disabled=True))
    with pytest.raises(NoValidHost, match=r"^No valid host was found\. $"):
        three.select(request_for(force_hosts=("a",)))


def test_a_forced_node_is_exact(cloud, request_for) -> None:
    cloud.add("a", node="n1", memory_mb=16384)
    cloud.add("a", node="n2", memory_mb=8192)
    assert cloud.select(request_for("1", force_nodes=("n2",)))[0].node == "n2"
    assert cloud.select(request_for("2", force_hosts=("a",), force_nodes=("n1",)))[0].node == "n1"
    with pytest.raises(NoValidHost):
        cloud.select(request_for("3", force_nodes=("N1",)))


def test_several_forced_hosts_leave_a_choice(three, request_for) -> None:
    assert three.select(request_for(force_hosts=("a", "b")))[0] == Selection("new", "b", "b", (("a", "a"),))


def test_a_forced_host_that_does_not_exist_is_named(three, request_for) -> None:
    with pytest.raises(NoValidHost) as caught:
        three.select(request_for(force_hosts=("nowhere",)))
    assert str(caught.value) == "No valid host was found. No such host - host: nowhere node: None "


def test_a_forced_node_that_does_not_exist_is_named(three, request_for) -> None:
    with pytest.raises(NoValidHost) as caught:
        three.select(request_for(force_hosts=("a",), force_nodes=("n9",)))
    assert str(caught.value) == "No valid host was found. No such host - host: a node: n9 "


def test_a_requested_node_is_one_of_its_host(cloud, request_for) -> None:
    cloud.add("a", node="n1", memory_mb=16384)
    cloud.add("a", node="n2", memory_mb=8192)
    cloud.add("b", node="n3", memory_mb=4096)
    assert cloud.select(request_for(requested_destination=("a", "n2")))[0].node == "n2"
    stages = cloud.traces[0].to_dict()["stages"]
    refused = next(one["rejected"] for one in stages if one["name"] == "requested host")
    assert [(one["node"], one["reason"]) for one in refused] == [("n1", "a was asked for"), ("n3", "a was asked for")]


def test_a_requested_destination_is_exact_and_runs_the_filters(three, request_for) -> None:
    assert three.chosen(request_for("1", requested_destination=("a", None))) == ["a"]
    assert three.chosen(request_for("2", requested_destination=("b", "b"))) == ["b"]
    assert not three.traces[0].filters_skipped
    three.add("a", service=ServiceInfo(forced_down=True))
    with pytest.raises(NoValidHost) as caught:
        three.select(request_for("3", requested_destination=("a", None)))
    assert str(caught.value) == NOT_ENOUGH
    with pytest.raises(NoValidHost):
        three.select(request_for("4", requested_destination=("B", None)))


# Rebuild -----------------------------------------------------------------------------------------------------------
def rebuild(request_for, **fields):
    return request_for(force_hosts=("a",), rebuild_check=True, **fields)


def test_a_rebuild_check_runs_only_its_filters_and_claims_nothing(cloud, request_for) -> None:
    cloud.add("a", memory_mb=1, service=ServiceInfo(forced_down=True), supported_instances=(("x86_64", "kvm", "hvm"),))
    cloud.add("b")
    spec = rebuild(request_for, image_properties={"hw_architecture": "x86_64"})
    assert cloud.chosen(spec) == ["a"]
    assert cloud.truth.held == {}
    assert cloud.view().col("num_instances").tolist() == [0, 0]
    assert [stage.name for stage in cloud.traces[0].stages] == ["forced hosts", "ImagePropertiesFilter"]


def test_a_rebuild_check_fails_when_the_image_does_not_fit(cloud, request_for) -> None:
    cloud.add("a", supported_instances=(("x86_64", "kvm", "hvm"),))
    with pytest.raises(NoValidHost) as caught:
        cloud.select(rebuild(request_for, image_properties={"hw_architecture": "aarch64"}))
    assert str(caught.value) == NOT_ENOUGH


# Groups ------------------------------------------------------------------------------------------------------------
def test_anti_affine_servers_of_one_request_are_spread(three, request_for) -> None:
    assert three.chosen(request_for("1", "2", "3", group=group("anti-affinity"))) == ["c", "b", "a"]
    with pytest.raises(NoValidHost):
        three.select(request_for("4", "5", "6", "7", group=group("anti-affinity")))


def test_max_server_per_host_counts_within_one_request(cloud, request_for) -> None:
    cloud.add("a", memory_mb=16384)
    cloud.add("b", memory_mb=4096)
    spec = request_for("1", "2", "3", group=group("anti-affinity", max_server_per_host=2))
    assert sorted(cloud.chosen(spec)) == ["a", "a", "b"]


def test_affine_servers_of_one_request_stay_together(cloud, request_for) -> None:
    cloud.add("a", memory_mb=4096)
    cloud.add("b", memory_mb=4000)
    assert cloud.chosen(request_for("1", "2", "3", group=group("affinity"))) == ["a", "a", "a"]


def test_soft_affinity_draws_servers_together_but_is_no_must(cloud, request_for) -> None:
    cloud.add("a", memory_mb=2048)
    cloud.add("b", memory_mb=2000, num_instances=0)
    weights = {"ram_weight_multiplier": 0.1, "cpu_weight_multiplier": 0.0, "disk_weight_multiplier": 0.0}
    chosen = cloud.chosen(request_for("1", "2", group=group("soft-affinity")), **weights, io_ops_weight_multiplier=0.0)
    assert chosen == ["a", "a"]
    assert cloud.chosen(request_for("3", group=group("soft-affinity", members=frozenset({"1", "2"})))) == ["b"]


@pytest.mark.parametrize(
    ("policy", "missing"),
    [
        ("affinity", "ServerGroupAffinityFilter"),
        ("anti-affinity", "ServerGroupAntiAffinityFilter"),
        ("soft-affinity", "ServerGroupSoftAffinityWeigher"),
        ("soft-anti-affinity", "ServerGroupSoftAntiAffinityWeigher"),
    ],
)
def test_a_policy_that_nothing_enabled_holds_is_refused(three, request_for, policy, missing) -> None:
    options = {"enabled_filters": ("ComputeFilter",), "weight_classes": ("RAMWeigher",)}
    with pytest.raises(UnsupportedPolicyException) as caught:
        three.select(request_for(group=group(policy)), **options)
    assert str(caught.value) == f"ServerGroup policy is not supported: {missing} not configured"


# 2017 --------------------------------------------------------------------------------------------------------------
def test_the_set_of_2017_runs_its_filters_and_the_claim_decides(three, request_for) -> None:
    three.truth.refuse = {"c"}
    assert three.chosen(request_for(tried=(("b", "b"),)), enabled_filters="ocata") == ["a"]
    assert three.truth.refused == ["c"]
    assert [stage.name for stage in three.traces[0].stages if stage.kind == "filter"][:5] == [
        "RetryFilter",
        "AvailabilityZoneFilter",
        "RamFilter",
        "DiskFilter",
        "CoreFilter",
    ]


def test_a_hint_for_a_filter_that_is_not_enabled_has_no_effect(three, request_for) -> None:
    three.add("a", memory_mb=4096, instances={"x": Amounts()})
    hints = {"same_host": "x"}
    assert three.chosen(request_for("1", scheduler_hints=hints)) == ["c"]
    assert three.chosen(request_for("2", scheduler_hints=hints), enabled_filters="ocata") == ["a"]


# Devices and chance ------------------------------------------------------------------------------------------------
def test_pci_devices_are_used_up_within_one_request(cloud, request_for) -> None:
    cloud.add("a", memory_mb=16384, pci_pools=(PciPool("1", "2", 1),))
    cloud.add("b", memory_mb=8192, pci_pools=(PciPool("1", "2", 1),))
    options = {
        "enabled_filters": ("PciPassthroughFilter",),
        "pci_alias": ({"name": "gpu", "vendor_id": "1", "product_id": "2"},),
    }
    spec = request_for("1", "2", extra_specs={"pci_passthrough:alias": "gpu:1"})
    assert sorted(cloud.chosen(spec, **options)) == ["a", "b"]
    with pytest.raises(NoValidHost):
        cloud.select(request_for("3", extra_specs={"pci_passthrough:alias": "gpu:1"}), **options)


def test_the_subset_spreads_requests_over_the_best_hosts(cloud, request_for) -> None:
    for i in range(6):
        cloud.add(f"h{i}", memory_mb=200_000 + i)
    scheduler = cloud.scheduler(host_subset_size=3)
    hosts = {
        scheduler.select_destinations(request_for(f"u{i}"), lambda *_given: True, alternates=False)[0].host
        for i in range(30)
    }
    assert len(hosts) >= 3


# Retries -----------------------------------------------------------------------------------------------------------
def test_attempts_are_limited() -> None:
    options = SchedulerOptions()
    check_attempt(3, "uuid", options)
    with pytest.raises(MaxRetriesExceeded) as caught:
        check_attempt(4, "uuid", options, "disk full")
    assert str(caught.value) == (
        "Exceeded maximum number of retries. Exceeded max scheduling attempts 3 for instance uuid. "
        "Last exception: disk full"
    )
    assert alternates_wanted(options) == 2


def test_one_forced_host_is_not_retried(request_for) -> None:
    options = SchedulerOptions()
    assert retries_enabled(request_for(), options)
    assert retries_enabled(request_for(force_hosts=("a", "b")), options)
    assert not retries_enabled(request_for(force_hosts=("a",)), options)
    assert not retries_enabled(request_for(force_nodes=("a",)), options)
    assert not retries_enabled(request_for(), SchedulerOptions(max_attempts=1))


def test_rows_that_are_renumbered_between_two_servers_are_found_again(cloud, request_for) -> None:
    for i in range(200):
        cloud.add(f"h{i}", memory_mb=1024)
    cloud.add("x", memory_mb=4096)
    cloud.add("y", memory_mb=4000)

    def claim(host: str, node: str, uuid: str, amounts: Amounts) -> bool:
        for i in range(150):
            cloud.table.remove(f"h{i}", f"h{i}")
        return cloud.truth.claim(host, node, uuid, amounts)

    epoch = cloud.table.snapshot().epoch
    chosen = cloud.scheduler(ram_weight_multiplier=100).select_destinations(request_for("1", "2", "3"), claim)
    assert cloud.table.snapshot().epoch > epoch
    assert [selection.host for selection in chosen] == ["x", "y", "x"]


def test_a_host_removed_between_two_servers_is_not_chosen(cloud, request_for) -> None:
    cloud.add("x", memory_mb=4096)
    cloud.add("y", memory_mb=4000)

    def claim(host: str, node: str, uuid: str, amounts: Amounts) -> bool:
        cloud.table.remove("y", "y")
        return cloud.truth.claim(host, node, uuid, amounts)

    chosen = cloud.scheduler().select_destinations(request_for("1", "2"), claim)
    assert [selection.host for selection in chosen] == ["x", "x"]
