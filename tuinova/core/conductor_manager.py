"""nova-conductor: from an accepted create to a host that builds (nova/conductor/manager.py).

No database here: everything is read and written through the conductor's calls.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from tuinova.core.conductor import Conductor, ConductorClosed, DatabaseUnavailable, UnexpectedTaskState
from tuinova.core.conductor.images import drop_image
from tuinova.core.conductor_moves import MoveScheduling
from tuinova.core.conductor_respawn import RespawnScheduling
from tuinova.core.drafts import ANY, EventFinish, EventStart, OrderDraft
from tuinova.core.errors import InstanceNotFound, MaxRetriesExceeded, NoValidHost
from tuinova.core.faults import fault_of
from tuinova.core.image_store import ImageStore
from tuinova.core.records import Instance, WorkOrder
from tuinova.core.shelved_image import discard_dropped, shelved_image
from tuinova.core.states import BUILD_TASKS, PowerState, TaskState, VmState

if TYPE_CHECKING:  # numpy costs 60 ms, so the scheduler is imported when the first server is created
    from tuinova.scheduler import Amounts, FilterScheduler, RequestSpec, Selection, Trace

LOG = logging.getLogger(__name__)

# The host's event; it begins with the claim, so that a build needs no transaction for its beginning.
BUILD_EVENT = "compute__do_build_and_run_instance"
SCHEDULE_EVENT = "conductor_schedule_and_build_instances"
# What the host's order needs of the request's.
_FOR_THE_HOST = ("networks", "security_groups", "volumes", "admin_password", "injected_files", "retry")


class Hosts(Protocol):
    """The scheduler with its table of hosts, kept current."""

    def scheduler(self) -> FilterScheduler:
        """Ready to decide; made when it is first asked for."""

    def released(self, uuid: str) -> None:
        """A server holds nothing any more."""

    def request_spec(
        self, instances: Sequence[Instance], args: Mapping[str, Any], tried: Sequence[tuple[str, str]]
    ) -> RequestSpec:
        """What is asked for servers of one request; `tried` are the (host, node) on which the build failed."""

    def zone_of(self, host: str) -> str:
        """The availability zone of a host."""


class ConductorManager:
    """Carries out the conductor's own orders: schedule, schedule again, delete what is on no host."""

    def __init__(
        self,
        conductor: Conductor,
        hosts: Hosts,
        images: ImageStore,
        *,
        max_attempts: int = 3,
        resize_to_same_host: bool = True,
    ) -> None:
        self._conductor = conductor
        self._images = images
        self._respawn = RespawnScheduling(conductor, hosts)
        self._hosts = hosts
        self._max_attempts = max_attempts
        self._methods: Mapping[str, Callable[[WorkOrder], None]] = {
            "schedule_and_build": self.schedule_and_build,
            "reschedule_build": self.reschedule_build,
            "delete_local": self.delete_local,
            **MoveScheduling(
                conductor, hosts, max_attempts=max_attempts, resize_to_same_host=resize_to_same_host
            ).methods,
            **self._respawn.methods,
        }

    def handle(self, order: WorkOrder) -> None:
        """Carry out one order; called by the bus."""
        method = self._methods.get(order.method)
        if method is None:
            LOG.error("order %d asks for %s, which this version does not know", order.id, order.method)
            return
        try:
            method(order)
        except (ConductorClosed, DatabaseUnavailable) as error:
            LOG.warning("%s for %s is left for later: %s", order.method, order.ctx.request_id, error)

    # create ----------------------------------------------------------------------------------------------------------
    def schedule_and_build(self, order: WorkOrder) -> None:
        """A host for every server of the request, or ERROR for each of them."""
        instances = self._unscheduled(order)
        if not instances:
            self._conductor.order_done(order.id)
            return
        try:
            spec = self._hosts.request_spec(instances, order.args, ())
            for instance in instances:
                if instance.host is not None:
                    # Claimed before a crash, and placed anew: the table has read the claim that is given up now.
                    self._hosts.released(instance.uuid)
            if len(instances) == 1:
                self._place_one(instances[0], spec, order)
            else:
                self._place_many(instances, spec, order)
        except (InstanceNotFound, UnexpectedTaskState) as error:
            # Deleted meanwhile: one of several makes the rest be scheduled anew without it.
            LOG.info("scheduling for %s was overtaken: %s", order.ctx.request_id, error)
            if len(instances) > 1:
                self.schedule_and_build(order)
            else:
                self._conductor.order_done(order.id)
        except (ConductorClosed, DatabaseUnavailable):
            raise
        except Exception as error:
            if not isinstance(error, NoValidHost):
                LOG.exception("scheduling for %s failed", order.ctx.request_id)
            for instance in instances:
                self._no_host(instance, order, error)
            self._conductor.order_done(order.id)

    def _unscheduled(self, order: WorkOrder) -> list[Instance]:
        """The servers of the order that still wait; a repeated order finds what the first time left."""
        found = []
        for uuid in order.args.get("instance_uuids") or [order.instance_uuid]:
            try:
                instance = self._conductor.instance(uuid)
            except InstanceNotFound:
                continue
            if instance.vm_state == VmState.BUILDING and instance.task_state == TaskState.SCHEDULING:
                found.append(instance)
        return found

    def _place_one(self, instance: Instance, spec: RequestSpec, order: WorkOrder) -> None:
        """Claim, the host's order and the end of this one in one transaction.

        Alternates are not sent along as Nova does: a host whose build fails asks here again, and what is chosen then
        is the first alternate as things are by then (`reschedule_build`).
        """

        def claim(host: str, node: str, uuid: str, amounts: Amounts) -> bool:
            return self._conductor.claim(
                uuid,
                host,
                node,
                amounts,
                updates={"task_state": TaskState.NETWORKING, "availability_zone": self._hosts.zone_of(host)},
                expect_task=TaskState.SCHEDULING,
                event_start=EventStart(BUILD_EVENT, order.ctx.request_id, host),
                order=self._build_order(host, node, order, attempt=1),
                ctx=order.ctx,
                order_done=order.id,
            )

        self._hosts.scheduler().select_destinations(spec, claim, self._keep_trace(order), unclaim=self._unclaim)

    def _place_many(self, instances: list[Instance], spec: RequestSpec, order: WorkOrder) -> None:
        """All or nothing: only when every server has its claim does any build begin."""

        def claim(host: str, node: str, uuid: str, amounts: Amounts) -> bool:
            return self._conductor.claim(uuid, host, node, amounts, expect_task=TaskState.SCHEDULING)

        selections = self._hosts.scheduler().select_destinations(
            spec, claim, self._keep_trace(order), unclaim=self._unclaim
        )
        for selection in selections:
            self._send(selection, order)
        self._conductor.order_done(order.id)

    def _send(self, selection: Selection, order: WorkOrder) -> None:
        host, node = selection.host, selection.node
        try:
            self._conductor.step(
                selection.instance_uuid,
                updates={"task_state": TaskState.NETWORKING, "availability_zone": self._hosts.zone_of(host)},
                expect_task=TaskState.SCHEDULING,
                event_start=EventStart(BUILD_EVENT, order.ctx.request_id, host),
                order=self._build_order(host, node, order, attempt=1),
                ctx=order.ctx,
            )
        except (InstanceNotFound, UnexpectedTaskState) as error:
            LOG.info("%s is not built any more: %s", selection.instance_uuid, error)
            self._hosts.released(selection.instance_uuid)

    def _build_order(self, host: str, node: str, order: WorkOrder, **more: Any) -> OrderDraft:
        args = {name: order.args[name] for name in _FOR_THE_HOST if name in order.args}
        place = {name: order.args.get(name) for name in ("zone", "force_hosts", "force_nodes", "destination")}
        return OrderDraft("build_instance", host, {**args, **place, "node": node, **more})

    def _keep_trace(self, order: WorkOrder) -> Callable[[Trace], None]:
        def keep(trace: Trace) -> None:
            self._conductor.save_trace(trace.instance_uuid, order.ctx.request_id, trace.to_dict())

        return keep

    def _unclaim(self, host: str, node: str, uuid: str, amounts: Amounts) -> None:
        try:
            self._conductor.step(uuid, updates={"host": None, "node": None}, expect_task=ANY, release_allocation=True)
        except InstanceNotFound:
            self._conductor.release(uuid)

    def _no_host(self, instance: Instance, order: WorkOrder, error: Exception) -> None:
        """Nova's end of a create that found no host: ERROR on no host, a fault, one failed event."""
        self._to_error(instance.uuid, order, error, event=SCHEDULE_EVENT)

    def _to_error(
        self, uuid: str, order: WorkOrder, error: Exception, *, event: str | None, done: int | None = None
    ) -> None:
        fault = fault_of(error)
        finish = EventFinish(event, order.ctx.request_id, "Error", fault.message, fault.details) if event else None
        try:
            self._conductor.step(
                uuid,
                updates={
                    "vm_state": VmState.ERROR,
                    "task_state": None,
                    "host": None,
                    "node": None,
                    "power_state": PowerState.NOSTATE,
                },
                expect_task=frozenset({None, *BUILD_TASKS}),
                event_finish=finish,
                fault=fault,
                release_allocation=True,
                release_ports=True,
                release_volumes=True,
                order_done=done,
            )
        except (InstanceNotFound, UnexpectedTaskState) as overtaken:
            LOG.info("%s is not marked ERROR: %s", uuid, overtaken)
            if done is not None:
                self._conductor.order_done(done)
        self._hosts.released(uuid)

    # a host has failed -----------------------------------------------------------------------------------------------
    def reschedule_build(self, order: WorkOrder) -> None:
        """The next alternate, or one of Nova's ends (states of `_build_and_run_instance` and populate_retry)."""
        instances = self._unscheduled(order)
        if not instances:
            self._conductor.order_done(order.id)
            return
        instance, tried = instances[0], order.args.get("tried", [])
        self._hosts.released(instance.uuid)
        attempt = len(tried) + 1
        try:
            if attempt > self._max_attempts:
                raise MaxRetriesExceeded.after(self._max_attempts, instance.uuid, order.args.get("last_error", ""))
            self._place_again(instance, order, attempt)
        except (InstanceNotFound, UnexpectedTaskState) as error:
            LOG.info("%s is not built any more: %s", instance.uuid, error)
            self._conductor.order_done(order.id)
        except (ConductorClosed, DatabaseUnavailable):
            raise
        except Exception as error:
            if not isinstance(error, NoValidHost):
                LOG.exception("rescheduling of %s failed", instance.uuid)
            self._to_error(instance.uuid, order, error, event=None, done=order.id)

    def _place_again(self, instance: Instance, order: WorkOrder, attempt: int) -> None:
        tried = [(host, node) for host, node in order.args.get("tried", [])]
        spec = self._hosts.request_spec([instance], order.args, tried)

        def claim(host: str, node: str, uuid: str, amounts: Amounts) -> bool:
            return (host, node) not in tried and self._conductor.claim(
                uuid,
                host,
                node,
                amounts,
                updates={"task_state": TaskState.NETWORKING, "availability_zone": self._hosts.zone_of(host)},
                expect_task=TaskState.SCHEDULING,
                event_start=EventStart(BUILD_EVENT, order.ctx.request_id, host),
                order=self._build_order(host, node, order, attempt=attempt, tried=tried),
                ctx=order.ctx,
                order_done=order.id,
            )

        try:
            self._hosts.scheduler().select_destinations(spec, claim, self._keep_trace(order), alternates=False)
        except MaxRetriesExceeded:
            raise
        except NoValidHost as error:
            raise MaxRetriesExceeded(
                reason=f"Exhausted all hosts available for retrying build failures for instance {instance.uuid}."
            ) from error

    # delete ----------------------------------------------------------------------------------------------------------
    def delete_local(self, order: WorkOrder) -> None:
        """Delete a server that is on no host, or whose host is down: the row and all that it holds here.

        What a host that is down still has of it, the host removes when it is back.
        """
        try:
            image_id = shelved_image(self._conductor.instance(order.instance_uuid))
            also = [drop_image(image_id)] if image_id else []
            self._conductor.step(order.instance_uuid, delete_row=True, order_done=order.id, also=also)
            if image_id:
                discard_dropped(self._conductor, self._images, image_id)
        except InstanceNotFound:
            self._conductor.order_done(order.id)
        self._hosts.released(order.instance_uuid)

    # start -----------------------------------------------------------------------------------------------------------
    def pick_up_strays(self, ring: Callable[[list[WorkOrder]], None], oldest: datetime) -> None:
        """Ring orders from before `oldest` once more; the bus leaves out those that it still knows."""
        ring([order for order in self._conductor.open_orders(host=None) if order.created_at < oldest])

    def recover(self, ring: Callable[[list[WorkOrder]], None]) -> None:
        """After a crash: none of these orders has touched a hypervisor, so they are simply carried out."""
        self._respawn.end_stuck_tasks()
        ring(self._conductor.open_orders(host=None))
