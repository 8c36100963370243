"""How every action of a host runs: begin, do, end, and what a failure leaves.

The decorators of Nova's manager (wrap_instance_event, wrap_instance_fault, reverts_task_state) as one function over
rows of data. Each step is one transaction of the conductor.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuinova.core.compute_manager.context import Compute
from tuinova.core.conductor.actions import also_event
from tuinova.core.conductor.errors import ConductorClosed, DatabaseUnavailable, UnexpectedTaskState
from tuinova.core.conductor.transaction import Part
from tuinova.core.drafts import ANY, Any_, EventFinish, EventStart, OrderDraft
from tuinova.core.errors import HypervisorUnavailable, InstanceNotFound
from tuinova.core.faults import fault_of, message_of, traceback_of
from tuinova.core.records import Instance, WorkOrder
from tuinova.core.states import DELETE_TASKS

LOG = logging.getLogger(__name__)

Updates = Mapping[str, Any]
ERROR, SUCCESS = "Error", "Success"
# The conductor itself failed: nothing can be said about the server, the order stays open and is taken up again.
LEFT_OPEN = (ConductorClosed, DatabaseUnavailable)
# The argument of an order that recovery wrote in place of one that had begun.
RESUMED = "resumed"
# What an operator's reset has the last word on.
_STATES = frozenset({"vm_state", "task_state", "progress"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a success leaves beside updates of the row: parts of the last step, and the next host's order.

    `then` is called after the commit, for files of rows that are gone; a crash before it leaves them to the next start.
    `facts` are updates that hold although the state was reset while the action ran: with them the last step is written
    then too, without `updates`. None: a reset leaves nothing of the action but what `undo` takes away.
    """

    updates: Updates = field(default_factory=dict)
    facts: Updates | None = None
    also: Sequence[Part] = ()
    order: OrderDraft | None = None
    release_allocation: bool = False
    then: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """What a failed action leaves: updates of the row, how its event counts, parts of the last step, a next order.

    `fault` False: the error is told by the event alone.
    """

    updates: Updates
    event_result: str = ERROR
    also: Sequence[Part] = ()
    order: OrderDraft | None = None
    fault: bool = True


def _without_states(updates: Updates) -> Updates:
    return {name: value for name, value in updates.items() if name not in _STATES}


def keep_vm_state(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """Most actions: the vm_state stands, the task ends."""
    return Failure({"task_state": None, "power_state": compute.last_power_state(instance)})


def unchanged(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """Actions that have no task: only fault and event tell of the failure."""
    return Failure({})


def to_error(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """Actions that can't be rolled back."""
    return Failure({"vm_state": "error", "task_state": None, "power_state": compute.last_power_state(instance)})


@dataclass(frozen=True, slots=True)
class Work:
    """One method of a host: its event, the task states in which it may begin, and what it does.

    `tasks` are all task states that belong to the action: the first step expects one of them, and at a restart they
    say that an open order is still about this server. `first` are the updates of the first step, `first_also` its
    parts. `opened`: the order before has begun the event already. Tasks of ANY belong to an action that has none: it
    leaves alone whatever another one sets.
    """

    event: str
    tasks: frozenset[str | None] | Any_
    body: Callable[[Compute, WorkOrder, Instance], Updates | Outcome]
    failed: Callable[[Compute, WorkOrder, Instance, Exception], Failure] = keep_vm_state
    first: Callable[[WorkOrder], Updates] | None = None
    first_also: Callable[[Compute, WorkOrder], Sequence[Part]] | None = None
    opened: bool = False
    # Carried out although the state was reset before it began or while it ran: half of it is done already, and what
    # else it says of the server than its states is a fact. A delete stops it.
    goes_on: bool = False
    # While the hypervisor is away the order stays open and is taken up again: half of it is done already, and all of it
    # may be done twice.
    waits: bool = False
    # The row goes with the last step; nothing that happened to its state meanwhile brings the guest back.
    delete_row: bool = False
    # What an order that ends without success takes away: files at once, rows as parts of its last step.
    undo: Callable[[Compute, WorkOrder], Sequence[Part]] | None = None
    # What an order whose server was taken away by another request (a reset, a delete) lets go of besides.
    let_go: Callable[[Compute, WorkOrder], Sequence[Part]] | None = None


def no_delete(instance: Instance) -> None:
    """The one task that stops what goes on: raises UnexpectedTaskState."""
    if instance.task_state in DELETE_TASKS:
        raise UnexpectedTaskState(instance_uuid=instance.uuid, actual=instance.task_state, expected="none of a delete")


def _is_ours(work: Work, instance: Instance) -> bool:
    return work.tasks is ANY or instance.task_state in work.tasks


def _asked(work: Work, anyway: bool) -> dict[str, Any]:
    """What a step asks of the server's task: to be the action's own, or with `anyway` only that no delete has come."""
    if work.delete_row:
        return {"expect_task": ANY}
    return {"check": no_delete} if anyway else {"expect_task": work.tasks}


def undone(work: Work | None, compute: Compute, order: WorkOrder) -> Sequence[Part]:
    """The parts of the last step that take away what an order has half made."""
    return work.undo(compute, order) if work is not None and work.undo is not None else ()


def taken_away(work: Work | None, compute: Compute, order: WorkOrder) -> Sequence[Part]:
    """The same for an order whose server is another request's now."""
    let_go = work.let_go(compute, order) if work is not None and work.let_go is not None else ()
    return [*undone(work, compute, order), *let_go]


def run(work: Work, compute: Compute, order: WorkOrder) -> None:
    """Carry out one order; never raises for what the driver or the server's state does."""
    epoch = compute.network_epoch
    _run(work, compute, order)
    compute.networks_changed(order.instance_uuid, epoch)


def _run(work: Work, compute: Compute, order: WorkOrder) -> None:
    instance = None
    try:
        instance = begin(
            compute,
            order,
            event=None if work.opened else work.event,
            # A delete that was accepted is carried out, also when the state was reset before it began.
            asked=_asked(work, work.goes_on),
            updates=lambda old: work.first(order) if work.first and _is_ours(work, old) else {},
            also=work.first_also(compute, order) if work.first_also else (),
        )
        end(compute, order, work, work.body(compute, order, instance))
    except InstanceNotFound:
        gone(compute, order, work.event, taken_away(work, compute, order))
    except UnexpectedTaskState as error:
        overtaken(compute, order, work.event, error, taken_away(work, compute, order))
    except LEFT_OPEN:
        raise
    except Exception as error:
        if work.waits and isinstance(error, HypervisorUnavailable):
            LOG.warning("%s of %s waits for the hypervisor: %s", order.method, order.instance_uuid, error)
            return
        LOG.warning("%s of %s failed: %s", order.method, order.instance_uuid, error, exc_info=True)
        fail(compute, order, work, instance or compute.conductor.instance(order.instance_uuid), error)


def begin(
    compute: Compute,
    order: WorkOrder,
    *,
    event: str | None,
    asked: Mapping[str, Any],
    updates: Callable[[Instance], Updates],
    also: Sequence[Part] = (),
) -> Instance:
    """The first step: event started, order begun; raises when the server is gone or busy with something else."""
    start = None
    if event is not None and not is_repeated(order):
        start = EventStart(event, order.ctx.request_id, compute.host)
    return compute.conductor.step(
        order.instance_uuid,
        updates=updates,
        **asked,
        event_start=start,
        order_started=order.id,
        also=also,
    )


def is_repeated(order: WorkOrder) -> bool:
    """Whether recovery rings an order that had begun before the restart: its event is open already."""
    return order.started_at is not None or bool(order.args.get(RESUMED))


def end(compute: Compute, order: WorkOrder, work: Work, outcome: Updates | Outcome) -> Instance:
    """The last step of a success; `system_metadata` among the updates is what the server is to remember."""
    if not isinstance(outcome, Outcome):
        outcome = Outcome(outcome)
    facts = dict(outcome.facts or {})
    values = {**({} if work.tasks is ANY else {"task_state": None}), **facts, **outcome.updates}
    remembered = values.pop("system_metadata", None)
    instance = compute.conductor.step(
        order.instance_uuid,
        system_metadata=remembered,
        updates=lambda old: values if work.delete_row or _is_ours(work, old) else facts,
        **_asked(work, outcome.facts is not None),
        event_finish=EventFinish(work.event, order.ctx.request_id, SUCCESS, host=compute.host),
        order_done=order.id,
        order=outcome.order,
        ctx=order.ctx,
        delete_row=work.delete_row,
        release_allocation=outcome.release_allocation,
        also=outcome.also,
    )
    compute.written_power[instance.uuid] = instance.power_state
    if outcome.then is not None:
        outcome.then()
    if work.delete_row or outcome.release_allocation:
        compute.forget(instance.uuid)
    return instance


def gone(compute: Compute, order: WorkOrder, event: str, also: Sequence[Part] = ()) -> None:
    """The server is deleted: end the order and what it has begun, and take away what it had made."""
    message = message_of(InstanceNotFound(instance_id=order.instance_uuid))
    ended = also_event(EventFinish(event, order.ctx.request_id, ERROR, message, host=compute.host), if_open=True)
    try:
        compute.conductor.step(order.instance_uuid, with_deleted=True, order_done=order.id, also=[ended, *also])
    except InstanceNotFound:  # without a trace
        compute.conductor.order_done(order.id)


def overtaken(
    compute: Compute, order: WorkOrder, event: str, error: UnexpectedTaskState, also: Sequence[Part] = ()
) -> None:
    """Another request took the server meanwhile (a delete, a reset): leave its state alone, only close the event."""
    LOG.info("%s of %s was overtaken: %s", order.method, order.instance_uuid, error)
    close_event(compute, order, event, error, also)


def close_event(compute: Compute, order: WorkOrder, event: str, error: Exception, also: Sequence[Part] = ()) -> None:
    """End the order with a failed event, and what it had made; the server's state stays."""
    try:
        compute.conductor.step(
            order.instance_uuid,
            expect_task=ANY,
            event_finish=EventFinish(
                event, order.ctx.request_id, ERROR, message_of(error), traceback_of(error), compute.host
            ),
            order_done=order.id,
            also=also,
        )
    except InstanceNotFound:
        gone(compute, order, event, also)


def fail(compute: Compute, order: WorkOrder, work: Work, instance: Instance, error: Exception) -> None:
    """The last step of a failure: what the row's rule says, a fault, the event's end."""
    compute.written_power.pop(order.instance_uuid, None)
    failure = work.failed(compute, order, instance, error)
    finish = EventFinish(
        work.event,
        order.ctx.request_id,
        failure.event_result,
        message_of(error) if failure.event_result == ERROR else None,
        traceback_of(error) if failure.event_result == ERROR else None,
        compute.host,
    )
    try:
        compute.conductor.step(
            order.instance_uuid,
            updates=lambda old: failure.updates if _is_ours(work, old) else _without_states(failure.updates),
            **_asked(work, work.goes_on),
            event_finish=finish,
            fault=fault_of(error, compute.host) if failure.fault else None,
            order_done=order.id,
            order=failure.order,
            ctx=order.ctx,
            also=[*failure.also, *undone(work, compute, order)],
        )
    except (UnexpectedTaskState, InstanceNotFound):
        close_event(compute, order, work.event, error, taken_away(work, compute, order))
