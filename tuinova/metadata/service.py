"""The service in its own thread and event loop: follows the links, knows its guests by where they ask, answers."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tuinova.core.errors import NovaError
from tuinova.metadata import listeners
from tuinova.metadata.answers import Answers
from tuinova.metadata.http import Answer, Asked, Limits, Server, error
from tuinova.metadata.limits import RateLimiter, RateLimits
from tuinova.metadata.listeners import Link
from tuinova.metadata.ways import Ways

LOG = logging.getLogger(__name__)
T = TypeVar("T")
# Host to what its driver says: network to interface.
Links = Callable[[], Mapping[str, Mapping[str, str]]]
_SETTLE_SECONDS = 0.2  # a network that comes up says so several times
_LOOK_SECONDS = 60.0  # a network can come up on an interface that was there before, of which the kernel says nothing
_WORKERS = 4


@dataclass(frozen=True, slots=True)
class MetadataOptions:
    """Group `[metadata]` and Neutron's `[metadata_rate_limiting]`."""

    enabled: bool = True
    rates: RateLimits = field(default_factory=RateLimits)
    limits: Limits = field(default_factory=Limits)
    port: int = listeners.PORT


@dataclass(slots=True)
class _Listener:
    server: asyncio.Server
    http: Server


class MetadataService:
    """One for the process; `start` and `stop` are called from another thread."""

    def __init__(
        self, answers: Answers, links: Links, options: MetadataOptions | None = None, *, ways: Ways | None = None
    ) -> None:
        self._answers = answers
        self._links = links
        self._options = options or MetadataOptions()
        self._ways = ways or Ways()
        self._listening: dict[Link, _Listener] = {}
        self._failed: dict[Link, str] = {}
        self._limiter = RateLimiter(self._options.rates)
        self._workers = ThreadPoolExecutor(_WORKERS, "tuinova-metadata")
        self._thread: threading.Thread | None = None
        self._begun = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._look: asyncio.Event | None = None
        self._stop: asyncio.Event | None = None

    # life ------------------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Begin to serve, in a thread of its own."""
        if self._options.enabled:
            self._thread = threading.Thread(target=self._work, name="tuinova-metadata-loop", daemon=True)
            self._thread.start()
            self._begun.wait()  # from here on it can be told things, also to stop

    def stop(self, timeout: float = 5.0) -> None:
        """Close every socket and wait for it."""
        self._tell(self._stop)
        if self._thread is not None:
            self._thread.join(timeout)
        self._workers.shutdown(wait=False, cancel_futures=True)

    def look(self) -> None:
        """Networks have come or gone: harmless to say too often."""
        self._tell(self._look)

    def links(self) -> list[Link]:
        """Where it listens now."""
        return sorted(self._listening, key=lambda link: (link.host, link.interface))

    def warnings(self) -> Sequence[str]:
        """What an operator should read: networks whose guests ask in vain."""
        return [
            f"no metadata service for network {link.network} of {link.host} ({link.interface}): {reason}"
            for link, reason in sorted(self._failed.items(), key=lambda item: item[0].interface)
        ]

    def _tell(self, event: asyncio.Event | None) -> None:
        if event is not None and self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(event.set)

    def _work(self) -> None:
        try:
            asyncio.run(self._run())
        except Exception:
            LOG.exception("the metadata service ended")
        finally:
            self._begun.set()

    async def _run(self) -> None:
        self._stop, self._look = asyncio.Event(), asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._begun.set()
        watch = self._watch(self._loop)
        try:
            await self._beside(self._sweep)
            while not self._stop.is_set():
                await self._follow()
                await self._wait()
        finally:
            if watch is not None:
                self._loop.remove_reader(watch.fileno())
                watch.close()
            for link in list(self._listening):
                await self._close(link)

    async def _wait(self) -> None:
        """Until there is something to look at, or the end."""
        assert self._stop is not None
        assert self._look is not None
        waiting = [asyncio.ensure_future(event.wait()) for event in (self._stop, self._look)]
        await asyncio.wait(waiting, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for one in waiting:
            one.cancel()
        if self._look.is_set() and not self._stop.is_set():
            await asyncio.sleep(_SETTLE_SECONDS)
        self._look.clear()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> listeners.socket.socket | None:
        try:
            watch = listeners.watch_links()
        except OSError as why:
            LOG.warning("the kernel does not say when interfaces come and go: %s", why)
            return None

        def changed() -> None:
            listeners.drain(watch)
            assert self._look is not None
            self._look.set()

        loop.add_reader(watch.fileno(), changed)
        return watch

    async def _beside(self, call: Callable[..., T], *words: Any) -> T:
        """A call that blocks, in a thread of our own."""
        assert self._loop is not None
        return await self._loop.run_in_executor(self._workers, call, *words)

    def _sweep(self) -> None:
        try:
            self._ways.sweep()
        except OSError as why:
            LOG.warning("rules of earlier metadata services can't be looked at: %s", why)

    # links -----------------------------------------------------------------------------------------------------------
    async def _follow(self) -> None:
        """Listen where there is a network of ours, and nowhere else."""
        try:
            told = await self._beside(self._links)
        except NovaError as why:
            LOG.warning("networks can't be looked at: %s", why)
            return
        wanted: set[Link] = set()
        for host, interfaces in told.items():
            wanted |= listeners.links_of(host, dict(interfaces))
        for link in set(self._listening) - wanted:
            await self._close(link)
        self._failed = {link: why for link, why in self._failed.items() if link in wanted}
        for link in wanted - set(self._listening):
            await self._open(link)

    async def _open(self, link: Link) -> None:
        async def answer(asked: Asked) -> Answer:
            return await self._answer(link, asked)

        try:
            await self._beside(self._ways.open, link.interface)
            listener = listeners.listen(link.interface, port=self._options.port)
        except OSError as why:
            if link not in self._failed:
                LOG.warning("no metadata service on %s: %s", link.interface, listeners.why_not(why))
            self._failed[link] = listeners.why_not(why)
            return
        http = Server(answer, self._options.limits)
        server = await asyncio.start_server(http.connected, sock=listener, limit=1 << 14)
        self._listening[link] = _Listener(server, http)
        self._failed.pop(link, None)
        LOG.info("metadata service on %s for network %s of %s", link.interface, link.network, link.host)

    async def _close(self, link: Link) -> None:
        listener = self._listening.pop(link)
        listener.server.close()
        await listener.http.close()
        with suppress(OSError):  # said when it was opened
            await self._beside(self._ways.close, link.interface)
        LOG.info("metadata service on %s ended", link.interface)

    # requests --------------------------------------------------------------------------------------------------------
    async def _answer(self, link: Link, asked: Asked) -> Answer:
        seconds = self._limiter.ask((link, asked.address))
        if seconds:
            return error(429, **{"Retry-After": str(seconds)})
        return await self._beside(self._answers.answer, link, asked)
