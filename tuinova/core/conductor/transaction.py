"""One job's view of the open transaction, and what it leaves for after the commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable

from tuinova.core.conductor.statements import InsertStatement, Statement
from tuinova.core.models import Change as ChangeTable
from tuinova.core.records import Change, Instance, WorkOrder

_INSERT_CHANGE = InsertStatement(ChangeTable.__table__)  # type: ignore[attr-defined]


@dataclass(slots=True)
class RowUpdate:
    """A server's kept row view: new text, or None when it is gone from the lists."""

    uuid: str
    id: int
    project_id: str
    text: str | None


class Tx:
    """The connection, the moment of the transaction, and the changes and orders that followers get after it."""

    __slots__ = ("changes", "connection", "now", "orders", "rows")

    def __init__(self, connection: Connection, now: datetime) -> None:
        self.connection = connection
        self.now = now
        self.changes: list[Change] = []
        self.orders: list[WorkOrder] = []
        self.rows: list[RowUpdate] = []

    def run(self, statement: Executable, params: Mapping[str, Any] | None = None) -> CursorResult[Any]:
        """Execute one statement."""
        return self.connection.execute(statement, params)

    def first(self, statement: Executable, params: Mapping[str, Any] | None = None) -> Any:
        """The first row, or None."""
        return self.connection.execute(statement, params).first()

    # The same for statements of the hot paths, which are compiled once.
    def do(self, statement: Statement, params: Mapping[str, Any]) -> int:
        """Execute; returns the number of rows that it touched."""
        return statement.run(self.connection, params)

    def one(self, statement: Statement, params: Mapping[str, Any]) -> list[Any] | None:
        """The first row's values, or None."""
        return statement.first(self.connection, params)

    def insert(self, statement: InsertStatement, values: Mapping[str, Any]) -> int:
        """Insert one row and return its number."""
        return statement.run(self.connection, values)

    def change(self, kind: str, op: str, key: str, project_id: str | None = None, view: str | None = None) -> int:
        """Write an entry of the change feed and return its number."""
        values = {"kind": kind, "op": op, "key": key, "project_id": project_id, "at": self.now, "view": view}
        number = self.insert(_INSERT_CHANGE, values)
        self.changes.append(Change(number, kind, op, key, project_id, self.now, view))
        return number

    def keep_row(self, instance: Instance, text: str | None) -> None:
        """Remember the row view for the lists, to be put there after the commit."""
        self.rows.append(RowUpdate(instance.uuid, instance.id, instance.project_id, text))


# What an accepted request or a step writes beside the server's row, in the same transaction: gets the row as it was,
# returns what changes in it besides. What it raises undoes the whole.
Part = Callable[[Tx, Instance], Mapping[str, Any] | None]
