"""A compute host at work: takes orders, recovers at start, has its periodic duties."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from tuinova.core.compute_manager import (
    evacuate,
    hypervisor,
    networks,
    orphans,
    periodic,
    powersync,
    recovery,
    resources,
)
from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.duties import Duties
from tuinova.core.compute_manager.lifecycle import LifecycleEvents
from tuinova.core.compute_manager.methods import KINDS, METHODS
from tuinova.core.errors import NovaError
from tuinova.core.records import WorkOrder
from tuinova.virt.driver import LifecycleEvent

LOG = logging.getLogger(__name__)

# How long a host whose hypervisor did not answer at start waits until it tries again.
_RECONNECT_SECONDS = 10.0


class ComputeManager:
    """One compute host; `start` never fails because of the hypervisor."""

    def __init__(self, compute: Compute, duties: Duties, on_started: Callable[[str], None] = lambda uuid: None) -> None:
        self.compute = compute
        self._duties = duties
        self._events = LifecycleEvents(compute, duties)
        self._connected = False
        # Hears of every guest that began to run (the console hub).
        self.on_started = on_started

    @property
    def host(self) -> str:
        """The compute host's name."""
        return self.compute.host

    def handle(self, order: WorkOrder) -> None:
        """Carry out one order; called by the bus in the lane of the order's server."""
        method = METHODS.get(order.method)
        if method is None:
            LOG.error("order %d asks for %s, which this version does not know", order.id, order.method)
            return
        method(self.compute, order)

    def start(self) -> None:
        """Connect, recover, tell what the host has, begin the duties (Nova's init_host and pre_start_hook)."""
        compute = self.compute
        compute.bus.serve(compute.host, self.handle, kinds=KINDS, lanes=networks.LANES)
        self._connect()
        for duty in periodic.duties(compute.options):
            self._duties.every(
                duty.every, f"{duty.name} of {compute.host}", partial(self._carry_out, duty.call, duty.asks)
            )

    def first_look(self) -> None:
        """What Nova does at once at the start and nobody waits for."""
        self._while_connected(powersync.sync_all)
        self._while_connected(orphans.reap)

    def close(self) -> None:
        """Leave the hypervisor; guests are never touched."""
        self.compute.driver.close()

    def _connect(self) -> None:
        compute = self.compute
        try:
            compute.driver.init_host(self.heard, self.connection_changed)
            self._connected = True
            resources.update_available_resource(compute)
            resources.save_networks(compute)
            networks.reconcile(compute)
            evacuate.destroy_evacuated(compute)
            recovery.recover_host(compute)
        except NovaError as error:
            # Whatever the hypervisor refuses (away, too old, no network), the service and its other hosts go on.
            self._connected = False
            LOG.warning("%s can't be used: %s", compute.host, error)
            hypervisor.connection_lost(compute, str(error.kwargs.get("reason", error)))
            self._duties.after(_RECONNECT_SECONDS, self._connect)
            return
        hypervisor.connection_back(compute, self._look_around)

    def _look_around(self) -> None:
        powersync.sync_all(self.compute)
        orphans.reap(self.compute)

    def heard(self, node: str, uuid: str, event: LifecycleEvent) -> None:
        """An event of a guest; called in a thread of the driver, does not block."""
        if event is LifecycleEvent.STARTED:
            self.on_started(uuid)
        self._events.heard(node, uuid, event)

    def connection_changed(self, available: bool, reason: str) -> None:
        """The connection to the hypervisor was lost or is back; does not block."""
        # Called in a thread of the driver: what follows asks the hypervisor, so another thread must do it.
        if available:
            self._duties.after(0.0, self._connection_is_back)
        else:
            self._duties.after(0.0, lambda: self._connection_is_lost(reason))

    def _connection_is_lost(self, reason: str) -> None:
        self._connected = False
        hypervisor.connection_lost(self.compute, reason)

    def _connection_is_back(self) -> None:
        self._connected = True
        try:
            resources.update_available_resource(self.compute)
            resources.save_networks(self.compute)
            networks.reconcile(self.compute)
            evacuate.destroy_evacuated(self.compute)
            recovery.recover_host(self.compute, started=False)
        except NovaError as error:
            LOG.warning("%s went away again: %s", self.host, error)
            self._connected = False
            self._duties.after(_RECONNECT_SECONDS, self._connection_is_back)
            return
        hypervisor.connection_back(self.compute, self._look_around)

    def _carry_out(self, duty: Callable[[Compute], object], asks: bool) -> None:
        if asks:
            self._while_connected(duty)
        else:
            duty(self.compute)

    def _while_connected(self, duty: Callable[[Compute], object]) -> None:
        if self._connected:
            duty(self.compute)
