"""libvirt's lifecycle events as Nova's (nova/virt/libvirt/host.py _event_lifecycle_callback)."""

from __future__ import annotations

import logging
from collections.abc import Callable

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
