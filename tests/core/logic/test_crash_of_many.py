"""A crash while several orders speak of one server, on its host or beside it: nothing is stuck, nothing is left."""

from __future__ import annotations

from typing import Any

from tuinova.core.drafts import OrderDraft
from tuinova.core.states import VmState

from .conftest import House, quick_options


def _begin(house: House, uuid: str, method: str) -> None:
    """The order's driver call was about to be made when the service died."""
    order = next(order for order in house.conductor.open_orders(uuid=uuid) if order.method == method)
    house.conductor.order_started(order.id)


def _pair(make_house: Any) -> House:
    return make_house("node1", "node2", options=quick_options(allow_resize_to_same_host=False))


def test_a_delete_that_had_begun_ends_though_another_host_still_cleans_up(make_house: Any) -> None:
    pair = _pair(make_house)
    server = pair.act(pair.create().uuid, "resize", {"flavorRef": "2"})
    assert server.vm_state == VmState.RESIZED
    pair.engine.bus.stop(5)
    pair.act(server.uuid, "delete", settle=False)
    _begin(pair, server.uuid, "terminate_instance")
    pair.crash()
    pair.restart()
    assert pair.server(server.uuid).deleted
    assert pair.nothing_left(server.uuid)
    assert not pair.conductor.open_orders()


def test_the_order_of_a_whole_request_does_not_overtake_what_its_first_server_does(house: House) -> None:
    server = house.create()
    house.engine.bus.stop(5)
    house.conductor.add_order(house.ctx(), server.uuid, OrderDraft("schedule_and_build", None, {}))
    house.act(server.uuid, "stop", settle=False)
    _begin(house, server.uuid, "stop_instance")
    house.crash()
    house.restart()
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state) == ("stopped", None)
    assert not house.conductor.open_orders()


def test_a_pause_that_the_guest_has_not_heard_of_says_that_it_failed(house: House) -> None:
    server = house.create()
    house.engine.bus.stop(5)
    house.act(server.uuid, "pause", settle=False)
    _begin(house, server.uuid, "pause_instance")
    house.crash()
    house.restart()
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state) == ("active", None)
    assert house.newest_action(server.uuid).message == "Error"


def test_servers_that_are_placed_anew_are_counted_once(make_house: Any) -> None:
    """The claims of the first time are in the scheduler's table when the request is carried out again."""
    house = make_house("node1", "node2")
    house.engine.bus.stop(5)
    servers = house.create_many(min_count=3, settle=False)
    node = next(node for node in house.conductor.nodes() if node.host == "node1")
    from tuinova.scheduler import Amounts

    for server in servers:
        assert house.conductor.claim(server.uuid, "node1", node.hypervisor_hostname, Amounts(1, 128, 0))
    house.crash()
    house.restart()
    held = {one.consumer: one.host for one in house.conductor.allocations()}
    house.engine.hosts.scheduler()
    table = house.engine.hosts.feed().table.snapshot()
    counted = {uuid: place[0] for place, holdings in zip(table.names, table.held, strict=True) for uuid in holdings}
    assert counted == held
    assert sum(len(holdings) for holdings in table.held) == 3


def test_a_delete_of_what_was_resized_keeps_its_own_line_of_the_log(make_house: Any) -> None:
    pair = _pair(make_house)
    server = pair.act(pair.create().uuid, "resize", {"flavorRef": "2"})
    pair.act(server.uuid, "delete")
    logged = {action.action: action.request_id for action in pair.conductor.actions(server.uuid)}
    assert logged.keys() >= {"delete", "confirmResize"}
    deleted = pair.conductor.action(server.uuid, logged["delete"])
    assert (deleted.action, [event.event for event in deleted.events]) == ("delete", ["compute_terminate_instance"])


def test_the_copy_that_a_failed_move_left_goes_with_a_server_that_was_revived(make_house: Any) -> None:
    pair = _pair(make_house)
    server = pair.create()
    other = next(name for name in pair.host_names if name != server.host)
    pair.drivers[other].faults.order("finish_migration", {"error": "broken", "when": "middle"})
    assert pair.act(server.uuid, "migrate").vm_state == "error"
    assert pair.act(server.uuid, "reboot", {"type": "HARD"}).vm_state == "active"
    pair.act(server.uuid, "delete")
    assert pair.nothing_left(server.uuid)
