"""The action table: one row an action of Nova's, read by the REST face, the engine, the menu, the help and the tests.

Sources: nova/compute/api.py (guards), nova/policies, nova/api/openstack/compute (codes).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tuinova.core.states.values import ALLOW_REBOOT, TaskState, VmState

_T = TaskState


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
    `served`: False for rows that this version refuses with 501.
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
    served: bool = True
    record: str = field(default="")  # name in the action log; the row's name where it is empty

    @property
    def recorded_as(self) -> str:
        """The name that the action log shows."""
        return self.record or self.name


_V = VmState
ANY = None
_A, _P, _SU, _ST, _E = _V.ACTIVE, _V.PAUSED, _V.SUSPENDED, _V.STOPPED, _V.ERROR


def _vm(*states: VmState) -> frozenset[str]:
    return frozenset(states)


_SERVERS = "os_compute_api:servers:"
_LATER: dict[str, Any] = {"served": False}

# In the order of the reference page of Nova's API; nova/compute/api.py holds each guard.
ACTIONS: tuple[Action, ...] = (
    Action("start", "os-start", _SERVERS + "start", _vm(_ST), host="set", task=_T.POWERING_ON, confirm=Confirm.NONE),
    Action("stop", "os-stop", _SERVERS + "stop", _vm(_A, _E), host="set", task=_T.POWERING_OFF),
    Action("reboot", "reboot", _SERVERS + "reboot", _vm(_A), task=_T.REBOOTING),
    Action(
        "reboot-hard",
        "reboot",
        _SERVERS + "reboot",
        _vm(_A, _ST, _P, _SU, _E),
        ALLOW_REBOOT,
        task=_T.REBOOTING_HARD,
        record="reboot",
    ),
    Action("pause", "pause", "os_compute_api:os-pause-server:pause", _vm(_A), task=_T.PAUSING),
    Action(
        "unpause",
        "unpause",
        "os_compute_api:os-pause-server:unpause",
        _vm(_P),
        task=_T.UNPAUSING,
        confirm=Confirm.NONE,
    ),
    Action("suspend", "suspend", "os_compute_api:os-suspend-server:suspend", _vm(_A), task=_T.SUSPENDING),
    Action(
        "resume",
        "resume",
        "os_compute_api:os-suspend-server:resume",
        _vm(_SU),
        task=_T.RESUMING,
        confirm=Confirm.NONE,
    ),
    Action(
        "lock",
        "lock",
        "os_compute_api:os-lock-server:lock",
        ANY,
        ANY,
        launched=False,
        lockable=False,
        confirm=Confirm.NONE,
    ),
    Action(
        "unlock",
        "unlock",
        "os_compute_api:os-lock-server:unlock",
        ANY,
        ANY,
        launched=False,
        lockable=False,
        confirm=Confirm.NONE,
    ),
    Action(
        "resize",
        "resize",
        _SERVERS + "resize",
        _vm(_A, _ST),
        host="up",
        task=_T.RESIZE_PREP,
        **_LATER,
    ),
    Action("confirmResize", "confirmResize", _SERVERS + "confirm_resize", _vm(_V.RESIZED), http=204, **_LATER),
    Action(
        "revertResize",
        "revertResize",
        _SERVERS + "revert_resize",
        _vm(_V.RESIZED),
        task=_T.RESIZE_REVERTING,
        **_LATER,
    ),
    Action(
        "migrate",
        "migrate",
        "os_compute_api:os-migrate-server:migrate",
        _vm(_A, _ST),
        host="up",
        role="manager",
        task=_T.RESIZE_PREP,
        **_LATER,
    ),
    Action(
        "os-migrateLive",
        "os-migrateLive",
        "os_compute_api:os-migrate-server:migrate_live",
        _vm(_A, _P),
        role="manager",
        task=_T.MIGRATING,
        record="live-migration",
        **_LATER,
    ),
    Action(
        "evacuate",
        "evacuate",
        "os_compute_api:os-evacuate",
        _vm(_A, _ST, _E),
        ANY,
        lockable=False,
        role="admin",
        task=_T.REBUILDING,
        http=200,
        **_LATER,
    ),
    Action("rebuild", "rebuild", _SERVERS + "rebuild", _vm(_A, _ST, _E), task=_T.REBUILDING, **_LATER),
    Action("rescue", "rescue", "os_compute_api:os-rescue", _vm(_A, _ST, _E), task=_T.RESCUING, http=200, **_LATER),
    Action("unrescue", "unrescue", "os_compute_api:os-unrescue", _vm(_V.RESCUED), task=_T.UNRESCUING, **_LATER),
    Action("shelve", "shelve", "os_compute_api:os-shelve:shelve", _vm(_A, _ST, _P, _SU), task=_T.SHELVING, **_LATER),
    Action(
        "shelveOffload",
        "shelveOffload",
        "os_compute_api:os-shelve:shelve_offload",
        _vm(_V.SHELVED),
        role="admin",
        task=_T.SHELVING_OFFLOADING,
        **_LATER,
    ),
    Action(
        "unshelve",
        "unshelve",
        "os_compute_api:os-shelve:unshelve",
        _vm(_V.SHELVED, _V.SHELVED_OFFLOADED),
        task=_T.UNSHELVING,
        confirm=Confirm.NONE,
        **_LATER,
    ),
    Action(
        "createImage",
        "createImage",
        _SERVERS + "create_image",
        _vm(_A, _ST, _P, _SU),
        lockable=False,
        task=_T.IMAGE_SNAPSHOT_PENDING,
        **_LATER,
    ),
    Action(
        "createBackup",
        "createBackup",
        "os_compute_api:os-create-backup",
        _vm(_A, _ST, _P, _SU),
        lockable=False,
        task=_T.IMAGE_BACKUP,
        **_LATER,
    ),
    Action(
        "restore",
        "restore",
        "os_compute_api:os-deferred-delete:restore",
        _vm(_V.SOFT_DELETED),
        task=_T.RESTORING,
        confirm=Confirm.NONE,
        **_LATER,
    ),
    Action(
        "trigger_crash_dump",
        "trigger_crash_dump",
        _SERVERS + "trigger_crash_dump",
        _vm(_A, _P, _V.RESCUED, _V.RESIZED, _E),
        host="set",
        **_LATER,
    ),
    Action(
        "changePassword",
        "changePassword",
        "os_compute_api:os-admin-password",
        _vm(_A),
        task=_T.UPDATING_PASSWORD,
        **_LATER,
    ),
    Action(
        "resetState",
        "os-resetState",
        "os_compute_api:os-admin-actions:reset_state",
        ANY,
        ANY,
        launched=False,
        lockable=False,
        role="admin",
    ),
    Action(
        "update metadata",
        "metadata",
        "os_compute_api:server-metadata:update",
        _vm(_A, _P, _SU, _ST),
        ANY,
        http=200,
        confirm=Confirm.NONE,
    ),
    Action(
        "delete metadata",
        "metadata",
        "os_compute_api:server-metadata:delete",
        _vm(_A, _P, _SU, _ST),
        ANY,
        http=204,
        confirm=Confirm.NONE,
    ),
    Action(
        "get_console_output",
        "os-getConsoleOutput",
        "os_compute_api:os-console-output",
        ANY,
        ANY,
        launched=False,
        lockable=False,
        host="set",
        http=200,
        confirm=Confirm.NONE,
    ),
    Action(
        "delete",
        "delete",
        _SERVERS + "delete",
        ANY,
        ANY,
        launched=False,
        task=_T.DELETING,
        http=204,
        confirm=Confirm.TYPE_NAME,
    ),
    Action(
        "forceDelete",
        "forceDelete",
        "os_compute_api:os-deferred-delete:force",
        ANY,
        ANY,
        launched=False,
        task=_T.DELETING,
        confirm=Confirm.TYPE_NAME,
        record="delete",
    ),
)
ACTION_BY_NAME: Mapping[str, Action] = {action.name: action for action in ACTIONS}
# The rows by request key; a hard reboot shares the key of the soft one, metadata has routes of its own.
ACTION_BY_KEY: Mapping[str, Action] = {action.key: action for action in reversed(ACTIONS) if action.key != "metadata"}
