"""Nova's late check of a server group's policy (nova/compute/manager.py _validate_instance_group_policy).

Two requests may have been scheduled before either saw the other; the host looks again before it begins.
"""

from __future__ import annotations

from collections.abc import Iterator

from tuinova.core.compute_manager.context import Compute
from tuinova.core.errors import ComputeResourcesUnavailable, InstanceNotFound, ServerGroupNotFound
from tuinova.core.records import Instance, ServerGroup

_VIOLATED = "{policy} instance group policy was violated"


def check(compute: Compute, instance: Instance) -> None:
    """Whether the server may be on this host.

    Raises ComputeResourcesUnavailable, which sends the build, or the move, to another host.
    """
    if instance.server_group_id is None or compute.options.disable_group_policy_check_upcall:
        return
    try:
        group = compute.conductor.server_group(instance.server_group_id)
    except ServerGroupNotFound:
        return  # it was deleted: nothing binds its servers any more
    if group.policy == "anti-affinity":
        _check_apart(compute, instance, group)
    elif group.policy == "affinity":
        _check_together(compute, instance, group)


def _check_apart(compute: Compute, instance: Instance, group: ServerGroup) -> None:
    most = int(group.rules.get("max_server_per_host", 1))
    here = 0
    for other in _others(compute, instance, group):
        if other.host == compute.host:
            # Both may look at each other: the younger row gives way, so that exactly one does.
            here += other.id < instance.id or other.launched
        elif other.id < instance.id:
            here += _comes_here(compute, other)
    if here >= most:
        raise ComputeResourcesUnavailable(reason=_VIOLATED.format(policy="Anti-affinity"))


def _check_together(compute: Compute, instance: Instance, group: ServerGroup) -> None:
    elsewhere = [other for other in _others(compute, instance, group) if other.host not in (None, compute.host)]
    if any(other.id < instance.id or other.launched for other in elsewhere):
        raise ComputeResourcesUnavailable(reason=_VIOLATED.format(policy="Affinity"))


def _comes_here(compute: Compute, other: Instance) -> bool:
    """A server that is on its way here holds this host's share by its own name."""
    held = compute.conductor.allocation(other.uuid)
    return held is not None and held.host == compute.host


def _others(compute: Compute, instance: Instance, group: ServerGroup) -> Iterator[Instance]:
    for uuid in group.members:
        if uuid != instance.uuid:
            try:
                yield compute.conductor.instance(uuid)
            except InstanceNotFound:
                continue  # deleted since the group was read
