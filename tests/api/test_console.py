"""The console: tokens, the WebSocket, reasons why there is none, keys."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tuinova.api.console import why_no_console
from tuinova.client import ApiError, Client, ConsoleClosed
from tuinova.client.console import Console
from tuinova.client.waiters import wait_for_status
from tuinova.core.records import Instance
from tuinova.core.sockets import connect_unix


@pytest.fixture(scope="module")
def server(running: Any, admin: Client) -> dict[str, Any]:
    return running.boot(admin, name="c1")


def _until(console: Console, wanted: bytes) -> bytes:
    seen = b""
    while wanted not in seen:
        frame = console.recv(10)
        if isinstance(frame, bytes):
            seen += frame
    return seen


def test_a_viewer_sees_the_past_and_types(admin: Client, server: dict[str, Any]) -> None:
    with admin.console(server["id"]) as console:
        assert console.domain == server["instance_name"]
        assert console.connection_name == "fake"
        assert console.log_size is not None
        _until(console, b"login:")
        console.send(b"root\r")
        assert b"root" in _until(console, b"root")


def test_two_viewers_see_the_same(admin: Client, server: dict[str, Any]) -> None:
    with admin.console(server["id"]) as one, admin.console(server["id"]) as two:
        _until(one, b"login:")
        _until(two, b"login:")
        one.send(b"\r")
        assert _until(one, b"\n")
        assert _until(two, b"\n")


def test_a_wrong_command_is_an_event(admin: Client, server: dict[str, Any]) -> None:
    with admin.console(server["id"]) as console:
        for send in (
            lambda: console.command({"cmd": "nonsense"}),
            lambda: console._put("no json"),
            lambda: console._put("[1]"),
            lambda: console._put('"' + "x" * 5000 + '"'),
        ):
            send()
            while True:
                frame = console.recv(10)
                if isinstance(frame, dict) and frame["event"] == "error":
                    break


def _open(running: Any, token: str, *protocols: str) -> ClientConnection:
    return connect(
        f"ws://localhost/tuinova/v1/console?token={token}",
        sock=connect_unix(running.places.socket, 10),
        subprotocols=[Subprotocol(name) for name in protocols] or None,
        proxy=None,
    )


def test_a_token_is_needed(running: Any, admin: Client, server: dict[str, Any]) -> None:
    for token in ("", "nonsense", "0" * 36):
        with pytest.raises(InvalidStatus) as caught:
            _open(running, token)
        assert caught.value.response.status_code == 403


def test_the_subprotocol_and_no_compression(running: Any, admin: Client, server: dict[str, Any]) -> None:
    token = admin.post(f"/tuinova/v1/servers/{server['id']}/console")["token"]
    with _open(running, token, "binary") as socket:
        assert socket.subprotocol == "binary"
        assert socket.protocol.extensions == []
    with _open(running, token) as socket:
        assert socket.subprotocol is None
        assert json.loads(next(frame for frame in socket if isinstance(frame, str)))["event"]


def test_a_deleted_guests_token_opens_nothing(running: Any, admin: Client) -> None:
    ident = running.boot(admin, name="short")["id"]
    token = admin.post(f"/tuinova/v1/servers/{ident}/console")["token"]
    admin.servers.delete(ident)
    with pytest.raises(InvalidStatus):
        _open(running, token, "binary")


@pytest.mark.parametrize(
    ("vm_state", "task_state", "host", "words"),
    [
        ("building", "scheduling", None, "is being built"),
        ("building", "spawning", "h", None),
        ("active", None, "h", None),
        ("active", "deleting", "h", "is being deleted"),
        ("paused", None, "h", None),
        ("error", None, "h", None),
        ("error", None, None, "on no host"),
        ("stopped", None, "h", "is off: start it"),
        ("stopped", "powering-on", "h", None),
        ("suspended", None, "h", "is suspended: resume it"),
        ("suspended", "resuming", "h", None),
        ("shelved_offloaded", None, None, "unshelve it"),
        ("soft-delete", None, "h", "restore it"),
    ],
)
def test_each_state_has_its_reason(vm_state: str, task_state: str | None, host: str | None, words: str | None) -> None:
    reason = why_no_console(
        Instance(
            id=1,
            uuid="u",
            name="n",
            project_id="p",
            user_id="u",
            vm_state=vm_state,
            task_state=task_state,
            host=host,
            flavor={},
            created_at=datetime.now(UTC),
        )
    )
    assert (reason is None) == (words is None)
    assert words is None or words in (reason or "")


@pytest.mark.parametrize(
    ("action", "status", "back", "reason"),
    [
        ("os-stop", "shutoff", "os-start", "The server is off: start it."),
        ("suspend", "suspended", "resume", "The server is suspended: resume it."),
    ],
)
def test_why_there_is_no_console(
    admin: Client, server: dict[str, Any], action: str, status: str, back: str, reason: str
) -> None:
    admin.servers.action(server["id"], action)
    wait_for_status(admin, server["id"], status, timeout=30)
    with pytest.raises(ApiError) as caught:
        admin.console(server["id"])
    assert (caught.value.code, caught.value.message) == (409, reason)
    admin.servers.action(server["id"], back)
    wait_for_status(admin, server["id"], "active", timeout=30)


def test_a_viewer_stays_over_a_restart_of_the_guest(admin: Client, server: dict[str, Any]) -> None:
    with admin.console(server["id"]) as console:
        _until(console, b"login:")
        admin.servers.action(server["id"], "reboot", {"type": "HARD"})
        _until(console, b"login:")


def test_another_projects_console_does_not_exist(demo: Client, server: dict[str, Any]) -> None:
    for call in (lambda: demo.console(server["id"]), lambda: demo.servers.send_keys(server["id"], ["a"])):
        with pytest.raises(ApiError) as caught:
            call()
        assert caught.value.code == 404


def test_keys(admin: Client, server: dict[str, Any]) -> None:
    admin.servers.send_keys(server["id"], ["ctrl", "alt", "delete"])
    for keys in ([], ["a" * 33], ["a b"], [1], "abc"):
        with pytest.raises(ApiError) as caught:
            admin.post(f"/tuinova/v1/servers/{server['id']}/console/keys", {"keys": keys})
        assert caught.value.code == 400


def test_a_viewer_hears_that_the_service_stops(running: Any, admin: Client, server: dict[str, Any]) -> None:
    # The last test of the module: it stops the hub.
    import asyncio

    with admin.console(server["id"]) as console:
        _until(console, b"login:")
        asyncio.run_coroutine_threadsafe(running.state.hub.stop(), running.loop).result(10)
        while console.recv(10) != {"event": "service-stopping"}:
            pass
        with pytest.raises(ConsoleClosed, match="service-stopping"):
            console.recv(10)
