"""After a crash: finish, redo or roll back what was going on (nova/compute/manager.py _init_instance).

Rows of one table, looked through in order; the first that fits says what is done. Nova has no rule for several task
states; here each gets one, and the last row catches whatever is not thought of.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuinova.core.compute_manager import pause
from tuinova.core.compute_manager.build import EVENT as BUILD_EVENT
from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.methods import BUILD_METHOD, WORKS
from tuinova.core.compute_manager.work import RESUMED, fault_of, message_of
from tuinova.core.conductor.errors import UnexpectedTaskState
from tuinova.core.context import service_context
from tuinova.core.drafts import EventFinish, FaultDraft, OrderDraft
from tuinova.core.errors import BuildAbortException, HypervisorUnavailable, InstanceNotFound, NovaError
from tuinova.core.records import Instance, WorkOrder
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
from tuinova.virt.driver import RebootType

LOG = logging.getLogger(__name__)

_P, _T, _V = PowerState, TaskState, VmState
INTERRUPTED = "The service stopped while the server was in task {task}"


@dataclass(frozen=True, slots=True)
class Scene:
    """What recovery finds of one server: its record, its guest's state now, its order that had begun."""

    instance: Instance
    power: PowerState
    order: WorkOrder | None

    @property
    def task(self) -> str | None:
        """The task state at the crash."""
        return self.instance.task_state


Cure = Callable[[Compute, Scene], None]


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: for these vm_states, tasks and power states (None: any) do `cure`."""

    name: str
    cure: Cure
    tasks: frozenset[str] | None = None
    vm_states: frozenset[str] | None = None
    power: frozenset[PowerState] | None = None
    power_not: frozenset[PowerState] = frozenset()

    def fits(self, scene: Scene) -> bool:
        """Whether this row speaks of the scene."""
        return (
            (self.tasks is None or scene.task in self.tasks)
            and (self.vm_states is None or scene.instance.vm_state in self.vm_states)
            and (self.power is None or scene.power in self.power)
            and scene.power not in self.power_not
        )


# Cures ---------------------------------------------------------------------------------------------------------------
def fail_build(compute: Compute, scene: Scene) -> None:
    """A half-built server: ERROR with a fault that says so; domain, disks, ports and allocation go, the row stays."""
    instance = scene.instance
    compute.driver.destroy(compute.specs.make(instance))
    error = BuildAbortException(
        instance_uuid=instance.uuid, reason=INTERRUPTED.format(task=instance.task_state or "building")
    )
    settle(
        compute,
        scene,
        {"vm_state": _V.ERROR, "task_state": None, "host": None, "node": None, "power_state": _P.NOSTATE},
        error=error,
        event=BUILD_EVENT,
        release_allocation=True,
        release_ports=True,
    )


def rebuild_failed(compute: Compute, scene: Scene) -> None:
    """An interrupted rebuild: nobody knows which disk is there."""
    error = NovaError(INTERRUPTED.format(task=scene.task))
    settle(compute, scene, {"vm_state": _V.ERROR, "task_state": None, "power_state": scene.power}, error=error)


def redo(method: str) -> Cure:
    """Carry the action out once more."""

    def cure(compute: Compute, scene: Scene) -> None:
        again(compute, scene, method, {})

    return cure


def reboot_again(compute: Compute, scene: Scene) -> None:
    """A reboot is repeated; a soft one of a guest that does not run becomes a hard one."""
    soft = scene.power is _P.RUNNING and scene.task in SOFT_REBOOT_TASKS
    kind, task = (RebootType.SOFT, _T.REBOOTING) if soft else (RebootType.HARD, _T.REBOOTING_HARD)
    compute.conductor.step(scene.instance.uuid, updates={"task_state": task}, expect_task=scene.task)
    again(compute, scene, "reboot_instance", {"reboot_type": kind.value})


def task_over(vm_state: str | None) -> Cure:
    """The action had happened, or needs nothing more: the task ends, with this vm_state (None: the one it has)."""

    def cure(compute: Compute, scene: Scene) -> None:
        updates = {"task_state": None, "power_state": scene.power}
        settle(compute, scene, updates if vm_state is None else {**updates, "vm_state": vm_state})

    return cure


def rolled_back(compute: Compute, scene: Scene) -> None:
    """The action had not happened: the vm_state stands, the task ends, the event counts as failed."""
    error = NovaError(INTERRUPTED.format(task=scene.task))
    settle(compute, scene, {"task_state": None, "power_state": scene.power}, error=error)


def resumed(compute: Compute, scene: Scene) -> None:
    """The guest runs again: back to the state before the suspend."""
    updates = {"vm_state": pause.before_suspend(scene.instance), "task_state": None, "power_state": scene.power}
    settle(compute, scene, updates)


def finish_delete(compute: Compute, scene: Scene) -> None:
    """The vm_state says deleted and the row does not."""
    again(compute, scene, "terminate_instance", {}, task=_T.DELETING)


def resume_on_boot(compute: Compute, scene: Scene) -> None:
    """The guest ran when the host went down: bring it back if the host is told to."""
    instance = scene.instance
    if not compute.options.resume_guests_state_on_host_boot:
        return
    LOG.info("%s ran before the host went down: it is started again", instance.uuid)
    try:
        compute.driver.resume_state_on_host_boot(compute.specs.make(instance))
    except HypervisorUnavailable:
        raise
    except NovaError as error:
        LOG.warning("%s could not be started again: %s", instance.uuid, error)
        compute.conductor.step(
            instance.uuid,
            updates={"vm_state": _V.ERROR, "power_state": compute.last_power_state(instance)},
            expect_task=None,
            fault=fault_of(error, compute.host),
        )
        return
    compute.conductor.step(instance.uuid, updates={"power_state": compute.power_state(instance.uuid)}, expect_task=None)


def nothing(compute: Compute, scene: Scene) -> None:
    """The server is as it should be; what differs is the power sync's."""
    close_order(compute, scene)


# The table -----------------------------------------------------------------------------------------------------------
_RUNS = frozenset({_P.RUNNING})
_REBOOTING_NOW = frozenset(
    {_T.REBOOTING, _T.REBOOTING_HARD, _T.REBOOT_STARTED, _T.REBOOT_STARTED_HARD},
)
_HARD_REBOOTABLE = frozenset({_V.ACTIVE, _V.STOPPED, _V.PAUSED, _V.SUSPENDED, _V.ERROR})
# An ERROR server keeps Nova's first rule (left alone) except for the tasks that can go on from there.
_STABLE = frozenset({_V.SOFT_DELETED, _V.SHELVED_OFFLOADED})


def _tasks(*tasks: TaskState) -> frozenset[str]:
    return frozenset(tasks)


RULES: Sequence[Rule] = (
    Rule("half deleted", finish_delete, vm_states=frozenset({_V.DELETED})),
    Rule("deleting", redo("terminate_instance"), tasks=DELETE_TASKS),
    Rule("half built", fail_build, vm_states=frozenset({_V.BUILDING})),
    Rule("half built, not from new", fail_build, tasks=BUILD_TASKS),
    Rule("half rebuilt", rebuild_failed, tasks=REBUILD_TASKS),
    Rule("reboot pending", reboot_again, tasks=_tasks(_T.REBOOT_PENDING), vm_states=frozenset({_V.ACTIVE})),
    Rule("hard reboot pending", reboot_again, tasks=_tasks(_T.REBOOT_PENDING_HARD), vm_states=_HARD_REBOOTABLE),
    Rule("reboot of a guest that is off", reboot_again, tasks=_REBOOTING_NOW, power_not=_RUNS),
    Rule("reboot that came back", task_over(_V.ACTIVE), tasks=SOFT_REBOOT_TASKS | HARD_REBOOT_TASKS, power=_RUNS),
    Rule("reboot, else", reboot_again, tasks=SOFT_REBOOT_TASKS | HARD_REBOOT_TASKS),
    Rule("powering off", redo("stop_instance"), tasks=_tasks(_T.POWERING_OFF)),
    Rule("powering on", redo("start_instance"), tasks=_tasks(_T.POWERING_ON)),
    Rule(
        "pause or unpause of a running guest", task_over(_V.ACTIVE), tasks=_tasks(_T.PAUSING, _T.UNPAUSING), power=_RUNS
    ),
    Rule("paused", task_over(_V.PAUSED), tasks=_tasks(_T.PAUSING), power=frozenset({_P.PAUSED})),
    Rule("pausing a guest that is off", rolled_back, tasks=_tasks(_T.PAUSING)),
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
    Rule("left alone", nothing, tasks=frozenset(), vm_states=_STABLE),
)
LAST_RULE = Rule("any other task", rolled_back)


def rule_for(scene: Scene) -> Rule | None:
    """The row that fits; None for a server without a task that is as it should be."""
    found = next((rule for rule in RULES if rule.fits(scene)), None)
    if found is not None:
        return found
    return LAST_RULE if scene.task is not None else None


# Steps that cures share ----------------------------------------------------------------------------------------------
def event_of(order: WorkOrder | None) -> str | None:
    """The event that a begun order has open."""
    if order is None:
        return None
    if order.method == BUILD_METHOD:
        return BUILD_EVENT
    work = WORKS.get(order.method)
    return work.event if work else None


def settle(
    compute: Compute,
    scene: Scene,
    updates: Mapping[str, Any],
    *,
    error: NovaError | None = None,
    event: str | None = None,
    **more: Any,
) -> None:
    """End the task in one transaction: states, event, fault, order."""
    order = scene.order
    name = event_of(order) or event
    finish = None
    if name is not None:
        finish = EventFinish(
            name,
            order.ctx.request_id if order else None,
            "Error" if error else "Success",
            message_of(error) if error else None,
            host=compute.host,
        )
    fault = FaultDraft(error.code, error.message, host=compute.host) if error else None
    compute.conductor.step(
        scene.instance.uuid,
        updates=updates,
        expect_task=scene.task,
        event_finish=finish,
        fault=fault,
        order_done=order.id if order else None,
        **more,
    )


def close_order(compute: Compute, scene: Scene) -> None:
    """An order that is about nothing any more."""
    if scene.order is not None:
        compute.conductor.order_done(scene.order.id)


def overtaken_at_crash(compute: Compute, scene: Scene) -> None:
    """A begun order whose server was given another task before the crash: close its event."""
    name = event_of(scene.order)
    if scene.order is None or name is None:
        return
    finish = EventFinish(
        name, scene.order.ctx.request_id, "Error", INTERRUPTED.format(task=scene.task), host=compute.host
    )
    compute.conductor.step(scene.instance.uuid, event_finish=finish, order_done=scene.order.id)


def again(compute: Compute, scene: Scene, method: str, args: Mapping[str, Any], task: TaskState | None = None) -> None:
    """Ring the begun order once more when it asks for the same, else write a new one.

    A new one runs under a request id of the service, so its events belong to the server's newest action, as in Nova.
    """
    order = scene.order
    if order is not None and order.method == method and all(order.args.get(k) == v for k, v in args.items()):
        compute.bus.ring([order])
        return
    compute.conductor.accept(
        service_context(),
        scene.instance.uuid,
        check=lambda instance: None,
        updates={"task_state": task} if task else {},
        record=None,
        order=OrderDraft(method, compute.host, {**args, RESUMED: True}),
        system_metadata=None,
    )
    close_order(compute, scene)


# The whole host ------------------------------------------------------------------------------------------------------
def recover_host(compute: Compute) -> None:
    """Settle every server of the host, then ring the orders that had not begun.

    Each server is settled in its own lane, so the service is ready before the guests are.
    """
    states = {guest.uuid: guest.state for guest in compute.driver.list_guests()}
    begun: dict[str, WorkOrder] = {}
    waiting: list[WorkOrder] = []
    for order in compute.conductor.open_orders(host=compute.host):
        if order.started_at is None:
            waiting.append(order)
        elif order.instance_uuid in begun:
            compute.conductor.order_done(begun[order.instance_uuid].id)
            begun[order.instance_uuid] = order
        else:
            begun[order.instance_uuid] = order
    asked = {order.instance_uuid for order in waiting}
    for instance in compute.conductor.instances_on(compute.host):
        scene = Scene(instance, states.get(instance.uuid, _P.NOSTATE), begun.pop(instance.uuid, None))
        if instance.uuid in asked:
            # What was accepted last has not begun: it is simply carried out, and what it overtook is over.
            overtaken_at_crash(compute, scene)
            continue
        if needs_care(compute, scene):
            # After a power cut of the host all its guests start here: not all at once.
            heavy = slept(compute, scene)
            compute.bus.submit(
                compute.host,
                instance.uuid,
                lambda scene=scene: recover(compute, scene),  # type: ignore[misc]
                heavy=heavy,
            )
    for order in begun.values():
        compute.conductor.order_done(order.id)
    compute.bus.ring(waiting)


def needs_care(compute: Compute, scene: Scene) -> bool:
    """Whether anything is to be done about the server."""
    return scene.order is not None or rule_for(scene) is not None or slept(compute, scene)


def slept(compute: Compute, scene: Scene) -> bool:
    """Nova's last rule: the record says running, the hypervisor does not."""
    return (
        compute.options.resume_guests_state_on_host_boot
        and scene.instance.power_state == _P.RUNNING
        and scene.power is not _P.RUNNING
        and scene.instance.vm_state not in (_V.ERROR, _V.SOFT_DELETED)
    )


def recover(compute: Compute, scene: Scene) -> None:
    """Settle one server; a failure makes it ERROR and never stops the others."""
    try:
        rule = rule_for(scene)
        if rule is None:
            close_order(compute, scene)
        else:
            LOG.info("%s: %s", scene.instance.uuid, rule.name)
            rule.cure(compute, scene)
        now = compute.conductor.instance(scene.instance.uuid)
        fresh = Scene(now, compute.power_state(now.uuid), None)
        if now.task_state is None and slept(compute, fresh):
            resume_on_boot(compute, fresh)
    except InstanceNotFound:
        close_order(compute, scene)
    except UnexpectedTaskState as error:
        LOG.info("recovery of %s was overtaken: %s", scene.instance.uuid, error)
        close_order(compute, scene)
    except HypervisorUnavailable as error:
        # The connection listener recovers the host again when the hypervisor is back.
        LOG.warning("recovery of %s waits for the hypervisor: %s", scene.instance.uuid, error)
    except Exception as error:
        LOG.exception("recovery of %s failed", scene.instance.uuid)
        wrapped = error if isinstance(error, NovaError) else NovaError(message_of(error))
        updates = {"vm_state": _V.ERROR, "task_state": None}
        settle(compute, scene, updates, error=wrapped)
