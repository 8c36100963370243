"""Lists of servers: filters, order, paging."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuinova.core.conductor import ANY, InstanceFilter, utcnow
from tuinova.core.errors import InvalidInput, MarkerNotFound
from tuinova.core.states import STATUS_MAP, STATUSES, TaskState, server_status


def names(conductor, **wanted) -> list[str]:
    return [server.name for server in conductor.instances(InstanceFilter(**wanted))]


@pytest.fixture
def three(conductor, admin, make, micro):
    make("web-1", key_name="k1", image_ref="img1", updates={"vm_state": "active", "task_state": None, "host": "h1"})
    make("web-2", flavor={**micro, "id": "1"}, updates={"vm_state": "stopped", "locked_by": "owner", "power_state": 4})
    make("db.1", ctx=admin, hostname="db-1", availability_zone="zone2")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["db.1", "web-2", "web-1"]),
        ({"name": "web"}, ["web-2", "web-1"]),
        ({"name": "^w.*2$"}, ["web-2"]),
        ({"name": "db.1"}, ["db.1"]),
        ({"name": "["}, []),
        ({"hostname": "db-"}, ["db.1"]),
        ({"status": ["ACTIVE"]}, ["web-1"]),
        ({"status": ["active", "SHUTOFF"]}, ["web-2", "web-1"]),
        ({"status": ["NONSENSE"]}, []),
        ({"vm_state": ["building"]}, ["db.1"]),
        ({"task_state": "scheduling"}, ["db.1", "web-2"]),
        ({"task_state": None}, ["web-1"]),
        ({"power_state": 4}, ["web-2"]),
        ({"host": "h1"}, ["web-1"]),
        ({"flavor": "84"}, ["db.1", "web-1"]),
        ({"image": "img1"}, ["web-1"]),
        ({"key_name": "k1"}, ["web-1"]),
        ({"availability_zone": "zone2"}, ["db.1"]),
        ({"locked": True}, ["web-2"]),
        ({"locked": False}, ["db.1", "web-1"]),
        ({"config_drive": True}, []),
    ],
)
def test_a_filter_finds_what_nova_finds(conductor, three, wanted, found):
    assert names(conductor, **wanted) == found
    assert conductor.count_instances(InstanceFilter(**wanted)) == len(found)


def test_only_the_acting_projects_servers(conductor, three, admin, demo):
    assert names(conductor, project_id=demo.project_id) == ["web-2", "web-1"]
    assert names(conductor, project_id=admin.project_id) == ["db.1"]
    assert names(conductor, user_id=admin.user_id) == ["db.1"]


def test_addresses_are_found_by_pattern(conductor, make, net):
    server = make("a")
    make("b")
    conductor.allocate_ports(server.uuid, [net()])
    assert names(conductor, ip="192\\.0\\.2\\.[3-6]$") == ["a"]
    assert names(conductor, ip="10.") == []
    assert names(conductor, ip6="192") == []


@pytest.mark.parametrize("status", [status for status in STATUSES if status != "DELETED"])
def test_a_status_filter_is_the_inverse_of_the_status(conductor, make, status):
    servers = []
    for vm_state in STATUS_MAP:
        for task in (None, TaskState.REBOOTING, TaskState.RESIZE_PREP, TaskState.MIGRATING, TaskState.REBUILDING):
            if server_status(vm_state, task) == status or (vm_state, task) == ("active", None):
                servers.append(make(updates={"vm_state": vm_state, "task_state": task}))
    wanted = {server.uuid for server in servers if server.status == status}
    found = {server.uuid for server in conductor.instances(InstanceFilter(status=[status]))}
    assert found == wanted


def test_deleted_servers_are_listed_only_when_asked_for(conductor, make):
    begin = utcnow()
    conductor.step(make("gone").uuid, delete_row=True)
    conductor.step(make("soft").uuid, updates={"vm_state": "soft-delete"})
    make("alive")
    assert names(conductor) == ["alive"]
    assert names(conductor, deleted=False) == ["alive"]
    assert names(conductor, deleted=True) == ["soft", "gone"]
    assert names(conductor, status=["SOFT_DELETED"]) == ["soft"]
    assert names(conductor, changes_since=begin) == ["alive", "soft", "gone"]


def test_changes_since_and_before_look_at_the_last_change(conductor, make):
    old = make("old")
    between = utcnow()
    make("new")
    assert names(conductor, changes_since=between) == ["new"]
    assert names(conductor, changes_before=between) == ["old"]
    conductor.step(old.uuid, updates={"progress": 1})
    assert names(conductor, changes_since=between) == ["new", "old"]
    assert names(conductor, changes_since=utcnow() + timedelta(seconds=1)) == []


def test_sorting_by_any_of_novas_keys_and_no_other(conductor, three):
    assert names(conductor, sort=(("display_name", "asc"),)) == ["db.1", "web-1", "web-2"]
    assert names(conductor, sort=(("vm_state", "desc"), ("display_name", "asc"))) == ["web-2", "db.1", "web-1"]
    with pytest.raises(InvalidInput, match="sort_key: colour"):
        names(conductor, sort=(("colour", "asc"),))


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("key", ["key_name", "display_name", "created_at", "task_state", "power_state"])
def test_pages_together_are_the_whole_list(conductor, make, key, direction):
    for number in range(7):
        make(f"vm{number % 3}", key_name=[None, "b", "a"][number % 3], updates={"task_state": None} if number else None)
    whole = [server.uuid for server in conductor.instances(InstanceFilter(sort=((key, direction),)))]
    pages: list[str] = []
    while page := conductor.instances(
        InstanceFilter(sort=((key, direction),), limit=2, marker=pages[-1] if pages else None)
    ):
        pages += [server.uuid for server in page]
    assert pages == whole
    assert len(whole) == 7


def test_an_unknown_marker_and_one_of_another_project_are_refused(conductor, three, admin, demo):
    with pytest.raises(MarkerNotFound, match=r"marker \[nowhere\] not found"):
        names(conductor, marker="nowhere")
    theirs = conductor.instances(InstanceFilter(project_id=admin.project_id))[0].uuid
    with pytest.raises(MarkerNotFound):
        names(conductor, marker=theirs, project_id=demo.project_id)


def test_versions_change_exactly_with_their_server(conductor, make):
    first, second = make("a"), make("b")
    before = dict(conductor.instance_versions())
    conductor.step(first.uuid, updates={"progress": 5})
    after = dict(conductor.instance_versions())
    assert after[second.uuid] == before[second.uuid]
    assert after[first.uuid] == conductor.last_change() != before[first.uuid]
    assert conductor.instances_by_uuid(after)[first.uuid].version == after[first.uuid]


def test_many_servers_are_read_by_uuid_in_pieces(conductor, make):
    server = make()
    assert conductor.instances_by_uuid([server.uuid, *(f"no-{n}" for n in range(1200))]) == {server.uuid: server}


@given(pattern=st.text(max_size=30))
@settings(max_examples=60, deadline=None)
def test_no_pattern_breaks_a_list(pattern):
    from tuinova.core.conductor.patterns import regexp

    assert regexp(pattern, "web-1") in (True, False)


def test_the_default_of_the_task_filter_is_no_filter():
    assert InstanceFilter().task_state is ANY
