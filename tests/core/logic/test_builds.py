"""Builds that fail: another host, an abort, or one of Nova's ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tuinova.core.compute_api import ApiOptions
from tuinova.core.drafts import OrderDraft, new_uuid
from tuinova.core.errors import InstanceNotFound
from tuinova.core.records import ServerGroup
from tuinova.scheduler import Amounts
from tuinova.virt.fake import FakeOptions

from .conftest import House, quick_options

MakeHouse = Callable[..., House]


def events_of(house: House, uuid: str) -> list[tuple[str, str | None, str | None]]:
    return [(event.event, event.result, event.host) for event in house.newest_action(uuid).events]


def fault_message(house: House, uuid: str) -> str:
    fault = house.conductor.newest_fault(uuid)
    assert fault is not None
    return fault.message


def test_a_failed_build_goes_to_the_next_host(make_house: MakeHouse) -> None:
    house = make_house("node1", "node2")
    for driver in house.drivers.values():
        driver.faults.order("spawn", {"error": "no space", "times": 1})
    first = house.conductor.nodes()[0].host
    server = house.create()
    assert server.vm_state == "error"  # both failed once
    again = house.create(name="vm2")
    assert again.vm_state == "active"
    results = [(event, result) for event, result, _host in events_of(house, server.uuid)]
    assert results == [("compute__do_build_and_run_instance", "Error")] * 2
    hosts = {host for _event, _result, host in events_of(house, server.uuid)}
    assert hosts == {"node1", "node2"}
    assert first in hosts
    assert house.nothing_left(server.uuid)


def test_success_on_the_second_host_leaves_no_fault(make_house: MakeHouse) -> None:
    house = make_house("node1", "node2")
    house.drivers["node1"].faults.order("spawn", {"error": "no space"})
    house.drivers["node1"].faults.order("x", None)
    servers = [house.create(name=f"vm{number}") for number in range(4)]
    assert {server.host for server in servers} == {"node2"}
    assert all(server.vm_state == "active" for server in servers)
    assert all(house.conductor.newest_fault(server.uuid) is None for server in servers)
    allocations = house.conductor.allocations()
    assert {allocation.host for allocation in allocations} == {"node2"}
    assert not house.drivers["node1"].list_guests()
    assert not house.drivers["node1"].leftovers()


def test_one_host_that_fails_exhausts_all_hosts(house: House) -> None:
    house.driver.faults.order("spawn", {"error": "no space"})
    server = house.create()
    assert (server.vm_state, server.task_state, server.host) == ("error", None, None)
    assert fault_message(house, server.uuid) == (
        "Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for instance "
        f"{server.uuid}."
    )
    event = house.newest_action(server.uuid).events[0]
    assert event.details == "no space"
    assert event.traceback is not None
    assert house.nothing_left(server.uuid)
    assert server.addresses == []


def test_three_attempts_are_all(make_house: MakeHouse) -> None:
    house = make_house("node1", "node2", "node3", "node4")
    for driver in house.drivers.values():
        driver.faults.order("spawn", {"error": "no space"})
    server = house.create()
    assert len(events_of(house, server.uuid)) == 3
    message = fault_message(house, server.uuid)
    assert message == (
        "Exceeded maximum number of retries. Exceeded max scheduling attempts 3 for instance "
        f"{server.uuid}. Last exception: no space"
    )
    assert house.nothing_left(server.uuid)


@pytest.mark.parametrize("way", ["zone", "max_attempts"])
def test_without_another_try_the_fault_is_the_plain_reason(make_house: MakeHouse, way: str) -> None:
    options = quick_options(max_attempts=1)
    options = replace(options, api=ApiOptions(max_attempts=1)) if way == "max_attempts" else quick_options()
    house = make_house("node1", "node2", options=options)
    for driver in house.drivers.values():
        driver.faults.order("spawn", {"error": "no space"})
    server = house.create(availability_zone="nova:node1" if way == "zone" else None)
    assert server.vm_state == "error"
    assert fault_message(house, server.uuid) == "no space"
    assert len(events_of(house, server.uuid)) == 1


def test_an_abort_is_not_tried_elsewhere(make_house: MakeHouse) -> None:
    house = make_house("node1", "node2")
    for driver in house.drivers.values():
        driver.faults.order("spawn", {"error": "image is damaged", "kind": "abort"})
    server = house.create()
    assert (server.vm_state, server.task_state, server.host) == ("error", None, None)
    assert fault_message(house, server.uuid) == f"Build of instance {server.uuid} aborted: image is damaged"
    assert len(events_of(house, server.uuid)) == 1
    assert house.nothing_left(server.uuid)


def test_no_address_left_aborts(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    network = house.driver.list_networks()[0]
    monkeypatch.setattr(house.driver, "list_networks", lambda: [replace(network, last=network.first)])
    assert house.create().vm_state == "active"
    server = house.create(name="vm2")
    assert server.vm_state == "error"
    assert fault_message(house, server.uuid) == (
        f"Build of instance {server.uuid} aborted: No fixed IP addresses available for network: fake"
    )
    assert house.nothing_left(server.uuid)


def test_an_image_that_went_meanwhile_aborts(house: House) -> None:
    image = house.add_image()
    house.engine.bus.stop(5)
    server = house.create(image_ref=image.id, settle=False)
    house.conductor.delete_image(image.id)
    house.crash()
    house.restart()
    after = house.server(server.uuid)
    assert after.vm_state == "error"
    assert fault_message(house, server.uuid).startswith(f"Build of instance {server.uuid} aborted: ")


def test_clean_up_that_fails_too_aborts(house: House) -> None:
    house.driver.faults.order("spawn", {"error": "no space"})
    house.driver.faults.order("destroy", {"error": "busy"})
    server = house.create()
    assert fault_message(house, server.uuid) == f"Build of instance {server.uuid} aborted: no space"


def test_no_host_is_an_error_with_novas_event_and_fault(make_house: MakeHouse) -> None:
    house = make_house(fake=FakeOptions(boot_seconds=0, memory_mb=600))
    server = house.create(flavor_ref="2")  # 2 GiB
    assert (server.vm_state, server.task_state, server.host) == ("error", None, None)
    fault = house.conductor.newest_fault(server.uuid)
    assert fault is not None
    assert fault.code == 500
    assert fault.message == "No valid host was found. "
    assert fault.details is not None
    assert "NoValidHost" in fault.details
    action = house.newest_action(server.uuid)
    assert action.message == "Error"
    event = action.events[0]
    assert (event.event, event.result, event.details) == (
        "conductor_schedule_and_build_instances",
        "Error",
        "No valid host was found. ",
    )
    assert house.conductor.traces(server.uuid)[0].trace["outcome"] == "no_valid_host"


def test_disabled_host_is_not_enough_hosts(house: House) -> None:
    house.conductor.set_service("node1", disabled=True, disabled_reason="repair")
    server = house.create()
    assert server.vm_state == "error"
    assert fault_message(house, server.uuid).startswith("No valid host was found.")
    house.conductor.set_service("node1", disabled=False)
    assert house.create(name="vm2").vm_state == "active"


def test_several_servers_are_all_or_none(make_house: MakeHouse) -> None:
    house = make_house("node1", "node2", fake=FakeOptions(boot_seconds=0, memory_mb=512 + 300))
    servers = house.create_many(min_count=5)  # two fit on each host
    assert {server.vm_state for server in servers} == {"error"}
    assert all(server.host is None for server in servers)
    assert all(house.nothing_left(server.uuid) for server in servers)
    assert {fault_message(house, server.uuid) for server in servers} == {
        "No valid host was found. There are not enough hosts available."
    }
    assert {server.vm_state for server in house.create_many(min_count=4)} == {"active"}


def test_two_requests_do_not_both_take_the_last_place(make_house: MakeHouse) -> None:
    house = make_house(fake=FakeOptions(boot_seconds=0, memory_mb=512 + 300))
    servers = [house.create(name=f"vm{number}", settle=False) for number in range(6)]
    house.settle()
    states = sorted(house.server(server.uuid).vm_state for server in servers)
    assert states == ["active"] * 2 + ["error"] * 4


def test_a_place_is_free_again_after_a_delete(make_house: MakeHouse) -> None:
    house = make_house(fake=FakeOptions(boot_seconds=0, memory_mb=512 + 128))
    for number in range(3):
        server = house.create(name=f"vm{number}")
        assert server.vm_state == "active"
        house.act(server.uuid, "delete")


def test_an_unscheduled_server_is_deleted_without_a_host(house: House) -> None:
    house.driver.faults.order("spawn", {"error": "no space"})
    server = house.create()
    assert server.host is None
    assert house.act(server.uuid, "delete").deleted
    assert house.newest_action(server.uuid).events == ()
    with pytest.raises(InstanceNotFound):
        house.conductor.instance(server.uuid)


def test_delete_of_a_server_whose_host_is_down_is_local_and_cleaned_up_later(make_house: MakeHouse) -> None:
    house = make_house("node1", "node2")
    server = house.create(availability_zone="nova:node2")
    house.conductor.set_service("node2", forced_down=True)
    assert house.act(server.uuid, "delete").deleted
    assert house.newest_action(server.uuid).events == ()
    assert house.drivers["node2"].guest_info(server.uuid)
    house.pass_time(1801)
    assert house.nothing_left(server.uuid)


def test_a_failed_build_counts_against_its_host_until_one_succeeds(make_house: MakeHouse) -> None:
    house = make_house("node1", "node2")
    house.drivers["node1"].faults.order("spawn", {"error": "no space", "times": 1})
    house.drivers["node2"].faults.order("spawn", {"error": "no space", "times": 1})
    house.create()
    assert {node.host: node.failed_builds for node in house.conductor.nodes()} == {"node1": 1, "node2": 1}
    first = house.create(name="vm2")
    second = house.create(name="vm3")
    assert first.host == second.host  # the other one still has its failure
    failures = {node.host: node.failed_builds for node in house.conductor.nodes()}
    assert failures[first.host or ""] == 0
    assert sorted(failures.values()) == [0, 1]


def test_anti_affinity_holds_when_two_builds_were_scheduled_at_once(make_house: MakeHouse) -> None:
    house = make_house("node1", "node2")
    ctx = house.ctx()
    group = house.conductor.create_server_group(
        ServerGroup(new_uuid(), "apart", ctx.project_id or "", ctx.user_id or "", "anti-affinity")
    )
    hints = {"group": group.uuid}
    first = house.create(scheduler_hints=hints)
    house.engine.bus.stop(5)
    second = house.create(name="vm2", scheduler_hints=hints, settle=False)
    amounts = Amounts(1, 128, 0)
    # The scheduler had not seen the first: both are on their way to one host.
    order = house.conductor.open_orders(host=None)[0]
    house.conductor.claim(
        second.uuid,
        first.host or "",
        first.node or "",
        amounts,
        updates={"task_state": "networking"},
        order=OrderDraft("build_instance", first.host, {}),
        ctx=order.ctx,
        order_done=order.id,
    )
    house.crash()
    house.restart()
    after = house.server(second.uuid)
    assert after.vm_state == "active"
    assert {first.host, after.host} == {"node1", "node2"}
    assert sum(node.failed_builds for node in house.conductor.nodes()) == 0
