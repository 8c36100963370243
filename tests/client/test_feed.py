"""The change feed and the waits that follow it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tuinova.client import Client, StreamEnded, Trimmed, WaitFailed, WaitTimeout
from tuinova.client.waiters import wait_for_delete, wait_for_status


def _event(number: int, **fields: Any) -> bytes:
    change = {"id": number, "kind": "server", "op": "update", "key": "a", "project_id": "p", "view": None, **fields}
    return b"id: %d\ndata: %s\n\n" % (number, json.dumps(change).encode())


def _feed(*chunks: bytes, hold: threading.Event | None = None, last: int = 0) -> Callable[[Any], None]:
    """A route that streams the chunks and then ends, or stays open until `hold` is set."""

    def route(handler: Any) -> None:
        handler.stream({"Content-Type": "text/event-stream", "X-Tuinova-Last-Change": str(last)})
        for chunk in chunks:
            handler.chunk(chunk)
        if hold is not None:
            hold.wait(10)
        handler.chunk(b"")
        handler.close_connection = True

    return route


def test_a_wake_up_gives_one_list_of_changes(service: Any, client: Client) -> None:
    service.on("GET", "/tuinova/v1/changes?since=4", _feed(_event(5) + _event(6), b": quiet\n\n", _event(7)))
    stream = client.changes(4)
    batches: list[list[int]] = []
    with pytest.raises(StreamEnded):
        batches.extend([change["id"] for change in batch] for batch in stream)
    assert [number for batch in batches for number in batch] == [5, 6, 7]
    assert stream.last_id == 7


def test_an_event_cut_in_two_is_put_together(service: Any, client: Client) -> None:
    whole = _event(5, view={"name": "张"})
    service.on("GET", "/tuinova/v1/changes?since=4", _feed(whole[:40], whole[40:]))
    batch = next(iter(client.changes(4)))
    assert batch[0]["view"]["name"] == "张"


def test_a_stopping_service_says_so_after_its_last_change(service: Any, client: Client) -> None:
    service.on("GET", "/tuinova/v1/changes?since=0", _feed(_event(1) + b"event: stopping\ndata: {}\n\n"))
    batches = iter(client.changes(0))
    assert [change["id"] for change in next(batches)] == [1]
    with pytest.raises(StreamEnded) as caught:
        next(batches)
    assert caught.value.stopping


def test_a_trimmed_feed_is_told(service: Any, client: Client) -> None:
    service.on("GET", "/tuinova/v1/changes?since=1", (410, {"gone": {"code": 410, "message": "no longer kept"}}))
    with pytest.raises(Trimmed, match="no longer kept"):
        client.changes(1)


def test_close_from_another_thread_ends_a_waiting_iteration(service: Any, client: Client) -> None:
    hold = threading.Event()
    service.on("GET", "/tuinova/v1/changes?since=0", _feed(hold=hold))
    stream = client.changes(0)
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.extend(stream))
    thread.start()
    stream.close()
    thread.join(5)
    hold.set()
    assert not thread.is_alive()
    assert got == []


def _view(status: str, task: str | None, vm_state: str = "active") -> dict[str, Any]:
    return {"id": "a", "name": "vm1", "status": status, "task_state": task, "vm_state": vm_state, "fault": None}


def _server(service: Any, now: dict[str, Any] | None, views: Iterable[dict[str, Any] | None]) -> threading.Event:
    """The server is `now`, then becomes each of `views` (None: deleted)."""
    hold = threading.Event()
    events = [
        _event(number, view=view, op="update" if view else "delete") for number, view in enumerate(views, start=1)
    ]
    service.on("GET", "/tuinova/v1/changes", _feed(*events, hold=hold))
    service.on("GET", "/tuinova/v1/servers/a", (200, now) if now else (404, {}))
    return hold


def test_wait_returns_when_the_status_is_there_and_the_task_over(service: Any, client: Client) -> None:
    views = [_view("BUILD", "spawning", "building"), _view("ACTIVE", "x"), _view("ACTIVE", None)]
    hold = _server(service, _view("BUILD", "scheduling", "building"), views)
    seen: list[str] = []
    view = wait_for_status(client, "a", "active", on_progress=lambda v: seen.append(v["status"]))
    hold.set()
    assert view["task_state"] is None
    assert seen == ["BUILD", "BUILD", "ACTIVE", "ACTIVE"]


def test_wait_is_over_at_once_when_the_status_is_there(service: Any, client: Client) -> None:
    hold = _server(service, _view("SHUTOFF", None, "stopped"), [])
    assert wait_for_status(client, "a", ["SHUTOFF"])["status"] == "SHUTOFF"
    hold.set()


def test_wait_fails_with_the_fault(service: Any, client: Client) -> None:
    failed = {**_view("ERROR", None, "error"), "fault": {"code": 500, "message": "No valid host was found. "}}
    hold = _server(service, _view("BUILD", "scheduling", "building"), [failed])
    with pytest.raises(WaitFailed, match="vm1 is in status ERROR: No valid host was found"):
        wait_for_status(client, "a", "active")
    hold.set()


def test_wait_fails_when_the_task_ended_elsewhere(service: Any, client: Client) -> None:
    hold = _server(service, _view("ACTIVE", "powering-off"), [_view("ACTIVE", None)])
    with pytest.raises(WaitFailed, match="vm1 is in status ACTIVE"):
        wait_for_status(client, "a", "shutoff")
    hold.set()


def test_wait_for_a_status_fails_when_the_server_is_deleted(service: Any, client: Client) -> None:
    hold = _server(service, _view("BUILD", None, "building"), [None])
    with pytest.raises(WaitFailed, match="deleted"):
        wait_for_status(client, "a", "active")
    hold.set()


@pytest.mark.parametrize(("now", "views"), [(_view("ACTIVE", "deleting"), [None]), (None, [])])
def test_wait_for_delete_ends_with_the_server(service: Any, client: Client, now: Any, views: Any) -> None:
    hold = _server(service, now, views)
    wait_for_delete(client, "a")
    hold.set()


def test_wait_for_delete_fails_when_the_deletion_did(service: Any, client: Client) -> None:
    hold = _server(service, _view("ACTIVE", "deleting"), [_view("ERROR", None, "error")])
    with pytest.raises(WaitFailed, match="status ERROR"):
        wait_for_delete(client, "a")
    hold.set()


def test_a_wait_may_have_an_end(service: Any, client: Client) -> None:
    hold = _server(service, _view("ACTIVE", "powering-off"), [])
    with pytest.raises(WaitTimeout, match=r"did not reach shutoff within 0\.2 s"):
        wait_for_status(client, "a", "shutoff", timeout=0.2)
    hold.set()


def test_a_wait_goes_on_when_the_feed_breaks(service: Any, client: Client) -> None:
    states = [_view("ACTIVE", "powering-off"), _view("SHUTOFF", None, "stopped")]
    service.on("GET", "/tuinova/v1/changes", _feed())  # ends at once
    service.on("GET", "/tuinova/v1/servers/a", lambda _: (200, states.pop(0)))
    assert wait_for_status(client, "a", "shutoff")["status"] == "SHUTOFF"
