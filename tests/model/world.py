"""The engine under test: fake hypervisors whose calls can be held and made to fail, a clock that the test moves."""

from __future__ import annotations

import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tuinova.api.app import create_app
from tuinova.core.compute_api import ApiOptions
from tuinova.core.compute_manager import ComputeOptions, Duties
from tuinova.core.conductor import Conductor
from tuinova.core.config import load
from tuinova.core.drafts import new_uuid
from tuinova.core.engine_options import EngineOptions
from tuinova.core.errors import BuildAbortException
from tuinova.core.image_store import ImageStore
from tuinova.core.paths import Paths
from tuinova.core.records import Image, Project, User
from tuinova.core.service import Engine
from tuinova.virt.driver import DriverError
from tuinova.virt.fake import FakeDriver, FakeOptions

from .face import Face
from .records import EFFECTS
from .tables import ACTORS

PATIENCE = 20.0
BASE_IMAGE = "tuinova-demo"


@dataclass
class Gate:
    """One call of one server that is held: before the hypervisor does anything, or after it did all of it."""

    method: str
    when: str
    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)
    host: str | None = None  # where the call stands, once it is reached


class Director:
    """Stands before every hypervisor: says which calls wait and which fail, whatever host they are made on."""

    NEW = "new"  # in place of a uuid: the server that is not known yet

    def __init__(self) -> None:
        self.gates: dict[str, Gate] = {}
        self.failures: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
        self._lock = threading.Lock()
        self._next: Gate | None = None

    def watched(self, host: str, uuid: str, method: str, call: Callable[[], Any]) -> Any:
        """One call of a hypervisor, with what was ordered for it."""
        self._stand(host, uuid, method, "before")
        with self._lock:
            known = self.failures.get((uuid, method))
            planned = known if known is not None else self._of_new(uuid, method)
            failure = planned.pop(0) if planned else None
        if failure is not None:
            raise _error(uuid, *failure)
        done = call()
        self._stand(host, uuid, method, "after")
        return done

    def _stand(self, host: str, uuid: str, method: str, when: str) -> None:
        gate = self.gates.get(uuid) or self._taken_by_new(uuid, method)
        if gate is not None and gate.method in ("", method) and gate.when == when and not gate.reached.is_set():
            gate.host = host
            gate.reached.set()
            gate.opened.wait(PATIENCE)

    @staticmethod
    def any_call() -> Gate:
        """A gate for whatever is called first."""
        return Gate("", "before")

    def hold_next(self, when: str) -> Gate:
        """Hold the build that comes first to its hypervisor; of a server whose uuid nobody knows yet."""
        self._next = Gate("spawn", when)
        return self._next

    def _taken_by_new(self, uuid: str, method: str) -> Gate | None:
        with self._lock:
            if self._next is None or method != "spawn":
                return None
            gate, self._next = self._next, None
            self.gates[uuid] = gate
            return gate

    def _of_new(self, uuid: str, method: str) -> list[tuple[str, str]] | None:
        if (self.NEW, method) not in self.failures:
            return None
        self.failures[uuid, method] = self.failures.pop((self.NEW, method))
        return self.failures[uuid, method]

    def plan(self, uuid: str, method: str, text: str, kind: str = "error") -> None:
        """The next such call of the server fails."""
        self.failures[uuid, method].append((text, kind))


class Staged:
    """A driver whose calls about one guest pass the director."""

    def __init__(self, driver: FakeDriver, director: Director) -> None:
        self._driver = driver
        self._director = director

    def __getattr__(self, name: str) -> Any:
        """The driver's own, watched where it changes a guest."""
        found = getattr(self._driver, name)
        if name not in EFFECTS:
            return found

        def call(guest: Any, *args: Any, **more: Any) -> Any:
            uuid = guest if isinstance(guest, str) else guest.uuid
            return self._director.watched(self._driver.host, uuid, name, lambda: found(guest, *args, **more))

        return call


def _error(uuid: str, text: str, kind: str) -> Exception:
    return BuildAbortException(instance_uuid=uuid, reason=text) if kind == "abort" else DriverError(reason=text)


class World:
    """One engine with its face."""

    def __init__(self, base: Path, hosts: tuple[str, ...], *, template: Path | None = None, **options: Any) -> None:
        self.base = base
        self.seconds = 0.0
        self.director = Director()
        base.mkdir(parents=True, exist_ok=True)
        if template is not None:
            shutil.copy(template / "tuinova.sqlite", base / "tuinova.sqlite")
        fake = FakeOptions(boot_seconds=0, watch_seconds=3600, **options.pop("fake", {}))
        self.drivers = {name: FakeDriver(host=name, path=base / "fake", options=fake) for name in hosts}
        staged: list[Any] = [Staged(driver, self.director) for driver in self.drivers.values()]
        places = Paths(base, base / "run", base / "tuinova.toml")
        engine_options = EngineOptions(
            compute=_options(ComputeOptions, shutdown_timeout=1, shutdown_retry_interval=1, **options),
            api=_options(ApiOptions, **options),
        )
        conductor = Conductor(f"sqlite:///{places.database}", clock=self.now)
        self.engine = Engine(
            conductor,
            staged,
            ImageStore(places.images),
            engine_options,
            config=load(places.config_file),
            paths=places,
            now=self.now,
            duties=Duties(clock=lambda: self.seconds, threaded=False),
        )
        self.engine.start()
        self.engine.join_start()
        app = create_app(self.engine)
        self._state = app.state.api
        self.face = Face(app)
        self.settle()

    @property
    def conductor(self) -> Conductor:
        """The engine's records."""
        return self.engine.conductor

    def now(self) -> datetime:
        """The clock of the engine."""
        return datetime.now(UTC) + timedelta(seconds=self.seconds)

    def close(self) -> None:
        """Let everything go that waits, and leave."""
        for gate in self.director.gates.values():
            gate.opened.set()
        self.engine.stop()
        self._state.threads.shutdown(wait=True, cancel_futures=True)
        self.face.close()
        shutil.rmtree(self.base, ignore_errors=True)

    # people and catalogue --------------------------------------------------------------------------------------------
    def sow(self) -> None:
        """Who and what there is besides the seeds."""
        conductor = self.conductor
        conductor.create_project(Project("other" * 6 + "or", "other", "", True, "default"))
        admin = conductor.user("admin")
        for _label, (user, project, role) in ACTORS.items():
            found = {known.name: known for known in conductor.users()}
            if user not in found:
                ident = (user * 32)[:32]
                made = User(**{**_fields(admin), "id": ident, "name": user})
                conductor.create_user(made)
            conductor.assign_role(conductor.user(user).id, conductor.project(project).id, role)
        conductor.create_image(
            Image(
                id=new_uuid(),
                name=BASE_IMAGE,
                status="active",
                owner=conductor.project("admin").id,
                disk_format="qcow2",
                container_format="bare",
                visibility="public",
                size=1 << 20,
            )
        )

    # waiting ---------------------------------------------------------------------------------------------------------
    def hold(self, uuid: str, method: str, when: str) -> Gate:
        """Let the server's next such call wait."""
        gate = self.director.gates[uuid] = Gate(method, when)
        return gate

    def release(self, uuid: str) -> None:
        """Let it go on."""
        self.director.gates.pop(uuid).opened.set()

    def settle(self) -> None:
        """Wait until nothing is under way but what is held."""
        held = {uuid: gate.host for uuid, gate in self.director.gates.items() if gate.reached.is_set()}
        if not held:
            assert self.engine.settle(PATIENCE), f"work is still open: {self.conductor.open_orders()}"
            return
        deadline, quiet = time.monotonic() + PATIENCE, 0
        while quiet < 3:
            assert time.monotonic() < deadline, "work is still open beside what is held"
            self.conductor.order_done(0)
            orders = self.conductor.open_orders()
            # Only what is behind the call that stands, on its host, waits with it.
            others = [order for order in orders if held.get(order.instance_uuid, "") != order.host]
            # A held server's own events wait behind it: one job for each host.
            waiting = self.engine.bus.open_jobs() - len(orders)
            quiet = quiet + 1 if not others and waiting <= len(held) else 0
            time.sleep(0.002)

    def pass_time(self, seconds: float) -> None:
        """Move the clock, and let happen what is due."""
        self.seconds += seconds
        self.engine.duties.run_due()
        self.settle()


def _options(kind: Any, **values: Any) -> Any:
    """Those of the options that this kind has."""
    return kind(**{name: value for name, value in values.items() if name in kind.__dataclass_fields__})


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}
