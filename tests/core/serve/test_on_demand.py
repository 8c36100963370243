"""A service that clients start: exactly one, however many ask; it leaves when nothing is left to do."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from tuinova.client import Client, ServiceUnreachable, connect
from tuinova.core.idle import Activity
from tuinova.core.serve import SERVE_LOCK
from tuinova.core.sockets import listen_unix

ASK = "from tuinova.client import connect\nwith connect() as client:\n    print(client.info()['pid'])\n"


@pytest.fixture
def here(place: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The place as this process's own."""
    monkeypatch.delenv("TUINOVA_URL", raising=False)
    for name, value in place.environment.items():
        if name.startswith("TUINOVA_"):
            monkeypatch.setenv(name, value)
    return place


def _together(place: Any, count: int) -> set[str]:
    clients = [place.python(ASK) for _ in range(count)]
    answers = [client.communicate(timeout=120) for client in clients]
    assert [err for _, err in answers] == [""] * count
    return {out for out, _ in answers}


def test_twenty_clients_at_once_start_one_service(place: Any) -> None:
    assert _together(place, 20) == {f"{place.holder()}\n"}
    log = (place.directory / "serve.log").read_text()
    assert log.count("listening on") == 1


def test_a_stale_socket_is_no_matter(place: Any) -> None:
    assert len(_together(place, 1)) == 1
    old = place.holder()
    os.kill(old, signal.SIGKILL)
    place.wait_until(lambda: place.holder() is None)
    assert place.socket.exists()
    assert _together(place, 8) == {f"{place.holder()}\n"}
    assert place.holder() != old


def test_a_service_that_was_killed_is_started_again_under_the_client(here: Any) -> None:
    with connect() as client:
        first = client.info()["pid"]
        os.kill(first, signal.SIGKILL)
        here.wait_until(lambda: here.holder() is None)
        assert client.info()["pid"] != first


def test_a_start_that_fails_shows_the_log(here: Any) -> None:
    here.directory.mkdir()
    (here.directory / "tuinova.toml").write_text("[scheduler]\nmax_atempts = 3\n")
    with pytest.raises(ServiceUnreachable) as caught:
        connect()
    text = str(caught.value)
    assert text.startswith("The tuinova service did not start (exit code 1; log: ")
    assert "did you mean max_attempts?" in text


def test_a_directory_that_can_not_be_made_is_a_sentence(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUINOVA_STATE_DIR", "/proc/none")
    with pytest.raises(ServiceUnreachable, match="Cannot start the tuinova service in /proc/none"):
        connect()


def test_an_idle_service_leaves_and_the_next_client_starts_another(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUINOVA_TUINOVA_IDLE_EXIT_SECONDS", "1")
    with connect() as client:
        first = client.info()["pid"]
        here.wait_until(lambda: here.holder() is None)
        assert not here.socket.exists()
        # The client's kept connection is gone; it does not notice.
        assert client.info()["pid"] != first
    assert "idle for 1 s: leaving" in (here.directory / "serve.log").read_text()


def test_a_client_waits_for_a_service_that_somebody_else_is_starting(here: Any) -> None:
    here.directory.mkdir()
    (here.directory / "run").mkdir()
    answers: list[bool] = []
    with (here.directory / SERVE_LOCK).open("w") as lock:  # as one that has the directory but does not listen yet
        fcntl.flock(lock, fcntl.LOCK_EX)
        client = threading.Thread(target=lambda: answers.append(_answered()))
        client.start()
        here.wait_until(lambda: _waiting_for_the_lock(here))
        with listen_unix(here.socket):
            client.join(60)
    assert answers == [True]


def _answered() -> bool:
    try:
        connect().close()
    except ServiceUnreachable:
        return False
    return True


def _waiting_for_the_lock(place: Any) -> bool:
    """Whether a second process has the lock's file open."""
    lock = str(place.directory / SERVE_LOCK)
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if any(os.readlink(one) == lock for one in (process / "fd").iterdir()):
                return True
    return False


def _boot(client: Client) -> str:
    import io

    from tuinova.client.waiters import wait_for_status

    image = client.images.create({"name": "i", "disk_format": "raw", "container_format": "bare"})
    client.images.upload(image["id"], io.BytesIO(bytes(1 << 16)))
    server = client.servers.create({"name": "v", "imageRef": image["id"], "flavorRef": "84", "networks": "auto"})
    wait_for_status(client, server["id"], "active", timeout=60)
    return str(server["id"])


def test_a_service_stays_while_a_server_runs_or_somebody_listens(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUINOVA_TUINOVA_IDLE_EXIT_SECONDS", "1")
    with connect() as client:
        # The server first: until one runs, a slow machine may let an idle second pass between two requests.
        ident = _boot(client)
        pid = client.info()["pid"]
        client.close()
        with pytest.raises(AssertionError):
            here.wait_until(lambda: here.holder() != pid, 3)
        with client.changes() as stream:
            client.servers.delete(ident)
            while not any(change["op"] == "delete" for change in next(stream)):
                pass
            with pytest.raises(AssertionError):
                here.wait_until(lambda: here.holder() != pid, 3)
        here.wait_until(lambda: here.holder() is None)


def test_many_clients_at_the_moment_of_leaving_are_all_answered(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUINOVA_TUINOVA_IDLE_EXIT_SECONDS", "1")
    with connect() as client:
        client.info()
    for _ in range(3):
        here.wait_until(lambda: not here.socket.exists())  # aside, or gone
        with connect() as client:
            assert client.info()["pid"] == here.holder()


def test_idle_time_begins_when_the_last_request_is_over() -> None:
    now = [0.0]
    activity = Activity(lambda: now[0])
    activity.begin()
    activity.begin()
    now[0] = 50.0
    assert activity.idle_seconds == 0.0
    activity.end()
    assert activity.idle_seconds == 0.0
    activity.end()
    now[0] = 60.0
    assert activity.idle_seconds == 10.0
