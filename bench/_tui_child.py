"""What `bench.tui` starts on a terminal of its own: bare Textual, a DataTable, or our screens over a service in memory.

The double parses its rows from JSON, as the client does; only the socket is missing.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def view(number: int, task: str | None = None) -> dict[str, Any]:
    """A row view."""
    return {
        "id": f"00000000-0000-4000-8000-{number:012d}",
        "name": f"srv-{number:05d}",
        "status": "ACTIVE" if number % 3 else "SHUTOFF",
        "vm_state": "active" if number % 3 else "stopped",
        "task_state": task,
        "power_state": 1 if number % 3 else 4,
        "image": {"id": "img", "name": "tuinova-demo"},
        "flavor": {"id": "84", "name": "m1.micro", "vcpus": 1, "ram": 128, "disk": 0, "ephemeral": 0, "swap": 0},
        "addresses": [f"10.{number // 65536}.{number // 256 % 256}.{number % 256}"],
        "networks": {"default": [f"10.0.{number // 256 % 256}.{number % 256}"]},
        "key_name": "operator",
        "az": "nova",
        "host": f"kvm-host-{number % 7}",
        "created": f"2026-01-01T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z",
        "updated": "2026-01-02T00:00:00Z",
        "launched": "2026-01-01T00:00:00Z",
        "project_id": "p",
        "user_id": "u",
        "locked": False,
        "locked_by": None,
        "locked_reason": None,
        "instance_name": f"instance-{number:08x}",
        "description": None,
        "metadata": {},
        "fault": None,
        "progress": 0,
    }


class Stream:
    """A feed of `rate` changes a second, a batch every 10 ms."""

    def __init__(self, count: int, rate: int) -> None:
        self.count, self.rate = count, rate
        self.closed = threading.Event()

    def close(self) -> None:
        """End."""
        self.closed.set()

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        number, step = 0, max(1, self.rate // 100)
        started = time.perf_counter()
        while self.rate and not self.closed.is_set():
            batch = []
            for _one in range(step):
                number += 1
                row = view(self.count - 1 - number % min(self.count, 60), None if number % 2 else "powering-off")
                batch.append({"id": number, "kind": "server", "op": "update", "key": row["id"], "view": row})
            yield batch
            time.sleep(max(0.0, started + number / self.rate - time.perf_counter()))
        self.closed.wait()


class Client:
    """Enough of the client."""

    def __init__(self, count: int, rate: int) -> None:
        self.servers = self
        self.count, self.rate = count, rate
        self.text = json.dumps([view(number) for number in range(count)])

    def info(self) -> dict[str, Any]:
        """The connection."""
        user, project = {"id": "u", "name": "admin"}, {"id": "p", "name": "admin"}
        return {"driver": "fake", "user": user, "project": project, "roles": ["admin"]}

    def rows_and_change(self, all_projects: bool = False) -> tuple[list[dict[str, Any]], int]:
        """All rows, and the moment at which their data had come."""
        if stamp := os.environ.get("BENCH_STAMP"):
            Path(stamp).write_text(str(time.monotonic()))
        return json.loads(self.text), 1

    def changes(self, _since: int) -> Stream:
        """The feed."""
        return Stream(self.count, self.rate)


def bare() -> None:
    """Textual and one line of text."""
    from textual.app import App
    from textual.widgets import Static

    class Bare(App[None]):
        def compose(self) -> Any:
            yield Static("first-frame")

    Bare().run()


def data_table(count: int) -> None:
    """Textual's own table with the same columns."""
    from textual.app import App
    from textual.widgets import DataTable

    class Peer(App[None]):
        def compose(self) -> Any:
            yield DataTable(cursor_type="row")

        def on_mount(self) -> None:
            table = self.query_one(DataTable)
            table.add_columns("Name", "Status", "Task", "Power", "IP", "Age", "Flavor", "Image", "Zone")
            for number in range(count - 1, -1, -1):
                row = view(number)
                cells = (row["name"], row["status"], "None", "Running", row["addresses"][0], "5d", "m1.micro", "demo")
                table.add_row(*cells, "nova")
            table.focus()

    Peer().run()


def ours(count: int, rate: int) -> None:
    """The product."""
    made = Client(count, rate) if count else None
    from tuinova.screens.app import run

    def factory(**_acting: Any) -> Any:
        if made is None:
            raise OSError("no service")
        return made

    run(factory)


if __name__ == "__main__":
    what, *numbers = sys.argv[1:]
    if what == "bare":
        bare()
    elif what == "datatable":
        data_table(int(numbers[0]))
    else:
        ours(int(numbers[0]), int(numbers[1]))
