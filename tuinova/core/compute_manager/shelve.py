"""Shelve, offload and unshelve (nova/compute/manager.py shelve_instance and the like)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuinova.core.block_devices import is_volume_backed, volumes_of
from tuinova.core.compute_manager import build_volumes, networks
from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.power import shut_down
from tuinova.core.compute_manager.shelved_image import without_shelved_image
from tuinova.core.compute_manager.snapshot import IMAGE_ID, Walk, drop_unfinished, take_image
from tuinova.core.compute_manager.work import Failure, Outcome, Work
from tuinova.core.conductor.block_devices import put_aside
from tuinova.core.conductor.placement import give_back
from tuinova.core.conductor.ports import unbind
from tuinova.core.conductor.transaction import Part, Tx
from tuinova.core.errors import UnshelveException
from tuinova.core.records import Instance, WorkOrder
from tuinova.core.shelved_image import SHELVED_AT, SHELVED_HOST, SHELVED_IMAGE, shelved_image
from tuinova.core.states import DELETE_TASKS, PowerState, TaskState, VmState

_T = TaskState
_SHELVING = Walk(_T.SHELVING, _T.SHELVING_IMAGE_PENDING_UPLOAD, _T.SHELVING_IMAGE_UPLOADING)
# What the row of a server says that lives on no host; its zone is that of a host.
ON_NO_HOST: Mapping[str, Any] = {
    "host": None,
    "node": None,
    "availability_zone": None,
    "power_state": PowerState.SHUTDOWN,
}


def shelve(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """Off, a snapshot, and away from the host at once where `shelved_offload_time` is 0.

    A repeated order whose image is whole goes on behind it.
    """
    if instance.task_state == _T.SHELVING_OFFLOADING:
        return offload(compute, order, instance)
    paused = compute.power_state(instance.uuid) is PowerState.PAUSED  # it can't hear the power button
    shut_down(compute, order, instance, clean=False if paused else None)
    filled = take_image(compute, order, instance, _SHELVING)
    updates = {"vm_state": VmState.SHELVED, "power_state": compute.power_state(instance.uuid)}
    remembered = {
        SHELVED_AT: compute.now().isoformat(),
        SHELVED_IMAGE: str(order.args[IMAGE_ID]),
        SHELVED_HOST: compute.host,
    }
    if compute.options.shelved_offload_time != 0:
        return Outcome({**updates, "system_metadata": remembered}, also=[filled])
    instance = compute.conductor.step(
        instance.uuid,
        updates={**updates, "task_state": _T.SHELVING_OFFLOADING},
        expect_task=_SHELVING.uploading,
        system_metadata=remembered,
        also=[filled],
    )
    return _offloaded(compute, instance)


def offload(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """Away from the host; what is left is the image and the row."""
    shut_down(compute, order, instance, missing_ok=True)
    return _offloaded(compute, instance)


def _offloaded(compute: Compute, instance: Instance) -> Outcome:
    compute.driver.destroy(compute.specs.make(instance))
    # Without a guest the server is nothing else, whatever a reset made of it meanwhile.
    return Outcome(
        facts={"vm_state": VmState.SHELVED_OFFLOADED, **ON_NO_HOST},
        also=[unbind(), put_aside],
        release_allocation=True,
    )


def unshelve(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """A new guest whose root disk comes from the shelved image; the server's own image stays what it was.

    The conductor has claimed this host. An address that others took meanwhile is replaced by another one.
    """
    image_id = shelved_image(instance)
    if image_id is None and not is_volume_backed(instance):
        raise UnshelveException(instance_id=instance.uuid, reason="it has no image")
    if volumes_of(instance):
        build_volumes.prepare(compute, order, _T.UNSHELVING)
    instance = compute.conductor.step(
        instance.uuid,
        updates={"task_state": _T.SPAWNING},
        expect_task=_T.UNSHELVING,
        also=[compute.conductor.bind_ports(compute.host, compute.driver.list_networks())],
    )
    guest = compute.specs.make(instance, root_image=image_id, must_have_image=True)
    compute.driver.spawn(networks.prepare(compute, guest))
    facts = {"power_state": compute.power_state(instance.uuid), "launched_at": compute.now()}
    updates = {"vm_state": VmState.ACTIVE, "progress": 0}
    attached = build_volumes.all_attached(instance)
    if image_id is None:
        return Outcome(updates, facts, also=attached)
    return without_shelved_image(compute, instance, updates, facts, also=attached)


def unshelve_failed(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """Nothing of it is on the host, and it is as shelved as before."""
    return Failure({"task_state": None, **ON_NO_HOST}, also=left_host(compute, instance))


def _not_come(compute: Compute, order: WorkOrder) -> Sequence[Part]:
    """Taken away before it had a guest here: it is on no host; a delete has its own end."""

    def part(tx: Tx, instance: Instance) -> Mapping[str, Any] | None:
        return None if instance.task_state in DELETE_TASKS else dict(ON_NO_HOST)

    return [part, unbind(), give_back(), put_aside_unless_deleted]


def put_aside_unless_deleted(tx: Tx, instance: Instance) -> Mapping[str, Any] | None:
    """A delete lets go of the volumes by itself."""
    return None if instance.deleted or instance.task_state in DELETE_TASKS else put_aside(tx, instance)


def left_host(compute: Compute, instance: Instance) -> list[Part]:
    """What a server gives back that does not come to the host after all."""
    compute.forget(instance.uuid)
    return [unbind(), give_back(), put_aside]


WORKS: Mapping[str, Work] = {
    "shelve_instance": Work(
        "compute_shelve_instance",
        _SHELVING.tasks | {_T.SHELVING_OFFLOADING},
        shelve,
        undo=drop_unfinished,
    ),
    "shelve_offload_instance": Work(
        "compute_shelve_offload_instance", frozenset({_T.SHELVING_OFFLOADING, _T.SHELVING}), offload
    ),
    "unshelve_instance": Work(
        "compute_unshelve_instance",
        frozenset({_T.UNSHELVING, _T.SPAWNING}),
        unshelve,
        unshelve_failed,
        let_go=_not_come,
    ),
}
