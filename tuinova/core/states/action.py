"""What a row of the action table is."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from tuinova.core.states.values import TaskState


class Confirm(StrEnum):
    """How a screen asks before an action."""

    NONE = "none"
    ASK = "ask"
    TYPE_NAME = "type-name"


@dataclass(frozen=True, slots=True)
class Action:
    """One row of the action table: what Nova allows, refuses and walks through.

    `vm_states`, `task_states`: allowed ones, None for any; a task set with None in it allows "no task".
    `host`: "" no check, "set" the server must have a host, "up" its service must be up too.
    `role`: the least role of Nova's policy. `task`: the task_state that accepting it sets. `http`: its success code.
    `unserved`: why this version refuses the row with 501, empty for what it does. `own_route`: asked for by
    a route of its own and not by a key of POST /servers/{id}/action.
    """

    name: str
    key: str
    policy: str
    vm_states: frozenset[str] | None = None
    task_states: frozenset[str | None] | None = frozenset({None})
    launched: bool = True
    lockable: bool = True
    host: str = ""
    role: str = "member"
    task: TaskState | None = None
    http: int = 202
    confirm: Confirm = Confirm.ASK
    unserved: str = ""
    own_route: bool = False
    record: str = field(default="")  # name in the action log; the row's name where it is empty

    @property
    def served(self) -> bool:
        """Whether this version does it."""
        return not self.unserved

    @property
    def recorded_as(self) -> str:
        """The name that the action log shows."""
        return self.record or self.name
