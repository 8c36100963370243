"""The change feed: every change once and in order, trimmed from below; the kept rows follow it."""

from __future__ import annotations

import json
import threading

import pytest

from tuinova.core.conductor import Conductor
from tuinova.core.conductor import feed as feed_module
from tuinova.core.errors import ChangesTrimmed


def change(conductor: Conductor, count: int = 1) -> None:
    for number in range(count):
        conductor._write(lambda tx, number=number: tx.change("flavor", "update", str(number)))


def test_following_gives_each_change_once_and_in_order(conductor):
    seen: list[int] = []
    wake = threading.Event()
    conductor.on_commit(lambda last: wake.set())
    writers = [threading.Thread(target=change, args=(conductor, 50)) for _ in range(4)]
    for writer in writers:
        writer.start()
    while len(seen) < 200:
        assert wake.wait(10)
        wake.clear()
        while batch := conductor.changes(seen[-1] if seen else 0, limit=7):
            seen.extend(entry.id for entry in batch)
    for writer in writers:
        writer.join()
    assert seen == list(range(1, 201))


def test_memory_and_database_tell_the_same(conductor, make, demo):
    server = make()
    conductor.accept(demo, server.uuid, updates={"name": "новый"})
    change(conductor, 3)
    for since in range(conductor.last_change() + 1):
        for limit in (1, 2, 100):
            recent = conductor._feed.recent(since, limit)
            with conductor._reading() as connection:
                assert recent == conductor._feed.stored(connection, since, limit)


def test_a_refused_job_makes_no_hole_that_loses_a_change(conductor):
    def refuse(tx) -> None:
        tx.change("flavor", "update", "x")
        raise ValueError

    for _ in range(3):
        change(conductor)
        with pytest.raises(ValueError):
            conductor._write(refuse)
    last = conductor.last_change()
    found = [entry.id for entry in conductor.changes(0)]
    assert found == sorted(set(found))
    assert found[-1] == last
    assert [entry.id for since in found for entry in conductor.changes(since, 1)] == found[1:]


def test_old_changes_are_trimmed_and_asking_for_them_is_refused(database_url, monkeypatch):
    monkeypatch.setattr(feed_module, "TRIM_EVERY", 10)
    monkeypatch.setattr(feed_module, "_TAIL", 5)
    conductor = Conductor(database_url, keep_changes=20)
    conductor._feed._tail = type(conductor._feed._tail)(maxlen=5)
    conductor.open()
    change(conductor, 55)
    conductor._write(lambda tx: None)  # the trimming is a job of its own
    with conductor._reading() as connection:
        oldest = connection.execute(feed_module._OLDEST).scalar()
    assert 20 < oldest <= 36
    with pytest.raises(ChangesTrimmed, match=f"Changes before {oldest} are no longer kept"):
        conductor.changes(oldest - 2)
    assert [entry.id for entry in conductor.changes(oldest - 1, limit=3)] == [oldest, oldest + 1, oldest + 2]
    conductor.close()


def test_a_number_that_was_never_given_out_is_refused(conductor):
    change(conductor, 2)
    with pytest.raises(ChangesTrimmed):
        conductor.changes(3)
    assert conductor.changes(2) == []


def test_numbers_go_on_after_a_restart_even_when_the_table_is_empty(database_url):
    conductor = Conductor(database_url)
    conductor.open()
    change(conductor, 5)
    conductor._write(lambda tx: tx.connection.exec_driver_sql("DELETE FROM change"))
    conductor.close()
    again = Conductor(database_url)
    again.open()
    change(again)
    assert again.last_change() == 6
    again.close()


def test_a_change_carries_the_row_view_as_json_text(conductor, make):
    server = make("vm[/bold]", key_name="k", description="d", metadata={"a": "b"})
    entry = conductor.changes(0)[0]
    whole = json.loads(entry.to_json())
    assert {name: whole[name] for name in ("id", "kind", "op", "key", "project_id")} == {
        "id": 1,
        "kind": "server",
        "op": "update",
        "key": server.uuid,
        "project_id": server.project_id,
    }
    assert whole["at"].endswith("Z")
    assert whole["view"] == entry.view
    assert entry.view == {
        "id": server.uuid,
        "name": "vm[/bold]",
        "status": "BUILD",
        "vm_state": "building",
        "task_state": "scheduling",
        "power_state": 0,
        "image": None,
        "flavor": {
            "id": "84",
            "name": "m1.micro",
            "vcpus": 1,
            "ram": 128,
            "disk": 0,
            "ephemeral": 0,
            "swap": 0,
        },
        "addresses": [],
        "networks": {},
        "key_name": "k",
        "az": None,
        "host": None,
        "created": server.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "updated": server.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "launched": None,
        "project_id": server.project_id,
        "user_id": server.user_id,
        "locked": False,
        "locked_by": None,
        "locked_reason": None,
        "instance_name": "instance-00000001",
        "description": "d",
        "metadata": {"a": "b"},
        "fault": None,
        "progress": 0,
        "task_progress": None,
    }


def test_rows_are_newest_first_by_project_and_follow_changes(conductor, admin, make):
    first, second, other = make("a"), make("b"), make("c", ctx=admin)
    last, rows = conductor.rows()
    assert (last, [json.loads(row)["name"] for row in rows]) == (3, ["c", "b", "a"])
    conductor.step(first.uuid, updates={"vm_state": "active", "task_state": None})
    conductor.step(second.uuid, delete_row=True)
    assert [json.loads(row)["status"] for row in conductor.rows(first.project_id)[1]] == ["ACTIVE"]
    assert [json.loads(row)["id"] for row in conductor.rows()[1]] == [other.uuid, first.uuid]


def test_rows_of_an_old_database_are_those_that_changes_would_have_made(database_url, conductor, make):
    servers = [make(name) for name in "abc"]
    conductor.step(servers[0].uuid, delete_row=True)
    conductor.step(servers[1].uuid, updates={"vm_state": "soft-delete"})
    followed = conductor.rows()
    conductor.close()
    again = Conductor(database_url)
    again.open()
    assert again.rows() == followed
    assert [json.loads(row)["name"] for row in followed[1]] == ["c"]
    again.close()
