"""libvirt's events: of lifecycles as Nova's (nova/virt/libvirt/host.py _event_lifecycle_callback), of devices."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import libvirt

from tuinova.virt.driver import LifecycleEvent, LifecycleListener

LOG = logging.getLogger(__name__)

_TRANSLATED = {
    libvirt.VIR_DOMAIN_EVENT_STARTED: LifecycleEvent.STARTED,
    libvirt.VIR_DOMAIN_EVENT_STOPPED: LifecycleEvent.STOPPED,
    libvirt.VIR_DOMAIN_EVENT_RESUMED: LifecycleEvent.RESUMED,
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED: LifecycleEvent.PAUSED,
}
# Details of SUSPENDED that belong to a live migration, which is not a pause.
_MIGRATION_DETAILS = frozenset(
    {libvirt.VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY}
)


def translate_event(event: int, detail: int) -> LifecycleEvent | None:
    """Nova's event, None for those that Nova does not translate."""
    if event == libvirt.VIR_DOMAIN_EVENT_SUSPENDED and detail in _MIGRATION_DETAILS:
        return None
    return _TRANSLATED.get(event)


class LifecycleEvents:
    """Registers for the lifecycle events of a connection and hands them on.

    `redefined` is told the uuid of every guest whose definition came, changed or went, for caches of definitions.
    """

    def __init__(self, redefined: Callable[[str], None]) -> None:
        self._redefined = redefined
        self.node = ""
        self.listener: LifecycleListener | None = None

    def register(self, conn: libvirt.virConnect) -> None:
        """Ask a new connection for its events; they end with it."""
        conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._lifecycle, None)

    def _lifecycle(
        self, conn: libvirt.virConnect, domain: libvirt.virDomain, event: int, detail: int, _: object
    ) -> None:
        uuid = domain.UUIDString()
        if event in (libvirt.VIR_DOMAIN_EVENT_DEFINED, libvirt.VIR_DOMAIN_EVENT_UNDEFINED):
            self._redefined(uuid)
        nova_event = translate_event(event, detail)
        if nova_event is None or self.listener is None:
            return
        try:
            self.listener(self.node, uuid, nova_event)
        except Exception:  # the event thread serves every guest; one listener's failure must not end it
            LOG.exception("the lifecycle listener failed on %s of %s", nova_event, uuid)


class DeviceAnswer:
    """What becomes of a request to let go of a device."""

    def __init__(self) -> None:
        self._answers: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def give(self, is_gone: bool) -> None:
        """Called in the event thread."""
        self._answers.put(is_gone)

    def wait(self, seconds: float) -> bool | None:
        """Whether it is gone (True) or the guest refused (False); None when nothing was said in that time."""
        try:
            return self._answers.get(timeout=seconds)
        except queue.Empty:
            return None


class DeviceEvents:
    """Tells whoever waits that a guest let go of a device, by the device's alias, or that it refused."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, str], DeviceAnswer] = {}

    def register(self, conn: libvirt.virConnect) -> None:
        """Ask a new connection for its events; they end with it."""
        for event, is_gone in (
            (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, True),
            (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED, False),
        ):
            conn.domainEventRegisterAny(None, event, self._answered, is_gone)

    def _answered(self, conn: libvirt.virConnect, domain: libvirt.virDomain, alias: str, is_gone: bool) -> None:
        with self._lock:
            answer = self._waiting.get((domain.UUIDString(), alias))
        if answer is not None:
            answer.give(is_gone)

    @contextmanager
    def watching(self, uuid: str, alias: str) -> Iterator[DeviceAnswer]:
        """Entered before the request is made, so that no answer is too fast."""
        answer = DeviceAnswer()
        with self._lock:
            self._waiting[uuid, alias] = answer
        try:
            yield answer
        finally:
            with self._lock:
                self._waiting.pop((uuid, alias), None)
