"""Deletes that are put off: soft delete, restore, reclaim, force delete."""

from __future__ import annotations

from typing import Any

import pytest

from tuinova.core.compute_api import ApiOptions
from tuinova.core.drafts import QuotaLimits
from tuinova.core.engine_options import EngineOptions
from tuinova.core.errors import InstanceInvalidState, InstanceIsLocked, QuotaExceeded
from tuinova.core.records import Instance
from tuinova.core.states import PowerState
from tuinova.virt.fake import FakeOptions

from .conftest import House, quick_options
from .test_actions import walked

RUN, OFF = PowerState.RUNNING, PowerState.SHUTDOWN
HOUR = 3600


@pytest.fixture
def patient(make_house: Any) -> House:
    """A house whose deleted servers can be restored for an hour."""
    return make_house(options=options_of(quick_options(reclaim_instance_interval=HOUR)))


def options_of(quick: EngineOptions, **more: Any) -> EngineOptions:
    return EngineOptions(
        compute=quick.compute,
        api=ApiOptions(reclaim_instance_interval=quick.compute.reclaim_instance_interval),
        **more,
    )


def put_aside(house: House, **fields: Any) -> Instance:
    server = house.create(**fields)
    return house.act(server.uuid, "delete")


@pytest.mark.parametrize("state", ["active", "paused", "stopped", "suspended", "error"])
def test_a_delete_only_puts_the_server_aside(patient: House, state: str) -> None:
    server = patient.in_state(state)
    since = patient.conductor.last_change()
    accepted = patient.act(server.uuid, "delete", settle=False)
    assert (accepted.task_state, accepted.deleted_at is not None) == ("soft-deleting", True)
    patient.settle()
    after = patient.server(server.uuid)
    assert (after.vm_state, after.status, after.task_state) == ("soft-delete", "SOFT_DELETED", None)
    assert (after.power_state, after.deleted, after.host) == (OFF, False, "node1")
    assert patient.driver.guest_info(server.uuid).state is OFF
    assert [a["address"] for a in after.addresses] == [a["address"] for a in server.addresses]
    assert {allocation.consumer for allocation in patient.conductor.allocations()} == {server.uuid}
    action = patient.newest_action(server.uuid)
    assert (action.action, patient.events(server.uuid)) == ("delete", [("compute_soft_delete_instance", "Success")])
    assert server.uuid not in {one.uuid for one in patient.conductor.instances()}
    last = [change for change in patient.conductor.changes(since) if change.key == server.uuid][-1]
    assert last.op == "delete"


def test_it_goes_off_without_grace(patient: House, monkeypatch: pytest.MonkeyPatch) -> None:
    server, asked = patient.create(), []
    power_off = patient.driver.power_off

    def watched(uuid: str, timeout: int, retry_interval: int) -> None:
        asked.append(timeout)
        power_off(uuid, timeout, retry_interval)

    monkeypatch.setattr(patient.driver, "power_off", watched)
    patient.act(server.uuid, "delete")
    assert asked == [0]


def test_a_server_that_never_ran_is_deleted_at_once(patient: House) -> None:
    patient.driver.faults.order("spawn", {"error": "no"})
    server = patient.create()
    assert server.vm_state == "error"
    assert patient.act(server.uuid, "delete").deleted


def test_without_an_interval_a_delete_is_one(house: House) -> None:
    assert put_aside(house).deleted


@pytest.mark.parametrize("state", ["active", "stopped"])
def test_restore_always_ends_active(patient: House, state: str) -> None:
    server = patient.in_state(state)
    patient.write_note(server.uuid, "kept")
    patient.act(server.uuid, "delete")
    since = patient.conductor.last_change()
    after = patient.act(server.uuid, "restore")
    assert walked(patient.conductor.changes(since), server.uuid) == ["restoring"]
    assert (after.vm_state, after.task_state, after.power_state) == ("active", None, RUN)
    assert after.deleted_at is None
    assert patient.note_of(server.uuid) == "kept"
    assert patient.events(server.uuid) == [("compute_restore_instance", "Success")]
    assert server.uuid in {one.uuid for one in patient.conductor.instances()}
    patient.pass_time(2 * HOUR)
    assert not patient.server(server.uuid).deleted


def test_only_what_was_put_aside_is_restored(patient: House) -> None:
    server = patient.create()
    with pytest.raises(InstanceInvalidState, match="Cannot 'restore' instance"):
        patient.act(server.uuid, "restore")


def test_a_restore_counts_against_the_quota(make_house: Any) -> None:
    quick = quick_options(reclaim_instance_interval=HOUR)
    house = make_house(options=options_of(quick, quota=QuotaLimits(instances=1)))
    demo = house.ctx("demo", "demo")
    server = house.create(ctx=demo)
    house.act(server.uuid, "delete", ctx=house.ctx("demo", "demo"))
    other = house.create(name="vm2", ctx=house.ctx("demo", "demo"))  # what is put aside does not count
    with pytest.raises(QuotaExceeded) as refusal:
        house.act(server.uuid, "restore")  # an admin's restore counts against the server's project
    assert refusal.value.code == 403
    assert refusal.value.message == ("Quota exceeded for instances: Requested 1, but already used 1 of 1 instances")
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state, after.deleted_at is not None) == ("soft-delete", None, True)
    house.act(other.uuid, "forceDelete")
    assert house.act(server.uuid, "restore", ctx=house.ctx("demo", "demo")).vm_state == "active"


def test_a_locked_server_is_in_an_invalid_state_for_restore(patient: House) -> None:
    demo = patient.ctx("demo", "demo")
    server = put_aside(patient, ctx=demo)
    patient.act(server.uuid, "lock", ctx=demo)
    with pytest.raises(InstanceInvalidState) as refusal:
        patient.act(server.uuid, "restore", ctx=demo)
    assert refusal.value.message == f"Instance {server.uuid} is in an invalid state for 'restore'"
    for name in ("delete", "forceDelete"):
        with pytest.raises(InstanceIsLocked):
            patient.act(server.uuid, name, ctx=demo)


def test_a_soft_delete_that_fails_leaves_the_server(patient: House) -> None:
    server = patient.create()
    patient.driver.faults.order("power_off", {"error": "no"})
    after = patient.act(server.uuid, "delete")
    assert (after.vm_state, after.task_state, after.deleted_at) == ("active", None, None)
    assert patient.fault(server.uuid) == (500, "no")
    assert patient.events(server.uuid) == [("compute_soft_delete_instance", "Error")]


def test_a_restore_that_fails_leaves_it_aside_and_it_is_reclaimed_later(patient: House) -> None:
    server = put_aside(patient)
    patient.driver.faults.order("power_on", {"error": "no"})
    after = patient.act(server.uuid, "restore")
    assert (after.vm_state, after.task_state, after.deleted_at is not None) == ("soft-delete", None, True)
    assert patient.fault(server.uuid) == (500, "no")
    patient.pass_time(HOUR + 1)
    assert patient.server(server.uuid).deleted


def test_after_the_interval_it_is_really_deleted(patient: House) -> None:
    server = put_aside(patient)
    patient.pass_time(HOUR - 120)
    assert not patient.server(server.uuid).deleted
    patient.pass_time(200)
    after = patient.server(server.uuid)
    assert (after.deleted, after.status) == (True, "DELETED")
    assert patient.nothing_left(server.uuid)
    assert [action.action for action in patient.conductor.actions(server.uuid)] == ["delete", "create"]


def test_force_delete_does_not_wait(patient: House) -> None:
    server = put_aside(patient)
    assert patient.act(server.uuid, "forceDelete").deleted
    assert patient.nothing_left(server.uuid)
    other = patient.create()
    assert patient.act(other.uuid, "forceDelete").deleted


def test_a_soft_delete_of_a_shelved_server_takes_its_image(make_house: Any) -> None:
    house = make_house(options=options_of(quick_options(reclaim_instance_interval=HOUR, shelved_offload_time=-1)))
    server = house.create()
    house.write_note(server.uuid, "kept")
    house.act(server.uuid, "shelve")
    house.act(server.uuid, "delete")
    assert house.files_of_images() == set()
    assert house.act(server.uuid, "restore").vm_state == "active"
    assert house.note_of(server.uuid) == "kept"


def test_what_is_put_aside_still_takes_its_host_for_the_scheduler(make_house: Any) -> None:
    house = make_house(
        options=options_of(quick_options(reclaim_instance_interval=HOUR)),
        fake=FakeOptions(boot_seconds=0, watch_seconds=3600, memory_mb=1100),
    )
    server = put_aside(house, flavor_ref="1")
    full = house.create(name="vm2", flavor_ref="1")
    assert full.vm_state == "error"
    stages = house.conductor.traces(full.uuid)[0].trace
    assert not stages.get("claims")  # the table knew: no claim was tried
    house.act(server.uuid, "forceDelete")
    assert house.create(name="vm3", flavor_ref="1").vm_state == "active"


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("name", "method", "vm_state", "power"),
    [("delete", "power_off", "soft-delete", OFF), ("restore", "power_on", "active", RUN)],
)
def test_a_crash_in_the_middle_is_carried_through(
    patient: House, name: str, method: str, vm_state: str, power: PowerState, when: str
) -> None:
    server = patient.create()
    if name == "restore":
        patient.act(server.uuid, "delete")
    hangs = patient.hang(method, when)
    patient.act(server.uuid, name, settle=False)
    assert hangs.wait(10)
    patient.crash()
    patient.restart()
    after = patient.server(server.uuid)
    assert (after.vm_state, after.task_state, after.power_state) == (vm_state, None, power)
    assert all(result == "Success" for _event, result in patient.events(server.uuid))
    assert not patient.conductor.open_orders()


def test_a_service_does_not_leave_while_a_deleted_server_waits(patient: House) -> None:
    server = put_aside(patient)
    patient.pass_time(16)  # the guest's going off is looked at by then
    assert patient.engine.busy()
    patient.act(server.uuid, "forceDelete")
    patient.pass_time(16)
    assert not patient.engine.busy()
