"""The states of a server and the status that they show.

Sources: nova/objects/fields.py, nova/compute (vm_states, task_states, power_state), nova/api/openstack/common.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, StrEnum


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
