"""From the action table's refusals to the errors that callers meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tuinova.core import policy
from tuinova.core.context import RequestContext
from tuinova.core.errors import (
    InstanceInvalidState,
    InstanceIsLocked,
    InstanceNotFound,
    InstanceNotReady,
    NotSupported,
    NovaError,
    PolicyNotAuthorized,
    ServiceUnavailable,
)
from tuinova.core.records import Instance
from tuinova.core.states import ACTION_BY_KEY, ACTION_BY_NAME, Action, GuardFacts, Refusal, Why, guard

HostUp = Callable[[str], bool]
# Nova's handlers of these catch the lock with the wrong states, so the text does not name it (nova/exception.py).
_LOCK_IS_A_STATE = frozenset({"restore", "changePassword"})


def action_row(name: str, body: Any = None) -> Action:
    """The row of an action by its name or its request key; a reboot's body says which of the two it is.

    Raises KeyError for what is no action.
    """
    if name in ("reboot", "reboot-hard") and isinstance(body, Mapping):
        kind = str(body.get("type", "")).upper()
        return ACTION_BY_NAME["reboot-hard" if kind == "HARD" else "reboot"]
    return ACTION_BY_NAME[name] if name in ACTION_BY_NAME else ACTION_BY_KEY[name]


def facts_of(instance: Instance, host_up: bool = True) -> GuardFacts:
    """What the guards look at; `host_up` matters only to actions that ask for it."""
    return GuardFacts(
        vm_state=instance.vm_state,
        task_state=instance.task_state,
        locked=instance.locked,
        launched=instance.launched,
        has_host=instance.host is not None,
        host_up=host_up,
    )


def check_visible(ctx: RequestContext, instance: Instance) -> None:
    """Another project's server does not exist for those who are not admin."""
    if not policy.sees_project(ctx, instance.project_id):
        raise InstanceNotFound(instance_id=instance.uuid)


def check(ctx: RequestContext, action: Action, instance: Instance, host_up: HostUp) -> None:
    """Raise what Nova answers when the action is not legal now, in Nova's order."""
    check_visible(ctx, instance)
    up = action.host != "up" or (instance.host is not None and host_up(instance.host))
    refusal = guard(action, facts_of(instance, up), ctx.all_roles)
    if refusal is not None:
        raise error_of(refusal, instance)


def error_of(refusal: Refusal, instance: Instance) -> NovaError:
    """The error of a refusal, with Nova's text."""
    action = refusal.action
    name = "reboot" if action.key == "reboot" else action.name
    match refusal.why:
        case Why.VERSION:
            return NotSupported(f"{NotSupported.msg_fmt} {action.unserved}")
        case Why.ROLE:
            return PolicyNotAuthorized(action=action.policy)
        case Why.LOCK if action.name in _LOCK_IS_A_STATE:
            return InstanceInvalidState(action=name, instance_uuid=instance.uuid)
        case Why.LOCK:
            return InstanceIsLocked(instance_uuid=instance.uuid)
        case Why.HOST:
            if action.host == "up":
                return ServiceUnavailable()
            return InstanceNotReady(instance_id=instance.uuid)
        case Why.VM_STATE | Why.TASK_STATE:
            return InstanceInvalidState(
                action=name, instance_uuid=instance.uuid, attr=refusal.why.value, state=refusal.value
            )
        case Why.NOT_LAUNCHED:
            return InstanceInvalidState(action=name, instance_uuid=instance.uuid)
