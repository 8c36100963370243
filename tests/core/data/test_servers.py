"""Servers: one transaction for each request and each step."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tuinova.core.conductor import (
    Conductor,
    EventFinish,
    EventStart,
    FaultDraft,
    InstanceDraft,
    OrderDraft,
    QuotaLimits,
    UnexpectedTaskState,
    utcnow,
)
from tuinova.core.errors import ActionNotFound, InstanceIsLocked, InstanceNotFound, QuotaExceeded
from tuinova.core.records import Instance
from tuinova.core.states import TaskState, VmState


def everything(conductor: Conductor, uuid: str) -> tuple[Any, ...]:
    """All that a refused request could have left."""
    return (
        conductor.instance(uuid),
        conductor.actions(uuid),
        conductor.open_orders(uuid=uuid),
        conductor.last_change(),
        conductor.rows(),
    )


def test_a_new_server_is_building_with_action_order_and_change(conductor, demo, micro):
    orders = []
    conductor.on_orders(orders.extend)
    drafts = [InstanceDraft(name=f"vm-{n}", flavor=micro, launch_index=n - 1) for n in (1, 2)]
    made = conductor.create_instances(
        demo, drafts, limits=QuotaLimits(), order=OrderDraft("schedule_and_build_instances", args={"tries": 1})
    )
    assert [(server.name, server.vm_state, server.task_state, server.status) for server in made] == [
        ("vm-1", "building", "scheduling", "BUILD"),
        ("vm-2", "building", "scheduling", "BUILD"),
    ]
    assert [server.instance_name for server in made] == ["instance-00000001", "instance-00000002"]
    for server in made:
        assert conductor.instance(server.uuid) == server
        assert [(entry.action, entry.request_id) for entry in conductor.actions(server.uuid)] == [
            ("create", demo.request_id)
        ]
    uuids = [server.uuid for server in made]
    assert [(order.method, order.args, order.ctx) for order in orders] == [
        ("schedule_and_build_instances", {"tries": 1, "instance_uuids": uuids}, demo)
    ]
    assert conductor.open_orders() == orders
    assert [change.key for change in conductor.changes(0)] == uuids


def test_quota_is_counted_inside_the_transaction_with_novas_lists(conductor, demo, micro):
    limits = QuotaLimits(instances=10, cores=2, ram=200)
    drafts = [InstanceDraft(name=str(n), flavor=micro) for n in range(3)]
    with pytest.raises(QuotaExceeded) as refusal:
        conductor.create_instances(demo, drafts, limits=limits, order=OrderDraft("x"))
    assert str(refusal.value) == (
        "Quota exceeded for cores, ram: Requested 3, 384, but already used 0, 0 of 2, 200 cores, ram"
    )
    assert conductor.instances() == []
    assert conductor.last_change() == 0
    assert conductor.open_orders() == []


def test_the_refusal_names_the_wanted_range(conductor, demo, micro):
    drafts = [InstanceDraft(name=str(n), flavor=micro) for n in range(3)]
    with pytest.raises(QuotaExceeded, match="Requested 2-3, but already used 0 of 1 instances"):
        conductor.create_instances(
            demo, drafts, limits=QuotaLimits(instances=1), order=OrderDraft("x"), requested="2-3"
        )


def test_two_creates_at_once_cannot_both_take_the_last_of_the_quota(conductor, demo, micro):
    results: list[object] = []
    start = threading.Barrier(8)

    def create() -> None:
        start.wait()
        try:
            drafts = [InstanceDraft(name="vm", flavor=micro)]
            results.append(
                conductor.create_instances(demo, drafts, limits=QuotaLimits(instances=3), order=OrderDraft("x"))
            )
        except QuotaExceeded as error:
            results.append(error)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(result, QuotaExceeded) for result in results) == 5
    assert conductor.count_usage(demo.project_id).instances == 3


def test_an_accepted_request_has_row_action_order_and_change(conductor, admin, make):
    server = make(updates={"vm_state": VmState.ACTIVE, "task_state": None})
    before = conductor.last_change()
    after = conductor.accept(
        admin,
        server.uuid,
        updates={"task_state": TaskState.POWERING_OFF},
        record="stop",
        order=OrderDraft("stop_instance", "host1", {"clean": True}),
        system_metadata={"old": "1"},
    )
    assert after == conductor.instance(server.uuid)
    assert (after.task_state, after.system_metadata) == ("powering-off", {"old": "1"})
    assert conductor.actions(server.uuid)[0].action == "stop"
    order = conductor.open_orders("host1")[0]
    assert (order.method, order.instance_uuid, order.args, order.ctx.request_id) == (
        "stop_instance",
        server.uuid,
        {"clean": True},
        admin.request_id,
    )
    assert [change.id for change in conductor.changes(before)] == [after.version]
    assert conductor.changes(before)[0].view["task_state"] == "powering-off"


def test_a_refused_request_leaves_no_trace(conductor, demo, make):
    server = make()
    before = everything(conductor, server.uuid)

    def refuse(row: Instance) -> None:
        assert row == before[0]
        raise InstanceIsLocked(instance_uuid=row.uuid)

    with pytest.raises(InstanceIsLocked):
        conductor.accept(
            demo, server.uuid, check=refuse, updates={"name": "x"}, record="stop", order=OrderDraft("stop_instance")
        )
    assert everything(conductor, server.uuid) == before


def test_of_many_requests_at_once_the_check_lets_exactly_one_through(conductor, demo, make):
    server = make(updates={"vm_state": "active", "task_state": None})

    def only_idle(row: Instance) -> None:
        if row.task_state is not None:
            raise InstanceIsLocked(instance_uuid=row.uuid)

    outcomes: list[str] = []
    start = threading.Barrier(12)

    def stop() -> None:
        start.wait()
        try:
            conductor.accept(
                demo,
                server.uuid,
                check=only_idle,
                updates={"task_state": "powering-off"},
                record="stop",
                order=OrderDraft("stop_instance", "h"),
            )
            outcomes.append("accepted")
        except InstanceIsLocked:
            outcomes.append("refused")

    threads = [threading.Thread(target=stop) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["accepted"] + ["refused"] * 11
    assert [entry.action for entry in conductor.actions(server.uuid)] == ["stop", "create"]
    assert len(conductor.open_orders("h")) == 1


def test_updates_may_depend_on_the_row_and_none_means_nothing_to_do(conductor, demo, make):
    server = make()
    locked = conductor.accept(demo, server.uuid, updates=lambda row: {"locked_by": "owner"}, record="lock")
    assert locked.locked
    before = everything(conductor, server.uuid)
    assert conductor.accept(demo, server.uuid, updates=lambda row: None, record="lock") == locked
    assert everything(conductor, server.uuid) == before


def test_none_in_system_metadata_takes_the_key_out(conductor, demo, make):
    server = make(system_metadata={"a": "1", "b": "2"})
    assert conductor.step(server.uuid, system_metadata={"a": None, "c": "3"}).system_metadata == {"b": "2", "c": "3"}


def test_a_step_with_another_task_writes_nothing(conductor, make):
    server = make()
    before = everything(conductor, server.uuid)
    with pytest.raises(UnexpectedTaskState, match="scheduling, expected None, spawning"):
        conductor.step(
            server.uuid,
            updates={"vm_state": "active"},
            expect_task=(None, TaskState.SPAWNING),
            fault=FaultDraft(500, "boom"),
            event_finish="x",
        )
    assert everything(conductor, server.uuid) == before
    assert conductor.newest_fault(server.uuid) is None


@pytest.mark.parametrize("expected", ["scheduling", TaskState.SCHEDULING, {"scheduling", None}])
def test_a_step_with_the_expected_task_is_written(conductor, make, expected):
    server = make()
    assert conductor.step(server.uuid, updates={"task_state": None}, expect_task=expected).task_state is None


def test_events_belong_to_the_action_of_their_request(conductor, admin, demo, make):
    server = make()
    conductor.accept(admin, server.uuid, record="reboot")
    start = EventStart("compute_reboot_instance", demo.request_id, host="h1")
    conductor.step(server.uuid, event_start=start)
    conductor.step(
        server.uuid,
        event_finish=EventFinish("compute_reboot_instance", demo.request_id, "Error", "went wrong", "Traceback"),
    )
    failed = conductor.action(server.uuid, demo.request_id)
    assert (failed.action, failed.message) == ("create", "Error")
    (event,) = failed.events
    assert (event.event, event.host, event.result, event.details, event.traceback) == (
        "compute_reboot_instance",
        "h1",
        "Error",
        "went wrong",
        "Traceback",
    )
    assert event.finish_time >= event.start_time
    untouched = conductor.action(server.uuid, admin.request_id)
    assert (untouched.message, untouched.events) == (None, ())


def test_events_of_an_unknown_request_belong_to_the_newest_action(conductor, admin, demo, make):
    server = make()
    conductor.accept(admin, server.uuid, record="stop")
    conductor.step(server.uuid, event_finish=EventFinish("compute_stop_instance", "req-after-a-restart"))
    (event,) = conductor.action(server.uuid, admin.request_id).events
    assert (event.event, event.result) == ("compute_stop_instance", "Success")


def test_an_unknown_request_id_is_not_found(conductor, make):
    with pytest.raises(ActionNotFound, match="Action req-x not found"):
        conductor.action(make().uuid, "req-x")


def test_the_newest_fault_is_kept_cut_and_shown_only_in_error(conductor, make):
    server = make(updates={"vm_state": "active", "task_state": None})
    conductor.step(server.uuid, fault=FaultDraft(400, "first", details="kept only for 500"))
    faulty = conductor.step(server.uuid, fault=FaultDraft(500, "é" * 200, details="Traceback"))
    fault = conductor.newest_fault(server.uuid)
    assert (fault.code, fault.message, fault.details) == (500, "é" * 127, "Traceback")
    assert (faulty.fault["message"], faulty.fault["details"]) == (fault.message, "Traceback")
    assert conductor.changes(conductor.last_change() - 1)[0].view["fault"] is None
    conductor.step(server.uuid, updates={"vm_state": "error"})
    shown = conductor.changes(conductor.last_change() - 1)[0].view["fault"]
    assert shown == {"code": 500, "message": fault.message, "created": faulty.fault["created"]}


def test_a_deleted_server_frees_port_allocation_and_group_in_one_step(conductor, demo, make, amounts, resources, net):
    conductor.save_node("h1", resources())
    server = make(updates={"vm_state": "active", "task_state": "deleting"})
    assert conductor.claim(server.uuid, "h1", "node1", amounts())
    conductor.allocate_ports(server.uuid, [net()])
    order = conductor.open_orders(uuid=server.uuid)[0]
    before = conductor.last_change()
    gone = conductor.step(server.uuid, delete_row=True, order_done=order.id, event_finish="compute_terminate_instance")
    assert (gone.status, gone.vm_state, gone.task_state, gone.power_state) == ("DELETED", "deleted", None, 0)
    assert gone.deleted_at == gone.terminated_at is not None
    assert (conductor.ports(), conductor.allocations(), conductor.open_orders()) == ([], [], [])
    node = conductor.nodes()[0]
    assert (node.vcpus_allocated, node.memory_mb_allocated) == (0, 0)
    assert [(change.op, change.view) for change in conductor.changes(before)] == [("delete", None)]
    assert conductor.rows() == (conductor.last_change(), [])
    with pytest.raises(InstanceNotFound):
        conductor.instance(server.uuid)
    assert conductor.instance(server.uuid, with_deleted=True) == gone
    assert conductor.actions(server.uuid)[0].action == "create"
    with pytest.raises(InstanceNotFound):
        conductor.step(server.uuid, updates={"vm_state": "active"})


def test_a_follow_up_order_is_written_with_the_step(conductor, demo, make):
    server = make()
    first = conductor.open_orders(None)[0]
    conductor.step(server.uuid, order_done=first.id, order=OrderDraft("build_instance", "h1"), ctx=demo)
    assert [order.method for order in conductor.open_orders()] == ["build_instance"]
    assert conductor.open_orders(None) == []


def test_a_started_order_remembers_its_first_start_and_counts(conductor, make):
    make()
    order = conductor.open_orders()[0]
    assert order.started_at is None
    once, twice = conductor.order_started(order.id), conductor.order_started(order.id)
    assert (once.attempts, twice.attempts, twice.started_at) == (1, 2, once.started_at)
    assert conductor.open_orders() == [twice]
    conductor.order_done(order.id)
    assert conductor.open_orders() == []
    assert conductor.order_started(order.id) is None


def test_a_step_may_begin_its_order(conductor, make):
    server = make()
    order = conductor.open_orders()[0]
    conductor.step(server.uuid, updates={"task_state": "networking"}, order_started=order.id)
    assert (conductor.open_orders()[0].attempts, conductor.open_orders()[0].started_at is None) == (1, False)
    with pytest.raises(UnexpectedTaskState):
        conductor.step(server.uuid, expect_task=None, order_started=order.id)
    assert conductor.open_orders()[0].attempts == 1


def test_a_resized_servers_usage_follows_its_flavor(conductor, demo, make, micro):
    server = make()
    conductor.step(server.uuid, updates={"flavor": {**micro, "vcpus": 4, "memory_mb": 1000}})
    usage = conductor.count_usage(demo.project_id)
    assert (usage.instances, usage.cores, usage.ram) == (1, 4, 1000)


def test_deleted_and_soft_deleted_servers_are_not_counted(conductor, demo, make):
    conductor.step(make("a").uuid, delete_row=True)
    conductor.step(make("b").uuid, updates={"vm_state": "soft-delete"})
    make("c")
    assert conductor.count_usage(demo.project_id).instances == 1


def test_an_unknown_field_is_refused_by_name(conductor, make):
    server = make()
    with pytest.raises(TypeError, match="colour"):
        conductor.step(server.uuid, updates={"colour": "blue"})


def test_times_are_aware_and_utc(conductor, make):
    launched = utcnow()
    server = make(updates={"launched_at": launched})
    read = conductor.instance(server.uuid)
    assert read.launched_at == launched
    assert read.created_at.utcoffset().total_seconds() == 0
    assert read.updated_at >= read.created_at


def test_traces_are_kept_newest_first(conductor, make):
    server = make()
    conductor.save_trace(server.uuid, "req-1", {"chosen": "h1"})
    conductor.save_trace(server.uuid, "req-2", {"chosen": None})
    conductor._write(lambda tx: None)  # the next commit takes them along
    assert [(entry.request_id, entry.trace) for entry in conductor.traces(server.uuid)] == [
        ("req-2", {"chosen": None}),
        ("req-1", {"chosen": "h1"}),
    ]
