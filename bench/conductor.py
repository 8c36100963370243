"""The conductor alone: accepted requests, steps, claims and whole lives a second, every commit durable."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

SECONDS = 1.5
AT_ONCE = 20


def measure() -> list[dict[str, Any]]:
    """Rates of the conductor on SQLite in a temporary directory, beside bare durable commits of the same disk."""
    with tempfile.TemporaryDirectory(prefix="tuinova-bench-") as directory:
        commits = _bare_commits(Path(directory) / "bare.sqlite")
        return _conductor(Path(directory) / "tuinova.sqlite", f"{commits:.0f}/s bare durable commits of this disk")


def _bare_commits(path: Path) -> float:
    """One-row transactions a second of the sqlite3 module, WAL and synchronous=FULL."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT)")
    end, count = time.perf_counter() + 0.5, 0
    while time.perf_counter() < end:
        connection.execute("INSERT INTO t (x) VALUES ('x')")
        count += 1
    connection.close()
    return count / 0.5


def _conductor(path: Path, peer: str) -> list[dict[str, Any]]:
    from tuinova.core.conductor import Conductor

    start = time.perf_counter()
    conductor = Conductor(f"sqlite:///{path}")
    conductor.open()
    opened = (time.perf_counter() - start) * 1000
    rows = [{"name": "conductor: make and open a database", "value": opened, "unit": "ms", "peer": None}]
    lives = _Lives(conductor)
    for name, what in (("accept", lives.accept), ("step", lives.step), ("create, claim, build, steps", lives.life)):
        for workers in (1, AT_ONCE):
            label = "one by one" if workers == 1 else f"{workers} at once"
            rows.append(
                {
                    "name": f"conductor: {name}, {label}",
                    "value": _rate(what, workers),
                    "unit": "/s",
                    "higher_is_better": True,
                    "peer": peer,
                }
            )
    rows += lives.lists()
    conductor.close()
    return rows


def _rate(what: Callable[[int], None], workers: int) -> float:
    """How often a second the workers together do it."""
    counts = [0] * workers
    start = time.perf_counter()

    def work(number: int) -> None:
        while time.perf_counter() - start < SECONDS:
            what(number)
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - start)


class _Lives:
    """Servers to work on, and the transactions of a create as the engine makes them."""

    def __init__(self, conductor: Any) -> None:
        from tuinova.core.conductor import OrderDraft, QuotaLimits

        self.conductor = conductor
        self.ctx = conductor.resolve_identity("admin", "admin")
        self.flavor = conductor.flavor("84").embedded()
        self.limits = QuotaLimits(-1, -1, -1)
        self.order = OrderDraft("schedule_and_build_instances")
        self.amounts = SimpleNamespace(vcpus=1, memory_mb=128, disk_gb=0, others=())
        self.network = SimpleNamespace(
            name="fake",
            mode="fake",
            cidr="10.0.0.0/12",
            gateway="10.0.0.1",
            first="10.0.0.2",
            last="10.15.255.254",
            mtu=1500,
            reserved=frozenset(),
        )
        node = SimpleNamespace(
            node="node1",
            hypervisor_type="fake",
            hypervisor_version=1,
            host_ip="127.0.0.1",
            vcpus=10**6,
            memory_mb=10**9,
            local_gb=10**6,
            disk_available_least=10**6,
            cpu_info={},
            supported_instances=[],
            foreign=[],
            uptime="",
        )
        conductor.save_node("h1", node)
        self.servers = [self._create().uuid for _ in range(AT_ONCE)]

    def _create(self) -> Any:
        from tuinova.core.conductor import InstanceDraft

        drafts = [InstanceDraft(name="vm", flavor=self.flavor, image_ref="i", image={"name": "demo"})]
        return self.conductor.create_instances(self.ctx, drafts, limits=self.limits, order=self.order)[0]

    def accept(self, number: int) -> None:
        from tuinova.core.conductor import OrderDraft

        self.conductor.accept(
            self.ctx,
            self.servers[number],
            check=lambda row: None,
            updates={"task_state": "powering-off"},
            record="stop",
            order=OrderDraft("stop_instance", "h1"),
        )

    def step(self, number: int) -> None:
        self.conductor.step(
            self.servers[number],
            updates={"vm_state": "stopped", "task_state": None, "power_state": 4},
            event_finish="compute_stop_instance",
            order_done=1,
        )

    def life(self, number: int) -> None:
        """The seven transactions of a create: accept, claim, networking, ports, two more steps, the end."""
        from tuinova.core.conductor import OrderDraft

        conductor, server = self.conductor, self._create()
        build = OrderDraft("build_instance", "h1")
        conductor.claim(server.uuid, "h1", "node1", self.amounts, order=build, ctx=self.ctx)
        conductor.step(server.uuid, updates={"task_state": "networking"}, event_start="compute__do_build")
        conductor.allocate_ports(server.uuid, [self.network])
        conductor.step(server.uuid, updates={"task_state": "block_device_mapping"})
        conductor.step(server.uuid, updates={"task_state": "spawning"})
        conductor.step(
            server.uuid,
            updates={"vm_state": "active", "task_state": None, "power_state": 1},
            event_finish="compute__do_build",
            order_done=1,
        )

    def lists(self) -> list[dict[str, Any]]:
        """What reading 1,000 servers costs."""
        from tuinova.core.conductor import InstanceFilter

        missing = 1000 - self.conductor.count_instances()
        for _ in range(max(0, missing)):
            self._create()
        page = InstanceFilter(limit=1000)
        found = []
        for name, call in (
            ("records of 1,000 servers", lambda: self.conductor.instances(page)),
            ("uuids and versions of 1,000 servers", lambda: self.conductor.instance_versions(page)),
            ("kept row views, all servers", lambda: "[" + ",".join(self.conductor.rows()[1]) + "]"),
        ):
            call()
            times = []
            for _ in range(7):
                start = time.perf_counter()
                call()
                times.append((time.perf_counter() - start) * 1000)
            found.append({"name": f"conductor: {name}", "value": sorted(times)[3], "unit": "ms", "peer": None})
        return found
