"""The action log and the faults, written inside the transaction of the step that they belong to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from tuinova.core.conductor.statements import InsertStatement, Statement
from tuinova.core.conductor.transaction import Part, Tx
from tuinova.core.context import RequestContext
from tuinova.core.drafts import EventFinish, EventStart, FaultDraft
from tuinova.core.models import ActionEvent as EventTable
from tuinova.core.models import InstanceAction as ActionTable
from tuinova.core.models import InstanceFault as FaultTable
from tuinova.core.records import ActionEvent, Fault, Instance, InstanceAction

_A = ActionTable.__table__  # type: ignore[attr-defined]
_E = EventTable.__table__  # type: ignore[attr-defined]
_F = FaultTable.__table__  # type: ignore[attr-defined]

_INSERT_ACTION = InsertStatement(_A)
_INSERT_EVENT = InsertStatement(_E)
_INSERT_FAULT = InsertStatement(_F)
_ACTION_OF_REQUEST = Statement(
    select(_A.c.id)
    .where(_A.c.instance_uuid == bindparam("uuid"), _A.c.request_id == bindparam("request_id"))
    .order_by(_A.c.id.desc())
    .limit(1)
)
_NEWEST_ACTION = Statement(
    select(_A.c.id).where(_A.c.instance_uuid == bindparam("uuid")).order_by(_A.c.id.desc()).limit(1)
)
_OPEN_EVENT = select(func.max(_E.c.id)).where(
    _E.c.action_id == bindparam("_action_id"), _E.c.event == bindparam("_event"), _E.c.finish_time.is_(None)
)
_FINISH_EVENT = Statement(
    update(_E)
    .where(_E.c.id == _OPEN_EVENT.scalar_subquery())
    .values({name: bindparam(f"v_{name}") for name in ("finish_time", "result", "traceback", "details")})
)
_touch = update(_A).where(_A.c.id == bindparam("_id")).values(updated_at=bindparam("v_updated_at"))
_TOUCH_ACTION = Statement(_touch)
_FAIL_ACTION = Statement(_touch.values(message="Error"))
_FINISH_ACTION = Statement(_touch.values(finish_time=bindparam("v_finish_time"), message=bindparam("v_message")))

_ACTION_COLUMNS = tuple(
    _A.c[name]
    for name in (
        "id",
        "action",
        "instance_uuid",
        "request_id",
        "user_id",
        "project_id",
        "start_time",
        "finish_time",
        "updated_at",
        "message",
    )
)
_EVENT_COLUMNS = tuple(
    _E.c[name] for name in ("event", "start_time", "finish_time", "result", "traceback", "host", "details")
)
_ACTIONS = select(*_ACTION_COLUMNS).where(_A.c.instance_uuid == bindparam("uuid")).order_by(_A.c.id.desc())
_ACTION = _ACTIONS.where(_A.c.request_id == bindparam("request_id")).limit(1)
_EVENTS = select(*_EVENT_COLUMNS).where(_E.c.action_id == bindparam("action_id")).order_by(_E.c.id)
_NEWEST_FAULT = (
    select(_F.c.code, _F.c.message, _F.c.created, _F.c.details, _F.c.host)
    .where(_F.c.instance_uuid == bindparam("uuid"))
    .order_by(_F.c.id.desc())
    .limit(1)
)
_FAULT_MESSAGE_BYTES = 255


def record_action(tx: Tx, ctx: RequestContext, uuid: str, action: str) -> int:
    """Open a line of the server's action log."""
    return tx.insert(
        _INSERT_ACTION,
        {
            "instance_uuid": uuid,
            "action": action,
            "request_id": ctx.request_id,
            "user_id": ctx.user_id,
            "project_id": ctx.project_id,
            "start_time": tx.now,
            "updated_at": tx.now,
        },
    )


def also_record(ctx: RequestContext, action: str) -> Part:
    """A further line of the action log, of the same request."""

    def part(tx: Tx, instance: Instance) -> None:
        record_action(tx, ctx, instance.uuid, action)

    return part


def also_event(draft: EventStart | EventFinish, *, if_open: bool = False) -> Part:
    """A further event that begins or ends with the step; `if_open`: one that has not begun, or is over, is let be."""

    def part(tx: Tx, instance: Instance) -> None:
        if isinstance(draft, EventStart):
            start_event(tx, instance.uuid, draft)
        else:
            finish_event(tx, instance.uuid, draft, if_open=if_open)

    return part


def finish_action(tx: Tx, action_id: int, message: str | None = None) -> None:
    """Close a line of the action log; Nova does so only for resetState."""
    tx.do(_FINISH_ACTION, {"_id": action_id, "v_updated_at": tx.now, "v_finish_time": tx.now, "v_message": message})


def _action_id(tx: Tx, uuid: str, request_id: str | None) -> int | None:
    """The action that an event belongs to: that of the request, else the newest of the server."""
    if request_id is not None:
        row = tx.one(_ACTION_OF_REQUEST, {"uuid": uuid, "request_id": request_id})
        if row:
            return int(row[0])
    row = tx.one(_NEWEST_ACTION, {"uuid": uuid})
    return int(row[0]) if row else None


def start_event(tx: Tx, uuid: str, draft: EventStart | str) -> None:
    """Begin an event; nothing where the server has no action yet."""
    event = EventStart(draft) if isinstance(draft, str) else draft
    action_id = _action_id(tx, uuid, event.request_id)
    if action_id is None:
        return
    tx.insert(_INSERT_EVENT, {"action_id": action_id, "event": event.event, "start_time": tx.now, "host": event.host})


def finish_event(tx: Tx, uuid: str, draft: EventFinish | str, *, if_open: bool = False) -> None:
    """End the open event of that name, or write one that began and ended now; an error marks the action.

    With `if_open` nothing happens where there is none.
    """
    event = EventFinish(draft) if isinstance(draft, str) else draft
    action_id = _action_id(tx, uuid, event.request_id)
    if action_id is None:
        return
    end = {"finish_time": tx.now, "result": event.result, "traceback": event.traceback, "details": event.details}
    found = {"_action_id": action_id, "_event": event.event, **{f"v_{name}": value for name, value in end.items()}}
    if not tx.do(_FINISH_EVENT, found):
        if if_open:
            return
        tx.insert(
            _INSERT_EVENT,
            {"action_id": action_id, "event": event.event, "start_time": tx.now, "host": event.host, **end},
        )
    tx.do(_FAIL_ACTION if event.result == "Error" else _TOUCH_ACTION, {"_id": action_id, "v_updated_at": tx.now})


def cut_to_bytes(text: str, limit: int) -> str:
    """The text cut to that many bytes of UTF-8, never within a character."""
    return text.encode()[:limit].decode(errors="ignore")


def record_fault(tx: Tx, uuid: str, draft: FaultDraft) -> dict[str, Any]:
    """Write a fault and return what the server's row keeps of it."""
    fault: dict[str, Any] = {
        "code": draft.code,
        "message": cut_to_bytes(draft.message, _FAULT_MESSAGE_BYTES),
        "details": draft.details if draft.code == 500 else None,
        "host": draft.host,
    }
    tx.insert(_INSERT_FAULT, {"instance_uuid": uuid, "created": tx.now, **fault})
    return {**fault, "created": tx.now.strftime("%Y-%m-%dT%H:%M:%SZ")}


def actions_of(connection: Connection, uuid: str) -> list[InstanceAction]:
    """The action log of a server, newest first, without events."""
    return [InstanceAction(*row) for row in connection.execute(_ACTIONS, {"uuid": uuid})]


def action_of(connection: Connection, uuid: str, request_id: str) -> InstanceAction | None:
    """One action with its events in order."""
    row = connection.execute(_ACTION, {"uuid": uuid, "request_id": request_id}).first()
    if row is None:
        return None
    fields = tuple(row)
    events = tuple(ActionEvent(*event) for event in connection.execute(_EVENTS, {"action_id": fields[0]}))
    return replace(InstanceAction(*fields), events=events)


def newest_fault(connection: Connection, uuid: str) -> Fault | None:
    """The newest fault of a server."""
    row = connection.execute(_NEWEST_FAULT, {"uuid": uuid}).first()
    return Fault(*row) if row else None
