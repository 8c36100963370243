"""Start, stop, reboot, pause, suspend, lock, reset state, delete: what accepting them writes (nova/compute/api.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuinova.core import policy
from tuinova.core.compute_api.accepting import Accepted, Acceptor, Handler, Ignored
from tuinova.core.compute_api.deferred import is_deferred
from tuinova.core.compute_api.guards import action_row, check
from tuinova.core.compute_api.moves import end_moves
from tuinova.core.context import RequestContext
from tuinova.core.drafts import EventFinish, OrderDraft
from tuinova.core.errors import Invalid
from tuinova.core.records import Instance
from tuinova.core.states import DELETE_TASKS, Action, TaskState, VmState

_UNLOCK_OVERRIDE = "os_compute_api:os-lock-server:unlock:unlock_override"

# Rows whose acceptance is one order to the server's host: the method and its arguments.
_ORDERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "start": ("start_instance", {}),
    "stop": ("stop_instance", {"clean_shutdown": True}),
    "reboot": ("reboot_instance", {"reboot_type": "SOFT"}),
    "reboot-hard": ("reboot_instance", {"reboot_type": "HARD"}),
    "pause": ("pause_instance", {}),
    "unpause": ("unpause_instance", {}),
    "suspend": ("suspend_instance", {}),
    "resume": ("resume_instance", {}),
}


def _order(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    method, args = _ORDERS[row.name]
    return Accepted(api.order(ctx, row, uuid, method, args))


# lock ----------------------------------------------------------------------------------------------------------------
def lock_owner(ctx: RequestContext, instance: Instance) -> str:
    """Who a lock of this caller belongs to."""
    return "owner" if ctx.project_id == instance.project_id else "admin"


def _lock(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    reason = body.get("locked_reason") if isinstance(body, Mapping) else None

    def updates(instance: Instance) -> Mapping[str, Any] | None:
        if instance.locked and ctx.project_id == instance.project_id:
            return None
        return {"locked_by": lock_owner(ctx, instance), "locked_reason": reason}

    return Accepted(
        api.accept(
            ctx,
            uuid,
            check=api.check(ctx, row),
            updates=updates,
            record=row.recorded_as,
            event=EventFinish("api_lock", ctx.request_id),
        )
    )


def _unlock(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    def allowed(instance: Instance) -> None:
        check(ctx, row, instance, api.host_up)
        if instance.locked_by and instance.locked_by != lock_owner(ctx, instance):
            policy.authorize(ctx, _UNLOCK_OVERRIDE)

    return Accepted(
        api.accept(
            ctx,
            uuid,
            check=allowed,
            updates={"locked_by": None, "locked_reason": None},
            record=row.recorded_as,
            event=EventFinish("api_unlock", ctx.request_id),
        )
    )


# reset state ---------------------------------------------------------------------------------------------------------
def _reset_state(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    state = body.get("state") if isinstance(body, Mapping) else None
    if state not in (VmState.ACTIVE, VmState.ERROR):
        raise Invalid(
            f"Invalid input for field/attribute state. Value: {state}. {state!r} is not one of ['active', 'error']"
        )
    return Accepted(
        api.accept(
            ctx,
            uuid,
            check=api.check(ctx, row),
            updates={"vm_state": state, "task_state": None},
            record=row.recorded_as,
            finished=True,
        )
    )


# delete --------------------------------------------------------------------------------------------------------------
def _delete(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    """Through the server's host when that is up; else here, and the host cleans up when it is back."""
    keep: list[bool] = []  # whether it is only put aside, decided with the order

    def on_living_host(instance: Instance) -> bool:
        return instance.host is not None and api.host_up(instance.host)

    def allowed(instance: Instance) -> None:
        check(ctx, row, instance, api.host_up)
        if instance.task_state in DELETE_TASKS and on_living_host(instance):
            raise Ignored(instance)

    def order(instance: Instance) -> OrderDraft:
        alive = on_living_host(instance)
        keep[:] = [alive and row.name == "delete" and is_deferred(api.options, instance)]
        if alive:
            return OrderDraft("soft_delete_instance" if keep[0] else "terminate_instance", instance.host, {})
        return OrderDraft("delete_local", None, {})

    def updates(instance: Instance) -> Mapping[str, Any]:
        return {"task_state": TaskState.SOFT_DELETING if keep[0] else TaskState.DELETING, "progress": 0}

    try:
        accepted = api.accept(
            ctx,
            uuid,
            check=allowed,
            updates=updates,
            record=row.recorded_as,
            order=order,
            first=[end_moves(ctx, uuid)],
            also=[lambda tx, instance: {"deleted_at": tx.now} if keep[0] else None],
        )
    except Ignored as ignored:
        accepted = ignored.instance
    return Accepted(accepted)


# what the service does by itself -------------------------------------------------------------------------------------
def force_stop(api: Acceptor, ctx: RequestContext, uuid: str) -> Instance:
    """Nova's force_stop: no vm_state is asked for, only that no task runs."""
    row = action_row("stop")

    def allowed(instance: Instance) -> None:
        if instance.task_state is not None:
            raise Ignored(instance)

    method, args = _ORDERS["stop"]
    try:
        return api.accept(
            ctx,
            uuid,
            check=allowed,
            updates={"task_state": row.task},
            record=row.recorded_as,
            order=lambda instance: OrderDraft(method, instance.host, dict(args)),
        )
    except Ignored as ignored:
        return ignored.instance


HANDLERS: Mapping[str, Handler] = {
    **dict.fromkeys(_ORDERS, _order),
    "lock": _lock,
    "unlock": _unlock,
    "resetState": _reset_state,
    "delete": _delete,
    "forceDelete": _delete,
}
