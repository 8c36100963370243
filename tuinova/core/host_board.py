"""Which hosts are up: the services' rows, kept for a moment, since every request may ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime

from tuinova.core.conductor import Conductor
from tuinova.core.errors import ChangesTrimmed
from tuinova.core.records import Service

COMPUTE = "nova-compute"


class HostBoard:
    """The compute services; read again when the change feed says so, and now and then for their heartbeats."""

    def __init__(
        self, conductor: Conductor, now: Callable[[], datetime], *, service_down_time: float = 60, keep: float = 5.0
    ) -> None:
        self._conductor = conductor
        self._now = now
        self._down_time = service_down_time
        self._keep = keep
        self._lock = threading.Lock()
        self._services: Mapping[str, Service] = {}
        self._read_at: float | None = None
        self._since = 0

    def services(self) -> Mapping[str, Service]:
        """The compute service of each host."""
        with self._lock:
            if self._stale():
                self._since = self._conductor.last_change()
                found = self._conductor.services(binary=COMPUTE)
                self._services = {service.host: service for service in found}
                self._read_at = time.monotonic()
            return self._services

    def _stale(self) -> bool:
        if self._read_at is None or time.monotonic() - self._read_at > self._keep:
            return True
        try:
            while changes := self._conductor.changes(self._since):
                self._since = changes[-1].id
                if any(change.kind == "service" for change in changes):
                    return True
        except ChangesTrimmed:
            return True
        return False

    def up(self, host: str) -> bool:
        """Whether the host's service is up (nova/servicegroup/drivers/db.py)."""
        service = self.services().get(host)
        return service is not None and service.up(self._now(), self._down_time)

    def statuses(self) -> dict[str, str]:
        """The API's host_status of every host (nova/compute/api.py get_instance_host_status)."""
        return {host: self._status(service) for host, service in self.services().items()}

    def _status(self, service: Service) -> str:
        if service.forced_down:
            return "DOWN"
        if service.disabled:
            return "MAINTENANCE"
        return "UP" if service.up(self._now(), self._down_time) else "UNKNOWN"
