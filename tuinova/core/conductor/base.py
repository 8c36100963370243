"""What every part of the conductor has: a way to write and a way to read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, TimeoutError

from tuinova.core.conductor.errors import ConductorClosed, DatabaseUnavailable
from tuinova.core.conductor.feed import Feed, RowCache
from tuinova.core.conductor.transaction import Tx
from tuinova.core.conductor.writer import Writer

T = TypeVar("T")


class Base:
    """Shared by the parts; `Conductor` puts them together."""

    _writer: Writer | None
    _readers: Engine | None
    _driver_error: type[Exception]  # the database driver's own base class
    _clock: Callable[[], datetime]
    _feed: Feed
    _rows: RowCache

    def _write(self, job: Callable[[Tx], T]) -> T:
        """Run a job in the writer thread and return after its commit."""
        if self._writer is None:
            raise ConductorClosed
        return self._writer.run(job)

    def _write_sometime(self, job: Callable[[Tx], None]) -> None:
        """Have a job done with the next commit; for what nobody waits for and no promise depends on."""
        if self._writer is None:
            raise ConductorClosed
        self._writer.submit_idle(job)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """A connection with one consistent view of the database; never waits for the writer."""
        if self._readers is None:
            raise ConductorClosed
        try:
            with self._readers.connect() as connection, connection.begin():
                yield connection
        except (DBAPIError, TimeoutError, self._driver_error) as error:
            raise DatabaseUnavailable(reason=str(getattr(error, "orig", None) or error)) from error
