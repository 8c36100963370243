"""Capacity: claims, allocations, and giving them back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    ScalarSelect,
    bindparam,
    delete,
    literal,
    or_,
    select,
    update,
)

from tuinova.core.conductor import actions, instance_rows, orders
from tuinova.core.conductor.base import Base
from tuinova.core.conductor.statements import InsertStatement, Statement
from tuinova.core.conductor.transaction import Part, Tx
from tuinova.core.context import RequestContext
from tuinova.core.drafts import ANY, AmountsLike, EventFinish, EventStart, ExpectedTask, OrderDraft
from tuinova.core.models import Allocation as AllocationTable
from tuinova.core.models import ComputeNode as NodeTable
from tuinova.core.records import Allocation, Instance

_A = AllocationTable.__table__  # type: ignore[attr-defined]
TABLE = _A
_N = NodeTable.__table__  # type: ignore[attr-defined]

_FIELDS = ("consumer", "host", "node", "vcpus", "memory_mb", "disk_gb", "others")
_SELECT = select(*(_A.c[name] for name in _FIELDS))
_ONE = Statement(_SELECT.where(_A.c.consumer == bindparam("consumer")))
_INSERT = InsertStatement(_A)
_DELETE = Statement(delete(_A).where(_A.c.consumer == bindparam("consumer")))


def _fits(total: Any, allocated: Any, foreign: Any, reserved: Any, ratio: Any, asked: Any) -> ColumnElement[bool]:
    """Placement's rule: used + asked <= (total - reserved) * ratio, and one server not above the physical total.

    A class of which nothing is asked is not looked at.
    """
    return or_(asked == literal(0), (asked <= total) & (allocated + foreign + asked <= (total - reserved) * ratio))


_vcpus: BindParameter[int] = bindparam("v_vcpus", type_=Integer)
_memory: BindParameter[int] = bindparam("v_memory_mb", type_=Integer)
_disk: BindParameter[int] = bindparam("v_disk_gb", type_=Integer)
_here = (_N.c.host == bindparam("_host")) & (_N.c.hypervisor_hostname == bindparam("_node"))
_TAKE = Statement(
    update(_N)
    .where(
        _here,
        _fits(
            _N.c.vcpus,
            _N.c.vcpus_allocated,
            _N.c.foreign_vcpus,
            _N.c.reserved_host_cpus,
            _N.c.cpu_allocation_ratio,
            _vcpus,
        ),
        _fits(
            _N.c.memory_mb,
            _N.c.memory_mb_allocated,
            _N.c.foreign_memory_mb,
            _N.c.reserved_host_memory_mb,
            _N.c.ram_allocation_ratio,
            _memory,
        ),
        _fits(
            _N.c.local_gb,
            _N.c.local_gb_allocated,
            _N.c.foreign_disk_gb,
            _N.c.reserved_host_disk_gb,
            _N.c.disk_allocation_ratio,
            _disk,
        ),
    )
    .values(
        vcpus_allocated=_N.c.vcpus_allocated + _vcpus,
        memory_mb_allocated=_N.c.memory_mb_allocated + _memory,
        local_gb_allocated=_N.c.local_gb_allocated + _disk,
    )
)
_GIVE_BACK = Statement(
    update(_N)
    .where(_here)
    .values(
        vcpus_allocated=_N.c.vcpus_allocated - _vcpus,
        memory_mb_allocated=_N.c.memory_mb_allocated - _memory,
        local_gb_allocated=_N.c.local_gb_allocated - _disk,
    )
)


def held_by(tx: Tx, consumer: str) -> Allocation | None:
    """What a consumer holds, None for nothing."""
    row = tx.one(_ONE, {"consumer": consumer})
    return Allocation(*row) if row else None


def release(tx: Tx, consumer: str) -> None:
    """Give back what a server holds; nothing where it holds nothing."""
    held = held_by(tx, consumer)
    if held is None:
        return
    _give_back(tx, held)
    tx.do(_DELETE, {"consumer": consumer})


def give_back() -> Part:
    """The server of a step gives back what it holds."""

    def part(tx: Tx, instance: Instance) -> None:
        release(tx, instance.uuid)

    return part


def _give_back(tx: Tx, held: Allocation) -> None:
    tx.do(_GIVE_BACK, _numbers(held.host, held.node, held.vcpus, held.memory_mb, held.disk_gb))


def _numbers(host: str, node: str, vcpus: int, memory_mb: int, disk_gb: int) -> dict[str, Any]:
    return {"_host": host, "_node": node, "v_vcpus": vcpus, "v_memory_mb": memory_mb, "v_disk_gb": disk_gb}


def address_of(host: str, node: str) -> ScalarSelect[str | None]:
    """A node's address, for a statement that writes it down."""
    return select(_N.c.host_ip).where(_N.c.host == host, _N.c.hypervisor_hostname == node).scalar_subquery()


def take(tx: Tx, consumer: str, host: str, node: str, amounts: AmountsLike) -> bool:
    """Move the capacity and write the allocation; false when it does not fit. What it held elsewhere is given back.

    A second claim of the same node (a repeated order) keeps the first.
    """
    held = held_by(tx, consumer)
    if held and (held.host, held.node) == (host, node):
        return True
    asked = _numbers(host, node, amounts.vcpus, amounts.memory_mb, amounts.disk_gb)
    if tx.do(_TAKE, asked) != 1:
        return False
    if held:
        _give_back(tx, held)
        tx.do(_DELETE, {"consumer": consumer})
    _insert(tx, consumer, host, node, amounts)
    return True


def _insert(tx: Tx, consumer: str, host: str, node: str, amounts: AmountsLike | Allocation) -> None:
    tx.insert(
        _INSERT,
        {
            "consumer": consumer,
            "host": host,
            "node": node,
            "vcpus": amounts.vcpus,
            "memory_mb": amounts.memory_mb,
            "disk_gb": amounts.disk_gb,
            "others": dict(amounts.others),
            "created_at": tx.now,
        },
    )


def hold(tx: Tx, consumer: str, host: str, node: str, amounts: AmountsLike | Allocation) -> None:
    """Write down what a server has there in fact, whether there is room or not; in place of what it held."""
    release(tx, consumer)
    values = _numbers(host, node, amounts.vcpus, amounts.memory_mb, amounts.disk_gb)
    tx.do(_GIVE_BACK, {**values, **{name: -value for name, value in values.items() if name.startswith("v_")}})
    _insert(tx, consumer, host, node, amounts)


class Placement(Base):
    """The conductor's calls about capacity."""

    def claim(
        self,
        uuid: str,
        host: str,
        node: str,
        amounts: AmountsLike,
        *,
        updates: Mapping[str, Any] | None = None,
        expect_task: ExpectedTask = ANY,
        order: OrderDraft | None = None,
        ctx: RequestContext | None = None,
        order_done: int | None = None,
        event_start: EventStart | str | None = None,
        event_finish: EventFinish | str | None = None,
    ) -> bool:
        """Claim a node for a server in one transaction: capacity, allocation, host and node, the next order.

        False, and nothing written, when the node has no room (or is not there). Raises InstanceNotFound for a server
        that was deleted meanwhile, UnexpectedTaskState.
        """

        def job(tx: Tx) -> bool:
            old = instance_rows.read(tx.connection, uuid)
            instance_rows.check_task(old, expect_task)
            if not take(tx, uuid, host, node, amounts):
                return False
            instance_rows.save(tx, old, {"host": host, "node": node, **(updates or {})})
            if event_start is not None:
                actions.start_event(tx, uuid, event_start)
            if event_finish is not None:
                actions.finish_event(tx, uuid, event_finish)
            if order is not None:
                assert ctx is not None, "an order needs the context of its request"
                orders.write_order(tx, ctx, uuid, order)
            if order_done is not None:
                orders.finish_order(tx, order_done)
            return True

        return self._write(job)

    def release(self, uuid: str) -> None:
        """Give back what a server holds."""
        self._write(lambda tx: release(tx, uuid))

    def allocation(self, consumer: str) -> Allocation | None:
        """What a server, or a move, holds."""
        with self._reading() as connection:
            row = _ONE.first(connection, {"consumer": consumer})
        return Allocation(*row) if row else None

    def allocations(self, host: str | None = None) -> list[Allocation]:
        """Who holds what, of one host or of all."""
        statement = _SELECT.order_by(_A.c.consumer)
        with self._reading() as connection:
            if host is not None:
                statement = statement.where(_A.c.host == host)
            return [Allocation(*row) for row in connection.execute(statement)]
