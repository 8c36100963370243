"""Requests, errors, identity and broken connections."""

from __future__ import annotations

import io
import select
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tuinova.client import ApiError, Client, ServiceUnreachable, connect
from tuinova.core.sockets import connect_unix, listen_unix


def test_get_gives_the_parsed_answer(service: Any, client: Client) -> None:
    service.on("GET", "/x?a=1&b=two+words", (200, {"answer": 42}))
    assert client.get("/x", params={"a": 1, "b": "two words", "left_out": None}) == {"answer": 42}


def test_an_empty_answer_is_none(service: Any, client: Client) -> None:
    service.on("DELETE", "/x", (204, None))
    assert client.delete("/x") is None


def test_one_connection_serves_many_requests(service: Any, client: Client) -> None:
    ports: list[int] = []
    service.on("GET", "/x", lambda handler: (ports.append(id(handler)), (200, {}))[1])
    for _ in range(3):
        client.get("/x")
    assert len(set(ports)) == 1


def test_each_thread_has_a_connection_of_its_own(service: Any, client: Client) -> None:
    handlers: list[int] = []
    both = threading.Barrier(2, timeout=10)

    def route(handler: Any) -> tuple[int, dict[str, int]]:
        both.wait()  # passes only when two requests are inside at once
        handlers.append(id(handler))
        return 200, {}

    service.on("GET", "/x", route)
    threads = [threading.Thread(target=client.get, args=("/x",)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(handlers)) == 2


def test_an_error_reads_as_openstack_prints_it(service: Any, client: Client) -> None:
    service.on("POST", "/x", (409, {"conflictingRequest": {"code": 409, "message": "Instance 1 is locked"}}))
    with pytest.raises(ApiError) as caught:
        client.post("/x", {})
    assert str(caught.value) == "Instance 1 is locked (HTTP 409) (Request-ID: req-of-service)"
    assert caught.value.code == 409


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"error": {"code": 404, "message": "Could not find user: x.", "title": "Not Found"}},
            "Could not find user: x.",
        ),
        ({"message": "flat"}, "flat"),
        (b"<html>proxy</html>", "<html>proxy</html>"),
        (b"", "Internal Server Error"),
        ([1], "[1]"),
    ],
)
def test_other_error_bodies_still_give_a_message(service: Any, client: Client, data: Any, message: str) -> None:
    service.on("GET", "/x", (500, data))
    with pytest.raises(ApiError) as caught:
        client.get("/x")
    assert caught.value.message == message


def test_who_acts_goes_with_every_request(service: Any, socket_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_USERNAME", "zoë 张")
    monkeypatch.setenv("OS_PROJECT_NAME", "demo")
    service.on("GET", "/x", (200, {}))
    with connect(url=f"unix://{socket_path}") as client:
        client.get("/x")
        client.acting_as(project="100%").get("/x")
    headers = [seen[2] for seen in service.seen]
    assert headers[0]["X-Tuinova-Username"] == "zo%C3%AB %E5%BC%A0"
    assert [h["X-Tuinova-Project-Name"] for h in headers] == ["demo", "100%25"]
    assert headers[0]["X-OpenStack-Request-ID"].startswith("req-")


def test_a_kept_connection_that_was_closed_is_opened_anew(service: Any, client: Client) -> None:
    def once(handler: Any) -> tuple[int, dict[str, str], dict[str, str]]:
        handler.close_connection = True
        return 200, {}, {"X-Quiet": "closing"}

    service.on("POST", "/x", once)
    assert client.post("/x", {}) == {}
    assert client.post("/x", {}) == {}
    assert len(service.seen) == 2


def _broken_server(path: Path, reads: list[bool]) -> threading.Thread:
    """Accepts one connection for each entry, reads the request or not, and closes."""
    listener = listen_unix(path)

    def run() -> None:
        with listener:
            for read in reads:
                connection, _ = listener.accept()
                data = b""
                end = b"\r\n\r\n"
                while read and not data.endswith(end):
                    data += connection.recv(65536)
                    end = b'{"a": 1}' if data.startswith(b"POST") else end
                connection.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_a_post_that_may_have_been_carried_out_is_not_sent_twice(tmp_path: Path) -> None:
    accepted = [True]
    thread = _broken_server(tmp_path / "s", accepted)
    with (
        connect(url=f"unix://{tmp_path / 's'}") as client,
        pytest.raises(ServiceUnreachable, match="before it answered"),
    ):
        client.post("/x", {"a": 1})
    thread.join(5)


def test_a_get_is_sent_a_few_times_to_a_service_that_closes(tmp_path: Path) -> None:
    thread = _broken_server(tmp_path / "s", [True] * 4)
    with connect(url=f"unix://{tmp_path / 's'}") as client, pytest.raises(ServiceUnreachable):
        client.get("/x")
    thread.join(5)
    assert not thread.is_alive()


def test_a_request_outlives_the_death_of_a_service_socket_by_socket(
    service: Any, socket_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "dying"
    listener = listen_unix(path)

    def die() -> None:
        with listener:
            kept, _ = listener.accept()
            with kept:
                select.select([kept], [], [])
            # Closed with the request unread; whoever comes now is taken by nobody, until the listener closes too.
            select.select([listener], [], [])
            path.unlink()
            path.symlink_to(socket_path)

    thread = threading.Thread(target=die)
    thread.start()
    service.on("POST", "/x", lambda handler: (200, {"told": True}))
    with connect(url=f"unix://{path}") as client:
        assert client.post("/x", {"a": 1}) == {"told": True}
    thread.join()
    assert len(service.seen) == 1


def test_no_service_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ServiceUnreachable, match="No tuinova service answers at"):
        connect(url=f"unix://{tmp_path / 'none'}")


def test_nothing_is_started_when_not_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TUINOVA_URL", raising=False)
    monkeypatch.setenv("TUINOVA_STATE_DIR", str(tmp_path / "state"))
    with pytest.raises(ServiceUnreachable, match="'tuinova serve' starts one"):
        connect(start=False)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("url", ["ftp://x", "nonsense", "unix://"])
def test_a_wrong_url_is_a_sentence(url: str) -> None:
    with pytest.raises(ServiceUnreachable, match="Not a usable URL"):
        connect(url=url)


def test_the_environment_names_the_service(service: Any, socket_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUINOVA_URL", f"unix://{socket_path}")
    service.on("GET", "/x", (200, {"here": True}))
    with connect() as client:
        assert client.get("/x") == {"here": True}


def test_a_path_longer_than_the_kernels_limit_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    with listen_unix(deep / "api.sock") as listener, connect_unix(deep / "api.sock") as near:
        far, _ = listener.accept()
        near.sendall(b"x")
        assert far.recv(1) == b"x"
        far.close()
    assert (deep / "api.sock").stat().st_mode & 0o777 == 0o600


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / "s"))
    stale.close()
    with listen_unix(tmp_path / "s"), connect_unix(tmp_path / "s"):
        pass


def test_upload_streams_a_file_with_its_length_and_reports(service: Any, client: Client) -> None:
    got: list[bytes] = []
    service.on("PUT", "/image/v2/images/i/file", lambda handler: (got.append(handler.body()), (204, None))[1])
    steps: list[tuple[int, int | None]] = []
    data = b"0123456789" * 250_000
    client.images.upload("i", io.BytesIO(data), lambda done, total: steps.append((done, total)))
    assert got == [data]
    assert service.seen[0][2]["Content-Length"] == str(len(data))
    assert steps[-1] == (len(data), len(data))
    assert len(steps) > 1


def test_upload_of_a_pipe_goes_in_chunks(service: Any, client: Client) -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.parts = [b"abc", b"defg", b""]

        def read(self, size: int = -1) -> bytes:
            return self.parts.pop(0)

        def seek(self, *args: int) -> int:
            raise OSError("a pipe")

        tell = seek  # type: ignore[assignment]

    got: list[bytes] = []
    service.on("PUT", "/image/v2/images/i/file", lambda handler: (got.append(handler.body()), (204, None))[1])
    client.images.upload("i", Pipe())  # type: ignore[arg-type]
    assert got == [b"abcdefg"]


def test_download_writes_the_data(service: Any, client: Client) -> None:
    service.on("GET", "/image/v2/images/i/file", (200, b"octets" * 1000))
    out = io.BytesIO()
    assert client.images.download("i", out) == 6000
    assert out.getvalue() == b"octets" * 1000


@pytest.mark.parametrize(
    "url", ["https://[bad", "http://host:port", "http://host:99999", "http://", "/api.sock", "unix:"]
)
def test_a_url_that_is_none_is_named(url: str) -> None:
    with pytest.raises(ServiceUnreachable, match="Not a usable URL: "):
        connect(url=url)


def test_the_import_brings_nothing_that_takes_long() -> None:
    slow = ("dataclasses", "inspect", "asyncio", "logging", "subprocess", "uuid", "rich", "typer", "sqlmodel")
    code = f"import sys, tuinova.client; print([name for name in {slow} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
