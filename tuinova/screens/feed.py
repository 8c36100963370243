"""The thread that connects, loads the rows and follows the change feed; it never touches a widget.

It puts events into a deque and calls `wake` when none was pending: the application posts itself one message and drains
all of them, however many changes came meanwhile.
"""

from __future__ import annotations

import gc
import random
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from tuinova.i18n import N_
from tuinova.screens.identity import Acting


class ClientFactory(Protocol):
    """How a client is made: `tuinova.client.connect`, or a test's double."""

    def __call__(self, *, username: str | None = None, project: str | None = None) -> Any: ...


class Connecting(NamedTuple):
    """A connection is being made."""


class Loaded(NamedTuple):
    """Connected, with all rows; from here on the changes follow."""

    client: Any
    info: dict[str, Any]
    rows: list[dict[str, Any]]


class Changes(NamedTuple):
    """One batch of the feed."""

    changes: list[dict[str, Any]]


class Gone(NamedTuple):
    """No service; `retry_in` seconds until the next try."""

    reason: str
    retry_in: float


class Refused(NamedTuple):
    """The service answers, but not to this person in this project: there is nothing to try again."""

    reason: str


Event = Connecting | Loaded | Changes | Gone | Refused
REFUSALS = (400, 401, 403, 404)
FIRST_DELAY, LONGEST_DELAY = 0.25, 8.0
SERVICE_LEFT = N_("the service stopped")


def soft_deleted_rows(client: Any, all_projects: bool) -> list[dict[str, Any]]:
    """The row views of the servers that wait to be reclaimed or restored; ordinary lists leave them out, as Nova's."""
    listed = client.servers.list(status="SOFT_DELETED", all_tenants=1 if all_projects else None)
    found = (_row(client, one["id"]) for one in listed)
    return [row for row in found if row is not None and row["vm_state"] == "soft-delete"]


def still_there(client: Any, change: dict[str, Any]) -> dict[str, Any]:
    """The change, but a server that is told as gone and was only soft-deleted has changed.

    It may even be restored by now: a row that goes and comes again would take the cursor away.
    """
    if change["kind"] != "server" or change["op"] != "delete":
        return change
    row = _row(client, change["key"])
    return change if row is None else {**change, "op": "update", "view": row}


def _row(client: Any, ident: str) -> dict[str, Any] | None:
    """A server's view; None when it is gone for good."""
    from tuinova.client import ApiError

    try:
        return dict(client.servers.row(ident))
    except ApiError as error:
        if error.code == 404:
            return None
        raise


class Feed(threading.Thread):
    """One life of a connection as one person in one project; a switch stops it and starts another."""

    def __init__(self, factory: ClientFactory, acting: Acting, wake: Callable[[], None]) -> None:
        super().__init__(name="feed", daemon=True)
        self._factory = factory
        self._acting = acting
        self._wake = wake
        self._events: deque[Event] = deque()
        self._guard = threading.Lock()
        self._pending = False
        self._ended = threading.Event()
        self._retry = threading.Event()
        self._stream: Any = None

    def drain(self) -> list[Event]:
        """Everything that came since the last time."""
        with self._guard:
            self._pending = False
            events = list(self._events)
            self._events.clear()
        return events

    def stop(self) -> None:
        """End the thread soon; from the UI's thread, does not wait."""
        self._ended.set()
        self._retry.set()
        stream = self._stream
        if stream is not None:
            stream.close()

    def retry_now(self) -> None:
        """Don't wait for the back-off; when connected, load everything again."""
        self._retry.set()
        stream = self._stream
        if stream is not None:
            stream.close()

    def run(self) -> None:
        """Connect, load, follow; again after every end, later and later while nothing answers."""
        from tuinova.client import ApiError, Trimmed

        delay = FIRST_DELAY
        while not self._ended.is_set():
            self._retry.clear()
            self._put(Connecting())
            try:
                self._load_and_follow()
                delay = FIRST_DELAY
            except Trimmed:
                delay = FIRST_DELAY
            except Exception as error:  # noqa: BLE001 - whatever ends a connection, the screen says it and we try again
                if self._ended.is_set():
                    return
                if self._stream is not None:
                    delay = FIRST_DELAY
                if isinstance(error, ApiError) and error.code in REFUSALS:
                    self._put(Refused(str(error)))
                    return
                self._put(Gone(str(error) or SERVICE_LEFT, delay))
                self._retry.wait(delay * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret
                delay = min(LONGEST_DELAY, delay * 2)
            finally:
                self._stream = None

    def _load_and_follow(self) -> None:
        acting = self._acting
        client = self._factory(username=acting.username, project=acting.project)
        info = client.info()
        gc.disable()  # ten thousand fresh rows set off collections that find nothing
        try:
            rows, change = client.servers.rows_and_change(all_projects=acting.all_projects)
        finally:
            gc.enable()
        if acting.soft_deleted:
            rows = [*rows, *soft_deleted_rows(client, acting.all_projects)]
        self._put(Loaded(client, info, rows))
        stream = client.changes(change)
        self._stream = stream
        if self._ended.is_set():
            stream.close()
        for batch in stream:
            if self._ended.is_set():
                return
            self._put(Changes([still_there(client, one) for one in batch] if acting.soft_deleted else batch))

    def _put(self, event: Event) -> None:
        with self._guard:
            self._events.append(event)
            wake = not self._pending
            self._pending = True
        if wake and not self._ended.is_set():
            self._wake()
