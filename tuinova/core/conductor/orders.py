"""Work orders: the outbox that is written with the request and emptied by its last step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, func, select, update

from tuinova.core.conductor.base import Base
from tuinova.core.conductor.statements import InsertStatement, Statement
from tuinova.core.conductor.transaction import Part, Tx
from tuinova.core.context import RequestContext
from tuinova.core.drafts import ANY, Any_, OrderDraft
from tuinova.core.models import WorkOrder as OrderTable
from tuinova.core.records import Instance, WorkOrder

_T = OrderTable.__table__  # type: ignore[attr-defined]
_INSERT = InsertStatement(_T)
_COLUMNS = tuple(
    _T.c[name]
    for name in (
        "id",
        "method",
        "instance_uuid",
        "host",
        "args",
        "ctx",
        "created_at",
        "started_at",
        "attempts",
    )
)
_ALL = select(*_COLUMNS).order_by(_T.c.id)
_OF_HOST = _ALL.where(_T.c.host == bindparam("host"))
_OWN = _ALL.where(_T.c.host.is_(None))
_OF_INSTANCE = _ALL.where(_T.c.instance_uuid == bindparam("uuid"))
_ONE = Statement(_ALL.where(_T.c.id == bindparam("id")))
_OPEN = select(_T.c.id).where(_T.c.id == bindparam("id"))
_START = Statement(
    update(_T)
    .where(_T.c.id == bindparam("_id"))
    .values(started_at=bindparam("v_started_at"), attempts=bindparam("v_attempts"))
)
_BEGIN = Statement(
    update(_T)
    .where(_T.c.id == bindparam("_id"))
    .values(
        started_at=func.coalesce(_T.c.started_at, bindparam("v_now", type_=_T.c.started_at.type)),
        attempts=_T.c.attempts + 1,
    )
)
_DELETE = Statement(delete(_T).where(_T.c.id == bindparam("_id")))
_DELETE_OF_INSTANCE = delete(_T).where(_T.c.instance_uuid == bindparam("uuid"))


def write_order(tx: Tx, ctx: RequestContext, uuid: str, draft: OrderDraft) -> WorkOrder:
    """Put an order into the outbox; its host hears of it after the commit."""
    values: Mapping[str, Any] = {
        "method": draft.method,
        "instance_uuid": uuid,
        "host": draft.host,
        "args": dict(draft.args),
        "ctx": ctx.to_dict(),
        "created_at": tx.now,
        "attempts": 0,
    }
    number = tx.insert(_INSERT, values)
    order = WorkOrder(number, draft.method, uuid, draft.host, dict(draft.args), ctx, tx.now)
    tx.orders.append(order)
    return order


def start_order(tx: Tx, order_id: int) -> WorkOrder | None:
    """Count one more attempt of an order; None when it was finished meanwhile."""
    row = tx.one(_ONE, {"id": order_id})
    if row is None:
        return None
    order = _order(row).begun(tx.now)
    tx.do(_START, {"_id": order_id, "v_started_at": order.started_at, "v_attempts": order.attempts})
    return order


def begin_order(tx: Tx, order_id: int) -> None:
    """The same for whoever does not ask for the order; one that is gone already is fine."""
    tx.do(_BEGIN, {"_id": order_id, "v_now": tx.now})


def finish_order(tx: Tx, order_id: int) -> None:
    """Take a finished order out; one that is gone already is fine."""
    tx.do(_DELETE, {"_id": order_id})


def drop_orders_of(tx: Tx, uuid: str) -> None:
    """Take out all orders of a server that is gone."""
    tx.run(_DELETE_OF_INSTANCE, {"uuid": uuid})


def _order(row: Any) -> WorkOrder:
    number, method, uuid, host, args, ctx, created_at, started_at, attempts = row
    return WorkOrder(number, method, uuid, host, args, RequestContext.from_dict(ctx), created_at, started_at, attempts)


def also_order(ctx: RequestContext, draft: OrderDraft) -> Part:
    """A further order that is written with the step: work on another host that nobody waits for."""

    def part(tx: Tx, instance: Instance) -> None:
        write_order(tx, ctx, instance.uuid, draft)

    return part


class Orders(Base):
    """The conductor's calls about work orders."""

    def open_orders(self, host: str | Any_ | None = ANY, *, uuid: str | None = None) -> list[WorkOrder]:
        """The unfinished orders in order: of one host (None: the conductor's own), of one server, or all."""
        with self._reading() as connection:
            if uuid is not None:
                rows = connection.execute(_OF_INSTANCE, {"uuid": uuid})
            elif isinstance(host, Any_):
                rows = connection.execute(_ALL)
            elif host is None:
                rows = connection.execute(_OWN)
            else:
                rows = connection.execute(_OF_HOST, {"host": host})
            return [_order(row) for row in rows]

    def order_is_open(self, order_id: int) -> bool:
        """Whether an order is unfinished."""
        with self._reading() as connection:
            return connection.execute(_OPEN, {"id": order_id}).first() is not None

    def order_started(self, order_id: int) -> WorkOrder | None:
        """Note that a driver call begins; returns the order as it is now, None when it was finished meanwhile."""
        return self._write(lambda tx: start_order(tx, order_id))

    def order_done(self, order_id: int) -> None:
        """Finish an order that needs no other step."""
        self._write(lambda tx: finish_order(tx, order_id))

    def add_order(self, ctx: RequestContext, uuid: str, draft: OrderDraft) -> WorkOrder:
        """Write an order that belongs to no request (recovery, power sync)."""
        return self._write(lambda tx: write_order(tx, ctx, uuid, draft))

    def add_orders(self, ctx: RequestContext, drafts: Sequence[tuple[str, OrderDraft]]) -> list[WorkOrder]:
        """Write several, each with what its lane is (a server, an image), all or none of them."""
        return self._write(lambda tx: [write_order(tx, ctx, lane, draft) for lane, draft in drafts])
