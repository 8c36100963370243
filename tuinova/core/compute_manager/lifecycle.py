"""The hypervisor's events (nova/compute/manager.py handle_lifecycle_event, nova/virt/libvirt/host.py)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.powersync import sync_one
from tuinova.core.states import PowerState
from tuinova.virt.driver import LifecycleEvent

# The power state that an event implies; another one means that the event is stale.
EXPECTED: Mapping[LifecycleEvent, PowerState] = {
    LifecycleEvent.STARTED: PowerState.RUNNING,
    LifecycleEvent.STOPPED: PowerState.SHUTDOWN,
    LifecycleEvent.PAUSED: PowerState.PAUSED,
    LifecycleEvent.RESUMED: PowerState.RUNNING,
}


class Later(Protocol):
    """A clock that calls back (the duty scheduler)."""

    def after(self, seconds: float, call: Callable[[], None]) -> Callable[[], None]:
        """Call once after so many seconds; returns what cancels it."""


class LifecycleEvents:
    """Turns events into power syncs in the server's lane.

    STOPPED waits `stopped_event_delay` seconds and is cancelled by any newer event of the guest, so that a reboot made
    of a stop and a start is not taken for a shutdown. `on_started` hears of every guest that began to run.
    """

    def __init__(self, compute: Compute, later: Later) -> None:
        self._compute = compute
        self._later = later
        self._lock = threading.Lock()
        self._stopped: dict[str, Callable[[], None]] = {}
        self._newest: dict[str, LifecycleEvent] = {}

    def heard(self, node: str, uuid: str, event: LifecycleEvent) -> None:
        """An event of a guest; called in a thread of the driver, does not block."""
        with self._lock:
            cancel = self._stopped.pop(uuid, None)
            if cancel is not None:
                cancel()
            if event is LifecycleEvent.STOPPED:
                delay = self._compute.options.stopped_event_delay
                self._stopped[uuid] = self._later.after(delay, lambda: self._stopped_for_good(uuid))
                return
        self._sync(uuid, event)

    def _stopped_for_good(self, uuid: str) -> None:
        with self._lock:
            self._stopped.pop(uuid, None)
        self._sync(uuid, LifecycleEvent.STOPPED)

    def _sync(self, uuid: str, event: LifecycleEvent) -> None:
        """Look at the server after what runs on it now; of several events meanwhile only the newest counts."""
        if not self._compute.options.handle_virt_lifecycle_events:
            return
        with self._lock:
            waiting = uuid in self._newest
            self._newest[uuid] = event
        if not waiting and not self._compute.bus.submit(self._compute.host, uuid, lambda: self._look(uuid)):
            with self._lock:
                self._newest.pop(uuid, None)

    def _look(self, uuid: str) -> None:
        with self._lock:
            event = self._newest.pop(uuid)
        sync_one(self._compute, uuid, expected=EXPECTED[event])
