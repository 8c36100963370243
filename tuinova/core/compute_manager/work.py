"""How every action of a host runs: begin, do, end, and what a failure leaves.

The decorators of Nova's manager (wrap_instance_event, wrap_instance_fault, reverts_task_state) as one function over
rows of data. Each step is one transaction of the conductor.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuinova.core.compute_manager.context import Compute
from tuinova.core.conductor.errors import ConductorClosed, DatabaseUnavailable, UnexpectedTaskState
from tuinova.core.conductor.transaction import Part
from tuinova.core.drafts import ANY, EventFinish, EventStart, ExpectedTask, FaultDraft, OrderDraft
from tuinova.core.errors import InstanceNotFound, NovaError
from tuinova.core.records import Instance, WorkOrder

LOG = logging.getLogger(__name__)

Updates = Mapping[str, Any]
ERROR, SUCCESS = "Error", "Success"
# The conductor itself failed: nothing can be said about the server, the order stays open and is taken up again.
LEFT_OPEN = (ConductorClosed, DatabaseUnavailable)
# The argument of an order that recovery wrote in place of one that had begun.
RESUMED = "resumed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a success leaves beside updates of the row: parts of the last step, and the next host's order."""

    updates: Updates = field(default_factory=dict)
    also: Sequence[Part] = ()
    order: OrderDraft | None = None
    release_allocation: bool = False


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


def message_of(error: BaseException) -> str:
    """The text of a fault: Nova's message, or only the class name of what is not Nova's (nova/compute/utils.py)."""
    return error.message if isinstance(error, NovaError) else type(error).__name__


def fault_of(error: BaseException, host: str | None) -> FaultDraft:
    """The fault that an exception leaves; the traceback is kept by the conductor with code 500 only."""
    code = error.code if isinstance(error, NovaError) else 500
    return FaultDraft(code=code, message=message_of(error), details=traceback_of(error), host=host)


def traceback_of(error: BaseException) -> str:
    """The traceback as text."""
    return "".join(traceback.format_exception(error))


def keep_vm_state(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """Most actions: the vm_state stands, the task ends."""
    return Failure({"task_state": None, "power_state": compute.last_power_state(instance)})


def to_error(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """Actions that can't be rolled back."""
    return Failure({"vm_state": "error", "task_state": None, "power_state": compute.last_power_state(instance)})


@dataclass(frozen=True, slots=True)
class Work:
    """One method of a host: its event, the task states in which it may begin, and what it does.

    `tasks` are all task states that belong to the action: the first step expects one of them, and at a restart they
    say that an open order is still about this server. `first` are the updates of the first step, `first_also` its
    parts. `opened`: the order before has begun the event already.
    """

    event: str
    tasks: frozenset[str | None]
    body: Callable[[Compute, WorkOrder, Instance], Updates | Outcome]
    failed: Callable[[Compute, WorkOrder, Instance, Exception], Failure] = keep_vm_state
    first: Callable[[WorkOrder], Updates] | None = None
    first_also: Callable[[Compute, WorkOrder], Sequence[Part]] | None = None
    opened: bool = False
    # The row goes with the last step; nothing that happened to its state meanwhile brings the guest back.
    delete_row: bool = False


def run(work: Work, compute: Compute, order: WorkOrder) -> None:
    """Carry out one order; never raises for what the driver or the server's state does."""
    instance = None
    try:
        instance = begin(
            compute,
            order,
            event=None if work.opened else work.event,
            tasks=work.tasks,
            updates=work.first(order) if work.first else {},
            also=work.first_also(compute, order) if work.first_also else (),
        )
        if instance is None:
            return
        end(compute, order, work, work.body(compute, order, instance))
    except InstanceNotFound:
        compute.conductor.order_done(order.id)
    except UnexpectedTaskState as error:
        overtaken(compute, order, work.event, error)
    except LEFT_OPEN:
        raise
    except Exception as error:
        LOG.warning("%s of %s failed: %s", order.method, order.instance_uuid, error, exc_info=True)
        fail(compute, order, work, instance or compute.conductor.instance(order.instance_uuid), error)


def begin(
    compute: Compute,
    order: WorkOrder,
    *,
    event: str | None,
    tasks: ExpectedTask,
    updates: Updates,
    also: Sequence[Part] = (),
) -> Instance | None:
    """The first step: event started, order begun; None when the server is gone or busy with something else."""
    start = None
    if event is not None and not is_repeated(order):
        start = EventStart(event, order.ctx.request_id, compute.host)
    try:
        return compute.conductor.step(
            order.instance_uuid,
            updates=updates,
            expect_task=tasks,
            event_start=start,
            order_started=order.id,
            also=also,
        )
    except InstanceNotFound:
        compute.conductor.order_done(order.id)
    except UnexpectedTaskState as error:
        overtaken(compute, order, event, error)
    return None


def is_repeated(order: WorkOrder) -> bool:
    """Whether recovery rings an order that had begun before the restart: its event is open already."""
    return order.started_at is not None or bool(order.args.get(RESUMED))


def end(compute: Compute, order: WorkOrder, work: Work, outcome: Updates | Outcome) -> Instance:
    """The last step of a success; `system_metadata` among the updates is what the server is to remember."""
    if not isinstance(outcome, Outcome):
        outcome = Outcome(outcome)
    values = {"task_state": None, **outcome.updates}
    instance = compute.conductor.step(
        order.instance_uuid,
        system_metadata=values.pop("system_metadata", None),
        updates=values,
        expect_task=ANY if work.delete_row else work.tasks,
        event_finish=EventFinish(work.event, order.ctx.request_id, SUCCESS, host=compute.host),
        order_done=order.id,
        order=outcome.order,
        ctx=order.ctx,
        delete_row=work.delete_row,
        release_allocation=outcome.release_allocation,
        also=outcome.also,
    )
    compute.written_power[instance.uuid] = instance.power_state
    if work.delete_row:
        compute.forget(instance.uuid)
    return instance


def overtaken(compute: Compute, order: WorkOrder, event: str | None, error: UnexpectedTaskState) -> None:
    """Another request took the server meanwhile (a delete, a reset): leave its state alone, only close the event."""
    LOG.info("%s of %s was overtaken: %s", order.method, order.instance_uuid, error)
    if event is None:
        compute.conductor.order_done(order.id)
    else:
        close_event(compute, order, event, error)


def close_event(compute: Compute, order: WorkOrder, event: str, error: Exception) -> None:
    """End the order with a failed event and nothing else."""
    try:
        compute.conductor.step(
            order.instance_uuid,
            expect_task=ANY,
            event_finish=EventFinish(
                event, order.ctx.request_id, ERROR, message_of(error), traceback_of(error), compute.host
            ),
            order_done=order.id,
        )
    except InstanceNotFound:
        compute.conductor.order_done(order.id)


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
            updates=failure.updates,
            expect_task=work.tasks,
            event_finish=finish,
            fault=fault_of(error, compute.host) if failure.fault else None,
            order_done=order.id,
            order=failure.order,
            ctx=order.ctx,
            also=failure.also,
        )
    except (UnexpectedTaskState, InstanceNotFound):
        close_event(compute, order, work.event, error)
