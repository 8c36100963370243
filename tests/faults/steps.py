"""The steps of an engine at work: around each commit and around each call of a driver, by name.

All of it is wrapped around the objects from outside. A step's name is what happens, not its number, so that it is the
same one in every run: `commit step active/powering-off +stop_instance, before`, `cmp1 power_off, middle`; a name that
comes again gets `#2`. Of a commit that takes several jobs together each job is a step of its own.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tuinova.core.conductor import Conductor
from tuinova.core.conductor.transaction import Tx
from tuinova.virt.driver import ComputeDriver
from tuinova.virt.fake import FakeDriver
from tuinova.virt.fake.volumes import FakeVolumeDriver

BEFORE, MIDDLE, AFTER = MOMENTS = "before", "middle", "after"
# What only looks: nothing differs between the end of such a call and the next step.
LOOKS = frozenset(
    {
        *("list_guests", "guest_info", "node_resources", "list_networks", "leftovers", "migration_address"),
        *("check_can_live_migrate_destination", "check_can_live_migrate_source", "diagnostics", "console_output"),
        *("graphics_address", "network_modes", "check_network", "networks_made"),
    }
)
# Calls that begin or end the driver itself, consoles, and what is looked at by the clock: no steps of an action.
_NO_STEPS = frozenset({"close", "open_console", "send_keys", "warnings", "metadata_links", "no_metadata"})
CALLS = tuple(
    name
    for name in dir(ComputeDriver)
    if callable(getattr(ComputeDriver, name)) and not name.startswith("_") and name not in _NO_STEPS
)
# Those of the volumes' driver that change something.
VOLUME_CALLS = ("create", "replace", "delete", "extend", "create_snapshot", "delete_snapshot", "upload", "cleanup")
# Jobs of the writer that no action waits for, progress among them; alone in a commit they are no step.
_IDLE = "idle"
_BACKGROUND = frozenset({_IDLE, "trim", "_load_rows", "barrier", "note_migration"})

# Called with the name of each step, in the thread that takes it.
Listener = Callable[[str], None]


class Watch:
    """Tells a listener of every step while it is `armed`."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.armed = False
        self.hosts: dict[str, FakeDriver] = {}
        self._lock = threading.Lock()
        self._seen: Counter[str] = Counter()
        self._inside = threading.local()
        self._batch: list[str] = []

    def follow(self, conductor: Conductor, drivers: Mapping[str, FakeDriver], volumes: FakeVolumeDriver) -> None:
        """Wrap what an engine is to be made of, before it is."""
        self.hosts = dict(drivers)
        for host, driver in drivers.items():
            self._wrap_driver(host, driver, CALLS)
        self._wrap_driver("volumes", volumes, VOLUME_CALLS)
        opened = conductor.open

        def open_and_wrap() -> None:
            opened()
            self._wrap_writer(conductor)

        conductor.open = open_and_wrap  # type: ignore[method-assign]

    def step(self, name: str, moment: str) -> None:
        """One moment of one step."""
        if not self.armed:
            return
        with self._lock:
            self._seen[name, moment] += 1
            count = self._seen[name, moment]
        self.listener(f"{name}{f' #{count}' if count > 1 else ''}, {moment}")

    # drivers ---------------------------------------------------------------------------------------------------------
    def _wrap_driver(self, host: str, driver: FakeDriver | FakeVolumeDriver, calls: Iterable[str]) -> None:
        for name in calls:
            setattr(driver, name, self._watched(host, name, getattr(driver, name)))
        strike = driver.faults.strike

        def struck(method: str, when: str, *names: str) -> None:
            if when == MIDDLE:
                self.step(f"{host} {method}", MIDDLE)
            strike(method, when, *names)

        driver.faults.strike = struck  # type: ignore[method-assign]

    def _watched(self, host: str, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            if getattr(self._inside, "deep", False):
                return call(*args, **kwargs)  # the driver's own doing, part of the call that was made of it
            self.step(f"{host} {name}", BEFORE)
            self._inside.deep = True
            try:
                return call(*args, **kwargs)
            finally:
                self._inside.deep = False
                if name not in LOOKS:
                    self.step(f"{host} {name}", AFTER)

        return watched

    # the writer ------------------------------------------------------------------------------------------------------
    def _wrap_writer(self, conductor: Conductor) -> None:
        writer: Any = conductor._writer
        submit, submit_idle = writer.submit, writer.submit_idle
        writer.submit = lambda job: submit(self._noted(job, _job_name(job)))
        writer.submit_idle = lambda job: submit_idle(self._noted(job, _IDLE))
        dialect: Any = conductor._engine.dialect  # type: ignore[attr-defined]
        begin, commit = dialect.do_begin, dialect.do_commit

        def do_begin(connection: Any) -> Any:
            self._batch.clear()
            return begin(connection)

        def do_commit(connection: Any) -> Any:
            labels = [label for label in self._batch if label not in _BACKGROUND]
            for label in labels:
                self.step(f"commit {label}", BEFORE)
            done = commit(connection)
            for label in labels:
                self.step(f"commit {label}", AFTER)
            return done

        dialect.do_begin, dialect.do_commit = do_begin, do_commit

    def _noted(self, job: Callable[[Tx], Any], name: str) -> Callable[[Tx], Any]:
        def noted(tx: Tx) -> Any:
            result = job(tx)
            self._batch.append(name if name in _BACKGROUND else " ".join([name, *_what(tx)]))
            return result

        return noted


def barrier(_tx: Tx) -> None:
    """A write behind all others, which changes nothing: the harness waits by it."""


def _job_name(job: Callable[..., Any]) -> str:
    """The conductor's call that a job belongs to: `Servers.step.<locals>.job` is `step`."""
    words = [word for word in job.__qualname__.split(".") if word not in ("<locals>", "<lambda>", "job")]
    return words[-1]


def _what(tx: Tx) -> list[str]:
    """What a transaction says of servers, and which orders it writes."""
    said = []
    for change in tx.changes:
        if change.kind == "server":
            view = json.loads(change.view_text or "{}")
            said.append(f"{view['vm_state']}/{view['task_state'] or '-'}" if view else "gone")
        elif change.kind not in ("migration",):
            said.append(change.kind)
    return said + [f"+{order.method}" for order in tx.orders]
