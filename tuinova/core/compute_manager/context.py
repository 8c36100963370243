"""What every action of a compute host works with."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from tuinova.core.compute_manager.guests import GuestSpecs
from tuinova.core.compute_manager.options import ComputeOptions
from tuinova.core.conductor import Conductor
from tuinova.core.errors import HypervisorUnavailable
from tuinova.core.image_store import ImageStore
from tuinova.core.records import Instance
from tuinova.core.states import PowerState
from tuinova.core.volume_manager.store import VolumeStore
from tuinova.rpc.local import LocalBus
from tuinova.virt.driver import ComputeDriver, GuestNotFound


class SyncActions(Protocol):
    """What a host asks of the compute API on its own account (power sync, timeouts); refusals are raised."""

    def stop(self, uuid: str) -> None:
        """Nova's API stop with an admin context: the ordinary guards hold."""

    def confirm_resize(self, uuid: str) -> None:
        """Confirm a resize whose time is up."""

    def unrescue(self, uuid: str) -> None:
        """Nova's API unrescue of a rescue that has lasted too long."""

    def force_stop(self, uuid: str) -> None:
        """Stop whatever the vm_state is; only a running task refuses."""


def utc_now() -> datetime:
    """Now, aware."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Compute:
    """One compute host: its driver, its options, and the doors to the other rooms."""

    host: str
    conductor: Conductor
    driver: ComputeDriver
    options: ComputeOptions
    specs: GuestSpecs
    bus: LocalBus
    sync_actions: SyncActions
    images: ImageStore
    volumes: VolumeStore
    now: Callable[[], datetime] = utc_now
    # The power state that this process wrote down last, by server: an event that only repeats it needs no look.
    written_power: dict[str, int] = field(default_factory=dict)
    # How often the files of a deleted server could not be removed.
    failed_deletes: dict[str, int] = field(default_factory=dict)
    # Grows before and after the ports of guests are brought up to date, which is done under the lock.
    network_epoch: int = 0
    network_lock: threading.Lock = field(default_factory=threading.Lock)
    # Told of the end of each build: (host, node, uuid, succeeded); the scheduler's table counts failures.
    build_ended: Callable[[str, str, str, bool], None] = lambda host, node, uuid, succeeded: None
    # Told of servers that hold nothing any more.
    released: Callable[[str], None] = lambda uuid: None
    # Told of servers that are at home on this host now (the console hub).
    moved: Callable[[str], None] = lambda uuid: None
    # Told that networks were made or removed here (the metadata service).
    networks_made: Callable[[], None] = lambda: None
    # Told of a server whose action has ended, and of the epoch in which that began.
    networks_changed: Callable[[str, int], None] = lambda uuid, epoch: None

    def power_state(self, uuid: str) -> PowerState:
        """What the hypervisor says now; NOSTATE for a guest that it does not know."""
        try:
            return self.driver.guest_info(uuid).state
        except GuestNotFound:
            return PowerState.NOSTATE

    def last_power_state(self, instance: Instance) -> int:
        """What the hypervisor says now, or what it said last when it does not answer."""
        try:
            return int(self.power_state(instance.uuid))
        except HypervisorUnavailable:
            return instance.power_state

    def forget(self, uuid: str) -> None:
        """The server is gone."""
        self.written_power.pop(uuid, None)
        self.released(uuid)
