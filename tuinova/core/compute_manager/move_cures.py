"""What recovery does about a move that a crash left half done (nova/compute/manager.py _init_instance, rules 14, 15).

Nova forgets about half of these states; here each order of a move can be carried out anew, but for two: disks that
were being copied go back to where they came from, and a guest that was on its way is looked for.
"""

from __future__ import annotations

import logging

from tuinova.core.compute_manager import live, resize
from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.cures import INTERRUPTED, UNFINISHED, Scene, settle
from tuinova.core.compute_manager.work import end
from tuinova.core.conductor import moves
from tuinova.core.conductor.orders import also_order
from tuinova.core.conductor.transaction import Part
from tuinova.core.context import service_context
from tuinova.core.drafts import MigrationFilter, OrderDraft
from tuinova.core.errors import NovaError
from tuinova.core.records import Migration
from tuinova.core.states import PowerState, TaskState, VmState
from tuinova.virt.driver import DriverError

LOG = logging.getLogger(__name__)

_ALIVE = (PowerState.RUNNING, PowerState.PAUSED)


def ring_again(compute: Compute, scene: Scene) -> None:
    """Every step of these orders may be done twice."""
    if scene.order is not None:
        compute.bus.ring([scene.order])


def _open_move(compute: Compute, scene: Scene) -> Migration | None:
    found = compute.conductor.migrations(MigrationFilter(instance_uuid=scene.instance.uuid, in_progress=True))
    return found[0] if found else None


def _given_up(compute: Compute, scene: Scene, migration: Migration | None) -> list[Part]:
    """The move is over with an error, the server is its source's."""
    if migration is None:
        return []
    return [moves.note(migration.uuid, status="error"), moves.return_to_source(migration.uuid)]


def move_lost(compute: Compute, scene: Scene) -> None:
    """A task of a move without an order that would go on with it: the server stays what and where it is."""
    error = NovaError(INTERRUPTED.format(task=scene.task))
    also = _given_up(compute, scene, _open_move(compute, scene))
    settle(compute, scene, {"task_state": None, "power_state": scene.power}, error=error, also=also)


def move_broken(compute: Compute, scene: Scene) -> None:
    """The same where nobody knows which disks are there."""
    migration = _open_move(compute, scene)
    error = NovaError(INTERRUPTED.format(task=scene.task))
    also = [moves.stay(migration.uuid, "error")] if migration else []
    updates = {"vm_state": VmState.ERROR, "task_state": None, "power_state": scene.power}
    settle(compute, scene, updates, error=error, also=also)


def undo_resize(compute: Compute, scene: Scene) -> None:
    """Disks were on their way: they are put back, the guest runs again if it did (Nova's rule 14)."""
    instance, migration = scene.instance, _open_move(compute, scene)
    running = resize.was_running(instance)
    compute.driver.finish_revert_migration(compute.specs.make(instance), power_on=running)
    also = _given_up(compute, scene, migration)
    if migration is not None and migration.dest_compute not in (None, compute.host):
        args = {"migration": migration.uuid}
        also.append(also_order(service_context(), OrderDraft("discard_migrated", migration.dest_compute, args)))
    power = {"power_state": compute.power_state(instance.uuid)}
    was_reset = scene.task != TaskState.RESIZE_MIGRATING
    updates = power if was_reset else {**power, "vm_state": instance.old_vm_state, "task_state": None}
    settle(
        compute,
        scene,
        updates,
        error=NovaError(UNFINISHED if was_reset else INTERRUPTED.format(task=scene.task)),
        also=also,
    )


def look_for_the_guest(compute: Compute, scene: Scene) -> None:
    """A live migration goes on in the hypervisor without us: it is ended if it still can be, else finished."""
    order, instance = scene.order, scene.instance
    if order is None or order.method != "live_migration":
        move_lost(compute, scene)
        return
    if scene.power in _ALIVE:
        try:
            compute.driver.live_migration_abort(instance.uuid)
        except DriverError as error:
            LOG.info("no live migration of %s is under way: %s", instance.uuid, error.message)
    if compute.power_state(instance.uuid) in _ALIVE:
        _stayed(compute, scene)
        return
    LOG.info("%s has arrived at its destination", instance.uuid)
    compute.driver.post_live_migration(compute.specs.make(instance), order.args["data"])
    end(compute, order, live.WORKS["live_migration"], live.arrived(compute, order, instance))


def _stayed(compute: Compute, scene: Scene) -> None:
    assert scene.order is not None
    migration = _open_move(compute, scene)
    also = _given_up(compute, scene, migration)
    also.append(compute.conductor.bind_ports(compute.host, compute.driver.list_networks()))
    if migration is not None:
        undo = OrderDraft("rollback_live_migration_at_destination", migration.dest_compute, dict(scene.order.args))
        also.append(also_order(service_context(), undo))
    updates = {"task_state": None, "power_state": compute.power_state(scene.instance.uuid), "progress": 0}
    settle(compute, scene, updates, error=NovaError(INTERRUPTED.format(task=scene.task)), also=also)
