"""An engine on a state directory, whole: real SQLite with full durability, fake hosts whose guests outlive it."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.dialects import plugins

from tests.faults.steps import Watch, barrier
from tuinova.core.compute_api import CreateRequest
from tuinova.core.compute_manager import Duties
from tuinova.core.conductor import Conductor
from tuinova.core.context import RequestContext, new_request_id
from tuinova.core.engine_options import EngineOptions
from tuinova.core.image_store import ImageStore
from tuinova.core.records import Image, Instance, InstanceAction
from tuinova.core.service import Engine
from tuinova.core.volume_api.create import VolumeRequest
from tuinova.virt.fake import FakeDriver, FakeOptions
from tuinova.virt.fake.volumes import FakeVolumeDriver

HOSTS = ("cmp1", "cmp2")
IMAGE = "demo"
# By this its engines share the statements that they compiled (`warm.py`).
_PLUGIN = "tests_faults_statements"
plugins.register(_PLUGIN, "tests.faults.warm", "SharedStatements")
# What the shortest wait for a duty is made of: orders that were left lying are looked for every minute.
A_MINUTE, HALF_AN_HOUR = 61.0, 1801.0
_SETTLE_SECONDS = 20.0


class Stuck(AssertionError):
    """Work that does not end."""


@dataclass
class House:
    """The engine of a directory, with a clock that is moved by hand."""

    directory: Path
    host_names: tuple[str, ...]
    seconds: float = 0.0
    options: EngineOptions = field(default_factory=EngineOptions)
    fake: dict[str, Any] = field(default_factory=dict)
    engine: Engine = field(init=False)
    # What a row's request comes into waits for this (`middles.py`).
    goes_on: threading.Event = field(default_factory=threading.Event)
    drivers: dict[str, FakeDriver] = field(init=False)
    volumes: FakeVolumeDriver = field(init=False)

    def open(self, watch: Watch | None = None) -> House:
        """Start the engine as the service does; returns when what goes on behind the start is over too."""
        fake = FakeOptions(**{"boot_seconds": 0, "watch_seconds": 3600, **self.fake})
        self.drivers = {
            name: FakeDriver(host=name, path=self.directory / "fake", options=fake) for name in self.host_names
        }
        self.volumes = FakeVolumeDriver(self.directory / "volumes")
        conductor = Conductor(f"sqlite:///{self.directory}/tuinova.sqlite?plugin={_PLUGIN}", clock=self.now)
        if watch is not None:
            watch.follow(conductor, self.drivers, self.volumes)
        self.engine = Engine(
            conductor,
            list(self.drivers.values()),
            ImageStore(self.directory / "images"),
            self.options,
            now=self.now,
            duties=Duties(clock=lambda: self.seconds, threaded=False),
            volume_driver=self.volumes,
        )
        self.engine.start()
        self.engine.join_start()
        return self

    def close(self) -> None:
        """Stop as the service does at SIGTERM."""
        self.engine.stop()

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.seconds)

    def settle(self) -> None:
        """Wait until no work is open; raises Stuck.

        The writer rings for an order after whoever wrote it has gone on; behind a second write it has rung for all.
        """
        while self.engine.bus.wait_idle(_SETTLE_SECONDS):
            self.conductor._write(barrier)
            self.conductor._write(barrier)
            if not self.engine.bus.open_jobs():
                return
        raise Stuck(f"work is still open after {_SETTLE_SECONDS:.0f} s")

    def pass_time(self, seconds: float) -> None:
        """Move the clock and let happen what is due."""
        self.seconds += seconds
        self.engine.duties.run_due()
        self.settle()

    # words -----------------------------------------------------------------------------------------------------------
    @property
    def conductor(self) -> Conductor:
        return self.engine.conductor

    def ctx(self) -> RequestContext:
        """An admin's request."""
        return replace(self.conductor.resolve_identity("admin", "admin"), request_id=new_request_id())

    def add_image(self) -> None:
        """The image that servers are made from, with data."""
        self.conductor.create_image(
            Image(
                id=IMAGE,
                name="tuinova-demo",
                status="active",
                owner=self.ctx().project_id,
                disk_format="raw",
                container_format="bare",
                visibility="public",
                size=1 << 16,
                properties={"hw_qemu_guest_agent": "yes"},
            )
        )
        (self.directory / "images" / IMAGE).write_bytes(bytes(1 << 16))

    def ask_create(self, **fields: Any) -> list[Instance]:
        """Ask for servers and do not wait for them."""
        values = {"name": "vm", "flavor_ref": "1", "image_ref": IMAGE, "host": None, **fields}
        return self.engine.compute_api.create(self.ctx(), CreateRequest(**values))

    def create(self, **fields: Any) -> Instance:
        """A server that is there."""
        made = self.ask_create(**fields)
        self.settle()
        return self.server(made[0].uuid)

    def volume(self, **fields: Any) -> str:
        """The id of a volume that is there."""
        made = self.engine.volume_api.create(self.ctx(), VolumeRequest(**{"size": 1, **fields}))
        self.settle()
        assert self.conductor.volume(made.id).status == "available"
        return made.id

    def ask(self, uuid: str, name: str, body: Any = None) -> Instance:
        """Ask for an action and do not wait for it."""
        return self.engine.compute_api.act(self.ctx(), uuid, name, body).instance

    def act(self, uuid: str, name: str, body: Any = None) -> Instance:
        """An action that is over."""
        self.ask(uuid, name, body)
        self.settle()
        return self.server(uuid)

    def server(self, uuid: str) -> Instance:
        """One server, deleted or not."""
        return self.conductor.instance(uuid, with_deleted=True)

    def servers(self) -> list[Instance]:
        """All servers, deleted ones too, oldest first."""
        with contextlib.closing(sqlite3.connect(self.directory / "tuinova.sqlite")) as connection:
            uuids = [row[0] for row in connection.execute("SELECT uuid FROM instance ORDER BY id")]
        return [self.server(uuid) for uuid in uuids]

    def log(self, uuid: str) -> list[InstanceAction]:
        """The action log with events, newest first."""
        return [self.conductor.action(uuid, one.request_id) for one in self.conductor.actions(uuid)]

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something that happens in another thread; raises Stuck."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise Stuck(f"never came: {what}")
            time.sleep(0.005)
