"""The bus inside one process: whose order goes where, once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tuinova.rpc.local import PATIENT, LocalBus


@dataclass(frozen=True)
class Order:
    id: int
    host: str | None
    instance_uuid: str | None
    method: str = "stop_instance"


@pytest.fixture
def bus() -> Iterator[LocalBus]:
    made = LocalBus(builds=1, workers=4)
    yield made
    made.stop(5)


def test_orders_go_to_their_host_and_the_conductors_own_to_it(bus: LocalBus) -> None:
    seen: list[tuple[str, int]] = []
    bus.serve("a", lambda order: seen.append(("a", order.id)))
    bus.serve("b", lambda order: seen.append(("b", order.id)))
    bus.serve(None, lambda order: seen.append(("own", order.id)))
    bus.ring([Order(1, "a", "x"), Order(2, "b", "y"), Order(3, None, "x"), Order(4, "elsewhere", "z")])
    assert bus.wait_idle(10)
    assert sorted(seen) == [("a", 1), ("b", 2), ("own", 3)]


def test_an_order_is_not_taken_twice_while_it_is_known(bus: LocalBus) -> None:
    gate, seen = threading.Event(), []

    def handle(order: Order) -> None:
        gate.wait(10)
        seen.append(order.id)

    bus.serve("a", handle)
    order = Order(1, "a", "x")
    bus.ring([order])
    bus.ring([order])
    gate.set()
    assert bus.wait_idle(10)
    assert seen == [1]
    bus.ring([order])  # recovery may ring it again once it was tried
    assert bus.wait_idle(10)
    assert seen == [1, 1]


def test_orders_of_one_server_keep_their_order(bus: LocalBus) -> None:
    seen: list[int] = []
    bus.serve("a", lambda order: seen.append(order.id))
    bus.ring(Order(number, "a", "x") for number in range(50))
    assert bus.wait_idle(10)
    assert seen == list(range(50))


def test_other_jobs_wait_for_the_orders_of_their_server(bus: LocalBus) -> None:
    gate, seen = threading.Event(), []

    def handle(order: Order) -> None:
        gate.wait(10)
        seen.append("order")

    bus.serve("a", handle)
    bus.ring([Order(1, "a", "x")])
    bus.submit("a", "x", lambda: seen.append("sync"))
    gate.set()
    assert bus.wait_idle(10)
    assert seen == ["order", "sync"]


def test_a_stopped_bus_takes_nothing_more_and_forgets_nothing_it_took(bus: LocalBus) -> None:
    seen: list[int] = []
    bus.serve("a", lambda order: seen.append(order.id))
    assert bus.stop(5)
    bus.ring([Order(1, "a", "x")])
    assert seen == []
    assert bus.open_jobs() == 0


def test_guests_that_take_their_time_do_not_hold_up_the_others() -> None:
    bus = LocalBus(builds=1, workers=1, patient=4)
    free, done = threading.Event(), threading.Event()

    def handle(order: Order) -> None:
        if order.method == "stop_instance":
            free.wait(10)
        else:
            done.set()

    bus.serve("a", handle, kinds={"stop_instance": PATIENT})
    bus.ring(Order(number, "a", f"server{number}") for number in range(6))
    bus.ring([Order(9, "a", "other", "start_instance")])
    assert done.wait(10)
    free.set()
    assert bus.wait_idle(10)
    bus.stop(5)


def test_an_order_that_was_read_before_it_was_carried_out_is_not_carried_out_again(bus: LocalBus) -> None:
    """Recovery reads the open orders while another host's recovery writes some, which are rung and done meanwhile."""
    seen: list[int] = []
    bus.serve("a", lambda order: seen.append(order.id))
    bus.ring([Order(1, "a", "x")])
    assert bus.wait_idle(10)
    bus.ring([Order(1, "a", "x"), Order(2, "a", "x")], still=lambda number: number == 2)
    assert bus.wait_idle(10)
    assert seen == [1, 2]
