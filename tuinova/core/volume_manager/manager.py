"""The volume service at work: takes orders, and settles at the start what a crash left."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime

from tuinova.core.conductor import Conductor
from tuinova.core.conductor.errors import ConductorClosed, DatabaseUnavailable
from tuinova.core.conductor.volumes import VOLUME_HOST
from tuinova.core.errors import NovaError
from tuinova.core.records import WorkOrder
from tuinova.core.volume_manager import recovery
from tuinova.core.volume_manager.store import VolumeStore
from tuinova.core.volume_manager.work import GONE, METHODS, VolumeWorker
from tuinova.rpc.local import LONG, LocalBus

LOG = logging.getLogger(__name__)

BINARY, TOPIC = "cinder-volume", "cinder-volume"
SCHEDULER_BINARY = "cinder-scheduler"


class VolumeManager:
    """One for the service; `start` never fails because of a backend."""

    def __init__(self, conductor: Conductor, store: VolumeStore, bus: LocalBus) -> None:
        self.store = store
        self._conductor = conductor
        self._bus = bus
        self._worker = VolumeWorker(conductor, store)

    def start(self) -> None:
        """Make the backends ready and take orders."""
        self._bus.serve(VOLUME_HOST, self.handle, kinds=dict.fromkeys(METHODS, LONG))
        try:
            self.store.driver.start()
        except NovaError as error:
            LOG.warning("the places for volumes can't be used: %s", error)

    def recover(self, ring: Callable[[Iterable[WorkOrder]], None]) -> None:
        """After the compute hosts have settled theirs: what nobody works on is ended, open orders are taken up."""
        recovery.settle(self._conductor)
        ring(self._conductor.open_orders(host=VOLUME_HOST))

    def pick_up_strays(self, ring: Callable[[Iterable[WorkOrder]], None], oldest: datetime) -> None:
        """Ring orders from before `oldest` once more; the bus leaves out those that it still knows."""
        ring([order for order in self._conductor.open_orders(host=VOLUME_HOST) if order.created_at < oldest])

    def handle(self, order: WorkOrder) -> None:
        """Carry out one order; called by the bus in the lane of the order's volume."""
        method = METHODS.get(order.method)
        if method is None:
            LOG.error("order %d asks for %s, which this version does not know", order.id, order.method)
            return
        try:
            if self._conductor.order_started(order.id) is not None:
                method(self._worker, order)
        except GONE:
            self._conductor.order_done(order.id)
        except (ConductorClosed, DatabaseUnavailable) as error:
            LOG.warning("%s of %s is left for later: %s", order.method, order.instance_uuid, error)

    def close(self) -> None:
        """Leave the backends."""
        self.store.driver.close()
