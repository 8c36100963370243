"""Statements that are compiled once say and return the same as through SQLAlchemy, on every dialect."""

from __future__ import annotations

import importlib
import pkgutil
from datetime import timedelta, timezone

import pytest
from sqlalchemy import Executable, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateTable

from tuinova.core import conductor as package
from tuinova.core.conductor import utcnow
from tuinova.core.conductor.statements import InsertStatement, Statement
from tuinova.core.models import Change, Flavor, Instance, metadata

T = Flavor.__table__
VALUES = {
    "flavorid": "x",
    "name": "x'; DROP TABLE flavor; --",
    "memory_mb": 1,
    "vcpus": 1,
    "rxtx_factor": 1.5,
    "is_public": False,
    "created_at": utcnow(),
}


def module_statements() -> list[object]:
    found: list[object] = []
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for value in vars(module).values():
            if isinstance(value, Statement):
                found.append(value._clause)
            elif isinstance(value, InsertStatement):
                found.append(value._statement._clause)
            elif isinstance(value, Executable):
                found.append(value)
    return found


@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect()], ids=["sqlite", "postgresql"])
def test_every_statement_can_be_said_in_both_dialects(dialect):
    statements = module_statements()
    assert len(statements) > 60
    for statement in statements:
        assert str(statement.compile(dialect=dialect))
    for table in metadata.sorted_tables:
        assert str(CreateTable(table).compile(dialect=dialect))


def test_the_same_row_comes_back_as_through_sqlalchemy(conductor):
    statement = select(T).where(T.c.flavorid == bindparam("flavorid"))

    def job(tx):
        number = InsertStatement(T).run(tx.connection, VALUES)
        plain = tx.run(statement, {"flavorid": "x"}).one()
        quick = Statement(statement).first(tx.connection, {"flavorid": "x"})
        assert list(plain) == quick
        assert plain.id == number
        return dict(plain._mapping)

    row = conductor._write(job)
    assert {name: row[name] for name in VALUES} == VALUES
    assert (row["root_gb"], row["disabled"], row["description"]) == (0, False, None)
    assert len(conductor.flavors()) == 12


def test_defaults_of_the_columns_are_those_of_sqlalchemy(conductor):
    columns = {"uuid", "name", "hostname", "project_id", "user_id", "vm_state", "reservation_id", "flavor_id"}
    values = {**dict.fromkeys(columns, "x"), "created_at": utcnow(), "memory_mb": 1, "vcpus": 1}
    table = Instance.__table__

    def job(tx):
        quick = InsertStatement(table).run(tx.connection, {**values, "uuid": "a"})
        plain = tx.run(insert(table), {**values, "uuid": "b"}).inserted_primary_key[0]
        return [dict(row._mapping) for row in tx.run(select(table).where(table.c.id.in_([quick, plain])))]

    first, second = conductor._write(job)
    differing = {name for name in first if first[name] != second[name]}
    assert differing == {"id", "uuid"}


def test_counts_lists_and_nothing(conductor):
    rename = Statement(update(T).where(T.c.vcpus == bindparam("n")).values(description=bindparam("v")))
    find = Statement(select(T.c.flavorid).where(T.c.vcpus == bindparam("n"), T.c.memory_mb > 5000))
    assert conductor._write(lambda tx: rename.run(tx.connection, {"n": 8, "v": "big"})) == 1
    assert conductor._write(lambda tx: rename.run(tx.connection, {"n": 99, "v": "x"})) == 0
    assert conductor._write(lambda tx: find.all(tx.connection, {"n": 4})) == [["4"]]
    assert conductor._write(lambda tx: find.first(tx.connection, {"n": 1})) is None


def test_naive_times_are_refused_and_others_become_utc(conductor):
    statement = InsertStatement(Change.__table__)
    values = {"kind": "flavor", "op": "update", "key": "x"}
    with pytest.raises(ValueError, match="timezone"):
        conductor._write(lambda tx: statement.run(tx.connection, {**values, "at": utcnow().replace(tzinfo=None)}))
    now = utcnow()
    there = now.astimezone(timezone(timedelta(hours=8)))
    conductor._write(lambda tx: statement.run(tx.connection, {**values, "at": there}))
    with conductor._reading() as connection:
        read = connection.execute(select(Change.__table__.c.at)).scalar()
    assert (read, read.utcoffset()) == (now, timedelta(0))


def test_an_unknown_column_and_a_missing_value_are_errors(conductor):
    with pytest.raises(TypeError, match="colour"):
        conductor._write(lambda tx: InsertStatement(T).run(tx.connection, {**VALUES, "colour": 1}))
    with pytest.raises(KeyError, match="n"):
        conductor._write(lambda tx: Statement(select(T.c.id).where(T.c.vcpus == bindparam("n"))).all(tx.connection, {}))
