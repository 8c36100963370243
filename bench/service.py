"""The service as a process: its start, what its lists cost, what it carries out through REST on the Unix socket.

Fake driver, SQLite with full durability, one process for the service and one for the clients, sharing the machine.
"""

from __future__ import annotations

import io
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tuinova.client import Client, connect
from tuinova.client.waiters import wait_for_delete, wait_for_status

Row = dict[str, Any]
NOVA = "Nova with its fake driver in one process"
SERVERS = 1000
ONE_BY_ONE = 60
AT_ONCE, EACH = 20, 6


def measure() -> list[Row]:
    """All rows."""
    with tempfile.TemporaryDirectory(prefix="tuinova-bench-") as directory:
        base = Path(directory)
        rows = [*_starts(base / "starts"), _client_import()]
        with _service(base / "service") as (pid, client):
            image = _image(client)
            rows += _rates(client, image)
            rows += _lists(client, image, pid)
    return rows


# start and stop ------------------------------------------------------------------------------------------------------
def _environment(directory: Path) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("TUINOVA_", "OS_"))}
    fixed = {"MALLOC_ARENA_MAX": "2"}  # as the client and the systemd unit start it
    return {**own, **fixed, "TUINOVA_STATE_DIR": str(directory), "TUINOVA_TUINOVA_FAKE_BOOT_SECONDS": "0"}


def _start(directory: Path) -> subprocess.Popen[str]:
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tuinova.core.serve", "--driver", "fake", "--log-level", "warning"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=_environment(directory),
            text=True,
        )
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        raise RuntimeError((directory / "log").read_text())
    return process


def _stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)


def _seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    result = call()
    return time.perf_counter() - begun, result


def _starts(base: Path) -> Iterator[Row]:
    cold, warm, stop = [], [], []
    _stop(_start(base / "first"))  # modules are compiled, files are in memory
    for number in range(5):
        directory = base / str(number)
        took, process = _seconds(lambda: _start(directory))  # noqa: B023 - called at once
        cold.append(took)
        stop.append(_seconds(lambda: _stop(process))[0])  # noqa: B023
        took, process = _seconds(lambda: _start(directory))  # noqa: B023
        warm.append(took)
        _stop(process)
    yield _row("service: process start to ready, database made", statistics.median(cold), "s", 1.0, f"2.8 s ({NOVA})")
    yield _row("service: process start to ready, database there", statistics.median(warm), "s", 1.0)
    yield _row("service: told to stop until gone", statistics.median(stop), "s", 2.0)


def _client_import() -> Row:
    code = "import time; begun = time.perf_counter(); import tuinova.client; print(time.perf_counter() - begun)"
    bare = "import time; begun = time.perf_counter(); import http.client, json; print(time.perf_counter() - begun)"

    def run(text: str) -> float:
        results = [
            float(subprocess.run([sys.executable, "-c", text], capture_output=True, check=True).stdout)
            for _ in range(11)
        ]
        return 1000 * statistics.median(results)

    return _row("client: import", run(code), "ms", 30, f"{run(bare):.0f} ms for http.client and json alone")


def _row(name: str, value: float, unit: str, budget: float | None = None, peer: str = "", **more: Any) -> Row:
    return {"name": name, "value": value, "unit": unit, "budget": budget, "peer": peer, **more}


# requests ------------------------------------------------------------------------------------------------------------
@contextmanager
def _service(directory: Path) -> Iterator[tuple[int, Client]]:
    process = _start(directory)
    try:
        with connect(url=f"unix://{directory}/run/api.sock") as client:
            yield process.pid, client
    finally:
        _stop(process)


def _image(client: Client) -> str:
    image = client.images.create({"name": "bench", "disk_format": "raw", "container_format": "bare"})
    client.images.upload(image["id"], io.BytesIO(bytes(1 << 16)))
    return str(image["id"])


def _body(image: str, name: str, count: int = 1) -> dict[str, Any]:
    return {"name": name, "imageRef": image, "flavorRef": "42", "networks": "auto", "min_count": count}


class _Done:
    """Follows the feed on behalf of many waiters: one stream, one dictionary."""

    def __init__(self, client: Client) -> None:
        self._stream = client.changes()
        self._seen: dict[str, dict[str, Any] | None] = {}
        self._news = threading.Condition()
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        for batch in self._stream:
            with self._news:
                self._seen.update({change["key"]: change["view"] for change in batch if change["kind"] == "server"})
                self._news.notify_all()

    def wait(self, ident: str, status: str | None) -> None:
        """Until the server has the status without a task; None: until it is gone."""

        def there() -> bool:
            if ident not in self._seen:
                return False
            view = self._seen[ident]
            if view is None or status is None:
                return view is None and status is None
            return view["status"] == status and view["task_state"] is None

        with self._news:
            if not self._news.wait_for(there, 60):
                raise RuntimeError(f"server {ident} is {self._seen.get(ident)}, not {status}")

    def close(self) -> None:
        self._stream.close()


def _rates(client: Client, image: str) -> list[Row]:
    done = _Done(client)
    idents: list[str] = []

    def create(number: int) -> None:
        ident = client.servers.create(_body(image, f"b{number}"))["id"]
        done.wait(ident, "ACTIVE")
        idents.append(ident)

    def act(key: str, status: str) -> Callable[[int], None]:
        def one(number: int) -> None:
            client.servers.action(idents[number], key)
            done.wait(idents[number], status)

        return one

    def delete(number: int) -> None:
        client.servers.delete(idents[number])
        done.wait(idents[number], None)

    steps: list[tuple[str, Callable[[int], None], tuple[float, float], str]] = [
        ("create to ACTIVE", create, (100, 200), "Nova 4.1/s, 3.1/s"),
        ("stop", act("os-stop", "SHUTOFF"), (150, 300), "Nova 27/s, 28/s"),
        ("start", act("os-start", "ACTIVE"), (150, 300), "Nova 25/s, 25/s"),
        ("delete", delete, (100, 0), "Nova 9.8/s"),
    ]
    for number in range(20):  # warm: imports, compiled statements, the table of hosts
        create(number)
    idents.clear()
    rows = []
    many = AT_ONCE * EACH
    for name, step, (alone, together), peer in steps:
        rows.append(_rate(f"{name}, one by one", _one_by_one(step, ONE_BY_ONE), alone, peer))
        if name == "create to ACTIVE":
            rows.append(_rate(f"{name}, {AT_ONCE} at once", _at_once(step, many), together, peer))
        elif together:
            first = ONE_BY_ONE
            shifted = _shifted(step, first)
            rows.append(_rate(f"{name}, {AT_ONCE} at once", _at_once(shifted, many), together, peer))
    done.close()
    return rows


def _shifted(step: Callable[[int], None], first: int) -> Callable[[int], None]:
    return lambda number: step(first + number)


def _rate(name: str, per_second: float, budget: float, peer: str) -> Row:
    return _row(name, per_second, "/s", budget or None, peer, higher_is_better=True)


def _one_by_one(step: Callable[[int], None], count: int) -> float:
    begun = time.perf_counter()
    for number in range(count):
        step(number)
    return count / (time.perf_counter() - begun)


def _at_once(step: Callable[[int], None], count: int) -> float:
    numbers = iter(range(count))
    lock = threading.Lock()

    def run() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            step(number)

    threads = [threading.Thread(target=run) for _ in range(AT_ONCE)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return count / (time.perf_counter() - begun)


def _lists(client: Client, image: str, pid: int) -> list[Row]:
    have = len(client.servers.rows())
    last = ""
    while have < SERVERS:
        count = min(100, SERVERS - have)
        last = client.servers.create(_body(image, "many", count))["id"]
        have += count
    wait_for_status(client, last, "active", timeout=120)
    while any(row["status"] == "BUILD" for row in client.servers.rows()):
        time.sleep(0.2)
    first, answer = _seconds(lambda: client.request("GET", "/v2.1/servers/detail"))
    kept = statistics.median(_seconds(lambda: client.request("GET", "/v2.1/servers/detail"))[0] for _ in range(21))
    row_list = statistics.median(_seconds(lambda: client.request("GET", "/tuinova/v1/servers"))[0] for _ in range(21))
    size = len(answer.data) / 1e6
    rows = [
        _row(f"list of {SERVERS} with details, first", first * 1000, "ms"),
        _row(f"list of {SERVERS} with details", kept * 1000, "ms", 20, f"Nova 2,150 ms; {size:.1f} MB"),
        _row(f"list of {SERVERS} as rows", row_list * 1000, "ms", 20),
        _row(f"memory of the service with {SERVERS} servers", _resident(pid), "MB", 150, "Nova 255 MB"),
    ]
    client.servers.delete(last)
    wait_for_delete(client, last, timeout=60)
    return rows


def _resident(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no memory of process {pid}")
