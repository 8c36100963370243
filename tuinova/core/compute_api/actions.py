"""The actions on a server: each row of the action table to what accepting it writes (nova/compute/api.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tuinova.core import policy
from tuinova.core.compute_api.guards import HostUp, action_row, check, check_visible
from tuinova.core.conductor import Conductor
from tuinova.core.context import RequestContext
from tuinova.core.drafts import EventFinish, OrderDraft
from tuinova.core.errors import Invalid, NotSupported
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


class _Ignored(Exception):
    """Raised inside the transaction to leave it without a trace."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance


class _Moved(Exception):
    """The server's host changed between looking and accepting."""


class Actions:
    """Accepts actions: guard, task state, action record and work order in one transaction."""

    def __init__(self, conductor: Conductor, host_up: HostUp) -> None:
        self._conductor = conductor
        self._host_up = host_up
        self._special: Mapping[str, Callable[[RequestContext, Action, str, Any], Instance]] = {
            "lock": self._lock,
            "unlock": self._unlock,
            "resetState": self._reset_state,
            "delete": self._delete,
            "forceDelete": self._delete,
        }

    def act(self, ctx: RequestContext, uuid: str, name: str, body: Any = None) -> Instance:
        """Accept one action by its name or request key; `body` is what stands under the key."""
        try:
            row = action_row(name, body)
        except KeyError:
            raise Invalid(f"There is no such action: {name}") from None
        special = self._special.get(row.name)
        if special is not None:
            return special(ctx, row, uuid, body)
        if row.name not in _ORDERS:
            self._refuse(ctx, row, uuid)
        return self._order(ctx, row, uuid)

    def _accept(
        self,
        ctx: RequestContext,
        uuid: str,
        *,
        check: Callable[[Instance], None],
        order: Callable[[Instance], OrderDraft] | None = None,
        **more: Any,
    ) -> Instance:
        """Accept with an order that depends on the server's host, which may change while we look."""
        while True:
            seen = self._conductor.instance(uuid)

            def same_host(instance: Instance, host: str | None = seen.host) -> None:
                check(instance)
                if instance.host != host:
                    raise _Moved

            draft = order(seen) if order else None
            try:
                return self._conductor.accept(ctx, uuid, check=same_host, order=draft, **more)
            except _Moved:
                continue

    def _refuse(self, ctx: RequestContext, row: Action, uuid: str) -> None:
        """A row of the table that this version does not serve: still 404 and 403 before 501."""
        instance = self._conductor.instance(uuid)
        check_visible(ctx, instance)
        policy.authorize(ctx, row.policy)
        raise NotSupported(f"{NotSupported.msg_fmt} {row.unserved}".rstrip())

    def _check(self, ctx: RequestContext, row: Action) -> Callable[[Instance], None]:
        return lambda instance: check(ctx, row, instance, self._host_up)

    def _order(self, ctx: RequestContext, row: Action, uuid: str) -> Instance:
        method, args = _ORDERS[row.name]
        return self._accept(
            ctx,
            uuid,
            check=self._check(ctx, row),
            updates={"task_state": row.task},
            record=row.recorded_as,
            order=lambda instance: OrderDraft(method, instance.host, dict(args)),
        )

    # lock ------------------------------------------------------------------------------------------------------------
    def _lock(self, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Instance:
        reason = body.get("locked_reason") if isinstance(body, Mapping) else None

        def updates(instance: Instance) -> Mapping[str, Any] | None:
            if instance.locked and ctx.project_id == instance.project_id:
                return None
            return {"locked_by": lock_owner(ctx, instance), "locked_reason": reason}

        return self._accept(
            ctx,
            uuid,
            check=self._check(ctx, row),
            updates=updates,
            record=row.recorded_as,
            event=EventFinish("api_lock", ctx.request_id),
        )

    def _unlock(self, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Instance:
        def allowed(instance: Instance) -> None:
            check(ctx, row, instance, self._host_up)
            if instance.locked_by and instance.locked_by != lock_owner(ctx, instance):
                policy.authorize(ctx, _UNLOCK_OVERRIDE)

        return self._accept(
            ctx,
            uuid,
            check=allowed,
            updates={"locked_by": None, "locked_reason": None},
            record=row.recorded_as,
            event=EventFinish("api_unlock", ctx.request_id),
        )

    # reset state -----------------------------------------------------------------------------------------------------
    def _reset_state(self, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Instance:
        state = body.get("state") if isinstance(body, Mapping) else None
        if state not in (VmState.ACTIVE, VmState.ERROR):
            raise Invalid(
                f"Invalid input for field/attribute state. Value: {state}. {state!r} is not one of ['active', 'error']"
            )
        return self._accept(
            ctx,
            uuid,
            check=self._check(ctx, row),
            updates={"vm_state": state, "task_state": None},
            record=row.recorded_as,
            finished=True,
        )

    # delete ----------------------------------------------------------------------------------------------------------
    def _delete(self, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Instance:
        """Through the server's host when that is up; else here, and the host cleans up when it is back."""

        def allowed(instance: Instance) -> None:
            check(ctx, row, instance, self._host_up)
            if instance.task_state in DELETE_TASKS and self._on_living_host(instance):
                raise _Ignored(instance)

        def order(instance: Instance) -> OrderDraft:
            if self._on_living_host(instance):
                return OrderDraft("terminate_instance", instance.host, {})
            return OrderDraft("delete_local", None, {})

        try:
            return self._accept(
                ctx,
                uuid,
                check=allowed,
                updates={"task_state": TaskState.DELETING, "progress": 0},
                record=row.recorded_as,
                order=order,
            )
        except _Ignored as ignored:
            return ignored.instance

    def _on_living_host(self, instance: Instance) -> bool:
        return instance.host is not None and self._host_up(instance.host)

    # what the service does by itself ---------------------------------------------------------------------------------
    def force_stop(self, ctx: RequestContext, uuid: str) -> Instance:
        """Nova's force_stop: no vm_state is asked for, only that no task runs."""
        row = action_row("stop")

        def allowed(instance: Instance) -> None:
            if instance.task_state is not None:
                raise _Ignored(instance)

        method, args = _ORDERS["stop"]
        try:
            return self._accept(
                ctx,
                uuid,
                check=allowed,
                updates={"task_state": row.task},
                record=row.recorded_as,
                order=lambda instance: OrderDraft(method, instance.host, dict(args)),
            )
        except _Ignored as ignored:
            return ignored.instance


def lock_owner(ctx: RequestContext, instance: Instance) -> str:
    """Who a lock of this caller belongs to."""
    return "owner" if ctx.project_id == instance.project_id else "admin"
