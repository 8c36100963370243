"""What servers have used over a period (nova/api/openstack/compute/simple_tenant_usage.py)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class ServerUsage:
    """One server, deleted or not, that was launched before the end of a period and not gone before its start."""

    uuid: str
    name: str
    project_id: str
    flavor: str
    vcpus: int
    memory_mb: int
    local_gb: int
    vm_state: str
    launched_at: datetime
    terminated_at: datetime | None

    def hours(self, start: datetime, stop: datetime) -> float:
        """How long it lived within the period."""
        begin = max(self.launched_at, start)
        end = stop if self.terminated_at is None else min(self.terminated_at, stop)
        return max(0.0, (end - begin).total_seconds()) / _HOUR

    @property
    def state(self) -> str:
        """Its state as usage tells it."""
        return "terminated" if self.terminated_at else self.vm_state

    def uptime(self, now: datetime) -> int:
        """Seconds since its launch, or from its launch to its end."""
        return int(((self.terminated_at or now) - self.launched_at).total_seconds())
