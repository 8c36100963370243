"""Core statements compiled once and handed to the driver as text.

`Connection.execute` spends a tenth of a millisecond on each statement, most of a transaction; what runs at every step
of a server goes this way instead. The SQL, the order of parameters and the conversion of values are SQLAlchemy's own
for the dialect in use, so the statements stay portable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, Executable, Insert, Table, bindparam, insert
from sqlalchemy.sql.elements import ClauseElement

Processor = Callable[[Any], Any]


class _Compiled:
    """A statement in the words of one dialect."""

    __slots__ = ("_binds", "_by_position", "_fixed", "_results", "sql")

    def __init__(self, clause: ClauseElement, dialect: Dialect, columns: Sequence[Any]) -> None:
        compiled: Any = clause.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        self.sql: str = str(compiled)
        self._by_position: bool = bool(compiled.positional)
        names: Iterable[str] = compiled.positiontup if self._by_position else compiled.params
        self._binds: list[tuple[str, Processor | None]] = []
        self._fixed: dict[str, Any] = {name: value for name, value in compiled.params.items() if value is not None}
        for name in names:
            kind = compiled.binds[name].type.dialect_impl(dialect)
            self._binds.append((name, kind.bind_processor(dialect)))
        self._results: list[tuple[int, Processor]] = []
        for place, column in enumerate(columns):
            process = column.type.dialect_impl(dialect).result_processor(dialect, None)
            if process is not None:
                self._results.append((place, process))

    def parameters(self, given: Mapping[str, Any]) -> Any:
        """The driver's parameters: values that the statement itself holds, then the given ones."""
        values = {**self._fixed, **given} if self._fixed else given
        if self._by_position:
            return [process(values[name]) if process else values[name] for name, process in self._binds]
        return {name: process(values[name]) if process else values[name] for name, process in self._binds}

    def row(self, raw: Sequence[Any]) -> list[Any]:
        """A row with its values converted."""
        values = list(raw)
        for place, process in self._results:
            values[place] = process(values[place])
        return values


class Statement:
    """One Core statement; every bindparam in it without a value of its own must be given."""

    __slots__ = ("_clause", "_columns", "_compiled")

    def __init__(self, clause: Executable) -> None:
        self._clause: Any = clause
        returned = (entry["expr"] for entry in getattr(clause, "returning_column_descriptions", ()))
        self._columns: tuple[Any, ...] = tuple(getattr(clause, "selected_columns", returned))
        self._compiled: dict[str, _Compiled] = {}

    def _cursor(self, connection: Connection, params: Mapping[str, Any]) -> tuple[_Compiled, Any]:
        dialect = connection.dialect
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _Compiled(self._clause, dialect, self._columns)
        cursor = connection.connection.cursor()
        cursor.execute(compiled.sql, compiled.parameters(params))
        return compiled, cursor

    def run(self, connection: Connection, params: Mapping[str, Any]) -> int:
        """Execute; returns the number of rows that it touched."""
        _, cursor = self._cursor(connection, params)
        count = int(cursor.rowcount)
        cursor.close()
        return count

    def first(self, connection: Connection, params: Mapping[str, Any]) -> list[Any] | None:
        """The first row's values, or None."""
        compiled, cursor = self._cursor(connection, params)
        raw = cursor.fetchone()
        cursor.close()
        return None if raw is None else compiled.row(raw)

    def all(self, connection: Connection, params: Mapping[str, Any]) -> list[list[Any]]:
        """All rows' values."""
        compiled, cursor = self._cursor(connection, params)
        rows = cursor.fetchall()
        cursor.close()
        return [compiled.row(raw) for raw in rows]


class InsertStatement:
    """An INSERT of a whole row: columns that are not given get their default, and the number is returned."""

    __slots__ = ("_defaults", "_numbered", "_statement")

    def __init__(self, table: Table) -> None:
        self._defaults: dict[str, Any] = {}
        for column in table.columns:
            if column is table.autoincrement_column:
                continue
            self._defaults[column.name] = column.default
        values = {name: bindparam(name, type_=table.c[name].type) for name in self._defaults}
        clause: Insert = insert(table).values(values)
        key = table.autoincrement_column
        self._numbered = key is not None
        self._statement = Statement(clause.returning(key) if key is not None else clause)

    def run(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """Insert; returns the row's number, 0 for a table without one."""
        row = {name: values[name] if name in values else _default(default) for name, default in self._defaults.items()}
        if not values.keys() <= row.keys():
            raise TypeError(f"unknown columns: {sorted(set(values) - set(row))}")
        if not self._numbered:
            self._statement.run(connection, row)
            return 0
        found = self._statement.first(connection, row)
        return int(found[0]) if found else 0


def _default(default: Any) -> Any:
    if default is None:
        return None
    return default.arg(None) if default.is_callable else default.arg
