"""Lists of servers: Nova's filters, sort keys and paging as SQL."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Text, and_, cast, false, func, not_, or_, select

from tuinova.core.conductor import instance_rows
from tuinova.core.conductor.base import Base
from tuinova.core.conductor.database import compact_json
from tuinova.core.drafts import Any_, InstanceFilter
from tuinova.core.errors import InvalidInput, MarkerNotFound
from tuinova.core.models import FixedIp as FixedTable
from tuinova.core.models import Port as PortTable
from tuinova.core.records import Instance
from tuinova.core.states import VmState, states_of_status

_T = instance_rows.T
_P = PortTable.__table__  # type: ignore[attr-defined]
_F = FixedTable.__table__  # type: ignore[attr-defined]
_EXACT = (
    "project_id",
    "user_id",
    "power_state",
    "host",
    "node",
    "key_name",
    "availability_zone",
    "reservation_id",
    "server_group_id",
    "config_drive",
    "progress",
)
_PATTERNS = ("name", "hostname", "description")
# Nova's sort keys (nova/api/openstack/compute/schemas/servers.py) to our columns.
SORT_KEYS = {
    "access_ip_v4": "access_ip_v4",
    "access_ip_v6": "access_ip_v6",
    "auto_disk_config": "disk_config",
    "availability_zone": "availability_zone",
    "config_drive": "config_drive",
    "created_at": "created_at",
    "display_description": "description",
    "display_name": "name",
    "host": "host",
    "hostname": "hostname",
    "image_ref": "image_ref",
    "instance_type_id": "flavor_id",
    "kernel_id": "kernel_id",
    "key_name": "key_name",
    "launch_index": "launch_index",
    "launched_at": "launched_at",
    "locked_by": "locked_by",
    "node": "node",
    "power_state": "power_state",
    "progress": "progress",
    "project_id": "project_id",
    "ramdisk_id": "ramdisk_id",
    "root_device_name": "root_device_name",
    "task_state": "task_state",
    "terminated_at": "terminated_at",
    "updated_at": "updated_at",
    "user_id": "user_id",
    "uuid": "uuid",
    "vm_state": "vm_state",
}
_SortKey = tuple[ColumnElement[Any], bool]  # column, descending?


def _status_condition(statuses: Collection[str]) -> ColumnElement[bool]:
    """vm_state and task_state pairs that show one of the statuses; an unknown status matches nothing."""
    conditions: list[ColumnElement[bool]] = []
    for status in statuses:
        for vm_state, tasks in states_of_status(status):
            here = _T.c.vm_state == vm_state
            if tasks is None:
                special = [task for name, other in _special_tasks(vm_state) if name != status.upper() for task in other]
                if special:
                    here = and_(here, or_(_T.c.task_state.is_(None), _T.c.task_state.not_in(special)))
                conditions.append(here)
            else:
                conditions.append(and_(here, _T.c.task_state.in_(sorted(tasks))))
    return or_(*conditions) if conditions else false()


def _special_tasks(vm_state: str) -> list[tuple[str, frozenset[str]]]:
    from tuinova.core.states import STATUS_MAP

    by_task = STATUS_MAP[vm_state][1]
    return [(name, frozenset(task for task, other in by_task.items() if other == name)) for name in by_task.values()]


def _presence(wanted: InstanceFilter, vm_states: Collection[str] | None) -> list[ColumnElement[bool]]:
    """Which of living, soft-deleted and deleted rows."""
    soft = _T.c.vm_state == VmState.SOFT_DELETED.value
    if wanted.deleted is True:
        return [or_(_T.c.deleted.is_(True), soft)]
    if wanted.deleted is None and wanted.changes_since is not None:
        return []
    asked_for_soft = bool(vm_states) and VmState.SOFT_DELETED.value in (vm_states or ())
    return [_T.c.deleted.is_(False)] + ([] if asked_for_soft else [~soft])


def conditions(wanted: InstanceFilter) -> list[ColumnElement[bool]]:
    """The WHERE of a filter."""
    vm_states = set(wanted.vm_state or ())
    if wanted.status:
        vm_states |= {vm_state for status in wanted.status for vm_state, _ in states_of_status(status)}
    found = _presence(wanted, vm_states)
    for name in _EXACT:
        if (value := getattr(wanted, name)) is not None:
            found.append(_T.c[name] == value)
    for name in _PATTERNS:
        if (value := getattr(wanted, name)) is not None:
            found.append(_T.c[name].regexp_match(value))
    if wanted.uuids is not None:
        found.append(_T.c.uuid.in_(list(wanted.uuids)))
    if wanted.status:
        found.append(_status_condition(wanted.status))
    if wanted.vm_state is not None:
        found.append(_T.c.vm_state.in_(list(wanted.vm_state)))
    if not isinstance(wanted.task_state, Any_):
        found.append(_T.c.task_state == wanted.task_state)
    if wanted.flavor is not None:
        found.append(_T.c.flavor_id == wanted.flavor)
    if wanted.image is not None:
        found.append(_T.c.image_ref == wanted.image)
    if wanted.locked is not None:
        found.append(_T.c.locked_by.is_not(None) if wanted.locked else _T.c.locked_by.is_(None))
    return found + _moments(wanted) + _addresses(wanted) + _tags(wanted)


def _moments(wanted: InstanceFilter) -> list[ColumnElement[bool]]:
    changed = func.coalesce(_T.c.updated_at, _T.c.created_at, type_=_T.c.created_at.type)
    found = []
    if wanted.changes_since is not None:
        found.append(changed >= wanted.changes_since)
    if wanted.changes_before is not None:
        found.append(changed <= wanted.changes_before)
    return found


def _has_tag(tag: str) -> ColumnElement[bool]:
    """Whether the list holds the tag: its text between what may stand around one, which no tag holds itself."""
    return cast(_T.c.tags, Text).regexp_match(rf"[\[,]{re.escape(compact_json(tag))}[\],]")


def _tags(wanted: InstanceFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.tags:
        found.append(and_(*map(_has_tag, wanted.tags)))
    if wanted.tags_any:
        found.append(or_(*map(_has_tag, wanted.tags_any)))
    if wanted.not_tags:
        found.append(not_(and_(*map(_has_tag, wanted.not_tags))))
    if wanted.not_tags_any:
        found.append(not_(or_(*map(_has_tag, wanted.not_tags_any))))
    return found


def _addresses(wanted: InstanceFilter) -> list[ColumnElement[bool]]:
    found = []
    for pattern, six in ((wanted.ip, False), (wanted.ip6, True)):
        if pattern is not None:
            family = _F.c.address.contains(":")
            ports = (
                select(_P.c.device_id)
                .join(_F, _F.c.port_id == _P.c.id)
                .where(_F.c.address.regexp_match(pattern), family if six else ~family)
            )
            found.append(_T.c.uuid.in_(ports))
    return found


def sort_keys(wanted: InstanceFilter) -> list[_SortKey]:
    """The order: what was asked, then Nova's created_at and id, newest first; raises InvalidInput."""
    keys: list[_SortKey] = []
    for name, direction in wanted.sort:
        if name not in SORT_KEYS:
            raise InvalidInput(reason=f"sort_key: {name} is none of {', '.join(sorted(SORT_KEYS))}")
        keys.append((_T.c[SORT_KEYS[name]], direction.lower() == "desc"))
    asked = {SORT_KEYS[name] for name, _ in wanted.sort}
    if "created_at" not in asked:
        keys.append((_T.c.created_at, True))
    return [*keys, (_T.c.id, True)]


def _after(connection: Connection, wanted: InstanceFilter, keys: Sequence[_SortKey]) -> ColumnElement[bool]:
    """The rows behind the marker: equal in the first keys, behind it in the next; NULL is behind every value."""
    statement = select(*(column for column, _ in keys)).where(_T.c.uuid == wanted.marker)
    if wanted.project_id is not None:
        statement = statement.where(_T.c.project_id == wanted.project_id)
    row = connection.execute(statement).first()
    if row is None:
        raise MarkerNotFound(marker=wanted.marker)
    choices: list[ColumnElement[bool]] = []
    equal: list[ColumnElement[bool]] = []
    for (column, descending), value in zip(keys, row, strict=True):
        if value is None:
            equal.append(column.is_(None))
            continue
        behind = column < value if descending else column > value
        choices.append(and_(*equal, or_(behind, column.is_(None))))
        equal.append(column == value)
    return or_(*choices) if choices else false()


def _listed(connection: Connection, columns: Sequence[ColumnElement[Any]], wanted: InstanceFilter) -> Select[Any]:
    keys = sort_keys(wanted)
    where = conditions(wanted)
    if wanted.marker is not None:
        where.append(_after(connection, wanted, keys))
    order: list[ColumnElement[Any]] = []
    for column, descending in keys:
        if column.nullable:
            order.append(column.is_(None))
        order.append(column.desc() if descending else column.asc())
    return select(*columns).where(*where).order_by(*order).limit(wanted.limit)


class Listing(Base):
    """The conductor's lists of servers."""

    def instances(self, wanted: InstanceFilter | None = None) -> list[Instance]:
        """The servers that match; raises MarkerNotFound, InvalidInput for an unknown sort key."""
        with self._reading() as connection:
            statement = _listed(connection, instance_rows.COLUMNS, wanted or InstanceFilter())
            return [Instance(*row) for row in connection.execute(statement)]

    def instance_versions(self, wanted: InstanceFilter | None = None) -> list[tuple[str, int]]:
        """(uuid, version) of the servers that match, in order: what is kept under such a pair is still true."""
        with self._reading() as connection:
            statement = _listed(connection, (_T.c.uuid, _T.c.version), wanted or InstanceFilter())
            return [(row.uuid, row.version) for row in connection.execute(statement)]

    def instances_by_uuid(self, uuids: Collection[str]) -> dict[str, Instance]:
        """The servers of these uuids, deleted ones included; unknown uuids are left out."""
        found: dict[str, Instance] = {}
        listed = list(uuids)
        with self._reading() as connection:
            for start in range(0, len(listed), _IN_AT_ONCE):
                statement = instance_rows.SELECT.where(_T.c.uuid.in_(listed[start : start + _IN_AT_ONCE]))
                for row in connection.execute(statement):
                    instance = Instance(*row)
                    found[instance.uuid] = instance
        return found

    def count_instances(self, wanted: InstanceFilter | None = None) -> int:
        """How many servers match, paging aside."""
        with self._reading() as connection:
            statement = select(func.count(_T.c.id)).where(*conditions(wanted or InstanceFilter()))
            return int(connection.execute(statement).scalar() or 0)


_IN_AT_ONCE = 500  # parameters of one statement: old SQLite takes 999
