"""The service process: ready, one for each state directory, killed, stopped, restarted under a stream."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from typing import Any

import pytest

from tuinova.client import ServiceUnreachable, StreamEnded, connect
from tuinova.client.waiters import wait_for_status


def test_it_says_ready_and_answers(place: Any) -> None:
    process = place.ready()
    assert place.socket.stat().st_mode & 0o777 == 0o600
    with connect(url=place.url) as client:
        info = client.info()
    assert (info["pid"], info["driver"]) == (process.pid, "fake")
    database = place.directory / "tuinova.sqlite"
    assert database.stat().st_mode & 0o077 == 0


def test_a_stop_ends_streams_and_the_process(place: Any) -> None:
    process = place.ready()
    with connect(url=place.url) as client:
        client.get("/v2.1/servers")  # a kept connection must not hold the service up
        stream = client.changes()
        process.send_signal(signal.SIGTERM)
        with pytest.raises(StreamEnded) as caught:
            list(stream)
        assert caught.value.stopping
        assert process.wait(20) == 0
    assert not place.socket.exists()
    place.ready("--log-level", "warning")


def test_a_second_service_is_refused_with_a_sentence(place: Any) -> None:
    first = place.ready()
    second = place.serve()
    out, err = second.communicate(timeout=60)
    assert (second.returncode, out) == (1, "")
    assert f"Another tuinova service (pid {first.pid}) has the state directory {place.directory}" in err
    with connect(url=place.url) as client:
        assert client.info()["pid"] == first.pid


def test_six_services_at_once_leave_one(place: Any) -> None:
    started = [place.serve() for _ in range(6)]
    place.wait_until(lambda: sum(process.poll() is None for process in started) == 1)
    refused = [process for process in started if process.poll() is not None]
    assert {process.returncode for process in refused} == {1}
    [left] = [process for process in started if process.poll() is None]
    assert left.stdout.readline() == "ready\n"


def test_a_new_one_waits_for_one_that_is_stopping(place: Any) -> None:
    first = place.ready()
    first.send_signal(signal.SIGTERM)
    place.wait_until(lambda: not place.socket.exists())
    second = place.ready()
    assert first.wait(20) == 0
    with connect(url=place.url) as client:
        assert client.info()["pid"] == second.pid


def test_servers_outlive_a_kill(place: Any) -> None:
    first = place.ready()
    with connect(url=place.url) as client:
        import io

        image = client.images.create({"name": "i", "disk_format": "raw", "container_format": "bare"})
        client.images.upload(image["id"], io.BytesIO(bytes(1 << 16)))
        server = client.servers.create({"name": "v", "imageRef": image["id"], "flavorRef": "84", "networks": "auto"})
        wait_for_status(client, server["id"], "active", timeout=60)
        half = client.images.create({"name": "half", "disk_format": "raw", "container_format": "bare"})["id"]
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(place.socket))
    sock.sendall(
        f"PUT /image/v2/images/{half}/file HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
        "Content-Length: 1000\r\n\r\nabc".encode()
    )
    with connect(url=place.url) as client:
        place.wait_until(lambda: client.images.get(half)["status"] == "saving")
    first.kill()
    first.wait()
    sock.close()
    assert place.socket.exists()  # the stale file of a killed service
    place.ready()
    with connect(url=place.url) as client:
        assert client.servers.get(server["id"])["status"] == "ACTIVE"
        assert client.images.get(half)["status"] == "queued"
        assert sorted(path.name for path in (place.directory / "images").iterdir()) == [image["id"]]


def test_the_feed_goes_on_over_a_restart_without_a_hole(place: Any) -> None:
    first = place.ready()
    with connect(url=place.url) as client:
        stream = client.changes()
        client.flavors.create({"name": "a", "id": "a", "ram": 64, "vcpus": 1, "disk": 0})
        seen = {change["key"] for change in next(stream)}
        first.kill()
        with pytest.raises(StreamEnded):
            list(stream)
        first.wait()
        place.ready()
        client.flavors.create({"name": "b", "id": "b", "ram": 64, "vcpus": 1, "disk": 0})
        after = client.changes(stream.last_id)
        while "b" not in seen:
            seen |= {change["key"] for change in next(after) if change["kind"] == "flavor"}
        after.close()
    assert {"a", "b"} <= seen


def test_a_wait_goes_on_over_a_restart(place: Any) -> None:
    first = place.ready()
    with connect(url=place.url) as client:
        import io

        image = client.images.create({"name": "i", "disk_format": "raw", "container_format": "bare"})
        client.images.upload(image["id"], io.BytesIO(bytes(1 << 16)))
        server = client.servers.create({"name": "v", "imageRef": image["id"], "flavorRef": "84", "networks": "auto"})
        wait_for_status(client, server["id"], "active", timeout=60)
        result: list[str] = []
        waiter = threading.Thread(
            target=lambda: result.append(wait_for_status(client, server["id"], "shutoff", timeout=60)["status"])
        )
        waiter.start()
        place.wait_until(lambda: bool(_followers(place)))
        first.send_signal(signal.SIGTERM)
        first.wait()
        place.ready()
        client.servers.action(server["id"], "os-stop")
        waiter.join(60)
    assert result == ["SHUTOFF"]


def _followers(place: Any) -> int:
    """Connections to the service's socket beside our own."""
    lines = subprocess.run(["cat", "/proc/net/unix"], capture_output=True, text=True, check=True).stdout
    return sum(line.endswith(str(place.socket)) for line in lines.splitlines()) - 1


def test_a_stop_does_not_wait_for_a_client_that_says_nothing(place: Any) -> None:
    process = place.ready()
    with (
        connect(url=place.url) as client,
        socket.socket(socket.AF_UNIX) as silent,
        socket.socket(socket.AF_UNIX) as half,
    ):
        image = client.images.create({"name": "i", "disk_format": "raw", "container_format": "bare"})["id"]
        silent.connect(str(place.socket))
        silent.sendall(
            f"PUT /image/v2/images/{image}/file HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
            "Content-Length: 1000\r\n\r\nabc".encode()
        )
        half.connect(str(place.socket))
        half.sendall(b"POST /v2.1/servers HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
        place.wait_until(lambda: client.images.get(image)["status"] == "saving")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert "Traceback" not in process.communicate()[1]
    place.ready()
    with connect(url=place.url) as client:
        assert client.images.get(image)["status"] == "queued"


def test_systemd_is_told(place: Any, tmp_path: Any) -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(tmp_path / "n"))
    listener.settimeout(60)
    place.environment["NOTIFY_SOCKET"] = str(tmp_path / "n")
    process = place.ready()
    assert listener.recv(100) == b"READY=1"
    process.send_signal(signal.SIGTERM)
    assert listener.recv(100) == b"STOPPING=1"
    process.wait(20)
    listener.close()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("[scheduler]\nmax_atempts = 3\n", "did you mean max_attempts?"),
        ('[filter_scheduler]\nenabled_filters = ["ComputFilter"]\n', "Did you mean ComputeFilter?"),
        ("nonsense = [\n", "tuinova.toml"),
        ('[database]\nconnection = "sqlite:////proc/none/x"\n', "The database is not available"),
    ],
)
def test_a_start_that_fails_says_why(place: Any, config: str, words: str) -> None:
    place.directory.mkdir()
    (place.directory / "tuinova.toml").write_text(config)
    process = place.serve()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert words in err
    assert "Traceback" not in err


def test_an_unknown_option_is_a_usage_error(place: Any) -> None:
    process = place.serve("--nonsense")
    assert "unrecognized arguments: --nonsense" in process.communicate(timeout=60)[1]
    assert process.returncode == 2


def test_no_service_is_told_as_such(place: Any) -> None:
    process = place.ready()
    with connect(url=place.url) as client:
        client.info()
        process.kill()
        process.wait()
        with pytest.raises(ServiceUnreachable, match="No tuinova service listens on"):
            client.info()


def test_an_interrupted_service_stops_in_order(place: Any) -> None:
    process = place.ready()
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(20) == 0
    assert "stopped" in process.communicate()[1]
