"""The service dies in the middle of an action; the next one settles every server and leaves nothing over."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from dataclasses import replace
from typing import Any

import pytest

from tuinova.core.conductor import DatabaseUnavailable
from tuinova.core.states import PowerState
from tuinova.virt.driver import DriverError

from .conftest import House
from .test_actions import wait_for_task

_RUN, _OFF, _PAUSED = PowerState.RUNNING, PowerState.SHUTDOWN, PowerState.PAUSED
# action, body, state before, driver's method, when the service dies in it, task then; the end: vm_state, power_state.
CRASHES = [
    ("stop", None, "active", "power_off", "before", "powering-off", "stopped", _OFF),
    ("stop", None, "active", "power_off", "after", "powering-off", "stopped", _OFF),
    ("stop", None, "error", "power_off", "before", "powering-off", "stopped", _OFF),
    ("start", None, "stopped", "power_on", "before", "powering-on", "active", _RUN),
    ("start", None, "stopped", "power_on", "after", "powering-on", "active", _RUN),
    ("pause", None, "active", "pause", "before", "pausing", "active", _RUN),
    ("pause", None, "active", "pause", "after", "pausing", "paused", _PAUSED),
    ("unpause", None, "paused", "unpause", "before", "unpausing", "active", _RUN),
    ("unpause", None, "paused", "unpause", "after", "unpausing", "active", _RUN),
    ("suspend", None, "active", "suspend", "before", "suspending", "suspended", _OFF),
    ("suspend", None, "active", "suspend", "after", "suspending", "suspended", _OFF),
    ("resume", None, "suspended", "resume", "before", "resuming", "active", _RUN),
    ("resume", None, "suspended", "resume", "after", "resuming", "active", _RUN),
    ("reboot", {"type": "SOFT"}, "active", "reboot", "before", "reboot_started", "active", _RUN),
    ("reboot", {"type": "SOFT"}, "active", "reboot", "after", "reboot_started", "active", _RUN),
    ("reboot", {"type": "HARD"}, "active", "reboot", "before", "reboot_started_hard", "active", _RUN),
    ("reboot", {"type": "HARD"}, "stopped", "reboot", "before", "reboot_started_hard", "active", _RUN),
    ("reboot", {"type": "HARD"}, "paused", "reboot", "before", "reboot_started_hard", "active", _RUN),
    ("reboot", {"type": "HARD"}, "suspended", "reboot", "before", "reboot_started_hard", "active", _RUN),
    ("reboot", {"type": "HARD"}, "error", "reboot", "before", "reboot_started_hard", "active", _RUN),
]


@pytest.mark.parametrize(("name", "body", "before", "method", "when", "task", "vm_state", "power"), CRASHES)
def test_an_action_that_had_begun_is_settled(
    house: House,
    name: str,
    body: Any,
    before: str,
    method: str,
    when: str,
    task: str,
    vm_state: str,
    power: PowerState,
) -> None:
    server = house.in_state(before)
    hangs = house.hang(method, when, server.uuid)
    house.act(server.uuid, name, body, settle=False)
    assert hangs.wait(10)
    assert house.server(server.uuid).task_state == task
    house.crash()
    house.restart()
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state, after.power_state) == (vm_state, None, power)
    assert house.driver.guest_info(server.uuid).state is power
    assert not house.conductor.open_orders()
    events = house.newest_action(server.uuid).events
    assert all(event.finish_time for event in events)


@pytest.mark.parametrize("when", ["before", "middle", "after"])
def test_a_delete_is_carried_out_although_the_state_was_reset(house: House, when: str) -> None:
    server = house.create()
    hangs = house.hang("destroy", when, server.uuid)
    house.act(server.uuid, "delete", settle=False)
    assert hangs.wait(10)
    house.act(server.uuid, "resetState", {"state": "active"}, settle=False)
    house.crash()
    house.restart()
    assert house.server(server.uuid).deleted
    assert house.nothing_left(server.uuid)
    assert not house.conductor.open_orders()


@pytest.mark.parametrize("when", ["before", "middle", "after"])
def test_a_half_built_server_is_an_error_that_says_so_and_holds_nothing(house: House, when: str) -> None:
    hangs = house.hang("spawn", when)
    server = house.create(settle=False)
    assert hangs.wait(10)
    house.crash()
    house.restart()
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state, after.host, after.addresses) == ("error", None, None, [])
    fault = house.conductor.newest_fault(server.uuid)
    assert fault is not None
    assert (fault.code, fault.message) == (
        500,
        f"Build of instance {server.uuid} aborted: The service stopped while the server was in task spawning",
    )
    assert house.nothing_left(server.uuid)
    assert not house.conductor.open_orders()
    action = house.newest_action(server.uuid)
    assert action.message == "Error"
    assert house.act(server.uuid, "delete").deleted


@pytest.mark.parametrize("when", ["before", "middle", "after"])
def test_a_delete_that_had_begun_is_completed(house: House, when: str) -> None:
    server = house.create()
    hangs = house.hang("destroy", when)
    house.act(server.uuid, "delete", settle=False)
    assert hangs.wait(10)
    house.crash()
    house.restart()
    assert house.server(server.uuid).deleted
    assert house.nothing_left(server.uuid)
    assert not house.conductor.open_orders()


def test_orders_that_had_not_begun_are_carried_out(house: House) -> None:
    server = house.create()
    house.engine.bus.stop(5)  # accepted, and nobody to do it
    other = house.create(name="vm2", settle=False)
    house.act(server.uuid, "stop", settle=False)
    house.crash()
    house.restart()
    assert house.server(server.uuid).vm_state == "stopped"
    assert house.server(other.uuid).vm_state == "active"
    assert house.newest_action(server.uuid).events[0].result == "Success"


def test_a_delete_accepted_during_another_action_is_carried_out(house: House) -> None:
    server = house.create()
    hangs = house.hang("pause")
    house.act(server.uuid, "pause", settle=False)
    assert hangs.wait(10)
    house.act(server.uuid, "delete", settle=False)
    house.crash()
    house.restart()
    assert house.server(server.uuid).deleted
    assert house.nothing_left(server.uuid)


def test_a_build_on_the_way_to_its_host_is_carried_out(make_house: Any) -> None:
    house = make_house("node1", "node2")
    house.engine.bus.stop(5)
    servers = house.create_many(min_count=3, settle=False)
    house.crash()
    house.restart()
    assert [house.server(server.uuid).vm_state for server in servers] == ["active"] * 3
    held = {allocation.consumer for allocation in house.conductor.allocations()}
    assert held == {server.uuid for server in servers}


def test_guests_that_ran_when_the_host_went_down_run_again(house: House) -> None:
    server = house.create()
    stopped = house.act(house.create(name="vm2").uuid, "stop")
    house.crash()
    house.open(start=False)
    house.driver.power_off(server.uuid, 0, 0)  # the host lost its power
    house.engine.start()
    house.engine.join_start()
    house.settle()
    after = house.server(server.uuid)
    assert (after.vm_state, after.power_state) == ("active", PowerState.RUNNING)
    assert house.driver.guest_info(server.uuid).state is PowerState.RUNNING
    assert house.server(stopped.uuid).vm_state == "stopped"


def test_a_guest_that_cannot_be_brought_back_is_an_error(house: House) -> None:
    server = house.create()
    house.crash()
    house.open(start=False)
    house.driver.power_off(server.uuid, 0, 0)
    house.driver.faults.order("resume_state_on_host_boot", {"error": "no such disk"})
    house.engine.start()
    house.engine.join_start()
    house.settle()
    assert house.server(server.uuid).vm_state == "error"
    fault = house.conductor.newest_fault(server.uuid)
    assert fault is not None
    assert fault.message == "no such disk"


# Task states that no order of ours leaves behind (another version's, or a row edited by hand) still get an end.
STRANGE = [
    ("active", "rebuilding", "error"),
    ("active", "suspending", "suspended"),
    ("paused", "suspending", "suspended"),
    ("stopped", "suspending", "suspended"),
    ("paused", "unpausing", "active"),
    ("active", "pausing", "active"),
    ("suspended", "resuming", "active"),
    ("active", "powering-off", "stopped"),
    ("stopped", "powering-on", "active"),
    ("active", "rebooting", "active"),
    ("active", "reboot_pending", "active"),
    ("stopped", "reboot_pending_hard", "active"),
    ("stopped", "rebooting_hard", "active"),
    ("active", "shelving", "active"),
    ("active", "image_uploading", "active"),
    ("active", "updating_password", "active"),
    ("stopped", "resize_prep", "stopped"),
    ("active", "rescuing", "active"),
    ("error", "powering-off", "stopped"),
]


@pytest.mark.parametrize(("before", "task", "vm_state"), STRANGE)
def test_no_task_state_is_left_without_an_end(house: House, before: str, task: str, vm_state: str) -> None:
    server = house.in_state(before)
    house.conductor.step(server.uuid, updates={"task_state": task})
    house.crash()
    house.restart()
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state) == (vm_state, None)
    assert not house.conductor.open_orders()


def test_a_delete_without_an_order_is_completed(house: House) -> None:
    server = house.create()
    house.conductor.step(server.uuid, updates={"task_state": "deleting"})
    house.crash()
    house.restart()
    assert house.server(server.uuid).deleted
    assert house.nothing_left(server.uuid)


def test_a_failure_of_recovery_makes_one_server_an_error_and_not_the_others(house: House) -> None:
    bad, good = house.create(), house.create(name="vm2")
    for server in (bad, good):
        house.conductor.step(server.uuid, updates={"task_state": "deleting"})
    house.crash()
    house.open(start=False)
    house.driver.faults.order("destroy", {"error": "stale handle", "guest": bad.uuid})
    house.engine.start()
    house.engine.join_start()
    house.settle()
    assert (house.server(bad.uuid).vm_state, house.server(bad.uuid).task_state) == ("error", None)
    assert house.server(good.uuid).deleted


def test_guests_of_deleted_servers_are_removed_and_unknown_ones_are_not(house: House) -> None:
    server = house.create()
    foreign = house.driver.plant_foreign("somebody-elses")
    house.conductor.step(server.uuid, delete_row=True)  # the host was away when the row went
    house.crash()
    house.restart()
    assert house.nothing_left(server.uuid)
    assert foreign in {guest.uuid for node in house.driver.node_resources() for guest in node.foreign}


def test_a_reset_in_the_middle_of_an_action_is_not_undone_by_its_end(house: House) -> None:
    server = house.create()
    hangs = house.hang("pause")
    house.act(server.uuid, "pause", settle=False)
    assert hangs.wait(10)
    house.act(server.uuid, "resetState", {"state": "error"}, settle=False)
    house.driver.faults.order("pause", None)
    house.settle()
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state) == ("error", None)


_KILLED = """
    import sys
    from pathlib import Path
    from tests.core.logic.conftest import House, quick_options
    from tuinova.virt.fake import FakeOptions
    house = House(Path(sys.argv[1]), ("node1",), quick_options(), FakeOptions(boot_seconds=0)).open()
    server = house.create(name="vm1")
    print(server.uuid, flush=True)
    house.driver.faults.order(sys.argv[2], {"kind": "kill", "when": sys.argv[3]})
    if sys.argv[2] == "spawn":
        house.create(name="vm2")
    else:
        house.act(server.uuid, sys.argv[4])
"""


@pytest.mark.parametrize(
    ("method", "when", "action"),
    [("spawn", "before", "create"), ("spawn", "middle", "create"), ("destroy", "after", "delete")],
)
def test_after_kill_9_nothing_is_stuck_or_left_over(
    make_house: Any, request: pytest.FixtureRequest, method: str, when: str, action: str
) -> None:
    house = make_house(start=False)
    root = request.config.rootpath
    code = textwrap.dedent(_KILLED)
    done = subprocess.run(
        [sys.executable, "-c", code, str(house.directory), method, when, action],
        cwd=root,
        env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -9, done.stderr
    house.restart()
    servers = house.conductor.instances()
    assert all(server.task_state is None for server in servers)
    assert not house.conductor.open_orders()
    living = {server.uuid for server in servers if server.vm_state == "active"}
    assert {guest.uuid for guest in house.driver.list_guests()} == living
    assert {allocation.consumer for allocation in house.conductor.allocations()} == living
    assert {port.instance_uuid for port in house.conductor.ports()} == living
    assert json.dumps(sorted(house.driver.leftovers())) == "[]"
    assert len(living) == (1 if action == "create" else 0)


def test_a_stop_of_the_service_waits_for_a_build_and_leaves_the_rest_to_the_next_start(house: House) -> None:
    house.engine.options = replace(house.engine.options, stop_timeout=0.05, build_stop_timeout=20)
    other = house.create()
    hangs = house.hang("power_off")
    house.driver.faults.order("spawn", {"kind": "slow", "delay": 0.5})
    house.act(other.uuid, "stop", settle=False)
    server = house.create(name="vm2", settle=False)
    wait_for_task(house, server.uuid, "spawning")
    assert hangs.wait(10)
    house.engine.stop()
    house.restart()
    assert house.server(server.uuid).vm_state == "active"
    assert house.server(other.uuid).vm_state == "stopped"


def test_a_save_that_the_hypervisor_ends_after_the_restart_is_a_suspend(house: House) -> None:
    """libvirt goes on with a managed save whose caller died: it is in the way of ours, and then it is done."""
    server = house.create()
    hangs = house.hang("suspend")
    house.act(server.uuid, "suspend", settle=False)
    assert hangs.wait(10)
    house.crash()
    house.open(start=False)
    driver, save, calls = house.driver, house.driver.suspend, []
    driver.pause(server.uuid)

    def busy(uuid: str) -> None:
        calls.append(uuid)
        if len(calls) == 2:
            driver.unpause(uuid)
            save(uuid)
        raise DriverError(reason="cannot acquire state change lock")

    driver.suspend = busy  # type: ignore[method-assign]
    house.engine.start()
    house.engine.join_start()
    house.settle()
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state, after.power_state, len(calls)) == ("suspended", None, _OFF, 2)


def test_guests_that_their_record_places_on_another_host_are_not_removed(house: House) -> None:
    server = house.create()
    house.conductor.step(server.uuid, updates={"host": "its-old-name"})
    house.pass_time(1801)
    house.crash()
    house.restart()
    house.pass_time(1801)
    assert house.driver.guest_info(server.uuid).state is PowerState.RUNNING


def test_what_a_failed_build_left_on_no_host_is_removed_later(house: House) -> None:
    house.driver.faults.order("spawn", {"error": "no space", "when": "after"})
    house.driver.faults.order("destroy", {"error": "busy"})
    server = house.create()
    assert (server.vm_state, server.host) == ("error", None)
    house.driver.faults.order("destroy", None)
    house.pass_time(1801)
    assert house.nothing_left(server.uuid)


@pytest.mark.parametrize("action", ["stop", "create"])
def test_a_database_that_refuses_for_a_moment_leaves_nothing_stuck(
    house: House, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    server = house.create()
    name = "step" if action == "stop" else "claim"
    real, refusing = getattr(house.conductor, name), [True]

    def refuse(*args: Any, **kwargs: Any) -> Any:
        if refusing[0] and (action == "create" or kwargs.get("event_start") is None):
            raise DatabaseUnavailable(reason="disk I/O error")
        return real(*args, **kwargs)

    monkeypatch.setattr(house.conductor, name, refuse)
    if action == "stop":
        house.act(server.uuid, "stop")
        assert house.server(server.uuid).task_state == "powering-off"
    else:
        monkeypatch.setattr(house.conductor, "step", refuse)
        server = house.create(name="vm2")
        assert house.server(server.uuid).task_state == "scheduling"
    refusing[0] = False
    monkeypatch.undo()
    house.pass_time(61)
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state) == ("stopped" if action == "stop" else "active", None)
    assert not house.conductor.open_orders()
