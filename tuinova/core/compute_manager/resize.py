"""Resize and cold migration: five orders, each to the host that it concerns (nova/compute/manager.py).

prep_resize (destination), resize_instance (source), finish_resize (destination); then confirm_resize (source), or
revert_resize (destination) and finish_revert_resize (source). Source and destination may be one host.

A reset of the state ends a move while its disks are where they were; once they have gone over it goes on to where they
are, and nothing waits to be confirmed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tuinova.core.compute_manager import groups, networks
from tuinova.core.compute_manager.aside import Aside
from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.progress import Reporter
from tuinova.core.compute_manager.work import Failure, Outcome, Updates, Work
from tuinova.core.conductor import moves
from tuinova.core.conductor.orders import also_order
from tuinova.core.conductor.transaction import Part
from tuinova.core.context import RequestContext
from tuinova.core.drafts import HostNetworkLike, MigrationFilter, OrderDraft
from tuinova.core.errors import HypervisorUnavailable, ResizeError
from tuinova.core.faults import message_of
from tuinova.core.records import OLD_VM_STATE, Instance, Migration, WorkOrder
from tuinova.core.states import PowerState, TaskState, VmState

_T = TaskState
PREP, MIGRATING, MIGRATED = _T.RESIZE_PREP, _T.RESIZE_MIGRATING, _T.RESIZE_MIGRATED
FINISH, REVERTING = _T.RESIZE_FINISH, _T.RESIZE_REVERTING


def migration_of(compute: Compute, order: WorkOrder) -> Migration:
    """The move that an order is about."""
    return compute.conductor.migration(str(order.args["migration"]))


def was_running(instance: Instance) -> bool:
    """Whether the guest is to run when it arrives, or is back."""
    return instance.old_vm_state != VmState.STOPPED


def with_flavor(instance: Instance, flavor: Mapping[str, Any] | None) -> Instance:
    """The server as it is with another flavor."""
    return replace(instance, flavor=dict(flavor or instance.flavor))


def bind_here(compute: Compute, order: WorkOrder) -> Sequence[Part]:
    """The ports come to this host; while its hypervisor is away, to the networks that it had last."""
    networks: Sequence[HostNetworkLike]
    try:
        networks = compute.driver.list_networks()
    except HypervisorUnavailable:
        networks = compute.conductor.host_networks(compute.host)
    return [compute.conductor.bind_ports(compute.host, networks)]


# the way there -------------------------------------------------------------------------------------------------------
def prep_resize(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """At the destination: what the source must know; Nova's late look at the server group."""
    groups.check(compute, instance)
    migration = migration_of(compute, order)
    args = {**order.args, "destination": dict(compute.driver.migration_address())}
    return Outcome({"task_state": PREP}, order=OrderDraft("resize_instance", migration.source_compute, args))


def prep_failed(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """The next alternate, as the conductor finds one; the server is untouched."""
    again = {
        **order.args,
        "tried": [*order.args.get("tried", []), [compute.host, order.args.get("node") or compute.host]],
        "last_error": message_of(error),
    }
    return Failure(
        {"task_state": PREP},
        also=[moves.return_to_source(order.args["migration"])],
        order=OrderDraft("migrate_server", None, again),
        fault=False,
    )


def resize_instance(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """At the source: power off, set the files aside, bring the disks over; from then on the server is there."""
    migration = migration_of(compute, order)
    new = with_flavor(instance, migration.new_flavor)
    timeout = compute.options.stop_timeout(instance.image.get("properties") or {})
    compute.driver.migrate_disk_and_power_off(
        compute.specs.make(instance),
        compute.specs.make(new),
        order.args["destination"],
        timeout,
        compute.options.shutdown_retry_interval,
        Reporter(compute, instance.uuid, MIGRATING, "disk"),
    )
    return Outcome(
        {"task_state": MIGRATED},
        facts={
            "host": migration.dest_compute,
            "node": migration.dest_node,
            "availability_zone": order.args.get("dest_zone") or instance.availability_zone,
        },
        also=[moves.note(migration.uuid, status="post-migrating")],
        order=OrderDraft("finish_resize", migration.dest_compute, dict(order.args)),
    )


def _migrating(compute: Compute, order: WorkOrder) -> Sequence[Part]:
    return [moves.note(order.args["migration"], status="migrating")]


def resize_failed(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """Rolled back before the guest was touched: as it was. Anything later: ERROR, with the disks still here."""
    uuid = order.args["migration"]
    power = compute.last_power_state(instance)
    vm_state = instance.old_vm_state if isinstance(error, ResizeError) else VmState.ERROR
    also = [moves.note(uuid, status="error"), moves.return_to_source(uuid), *discard_elsewhere(compute, order)]
    return Failure({"vm_state": vm_state, "task_state": None, "power_state": power}, also=also)


def give_up(compute: Compute, order: WorkOrder) -> Sequence[Part]:
    """Nobody wants it any more, and the disks are where they were; where they were to go, nothing stays.

    Also of a move that is over: a delete had its other hosts clean up at once, and the disks may have come after that.
    """
    return [moves.give_up(order.args["migration"], "error"), *_clean_elsewhere(compute, order)]


def _clean_elsewhere(compute: Compute, order: WorkOrder) -> list[Part]:
    dest = migration_of(compute, order).dest_compute
    return [] if dest in (None, compute.host) else [also_order(order.ctx, OrderDraft("cleanup_instance", dest, {}))]


def discard_elsewhere(compute: Compute, order: WorkOrder) -> list[Part]:
    """The destination removes what came; on the same host the source's roll back has done so."""
    dest = migration_of(compute, order).dest_compute
    if dest in (None, compute.host):
        return []
    return [also_order(order.ctx, OrderDraft("discard_migrated", dest, dict(order.args)))]


def finish_resize(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """At the destination: a guest of the new sizes, which waits to be confirmed or reverted."""
    migration = migration_of(compute, order)
    new = with_flavor(instance, migration.new_flavor)
    compute.driver.finish_migration(networks.prepare(compute, compute.specs.make(new)), power_on=was_running(instance))
    compute.moved(instance.uuid)
    return Outcome(
        {"vm_state": VmState.RESIZED, "task_state": None},
        facts={
            "flavor": new.flavor,
            "power_state": compute.power_state(instance.uuid),
            "launched_at": compute.now(),
        },
        also=[_waits_for_confirm(order, migration)],
    )


def _waits_for_confirm(order: WorkOrder, migration: Migration) -> Part:
    """The move's record; of a server whose state was reset meanwhile nothing can be confirmed: it is, at once."""

    def part(tx: Any, instance: Instance) -> None:
        if instance.task_state in (MIGRATED, FINISH):
            moves.note(migration.uuid, status="finished")(tx, instance)
            return
        for one in settled_here(order.ctx, migration):
            one(tx, instance)

    return part


def settled_here(ctx: RequestContext, migration: Migration) -> list[Part]:
    """The server stays where it is: the move is confirmed, and its source forgets what it set aside."""
    return [
        moves.stay(migration.uuid, "confirmed"),
        also_order(ctx, OrderDraft("cleanup_instance", migration.source_compute, {})),
    ]


def cleanup_instance(compute: Compute, order: WorkOrder, instance: Instance) -> None:
    """What moves of a server have left on this host; a guest that lives here is left alone."""
    if instance.host == compute.host and not instance.deleted:
        compute.driver.confirm_migration(compute.specs.make(instance), same_host=True)
        return
    coming = MigrationFilter(instance_uuid=instance.uuid, dest_compute=compute.host, in_progress=True)
    if instance.deleted or not any(map(_has_begun, compute.conductor.migrations(coming))):
        compute.driver.cleanup(instance.uuid)


def _has_begun(migration: Migration) -> bool:
    """Whether something of it may be at the destination; its first order there waits behind whatever cleans up."""
    cold = migration.migration_type in ("resize", "migration")
    return migration.status != ("pre-migrating" if cold else "accepted")


def finish_failed(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """ERROR at the destination with the old flavor; a hard reboot may revive it there, the source keeps its copy."""
    uuid = order.args["migration"]
    power = compute.last_power_state(instance)
    also = [moves.note(uuid, status="error"), moves.stay_at_destination(uuid)]
    return Failure({"vm_state": VmState.ERROR, "task_state": None, "power_state": power}, also=also)


# the end -------------------------------------------------------------------------------------------------------------
def confirm_resize(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """At the source: forget what was set aside; the server is what it has become."""
    migration = migration_of(compute, order)
    old = with_flavor(instance, migration.old_flavor)
    compute.driver.confirm_migration(compute.specs.make(old), same_host=instance.host == compute.host)
    stopped = instance.power_state == PowerState.SHUTDOWN
    return Outcome(
        {"vm_state": VmState.STOPPED if stopped else VmState.ACTIVE, "system_metadata": {OLD_VM_STATE: None}},
        also=[moves.stay(migration.uuid, "confirmed")],
    )


def confirm_failed(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """ERROR; what is held stays held for whoever looks after it."""
    uuid = order.args["migration"]
    also = [moves.stay(uuid, "error")]
    return Failure({"vm_state": VmState.ERROR}, also=also)


def revert_resize(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """At the destination: the guest of the new sizes goes."""
    migration = migration_of(compute, order)
    compute.driver.discard_migrated(compute.specs.make(instance))
    next_order = OrderDraft("finish_revert_resize", migration.source_compute, dict(order.args))
    return Outcome({"task_state": REVERTING}, facts={}, order=next_order)


def _back_home(compute: Compute, order: WorkOrder) -> Sequence[Part]:
    """From the first step on the server is the source's again: whatever interrupts, its host looks after it."""
    migration = migration_of(compute, order)

    def part(tx: Any, instance: Instance) -> Mapping[str, Any]:
        return {
            "host": migration.source_compute,
            "node": migration.source_node,
            "flavor": dict(migration.old_flavor or instance.flavor),
        }

    return [part, moves.return_to_source(migration.uuid), *bind_here(compute, order)]


def finish_revert_resize(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """At the source: what was set aside is the guest again; one that was stopped is stopped the ordinary way."""
    running = was_running(instance)
    compute.driver.finish_revert_migration(compute.specs.make(instance), power_on=running)
    compute.moved(instance.uuid)
    updates: Updates = {
        "vm_state": VmState.ACTIVE,
        "task_state": None if running else TaskState.POWERING_OFF,
        "system_metadata": {OLD_VM_STATE: None},
    }
    facts = {"power_state": compute.power_state(instance.uuid), "launched_at": compute.now()}
    stop = None if running else OrderDraft("stop_instance", compute.host, {"clean_shutdown": False})
    return Outcome(updates, facts, also=[moves.note(order.args["migration"], status="reverted")], order=stop)


def revert_failed(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """ERROR where it is."""
    power = compute.last_power_state(instance)
    uuid = order.args["migration"]
    # Behind its first step the server is the source's again.
    still_there = order.method == "revert_resize"
    end = moves.stay(uuid, "error") if still_there else moves.note(uuid, status="error")
    return Failure({"vm_state": VmState.ERROR, "task_state": None, "power_state": power}, also=[end])


def discard_migrated(compute: Compute, order: WorkOrder, instance: Instance) -> None:
    """At a destination that was given up: remove what came, unless the server lives here after all."""
    if instance.host != compute.host or instance.deleted:
        compute.driver.discard_migrated(compute.specs.make(instance))


_tasks = frozenset
WORKS: Mapping[str, Work] = {
    "prep_resize": Work("compute_prep_resize", _tasks({PREP}), prep_resize, prep_failed, let_go=give_up),
    "resize_instance": Work(
        "compute_resize_instance",
        _tasks({PREP, MIGRATING}),
        resize_instance,
        resize_failed,
        first=lambda order: {"task_state": MIGRATING},
        first_also=_migrating,
        let_go=give_up,
    ),
    "finish_resize": Work(
        "compute_finish_resize",
        _tasks({MIGRATED, FINISH}),
        finish_resize,
        finish_failed,
        first=lambda order: {"task_state": FINISH},
        first_also=bind_here,
        goes_on=True,
        waits=True,
    ),
    "confirm_resize": Work("compute_confirm_resize", _tasks({None}), confirm_resize, confirm_failed, waits=True),
    "revert_resize": Work(
        "compute_revert_resize", _tasks({REVERTING}), revert_resize, revert_failed, goes_on=True, waits=True
    ),
    "finish_revert_resize": Work(
        "compute_finish_revert_resize",
        _tasks({REVERTING}),
        finish_revert_resize,
        revert_failed,
        first_also=_back_home,
        goes_on=True,
        waits=True,
    ),
}


ASIDES: Mapping[str, Aside] = {
    "discard_migrated": Aside(discard_migrated),
    "cleanup_instance": Aside(cleanup_instance),
}
