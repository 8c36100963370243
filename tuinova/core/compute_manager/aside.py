"""Work that says nothing of a server's state: it cleans up on another host, or speaks to work that is under way.

It is carried out whatever became of the server meanwhile, also when it is deleted, and anew after a crash.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.work import ERROR, LEFT_OPEN, SUCCESS, is_repeated
from tuinova.core.drafts import EventFinish, EventStart
from tuinova.core.errors import HypervisorUnavailable, InstanceNotFound
from tuinova.core.faults import message_of, traceback_of
from tuinova.core.records import Instance, WorkOrder

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Aside:
    """One method of a host; `event` None is told nowhere."""

    body: Callable[[Compute, WorkOrder, Instance], None]
    event: str | None = None


def run_aside(aside: Aside, compute: Compute, order: WorkOrder) -> None:
    """Carry out one order; while the hypervisor is away the order stays open and is taken up again."""
    conductor, uuid = compute.conductor, order.instance_uuid
    try:
        start = EventStart(aside.event, order.ctx.request_id, compute.host) if aside.event else None
        instance = conductor.step(
            uuid,
            event_start=None if is_repeated(order) else start,
            order_started=order.id,
            with_deleted=True,
        )
        failure: Exception | None = None
        try:
            aside.body(compute, order, instance)
        except (HypervisorUnavailable, *LEFT_OPEN):
            raise
        except Exception as error:
            LOG.warning("%s of %s failed: %s", order.method, uuid, error, exc_info=True)
            failure = error
        conductor.step(
            uuid, event_finish=_finish(aside, compute, order, failure), order_done=order.id, with_deleted=True
        )
    except InstanceNotFound:
        conductor.order_done(order.id)
    except HypervisorUnavailable as error:
        LOG.warning("%s of %s waits for the hypervisor: %s", order.method, uuid, error)


def _finish(aside: Aside, compute: Compute, order: WorkOrder, failure: Exception | None) -> EventFinish | None:
    if aside.event is None:
        return None
    if failure is None:
        return EventFinish(aside.event, order.ctx.request_id, SUCCESS, host=compute.host)
    return EventFinish(
        aside.event, order.ctx.request_id, ERROR, message_of(failure), traceback_of(failure), compute.host
    )
