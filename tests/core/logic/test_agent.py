"""Crash dumps, passwords, diagnostics."""

from __future__ import annotations

from typing import Any

import pytest

from tuinova.core.errors import (
    InstanceInvalidState,
    InstanceIsLocked,
    InstanceNotReady,
    Invalid,
    NotSupported,
    PolicyNotAuthorized,
    QemuGuestAgentNotEnabled,
    TriggerCrashDumpNotSupported,
)
from tuinova.virt.driver import DriverError

from .conftest import House
from .test_actions import wait_for_task, walked


class Agent:
    """What a driver does of these, watched."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self.heard: list[Any] = []
        self.error: Exception | None = None
        monkeypatch.setattr(house.driver, "inject_nmi", lambda uuid: self._hear(("nmi", uuid)))
        monkeypatch.setattr(
            house.driver, "set_admin_password", lambda guest, password: self._hear((guest.uuid, password))
        )
        monkeypatch.setattr(house.driver, "diagnostics", lambda guest: {"state": "running", "uuid": guest.uuid})

    def _hear(self, what: Any) -> None:
        if self.error is not None:
            raise self.error
        self.heard.append(what)


@pytest.fixture
def agent(house: House, monkeypatch: pytest.MonkeyPatch) -> Agent:
    return Agent(house, monkeypatch)


# crash dump ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", ["active", "paused", "error"])
def test_a_crash_dump_changes_no_state(house: House, agent: Agent, state: str) -> None:
    server = house.in_state(state)
    since = house.conductor.last_change()
    after = house.act(server.uuid, "trigger_crash_dump")
    assert agent.heard == [("nmi", server.uuid)]
    assert walked(house.conductor.changes(since), server.uuid) == []
    assert (after.vm_state, after.task_state, after.power_state) == (state, None, server.power_state)
    assert house.newest_action(server.uuid).action == "trigger_crash_dump"
    assert house.events(server.uuid) == [("compute_trigger_crash_dump", "Success")]
    assert not house.conductor.open_orders()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (TriggerCrashDumpNotSupported(), "Triggering crash dump is not supported"),
        (NotSupported(), "The requested functionality is not supported."),
    ],
)
def test_a_crash_dump_that_fails_leaves_only_a_fault(
    house: House, agent: Agent, error: Exception, message: str
) -> None:
    server = house.create()
    agent.error = error
    after = house.act(server.uuid, "trigger_crash_dump")
    assert (after.vm_state, after.task_state) == ("active", None)
    assert (house.fault(server.uuid) or (0, ""))[1] == message
    assert house.events(server.uuid) == [("compute_trigger_crash_dump", "Error")]


def test_a_crash_dump_leaves_the_task_of_the_next_action_alone(house: House, agent: Agent) -> None:
    server = house.create()
    # Its order waits until the stop is accepted.
    house.engine.bus.submit("node1", server.uuid, lambda: wait_for_task(house, server.uuid, "powering-off"))
    house.act(server.uuid, "trigger_crash_dump", settle=False)
    house.act(server.uuid, "stop")
    assert agent.heard == [("nmi", server.uuid)]
    assert house.server(server.uuid).vm_state == "stopped"
    assert [action.message for action in house.conductor.actions(server.uuid)] == [None, None, None]


def test_a_stopped_server_gets_no_crash_dump(house: House, agent: Agent) -> None:
    server = house.in_state("stopped")
    with pytest.raises(InstanceInvalidState, match="Cannot 'trigger_crash_dump' instance"):
        house.act(server.uuid, "trigger_crash_dump")
    house.act(server.uuid, "start")
    house.conductor.step(server.uuid, updates={"host": None})
    with pytest.raises(InstanceNotReady):
        house.act(server.uuid, "trigger_crash_dump")


def test_a_crash_of_the_service_does_not_repeat_the_interrupt(
    house: House, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = house.create()

    def die(uuid: str) -> None:
        house.conductor.close()

    monkeypatch.setattr(house.driver, "inject_nmi", die)
    house.act(server.uuid, "trigger_crash_dump", settle=False)
    house.engine.bus.wait_idle(10)
    house.crash()
    house.restart()
    assert house.server(server.uuid).vm_state == "active"
    assert house.events(server.uuid) == [("compute_trigger_crash_dump", "Error")]
    assert not house.conductor.open_orders()


# password ------------------------------------------------------------------------------------------------------------
def test_a_password_is_set_through_the_agent(house: House, agent: Agent) -> None:
    server = house.create()
    since = house.conductor.last_change()
    accepted = house.act(server.uuid, "changePassword", {"adminPass": "let me in"}, settle=False)
    assert (accepted.task_state, accepted.status) == ("updating_password", "PASSWORD")
    house.settle()
    assert agent.heard == [(server.uuid, "let me in")]
    assert walked(house.conductor.changes(since), server.uuid) == ["updating_password"]
    assert house.server(server.uuid).task_state is None
    assert house.events(server.uuid) == [("compute_set_admin_password", "Success")]
    assert not house.conductor.open_orders()


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (
            DriverError(reason="the agent said: bad password hunter2"),
            500,
            "Failed to set admin password on {uuid} because error setting admin password",
        ),
        (QemuGuestAgentNotEnabled(), 500, "QEMU guest agent is not enabled"),
        (NotSupported(), 501, "The requested functionality is not supported."),
    ],
)
def test_a_password_that_is_not_set_leaves_a_fault_without_it(
    house: House, agent: Agent, error: Exception, code: int, message: str
) -> None:
    server = house.create()
    agent.error = error
    after = house.act(server.uuid, "changePassword", {"adminPass": "hunter2"})
    assert (after.vm_state, after.task_state) == ("active", None)
    assert house.fault(server.uuid) == (code, message.format(uuid=server.uuid))
    fault = house.conductor.newest_fault(server.uuid)
    assert fault is not None
    assert "hunter2" not in str(fault.details)
    assert "hunter2" not in str(house.newest_action(server.uuid))


def test_a_guest_that_does_not_run_gets_no_password(house: House, agent: Agent) -> None:
    server = house.create()
    house.driver.power_off(server.uuid, 0, 0)
    house.act(server.uuid, "changePassword", {"adminPass": "x"})
    assert house.fault(server.uuid) == (
        500,
        f"Failed to set admin password on {server.uuid} because instance {server.uuid} is not running",
    )
    assert not agent.heard


def test_a_password_must_be_a_text(house: House, agent: Agent) -> None:
    server = house.create()
    for body in (None, {}, {"adminPass": 7}):
        with pytest.raises(Invalid):
            house.act(server.uuid, "changePassword", body)


def test_a_locked_server_is_in_an_invalid_state_for_a_password(house: House, agent: Agent) -> None:
    demo = house.ctx("demo", "demo")
    server = house.create(ctx=demo)
    house.act(server.uuid, "lock", ctx=demo)
    with pytest.raises(InstanceInvalidState) as refusal:
        house.act(server.uuid, "changePassword", {"adminPass": "x"}, ctx=demo)
    assert refusal.value.message == f"Instance {server.uuid} is in an invalid state for 'changePassword'"
    with pytest.raises(InstanceIsLocked):
        house.act(server.uuid, "trigger_crash_dump", ctx=demo)


def test_a_crash_of_the_service_sets_the_password_again(
    house: House, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = house.create()

    def die(guest: Any, password: str) -> None:
        house.conductor.close()
        raise DriverError(reason="killed")

    monkeypatch.setattr(house.driver, "set_admin_password", die)
    house.act(server.uuid, "changePassword", {"adminPass": "x"}, settle=False)
    house.engine.bus.wait_idle(10)
    house.crash()
    house.open(start=False)
    agent = Agent(house, monkeypatch)
    house.engine.start()
    house.engine.join_start()
    house.settle()
    assert agent.heard == [(server.uuid, "x")]
    assert house.server(server.uuid).task_state is None
    assert house.events(server.uuid) == [("compute_set_admin_password", "Success")]


# diagnostics ---------------------------------------------------------------------------------------------------------
def test_diagnostics_are_the_drivers_and_leave_no_trace(house: House, agent: Agent) -> None:
    server = house.create()
    before = house.conductor.last_change()
    accepted = house.engine.compute_api.act(house.ctx(), server.uuid, "get_diagnostics")
    assert accepted.answer == {"state": "running", "uuid": server.uuid}
    assert house.conductor.last_change() == before
    assert house.newest_action(server.uuid).action == "create"


@pytest.mark.parametrize(("state", "word"), [("paused", "paused"), ("stopped", "shutdown")])
def test_diagnostics_need_a_guest_that_runs(house: House, agent: Agent, state: str, word: str) -> None:
    server = house.in_state(state)
    with pytest.raises(InstanceInvalidState) as refusal:
        house.act(server.uuid, "get_diagnostics")
    assert refusal.value.message == (
        f"Cannot 'get_diagnostics' instance {server.uuid} while it is in power state {word}"
    )


def test_diagnostics_are_for_admins_and_need_a_host(house: House, agent: Agent) -> None:
    demo = house.ctx("demo", "demo")
    server = house.create(ctx=demo)
    with pytest.raises(PolicyNotAuthorized):
        house.act(server.uuid, "get_diagnostics", ctx=demo)
    house.conductor.step(server.uuid, updates={"host": None})
    with pytest.raises(InstanceNotReady):
        house.act(server.uuid, "get_diagnostics")
    house.conductor.step(server.uuid, updates={"host": "elsewhere"})
    with pytest.raises(InstanceNotReady):
        house.act(server.uuid, "get_diagnostics")
