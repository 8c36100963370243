"""The scheduler's table of hosts, made late: numpy and the filters would make the start too slow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tuinova.core.conductor import Conductor
from tuinova.core.records import Instance

if TYPE_CHECKING:  # imports numpy
    from tuinova.core.host_feed import HostFeed
    from tuinova.scheduler import FilterScheduler, RequestSpec


class LazyHosts:
    """The scheduler's table, made by whoever needs it first; numpy makes that too slow for the start."""

    def __init__(self, conductor: Conductor, options: Mapping[str, Any], now: Callable[[], datetime]) -> None:
        self._conductor = conductor
        self._now = now
        self._options = options
        self._lock = threading.Lock()
        self._feed: HostFeed | None = None

    def feed(self) -> HostFeed:
        """The table with its scheduler."""
        with self._lock:
            if self._feed is None:
                from tuinova.core.host_feed import HostFeed
                from tuinova.scheduler import MetricsOptions, SchedulerOptions

                given = dict(self._options)
                metrics = MetricsOptions(**given.pop("metrics", {}))
                self._feed = HostFeed(
                    self._conductor, SchedulerOptions(**given, metrics=metrics), clock=lambda: self._now().timestamp()
                )
            return self._feed

    def scheduler(self) -> FilterScheduler:
        """Ready to decide."""
        return self.feed().scheduler()

    def request_spec(
        self, instances: Sequence[Instance], args: Mapping[str, Any], tried: Sequence[tuple[str, str]]
    ) -> RequestSpec:
        """What is asked for servers of one request."""
        return self.feed().request_spec(instances, args, tried)

    def zone_of(self, host: str) -> str:
        """The availability zone of a host."""
        return self.feed().zone_of(host)

    def _made(self) -> HostFeed | None:
        """The table if there is one: what nobody has asked about yet needs no telling, it is read when it is made.

        While somebody makes it this waits: it may have been read before what is to be told.
        """
        if self._feed is None:
            with self._lock:
                return self._feed
        return self._feed

    def released(self, uuid: str) -> None:
        """A server holds nothing any more."""
        if (feed := self._made()) is not None:
            feed.released(uuid)

    def build_ended(self, host: str, node: str, uuid: str, succeeded: bool) -> None:
        """A build ended on a host."""
        if (feed := self._made()) is not None:
            feed.build_ended(host, node, uuid, succeeded)

    def heartbeat(self, host: str) -> None:
        """A host was heard of."""
        if (feed := self._made()) is not None:
            feed.heartbeat(host)
