"""Reading and writing one server's row, and the change that goes with every write."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from datetime import datetime
from enum import Enum
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from tuinova.core.conductor.database import compact_json
from tuinova.core.conductor.errors import UnexpectedTaskState
from tuinova.core.conductor.statements import InsertStatement, Statement
from tuinova.core.conductor.transaction import Tx
from tuinova.core.conductor.view import row_view
from tuinova.core.drafts import Any_, ExpectedTask
from tuinova.core.errors import InstanceNotFound
from tuinova.core.models import Instance as InstanceTable
from tuinova.core.records import Instance
from tuinova.core.states import VmState

T = InstanceTable.__table__  # type: ignore[attr-defined]
FIELDS = tuple(item.name for item in fields(Instance))
# In the order of the record's fields, so that a row becomes a record by position.
COLUMNS = tuple(T.c[name] for name in FIELDS)
SELECT = select(*COLUMNS)
ONE = Statement(SELECT.where(T.c.uuid == bindparam("uuid")))
_INSERT = InsertStatement(T)
_DELETED = FIELDS.index("deleted")
_PLACES = {name: place for place, name in enumerate(FIELDS)}
_values_of = attrgetter(*FIELDS)
_PLAIN = frozenset({str, int, bool, float, type(None), dict, list, datetime})
_updates: dict[frozenset[str], Statement] = {}


def read(connection: Connection, uuid: str, *, with_deleted: bool = False) -> Instance:
    """One server; raises InstanceNotFound."""
    row = ONE.first(connection, {"uuid": uuid})
    if row is None or (row[_DELETED] and not with_deleted):
        raise InstanceNotFound(instance_id=uuid)
    return Instance(*row)


def check_task(instance: Instance, expected: ExpectedTask) -> None:
    """Nova's expected_task_state: raises UnexpectedTaskState when the task is another one."""
    if isinstance(expected, Any_):
        return
    allowed: Collection[str | None] = (expected,) if expected is None or isinstance(expected, str) else expected
    if instance.task_state not in allowed:
        words = ", ".join(str(task) for task in allowed)
        raise UnexpectedTaskState(instance_uuid=instance.uuid, actual=instance.task_state, expected=words)


def merged(old: Mapping[str, Any], new: Mapping[str, Any] | None) -> dict[str, Any]:
    """A mapping with the new items; None takes an item out."""
    both = {**old, **(new or {})}
    return {key: value for key, value in both.items() if value is not None}


def _plain(value: Any) -> Any:
    """The value as the database and JSON take it."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple | set | frozenset) else value


def _derived(values: dict[str, Any]) -> dict[str, Any]:
    """The columns that repeat what the flavor says, for counting and filtering."""
    flavor = values.get("flavor")
    if flavor is None:
        return values
    return {**values, "flavor_id": flavor["id"], "memory_mb": flavor["memory_mb"], "vcpus": flavor["vcpus"]}


def _update_of(names: frozenset[str]) -> Statement:
    """The UPDATE for these columns, built once so that it is compiled once."""
    statement = _updates.get(names)
    if statement is None:
        values: dict[str, Any] = {name: bindparam(f"v_{name}") for name in sorted(names)}
        statement = _updates[names] = Statement(update(T).where(T.c.id == bindparam("_id")).values(values))
    return statement


def visible(instance: Instance) -> bool:
    """Whether ordinary lists show it (nova leaves soft-deleted ones out too)."""
    return not instance.deleted and instance.vm_state != VmState.SOFT_DELETED


def row_text(instance: Instance) -> str:
    """The row view as JSON text."""
    return compact_json(row_view(instance))


def announce(tx: Tx, instance: Instance) -> int:
    """Write the server's change with its row view, and keep the view for the lists."""
    if not visible(instance):
        tx.keep_row(instance, None)
        # What is only put aside still holds what it held; its view says so.
        text = None if instance.deleted else row_text(instance)
        return tx.change("server", "delete", instance.uuid, instance.project_id, text)
    text = row_text(instance)
    tx.keep_row(instance, text)
    return tx.change("server", "update", instance.uuid, instance.project_id, text)


def save(tx: Tx, old: Instance, updates: Mapping[str, Any]) -> Instance:
    """Write fields of a server, its updated_at, its change and its version."""
    values = {name: _plain(value) for name, value in updates.items()}
    if old.task_progress is not None and values.get("task_state", old.task_state) != old.task_state:
        values.setdefault("task_progress", None)  # it was that of another task
    new = _changed(old, {**values, "updated_at": tx.now})
    version = announce(tx, new)
    values = _derived({**values, "updated_at": tx.now, "version": version})
    params = {f"v_{name}": value for name, value in values.items()}
    tx.do(_update_of(frozenset(values)), {**params, "_id": old.id})
    return _with_version(new, version)


def create(tx: Tx, values: Mapping[str, Any]) -> Instance:
    """Insert a server and announce it."""
    plain = {name: _plain(value) for name, value in values.items()}
    number = tx.insert(_INSERT, _derived(plain))
    instance = Instance(id=number, **plain)
    version = announce(tx, instance)
    tx.do(_update_of(frozenset({"version"})), {"_id": number, "v_version": version})
    return _with_version(instance, version)


def _changed(old: Instance, values: Mapping[str, Any]) -> Instance:
    """`dataclasses.replace`, six times as fast on a record of fifty fields; raises TypeError for an unknown name."""
    fields_now = list(_values_of(old))
    for name, value in values.items():
        place = _PLACES.get(name)
        if place is None:
            raise TypeError(f"a server has no field {name}")
        fields_now[place] = value
    return Instance(*fields_now)


def _with_version(instance: Instance, version: int) -> Instance:
    """The record, which nobody else has seen yet, with its number: copying its fifty fields would cost more."""
    object.__setattr__(instance, "version", version)
    return instance
