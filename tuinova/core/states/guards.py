"""Nova's guards in Nova's order, as one pure function over a row of the action table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tuinova.core.states.action import Action


class Why(StrEnum):
    """What a refusal is about, in Nova's order of checks."""

    VERSION = "version"
    ROLE = "role"
    LOCK = "lock"
    HOST = "host"
    VM_STATE = "vm_state"
    TASK_STATE = "task_state"
    NOT_LAUNCHED = "not_launched"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an action is not legal now; `value` is the state, role or host at fault."""

    why: Why
    action: Action
    value: str | None = None


@dataclass(frozen=True, slots=True)
class GuardFacts:
    """What the guards look at; made from a record, or from a server's view in a screen."""

    vm_state: str
    task_state: str | None
    locked: bool
    launched: bool
    has_host: bool
    host_up: bool = True


def guard(action: Action, facts: GuardFacts, roles: Iterable[str]) -> Refusal | None:
    """The first reason, in Nova's order, why the action is refused; None when it is legal.

    `roles` are the caller's with the implied ones. Order: role, lock, host, vm_state, task_state, launched; resize and
    migrate look at the host last (nova/compute/api.py).
    """
    held = frozenset(roles)
    if not action.served:
        return Refusal(Why.VERSION, action)
    if action.role not in held:
        return Refusal(Why.ROLE, action, action.role)
    if action.lockable and facts.locked and "admin" not in held:
        return Refusal(Why.LOCK, action)
    if action.host == "set" and not facts.has_host:
        return Refusal(Why.HOST, action)
    if action.vm_states is not None and facts.vm_state not in action.vm_states:
        return Refusal(Why.VM_STATE, action, facts.vm_state)
    if action.task_states is not None and facts.task_state not in action.task_states:
        return Refusal(Why.TASK_STATE, action, facts.task_state)
    if action.launched and not facts.launched:
        return Refusal(Why.NOT_LAUNCHED, action)
    if action.host == "up" and not (facts.has_host and facts.host_up):
        return Refusal(Why.HOST, action)
    return None
