"""The change feed and the kept row views: what followers get after a commit."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from itertools import takewhile

from sqlalchemy import Connection, bindparam, delete, func, select

from tuinova.core.conductor.transaction import RowUpdate, Tx
from tuinova.core.errors import ChangesTrimmed
from tuinova.core.models import Change as ChangeTable
from tuinova.core.records import Change

_T = ChangeTable.__table__  # type: ignore[attr-defined]
_COLUMNS = (_T.c.id, _T.c.kind, _T.c.op, _T.c.key, _T.c.project_id, _T.c.at, _T.c.view)
_SINCE = select(*_COLUMNS).where(_T.c.id > bindparam("since")).order_by(_T.c.id).limit(bindparam("limit"))
_OLDEST = select(func.min(_T.c.id))
_LAST = select(func.max(_T.c.id))
_TRIM = delete(_T).where(_T.c.id <= bindparam("upto"))

KEEP = 20_000
TRIM_EVERY = 1_000
_TAIL = 4_096


class Feed:
    """The newest changes in memory, so that followers wake up without a query."""

    def __init__(self, keep: int = KEEP) -> None:
        self.keep = keep
        self._lock = threading.Lock()
        self._tail: deque[Change] = deque(maxlen=_TAIL)
        self._last = 0
        self._trimmed_at = 0
        self.started = False

    def start(self, connection: Connection) -> None:
        """Learn the last number."""
        self._last = self._trimmed_at = connection.execute(_LAST).scalar() or 0
        self.started = True

    @property
    def last(self) -> int:
        """The number of the newest committed change, 0 when there was none."""
        return self._last

    def apply(self, transactions: Sequence[Tx]) -> bool:
        """Take the changes of committed transactions; true when it is time to trim."""
        with self._lock:
            for tx in transactions:
                self._tail.extend(tx.changes)
            if self._tail:
                self._last = max(self._last, self._tail[-1].id)
            due = self._last - self._trimmed_at >= TRIM_EVERY
            if due:
                self._trimmed_at = self._last
        return due

    def trim(self, tx: Tx) -> None:
        """Forget all but the newest changes; a job of the writer."""
        tx.run(_TRIM, {"upto": self._last - self.keep})

    def recent(self, since: int, limit: int) -> list[Change] | None:
        """The changes after `since` if memory holds all of them, else None; raises for a number never given out."""
        with self._lock:
            if since > self._last:
                raise ChangesTrimmed(oldest=self._last)
            if since == self._last:
                return []
            if not self._tail or since < self._tail[0].id - 1:
                return None
            # From the newest end: followers are mostly a change or two behind, and the memory holds thousands.
            found = list(takewhile(lambda change: change.id > since, reversed(self._tail)))
        found.reverse()
        return found[:limit]

    def stored(self, connection: Connection, since: int, limit: int) -> list[Change]:
        """The same from the database; raises ChangesTrimmed below the oldest kept one."""
        oldest = connection.execute(_OLDEST).scalar()
        if oldest is not None and since < oldest - 1:
            raise ChangesTrimmed(oldest=oldest)
        return [Change(*row) for row in connection.execute(_SINCE, {"since": since, "limit": limit})]


class RowCache:
    """The row views of all living servers as JSON text, oldest first; loaded when first asked for."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._rows: dict[str, RowUpdate] | None = None

    @property
    def loaded(self) -> bool:
        """Whether the views are here."""
        return self._rows is not None

    def load(self, rows: Sequence[RowUpdate]) -> None:
        """Take all views, ordered by number; called in the writer thread, so no commit can come between."""
        with self.lock:
            self._rows = {row.uuid: row for row in rows}

    def apply(self, transactions: Sequence[Tx]) -> None:
        """Take the views of committed transactions."""
        with self.lock:
            if self._rows is None:
                return
            for tx in transactions:
                for row in tx.rows:
                    if row.text is None:
                        self._rows.pop(row.uuid, None)
                    else:
                        self._rows[row.uuid] = row

    def texts(self, project_id: str | None) -> list[str]:
        """The views, newest server first; `project_id` None for all projects."""
        with self.lock:
            rows = list((self._rows or {}).values())
        rows.reverse()
        return [row.text for row in rows if row.text and (project_id is None or row.project_id == project_id)]

    def text(self, uuid: str) -> str | None:
        """One server's view."""
        with self.lock:
            row = (self._rows or {}).get(uuid)
        return row.text if row else None
