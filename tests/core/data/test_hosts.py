"""Services, their heartbeats, and nodes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert

from tuinova.core.conductor import Conductor, utcnow
from tuinova.core.errors import ComputeHostNotFound, ServiceHostsInstances, ServiceNotFound
from tuinova.core.models import Aggregate, AggregateHost, AggregateMetadata


def test_a_service_is_registered_once_enabled_and_seen(conductor):
    first = conductor.register_service("h1")
    assert (first.binary, first.disabled, first.forced_down, first.availability_zone) == (
        "nova-compute",
        False,
        False,
        "nova",
    )
    assert first.up(utcnow())
    conductor.set_service("h1", disabled=True, disabled_reason="mine")
    again = conductor.register_service("h1")
    assert (again.id, again.uuid, again.disabled_reason) == (first.id, first.uuid, "mine")
    assert conductor.service(first.uuid) == conductor.service_of("h1") == again
    assert conductor.register_service("h1", "nova-scheduler", "scheduler").availability_zone == "internal"
    assert len(conductor.services()) == 2
    assert len(conductor.services("h1", "nova-compute")) == 1


def test_services_are_chosen_by_host_and_by_kind(conductor):
    conductor.register_service("h1")
    conductor.register_service("h2")
    conductor.register_service("h1", "nova-scheduler", "scheduler")

    def found(**wanted: str) -> list[tuple[str, str]]:
        return [(service.host, service.binary) for service in conductor.services(**wanted)]

    assert found(host="h1") == [("h1", "nova-compute"), ("h1", "nova-scheduler")]
    assert found(binary="nova-compute") == [("h1", "nova-compute"), ("h2", "nova-compute")]
    assert found(host="h2", binary="nova-scheduler") == []


def test_a_heartbeat_makes_a_change_only_when_the_service_was_down(database_url):
    now = utcnow()
    conductor = Conductor(database_url, clock=lambda: now)
    conductor.open()
    conductor.register_service("h1")
    last = conductor.last_change()
    now += timedelta(seconds=60)
    assert conductor.service_of("h1").up(now)
    conductor.heartbeat("h1")
    assert conductor.last_change() == last
    now += timedelta(seconds=61)
    assert not conductor.service_of("h1").up(now)
    conductor.heartbeat("h1")
    assert [change.kind for change in conductor.changes(last)] == ["service"]
    assert conductor.service_of("h1").up(now)
    with pytest.raises(ServiceNotFound):
        conductor.heartbeat("h2")
    conductor.close()


def test_disabling_keeps_the_reason_and_enabling_clears_it(conductor):
    conductor.register_service("h1")
    off = conductor.set_service("h1", disabled=True, disabled_reason="broken fan")
    assert (off.disabled, off.disabled_reason) == (True, "broken fan")
    assert conductor.set_service("h1", forced_down=True).disabled_reason == "broken fan"
    assert not conductor.service_of("h1").up(utcnow())
    on = conductor.set_service("h1", disabled=False, forced_down=False)
    assert (on.disabled, on.disabled_reason, on.up(utcnow())) == (False, None, True)
    with pytest.raises(ServiceNotFound, match="Service h2 could not be found"):
        conductor.set_service("h2", disabled=True)


def test_a_service_with_servers_is_not_deleted(conductor, make, resources):
    service = conductor.register_service("h1")
    conductor.save_node("h1", resources())
    server = make(updates={"host": "h1"})
    with pytest.raises(ServiceHostsInstances):
        conductor.delete_service(service.uuid)
    conductor.step(server.uuid, delete_row=True)
    conductor.delete_service(service.uuid)
    assert (conductor.services(), conductor.nodes()) == ([], [])
    with pytest.raises(ServiceNotFound):
        conductor.delete_service(service.uuid)


def test_a_node_keeps_its_uuid_and_changes_only_when_it_differs(conductor, resources):
    first = conductor.save_node("h1", resources(), cpu_allocation_ratio=4.0)
    last = conductor.last_change()
    conductor.save_node("h1", resources(uptime="up 1 day"), cpu_allocation_ratio=4.0)
    assert conductor.last_change() == last
    second = conductor.save_node("h1", resources(memory_mb=1), cpu_allocation_ratio=2.0)
    assert (second.uuid, second.memory_mb, second.cpu_allocation_ratio) == (first.uuid, 1, 2.0)
    assert [(change.kind, change.key) for change in conductor.changes(last)] == [("node", "h1")]
    assert conductor.node("node1") == conductor.node(first.uuid)
    with pytest.raises(ComputeHostNotFound, match="Compute host x could not be found"):
        conductor.node("x")
    with pytest.raises(TypeError, match="colour"):
        conductor.save_node("h1", resources(), colour=1)
    conductor.delete_node("h1", "node1")
    assert conductor.nodes() == []


def test_a_nodes_load_is_counted_from_its_servers(conductor, make, resources):
    conductor.save_node("h1", resources())
    conductor.save_node("h2", resources(node="node2"))
    place = {"host": "h1", "node": "node1"}
    make(updates={**place, "vm_state": "active", "task_state": None})
    make(updates={**place, "vm_state": "active", "task_state": "rebuilding"})
    make(updates={**place, "vm_state": "building", "task_state": "spawning"})
    conductor.step(make(updates=place).uuid, delete_row=True)
    busy, idle = conductor.nodes()
    assert (busy.running_vms, busy.current_workload, busy.num_io_ops) == (3, 2, 2)
    assert (idle.running_vms, idle.current_workload, idle.num_io_ops) == (0, 0, 0)


def test_failed_builds_are_counted_until_one_succeeds(conductor, resources):
    conductor.save_node("h1", resources())
    for _ in range(2):
        conductor.note_build("h1", "node1", failed=True)
    assert conductor.nodes()[0].failed_builds == 2
    conductor.save_node("h1", resources())
    assert conductor.nodes()[0].failed_builds == 2
    conductor.note_build("h1", "node1", failed=False)
    last = conductor.last_change()
    conductor.note_build("h1", "node1", failed=False)
    assert (conductor.nodes()[0].failed_builds, conductor.last_change()) == (0, last)


def test_the_zone_of_a_compute_service_is_that_of_its_first_aggregate(conductor):
    conductor.register_service("h1")
    conductor.register_service("h2")
    conductor.register_service("h1", "nova-scheduler", "scheduler")

    def aggregates(tx) -> None:
        for number, zone in ((1, "east"), (2, "west")):
            tx.run(
                insert(Aggregate.__table__),
                {"id": number, "uuid": str(number), "name": zone, "created_at": tx.now},
            )
            tx.run(insert(AggregateHost.__table__), {"aggregate_id": number, "host": "h1"})
            item = {"aggregate_id": number, "key": "availability_zone", "value": zone}
            tx.run(insert(AggregateMetadata.__table__), item)

    conductor._write(aggregates)
    zones = {(service.host, service.binary): service.availability_zone for service in conductor.services()}
    assert zones == {
        ("h1", "nova-compute"): "east",
        ("h2", "nova-compute"): "nova",
        ("h1", "nova-scheduler"): "internal",
    }
