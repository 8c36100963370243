"""Claims: capacity is moved by compare-and-swap, never twice, and comes back."""

from __future__ import annotations

import random
import threading

import pytest

from tuinova.core.conductor import OrderDraft, UnexpectedTaskState
from tuinova.core.errors import InstanceNotFound


def held(conductor) -> tuple[int, int, int]:
    node = conductor.nodes()[0]
    return node.vcpus_allocated, node.memory_mb_allocated, node.local_gb_allocated


def test_a_claim_moves_capacity_places_the_server_and_writes_the_order(conductor, demo, make, amounts, resources):
    conductor.save_node("h1", resources())
    server = make()
    schedule = conductor.open_orders()[0]
    assert conductor.claim(
        server.uuid,
        "h1",
        "node1",
        amounts(1, 128, 5, (("CUSTOM_X", 2),)),
        updates={"availability_zone": "nova", "task_state": None},
        expect_task="scheduling",
        order=OrderDraft("build_instance", "h1"),
        ctx=demo,
        order_done=schedule.id,
        event_start="conductor_schedule_and_build_instances",
    )
    placed = conductor.instance(server.uuid)
    assert (placed.host, placed.node, placed.availability_zone, placed.task_state) == ("h1", "node1", "nova", None)
    (allocation,) = conductor.allocations("h1")
    assert (allocation.consumer, allocation.vcpus, allocation.memory_mb, allocation.disk_gb, allocation.others) == (
        server.uuid,
        1,
        128,
        5,
        {"CUSTOM_X": 2},
    )
    assert held(conductor) == (1, 128, 5)
    assert [order.method for order in conductor.open_orders()] == ["build_instance"]
    assert conductor.action(server.uuid, demo.request_id).events[0].event == "conductor_schedule_and_build_instances"


def test_two_requests_cannot_both_take_the_last_slot(conductor, make, amounts, resources):
    conductor.save_node("h1", resources(memory_mb=512 + 3 * 128))
    servers = [make(f"vm{n}") for n in range(10)]
    start = threading.Barrier(10)
    won: list[str] = []

    def claim(uuid: str) -> None:
        start.wait()
        if conductor.claim(uuid, "h1", "node1", amounts()):
            won.append(uuid)

    threads = [threading.Thread(target=claim, args=(server.uuid,)) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 3
    assert {allocation.consumer for allocation in conductor.allocations()} == set(won)
    assert held(conductor) == (3, 384, 0)
    assert {server.uuid for server in conductor.instances() if server.host} == set(won)


@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        ((2, 128, 0), True),
        ((3, 128, 0), False),  # above the physical total, though the ratio would allow 8
        ((1, 3584, 0), True),
        ((1, 3585, 0), False),  # 512 are reserved
        ((1, 128, 50), True),
        ((1, 128, 51), False),
        ((0, 0, 0), True),
    ],
)
def test_a_server_fits_by_placements_rule(conductor, make, amounts, resources, asked, fits):
    conductor.save_node("h1", resources())
    assert conductor.claim(make().uuid, "h1", "node1", amounts(*asked)) is fits


def test_overcommitment_adds_up_to_the_ratio(conductor, make, amounts, resources):
    conductor.save_node("h1", resources(), cpu_allocation_ratio=1.5, ram_allocation_ratio=2.0)
    fits = [conductor.claim(make().uuid, "h1", "node1", amounts(1, 16)) for _ in range(4)]
    assert fits == [True, True, True, False]


def test_foreign_guests_and_what_is_reserved_count(conductor, make, amounts, resources, foreign_guest):
    guest = foreign_guest("f", "theirs", 3000, 1, 45)
    node = conductor.save_node("h1", resources(foreign=(guest,)), cpu_allocation_ratio=1.0)
    assert (node.vcpus_used, node.memory_mb_used, node.local_gb_used) == (1, 3512, 45)
    assert (node.free_ram_mb, node.free_disk_gb) == (584, 5)
    server = make()
    assert not conductor.claim(server.uuid, "h1", "node1", amounts(2, 1, 0))
    assert not conductor.claim(server.uuid, "h1", "node1", amounts(1, 585, 0))
    assert not conductor.claim(server.uuid, "h1", "node1", amounts(1, 1, 6))
    assert conductor.claim(server.uuid, "h1", "node1", amounts(1, 584, 5))


def test_a_class_of_which_nothing_is_asked_is_not_looked_at(conductor, make, amounts, resources, foreign_guest):
    conductor.save_node("h1", resources(foreign=(foreign_guest("f", "theirs", 0, 0, 99),)))
    assert conductor.claim(make().uuid, "h1", "node1", amounts(1, 128, 0))


def test_a_failed_claim_leaves_no_trace(conductor, demo, make, amounts, resources):
    conductor.save_node("h1", resources())
    server = make()
    before = (server, conductor.last_change(), held(conductor), conductor.open_orders())
    order = OrderDraft("build_instance", "h1")
    assert not conductor.claim(server.uuid, "h1", "node1", amounts(9), updates={"name": "x"}, order=order, ctx=demo)
    assert not conductor.claim(server.uuid, "h9", "node1", amounts(), order=order, ctx=demo)
    with pytest.raises(UnexpectedTaskState):
        conductor.claim(server.uuid, "h1", "node1", amounts(), expect_task="spawning")
    after = (conductor.instance(server.uuid), conductor.last_change(), held(conductor), conductor.open_orders())
    assert after == before
    assert conductor.allocations() == []


def test_a_repeated_claim_of_the_same_node_counts_once(conductor, make, amounts, resources):
    conductor.save_node("h1", resources())
    server = make()
    assert conductor.claim(server.uuid, "h1", "node1", amounts())
    assert conductor.claim(server.uuid, "h1", "node1", amounts())
    assert held(conductor) == (1, 128, 0)


def test_a_claim_elsewhere_gives_back_the_first_one_only_when_it_succeeds(conductor, make, amounts, resources):
    conductor.save_node("h1", resources())
    conductor.save_node("h2", resources(node="node2", memory_mb=600))
    server = make()
    conductor.claim(server.uuid, "h1", "node1", amounts(1, 1000))
    assert not conductor.claim(server.uuid, "h2", "node2", amounts(1, 1000))
    assert conductor.allocations()[0].host == "h1"
    assert conductor.claim(server.uuid, "h2", "node2", amounts(1, 50))
    assert [(entry.host, entry.memory_mb) for entry in conductor.allocations()] == [("h2", 50)]
    assert [node.memory_mb_allocated for node in conductor.nodes()] == [0, 50]


def test_releasing_gives_back_once(conductor, make, amounts, resources):
    conductor.save_node("h1", resources())
    server = make()
    conductor.claim(server.uuid, "h1", "node1", amounts())
    conductor.release(server.uuid)
    conductor.release(server.uuid)
    assert held(conductor) == (0, 0, 0)
    conductor.claim(server.uuid, "h1", "node1", amounts())
    conductor.step(server.uuid, updates={"host": None, "node": None}, release_allocation=True)
    assert (held(conductor), conductor.allocations()) == ((0, 0, 0), [])


def test_a_server_that_was_deleted_meanwhile_is_not_placed(conductor, make, amounts, resources):
    conductor.save_node("h1", resources())
    server = make()
    conductor.step(server.uuid, delete_row=True)
    with pytest.raises(InstanceNotFound):
        conductor.claim(server.uuid, "h1", "node1", amounts())
    assert held(conductor) == (0, 0, 0)


def test_saving_a_node_keeps_what_servers_hold(conductor, make, amounts, resources):
    conductor.save_node("h1", resources())
    conductor.claim(make().uuid, "h1", "node1", amounts())
    conductor.save_node("h1", resources(memory_mb=8192))
    assert held(conductor) == (1, 128, 0)


@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_the_nodes_hold_the_sum_of_their_allocations(conductor, make, amounts, resources, seed):
    chooser = random.Random(seed)
    for number in (1, 2):
        conductor.save_node(f"h{number}", resources(node=f"node{number}"))
    servers = [make(f"vm{n}").uuid for n in range(8)]
    for _ in range(60):
        uuid, number = chooser.choice(servers), chooser.choice((1, 2))
        match chooser.randrange(5):
            case 0 | 1:
                wanted = amounts(chooser.randrange(4), chooser.randrange(3000), chooser.randrange(40))
                conductor.claim(uuid, f"h{number}", f"node{number}", wanted)
            case 2:
                conductor.release(uuid)
            case 3:
                conductor.step(uuid, updates={"progress": 1}, release_allocation=True)
            case 4 if len(servers) > 3:
                conductor.step(uuid, delete_row=True)
                servers.remove(uuid)
    for node in conductor.nodes():
        held = conductor.allocations(node.host)
        assert (node.vcpus_allocated, node.memory_mb_allocated, node.local_gb_allocated) == (
            sum(entry.vcpus for entry in held),
            sum(entry.memory_mb for entry in held),
            sum(entry.disk_gb for entry in held),
        )
        assert node.memory_mb_used <= node.memory_mb
        assert node.local_gb_used <= node.local_gb
