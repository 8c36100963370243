"""Evacuation: a server of a host that is down is built anew here (nova/compute/manager.py rebuild_instance).

Instances directories are each host's own, so the disk is made from the image again; what the old host still has of the
server it removes when it is back.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from tuinova.core.compute_manager import groups, networks
from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.resize import bind_here, migration_of
from tuinova.core.compute_manager.work import Failure, Outcome, Work
from tuinova.core.conductor import moves
from tuinova.core.conductor.orders import also_order
from tuinova.core.conductor.transaction import Part, Tx
from tuinova.core.drafts import MigrationFilter, OrderDraft
from tuinova.core.errors import ComputeResourcesUnavailable, InstanceNotFound, NovaError
from tuinova.core.records import OLD_VM_STATE, Instance, Migration, WorkOrder
from tuinova.core.states import REBUILD_TASKS, TaskState, VmState

LOG = logging.getLogger(__name__)

_PENDING = ("accepted", "pre-migrating", "done", "failed")


def evacuate(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """Build it here; it ends stopped, except that a server in ERROR ends ACTIVE (Nova from 2.95)."""
    groups.check(compute, instance)
    compute.conductor.step(
        instance.uuid,
        updates={"task_state": TaskState.REBUILD_BLOCK_DEVICE_MAPPING},
        expect_task=REBUILD_TASKS,
    )
    compute.conductor.step(instance.uuid, updates={"task_state": TaskState.REBUILD_SPAWNING}, expect_task=REBUILD_TASKS)
    guest = compute.specs.make(instance, admin_password=order.args.get("admin_password"), must_have_image=True)
    compute.driver.destroy(guest)  # what a first try before a crash has made
    compute.driver.spawn(networks.prepare(compute, guest))
    compute.moved(instance.uuid)
    runs_on = instance.old_vm_state == VmState.ERROR
    stop = None if runs_on else OrderDraft("stop_instance", compute.host, {"clean_shutdown": False})
    return Outcome(
        {
            "vm_state": VmState.ACTIVE,
            "task_state": None if runs_on else TaskState.POWERING_OFF,
            "system_metadata": {OLD_VM_STATE: None},
        },
        facts={
            "power_state": compute.power_state(instance.uuid),
            "launched_at": compute.now(),
            "availability_zone": order.args.get("dest_zone") or instance.availability_zone,
        },
        also=[moves.note(order.args["migration"], status="done")],
        order=stop,
    )


def _come_here(compute: Compute, order: WorkOrder) -> list[Part]:
    """From the first step on the server is this host's."""
    migration = migration_of(compute, order)

    def part(tx: object, instance: Instance) -> Mapping[str, object]:
        return {"host": compute.host, "node": migration.dest_node or compute.host}

    return [part, moves.note(migration.uuid, status="pre-migrating"), *bind_here(compute, order)]


def evacuate_failed(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """A claim that failed, or no address here, leaves it as it was on its old host; anything else is ERROR here."""
    migration = migration_of(compute, order)
    if isinstance(error, ComputeResourcesUnavailable) or instance.host != compute.host:
        updates = {"vm_state": instance.old_vm_state, "task_state": None}
        back = [moves.return_to_source(migration.uuid), _goes_back(compute, migration)]
        return Failure(updates, also=[moves.note(migration.uuid, status="failed"), *back])
    return Failure({"vm_state": VmState.ERROR, "task_state": None}, also=[moves.stay(migration.uuid, "failed")])


def _goes_back(compute: Compute, migration: Migration) -> Part:
    """The server and its ports are its old host's again."""
    home = migration.source_compute or compute.host
    ports = compute.conductor.bind_ports(home, compute.conductor.host_networks(home))

    def part(tx: Tx, instance: Instance) -> Mapping[str, object]:
        return {**(ports(tx, instance) or {}), "host": home, "node": migration.source_node}

    return part


def _not_come(compute: Compute, order: WorkOrder) -> list[Part]:
    """Nobody wants it here any more: it is its old host's again, and what was made of it here goes."""
    migration = migration_of(compute, order)
    clean = also_order(order.ctx, OrderDraft("cleanup_instance", compute.host, {}))
    return [moves.give_up(migration.uuid, "failed", _goes_back(compute, migration), clean)]


def destroy_evacuated(compute: Compute) -> int:
    """A host that is back removes the guests that were evacuated from it; returns how many moves ended."""
    ended = 0
    wanted = MigrationFilter(source_compute=compute.host, migration_type=("evacuation",), status=_PENDING)
    for migration in compute.conductor.migrations(wanted):
        try:
            instance = compute.conductor.instance(migration.instance_uuid, with_deleted=True)
            if instance.host == compute.host and not instance.deleted:
                continue  # it has not left yet
            if migration.status in ("accepted", "pre-migrating") and not instance.deleted:
                continue  # it is being built elsewhere
            LOG.info("%s was evacuated to %s: removed here", instance.uuid, migration.dest_compute)
            compute.driver.cleanup(instance.uuid)
            compute.conductor.step(
                instance.uuid,
                also=[moves.stay(migration.uuid, "completed")],
                with_deleted=True,
            )
            ended += 1
        except InstanceNotFound:
            compute.conductor.note_migration(migration.uuid, status="completed")
        except NovaError as error:
            LOG.warning("%s, evacuated from here, could not be removed: %s", migration.instance_uuid, error)
    return ended


def remove_when_up(compute: Compute) -> None:
    """The same now and then: a host that was only declared down comes back without a start."""
    services = compute.conductor.services(compute.host, "nova-compute")
    if not any(service.forced_down for service in services):
        destroy_evacuated(compute)


WORKS: Mapping[str, Work] = {
    "evacuate_instance": Work(
        "compute_rebuild_instance",
        frozenset(REBUILD_TASKS),
        evacuate,
        evacuate_failed,
        first_also=_come_here,
        let_go=_not_come,
    )
}
