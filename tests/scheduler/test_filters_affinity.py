"""Server groups, same and different host, networks near by."""

from __future__ import annotations

import pytest

from tuinova.scheduler import Amounts, GroupSpec

HERE = {"member": Amounts(1, 64)}


def group(policy: str, **fields) -> GroupSpec:
    return GroupSpec("group", policy, **{"members": frozenset({"member", "second"}), **fields})


def test_anti_affinity_refuses_a_host_with_a_member(cloud, request_for) -> None:
    cloud.add("a", instances=HERE)
    cloud.add("b", instances={"stranger": Amounts()})
    spec = request_for(group=group("anti-affinity"))
    assert cloud.refusals("ServerGroupAntiAffinityFilter", spec) == {"a": "has 1 of anti-affinity group group, limit 1"}


def test_anti_affinity_lets_max_server_per_host_members_share(cloud, request_for) -> None:
    cloud.add("one", instances=HERE)
    cloud.add("two", instances={"second": Amounts(), "third": Amounts()})
    members = frozenset({"member", "second", "third"})
    spec = request_for(group=group("anti-affinity", max_server_per_host=2, members=members))
    assert cloud.refusals("ServerGroupAntiAffinityFilter", spec) == {
        "two": "has 2 of anti-affinity group group, limit 2"
    }


def test_anti_affinity_counts_members_that_only_the_group_knows_of(cloud, request_for) -> None:
    cloud.add("a")
    cloud.add("b")
    spec = request_for(group=group("anti-affinity", hosts=("a", "a"), max_server_per_host=2))
    assert cloud.passing("ServerGroupAntiAffinityFilter", spec) == ["b"]


def test_anti_affinity_lets_a_server_stay_where_it_is(cloud, request_for) -> None:
    cloud.add("a", instances={"member": Amounts(), "second": Amounts()})
    cloud.add("b", instances={"third": Amounts()})
    members = frozenset({"member", "second", "third"})
    spec = request_for("member", group=group("anti-affinity", members=members))
    assert cloud.passing("ServerGroupAntiAffinityFilter", spec) == ["a"]


@pytest.mark.parametrize("policy", ["affinity", "soft-affinity", "soft-anti-affinity"])
def test_anti_affinity_leaves_other_policies_alone(cloud, request_for, policy) -> None:
    cloud.add("a", instances=HERE)
    assert cloud.passing("ServerGroupAntiAffinityFilter", request_for(group=group(policy))) == ["a"]


def test_affinity_keeps_to_the_hosts_of_the_group(cloud, request_for) -> None:
    for name in ("a", "b", "c"):
        cloud.add(name)
    spec = request_for(group=group("affinity", hosts=("a", "b", "a")))
    assert cloud.refusals("ServerGroupAffinityFilter", spec) == {"c": "affinity group group is on a, b"}


def test_an_empty_affinity_group_may_go_anywhere(cloud, request_for) -> None:
    cloud.add("a")
    cloud.add("b")
    assert cloud.passing("ServerGroupAffinityFilter", request_for(group=group("affinity"))) == ["a", "b"]
    spec = request_for(group=group("anti-affinity", hosts=("a",)))
    assert cloud.passing("ServerGroupAffinityFilter", spec) == ["a", "b"]


def test_same_host_wants_one_of_the_servers_named(cloud, request_for) -> None:
    cloud.add("a", instances=HERE)
    cloud.add("b", instances={"other": Amounts()})
    cloud.add("c")
    hints = {"same_host": ["member", "other", "unheard-of"]}
    assert cloud.passing("SameHostFilter", request_for(scheduler_hints=hints)) == ["a", "b"]
    assert cloud.passing("SameHostFilter", request_for(scheduler_hints={"same_host": "member"})) == ["a"]
    assert cloud.passing("SameHostFilter", request_for()) == ["a", "b", "c"]


def test_different_host_wants_none_of_the_servers_named(cloud, request_for) -> None:
    cloud.add("a", instances={"member": Amounts(), "other": Amounts()})
    cloud.add("b")
    hints = {"different_host": ["member", "unheard-of"]}
    assert cloud.refusals("DifferentHostFilter", request_for(scheduler_hints=hints)) == {
        "a": "has servers of hint different_host: member"
    }
    assert cloud.passing("DifferentHostFilter", request_for()) == ["a", "b"]


def test_a_host_lies_in_the_network_of_the_hint(cloud, request_for) -> None:
    cloud.add("near", host_ip="192.168.1.200")
    cloud.add("far", host_ip="192.168.2.1")
    cloud.add("none")
    hints = {"build_near_host_ip": "192.168.1.10"}
    assert cloud.refusals("SimpleCIDRAffinityFilter", request_for(scheduler_hints=hints)) == {
        "far": "address 192.168.2.1 is not in 192.168.1.0/24",
        "none": "has no address; 192.168.1.0/24 is asked for",
    }
    hints["cidr"] = "/16"
    assert cloud.passing("SimpleCIDRAffinityFilter", request_for(scheduler_hints=hints)) == ["far", "near"]
    assert cloud.passing("SimpleCIDRAffinityFilter", request_for()) == ["far", "near", "none"]


def test_networks_may_be_ipv6(cloud, request_for) -> None:
    cloud.add("near", host_ip="2001:db8:0:1::5")
    cloud.add("far", host_ip="2001:db8:0:2::5")
    cloud.add("old", host_ip="10.0.0.1")
    hints = {"build_near_host_ip": "2001:db8:0:1::1", "cidr": "/64"}
    assert cloud.passing("SimpleCIDRAffinityFilter", request_for(scheduler_hints=hints)) == ["near"]
    hints = {"build_near_host_ip": "2001:db8:0:1::5", "cidr": "/127"}
    assert cloud.passing("SimpleCIDRAffinityFilter", request_for(scheduler_hints=hints)) == ["near"]


def test_a_hint_that_is_no_network_is_met_by_no_host(cloud, request_for) -> None:
    cloud.add("a", host_ip="10.0.0.1")
    hints = {"build_near_host_ip": "not an address"}
    reasons = cloud.refusals("SimpleCIDRAffinityFilter", request_for(scheduler_hints=hints))
    assert reasons["a"].startswith("hints build_near_host_ip and cidr are no network")
