"""A state that is reset while the server moves: what is written of place and size stays true, and nothing is left."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from tuinova.core.drafts import MigrationFilter
from tuinova.core.records import Instance
from tuinova.core.states import PowerState
from tuinova.virt.fake import FakeOptions

from .conftest import House
from .test_moves import AUTO, SMALL, TINY, down, migration, other, settled, used

RESIZE_CALLS = ("migration_address", "migrate_disk_and_power_off", "finish_migration")
END_CALLS = [
    ("confirmResize", "confirm_migration"),
    ("revertResize", "discard_migrated"),
    ("revertResize", "finish_revert_migration"),
]
LIVE_CALLS = (
    "check_can_live_migrate_destination",
    "check_can_live_migrate_source",
    "pre_live_migration",
    "live_migration",
    "post_live_migration",
    "post_live_migration_at_destination",
)


@pytest.fixture(params=[("node1",), ("node1", "node2")], ids=["one host", "two hosts"])
def house(request: pytest.FixtureRequest, make_house: Callable[..., House]) -> House:
    return make_house(*request.param)


def slowly(house: House, method: str, when: str) -> threading.Event:
    """Let a call of every driver take a while; the event says that it has begun."""
    reached = threading.Event()
    for driver in house.drivers.values():
        strike = driver.faults.strike

        def watched(name: str, moment: str, *names: str, strike: Callable[..., None] = strike) -> None:
            if (name, moment) == (method, when):
                reached.set()
            strike(name, moment, *names)

        driver.faults.strike = watched  # type: ignore[method-assign] - a spy on the real one
        driver.faults.order(method, {"kind": "slow", "delay": 0.4, "when": when})
    return reached


def reset(house: House, server: Instance, reached: threading.Event, state: str) -> Instance:
    assert reached.wait(10), "the call was never reached"
    house.act(server.uuid, "resetState", {"state": state}, settle=False)
    for driver in house.drivers.values():
        for method in (*RESIZE_CALLS, *LIVE_CALLS, *(method for _, method in END_CALLS), "spawn", "destroy"):
            driver.faults.order(method, None)
    house.settle()
    # The power sync that follows sees what became of the guest.
    for manager in house.engine.managers.values():
        manager.first_look()
    house.settle()
    return house.server(server.uuid)


def true_to_the_hosts(house: House, server: Instance) -> None:
    """At most one guest, where the row says; allocations, ports and moves agree; a hard reboot and a delete work."""
    now = house.server(server.uuid)
    places = [name for name, driver in house.drivers.items() if server.uuid in {g.uuid for g in driver.list_guests()}]
    assert places == [now.host], (places, now.host)
    assert sum(memory for _, memory in used(house).values()) == now.flavor["memory_mb"]
    assert used(house)[now.host or ""][1] == now.flavor["memory_mb"]
    assert {port.host for port in house.conductor.ports(server.uuid)} == {now.host}
    assert not house.conductor.migrations(MigrationFilter(in_progress=True))
    for driver in house.drivers.values():
        assert not driver.leftovers()
    settled(house, server)
    revived = house.act(server.uuid, "reboot", {"type": "HARD"})
    assert (revived.vm_state, revived.power_state) == ("active", PowerState.RUNNING)
    house.act(server.uuid, "delete")
    assert house.nothing_left(server.uuid)
    assert {memory for _, memory in used(house).values()} == {0}


@pytest.mark.parametrize("state", ["active", "error"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", RESIZE_CALLS)
def test_in_a_resize(house: House, method: str, when: str, state: str) -> None:
    if (method, when) == ("migration_address", "after"):
        when = "before"
    server = house.create(flavor_ref=TINY)
    reached = slowly(house, method, when)
    house.act(server.uuid, "resize", {"flavorRef": SMALL}, settle=False)
    reset(house, server, reached, state)
    true_to_the_hosts(house, server)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("key", "method"), END_CALLS)
def test_at_the_end_of_a_resize(house: House, key: str, method: str, when: str) -> None:
    server = house.create(flavor_ref=TINY)
    house.act(server.uuid, "resize", {"flavorRef": SMALL})
    reached = slowly(house, method, when)
    house.act(server.uuid, key, settle=False)
    after = reset(house, server, reached, "error")
    assert after.flavor["id"] == (SMALL if key == "confirmResize" else TINY)
    true_to_the_hosts(house, server)


def test_of_a_server_that_waits_for_its_confirm_and_moves_again(house: House) -> None:
    server = house.create(flavor_ref=TINY)
    house.act(server.uuid, "resize", {"flavorRef": SMALL})
    house.act(server.uuid, "resetState", {"state": "active"})
    again = house.act(server.uuid, "resize", {"flavorRef": "3"})
    assert (again.vm_state, again.flavor["id"]) == ("resized", "3")
    back = house.act(server.uuid, "revertResize")
    assert (back.vm_state, back.flavor["id"]) == ("active", SMALL)
    assert [one.status for one in house.conductor.migrations()] == ["reverted", "confirmed"]
    true_to_the_hosts(house, server)


def test_what_an_earlier_move_left_goes_before_the_next_one_comes(make_house: Callable[..., House]) -> None:
    house = make_house("node1", "node2")
    server = house.create(flavor_ref=TINY)
    house.act(server.uuid, "resize", {"flavorRef": SMALL})
    house.act(server.uuid, "resetState", {"state": "active"})

    def busy() -> None:
        """The old host is at work while the scheduler chooses it."""
        deadline = time.monotonic() + 10
        wanted = MigrationFilter(instance_uuid=server.uuid, dest_compute=server.host, in_progress=True)
        while not house.conductor.migrations(wanted) and time.monotonic() < deadline:
            time.sleep(0.01)

    house.engine.bus.submit(server.host, server.uuid, busy)
    again = house.act(server.uuid, "resize", {"flavorRef": "3"})
    assert (again.vm_state, again.flavor["id"], again.host) == ("resized", "3", server.host)
    house.act(server.uuid, "confirmResize")
    true_to_the_hosts(house, server)


def test_before_an_evacuation_an_earlier_move_is_over_too(make_house: Callable[..., House]) -> None:
    house = make_house("node1", "node2")
    server = house.create(flavor_ref=TINY)
    moved = house.act(server.uuid, "resize", {"flavorRef": SMALL})
    house.act(server.uuid, "resetState", {"state": "active"})
    down(house, moved.host or "")
    back = house.act(server.uuid, "evacuate", {})
    assert (back.host, back.flavor["id"]) == (server.host, SMALL)
    assert [one.status for one in house.conductor.migrations()] == ["done", "confirmed"]
    down(house, moved.host or "", False)
    house.pass_time(61)
    true_to_the_hosts(house, server)


@pytest.mark.parametrize("state", ["active", "error"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", LIVE_CALLS)
def test_in_a_live_migration(make_house: Callable[..., House], method: str, when: str, state: str) -> None:
    if method.startswith("check"):
        when = "before"
    house = make_house("node1", "node2")
    server = house.create()
    reached = slowly(house, method, when)
    house.act(server.uuid, "os-migrateLive", AUTO, settle=False)
    after = reset(house, server, reached, state)
    came = method.startswith("post") or (method, when) == ("live_migration", "after")
    assert after.host == (other(house, server) if came else server.host)
    assert migration(house, server.uuid).status == (
        "completed" if came else "failed" if method == "live_migration" or method.startswith("pre") else "error"
    )
    true_to_the_hosts(house, server)


def test_while_the_memory_goes_over_it_is_called_back(make_house: Callable[..., House]) -> None:
    house = make_house(
        "node1", "node2", fake=FakeOptions(boot_seconds=0, watch_seconds=3600, live_migration_mb_per_second=4)
    )
    server = house.create()
    house.act(server.uuid, "os-migrateLive", AUTO, settle=False)
    deadline = time.monotonic() + 10
    while not house.server(server.uuid).task_progress:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    house.act(server.uuid, "resetState", {"state": "active"})
    assert house.server(server.uuid).host == server.host
    assert migration(house, server.uuid).status == "failed"
    true_to_the_hosts(house, server)


@pytest.mark.parametrize("when", ["before", "after"])
def test_in_an_evacuation(make_house: Callable[..., House], when: str) -> None:
    house = make_house("node1", "node2")
    server = house.create()
    home, there = server.host or "", other(house, server)
    down(house, home)
    reached = slowly(house, "spawn", when)
    house.act(server.uuid, "evacuate", {}, settle=False)
    after = reset(house, server, reached, "error")
    assert after.host == there  # from the build on there is no way back
    down(house, home, forced=False)
    house.pass_time(61)
    true_to_the_hosts(house, server)
