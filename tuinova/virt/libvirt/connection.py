"""Connections to libvirtd: one event loop for the process, connections that come back by themselves.

One connection carries events and consoles; each thread that works has one of its own. A shared one would be simpler,
but libvirt's client may leave a thread's call unsent as long as another thread's call lasts (it loses a wake-up between
taking the call and entering its loop): a look at one guest then waits for another guest's start.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import libvirt

from tuinova.core.errors import HypervisorUnavailable, NovaError
from tuinova.virt.driver import ConnectionListener
from tuinova.virt.libvirt.errors import connection_broken, words

LOG = logging.getLogger(__name__)
T = TypeVar("T")

KEEPALIVE_INTERVAL = 5  # seconds between probes
KEEPALIVE_COUNT = 3  # unanswered probes until the connection counts as lost
RECONNECT_FIRST = 0.2
RECONNECT_LONGEST = 5.0
# A restart of libvirtd takes 1 to 2 s, a package's update somewhat longer: no action fails for that.
SHORT_OUTAGE = 8.0
RETRY_PAUSE = 0.1

_CLOSE_REASONS = {
    libvirt.VIR_CONNECT_CLOSE_REASON_ERROR: "the connection failed",
    libvirt.VIR_CONNECT_CLOSE_REASON_EOF: "libvirtd closed the connection",
    libvirt.VIR_CONNECT_CLOSE_REASON_KEEPALIVE: "libvirtd does not answer",
    libvirt.VIR_CONNECT_CLOSE_REASON_CLIENT: "closed by us",
}

_loop_lock = threading.Lock()
_loop: threading.Thread | None = None


def _run_loop() -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError as error:
            # An iteration that failed says nothing of the next one, and all drivers live on this loop.
            LOG.warning("libvirt's event loop: %s", words(error))


def start_event_loop() -> None:
    """Register libvirt's event loop and run it in a daemon thread, once a process, before the first connection."""
    global _loop
    with _loop_lock:
        if _loop is None:
            # Without a handler libvirt prints every error on stderr.
            libvirt.registerErrorHandler(lambda *_: None, None)
            libvirt.virEventRegisterDefaultImpl()
            _loop = threading.Thread(target=_run_loop, name="libvirt-events", daemon=True)
            _loop.start()


def in_event_loop() -> bool:
    """Whether the caller runs in the event thread, where nothing may wait for an event."""
    return threading.current_thread() is _loop


class Breakable(Protocol):
    """Something that ends with the connection (a console stream)."""

    def connection_lost(self, reason: str) -> None:
        """The connection under it is gone."""


class Setup(Protocol):
    """What is done on every new connection, before it is used."""

    def __call__(self, conn: libvirt.virConnect) -> None:
        """Register callbacks, prepare networks; raises libvirtError."""


class Connection:
    """The connections to one libvirt; opened again when they are lost. `get` raises HypervisorUnavailable meanwhile."""

    def __init__(self, uri: str, host: str) -> None:
        self.uri = uri
        self.host = host
        self._lock = threading.RLock()
        self._conn: libvirt.virConnect | None = None
        self._local = threading.local()
        self._lost: libvirt.virConnect | None = None
        self._reason = "not connected yet"
        self._lost_at: float | None = -math.inf  # monotonic; None while connected
        self._setup: Setup | None = None
        self._listener: ConnectionListener | None = None
        self._wake = threading.Event()
        self._closing = False
        self._keeper: threading.Thread | None = None
        self._breakable: weakref.WeakSet[Any] = weakref.WeakSet()

    def open(self, setup: Setup, listener: ConnectionListener) -> None:
        """Connect now, or raise HypervisorUnavailable; from then on a lost connection comes back by itself."""
        start_event_loop()
        self._setup, self._listener = setup, listener
        try:
            self._connect()
        except libvirt.libvirtError as error:
            raise HypervisorUnavailable(host=self.host, reason=words(error)) from error
        self._keeper = threading.Thread(target=self._keep, name=f"libvirt-{self.host}", daemon=True)
        self._keeper.start()

    def main(self) -> libvirt.virConnect:
        """The connection of events and consoles; for calls that do not last."""
        conn = self._conn
        if conn is None:
            raise HypervisorUnavailable(host=self.host, reason=self._reason)
        return conn

    def get(self) -> libvirt.virConnect:
        """The calling thread's connection."""
        main = self.main()
        if getattr(self._local, "main", None) is not main or not self._local.conn.isAlive():
            try:
                self._local.conn = self._open_one()
            except libvirt.libvirtError as error:
                raise HypervisorUnavailable(host=self.host, reason=words(error)) from error
            self._local.main = main
        conn: libvirt.virConnect = self._local.conn
        return conn

    def lasting(self, call: Callable[[], T]) -> T:
        """Make a call that may be made again: when the connection breaks under it and is back soon, it is.

        What is back later than SHORT_OUTAGE s after the loss fails; what is called after that fails at once.
        """
        give_up: float | None = None
        while True:
            try:
                return call()
            except (libvirt.libvirtError, HypervisorUnavailable) as error:
                if isinstance(error, libvirt.libvirtError) and not connection_broken(error):
                    raise
                now, lost_at = time.monotonic(), self._lost_at
                if give_up is None:
                    # A call may notice it before the event thread does.
                    give_up = (now if lost_at is None else lost_at) + SHORT_OUTAGE
                if self._closing or in_event_loop() or now >= give_up:
                    raise
                LOG.debug("%s: the call waits for the connection: %s", self.host, error)
                time.sleep(RETRY_PAUSE)

    @property
    def up(self) -> bool:
        """Whether there is one now."""
        return self._conn is not None

    def ends_with_us(self, item: Breakable) -> None:
        """Tell `item` when the connection is lost, while it lives."""
        self._breakable.add(item)

    def _open_one(self) -> libvirt.virConnect:
        return open_connection(self.uri)

    def _connect(self) -> None:
        conn = self._open_one()
        try:
            conn.registerCloseCallback(self._closed, None)
            if self._setup is not None:
                self._setup(conn)
        except BaseException:
            _leave(conn, self.uri)
            raise
        with self._lock:
            self._conn = conn
            self._reason = ""
            self._lost_at = None

    def _closed(self, conn: libvirt.virConnect, reason: int, _: object) -> None:
        """Called in the event thread: only takes note, the keeper does the work."""
        if reason == libvirt.VIR_CONNECT_CLOSE_REASON_CLIENT:
            return
        with self._lock:
            self._conn, self._lost = None, conn
            self._lost_at = time.monotonic()
            self._reason = _CLOSE_REASONS.get(reason, "the connection was lost")
        self._wake.set()

    def _keep(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._closing:
                return
            reason = self._reason
            for item in list(self._breakable):
                item.connection_lost(reason)
            self._breakable.clear()
            self._drop_lost()
            self._tell(False, reason)
            self._connect_again()
            if self._closing:
                return
            self._tell(True, "")

    def _drop_lost(self) -> None:
        """Free the dead connection: its close callback would hold it for ever."""
        with self._lock:
            conn, self._lost = self._lost, None
        _leave(conn, self.uri)

    def _connect_again(self) -> None:
        pause = RECONNECT_FIRST
        while not self._closing:
            try:
                self._connect()
                return
            except libvirt.libvirtError as error:
                self._reason = words(error)
            except NovaError as error:
                self._reason = error.message
            if self._wake.wait(pause) and not self._closing:
                self._wake.clear()
            pause = min(pause * 1.5, RECONNECT_LONGEST)

    def _tell(self, available: bool, reason: str) -> None:
        if self._listener is not None:
            try:
                self._listener(available, reason)
            except Exception:  # a listener's failure must not end the thread that reconnects
                LOG.exception("the connection listener of %s failed", self.host)

    def close(self) -> None:
        """Leave; guests are not touched."""
        self._closing = True
        self._wake.set()
        with self._lock:
            conn, self._conn = self._conn, None
            self._reason, self._lost_at = "the driver is closed", -math.inf
        if self._keeper is not None and self._keeper is not threading.current_thread():
            self._keeper.join(timeout=RECONNECT_LONGEST + 1)
        _leave(conn, self.uri)


def open_connection(uri: str) -> libvirt.virConnect:
    """A connection that nobody watches; raises libvirtError."""
    # No credentials: a remote that wants a password must fail, not ask on somebody's terminal.
    conn = libvirt.openAuth(uri, [[], lambda *_: -1, None], 0)
    conn.setKeepAlive(KEEPALIVE_INTERVAL, KEEPALIVE_COUNT)
    return conn


def _leave(conn: libvirt.virConnect | None, uri: str) -> None:
    if conn is not None:
        try:
            conn.unregisterCloseCallback()
            conn.close()
        except libvirt.libvirtError as error:
            LOG.debug("closing %s: %s", uri, words(error))
