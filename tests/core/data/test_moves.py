"""Moves: both sides hold capacity while they last, one of them afterwards; ports go along."""

from __future__ import annotations

import pytest

from tuinova.core.conductor import moves
from tuinova.core.conductor.ports import unbind
from tuinova.core.drafts import MigrationDraft, MigrationFilter
from tuinova.core.errors import ComputeResourcesUnavailable, MigrationNotFound


@pytest.fixture
def moving(conductor, demo, make, amounts, resources):
    """A server on h1 whose move to h2 has begun; (server, uuid of the move)."""
    conductor.save_node("h1", resources())
    conductor.save_node("h2", resources(node="node2"))
    server = make()
    assert conductor.claim(server.uuid, "h1", "node1", amounts(1, 128, 5), updates={"task_state": None})
    draft = MigrationDraft("resize", "pre-migrating", new_flavor={"id": "9", "memory_mb": 256})
    conductor.accept(demo, server.uuid, record="resize", also=[moves.begin(demo, draft)])
    return server, draft.uuid


def used(conductor):
    return {node.host: (node.vcpus_allocated, node.memory_mb_allocated) for node in conductor.nodes()}


def claim(conductor, server, uuid, amounts, host="h2", node="node2"):
    return conductor.step(server.uuid, also=[moves.claim_destination(uuid, host, node, amounts)])


def test_a_move_is_recorded_with_where_it_began_and_both_flavors(conductor, demo, moving):
    server, uuid = moving
    found = conductor.migration(uuid)
    assert (found.source_compute, found.source_node, found.status) == ("h1", "node1", "pre-migrating")
    assert (found.old_flavor["id"], found.new_flavor["id"]) == (server.flavor["id"], "9")
    assert (found.user_id, found.project_id, found.in_progress) == (demo.user_id, demo.project_id, True)
    with pytest.raises(MigrationNotFound):
        conductor.migration("nope")


@pytest.mark.parametrize(
    "end", [lambda uuid: moves.stay(uuid, "confirmed"), moves.return_to_source], ids=["stays", "goes back"]
)
def test_both_sides_hold_until_the_end_says_which_one_stays(conductor, moving, amounts, end):
    server, uuid = moving
    claim(conductor, server, uuid, amounts(2, 256, 5))
    assert used(conductor) == {"h1": (1, 128), "h2": (2, 256)}
    claim(conductor, server, uuid, amounts(2, 256, 5))  # a repeated order
    assert used(conductor) == {"h1": (1, 128), "h2": (2, 256)}
    assert conductor.migration(uuid).dest_compute == "h2"
    conductor.step(server.uuid, also=[end(uuid)])
    stays = {"h1": (0, 0), "h2": (2, 256)} if end is not moves.return_to_source else {"h1": (1, 128), "h2": (0, 0)}
    assert used(conductor) == stays
    conductor.step(server.uuid, also=[end(uuid)])
    assert used(conductor) == stays
    assert [one.consumer for one in conductor.allocations()] == [server.uuid]


def test_a_move_within_one_host_holds_both_sizes_there(conductor, moving, amounts):
    server, uuid = moving
    claim(conductor, server, uuid, amounts(1, 256, 5), "h1", "node1")
    assert used(conductor)["h1"] == (2, 384)


def test_a_destination_without_room_changes_nothing(conductor, moving, amounts):
    server, uuid = moving
    with pytest.raises(ComputeResourcesUnavailable):
        claim(conductor, server, uuid, amounts(1, 1 << 20, 5))
    assert used(conductor) == {"h1": (1, 128), "h2": (0, 0)}
    assert [one.consumer for one in conductor.allocations()] == [server.uuid]
    assert conductor.migration(uuid).dest_compute is None


def test_moves_are_found_by_status_host_and_progress(conductor, demo, moving, make):
    server, uuid = moving
    conductor.note_migration(uuid, status="finished")
    assert [one.uuid for one in conductor.migrations(MigrationFilter(in_progress=True))] == [uuid]
    conductor.step(server.uuid, also=[moves.note(uuid, status="confirmed")])
    assert conductor.migrations(MigrationFilter(in_progress=True)) == []
    assert [one.status for one in conductor.migrations(MigrationFilter(host="h1"))] == ["confirmed"]
    assert conductor.migrations(MigrationFilter(host="h7")) == []


def test_a_port_keeps_its_address_where_it_is_free_and_gets_another_where_it_is_not(conductor, make, net):
    first, second = make("vm1"), make("vm2")
    for server, host in ((first, "h1"), (second, "h2")):
        conductor.step(server.uuid, updates={"host": host})
        conductor.allocate_ports(server.uuid, [net()])
    assert [conductor.ports(one.uuid)[0].address for one in (first, second)] == ["192.0.2.3", "192.0.2.4"]
    mac = conductor.ports(first.uuid)[0].mac
    moved = conductor.step(first.uuid, updates={"host": "h2"}, also=[conductor.bind_ports("h2", [net()])])
    assert moved.addresses[0]["address"] == "192.0.2.3"
    back = conductor.step(second.uuid, updates={"host": "h1"}, also=[conductor.bind_ports("h1", [net()])])
    assert back.addresses[0]["address"] == "192.0.2.4"
    conductor.step(first.uuid, updates={"host": None}, also=[unbind()])
    assert conductor.instance(first.uuid).addresses[0]["address"] == "192.0.2.3"
    third = make("vm3")
    conductor.step(third.uuid, updates={"host": "h2"})
    taken = {conductor.allocate_ports(third.uuid, [net(first="192.0.2.3", last="192.0.2.3")])[0].address}
    assert taken == {"192.0.2.3"}
    again = conductor.step(first.uuid, updates={"host": "h2"}, also=[conductor.bind_ports("h2", [net()])])
    assert again.addresses[0]["address"] not in {None, "192.0.2.3"}
    assert conductor.ports(first.uuid)[0].mac == mac


def test_a_lease_of_its_own_does_not_take_a_port_s_address(conductor, make, net):
    server = make()
    conductor.step(server.uuid, updates={"host": "h1"})
    (port,) = conductor.allocate_ports(server.uuid, [net()])
    conductor.step(server.uuid, updates={"host": None}, also=[unbind()])
    for mac, same in ((port.mac, True), ("52:54:00:00:00:01", False)):
        held = net(reserved=frozenset({port.address}), holders={port.address: mac})
        back = conductor.step(server.uuid, updates={"host": "h2"}, also=[conductor.bind_ports("h2", [held])])
        assert (back.addresses[0]["address"] == port.address) is same
        conductor.step(server.uuid, updates={"host": None}, also=[unbind()])
