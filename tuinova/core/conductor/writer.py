"""The one thread that writes: jobs that wait together share a commit.

A job runs inside the transaction, so it must be short: no hypervisor, no file. Its future resolves after the commit,
never before; a job that raises leaves no trace and does not disturb its neighbours. A job may run twice, so all that it
does must be in the transaction: a batch runs without savepoints, which would be a third of its statements, and begins
again with them when one of its jobs raises.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from tuinova.core.conductor.errors import ConductorClosed, DatabaseUnavailable
from tuinova.core.conductor.transaction import Tx

LOG = logging.getLogger(__name__)
T = TypeVar("T")
_BATCH = 64
_PATIENCE = 0.05  # seconds that a job without hurry waits for another one's commit
_NUDGE = "nudge"
_Job = tuple[Callable[[Tx], Any], "Future[Any]"]


class Writer:
    """Runs jobs in a thread of its own; `after_commit` gets the batch's transactions before any future resolves."""

    def __init__(
        self,
        engine: Engine,
        clock: Callable[[], datetime],
        after_commit: Callable[[Sequence[Tx]], None],
        then: Callable[[Sequence[Tx]], None],
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._after_commit = after_commit
        self._then = then
        # A job; None ends the thread; _NUDGE says that something waits in `_idle`.
        self._jobs: queue.SimpleQueue[_Job | str | None] = queue.SimpleQueue()
        self._idle: deque[_Job] = deque()
        self._gate = threading.Lock()
        self._closed = False
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="conductor-writer", daemon=True)

    def start(self) -> None:
        """Begin to take jobs."""
        self._thread.start()

    def submit(self, job: Callable[[Tx], T]) -> Future[T]:
        """Queue a job; the future resolves after its commit."""
        future: Future[T] = Future()
        with self._gate:
            if self._closed:
                raise ConductorClosed
            self._jobs.put((job, future))
        return future

    def submit_idle(self, job: Callable[[Tx], T]) -> Future[T]:
        """Queue a job that nobody waits for: it joins the next commit, and has one of its own only if none comes."""
        future: Future[T] = Future()
        with self._gate:
            if self._closed:
                raise ConductorClosed
            self._idle.append((job, future))
            self._jobs.put(_NUDGE)
        return future

    def run(self, job: Callable[[Tx], T]) -> T:
        """Run a job and wait for its commit."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("a callback of the writer thread must not write: it would wait for itself")
        return self.submit(job).result()

    def close(self) -> None:
        """Carry out what is queued, then stop."""
        with self._gate:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._thread.join()
        self._disconnect()

    # the thread ------------------------------------------------------------------------------------------------------
    def _run(self) -> None:
        last = False
        while not last:
            try:
                first = self._jobs.get(timeout=_PATIENCE if self._idle else None)
            except queue.Empty:
                self._commit(self._take_idle())
                continue
            if first == _NUDGE and len(self._idle) < _BATCH:
                continue
            batch, last = self._gather(first)
            if batch:
                self._commit(batch)

    def _take_idle(self, most: int = _BATCH) -> list[_Job]:
        return [self._idle.popleft() for _ in range(min(len(self._idle), most))]

    def _connected(self) -> Connection:
        """The one connection, kept from batch to batch."""
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _disconnect(self) -> None:
        """Let go of the connection; the next batch gets a fresh one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except DBAPIError as error:
                LOG.warning("Closing a broken database connection: %s", error)

    def _gather(self, item: _Job | str | None) -> tuple[list[_Job], bool]:
        """The jobs that wait now, about one batch, and whether the end was among them."""
        batch = self._take_idle()
        while True:
            if item is None:
                return [*batch, *self._take_idle(len(self._idle))], True
            if not isinstance(item, str):
                batch.append(item)
            if len(batch) >= _BATCH:
                return batch, False
            try:
                item = self._jobs.get_nowait()
            except queue.Empty:
                return batch, False

    def _commit(self, batch: list[_Job], *, guarded: bool = False) -> None:
        done: list[tuple[Tx, Future[Any], Any]] = []
        failed: list[tuple[Future[Any], BaseException]] = []
        try:
            connection = self._connected()
            with connection.begin():
                for job, future in batch:
                    self._one(connection, job, future, done, failed, guarded=guarded)
        except _Refused:
            if len(batch) > 1:
                self._commit(batch, guarded=True)
                return
            # The only job of the batch: its error is in `failed`, its transaction rolled back.
        except BaseException as error:  # noqa: BLE001 - the thread must survive anything; the waiting callers get it
            LOG.warning("A batch of %d writes was rolled back: %s", len(batch), error)
            self._disconnect()
            reason = DatabaseUnavailable(reason=_reason(error))
            for _, future in batch:
                if not future.done():
                    future.set_exception(reason)
            return
        transactions = [tx for tx, _, _ in done]
        if transactions:
            self._after_commit(transactions)
        for _, future, result in done:
            future.set_result(result)
        for future, problem in failed:
            future.set_exception(problem)
        if transactions:
            self._then(transactions)

    def _one(
        self,
        connection: Connection,
        job: Callable[[Tx], Any],
        future: Future[Any],
        done: list[tuple[Tx, Future[Any], Any]],
        failed: list[tuple[Future[Any], BaseException]],
        *,
        guarded: bool,
    ) -> None:
        tx = Tx(connection, self._clock())
        if guarded:
            connection.exec_driver_sql("SAVEPOINT job")
        try:
            result = job(tx)
        except Exception as error:
            if not self._usable(error):
                raise
            failed.append((future, error))
            if not guarded:
                raise _Refused from error
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT job")
            connection.exec_driver_sql("RELEASE SAVEPOINT job")
        else:
            if guarded:
                connection.exec_driver_sql("RELEASE SAVEPOINT job")
            done.append((tx, future, result))

    def _usable(self, error: Exception) -> bool:
        """Whether the transaction can go on after an error: not after a full disk or a lost connection."""
        original = error.orig if isinstance(error, DBAPIError) else error
        driver: Any = self._engine.dialect.loaded_dbapi
        if not isinstance(original, driver.Error):
            return True
        return isinstance(original, driver.IntegrityError | driver.ProgrammingError | driver.DataError)


class _Refused(Exception):
    """Rolls a transaction back: its job has raised, or one of its jobs, which then run again with savepoints."""


def _reason(error: BaseException) -> str:
    original = getattr(error, "orig", None)
    return str(original or error) or type(error).__name__
