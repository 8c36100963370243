"""Work orders inside one process: rings the worker of the order's host.

The orders are rows, so this holds nothing that a crash could lose: what was not done is read again at the next start.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import partial
from typing import Protocol

from tuinova.rpc.lanes import LaneExecutor

LOG = logging.getLogger(__name__)


class Order(Protocol):
    """What the bus reads of a work order."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def method(self) -> str:
        """What is to be done."""

    @property
    def host(self) -> str | None:
        """The compute host, None for the conductor's own."""

    @property
    def instance_uuid(self) -> str | None:
        """The server, None when the order speaks of several."""


Handler = Callable[[Order], None]

# Kinds of work, each with its own limit a host, so that none takes all threads: builds (Nova's max_concurrent_builds is
# 10), what may wait a minute for a guest to shut down and costs nothing meanwhile, and all the rest.
# LONG: copies of whole disks. EXPRESS: what speaks to work that is under way, and so passes its server's lane by.
BUILD, PATIENT, WORK, LONG, EXPRESS = "build", "patient", "work", "long", "express"
_LIMITS = {LONG: 6, EXPRESS: 4}


class LocalBus:
    """Orders of one server one after another, of different servers side by side, fairly among the servers of a host."""

    def __init__(self, *, builds: int = 10, workers: int = 8, patient: int = 48, max_threads: int = 80) -> None:
        self._executor = LaneExecutor(
            "tuinova-worker",
            limits={BUILD: builds, PATIENT: patient, WORK: workers, **_LIMITS},
            max_threads=max_threads,
        )
        self._handlers: dict[str | None, Handler] = {}
        self._kinds: dict[str, str] = {}
        self._lanes: dict[str, str] = {}
        self._lock = threading.Lock()
        self._known: set[int] = set()

    def serve(
        self,
        host: str | None,
        handler: Callable[..., None],
        *,
        kinds: Mapping[str, str] | None = None,
        lanes: Mapping[str, str] | None = None,
    ) -> None:
        """Let `handler` carry out the orders of `host` (None: the conductor's own); `kinds`: of its methods.

        `lanes`: of methods whose orders belong to no server and wait for each other all the same.
        """
        self._handlers[host] = handler
        self._lanes.update(lanes or {})
        self._kinds.update(kinds or {})

    def ring(self, orders: Iterable[Order], *, still: Callable[[int], bool] | None = None) -> None:
        """Take orders that are committed; never blocks; an order that is known already is not taken twice.

        `still` says by its id whether an order is open when its turn comes: for orders that were read from the
        database, and may have been rung and carried out since.

        Orders of a host that is not served here stay rows for whoever serves it.
        """
        for order in orders:
            handler = self._handlers.get(order.host)
            if handler is None:
                continue
            with self._lock:
                if order.id in self._known:
                    continue
                self._known.add(order.id)
            kind = self._kinds.get(order.method, WORK)
            lane = self._lanes.get(order.method) or (
                order.instance_uuid if order.instance_uuid and kind != EXPRESS else f"order-{order.id}"
            )
            if not self._executor.submit(order.host, lane, partial(self._carry_out, handler, order, still), kind=kind):
                with self._lock:
                    self._known.discard(order.id)

    def knows(self, order_id: int) -> bool:
        """Whether the order waits or runs here."""
        with self._lock:
            return order_id in self._known

    def submit(self, host: str | None, lane: Hashable, job: Callable[[], None], *, heavy: bool = False) -> bool:
        """Run something else in turn with the orders of the lane (power sync, lifecycle events, recovery).

        What is `heavy` shares the limit of builds.
        """
        return self._executor.submit(host, lane, job, kind=BUILD if heavy else WORK)

    def open_jobs(self) -> int:
        """Orders and jobs that wait or run."""
        return self._executor.open_jobs()

    def wait_idle(self, timeout: float) -> bool:
        """Wait until nothing waits or runs."""
        return self._executor.wait_idle(timeout)

    def stop(self, timeout: float, *, builds: float = 0.0) -> bool:
        """Take no more, let what runs end within `timeout` seconds, builds within `builds` more.

        What has not begun stays a row.
        """
        return self._executor.close(timeout, **{BUILD: builds})

    def _carry_out(self, handler: Handler, order: Order, still: Callable[[int], bool] | None) -> None:
        try:
            if still is None or still(order.id):
                handler(order)
        finally:
            with self._lock:
                self._known.discard(order.id)
