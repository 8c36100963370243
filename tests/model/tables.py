"""Nova's rules as tables, read from Nova and not from the code under test: what the model looks things up in.

Sources: nova/compute/api.py (guards), nova/policies (rules and roles), nova/api/openstack (codes and texts),
nova/compute/manager.py (what an action walks through, how it ends, its events).
"""

from __future__ import annotations

from dataclasses import dataclass

ACTIVE, BUILDING, PAUSED, SUSPENDED, STOPPED, RESCUED = (
    "active",
    "building",
    "paused",
    "suspended",
    "stopped",
    "rescued",
)
RESIZED, SOFT_DELETED, DELETED, ERROR = "resized", "soft-delete", "deleted", "error"
SHELVED, OFFLOADED = "shelved", "shelved_offloaded"
NOSTATE, RUNNING, POWER_PAUSED, SHUTDOWN = 0, 1, 3, 4

_SHORT = {
    "A": ACTIVE,
    "P": PAUSED,
    "Su": SUSPENDED,
    "St": STOPPED,
    "R": RESCUED,
    "Rz": RESIZED,
    "SD": SOFT_DELETED,
    "E": ERROR,
    "Sh": SHELVED,
    "SO": OFFLOADED,
}
RESIZE_TASKS = ("resize_prep", "resize_migrating", "resize_migrated", "resize_finish")
REBUILD_TASKS = ("rebuilding", "rebuild_block_device_mapping", "rebuild_spawning")
SOFT_TASKS = ("rebooting", "reboot_pending", "reboot_started")
HARD_TASKS = ("rebooting_hard", "reboot_pending_hard", "reboot_started_hard")
DELETE_TASKS = ("deleting", "soft-deleting")
BUILD_TASKS = ("scheduling", "networking", "block_device_mapping", "spawning")
SHELVE_TASKS = ("shelving", "shelving_image_pending_upload", "shelving_image_uploading", "shelving_offloading")
# Tasks in which a hard reboot may be asked for; None: no task.
ALLOW_REBOOT = (None, *SOFT_TASKS, "resuming", "rebooting_hard", "unpausing", "pausing", "suspending")


def _over(tasks: tuple[str, ...], status: str) -> dict[str | None, str]:
    return dict.fromkeys(tasks, status)


# vm_state: the status without a task, and what some tasks make of it.
STATUS: dict[str, tuple[str, dict[str | None, str]]] = {
    ACTIVE: (
        "ACTIVE",
        {
            **_over(SOFT_TASKS, "REBOOT"),
            **_over(HARD_TASKS, "HARD_REBOOT"),
            **_over(REBUILD_TASKS, "REBUILD"),
            **_over(RESIZE_TASKS, "RESIZE"),
            "updating_password": "PASSWORD",
            "migrating": "MIGRATING",
        },
    ),
    BUILDING: ("BUILD", {}),
    STOPPED: ("SHUTOFF", {**_over(RESIZE_TASKS, "RESIZE"), **_over(REBUILD_TASKS, "REBUILD")}),
    RESIZED: ("VERIFY_RESIZE", {"resize_reverting": "REVERT_RESIZE"}),
    PAUSED: ("PAUSED", {"migrating": "MIGRATING"}),
    SUSPENDED: ("SUSPENDED", {}),
    RESCUED: ("RESCUE", {}),
    ERROR: ("ERROR", _over(REBUILD_TASKS, "REBUILD")),
    DELETED: ("DELETED", {}),
    SOFT_DELETED: ("SOFT_DELETED", {}),
    SHELVED: ("SHELVED", {}),
    OFFLOADED: ("SHELVED_OFFLOADED", {}),
}
WITH_PROGRESS = ("ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING")
WITH_FAULT = ("ERROR", "DELETED")
ROLES = {
    "admin": ("admin", "manager", "member", "reader"),
    "manager": ("manager", "member", "reader"),
    "member": ("member", "reader"),
    "reader": ("reader",),
}


@dataclass(frozen=True)
class Row:
    """What Nova asks before it accepts an action, and the code of its yes.

    `vm` and `task` None: any. `host`: "" no check, "set", "up". `said`: the name in the text of a 409.
    """

    name: str
    rule: str
    role: str
    vm: tuple[str, ...] | None
    task: tuple[str | None, ...] | None
    launched: bool
    lock: bool
    host: str
    code: int
    said: str

    def refuses_state(self, vm: str, task: str | None) -> bool:
        """Whether the states alone speak against it."""
        return (self.vm is not None and vm not in self.vm) or (self.task is not None and task not in self.task)


# name, policy rule, least role, vm_states, task_states, launched, lockable, host, code of success, name in texts
_TABLE = """
start               servers:start               member  St        none     yes yes set 202 start
stop                servers:stop                member  A,E       none     yes yes set 202 stop
reboot              servers:reboot              member  A         none     yes yes -   202 reboot
hard reboot         servers:reboot              member  A,St,P,Su,E reboot yes yes -   202 reboot
pause               os-pause-server:pause       member  A         none     yes yes -   202 pause
unpause             os-pause-server:unpause     member  P         none     yes yes -   202 unpause
suspend             os-suspend-server:suspend   member  A         none     yes yes -   202 suspend
resume              os-suspend-server:resume    member  Su        none     yes yes -   202 resume
lock                os-lock-server:lock         member  any       any      no  no  -   202 lock
unlock              os-lock-server:unlock       member  any       any      no  no  -   202 unlock
resize              servers:resize              member  A,St      none     yes yes up  202 resize
migrate             os-migrate-server:migrate   manager A,St      none     yes yes up  202 migrate
confirm             servers:confirm_resize      member  Rz        none     yes yes -   204 confirmResize
revert              servers:revert_resize       member  Rz        none     yes yes -   202 revertResize
live migrate        os-migrate-server:migrate_live manager A,P    none     yes yes -   202 os-migrateLive
evacuate            os-evacuate                 admin   A,St,E    any      yes no  -   200 evacuate
rebuild             servers:rebuild             member  A,St,E    none     yes yes -   202 rebuild
rescue              os-rescue                   member  A,St,E    none     yes yes -   200 rescue
unrescue            os-unrescue                 member  R         none     yes yes -   202 unrescue
shelve              os-shelve:shelve            member  A,St,P,Su none     yes yes -   202 shelve
shelve offload      os-shelve:shelve_offload    admin   Sh        none     yes yes -   202 shelveOffload
unshelve            os-shelve:unshelve          member  Sh,SO     none     yes yes -   202 unshelve
create image        servers:create_image        member  A,St,P,Su none     yes no  -   202 createImage
create backup       os-create-backup            member  A,St,P,Su none     yes no  -   202 createBackup
restore             os-deferred-delete:restore  member  SD        none     yes yes -   202 restore
crash dump          servers:trigger_crash_dump  member  A,P,R,Rz,E none    yes yes set 202 trigger_crash_dump
change password     os-admin-password           member  A         none     yes yes -   202 changePassword
reset state         os-admin-actions:reset_state admin  any       any      no  no  -   202 resetState
set metadata        server-metadata:create      member  A,P,Su,St any      yes yes -   200 update metadata
delete metadata     server-metadata:delete      member  A,P,Su,St any      yes yes -   204 delete metadata
rename              servers:update              member  any       any      no  no  -   200 update
console log         os-console-output           member  any       any      no  no  set 200 get_console_output
diagnostics         os-server-diagnostics       admin   any       any      no  no  set 200 get_diagnostics
delete              servers:delete              member  any       any      no  yes -   204 delete
force delete        os-deferred-delete:force    member  any       any      no  yes -   202 forceDelete
"""
_TASKS: dict[str, tuple[str | None, ...] | None] = {"none": (None,), "any": None, "reboot": ALLOW_REBOOT}


def _row(line: str) -> Row:
    name, fields = line[:20].strip(), line[20:].split(maxsplit=8)
    rule, role, vm, task, launched, lock, host, code, said = fields
    return Row(
        name,
        "os_compute_api:" + rule,
        role,
        None if vm == "any" else tuple(_SHORT[short] for short in vm.split(",")),
        _TASKS[task],
        launched == "yes",
        lock == "yes",
        "" if host == "-" else host,
        int(code),
        said.strip(),
    )


ROWS: dict[str, Row] = {row.name: row for row in map(_row, _TABLE.strip().splitlines())}

# What stands in the action log; what is not here is not recorded.
RECORDED = {
    **{name: name for name in ("start", "stop", "reboot", "pause", "unpause", "suspend", "resume", "lock", "unlock")},
    **{name: name for name in ("resize", "migrate", "evacuate", "rebuild", "rescue", "unrescue", "shelve", "unshelve")},
    **{name: name for name in ("create", "delete", "restore")},
    "hard reboot": "reboot",
    "confirm": "confirmResize",
    "revert": "revertResize",
    "live migrate": "live-migration",
    "shelve offload": "shelveOffload",
    "create image": "createImage",
    "create backup": "createBackup",
    "crash dump": "trigger_crash_dump",
    "change password": "changePassword",
    "reset state": "resetState",
    "force delete": "delete",
}
UNKNOWN_409 = "Instance {uuid} is in an invalid state for '{said}'"
STATE_409 = "Cannot '{said}' instance {uuid} while it is in {what} {value}"
# Whose lock is told in other words.
QUIRKY_LOCK = ("restore", "change password")

# What the power sync does: (vm_state, what the hypervisor says) to the way of stopping.
SYNC = {
    (ACTIVE, SHUTDOWN): "stop",
    (STOPPED, RUNNING): "force stop",
    (STOPPED, POWER_PAUSED): "force stop",
    (PAUSED, SHUTDOWN): "force stop",
}


@dataclass(frozen=True)
class Walk:
    """An action that is one call to one hypervisor: its event, task states, call, and its two ends.

    `tasks`: the task states in order; while the hypervisor works it is the last. `good`, `bad`: the vm_state then;
    None as before, "old" the one before the suspend.
    """

    event: str
    call: str
    tasks: tuple[str, ...]
    good: str | None
    bad: str | None = None


WALKS: dict[str, Walk] = {
    "start": Walk("compute_start_instance", "power_on", ("powering-on",), ACTIVE),
    "stop": Walk("compute_stop_instance", "power_off", ("powering-off",), STOPPED),
    "reboot": Walk("compute_reboot_instance", "reboot", SOFT_TASKS, ACTIVE, ERROR),
    "hard reboot": Walk("compute_reboot_instance", "reboot", HARD_TASKS, ACTIVE, ERROR),
    "pause": Walk("compute_pause_instance", "pause", ("pausing",), PAUSED),
    "unpause": Walk("compute_unpause_instance", "unpause", ("unpausing",), ACTIVE),
    "suspend": Walk("compute_suspend_instance", "suspend", ("suspending",), SUSPENDED, ERROR),
    "resume": Walk("compute_resume_instance", "resume", ("resuming",), "old", ERROR),
    "rescue": Walk("compute_rescue_instance", "rescue", ("rescuing",), RESCUED, ERROR),
    "unrescue": Walk("compute_unrescue_instance", "unrescue", ("unrescuing",), ACTIVE, ERROR),
    "change password": Walk("compute_set_admin_password", "set_admin_password", ("updating_password",), None),
    "crash dump": Walk("compute_trigger_crash_dump", "inject_nmi", (), None),
    "restore": Walk("compute_restore_instance", "power_on", ("restoring",), ACTIVE),
}

# Flavors of a fresh database: id to name, vCPUs, MiB, root GiB.
FLAVORS = {
    "42": ("m1.nano", 1, 64, 0),
    "84": ("m1.micro", 1, 128, 0),
    "c1": ("cirros256", 1, 256, 1),
    "d1": ("ds512M", 1, 512, 5),
    "d3": ("ds2G", 2, 2048, 10),
    "3": ("m1.medium", 2, 4096, 40),
}


def holds(flavor: str) -> tuple[int, int, int]:
    """vCPUs, MiB and GiB of a flavor."""
    return FLAVORS[flavor][1:]


# Who asks: label to (user, project, role in it).
ACTORS = {
    "admin": ("admin", "admin", "admin"),
    "demo admin": ("admin", "demo", "admin"),
    "manager": ("boss", "demo", "manager"),
    "member": ("demo", "demo", "member"),
    "reader": ("watcher", "demo", "reader"),
    "stranger": ("stranger", "other", "member"),
}
