"""The life of servers: accepted requests, steps of the manager, and reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select

from tuinova.core.conductor import actions, block_devices, instance_rows, orders, placement, ports, quota_counts
from tuinova.core.conductor.base import Base
from tuinova.core.conductor.statements import InsertStatement, Statement
from tuinova.core.conductor.transaction import Part, RowUpdate, Tx
from tuinova.core.context import RequestContext
from tuinova.core.drafts import (
    ANY,
    EventFinish,
    EventStart,
    ExpectedTask,
    FaultDraft,
    InstanceDraft,
    OrderDraft,
    QuotaLimits,
)
from tuinova.core.errors import ActionNotFound
from tuinova.core.models import ScheduleTrace as TraceTable
from tuinova.core.models import ServerGroupMember as MemberTable
from tuinova.core.records import Fault, Instance, InstanceAction, QuotaUsage, ScheduleTrace
from tuinova.core.states import PowerState, TaskState, VmState

_I = instance_rows.T
_TRACE = TraceTable.__table__  # type: ignore[attr-defined]
_MEMBER = MemberTable.__table__  # type: ignore[attr-defined]
_INSERT_TRACE = InsertStatement(_TRACE)
_INSERT_MEMBER = InsertStatement(_MEMBER)
_DELETE_MEMBER = Statement(delete(_MEMBER).where(_MEMBER.c.instance_uuid == bindparam("uuid")))
_TRACES = (
    select(_TRACE.c.instance_uuid, _TRACE.c.request_id, _TRACE.c.at, _TRACE.c.trace)
    .where(_TRACE.c.instance_uuid == bindparam("uuid"))
    .order_by(_TRACE.c.id.desc())
)
_UUIDS_ON = select(_I.c.uuid).where(_I.c.host == bindparam("host"), _I.c.deleted.is_(False)).order_by(_I.c.id)
_ON_HOST = instance_rows.SELECT.where(_I.c.host == bindparam("host"), _I.c.deleted.is_(False)).order_by(_I.c.id)
_LIVING = instance_rows.SELECT.where(_I.c.deleted.is_(False)).order_by(_I.c.id)
_DRAFT_FIELDS = (
    "name",
    "uuid",
    "hostname",
    "description",
    "image_ref",
    "image",
    "kernel_id",
    "ramdisk_id",
    "key_name",
    "key_data",
    "user_data",
    "metadata",
    "system_metadata",
    "config_drive",
    "reservation_id",
    "launch_index",
    "root_device_name",
    "block_devices",
    "scheduler_hints",
    "server_group_id",
    "access_ip_v4",
    "access_ip_v6",
    "disk_config",
    "security_groups",
    "tags",
    "flavor",
)

Check = Callable[[Instance], None]
Updates = Mapping[str, Any] | Callable[[Instance], Mapping[str, Any] | None] | None


def _draft_values(tx: Tx, ctx: RequestContext, draft: InstanceDraft) -> dict[str, Any]:
    values = {name: getattr(draft, name) for name in _DRAFT_FIELDS}
    return {
        **values,
        "project_id": ctx.project_id,
        "user_id": ctx.user_id,
        "vm_state": VmState.BUILDING,
        "task_state": TaskState.SCHEDULING,
        "power_state": PowerState.NOSTATE,
        "progress": 0,
        "created_at": tx.now,
        "availability_zone": draft.availability_zone,
        "pinned_availability_zone": draft.availability_zone,
        "addresses": [],
        "deleted": False,
        "version": 0,
    }


def _deletion(tx: Tx, instance: Instance) -> dict[str, Any]:
    """What a deleted server's row says (nova/objects/instance.py destroy)."""
    return {
        "deleted": True,
        "deleted_at": tx.now,
        "terminated_at": instance.terminated_at or tx.now,
        "vm_state": VmState.DELETED,
        "task_state": None,
        "power_state": PowerState.NOSTATE,
        "addresses": [],
    }


class Servers(Base):
    """The conductor's calls about servers."""

    # writing ---------------------------------------------------------------------------------------------------------
    def create_instances(
        self,
        ctx: RequestContext,
        drafts: Sequence[InstanceDraft],
        *,
        action: str = "create",
        limits: QuotaLimits,
        order: OrderDraft,
        requested: str | None = None,
        also: Sequence[Part] = (),
    ) -> list[Instance]:
        """Write the servers of one request, their actions and its one work order (of the first server).

        The order's args get `instance_uuids`. Raises QuotaExceeded when they don't fit now; `requested` is how the
        refusal names the count ("1-5"). Raises ServerGroupMembersExceeded. `also`: parts for each of them.
        """

        def job(tx: Tx) -> list[Instance]:
            quota_counts.check_create(tx, ctx, drafts, limits, requested)
            made = []
            for draft in drafts:
                instance = instance_rows.create(tx, _draft_values(tx, ctx, draft))
                actions.record_action(tx, ctx, instance.uuid, action)
                if draft.server_group_id:
                    tx.insert(_INSERT_MEMBER, {"group_uuid": draft.server_group_id, "instance_uuid": instance.uuid})
                for part in also:
                    part(tx, instance)
                made.append(instance)
            uuids = [instance.uuid for instance in made]
            args = {**order.args, "instance_uuids": uuids}
            orders.write_order(tx, ctx, uuids[0], OrderDraft(order.method, order.host, args))
            return made

        return self._write(job)

    def accept(
        self,
        ctx: RequestContext,
        uuid: str,
        *,
        check: Check | None = None,
        updates: Updates = None,
        record: str | None = None,
        order: OrderDraft | None = None,
        system_metadata: Mapping[str, Any] | None = None,
        event: EventFinish | str | None = None,
        finished: bool = False,
        first: Sequence[Part] = (),
        also: Sequence[Part] = (),
    ) -> Instance:
        """Accept a request on a server in one transaction; a refused one leaves no trace.

        `check` gets the row as it is now and raises the refusal. `updates` may be a function of that row: None from it
        means that there is nothing to do, and nothing is recorded. In `system_metadata` None removes a key. `event` is
        one that began and ended here (api_lock); `finished` closes the action (Nova: resetState only). `first` and
        `also`: parts of the same transaction (`conductor.moves`, `conductor.images`), before and after the action is
        recorded: events belong to the newest action of their request.
        """

        def job(tx: Tx) -> Instance:
            old = instance_rows.read(tx.connection, uuid)
            if check is not None:
                check(old)
            values = updates(old) if callable(updates) else (updates or {})
            if values is None:
                return old
            if system_metadata:
                values = {**values, "system_metadata": instance_rows.merged(old.system_metadata, system_metadata)}
            for part in first:
                values = {**values, **(part(tx, old) or {})}
            if record is not None:
                action_id = actions.record_action(tx, ctx, uuid, record)
                if event is not None:
                    actions.finish_event(tx, uuid, event)
                if finished:
                    actions.finish_action(tx, action_id)
            for part in also:
                values = {**values, **(part(tx, old) or {})}
            new = instance_rows.save(tx, old, values)
            if order is not None:
                orders.write_order(tx, ctx, uuid, order)
            return new

        return self._write(job)

    def step(
        self,
        uuid: str,
        *,
        updates: Updates = None,
        expect_task: ExpectedTask = ANY,
        check: Check | None = None,
        event_start: EventStart | str | None = None,
        event_finish: EventFinish | str | None = None,
        fault: FaultDraft | None = None,
        order_started: int | None = None,
        order_done: int | None = None,
        order: OrderDraft | None = None,
        ctx: RequestContext | None = None,
        system_metadata: Mapping[str, Any] | None = None,
        delete_row: bool = False,
        release_allocation: bool = False,
        release_ports: bool = False,
        release_volumes: bool = False,
        with_deleted: bool = False,
        also: Sequence[Part] = (),
    ) -> Instance:
        """Write what the manager reports of one step, all of it in one transaction.

        Raises UnexpectedTaskState when `expect_task` is not met (nothing is written then) and InstanceNotFound.
        `delete_row` marks the row deleted and frees ports, volumes, allocation, group membership. `order_started` notes
        that the order's driver call begins, `order` is a follow-up that is written for `ctx`. `also`: as for `accept`.
        """

        def job(tx: Tx) -> Instance:
            old = instance_rows.read(tx.connection, uuid, with_deleted=with_deleted)
            instance_rows.check_task(old, expect_task)
            if check is not None:
                check(old)
            values = dict((updates(old) if callable(updates) else updates) or {})
            if system_metadata:
                values["system_metadata"] = instance_rows.merged(old.system_metadata, system_metadata)
            if fault is not None:
                values["fault"] = actions.record_fault(tx, uuid, fault)
            if delete_row or release_volumes:
                values.update(block_devices.release_volumes(tx, old, ctx))
            if delete_row:
                values.update(_deletion(tx, old))
                tx.do(_DELETE_MEMBER, {"uuid": uuid})
            if delete_row or release_allocation:
                placement.release(tx, uuid)
            if delete_row or release_ports:
                ports.release(tx, uuid)
                values["addresses"] = []
            for part in also:
                values.update(part(tx, old) or {})
            new = instance_rows.save(tx, old, values) if values else old
            self._log(tx, uuid, event_start, event_finish)
            if order_started is not None:
                orders.begin_order(tx, order_started)
            if order_done is not None:
                orders.finish_order(tx, order_done)
            if order is not None:
                assert ctx is not None, "a follow-up order needs the context of its request"
                orders.write_order(tx, ctx, uuid, order)
            return new

        return self._write(job)

    @staticmethod
    def _log(tx: Tx, uuid: str, start: EventStart | str | None, finish: EventFinish | str | None) -> None:
        if finish is not None:  # one ends and the next begins
            actions.finish_event(tx, uuid, finish)
        if start is not None:
            actions.start_event(tx, uuid, start)

    def set_metadata(
        self, ctx: RequestContext, uuid: str, metadata: Mapping[str, str], *, check: Check | None = None
    ) -> Instance:
        """Replace a server's metadata; Nova records no action for it."""
        return self.accept(ctx, uuid, check=check, updates={"metadata": dict(metadata)})

    def update_instance(
        self, ctx: RequestContext, uuid: str, fields: Mapping[str, Any], *, check: Check | None = None
    ) -> Instance:
        """Name, description, hostname, addresses of access; no action is recorded."""
        return self.accept(ctx, uuid, check=check, updates=fields)

    def save_trace(self, uuid: str, request_id: str, trace: Mapping[str, Any]) -> None:
        """Keep a decision of the scheduler; written with the next commit, this call does not wait for it."""
        values = {"instance_uuid": uuid, "request_id": request_id, "trace": dict(trace), "at": self._clock()}

        def job(tx: Tx) -> None:
            tx.insert(_INSERT_TRACE, values)

        self._write_sometime(job)

    # reading ---------------------------------------------------------------------------------------------------------
    def instance(self, uuid: str, *, with_deleted: bool = False) -> Instance:
        """One server; raises InstanceNotFound."""
        with self._reading() as connection:
            return instance_rows.read(connection, uuid, with_deleted=with_deleted)

    def instance_uuids_on(self, host: str) -> list[str]:
        """The living servers of a host, oldest first."""
        with self._reading() as connection:
            return list(connection.execute(_UUIDS_ON, {"host": host}).scalars())

    def instances_on(self, host: str) -> list[Instance]:
        """The same as records."""
        with self._reading() as connection:
            return [Instance(*row) for row in connection.execute(_ON_HOST, {"host": host})]

    def count_usage(self, project_id: str) -> QuotaUsage:
        """What a project holds now."""
        with self._reading() as connection:
            return quota_counts.usage(connection, project_id)

    def actions(self, uuid: str) -> list[InstanceAction]:
        """The action log of a server, newest first, without events; also of a deleted one."""
        with self._reading() as connection:
            return actions.actions_of(connection, uuid)

    def action(self, uuid: str, request_id: str) -> InstanceAction:
        """One action with its events; raises ActionNotFound."""
        with self._reading() as connection:
            found = actions.action_of(connection, uuid, request_id)
        if found is None:
            raise ActionNotFound(action_id=request_id)
        return found

    def newest_fault(self, uuid: str) -> Fault | None:
        """The newest fault of a server."""
        with self._reading() as connection:
            return actions.newest_fault(connection, uuid)

    def traces(self, uuid: str) -> list[ScheduleTrace]:
        """The kept decisions about a server, newest first."""
        with self._reading() as connection:
            return [ScheduleTrace(*row) for row in connection.execute(_TRACES, {"uuid": uuid})]

    # kept row views --------------------------------------------------------------------------------------------------
    def rows(self, project_id: str | None = None) -> tuple[int, list[str]]:
        """(number of the newest change, row views as JSON text, newest server first); None for all projects."""
        self._load_rows()
        last = self._feed.last  # read first: a change that comes between is sent again, never lost
        return last, self._rows.texts(project_id)

    def _load_rows(self) -> None:
        if not self._rows.loaded:
            self._write(lambda tx: self._rows.load(_all_rows(tx.connection)))


def _all_rows(connection: Connection) -> list[RowUpdate]:
    living = (Instance(*row) for row in connection.execute(_LIVING))
    return [
        RowUpdate(instance.uuid, instance.id, instance.project_id, instance_rows.row_text(instance))
        for instance in living
        if instance_rows.visible(instance)
    ]
