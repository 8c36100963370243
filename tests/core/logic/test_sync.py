"""Power sync, lifecycle events, leftovers, and a hypervisor that goes and comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from tuinova.core.compute_manager.powersync import SYNC_TABLE, Sync
from tuinova.core.states import PowerState, VmState
from tuinova.virt.driver import LifecycleEvent
from tuinova.virt.fake import FakeOptions
from tuinova.virt.fake.ticker import TICKER

from .conftest import House, quick_options

_P = PowerState


def set_power(house: House, uuid: str, state: PowerState) -> None:
    """What somebody did to the guest behind our back; no event tells of it."""
    with house.driver.store.locked(uuid):
        record = house.driver.store.load(uuid)
        record.state = state
        house.driver.store.save(record)


# vm_state, what the hypervisor says, how it ends: vm_state, the newest action.
PASSES = [
    ("active", _P.RUNNING, "active", "create"),
    ("active", _P.SHUTDOWN, "stopped", "stop"),
    ("active", _P.CRASHED, "stopped", "stop"),
    ("active", _P.SUSPENDED, "stopped", "stop"),
    ("active", _P.PAUSED, "active", "create"),
    ("stopped", _P.RUNNING, "stopped", "stop"),
    ("stopped", _P.SHUTDOWN, "stopped", "stop"),
    ("paused", _P.SHUTDOWN, "stopped", "stop"),
    ("paused", _P.RUNNING, "paused", "pause"),
    ("suspended", _P.RUNNING, "suspended", "suspend"),
    ("error", _P.SHUTDOWN, "error", "resetState"),
]


@pytest.mark.parametrize(("vm_state", "power", "end", "action"), PASSES)
def test_power_sync_follows_novas_table(house: House, vm_state: str, power: PowerState, end: str, action: str) -> None:
    server = house.in_state(vm_state)
    set_power(house, server.uuid, power)
    house.pass_time(600)
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state) == (end, None)
    assert house.newest_action(server.uuid).action == action
    if end == vm_state and vm_state != "stopped":
        assert after.power_state == power


def test_a_stop_by_power_sync_is_recorded_without_a_user(house: House) -> None:
    server = house.create()
    house.act(server.uuid, "lock")
    set_power(house, server.uuid, _P.SHUTDOWN)
    house.pass_time(600)
    action = house.newest_action(server.uuid)
    assert (action.action, action.user_id, action.project_id) == ("stop", None, None)
    assert action.request_id.startswith("req-")
    assert house.server(server.uuid).power_state == _P.SHUTDOWN


def test_a_guest_somebody_started_is_stopped_again(house: House) -> None:
    server = house.in_state("stopped")
    set_power(house, server.uuid, _P.RUNNING)
    count = len(house.conductor.actions(server.uuid))
    house.pass_time(600)
    assert house.driver.guest_info(server.uuid).state is _P.SHUTDOWN
    assert len(house.conductor.actions(server.uuid)) == count + 1


def test_servers_with_a_task_are_skipped(house: House) -> None:
    server = house.create()
    house.conductor.step(server.uuid, updates={"task_state": "migrating"})
    set_power(house, server.uuid, _P.SHUTDOWN)
    house.pass_time(600)
    after = house.server(server.uuid)
    assert (after.vm_state, after.power_state) == ("active", _P.RUNNING)


def test_a_guest_that_is_gone_is_nostate_and_left_alone(house: House) -> None:
    server = house.create()
    house.driver.cleanup(server.uuid)
    house.pass_time(600)
    after = house.server(server.uuid)
    assert (after.vm_state, after.power_state) == ("active", _P.NOSTATE)
    assert house.act(server.uuid, "delete").deleted


def test_the_table_names_only_known_states() -> None:
    assert {vm_state for vm_state, _power in SYNC_TABLE} == {"active", "stopped", "paused"}
    assert SYNC_TABLE[str(VmState.STOPPED), _P.RUNNING] is Sync.FORCE_STOP


# events --------------------------------------------------------------------------------------------------------------
def tell(house: House, uuid: str, event: LifecycleEvent) -> None:
    # Behind what the hypervisor itself has to tell (of the build), or that would count as the newer event.
    told = threading.Event()
    TICKER.soon(told.set)
    assert told.wait(10)
    house.engine.managers["node1"].heard("node1", uuid, event)
    house.settle()


def test_a_guest_that_powers_itself_off_is_stopped_after_15_seconds(house: House) -> None:
    server = house.create()
    set_power(house, server.uuid, _P.SHUTDOWN)
    tell(house, server.uuid, LifecycleEvent.STOPPED)
    house.pass_time(14)
    assert house.server(server.uuid).vm_state == "active"
    house.pass_time(2)
    assert house.server(server.uuid).vm_state == "stopped"
    assert house.newest_action(server.uuid).action == "stop"


def test_a_newer_event_cancels_the_stop(house: House) -> None:
    server = house.create()
    set_power(house, server.uuid, _P.SHUTDOWN)
    tell(house, server.uuid, LifecycleEvent.STOPPED)
    set_power(house, server.uuid, _P.RUNNING)
    tell(house, server.uuid, LifecycleEvent.STARTED)
    house.pass_time(20)
    after = house.server(server.uuid)
    assert (after.vm_state, after.power_state) == ("active", _P.RUNNING)
    assert house.newest_action(server.uuid).action == "create"


def test_a_stale_event_is_ignored(house: House) -> None:
    server = house.create()
    tell(house, server.uuid, LifecycleEvent.PAUSED)  # by now it runs
    assert house.server(server.uuid).power_state == _P.RUNNING


@pytest.mark.parametrize(
    ("state", "power", "event", "vm_state"),
    [
        ("active", _P.PAUSED, LifecycleEvent.PAUSED, "active"),
        ("paused", _P.RUNNING, LifecycleEvent.RESUMED, "paused"),
        ("suspended", _P.RUNNING, LifecycleEvent.STARTED, "suspended"),
    ],
)
def test_what_is_done_by_hand_shows_in_the_power_state_only(
    house: House, state: str, power: PowerState, event: LifecycleEvent, vm_state: str
) -> None:
    server = house.in_state(state)
    set_power(house, server.uuid, power)
    tell(house, server.uuid, event)
    after = house.server(server.uuid)
    assert (after.vm_state, after.power_state) == (vm_state, power)


def test_a_stopped_server_that_is_started_by_hand_is_stopped_at_once(house: House) -> None:
    server = house.in_state("stopped")
    set_power(house, server.uuid, _P.RUNNING)
    tell(house, server.uuid, LifecycleEvent.STARTED)
    after = house.server(server.uuid)
    assert (after.vm_state, after.power_state) == ("stopped", _P.SHUTDOWN)


def test_events_can_be_turned_off(make_house: Callable[..., House]) -> None:
    house = make_house(options=quick_options(handle_virt_lifecycle_events=False))
    server = house.create()
    set_power(house, server.uuid, _P.SHUTDOWN)
    tell(house, server.uuid, LifecycleEvent.STOPPED)
    house.pass_time(16)
    assert house.server(server.uuid).vm_state == "active"


def test_events_of_unknown_guests_are_ignored(house: House) -> None:
    tell(house, "11111111-2222-3333-4444-555555555555", LifecycleEvent.STARTED)


def test_started_guests_are_told_to_the_console_hub(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    house.engine.managers["node1"].on_started = heard.append
    server = house.create()
    house.engine.managers["node1"].heard("node1", server.uuid, LifecycleEvent.STARTED)
    assert server.uuid in heard


# the hypervisor ------------------------------------------------------------------------------------------------------
def service(house: House) -> tuple[bool, str | None]:
    found = house.conductor.services("node1", "nova-compute")[0]
    return found.disabled, found.disabled_reason


def test_connection_loss_disables_the_service_until_it_is_back(house: House) -> None:
    manager = house.engine.managers["node1"]
    manager.connection_changed(False, "end of file")
    house.pass_time(0)
    assert service(house) == (True, "AUTO: Connection to libvirt lost: end of file")
    assert house.create().vm_state == "error"
    manager.connection_changed(True, "")
    house.pass_time(0)
    assert service(house) == (False, None)
    assert house.create(name="vm2").vm_state == "active"


def test_what_an_operator_disabled_stays_disabled(house: House) -> None:
    manager = house.engine.managers["node1"]
    house.conductor.set_service("node1", disabled=True, disabled_reason="repair")
    manager.connection_changed(False, "end of file")
    house.pass_time(0)
    assert service(house) == (True, "repair")
    manager.connection_changed(True, "")
    house.pass_time(0)
    assert service(house) == (True, "repair")


def test_a_hypervisor_that_is_away_at_the_start_is_tried_again(make_house: Callable[..., House]) -> None:
    house = make_house(start=False)
    house.driver.faults.order("init_host", {"kind": "lost", "error": "no such socket"})
    house.engine.start()
    house.engine.join_start()
    assert service(house) == (True, "AUTO: Connection to libvirt lost: no such socket")
    house.driver.faults.order("init_host", None)
    house.pass_time(10)
    assert service(house) == (False, None)
    assert house.create().vm_state == "active"


def test_orders_wait_for_a_hypervisor_that_is_away_at_the_start(house: House) -> None:
    server = house.create()
    house.engine.bus.stop(5)
    house.act(server.uuid, "stop", settle=False)
    house.crash()
    house.open(start=False)
    house.driver.faults.order("init_host", {"kind": "lost"})
    house.engine.start()
    house.engine.join_start()
    house.settle()
    assert house.server(server.uuid).task_state == "powering-off"
    house.driver.faults.order("init_host", None)
    house.pass_time(10)
    assert house.server(server.uuid).vm_state == "stopped"


# duties --------------------------------------------------------------------------------------------------------------
def test_heartbeat_and_resources_are_renewed(make_house: Callable[..., House]) -> None:
    house = make_house(fake=FakeOptions(boot_seconds=0, watch_seconds=3600))
    before = house.conductor.services("node1")[0].last_seen_up
    house.driver.plant_foreign("alien", memory_mb=2048, vcpus=2)
    house.pass_time(60)
    after = house.conductor.services("node1")[0].last_seen_up
    assert before is not None
    assert after is not None
    assert (after - before).total_seconds() >= 60
    node = house.conductor.nodes()[0]
    assert (node.foreign_memory_mb, node.foreign_vcpus) == (2048, 2)
    assert house.engine.host_statuses() == {"node1": "UP"}


def test_foreign_guests_count_before_a_server_is_placed(make_house: Callable[..., House]) -> None:
    house = make_house(fake=FakeOptions(boot_seconds=0, watch_seconds=3600, memory_mb=512 + 256))
    house.driver.plant_foreign("alien", memory_mb=200)
    house.pass_time(60)
    assert house.create().vm_state == "error"  # 128 MiB are asked, 56 are left


def test_a_build_that_takes_too_long_is_an_error(make_house: Callable[..., House]) -> None:
    house = make_house(options=quick_options(instance_build_timeout=100))
    server = house.create()
    house.conductor.step(server.uuid, updates={"vm_state": "building", "task_state": "spawning"})
    house.pass_time(90)
    assert house.server(server.uuid).vm_state == "building"
    house.pass_time(60)
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state) == ("error", "spawning")


def test_a_service_with_a_running_guest_or_open_work_is_busy(house: House) -> None:
    assert not house.engine.busy()
    server = house.create()
    assert house.engine.busy()
    house.act(server.uuid, "pause")
    assert house.engine.busy()
    house.act(server.uuid, "unpause")
    house.act(server.uuid, "stop")
    for _ in range(500):  # the hypervisor tells of the stop in a thread of its own
        if house.engine.duties.next_due() is not None:
            break
        time.sleep(0.01)
    assert house.engine.busy()
    house.pass_time(16)
    assert not house.engine.busy()
    house.driver.faults.order("power_on", {"kind": "hang"})
    house.act(server.uuid, "start", settle=False)
    assert house.engine.busy()
    house.driver.faults.order("power_on", None)
    house.settle()


def test_a_hypervisor_that_refuses_to_be_used_does_not_stop_the_service(make_house: Callable[..., House]) -> None:
    house = make_house("node1", "node2", start=False)
    house.driver.faults.order("init_host", {"error": "libvirt 1.0 is too old"})
    house.engine.start()
    house.engine.join_start()
    assert service(house) == (True, "AUTO: Connection to libvirt lost: libvirt 1.0 is too old")
    assert house.create().host == "node2"


def test_an_action_that_runs_while_the_hypervisor_comes_back_is_not_disturbed(house: House) -> None:
    server = house.create()
    house.driver.faults.order("pause", {"kind": "slow", "delay": 0.3})
    accepted = house.act(server.uuid, "pause", settle=False)
    assert accepted.task_state == "pausing"
    manager = house.engine.managers["node1"]
    manager.connection_changed(False, "end of file")
    manager.connection_changed(True, "")
    house.pass_time(0)
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state) == ("paused", None)
    action = house.newest_action(server.uuid)
    assert (action.message, [event.result for event in action.events]) == (None, ["Success"])


def test_what_could_not_be_settled_without_the_hypervisor_is_settled_when_it_is_back(house: House) -> None:
    server = house.create()
    hangs = house.hang("power_off")
    house.act(server.uuid, "stop", settle=False)
    assert hangs.wait(10)
    house.crash()
    house.open(start=False)
    house.driver.faults.order("guest_info", {"kind": "lost"})
    house.engine.start()
    house.engine.join_start()
    house.settle()
    assert house.server(server.uuid).task_state == "powering-off"
    house.driver.faults.order("guest_info", None)
    house.engine.managers["node1"].connection_changed(True, "")
    house.pass_time(0)
    assert house.server(server.uuid).vm_state == "stopped"


def test_a_guest_that_went_off_while_the_daemon_was_away_is_not_started_again(house: House) -> None:
    server = house.create()
    set_power(house, server.uuid, _P.SHUTDOWN)
    house.engine.managers["node1"].connection_changed(True, "")
    house.pass_time(0)
    assert house.server(server.uuid).vm_state == "stopped"
    assert house.newest_action(server.uuid).action == "stop"
