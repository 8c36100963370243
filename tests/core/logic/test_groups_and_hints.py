"""Server groups and scheduler hints, from the request to the host, and again when the server moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tuinova.core.errors import Invalid
from tuinova.core.records import Instance, ServerGroup
from tuinova.virt.fake import FakeOptions

from .conftest import House, quick_options

HOSTS = ("node1", "node2", "node3")
HINT_FILTERS = ("ComputeFilter", "SameHostFilter", "DifferentHostFilter", "SimpleCIDRAffinityFilter", "JsonFilter")
NO_HOST = "No valid host was found. There are not enough hosts available."
Make = Callable[..., House]


@pytest.fixture
def three(make_house: Make) -> House:
    return make_house(*HOSTS)


@pytest.fixture
def hinted(make_house: Make) -> House:
    return make_house(*HOSTS, options=replace(quick_options(), scheduler={"enabled_filters": HINT_FILTERS}))


def group(house: House, policy: str, project: str = "admin", **rules: Any) -> str:
    ctx = house.ctx(project=project)
    made = ServerGroup("", "g", ctx.project_id or "", ctx.user_id or "", policy, rules)
    return house.conductor.create_server_group(made).uuid


def member(house: House, ident: str, **fields: Any) -> Instance:
    return house.create(scheduler_hints={"group": ident}, **fields)


def hosts(servers: list[Instance]) -> list[str | None]:
    return sorted(server.host or "" for server in servers)


# groups --------------------------------------------------------------------------------------------------------------
def test_anti_affinity_puts_each_on_its_own_host_and_the_fourth_nowhere(three: House) -> None:
    ident = group(three, "anti-affinity")
    servers = [member(three, ident) for _ in HOSTS]
    assert hosts(servers) == sorted(HOSTS)
    fourth = member(three, ident)
    assert (fourth.vm_state, three.fault(fourth.uuid)) == ("error", (500, NO_HOST))
    three.act(servers[0].uuid, "delete")
    assert member(three, ident).host == servers[0].host
    assert len(three.conductor.server_group(ident).members) == 4  # the failed one is a member, the deleted one is not


def test_so_many_on_a_host_as_the_rule_says(three: House) -> None:
    ident = group(three, "anti-affinity", max_server_per_host=2)
    servers = three.create_many(scheduler_hints={"group": ident}, min_count=6, max_count=6)
    assert hosts(servers) == sorted([*HOSTS, *HOSTS])
    assert member(three, ident).vm_state == "error"


def test_affinity_keeps_together_and_holds_when_a_server_would_move(three: House) -> None:
    ident = group(three, "affinity")
    servers = [member(three, ident) for _ in range(3)]
    assert len(set(hosts(servers))) == 1
    moved = three.act(servers[0].uuid, "migrate")
    assert (moved.host, moved.vm_state, three.fault(moved.uuid)) == (servers[0].host, "active", (500, NO_HOST))


def test_a_lone_member_of_an_affinity_group_may_move(three: House) -> None:
    server = member(three, group(three, "affinity"))
    moved = three.act(server.uuid, "migrate")
    assert (moved.vm_state, moved.host != server.host) == ("resized", True)


@pytest.mark.parametrize("policy", ["soft-affinity", "soft-anti-affinity"])
def test_soft_policies_weigh_and_never_refuse(make_house: Make, policy: str) -> None:
    # Nothing else weighs, so that the policy alone decides.
    quiet = {f"{name}_weight_multiplier": 0.0 for name in ("ram", "cpu", "disk", "io_ops")}
    house = make_house(*HOSTS, options=replace(quick_options(), scheduler=quiet))
    ident = group(house, policy)
    servers = [member(house, ident) for _ in range(4)]
    assert {server.vm_state for server in servers} == {"active"}
    assert len(set(hosts(servers))) == (1 if policy == "soft-affinity" else 3)


@pytest.mark.parametrize("action", ["migrate", "os-migrateLive"])
def test_anti_affinity_holds_on_later_moves(three: House, action: str) -> None:
    ident = group(three, "anti-affinity")
    first, second = member(three, ident), member(three, ident)
    free = next(name for name in HOSTS if name not in (first.host, second.host))
    body = {"host": None, "block_migration": "auto"} if action == "os-migrateLive" else None
    moved = three.act(first.uuid, action, body)
    assert moved.host == free
    third = three.create()
    assert third.vm_state == "active"


@pytest.mark.parametrize("disabled", [False, True])
def test_the_late_check_refuses_a_live_migration_unless_it_is_disabled(
    make_house: Make, monkeypatch: pytest.MonkeyPatch, disabled: bool
) -> None:
    house = make_house(*HOSTS, options=quick_options(disable_group_policy_check_upcall=disabled))
    ident = group(house, "anti-affinity")
    first, second = member(house, ident), member(house, ident)
    # The scheduler that chose the host did not see the other member.
    monkeypatch.setattr(house.engine.hosts.feed(), "_group", lambda instance: None)
    moved = house.act(first.uuid, "os-migrateLive", {"host": second.host, "block_migration": "auto"})
    assert (moved.host, moved.vm_state) == (second.host if disabled else first.host, "active")
    violated = "Anti-affinity instance group policy was violated" in str(house.newest_action(first.uuid).events)
    assert violated is not disabled


def test_the_late_check_sends_a_build_to_another_host(three: House, monkeypatch: pytest.MonkeyPatch) -> None:
    ident = group(three, "anti-affinity")
    first = member(three, ident)
    feed = three.engine.hosts.feed()
    real, seen = feed._group, []

    def blind_at_first(instance: Instance) -> Any:
        seen.append(instance.uuid)
        return None if len(seen) == 1 else real(instance)

    monkeypatch.setattr(feed, "_group", blind_at_first)
    # Without the group the first one's host is the best by far.
    best = three.conductor.create_aggregate("best")
    three.conductor.add_aggregate_host(best.id, first.host or "")
    three.conductor.set_aggregate_metadata(best.id, {"ram_weight_multiplier": "1000"})
    second = member(three, ident)
    assert (second.vm_state, second.host not in (None, first.host)) == ("active", True)
    failed = [event for event in three.newest_action(second.uuid).events if event.result == "Error"]
    assert [(event.host, event.details) for event in failed] == [
        (first.host, "Insufficient compute resources: Anti-affinity instance group policy was violated.")
    ]


def test_two_members_on_their_way_to_one_host_do_not_both_get_there(
    three: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ident = group(three, "anti-affinity")
    servers = [member(three, ident), member(three, ident)]
    free = next(name for name in HOSTS if name not in hosts(servers))
    monkeypatch.setattr(three.engine.hosts.feed(), "_group", lambda instance: None)
    for server in servers:
        three.act(server.uuid, "migrate", {"host": free}, settle=False)
    three.settle()
    assert sorted(three.server(server.uuid).host == free for server in servers) == [False, True]


def test_a_group_that_was_deleted_binds_nobody(three: House) -> None:
    ident = group(three, "anti-affinity")
    servers = [member(three, ident) for _ in HOSTS]
    three.conductor.delete_server_group(ident)
    moved = three.act(servers[0].uuid, "migrate")
    assert (moved.vm_state, moved.host != servers[0].host) == ("resized", True)


def test_the_group_of_another_project_is_not_there(three: House) -> None:
    ident = group(three, "affinity", project="admin")
    with pytest.raises(Invalid, match=f"Instance group {ident} could not be found"):
        member(three, ident, ctx=three.ctx("demo", "demo"))
    assert three.conductor.instances() == []


def test_a_policy_that_nothing_holds_ends_in_error(make_house: Make) -> None:
    house = make_house(*HOSTS, options=replace(quick_options(), scheduler={"enabled_filters": ("ComputeFilter",)}))
    failed = member(house, group(house, "affinity"))
    assert failed.vm_state == "error"
    assert (house.fault(failed.uuid) or (0, ""))[1] == (
        "ServerGroup policy is not supported: ServerGroupAffinityFilter not configured"
    )


# hints ---------------------------------------------------------------------------------------------------------------
def test_same_host_and_different_host(hinted: House) -> None:
    first = hinted.create()
    same = [hinted.create(scheduler_hints={"same_host": hint}) for hint in (first.uuid, [first.uuid])]
    assert {server.host for server in same} == {first.host}
    second = hinted.create(scheduler_hints={"different_host": first.uuid})
    third = hinted.create(scheduler_hints={"different_host": [first.uuid, second.uuid]})
    assert hosts([first, second, third]) == sorted(HOSTS)
    assert third.scheduler_hints == {"different_host": [first.uuid, second.uuid]}
    nowhere = hinted.create(scheduler_hints={"different_host": [first.uuid, second.uuid, third.uuid]})
    assert hinted.fault(nowhere.uuid) == (500, NO_HOST)


def test_hints_hold_on_later_moves(hinted: House) -> None:
    first = hinted.create()
    second = hinted.create(scheduler_hints={"different_host": first.uuid})
    third = next(name for name in HOSTS if name not in (first.host, second.host))
    moved = hinted.act(second.uuid, "migrate")
    assert moved.host == third
    hinted.act(second.uuid, "confirmResize")
    live = hinted.act(second.uuid, "os-migrateLive", {"host": None, "block_migration": "auto"})
    assert live.host not in (first.host, third)
    bound = hinted.create(scheduler_hints={"same_host": first.uuid})
    stays = hinted.act(bound.uuid, "migrate")
    assert (stays.host, hinted.fault(stays.uuid)) == (first.host, (500, NO_HOST))


def test_query_asks_for_attributes_of_the_host(hinted: House) -> None:
    name = '["=", "$hypervisor_hostname", "node2"]'
    assert {hinted.create(scheduler_hints={"query": name}).host for _ in range(2)} == {"node2"}
    roomy = '["and", [">=", "$free_ram_mb", 1024], ["not", ["in", "$hypervisor_hostname", "node1", "node3"]]]'
    assert hinted.create(scheduler_hints={"query": roomy}).host == "node2"
    assert hinted.create(scheduler_hints={"query": '[">", "$free_ram_mb", 99999999]'}).vm_state == "error"


def test_near_an_address(make_house: Make) -> None:
    options = replace(quick_options(), scheduler={"enabled_filters": HINT_FILTERS})
    house = make_house(*HOSTS, options=options, start=False)
    for number, name in enumerate(HOSTS):
        house.drivers[name].options = replace(
            FakeOptions(boot_seconds=0, watch_seconds=3600), host_ip=f"192.0.2.{number * 64 + 1}"
        )
    house.engine.start()
    house.engine.join_start()
    near = house.create(scheduler_hints={"build_near_host_ip": "192.0.2.70", "cidr": "/26"})
    assert near.host == "node2"
    assert near.scheduler_hints == {"build_near_host_ip": "192.0.2.70", "cidr": "/26"}
    assert house.create(scheduler_hints={"build_near_host_ip": "198.51.100.1"}).vm_state == "error"
    stays = house.act(near.uuid, "migrate")
    assert (stays.host, house.fault(near.uuid)) == ("node2", (500, NO_HOST))


def test_a_hint_without_its_filter_does_nothing_and_is_kept(three: House) -> None:
    first = three.create()
    served = [three.create(scheduler_hints={"same_host": first.uuid, "mine": "x"}) for _ in range(3)]
    assert len({server.host for server in served}) > 1
    assert served[0].scheduler_hints["mine"] == "x"
