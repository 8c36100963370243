"""Nova's states and its action table, as data and pure functions.

Sources: nova/objects/fields.py, nova/compute (vm_states, task_states, power_state), nova/api/openstack/common.py and
the guards of nova/compute/api.py. The REST face, the engine, the action menu, the help and the tests read these rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any


class VmState(StrEnum):
    """The last stable state; what the customer should expect when no task runs."""

    ACTIVE = "active"
    BUILDING = "building"
    PAUSED = "paused"
    SUSPENDED = "suspended"
    STOPPED = "stopped"
    RESCUED = "rescued"
    RESIZED = "resized"
    SOFT_DELETED = "soft-delete"
    DELETED = "deleted"
    ERROR = "error"
    SHELVED = "shelved"
    SHELVED_OFFLOADED = "shelved_offloaded"


class TaskState(StrEnum):
    """The running transition; also the optimistic lock of the server."""

    SCHEDULING = "scheduling"
    NETWORKING = "networking"
    BLOCK_DEVICE_MAPPING = "block_device_mapping"
    SPAWNING = "spawning"
    IMAGE_SNAPSHOT_PENDING = "image_snapshot_pending"
    IMAGE_SNAPSHOT = "image_snapshot"
    IMAGE_PENDING_UPLOAD = "image_pending_upload"
    IMAGE_UPLOADING = "image_uploading"
    IMAGE_BACKUP = "image_backup"
    UPDATING_PASSWORD = "updating_password"  # noqa: S105
    RESIZE_PREP = "resize_prep"
    RESIZE_MIGRATING = "resize_migrating"
    RESIZE_MIGRATED = "resize_migrated"
    RESIZE_FINISH = "resize_finish"
    RESIZE_REVERTING = "resize_reverting"
    REBOOTING = "rebooting"
    REBOOT_PENDING = "reboot_pending"
    REBOOT_STARTED = "reboot_started"
    REBOOTING_HARD = "rebooting_hard"
    REBOOT_PENDING_HARD = "reboot_pending_hard"
    REBOOT_STARTED_HARD = "reboot_started_hard"
    PAUSING = "pausing"
    UNPAUSING = "unpausing"
    SUSPENDING = "suspending"
    RESUMING = "resuming"
    POWERING_OFF = "powering-off"
    POWERING_ON = "powering-on"
    RESCUING = "rescuing"
    UNRESCUING = "unrescuing"
    REBUILDING = "rebuilding"
    REBUILD_BLOCK_DEVICE_MAPPING = "rebuild_block_device_mapping"
    REBUILD_SPAWNING = "rebuild_spawning"
    MIGRATING = "migrating"
    DELETING = "deleting"
    SOFT_DELETING = "soft-deleting"
    RESTORING = "restoring"
    SHELVING = "shelving"
    SHELVING_IMAGE_PENDING_UPLOAD = "shelving_image_pending_upload"
    SHELVING_IMAGE_UPLOADING = "shelving_image_uploading"
    SHELVING_OFFLOADING = "shelving_offloading"
    UNSHELVING = "unshelving"


class PowerState(IntEnum):
    """What the hypervisor said last; 2 and 5 are holes and stay holes."""

    NOSTATE = 0
    RUNNING = 1
    PAUSED = 3
    SHUTDOWN = 4
    CRASHED = 6
    SUSPENDED = 7


POWER_STATE_TEXT = {
    PowerState.NOSTATE: "NOSTATE",
    PowerState.RUNNING: "Running",
    PowerState.PAUSED: "Paused",
    PowerState.SHUTDOWN: "Shutdown",
    PowerState.CRASHED: "Crashed",
    PowerState.SUSPENDED: "Suspended",
}
POWER_STATE_FILTER = {
    "pending": PowerState.NOSTATE,
    "running": PowerState.RUNNING,
    "paused": PowerState.PAUSED,
    "shutdown": PowerState.SHUTDOWN,
    "crashed": PowerState.CRASHED,
    "suspended": PowerState.SUSPENDED,
}

_T = TaskState
SOFT_REBOOT_TASKS = frozenset({_T.REBOOTING, _T.REBOOT_PENDING, _T.REBOOT_STARTED})
HARD_REBOOT_TASKS = frozenset({_T.REBOOTING_HARD, _T.REBOOT_PENDING_HARD, _T.REBOOT_STARTED_HARD})
RESIZE_TASKS = frozenset({_T.RESIZE_PREP, _T.RESIZE_MIGRATING, _T.RESIZE_MIGRATED, _T.RESIZE_FINISH})
REBUILD_TASKS = frozenset({_T.REBUILDING, _T.REBUILD_BLOCK_DEVICE_MAPPING, _T.REBUILD_SPAWNING})
BUILD_TASKS = frozenset({_T.SCHEDULING, _T.NETWORKING, _T.BLOCK_DEVICE_MAPPING, _T.SPAWNING})
DELETE_TASKS = frozenset({_T.DELETING, _T.SOFT_DELETING})
# nova/compute/task_states.py ALLOW_REBOOT: the task states from which a hard reboot may be asked.
ALLOW_REBOOT = frozenset(
    {
        None,
        _T.REBOOTING,
        _T.REBOOT_PENDING,
        _T.REBOOT_STARTED,
        _T.RESUMING,
        _T.REBOOTING_HARD,
        _T.UNPAUSING,
        _T.PAUSING,
        _T.SUSPENDING,
    }
)


def _by_task(*rows: tuple[Iterable[TaskState], str]) -> dict[str, str]:
    return {str(task): status for tasks, status in rows for task in tasks}


# vm_state: (default status, status by task_state). nova/api/openstack/common.py _STATE_MAP.
STATUS_MAP: dict[str, tuple[str, dict[str, str]]] = {
    VmState.ACTIVE: (
        "ACTIVE",
        _by_task(
            (SOFT_REBOOT_TASKS, "REBOOT"),
            (HARD_REBOOT_TASKS, "HARD_REBOOT"),
            ({_T.UPDATING_PASSWORD}, "PASSWORD"),
            (REBUILD_TASKS, "REBUILD"),
            ({_T.MIGRATING}, "MIGRATING"),
            (RESIZE_TASKS, "RESIZE"),
        ),
    ),
    VmState.BUILDING: ("BUILD", {}),
    VmState.STOPPED: ("SHUTOFF", _by_task((RESIZE_TASKS, "RESIZE"), (REBUILD_TASKS, "REBUILD"))),
    VmState.RESIZED: ("VERIFY_RESIZE", _by_task(({_T.RESIZE_REVERTING}, "REVERT_RESIZE"))),
    VmState.PAUSED: ("PAUSED", _by_task(({_T.MIGRATING}, "MIGRATING"))),
    VmState.SUSPENDED: ("SUSPENDED", {}),
    VmState.RESCUED: ("RESCUE", {}),
    VmState.ERROR: ("ERROR", _by_task((REBUILD_TASKS, "REBUILD"))),
    VmState.DELETED: ("DELETED", {}),
    VmState.SOFT_DELETED: ("SOFT_DELETED", {}),
    VmState.SHELVED: ("SHELVED", {}),
    VmState.SHELVED_OFFLOADED: ("SHELVED_OFFLOADED", {}),
}
PROGRESS_STATUSES = frozenset({"ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"})
FAULT_STATUSES = frozenset({"ERROR", "DELETED"})


def server_status(vm_state: str, task_state: str | None, deleted: bool = False) -> str:
    """The API's `status` of a server."""
    if deleted:
        return "DELETED"
    default, by_task = STATUS_MAP.get(vm_state, ("UNKNOWN", {}))
    return by_task.get(task_state or "", default)


def states_of_status(status: str) -> list[tuple[str, frozenset[str] | None]]:
    """The (vm_state, task_states) pairs that show this status; task_states None means: all that are not listed.

    The inverse of `server_status`, for list filters; empty for an unknown status.
    """
    wanted = status.upper()
    pairs: list[tuple[str, frozenset[str] | None]] = []
    for vm_state, (default, by_task) in STATUS_MAP.items():
        if default == wanted:
            pairs.append((vm_state, None))
        tasks = frozenset(task for task, name in by_task.items() if name == wanted)
        if tasks:
            pairs.append((vm_state, tasks))
    return pairs


STATUSES = tuple(sorted({d for d, _ in STATUS_MAP.values()} | {s for _, m in STATUS_MAP.values() for s in m.values()}))


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
