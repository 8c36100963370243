"""nova-conductor's half of rebuild and unshelve: the scheduler's word before a guest is made anew."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuinova.core.block_devices import is_volume_backed
from tuinova.core.conductor import Conductor, ConductorClosed, DatabaseUnavailable, UnexpectedTaskState
from tuinova.core.drafts import EventFinish, EventStart, FaultDraft, InstanceFilter, OrderDraft
from tuinova.core.errors import ImageNotFound, InstanceNotFound, NoValidHost, UnsupportedPolicyException
from tuinova.core.faults import fault_of, message_of, traceback_of
from tuinova.core.records import Instance, WorkOrder
from tuinova.core.states import TaskState, VmState

if TYPE_CHECKING:
    from tuinova.core.conductor_manager import Hosts
    from tuinova.scheduler import Amounts, Trace

LOG = logging.getLogger(__name__)

_T = TaskState
_REBUILD, _IMAGE_INFO, _SCHEDULE = "rebuild_server", "get_image_info", "schedule_instances"


class RespawnScheduling:
    """Carries out the conductor's orders about servers that keep their row and get another guest."""

    def __init__(self, conductor: Conductor, hosts: Hosts) -> None:
        self._conductor = conductor
        self._hosts = hosts
        self.methods: Mapping[str, Callable[[WorkOrder], None]] = {
            "rebuild_server": self.rebuild_server,
            "unshelve_instance": self.unshelve_instance,
        }

    def _waiting(self, order: WorkOrder, task: TaskState) -> Instance | None:
        """The server while it still waits for this order, which is done else."""
        try:
            instance = self._conductor.instance(order.instance_uuid)
        except InstanceNotFound:
            instance = None
        if instance is None or instance.task_state != task:
            self._conductor.order_done(order.id)
            return None
        return instance

    def _keep_trace(self, order: WorkOrder) -> Callable[[Trace], None]:
        def keep(trace: Trace) -> None:
            self._conductor.save_trace(trace.instance_uuid, order.ctx.request_id, trace.to_dict())

        return keep

    # rebuild ---------------------------------------------------------------------------------------------------------
    def rebuild_server(self, order: WorkOrder) -> None:
        """Another image must pass the filters that look at images, on the host where the server is."""
        instance = self._waiting(order, _T.REBUILDING)
        if instance is None:
            return
        try:
            self._check_rebuild(instance, order)
        except (InstanceNotFound, UnexpectedTaskState) as error:
            LOG.info("the rebuild of %s was overtaken: %s", instance.uuid, error)
            self._conductor.order_done(order.id)
        except (ConductorClosed, DatabaseUnavailable):
            raise
        except Exception as error:
            LOG.warning("no rebuild of %s: %s", instance.uuid, error, exc_info=not isinstance(error, NoValidHost))
            self._end(
                order,
                _T.REBUILDING,
                error,
                _REBUILD,
                {"vm_state": VmState.ERROR, "task_state": None, **order.args["before"]},
                fault=fault_of(error),
            )

    def _check_rebuild(self, instance: Instance, order: WorkOrder) -> None:
        place = {"force_hosts": [instance.host], "force_nodes": [instance.node]}
        spec = replace(self._hosts.request_spec([instance], place, ()), rebuild_check=True)

        def claim(host: str, node: str, uuid: str, amounts: Amounts) -> bool:
            raise AssertionError("a rebuild claims nothing")

        self._hosts.scheduler().select_destinations(spec, claim, self._keep_trace(order), alternates=False)
        args = {name: value for name, value in order.args.items() if name != "before"}
        self._conductor.step(
            instance.uuid,
            expect_task=_T.REBUILDING,
            event_finish=EventFinish(_REBUILD, order.ctx.request_id),
            order=OrderDraft("rebuild_instance", instance.host, args),
            ctx=order.ctx,
            order_done=order.id,
        )

    # unshelve --------------------------------------------------------------------------------------------------------
    def unshelve_instance(self, order: WorkOrder) -> None:
        """A server that is still on its host is started there; another one gets a host."""
        instance = self._waiting(order, _T.UNSHELVING)
        if instance is None:
            return
        try:
            if instance.vm_state == VmState.SHELVED:
                self._start(instance, order)
            else:
                self._place(instance, order)
        except (InstanceNotFound, UnexpectedTaskState) as error:
            LOG.info("the unshelving of %s was overtaken: %s", instance.uuid, error)
            self._conductor.order_done(order.id)

    def _start(self, instance: Instance, order: WorkOrder) -> None:
        self._conductor.step(
            instance.uuid,
            updates={"task_state": _T.POWERING_ON},
            expect_task=_T.UNSHELVING,
            order=OrderDraft("start_instance", instance.host, {}),
            ctx=order.ctx,
            order_done=order.id,
        )

    def _place(self, instance: Instance, order: WorkOrder) -> None:
        if not self._has_image(instance, order):
            return
        try:
            self._schedule(instance, order)
        except (ConductorClosed, DatabaseUnavailable, InstanceNotFound, UnexpectedTaskState):
            raise
        except Exception as error:
            # The server is as shelved as before; only the event tells of it, as in Nova.
            if not isinstance(error, NoValidHost | UnsupportedPolicyException):
                LOG.exception("the unshelving of %s failed", instance.uuid)
            self._end(order, _T.UNSHELVING, error, _SCHEDULE, {"task_state": None})

    def _has_image(self, instance: Instance, order: WorkOrder) -> bool:
        """Whether the image is there; else the server is in ERROR and keeps its task, as in Nova."""
        image_id = str(instance.system_metadata.get("shelved_image_id") or "")
        if not image_id and is_volume_backed(instance):
            if order.started_at is None:
                start = EventStart(_SCHEDULE, order.ctx.request_id)
                self._conductor.step(
                    instance.uuid, expect_task=_T.UNSHELVING, event_start=start, order_started=order.id
                )
            return True
        try:
            self._conductor.image(image_id)
        except ImageNotFound as error:
            reason = f"Unshelve attempted but the image {image_id} cannot be found."
            LOG.error("%s: %s", instance.uuid, reason)
            fault = FaultDraft(error.code, reason)
            self._end(order, _T.UNSHELVING, error, _IMAGE_INFO, {"vm_state": VmState.ERROR}, fault=fault)
            return False
        if order.started_at is None:  # else a crash came between, and the events are there
            self._conductor.step(
                instance.uuid,
                expect_task=_T.UNSHELVING,
                event_finish=EventFinish(_IMAGE_INFO, order.ctx.request_id),
                event_start=EventStart(_SCHEDULE, order.ctx.request_id),
                order_started=order.id,
            )
        return True

    def _schedule(self, instance: Instance, order: WorkOrder) -> None:
        spec = self._hosts.request_spec([instance], order.args, ())

        def claim(host: str, node: str, uuid: str, amounts: Amounts) -> bool:
            return self._conductor.claim(
                uuid,
                host,
                node,
                amounts,
                updates={"availability_zone": self._hosts.zone_of(host)},
                expect_task=_T.UNSHELVING,
                event_finish=EventFinish(_SCHEDULE, order.ctx.request_id),
                order=OrderDraft("unshelve_instance", host, {"node": node}),
                ctx=order.ctx,
                order_done=order.id,
            )

        self._hosts.scheduler().select_destinations(spec, claim, self._keep_trace(order), alternates=False)

    def _end(
        self,
        order: WorkOrder,
        task: TaskState,
        error: Exception,
        event: str,
        updates: Mapping[str, Any],
        *,
        fault: FaultDraft | None = None,
    ) -> None:
        """The last step of a failure."""
        message = fault.message if fault else message_of(error)
        try:
            self._conductor.step(
                order.instance_uuid,
                updates=updates,
                expect_task=task,
                event_finish=EventFinish(event, order.ctx.request_id, "Error", message, traceback_of(error)),
                fault=fault,
                order_done=order.id,
            )
        except (InstanceNotFound, UnexpectedTaskState) as overtaken:
            LOG.info("%s of %s was overtaken: %s", order.method, order.instance_uuid, overtaken)
            self._conductor.order_done(order.id)

    # start -----------------------------------------------------------------------------------------------------------
    def end_stuck_tasks(self) -> int:
        """Servers on no host whose unshelving nobody works on (its image was not there): the task ends at a start."""
        stuck = self._conductor.instances(InstanceFilter(task_state=_T.UNSHELVING.value, deleted=False))
        ended = 0
        for instance in stuck:
            if instance.host is None and not self._conductor.open_orders(uuid=instance.uuid):
                self._conductor.step(instance.uuid, updates={"task_state": None}, expect_task=_T.UNSHELVING)
                ended += 1
        return ended
