"""What recovery can do about a server that a crash left in the middle of something.

Each cure ends the task in one transaction, or asks for the action once more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuinova.core.compute_manager.build import EVENT as BUILD_EVENT
from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.methods import BUILD_METHOD, WORKS
from tuinova.core.compute_manager.rescue import rescue_again
from tuinova.core.compute_manager.shelve import ON_NO_HOST, left_host
from tuinova.core.compute_manager.work import RESUMED, taken_away, undone
from tuinova.core.conductor.transaction import Part
from tuinova.core.context import service_context
from tuinova.core.drafts import EventFinish, FaultDraft, OrderDraft
from tuinova.core.errors import BuildAbortException, HypervisorUnavailable, NovaError
from tuinova.core.faults import fault_of, message_of
from tuinova.core.records import Instance, WorkOrder
from tuinova.core.states import SOFT_REBOOT_TASKS, PowerState, TaskState, VmState
from tuinova.virt.driver import RebootType

LOG = logging.getLogger(__name__)

_P, _T, _V = PowerState, TaskState, VmState
INTERRUPTED = "The service stopped while the server was in task {task}"
UNFINISHED = "The service stopped before the end of the action"


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
        release_volumes=True,
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


def ring_or_roll_back(compute: Compute, scene: Scene) -> None:
    """What the order asks for may be repeated; without one nobody knows what was asked."""
    if scene.order is not None:
        compute.bus.ring([scene.order])
    else:
        rolled_back(compute, scene)


def offload_again(compute: Compute, scene: Scene) -> None:
    """The image is whole: what is left of the shelving, or the offload that was asked for, is done."""
    if scene.order is not None:
        compute.bus.ring([scene.order])
    else:
        again(compute, scene, "shelve_offload_instance", {"clean_shutdown": False})


def unshelve_undone(compute: Compute, scene: Scene) -> None:
    """A guest that was half made of a shelved server: it goes, the server is as shelved as before."""
    instance = scene.instance
    compute.driver.destroy(compute.specs.make(instance))
    settle(
        compute,
        scene,
        {"task_state": None, **ON_NO_HOST},
        error=NovaError(INTERRUPTED.format(task=scene.task)),
        also=left_host(compute, instance),
    )


def ring_or_undo(compute: Compute, scene: Scene) -> None:
    """An unshelving of which no guest had begun; without an order the host is given up."""
    if scene.order is not None:
        compute.bus.ring([scene.order])
    elif scene.instance.vm_state == _V.SHELVED_OFFLOADED:
        unshelve_undone(compute, scene)
    else:
        rolled_back(compute, scene)


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
    updates = {"vm_state": scene.instance.old_vm_state, "task_state": None, "power_state": scene.power}
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
    is_rescued = instance.vm_state == _V.RESCUED
    try:
        if is_rescued:
            rescue_again(compute, instance)
        else:
            compute.driver.resume_state_on_host_boot(compute.specs.make(instance))
    except HypervisorUnavailable:
        raise
    except NovaError as error:
        LOG.warning("%s could not be started again: %s", instance.uuid, error)
        if is_rescued:  # its own disks are whole: unrescue still brings it back
            compute.conductor.step(
                instance.uuid, updates={"power_state": compute.last_power_state(instance)}, expect_task=None
            )
            return
        compute.conductor.step(
            instance.uuid,
            updates={"vm_state": _V.ERROR, "power_state": compute.last_power_state(instance)},
            expect_task=None,
            fault=fault_of(error, compute.host),
        )
        return
    compute.conductor.step(instance.uuid, updates={"power_state": compute.power_state(instance.uuid)}, expect_task=None)


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
    also: Sequence[Part] = (),
    **more: Any,
) -> None:
    """End the task in one transaction: states, event, fault, order."""
    order = scene.order
    name = event_of(order) or event
    finish = None
    undo = half_made(compute, order) if error is not None else ()
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
        also=[*also, *undo],
        **more,
    )


def half_made(compute: Compute, order: WorkOrder | None) -> Sequence[Part]:
    """The parts of the last step that take away what a begun order has half made."""
    return undone(WORKS.get(order.method), compute, order) if order is not None else ()


def close_order(compute: Compute, order: WorkOrder) -> None:
    """A begun order that is about nothing any more, its server busy with something else or gone: close its event."""
    name = event_of(order)
    finish = EventFinish(name, order.ctx.request_id, "Error", UNFINISHED, host=compute.host) if name else None
    compute.conductor.step(
        order.instance_uuid,
        event_finish=finish,
        order_done=order.id,
        also=taken_away(WORKS.get(order.method), compute, order),
        with_deleted=True,
    )


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
    if order is not None:
        compute.conductor.order_done(order.id)
