"""Servers through their life in process: create to ACTIVE, stop, start, delete, one by one and twenty at once.

The engine is whole (policy, guards, quota, scheduler, conductor, bus, host) on the fake driver and a durable SQLite
file; what the REST face adds is not in it. A wait is on the change feed, as clients do.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuinova.core.compute_api import CreateRequest
from tuinova.core.conductor import Conductor
from tuinova.core.context import RequestContext, new_request_id
from tuinova.core.drafts import QuotaLimits, new_uuid
from tuinova.core.engine_options import EngineOptions
from tuinova.core.image_store import ImageStore
from tuinova.core.records import Image
from tuinova.core.service import Engine
from tuinova.virt.fake import FakeDriver, FakeOptions

ONE_BY_ONE, AT_ONCE = 100, 300
CLIENTS = 20


class Bench:
    """An engine in a temporary directory and a follower of its change feed."""

    def __init__(self, directory: Path) -> None:
        unlimited = QuotaLimits(instances=-1, cores=-1, ram=-1)
        self.conductor = Conductor(f"sqlite:///{directory}/bench.sqlite", quota_defaults=unlimited)
        driver = FakeDriver(host="bench", path=directory / "fake", options=FakeOptions(boot_seconds=0))
        self.engine = Engine(self.conductor, [driver], ImageStore(directory / "images"), EngineOptions(quota=unlimited))
        self.engine.start()
        self.engine.join_start()
        self.ctx = self.conductor.resolve_identity("admin", "admin")
        image = Image(
            id=new_uuid(),
            name="bench",
            status="active",
            owner=self.ctx.project_id,
            disk_format="qcow2",
            container_format="bare",
            visibility="public",
            size=1 << 20,
        )
        self.image = self.conductor.create_image(image).id
        self._waiting: dict[str, tuple[Callable[[Any], bool], threading.Event]] = {}
        self._since = self.conductor.last_change()
        self._woken = threading.Event()
        self._stop = False
        self.conductor.on_commit(lambda _last: self._woken.set())
        self._follower = threading.Thread(target=self._follow, daemon=True)
        self._follower.start()

    def close(self) -> None:
        """Stop the engine."""
        self._stop = True
        self._woken.set()
        self._follower.join()
        self.engine.stop()

    def context(self) -> RequestContext:
        """A new request."""
        return replace(self.ctx, request_id=new_request_id())

    def _follow(self) -> None:
        while not self._stop:
            self._woken.wait()
            self._woken.clear()
            for change in self.conductor.changes(self._since):
                self._since = change.id
                waiting = self._waiting.get(change.key)
                if waiting is not None and waiting[0](change):
                    waiting[1].set()

    def _until(self, uuid: str, done: Callable[[Any], bool]) -> threading.Event:
        event = threading.Event()
        self._waiting[uuid] = (done, event)
        return event

    def create(self) -> str:
        """One server, until it is ACTIVE."""
        request = CreateRequest(name="bench", flavor_ref="84", image_ref=self.image)
        instance = self.engine.compute_api.create(self.context(), request)[0]
        event = self._until(instance.uuid, lambda change: '"status":"ACTIVE"' in (change.view_text or ""))
        if self.conductor.instance(instance.uuid).vm_state != "active":
            assert event.wait(30)
        del self._waiting[instance.uuid]
        return instance.uuid

    def act(self, uuid: str, name: str) -> None:
        """One action, until its task is over or the server is gone."""
        gone = name == "delete"

        def done(change: Any) -> bool:
            if gone:
                return bool(change.op == "delete")
            return '"task_state":null' in (change.view_text or "")

        event = self._until(uuid, done)
        self.engine.compute_api.act(self.context(), uuid, name)
        assert event.wait(30)
        del self._waiting[uuid]


def _rate(calls: Iterable[Callable[[], Any]], clients: int) -> tuple[float, list[Any]]:
    work = list(calls)
    with ThreadPoolExecutor(clients) as pool:
        begun = time.perf_counter()
        results = list(pool.map(lambda call: call(), work))
        return len(work) / (time.perf_counter() - begun), results


def measure() -> list[dict[str, Any]]:
    """Rates a second, best of what one machine gives at that moment."""
    directory = Path(tempfile.mkdtemp(prefix="tuinova-bench-"))
    bench = Bench(directory)
    rows: list[dict[str, Any]] = []
    try:
        bench.act(bench.create(), "delete")  # numpy is loaded, statements are compiled
        for clients, count, create, action, delete in (
            (1, ONE_BY_ONE, 100, 150, 100),
            (CLIENTS, AT_ONCE, 200, 300, None),
        ):
            how = "one by one" if clients == 1 else f"{clients} at once"
            rate, uuids = _rate([bench.create] * count, clients)
            rows.append(_row(f"create to ACTIVE, {how}", rate, create, "Nova 34: 4.1/s" if clients == 1 else "3.1/s"))
            for name in ("stop", "start"):
                rate, _ = _rate([lambda uuid=uuid, name=name: bench.act(uuid, name) for uuid in uuids], clients)  # type: ignore[misc]
                rows.append(_row(f"{name}, {how}", rate, action, "Nova 34: 25 to 28/s"))
            rate, _ = _rate([lambda uuid=uuid: bench.act(uuid, "delete") for uuid in uuids], clients)  # type: ignore[misc]
            rows.append(_row(f"delete, {how}", rate, delete, "Nova 34: 9.8/s"))
    finally:
        bench.close()
        shutil.rmtree(directory, ignore_errors=True)
    return rows


def _row(name: str, rate: float, budget: int | None, peer: str) -> dict[str, Any]:
    return {
        "name": f"engine in process: {name}",
        "value": round(rate, 1),
        "unit": "/s",
        "budget": budget,
        "higher_is_better": True,
        "peer": peer,
    }
