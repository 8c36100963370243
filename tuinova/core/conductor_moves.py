"""nova-conductor's half of moves: a host for a resize, a migration, an evacuation (nova/conductor/tasks)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuinova.core.conductor import Conductor, ConductorClosed, DatabaseUnavailable, UnexpectedTaskState, moves
from tuinova.core.conductor.actions import also_event
from tuinova.core.conductor.transaction import Part
from tuinova.core.drafts import TAKEN_AWAY, EventFinish, OrderDraft
from tuinova.core.errors import (
    ComputeResourcesUnavailable,
    InstanceNotFound,
    MaxRetriesExceeded,
    NoValidHost,
)
from tuinova.core.faults import fault_of
from tuinova.core.records import Instance, Migration, WorkOrder
from tuinova.core.states import REBUILD_TASKS, TaskState, VmState

if TYPE_CHECKING:
    from tuinova.core.conductor_manager import Hosts
    from tuinova.scheduler import Amounts, Trace

LOG = logging.getLogger(__name__)

# The conductor's events of each order; they begin when the request is accepted.
EVENTS: Mapping[str, tuple[str, ...]] = {
    "migrate_server": ("conductor_migrate_server", "cold_migrate"),
    "live_migrate_instance": ("conductor_live_migrate_instance",),
    "evacuate_server": ("rebuild_server",),
}


class MoveScheduling:
    """Carries out the conductor's orders about servers that shall be on another host or of another size."""

    def __init__(self, conductor: Conductor, hosts: Hosts, *, max_attempts: int, resize_to_same_host: bool) -> None:
        self._conductor = conductor
        self._hosts = hosts
        self._max_attempts = max_attempts
        self._resize_to_same_host = resize_to_same_host
        self.methods: Mapping[str, Callable[[WorkOrder], None]] = {
            "migrate_server": self.migrate_server,
            "live_migrate_instance": self.live_migrate_instance,
            "evacuate_server": self.evacuate_server,
        }

    # resize and cold migration ---------------------------------------------------------------------------------------
    def migrate_server(self, order: WorkOrder) -> None:
        """A destination, claimed; first for the request, then for each host whose preparation failed."""
        migration = self._conductor.migration(order.args["migration"])
        is_resize = migration.migration_type == "resize"
        stay_away = [] if is_resize and self._resize_to_same_host else [migration.source_compute]
        events = EVENTS[order.method]

        def failed(instance: Instance, error: Exception) -> None:
            forced = order.args.get("host") is not None and bool(order.args.get("tried"))
            self._give_up(instance, order, migration, error, events, vm_state=VmState.ERROR if forced else None)

        self._place(
            order,
            migration,
            task=TaskState.RESIZE_PREP,
            ignore_hosts=stay_away,
            method="prep_resize",
            events=events,
            failed=failed,
        )

    # live migration --------------------------------------------------------------------------------------------------
    def live_migrate_instance(self, order: WorkOrder) -> None:
        """The next host that may take the guest; its checks follow there."""
        migration = self._conductor.migration(order.args["migration"])
        events = EVENTS[order.method]
        self._place(
            order,
            migration,
            task=TaskState.MIGRATING,
            ignore_hosts=[migration.source_compute],
            method="check_can_live_migrate_destination",
            events=(),  # it lasts until the checks are passed
            failed=lambda instance, error: self._give_up(instance, order, migration, error, events),
        )

    # evacuation ------------------------------------------------------------------------------------------------------
    def evacuate_server(self, order: WorkOrder) -> None:
        """Another host that builds the server anew."""
        migration = self._conductor.migration(order.args["migration"])
        events = EVENTS[order.method]
        self._place(
            order,
            migration,
            task=TaskState.REBUILDING,
            ignore_hosts=[migration.source_compute],
            method="evacuate_instance",
            events=events,
            failed=lambda instance, error: self._give_up(
                instance, order, migration, error, events, vm_state=VmState.ERROR
            ),
        )

    # what they share -------------------------------------------------------------------------------------------------
    def _place(
        self,
        order: WorkOrder,
        migration: Migration,
        *,
        task: TaskState,
        ignore_hosts: list[str | None],
        method: str,
        events: tuple[str, ...],
        failed: Callable[[Instance, Exception], None],
    ) -> None:
        """Choose, claim and send the order to the destination, in one transaction; or `failed`."""
        instance = self._conductor.instance(order.instance_uuid, with_deleted=True)
        if instance.task_state != task:
            self._let_go(order, migration, f"its task is {instance.task_state}")
            return
        try:
            self._select(order, migration, instance, task, ignore_hosts, method, events)
        except (InstanceNotFound, UnexpectedTaskState) as error:
            self._let_go(order, migration, str(error))
        except (ConductorClosed, DatabaseUnavailable):
            raise
        except Exception as error:
            if not isinstance(error, NoValidHost):
                LOG.exception("scheduling for %s failed", order.ctx.request_id)
            failed(instance, error)

    def _let_go(self, order: WorkOrder, migration: Migration, why: str) -> None:
        """The server is another request's now (a reset, a delete): its move is over, its events end."""
        LOG.info("%s is not moved any more: %s", order.instance_uuid, why)
        ends = [
            also_event(EventFinish(name, order.ctx.request_id, "Error", TAKEN_AWAY), if_open=True)
            for name in EVENTS[order.method]
        ]
        self._conductor.step(
            order.instance_uuid, order_done=order.id, also=[moves.give_up(migration.uuid), *ends], with_deleted=True
        )

    def _select(
        self,
        order: WorkOrder,
        migration: Migration,
        instance: Instance,
        task: TaskState,
        ignore_hosts: list[str | None],
        method: str,
        events: tuple[str, ...],
    ) -> None:
        tried = [(host, node) for host, node in order.args.get("tried", [])]
        host = order.args.get("host")
        self._check_tries(instance, tried, host, order)
        wanted = {
            "zone": order.args.get("zone"),
            "ignore_hosts": [one for one in ignore_hosts if one],
            "destination": [host, None] if host else None,
        }
        grown = replace(instance, flavor=dict(migration.new_flavor or instance.flavor))
        spec = self._hosts.request_spec([grown], wanted, tried)
        ends = [also_event(EventFinish(name, order.ctx.request_id)) for name in events]

        def claim(place: str, node: str, uuid: str, amounts: Amounts) -> bool:
            if (place, node) in tried:
                return False
            args = {**order.args, "node": node, "dest_zone": self._hosts.zone_of(place)}
            try:
                self._conductor.step(
                    uuid,
                    expect_task=task,
                    order=OrderDraft(method, place, args),
                    ctx=order.ctx,
                    order_done=order.id,
                    also=[moves.claim_destination(migration.uuid, place, node, amounts), *ends],
                )
            except ComputeResourcesUnavailable:
                return False
            return True

        def keep(trace: Trace) -> None:
            self._conductor.save_trace(trace.instance_uuid, order.ctx.request_id, trace.to_dict())

        self._hosts.scheduler().select_destinations(spec, claim, keep, alternates=False)

    def _check_tries(
        self, instance: Instance, tried: list[tuple[str, str]], host: str | None, order: WorkOrder
    ) -> None:
        """Nova's ends of a move whose hosts failed: too many, or the only one that was asked for."""
        if not tried:
            return
        last = order.args.get("last_error", "")
        if host is not None:
            raise NoValidHost(last)
        if len(tried) >= self._max_attempts:
            raise MaxRetriesExceeded.after(self._max_attempts, instance.uuid, last)

    def _give_up(
        self,
        instance: Instance,
        order: WorkOrder,
        migration: Migration,
        error: Exception,
        events: tuple[str, ...],
        vm_state: VmState | None = None,
    ) -> None:
        """Nobody takes it: the task ends with a fault, the move with an error, nothing is held for it."""
        fault = fault_of(error)
        ends: list[Part] = [
            also_event(EventFinish(name, order.ctx.request_id, "Error", fault.message, fault.details))
            for name in events
        ]
        updates: dict[str, Any] = {"task_state": None}
        if vm_state is not None:
            updates["vm_state"] = vm_state
        tasks = {TaskState.RESIZE_PREP, TaskState.MIGRATING, *REBUILD_TASKS}
        try:
            self._conductor.step(
                instance.uuid,
                updates=updates,
                expect_task=tasks,
                fault=fault,
                order_done=order.id,
                also=[moves.note(migration.uuid, status="error"), moves.return_to_source(migration.uuid), *ends],
            )
        except (InstanceNotFound, UnexpectedTaskState) as overtaken:
            LOG.info("%s is not moved any more: %s", instance.uuid, overtaken)
            self._conductor.order_done(order.id)
