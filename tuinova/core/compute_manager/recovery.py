"""After a crash: finish, redo or roll back what was going on (nova/compute/manager.py _init_instance).

Rows of one table, looked through in order; the first that fits says what is done. Nova has no rule for several task
states; here each gets one, and the last row catches whatever is not thought of.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from tuinova.core.compute_manager import live, resize
from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.cures import (
    Cure,
    Scene,
    close_order,
    fail_build,
    finish_delete,
    offload_again,
    reboot_again,
    rebuild_failed,
    redo,
    resume_on_boot,
    resumed,
    ring_or_roll_back,
    ring_or_undo,
    rolled_back,
    settle,
    task_over,
    unshelve_undone,
)
from tuinova.core.compute_manager.methods import ASIDES, GOES_ON
from tuinova.core.compute_manager.move_cures import (
    look_for_the_guest,
    move_broken,
    move_lost,
    ring_again,
    undo_resize,
)
from tuinova.core.compute_manager.work import is_repeated
from tuinova.core.conductor.errors import UnexpectedTaskState
from tuinova.core.errors import HypervisorUnavailable, InstanceNotFound, NovaError
from tuinova.core.faults import message_of
from tuinova.core.records import WorkOrder
from tuinova.core.states import (
    BUILD_TASKS,
    DELETE_TASKS,
    HARD_REBOOT_TASKS,
    REBUILD_TASKS,
    SOFT_REBOOT_TASKS,
    PowerState,
    TaskState,
    VmState,
)

LOG = logging.getLogger(__name__)

_P, _T, _V = PowerState, TaskState, VmState
# An order that was accepted just now is rung by the writer in a moment.
_STRAY_AGE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: for these vm_states, tasks and power states (None: any) do `cure`."""

    name: str
    cure: Cure
    tasks: frozenset[str] | None = None
    vm_states: frozenset[str] | None = None
    power: frozenset[PowerState] | None = None
    power_not: frozenset[PowerState] = frozenset()
    methods: frozenset[str] | None = None  # what the order that had begun asks for

    def fits(self, scene: Scene) -> bool:
        """Whether this row speaks of the scene."""
        return (
            (self.tasks is None or scene.task in self.tasks)
            and (self.vm_states is None or scene.instance.vm_state in self.vm_states)
            and (self.power is None or scene.power in self.power)
            and scene.power not in self.power_not
            and (self.methods is None or (scene.order is not None and scene.order.method in self.methods))
        )


# The table -----------------------------------------------------------------------------------------------------------
_RUNS = frozenset({_P.RUNNING})
_REBOOTING_NOW = frozenset(
    {_T.REBOOTING, _T.REBOOTING_HARD, _T.REBOOT_STARTED, _T.REBOOT_STARTED_HARD},
)
_HARD_REBOOTABLE = frozenset({_V.ACTIVE, _V.STOPPED, _V.PAUSED, _V.SUSPENDED, _V.ERROR})
# States that are no end in themselves, whatever the task is.
_UNSTABLE = frozenset({_V.BUILDING, _V.DELETED})


def _tasks(*tasks: TaskState) -> frozenset[str]:
    return frozenset(tasks)


_RESIZING = _tasks(_T.RESIZE_PREP, _T.RESIZE_MIGRATED, _T.RESIZE_FINISH, _T.RESIZE_REVERTING)
_RESIZE_METHODS = frozenset(resize.WORKS) - {"resize_instance"}
_LIVE_METHODS = frozenset(live.WORKS) - {"live_migration"}
_SHELVING = _tasks(_T.SHELVING, _T.SHELVING_IMAGE_PENDING_UPLOAD, _T.SHELVING_IMAGE_UPLOADING)
_IMAGING = _tasks(
    _T.IMAGE_SNAPSHOT_PENDING, _T.IMAGE_SNAPSHOT, _T.IMAGE_BACKUP, _T.IMAGE_PENDING_UPLOAD, _T.IMAGE_UPLOADING
)

RULES: Sequence[Rule] = (
    Rule("half deleted", finish_delete, vm_states=frozenset({_V.DELETED})),
    Rule("soft-deleting", redo("soft_delete_instance"), tasks=_tasks(_T.SOFT_DELETING)),
    Rule("deleting", redo("terminate_instance"), tasks=DELETE_TASKS),
    Rule("deleting, and reset meanwhile", redo("terminate_instance"), methods=frozenset({"terminate_instance"})),
    Rule("half confirmed", ring_again, methods=frozenset({"confirm_resize"})),
    # The states are the operator's then, the server's place and size the move's.
    Rule("a move that goes on, whatever its state was reset to", ring_again, methods=GOES_ON),
    Rule("disks on their way, and reset meanwhile", undo_resize, methods=frozenset({"resize_instance"})),
    Rule("live migration, and reset meanwhile", look_for_the_guest, methods=frozenset({"live_migration"})),
    Rule("half evacuated", ring_again, tasks=REBUILD_TASKS, methods=frozenset({"evacuate_instance"})),
    # The guest is gone and no other has begun: a root volume that is half written is written anew.
    Rule(
        "rebuilt as far as its disks",
        ring_again,
        tasks=_tasks(_T.REBUILD_BLOCK_DEVICE_MAPPING),
        methods=frozenset({"rebuild_instance"}),
    ),
    Rule("disks that nobody sends", undo_resize, tasks=_tasks(_T.RESIZE_MIGRATING)),
    Rule("resize, else", ring_again, tasks=_RESIZING, methods=_RESIZE_METHODS),
    Rule("resize that nobody prepares", move_lost, tasks=_tasks(_T.RESIZE_PREP)),
    Rule("resize that nobody finishes", move_broken, tasks=_RESIZING),
    Rule(
        "live migration that is checked or has arrived", ring_again, tasks=_tasks(_T.MIGRATING), methods=_LIVE_METHODS
    ),
    Rule("live migration", look_for_the_guest, tasks=_tasks(_T.MIGRATING)),
    Rule("half built", fail_build, vm_states=frozenset({_V.BUILDING})),
    # Nova: ERROR, which would leave the disk of the server in an image that it can't be brought back from.
    Rule("half unshelved", unshelve_undone, tasks=_tasks(_T.SPAWNING), vm_states=frozenset({_V.SHELVED_OFFLOADED})),
    Rule("half built, not from new", fail_build, tasks=BUILD_TASKS),
    Rule("half rebuilt", rebuild_failed, tasks=REBUILD_TASKS),
    Rule("reboot pending", reboot_again, tasks=_tasks(_T.REBOOT_PENDING), vm_states=frozenset({_V.ACTIVE})),
    Rule("hard reboot pending", reboot_again, tasks=_tasks(_T.REBOOT_PENDING_HARD), vm_states=_HARD_REBOOTABLE),
    Rule("reboot of a guest that is off", reboot_again, tasks=_REBOOTING_NOW, power_not=_RUNS),
    Rule("reboot that came back", task_over(_V.ACTIVE), tasks=SOFT_REBOOT_TASKS | HARD_REBOOT_TASKS, power=_RUNS),
    Rule("reboot, else", reboot_again, tasks=SOFT_REBOOT_TASKS | HARD_REBOOT_TASKS),
    Rule("powering off", redo("stop_instance"), tasks=_tasks(_T.POWERING_OFF)),
    Rule("powering on", redo("start_instance"), tasks=_tasks(_T.POWERING_ON)),
    Rule("unpaused", task_over(_V.ACTIVE), tasks=_tasks(_T.UNPAUSING), power=_RUNS),
    Rule("paused", task_over(_V.PAUSED), tasks=_tasks(_T.PAUSING), power=frozenset({_P.PAUSED})),
    Rule("a pause that the guest has not heard of", rolled_back, tasks=_tasks(_T.PAUSING)),
    Rule("unpausing", redo("unpause_instance"), tasks=_tasks(_T.UNPAUSING), power=frozenset({_P.PAUSED})),
    Rule("unpausing a guest that is off", rolled_back, tasks=_tasks(_T.UNPAUSING)),
    # The hypervisor may be saving still: an undo would be overtaken by its end.
    Rule("suspending", redo("suspend_instance"), tasks=_tasks(_T.SUSPENDING), power=frozenset({_P.RUNNING, _P.PAUSED})),
    Rule(
        "suspended",
        task_over(_V.SUSPENDED),
        tasks=_tasks(_T.SUSPENDING),
        power=frozenset({_P.SHUTDOWN, _P.SUSPENDED}),
    ),
    Rule("resumed", resumed, tasks=_tasks(_T.RESUMING), power=_RUNS),
    Rule("resuming", redo("resume_instance"), tasks=_tasks(_T.RESUMING)),
    Rule("rescuing", ring_or_roll_back, tasks=_tasks(_T.RESCUING)),
    Rule("unrescuing", redo("unrescue_instance"), tasks=_tasks(_T.UNRESCUING)),
    Rule("shelving", ring_or_roll_back, tasks=_SHELVING),
    Rule("offloading", offload_again, tasks=_tasks(_T.SHELVING_OFFLOADING)),
    Rule("unshelving", ring_or_undo, tasks=_tasks(_T.UNSHELVING)),
    Rule("restoring", redo("restore_instance"), tasks=_tasks(_T.RESTORING)),
    Rule("setting a password", ring_or_roll_back, tasks=_tasks(_T.UPDATING_PASSWORD)),
    # The half-made image goes with its order.
    Rule("making an image", rolled_back, tasks=_IMAGING),
)
LAST_RULE = Rule("any other task", rolled_back)


def rule_for(scene: Scene) -> Rule | None:
    """The row that fits; None for a server without a task that is as it should be."""
    found = next((rule for rule in RULES if rule.fits(scene)), None)
    if found is not None:
        return found
    return LAST_RULE if scene.task is not None else None


# The whole host ------------------------------------------------------------------------------------------------------
def recover_host(compute: Compute, *, started: bool = True) -> None:
    """Settle every server of the host that needs it, then ring the orders that had not begun.

    Each server is settled in its own lane, so the service is ready before the guests are. When only the hypervisor's
    daemon was away (not `started`), guests that went off meanwhile did so by themselves: they are the power sync's.
    """
    compute.written_power.clear()
    states = {guest.uuid: guest.state for guest in compute.driver.list_guests()}
    orders = compute.conductor.open_orders(host=compute.host)
    # What belongs to no server may be done twice.
    serverless = [order for order in orders if not order.instance_uuid]
    orders = [order for order in orders if order.instance_uuid]
    compute.bus.ring(serverless, still=compute.conductor.order_is_open)
    begun = {order.instance_uuid for order in orders if is_repeated(order)}
    instances = compute.conductor.instances_on(compute.host)
    for uuid in begun - {instance.uuid for instance in instances}:
        # Of a server that is elsewhere, or deleted.
        compute.bus.submit(compute.host, uuid, partial(recover, compute, uuid, started=started))
    for instance in instances:
        # After a power cut of the host all its guests start here: not all at once.
        asleep = started and slept(compute, Scene(instance, states.get(instance.uuid, _P.NOSTATE), None))
        if asleep or instance.uuid in begun or instance.task_state is not None or instance.vm_state in _UNSTABLE:
            compute.bus.submit(
                compute.host,
                instance.uuid,
                partial(recover, compute, instance.uuid, started=started),
                heavy=asleep,
            )
    # Another host's recovery may have written some of them just now, and they may be over already.
    compute.bus.ring((order for order in orders if not is_repeated(order)), still=compute.conductor.order_is_open)


def pick_up_strays(compute: Compute) -> int:
    """Orders that nobody works on although they are open: the database refused the end of an action for a moment.

    Without this their servers would keep the task until the next start. Returns how many there were.
    """
    oldest = compute.now() - _STRAY_AGE
    orders = compute.conductor.open_orders(host=compute.host)
    strays = [order for order in orders if order.created_at < oldest and not compute.bus.knows(order.id)]
    for order in strays:
        LOG.warning("order %d (%s) of %s was left lying", order.id, order.method, order.instance_uuid)
        if is_repeated(order) and order.instance_uuid:
            uuid = order.instance_uuid
            compute.bus.submit(compute.host, uuid, partial(recover, compute, uuid, started=False))
        else:
            compute.bus.ring([order], still=compute.conductor.order_is_open)
    return len(strays)


def slept(compute: Compute, scene: Scene) -> bool:
    """Nova's last rule: the record says running, the hypervisor does not."""
    return (
        compute.options.resume_guests_state_on_host_boot
        and scene.instance.power_state == _P.RUNNING
        and scene.power is not _P.RUNNING
        and scene.instance.vm_state not in (_V.ERROR, _V.SOFT_DELETED)
    )


def look(compute: Compute, uuid: str) -> Scene | None:
    """How things stand now, in the server's lane, where nothing else is at work on it.

    None when there is nothing to recover: the server is gone, or what was accepted last has not begun. That is simply
    carried out, and what it overtook is over.
    """
    instance = compute.conductor.instance(uuid)
    orders = compute.conductor.open_orders(uuid=uuid)
    interrupted = [order for order in orders if order.host == compute.host and is_repeated(order)]
    compute.bus.ring([order for order in interrupted if order.method in ASIDES])
    # What goes on beside the server, on this host or another, says nothing of what was accepted for it.
    orders = [order for order in orders if order.method not in ASIDES]
    interrupted = [order for order in interrupted if order.method not in ASIDES]
    if instance.host != compute.host:
        # What this host does for a server of another one may be done twice, whatever became of it.
        compute.bus.ring(interrupted)
        return None
    scene = Scene(instance, compute.power_state(uuid), interrupted[-1] if interrupted else None)
    # An older one is that of the whole request, which names the first of its servers.
    if any(order.id > interrupted[-1].id for order in orders) if interrupted else orders:
        if scene.order is not None:
            give_way(compute, scene, scene.order)
        return None
    for older in interrupted[:-1]:
        close_order(compute, older)
    # A server that is being scheduled is the conductor's.
    return None if instance.task_state == _T.SCHEDULING else scene


def give_way(compute: Compute, scene: Scene, order: WorkOrder) -> None:
    """Something else was accepted after an order that had begun: it is over, but for what only a delete stops."""
    if order.method in GOES_ON and scene.task not in DELETE_TASKS:
        compute.bus.ring([order])
    else:
        close_order(compute, order)


def recover(compute: Compute, uuid: str, *, started: bool = True) -> None:
    """Settle one server; a failure makes it ERROR and never stops the others."""
    scene = None
    try:
        scene = look(compute, uuid)
        if scene is None:
            return
        rule = rule_for(scene)
        if rule is not None:
            LOG.info("%s: %s", uuid, rule.name)
            rule.cure(compute, scene)
        elif scene.order is not None:
            close_order(compute, scene.order)
        now = Scene(compute.conductor.instance(uuid), compute.power_state(uuid), None)
        # What was given up may have gone back to where it came from; what was rung makes the guest itself.
        is_here = now.instance.host == compute.host
        is_over = scene.order is None or not compute.conductor.order_is_open(scene.order.id)
        if started and is_here and is_over and now.task is None and slept(compute, now):
            resume_on_boot(compute, now)
    except InstanceNotFound:
        _leave_deleted(compute, uuid)
    except UnexpectedTaskState as error:
        LOG.info("recovery of %s was overtaken: %s", uuid, error)
    except HypervisorUnavailable as error:
        # The host is recovered again when the hypervisor is back.
        LOG.warning("recovery of %s waits for the hypervisor: %s", uuid, error)
    except Exception as error:
        LOG.exception("recovery of %s failed", uuid)
        if scene is not None:
            wrapped = error if isinstance(error, NovaError) else NovaError(message_of(error))
            settle(compute, scene, {"vm_state": _V.ERROR, "task_state": None}, error=wrapped)


def _leave_deleted(compute: Compute, uuid: str) -> None:
    """A server that is gone: what cleans up after it goes on, nothing else is about anything any more."""
    for order in compute.conductor.open_orders(uuid=uuid):
        if order.host == compute.host and is_repeated(order):
            if order.method in ASIDES:
                compute.bus.ring([order])
            else:
                close_order(compute, order)
