"""The hypervisor's daemon goes away and comes back under a service that goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tuinova.core.states import PowerState
from tuinova.virt.fake.faults import order_faults

from .conftest import House
from .test_actions import wait_for_task
from .test_moves import AUTO, SMALL, TINY, settled


def blink(house: House) -> None:
    """The connection is lost and is back at once."""
    manager = house.engine.managers[house.driver.host]
    manager.connection_changed(False, "end of file")
    manager.connection_changed(True, "")
    house.engine.duties.run_due()


def test_a_build_that_outlives_an_outage_keeps_its_guest(house: House) -> None:
    """It was half built when the connection came back, and is not any more when recovery has its turn."""
    order_faults(house.driver.store.directory, {"spawn": {"kind": "slow", "delay": 1.0}})
    server = house.create(settle=False)
    wait_for_task(house, server.uuid, "spawning")
    blink(house)
    house.settle()
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state) == ("active", None)
    assert house.driver.guest_info(server.uuid).state is PowerState.RUNNING
    assert not house.conductor.open_orders()


def test_a_stop_that_outlives_an_outage_is_one_stop(house: House) -> None:
    server = house.create()
    order_faults(house.driver.store.directory, {"power_off": {"kind": "slow", "delay": 1.0}})
    house.act(server.uuid, "stop", settle=False)
    wait_for_task(house, server.uuid, "powering-off")
    blink(house)
    house.settle()
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state) == ("stopped", None)
    assert [event.result for event in house.newest_action(server.uuid).events] == ["Success"]
    assert house.conductor.newest_fault(server.uuid) is None


def test_a_guest_that_went_off_during_an_outage_stays_off(house: House) -> None:
    """Only the start of the host brings guests back; here the guest switched itself off."""
    server = house.create()
    house.driver.power_off(server.uuid, 0, 0)
    blink(house)
    house.settle()
    after = house.server(server.uuid)
    assert (after.vm_state, after.power_state) == ("stopped", PowerState.SHUTDOWN)


def test_a_reboot_without_a_hypervisor_leaves_the_vm_state(house: House) -> None:
    """Nobody knows of the guest: it is not called broken because the daemon does not answer."""
    server = house.create()
    house.driver.faults.order("connection", {"error": "end of file"})
    after = house.act(server.uuid, "reboot", {"type": "HARD"})
    assert (after.vm_state, after.task_state) == ("active", None)
    assert house.newest_action(server.uuid).message == "Error"
    fault = house.conductor.newest_fault(server.uuid)
    assert fault is not None
    assert fault.code == 503


@pytest.mark.parametrize(
    ("before", "action", "method", "end"),
    [
        (None, ("resize", {"flavorRef": SMALL}), "finish_migration", "resized"),
        ("resize", ("confirmResize", None), "confirm_migration", "active"),
        ("resize", ("revertResize", None), "discard_migrated", "active"),
        ("resize", ("revertResize", None), "finish_revert_migration", "active"),
        (None, ("os-migrateLive", AUTO), "post_live_migration_at_destination", "active"),
    ],
)
def test_a_move_waits_for_a_hypervisor_that_went_away_in_the_middle_of_it(
    make_house: Callable[..., House], before: str | None, action: tuple[str, object], method: str, end: str
) -> None:
    house = make_house("node1", "node2")
    server = house.create(flavor_ref=TINY)
    if before is not None:
        house.act(server.uuid, before, {"flavorRef": SMALL})
    for driver in house.drivers.values():
        driver.faults.order(method, {"kind": "lost"})
    waiting = house.act(server.uuid, *action)
    assert waiting.vm_state in ("active", "resized")
    assert house.conductor.open_orders()
    for driver in house.drivers.values():
        driver.faults.order(method, None)
        manager = house.engine.managers[driver.host]
        manager.connection_changed(False, "end of file")
        manager.connection_changed(True, "")
    house.engine.duties.run_due()
    house.settle()
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state) == (end, None)
    assert house.conductor.newest_fault(server.uuid) is None
    settled(house, server)


def test_a_delete_waits_for_a_hypervisor_that_went_away(house: House) -> None:
    server = house.create()
    house.driver.faults.order("destroy", {"kind": "lost"})
    waiting = house.act(server.uuid, "delete")
    assert (waiting.vm_state, waiting.task_state, waiting.deleted) == ("active", "deleting", False)
    house.driver.faults.order("destroy", None)
    blink(house)
    house.settle()
    assert house.server(server.uuid).deleted
    assert house.nothing_left(server.uuid)
    assert [event.result for event in house.newest_action(server.uuid).events] == ["Success"]
