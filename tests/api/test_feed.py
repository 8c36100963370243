"""The change feed: what it says, to whom, from where on, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tuinova.api import feed
from tuinova.client import ApiError, ChangeStream, Client, StreamEnded, Trimmed
from tuinova.core.conductor import Conductor


def _flat(stream: ChangeStream) -> Iterator[dict[str, Any]]:
    return (change for batch in stream for change in batch)


def _first(changes: Iterator[dict[str, Any]], kind: str, key: str | None = None) -> dict[str, Any]:
    """The next change of that kind."""
    return next(change for change in changes if change["kind"] == kind and key in (None, change["key"]))


def test_a_change_carries_the_row_view(running: Any, admin: Client) -> None:
    with admin.changes() as stream:
        ident = running.boot(admin, name="f1")["id"]
        change = _first(_flat(stream), "server", ident)
        assert set(change) == {"id", "kind", "op", "key", "project_id", "at", "view"}
        assert (change["op"], change["view"]["name"], change["view"]["status"]) == ("update", "f1", "BUILD")
        assert change["view"].keys() == admin.get(f"/tuinova/v1/servers/{ident}").keys()
    running.remove(admin, ident)


def test_the_feed_resumes_without_a_hole(running: Any, admin: Client) -> None:
    start = admin.info()["last_change"]
    with admin.changes(start) as stream:
        admin.flavors.create({"name": "r1", "id": "r1", "ram": 64, "vcpus": 1, "disk": 0})
        one = _first(_flat(stream), "flavor", "r1")
    admin.flavors.set_extra_specs("r1", {"a": "b"})
    admin.flavors.delete("r1")
    with admin.changes(one["id"]) as stream:
        changes = _flat(stream)
        two = _first(changes, "flavor", "r1")
        three = _first(changes, "flavor", "r1")
    assert (two["op"], three["op"]) == ("update", "delete")
    assert start < one["id"] < two["id"] < three["id"]


def test_a_deleted_server_is_a_delete_without_view(running: Any, admin: Client) -> None:
    ident = running.boot(admin, name="f2")["id"]
    with admin.changes() as stream:
        admin.servers.delete(ident)
        changes = _flat(stream)
        while (change := _first(changes, "server", ident))["op"] != "delete":
            assert change["view"]["task_state"] == "deleting"
    assert change["view"] is None


def test_members_hear_of_their_project_and_no_host(running: Any, admin: Client, demo: Client) -> None:
    with demo.changes() as stream:
        foreign = running.boot(admin, name="foreign")["id"]
        own = running.boot(demo, name="own")["id"]
        seen: list[dict[str, Any]] = []
        for batch in stream:
            seen += batch
            if any(change["key"] == own and change["view"]["status"] == "ACTIVE" for change in batch):
                break
    assert foreign not in {change["key"] for change in seen}
    assert {change["view"]["host"] for change in seen if change["kind"] == "server"} == {None}
    running.remove(admin, foreign)
    running.remove(demo, own)


def test_a_position_that_is_gone_is_410(running: Any, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Trimmed, match="no longer kept"):
        admin.changes(10_000_000)


@pytest.mark.parametrize("since", ["x", "-1", "1.5", "9" * 50])
def test_a_position_that_is_none_is_400(running: Any, since: str) -> None:
    assert running.raw("GET", f"/tuinova/v1/changes?since={since}").status == 400


def test_nobody_gets_no_stream(running: Any) -> None:
    with running.client("nobody") as client, pytest.raises(ApiError) as caught:
        client.changes()
    assert caught.value.code == 404
    assert running.state.broadcast.followers == 0


def test_a_quiet_stream_sends_comments(running: Any, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "QUIET_SECONDS", 0.05)
    stream = admin.connection.open("GET", "/tuinova/v1/changes", timeout=10)
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.read1().startswith(b": ")
    stream.shutdown()
    stream.close()


def test_a_client_that_leaves_is_forgotten(running: Any, admin: Client) -> None:
    stream = admin.changes()
    assert running.state.broadcast.followers >= 1
    stream.close()
    list(stream)
    pause = threading.Event()
    for number in range(100):
        # The service notices when it has something to say.
        admin.flavors.set_extra_specs("1", {"n": str(number)})
        if running.state.broadcast.followers == 0:
            return
        pause.wait(0.05)
    raise AssertionError("the stream is kept for a client that left")


def test_many_followers_all_hear(running: Any, admin: Client) -> None:
    streams = [admin.changes() for _ in range(8)]
    admin.flavors.set_extra_specs("2", {"x": "y"})
    assert {_first(_flat(stream), "flavor", "2")["op"] for stream in streams} == {"update"}
    for stream in streams:
        stream.close()


def test_a_trimmed_feed_ends_a_slow_stream(running: Any, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from tuinova.core.errors import ChangesTrimmed

    with admin.changes() as stream:

        def trimmed(*_args: Any) -> Any:
            raise ChangesTrimmed(oldest=99)

        monkeypatch.setattr(Conductor, "changes", trimmed)
        admin.flavors.set_extra_specs("2", {"x": "z"})
        with pytest.raises(StreamEnded):
            list(stream)
