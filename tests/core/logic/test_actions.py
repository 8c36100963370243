"""Every action's way through the states, as it is seen from outside."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tuinova.core.records import Change
from tuinova.core.states import PowerState

from .conftest import House

# action, body, state it starts from; the task states that must be seen in order; the end: vm_state, power_state.
WALKS = [
    ("stop", None, "active", ["powering-off"], "stopped", PowerState.SHUTDOWN),
    ("stop", None, "error", ["powering-off"], "stopped", PowerState.SHUTDOWN),
    ("start", None, "stopped", ["powering-on"], "active", PowerState.RUNNING),
    ("pause", None, "active", ["pausing"], "paused", PowerState.PAUSED),
    ("unpause", None, "paused", ["unpausing"], "active", PowerState.RUNNING),
    ("suspend", None, "active", ["suspending"], "suspended", PowerState.SHUTDOWN),
    ("resume", None, "suspended", ["resuming"], "active", PowerState.RUNNING),
    (
        "reboot",
        {"type": "SOFT"},
        "active",
        ["rebooting", "reboot_pending", "reboot_started"],
        "active",
        PowerState.RUNNING,
    ),
    *(
        (
            "reboot",
            {"type": "HARD"},
            state,
            ["rebooting_hard", "reboot_pending_hard", "reboot_started_hard"],
            "active",
            PowerState.RUNNING,
        )
        for state in ("active", "stopped", "paused", "suspended", "error")
    ),
]


def walked(changes: list[Change], uuid: str) -> list[str]:
    """The task states in order, without repetitions and without none."""
    tasks = [change.view["task_state"] for change in changes if change.key == uuid and change.view]
    return [task for at, task in enumerate(tasks) if task and (at == 0 or task != tasks[at - 1])]


@pytest.mark.parametrize(("name", "body", "start", "tasks", "vm_state", "power"), WALKS)
def test_action_walks_its_task_states_and_ends_as_nova_says(
    house: House, name: str, body: Any, start: str, tasks: list[str], vm_state: str, power: PowerState
) -> None:
    server = house.in_state(start)
    since = house.conductor.last_change()
    ctx = house.ctx()
    accepted = house.act(server.uuid, name, body, ctx=ctx, settle=False)
    assert accepted.task_state == tasks[0]
    house.settle()
    after = house.server(server.uuid)
    assert walked(house.conductor.changes(since), server.uuid) == tasks
    assert (after.vm_state, after.task_state, after.power_state) == (vm_state, None, power)
    action = house.conductor.action(server.uuid, ctx.request_id)
    assert (action.action, action.message, action.user_id) == (name, None, ctx.user_id)
    event = action.events[0]
    assert (event.event, event.result, event.host) == (f"compute_{name}_instance", "Success", "node1")
    assert event.finish_time is not None
    assert not house.conductor.open_orders()


def test_create_walks_to_active_with_an_address_and_its_own_flavor(house: House) -> None:
    since = house.conductor.last_change()
    ctx = house.ctx()
    server = house.create(ctx=ctx)
    tasks = walked(house.conductor.changes(since), server.uuid)
    assert tasks == ["scheduling", "networking", "block_device_mapping", "spawning"]
    assert (server.vm_state, server.task_state, server.power_state) == ("active", None, PowerState.RUNNING)
    assert server.launched_at is not None
    assert (server.host, server.node, server.availability_zone) == ("node1", "node1", "nova")
    assert server.pinned_availability_zone is None
    assert server.addresses[0]["address"]
    assert server.flavor["name"] == "m1.micro"
    events = house.conductor.action(server.uuid, ctx.request_id).events
    assert [(event.event, event.result) for event in events] == [("compute__do_build_and_run_instance", "Success")]
    assert house.conductor.traces(server.uuid)[0].trace["choice"] == {"host": "node1", "node": "node1"}


def test_delete_takes_everything_away_and_keeps_the_row(house: House) -> None:
    server = house.create()
    gone = house.act(server.uuid, "delete")
    assert gone.deleted
    assert gone.status == "DELETED"
    assert gone.terminated_at is not None
    assert gone.task_state is None
    assert house.nothing_left(server.uuid)
    assert house.newest_action(server.uuid).events[0].event == "compute_terminate_instance"


def test_force_delete_is_recorded_as_delete(house: House) -> None:
    server = house.create()
    assert house.act(server.uuid, "forceDelete").deleted
    assert house.newest_action(server.uuid).action == "delete"


@pytest.mark.parametrize("state", ["paused", "stopped", "suspended", "error"])
def test_delete_works_in_every_state(house: House, state: str) -> None:
    server = house.in_state(state)
    assert house.act(server.uuid, "delete").deleted
    assert house.nothing_left(server.uuid)


def test_second_delete_under_way_is_accepted_and_not_recorded(house: House) -> None:
    server = house.create()
    house.driver.faults.order("destroy", {"kind": "hang"})
    house.act(server.uuid, "delete", settle=False)
    house.act(server.uuid, "delete", settle=False)
    assert [action.action for action in house.conductor.actions(server.uuid)].count("delete") == 1
    house.driver.faults.order("destroy", None)
    house.settle()


def test_delete_during_another_task_wins(house: House) -> None:
    server = house.create()
    house.driver.faults.order("pause", {"kind": "hang"})
    house.act(server.uuid, "pause", settle=False)
    house.act(server.uuid, "delete", settle=False)
    house.driver.faults.order("pause", None)
    house.settle()
    assert house.server(server.uuid).deleted
    assert house.nothing_left(server.uuid)


def test_delete_interrupts_a_build(house: House) -> None:
    house.driver.faults.order("spawn", {"kind": "hang", "when": "middle"})
    server = house.create(settle=False)
    wait_for_task(house, server.uuid, "spawning")
    house.act(server.uuid, "delete", settle=False)
    house.driver.faults.order("spawn", None)
    house.settle()
    after = house.server(server.uuid)
    assert after.deleted
    assert house.nothing_left(server.uuid)


def wait_for_task(house: House, uuid: str, task: str) -> None:
    """Wait for a change that shows the task (the feed wakes us; no timer)."""
    seen = threading.Event()
    house.conductor.on_commit(lambda _last: seen.set() if house.server(uuid).task_state == task else None)
    if house.server(uuid).task_state != task:
        assert seen.wait(10), f"{uuid} never came to {task}"


def test_a_hard_reboot_overtakes_a_suspend_that_hangs(house: House) -> None:
    server = house.create()
    house.driver.faults.order("suspend", {"kind": "hang"})
    house.act(server.uuid, "suspend", settle=False)
    wait_for_task(house, server.uuid, "suspending")
    house.act(server.uuid, "reboot", {"type": "HARD"}, settle=False)
    house.driver.faults.order("suspend", None)
    house.settle()
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state, after.power_state) == ("active", None, PowerState.RUNNING)


def test_stop_asks_for_the_image_timeout_and_the_retry_interval(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    image = house.add_image(properties={"os_shutdown_timeout": "7"})
    server = house.create(image_ref=image.id)
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(house.driver, "power_off", lambda *args: asked.append(args))
    house.act(server.uuid, "stop")
    assert asked == [(server.uuid, 7, 1)]


# failures ------------------------------------------------------------------------------------------------------------
FAILURES = [
    ("start", None, "stopped", "power_on", "stopped"),
    ("stop", None, "active", "power_off", "active"),
    ("stop", None, "error", "power_off", "error"),
    ("pause", None, "active", "pause", "active"),
    ("unpause", None, "paused", "unpause", "paused"),
    ("suspend", None, "active", "suspend", "error"),
    ("resume", None, "suspended", "resume", "error"),
]


@pytest.mark.parametrize(("name", "body", "start", "method", "vm_state"), FAILURES)
def test_driver_failure_ends_the_task_and_records_a_fault(
    house: House, name: str, body: Any, start: str, method: str, vm_state: str
) -> None:
    server = house.in_state(start)
    house.driver.faults.order(method, {"error": "disk on fire"})
    after = house.act(server.uuid, name, body)
    assert (after.vm_state, after.task_state) == (vm_state, None)
    fault = house.conductor.newest_fault(server.uuid)
    assert fault is not None
    assert (fault.code, fault.message, fault.host) == (500, "disk on fire", "node1")
    assert fault.details is not None
    assert "DriverError" in fault.details
    action = house.newest_action(server.uuid)
    assert action.message == "Error"
    assert (action.events[0].result, action.events[0].details) == ("Error", "disk on fire")
    assert not house.conductor.open_orders()


@pytest.mark.parametrize("name", ["suspend", "resume"])
def test_what_the_driver_cannot_do_leaves_suspend_and_resume_as_they_were(
    house: House, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuinova.core.errors import NotSupported

    server = house.in_state("active" if name == "suspend" else "suspended")

    def refuse(*_args: object) -> None:
        raise NotSupported()

    monkeypatch.setattr(house.driver, name, refuse)
    after = house.act(server.uuid, name)
    assert (after.vm_state, after.task_state) == (server.vm_state, None)


def test_failed_reboot_of_a_running_guest_counts_as_success_with_a_fault(house: House) -> None:
    server = house.create()
    house.driver.faults.order("reboot", {"error": "no answer"})
    after = house.act(server.uuid, "reboot", {"type": "HARD"})
    assert (after.vm_state, after.task_state) == ("active", None)
    fault = house.conductor.newest_fault(server.uuid)
    assert fault is not None
    assert fault.message == "no answer"
    action = house.newest_action(server.uuid)
    assert (action.message, action.events[0].result) == (None, "Success")


def test_failed_reboot_of_a_guest_that_is_off_is_an_error(house: House) -> None:
    server = house.in_state("stopped")
    house.driver.faults.order("reboot", {"error": "no answer"})
    after = house.act(server.uuid, "reboot", {"type": "HARD"})
    assert (after.vm_state, after.task_state) == ("error", None)
    assert house.newest_action(server.uuid).message == "Error"


def test_failed_delete_is_an_error_and_can_be_repeated(house: House) -> None:
    server = house.create()
    house.driver.faults.order("destroy", {"error": "device busy"})
    after = house.act(server.uuid, "delete")
    assert (after.vm_state, after.task_state, after.deleted) == ("error", None, False)
    house.driver.faults.order("destroy", None)
    assert house.act(server.uuid, "delete").deleted
    assert house.nothing_left(server.uuid)


def test_hypervisor_lost_in_the_middle_is_a_fault_and_not_a_stuck_task(house: House) -> None:
    server = house.create()
    house.driver.faults.order("connection", {"error": "end of file"})
    after = house.act(server.uuid, "suspend")
    assert (after.vm_state, after.task_state) == ("error", None)
    fault = house.conductor.newest_fault(server.uuid)
    assert fault is not None
    assert (fault.code, "end of file" in fault.message) == (503, True)


def test_failure_without_a_nova_class_shows_only_its_class_name(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    server = house.create()

    def break_down(_uuid: str) -> None:
        raise ZeroDivisionError("secret path")

    monkeypatch.setattr(house.driver, "pause", break_down)
    house.act(server.uuid, "pause")
    fault = house.conductor.newest_fault(server.uuid)
    assert fault is not None
    assert (fault.code, fault.message) == (500, "ZeroDivisionError")


def test_orders_of_different_servers_run_side_by_side(make_house: Callable[..., House]) -> None:
    house = make_house()
    first, second = house.create_many(min_count=2)
    house.driver.faults.order("pause", {"kind": "hang", "guest": first.uuid})
    house.act(first.uuid, "pause", settle=False)
    house.act(second.uuid, "stop", settle=False)
    wait_for_task(house, first.uuid, "pausing")
    seen = threading.Event()
    house.conductor.on_commit(lambda _last: seen.set() if house.server(second.uuid).vm_state == "stopped" else None)
    if house.server(second.uuid).vm_state != "stopped":
        assert seen.wait(10)
    house.driver.faults.order("pause", None)
    house.settle()


def test_resume_goes_back_to_what_suspend_found(house: House) -> None:
    server = house.in_state("suspended")
    assert server.system_metadata["old_vm_state"] == "active"
    house.conductor.step(server.uuid, system_metadata={"old_vm_state": "rescued"})
    assert house.act(server.uuid, "resume").vm_state == "rescued"
