"""Live migration: five orders, each to the host that it concerns (nova/compute/manager.py live_migration).

check_can_live_migrate_destination, check_can_live_migrate_source, pre_live_migration (destination), live_migration
(source), post_live_migration_at_destination. The task is `migrating` until the last, so whatever else is asked waits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuinova.core.compute_manager import groups, networks
from tuinova.core.compute_manager.aside import Aside
from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.progress import Reporter
from tuinova.core.compute_manager.resize import migration_of
from tuinova.core.compute_manager.work import Failure, Outcome, Work
from tuinova.core.conductor import moves
from tuinova.core.conductor.actions import also_event
from tuinova.core.conductor.orders import also_order
from tuinova.core.conductor.transaction import Part
from tuinova.core.drafts import TAKEN_AWAY, EventFinish, EventStart, OrderDraft
from tuinova.core.errors import InstanceNotRunning
from tuinova.core.faults import message_of
from tuinova.core.records import Instance, WorkOrder
from tuinova.core.states import PowerState, TaskState
from tuinova.virt.driver import MigrationAborted

_MIGRATING = frozenset({TaskState.MIGRATING})
_ALIVE = (PowerState.RUNNING, PowerState.PAUSED)
CONDUCTOR_EVENT = "conductor_live_migrate_instance"
LIVE_EVENT = "compute_live_migration"
CANCELLED = "cancelled"


def _next(compute: Compute, order: WorkOrder, method: str, host: str | None, **args: Any) -> OrderDraft:
    return OrderDraft(method, host, {**order.args, **args})


def _still_wanted(compute: Compute, order: WorkOrder) -> None:
    """An abort that came before the guest began to move."""
    if migration_of(compute, order).status == CANCELLED:
        raise MigrationAborted(uuid=order.instance_uuid)


# checks --------------------------------------------------------------------------------------------------------------
def check_destination(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """May the guest come here? Its addresses must be free: it keeps them. Its group's policy must allow it."""
    _still_wanted(compute, order)
    groups.check(compute, instance)
    guest = compute.specs.make(instance)
    data = compute.driver.check_can_live_migrate_destination(guest, order.args.get("block_migration"))
    source = migration_of(compute, order).source_compute
    return Outcome(
        {"task_state": TaskState.MIGRATING},
        order=_next(compute, order, "check_can_live_migrate_source", source, data=dict(data)),
    )


def check_source(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """May it leave? From here on the conductor's part is done."""
    _still_wanted(compute, order)
    if compute.power_state(instance.uuid) not in _ALIVE:
        raise InstanceNotRunning(instance_id=instance.uuid)
    data = compute.driver.check_can_live_migrate_source(compute.specs.make(instance), order.args["data"])
    migration = migration_of(compute, order)
    request = order.ctx.request_id
    return Outcome(
        {"task_state": TaskState.MIGRATING},
        also=[
            also_event(EventFinish(CONDUCTOR_EVENT, request)),
            also_event(EventStart(LIVE_EVENT, request, compute.host)),
            moves.advance(migration.uuid, "accepted", "preparing"),
        ],
        order=_next(compute, order, "pre_live_migration", migration.dest_compute, data=dict(data)),
    )


def check_failed(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """Another host is looked for; where one was named, or it was aborted, the server stays as it is."""
    uuid = order.args["migration"]
    if order.args.get("host") is None and not isinstance(error, MigrationAborted):
        place = migration_of(compute, order)
        args = {name: order.args[name] for name in ("migration", "zone", "host", "block_migration")}
        args["tried"] = [*order.args.get("tried", []), [place.dest_compute, place.dest_node]]
        args["last_error"] = message_of(error)
        return Failure(
            {"task_state": TaskState.MIGRATING},
            also=[moves.return_to_source(uuid)],
            order=OrderDraft("live_migrate_instance", None, args),
            fault=False,
        )
    ended = EventFinish(CONDUCTOR_EVENT, order.ctx.request_id, "Error", message_of(error))
    return _stays(compute, order, instance, error, "error", also_event(ended))


def _unchecked(compute: Compute, order: WorkOrder) -> Sequence[Part]:
    """Nobody wants it any more, and nothing was touched."""
    return [_ended(order, CONDUCTOR_EVENT), moves.give_up(order.args["migration"])]


def _ended(order: WorkOrder, event: str) -> Part:
    return also_event(EventFinish(event, order.ctx.request_id, "Error", TAKEN_AWAY), if_open=True)


def _stays(
    compute: Compute, order: WorkOrder, instance: Instance, error: Exception, status: str, *more: Part
) -> Failure:
    """The guest is where it was: nothing is held at the destination, the task ends."""
    uuid = order.args["migration"]
    status = CANCELLED if isinstance(error, MigrationAborted) else status
    return Failure(
        {"task_state": None, "progress": 0},
        also=[moves.note(uuid, status=status), moves.return_to_source(uuid), *more],
    )


# the move ------------------------------------------------------------------------------------------------------------
def _ports_come(compute: Compute, order: WorkOrder) -> Sequence[Part]:
    return [compute.conductor.bind_ports(compute.host, compute.driver.list_networks(), keep_addresses=True)]


def pre_live_migration(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """At the destination: files and ports for the guest that comes."""
    _still_wanted(compute, order)
    guest = networks.prepare(compute, compute.specs.make(instance))
    data = compute.driver.pre_live_migration(guest, order.args["data"])
    return Outcome(
        {"task_state": TaskState.MIGRATING},
        order=_next(compute, order, "live_migration", instance.host, data=dict(data)),
    )


def pre_failed(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """What was made here goes at once, the ports go back."""
    ended = EventFinish(LIVE_EVENT, order.ctx.request_id, "Error", message_of(error))
    return _stays(compute, order, instance, error, "failed", also_event(ended), *_undo_here(compute, order, instance))


def _not_come(compute: Compute, order: WorkOrder) -> Sequence[Part]:
    """Nobody wants it any more: what may have been made here goes, the ports go back."""
    migration = migration_of(compute, order)
    undo = OrderDraft("rollback_live_migration_at_destination", compute.host, dict(order.args))
    back = OrderDraft("ports_return", migration.source_compute, {})
    more = [also_order(order.ctx, undo), also_order(order.ctx, back)]
    return [_ended(order, LIVE_EVENT), moves.give_up(migration.uuid, "failed", *more)]


def _undo_here(compute: Compute, order: WorkOrder, instance: Instance) -> list[Part]:
    back = OrderDraft("ports_return", instance.host, {})
    undo = OrderDraft("rollback_live_migration_at_destination", compute.host, dict(order.args))
    return [also_order(order.ctx, undo), also_order(order.ctx, back)]


def _running(compute: Compute, order: WorkOrder) -> Sequence[Part]:
    return [moves.advance(order.args["migration"], "preparing", "running")]


class _LiveReporter:
    """A driver's `LiveProgress`: the move's record and the server's row, while the server is still ours to move."""

    def __init__(self, compute: Compute, uuid: str, migration: str) -> None:
        self._compute = compute
        self._migration = migration
        self._row = Reporter(compute, uuid, _MIGRATING, "memory", first=0.0)

    def __call__(self, stats: Mapping[str, int]) -> None:
        memory, disk = (
            [int(stats.get(f"{kind}_{part}_bytes", 0)) for part in ("processed", "total")]
            for kind in ("memory", "disk")
        )
        done, total = memory[0] + disk[0], memory[1] + disk[1]
        what = "disk and memory" if disk[1] else "memory"
        # What is left, as Nova counts it: dirtied pages are sent again, so that what was sent may exceed the total.
        left = sum(int(stats.get(f"{kind}_remaining_bytes", 0)) for kind in ("memory", "disk"))
        percent = 100 * (total - left) // total if total else 0
        told = {"what": what, "done": min(done, total), "total": total}
        if self._row.report(told, max(0, min(100, percent))):
            self._compute.conductor.note_migration(self._migration, stats=dict(stats))


def live_migration(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """At the source: the guest goes; when this returns it is there, and what it left here is removed."""
    migration = migration_of(compute, order)
    if migration.status == CANCELLED:
        raise MigrationAborted(uuid=instance.uuid)
    guest = compute.specs.make(instance)
    compute.driver.live_migration(guest, order.args["data"], _LiveReporter(compute, instance.uuid, migration.uuid))
    compute.driver.post_live_migration(guest, order.args["data"])
    return arrived(compute, order, instance)


def arrived(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """The server is the destination's now."""
    migration = migration_of(compute, order)
    return Outcome(
        {"task_state": TaskState.MIGRATING, "progress": 100},
        facts={
            "host": migration.dest_compute,
            "node": migration.dest_node,
            "availability_zone": order.args.get("dest_zone") or instance.availability_zone,
        },
        order=_next(compute, order, "post_live_migration_at_destination", migration.dest_compute),
    )


def _not_gone(compute: Compute, order: WorkOrder) -> Sequence[Part]:
    """Nobody wants it any more, and it has not left: it runs on here."""
    migration = migration_of(compute, order)
    undo = OrderDraft("rollback_live_migration_at_destination", migration.dest_compute, dict(order.args))
    back = compute.conductor.bind_ports(compute.host, compute.driver.list_networks())
    return [moves.give_up(migration.uuid, "failed", back, also_order(order.ctx, undo))]


def live_failed(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """It runs on here; the destination removes what it had made."""
    dest = migration_of(compute, order).dest_compute
    undo = OrderDraft("rollback_live_migration_at_destination", dest, dict(order.args))
    back = compute.conductor.bind_ports(compute.host, compute.driver.list_networks())
    return _stays(compute, order, instance, error, "failed", back, also_order(order.ctx, undo))


def post_at_destination(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """At the destination: the guest is at home."""
    compute.driver.post_live_migration_at_destination(compute.specs.make(instance), order.args["data"])
    compute.moved(instance.uuid)
    uuid = order.args["migration"]
    return Outcome(
        {"task_state": None, "progress": 0},
        facts={"power_state": compute.power_state(instance.uuid)},
        also=[moves.stay(uuid, "completed")],
    )


def post_failed(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """The guest is here all the same; only its definition may not outlive a restart of the hypervisor."""
    uuid = order.args["migration"]
    return Failure(
        {"task_state": None, "power_state": compute.last_power_state(instance)},
        also=[moves.stay(uuid, "error")],
    )


# beside it -----------------------------------------------------------------------------------------------------------
def rollback_at_destination(compute: Compute, order: WorkOrder, instance: Instance) -> None:
    """Remove what `pre_live_migration` made, unless the guest has come after all."""
    if instance.host != compute.host:
        compute.driver.rollback_live_migration_at_destination(compute.specs.make(instance), order.args["data"])


def ports_return(compute: Compute, order: WorkOrder, instance: Instance) -> None:
    """The ports of a server that did not leave are this host's again."""
    if instance.host == compute.host and not instance.deleted:
        networks = compute.driver.list_networks()
        compute.conductor.step(instance.uuid, also=[compute.conductor.bind_ports(compute.host, networks)])


def abort(compute: Compute, order: WorkOrder, instance: Instance) -> None:
    """End a live migration; one that has not begun to move the guest never will."""
    uuid = order.args["migration"]
    if compute.conductor.migration(uuid).status != "running":
        compute.conductor.note_migration(uuid, status=CANCELLED)
        return
    compute.driver.live_migration_abort(instance.uuid)


def force_complete(compute: Compute, order: WorkOrder, instance: Instance) -> None:
    """Make it end soon."""
    compute.driver.live_migration_force_complete(instance.uuid)


WORKS: Mapping[str, Work] = {
    "check_can_live_migrate_destination": Work(
        "compute_check_can_live_migrate_destination", _MIGRATING, check_destination, check_failed, let_go=_unchecked
    ),
    "check_can_live_migrate_source": Work(
        "compute_check_can_live_migrate_source", _MIGRATING, check_source, check_failed, let_go=_unchecked
    ),
    "pre_live_migration": Work(
        "compute_pre_live_migration",
        _MIGRATING,
        pre_live_migration,
        pre_failed,
        first_also=_ports_come,
        let_go=_not_come,
    ),
    "live_migration": Work(
        LIVE_EVENT, _MIGRATING, live_migration, live_failed, first_also=_running, opened=True, let_go=_not_gone
    ),
    "post_live_migration_at_destination": Work(
        "compute_post_live_migration_at_destination",
        _MIGRATING,
        post_at_destination,
        post_failed,
        goes_on=True,
        waits=True,
    ),
}

ASIDES: Mapping[str, Aside] = {
    "rollback_live_migration_at_destination": Aside(
        rollback_at_destination, "compute_rollback_live_migration_at_destination"
    ),
    "ports_return": Aside(ports_return),
    "live_migration_abort": Aside(abort, "compute_live_migration_abort"),
    "live_migration_force_complete": Aside(force_complete, "compute_live_migration_force_complete"),
}
