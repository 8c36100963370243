"""Build a server's guest, and say what a failed build means (nova/compute/manager.py _build_and_run_instance)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from tuinova.core.compute_manager import build_volumes as volumes
from tuinova.core.compute_manager import groups, networks
from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.work import LEFT_OPEN, close_event
from tuinova.core.conductor.errors import UnexpectedTaskState
from tuinova.core.drafts import EventFinish, OrderDraft, PortWish
from tuinova.core.errors import (
    BuildAbortException,
    ComputeResourcesUnavailable,
    ImageNotFound,
    InstanceNotFound,
    Invalid,
    NoMoreFixedIps,
    NovaError,
)
from tuinova.core.errors.server_networks import NovaPortInUse, PortLimitExceeded
from tuinova.core.faults import fault_of, message_of, traceback_of
from tuinova.core.records import WorkOrder
from tuinova.core.states import BUILD_TASKS, DELETE_TASKS, PowerState, TaskState, VmState
from tuinova.virt.driver import HostNetwork

LOG = logging.getLogger(__name__)

EVENT = "compute__do_build_and_run_instance"
# The task states in which a build may begin, anew after a crash.
_BEFORE_SPAWN = frozenset({TaskState.NETWORKING, TaskState.BLOCK_DEVICE_MAPPING})
# A bad request stays bad on every host: image, flavor, addresses (Nova's list; all of `Invalid` is of that kind).
ABORTING = (
    BuildAbortException,
    NoMoreFixedIps,
    ImageNotFound,
    Invalid,
    NovaPortInUse,
    PortLimitExceeded,
    *volumes.NOT_MADE,
)


def build(compute: Compute, order: WorkOrder) -> None:
    """Networking, disks, guest; ends ACTIVE, ERROR, or at the conductor for another host.

    The claim has begun the event and the task. Until the task is `spawning` no driver call has begun, and after a crash
    the order is simply carried out.
    """
    uuid, node = order.instance_uuid, str(order.args.get("node") or compute.host)
    try:
        _build(compute, order)
    except (InstanceNotFound, UnexpectedTaskState) as error:
        _interrupted(compute, order, error)
        return
    except LEFT_OPEN as error:
        LOG.warning("build of %s is left for later: %s", uuid, error)
        return
    except Exception as error:
        LOG.warning("build of %s failed: %s", uuid, error, exc_info=True)
        _failed(compute, order, error)
        # A group's policy says nothing against the host.
        compute.build_ended(compute.host, node, uuid, isinstance(error, ComputeResourcesUnavailable))
        return
    compute.build_ended(compute.host, node, uuid, True)


def _build(compute: Compute, order: WorkOrder) -> None:
    conductor, uuid = compute.conductor, order.instance_uuid
    wishes = port_wishes(compute, order.args.get("networks", "auto"), order.args.get("security_groups"))
    conductor.allocate_ports(
        uuid, wishes, updates={"task_state": TaskState.BLOCK_DEVICE_MAPPING}, expect_task=_BEFORE_SPAWN
    )
    if order.args.get("volumes"):
        volumes.prepare(compute, order)
    instance = conductor.step(
        uuid,
        updates={"task_state": TaskState.SPAWNING},
        expect_task=TaskState.BLOCK_DEVICE_MAPPING,
        order_started=order.id,
    )
    groups.check(compute, instance)
    epoch = compute.network_epoch
    guest = compute.specs.make(
        instance,
        admin_password=order.args.get("admin_password"),
        injected_files=order.args.get("injected_files", ()),
        must_have_image=True,
    )
    compute.driver.spawn(networks.prepare(compute, guest))
    instance = conductor.step(
        uuid,
        updates={
            "vm_state": VmState.ACTIVE,
            "task_state": None,
            "power_state": compute.power_state(uuid),
            "launched_at": compute.now(),
            "progress": 0,
        },
        expect_task=TaskState.SPAWNING,
        event_finish=EventFinish(EVENT, order.ctx.request_id, host=compute.host),
        order_done=order.id,
        also=volumes.all_attached(instance),
    )
    compute.written_power[uuid] = instance.power_state
    networks.caught_up(compute, uuid, epoch)


def port_wishes(
    compute: Compute, asked: str | Sequence[Mapping[str, Any]] | None, groups: Sequence[str] | None
) -> list[PortWish]:
    """The ports that a server shall have: "none", "auto" (the host's default network), or wishes of the request.

    Raises NovaError when a host's own network is not on this host.
    """
    if asked == "none":
        return []
    secured = None if groups is None else tuple(groups)
    if asked in ("auto", None) or isinstance(asked, str):
        return [PortWish(network=network, groups=secured) for network in compute.driver.list_networks()[:1]]
    by_name: dict[str, HostNetwork] = {}
    if any("host" in wish for wish in asked or ()):
        by_name = {network.name: network for network in compute.driver.list_networks()}
    return [_wish(by_name, wish, secured) for wish in asked or ()]


def _wish(by_name: Mapping[str, HostNetwork], wish: Mapping[str, Any], groups: tuple[str, ...] | None) -> PortWish:
    name = wish.get("host")
    if name is not None and name not in by_name:
        raise NovaError(f"Network {name} could not be found.")
    return PortWish(
        network=by_name[name] if name is not None else None,
        network_id=wish.get("network", ""),
        port_id=wish.get("port", ""),
        fixed=tuple((subnet, address) for subnet, address in wish.get("fixed", ())),
        tag=wish.get("tag"),
        groups=groups,
    )


def _interrupted(compute: Compute, order: WorkOrder, error: NovaError) -> None:
    """Deleted or reset while it was built: nothing of the guest stays; a delete goes on with its own order."""
    _clean(compute, order.instance_uuid)
    actual = error.kwargs.get("actual")
    if isinstance(error, UnexpectedTaskState) and actual not in DELETE_TASKS:
        _to_error(compute, order, BuildAbortException(instance_uuid=order.instance_uuid, reason=error.message))
        return
    close_event(compute, order, EVENT, error)


def _clean(compute: Compute, uuid: str) -> bool:
    """Take away what the build made; False when even that failed."""
    try:
        compute.driver.destroy(compute.specs.make(compute.conductor.instance(uuid, with_deleted=True)))
    except Exception:  # the driver may be in any state; the periodic clean-up finds what stays behind
        LOG.exception("clean-up after the build of %s failed", uuid)
        return False
    return True


def _failed(compute: Compute, order: WorkOrder, error: Exception) -> None:
    clean = _clean(compute, order.instance_uuid)
    if isinstance(error, BuildAbortException):
        _to_error(compute, order, error)
    elif isinstance(error, ABORTING) or not clean:
        aborted = BuildAbortException(instance_uuid=order.instance_uuid, reason=message_of(error))
        aborted.__cause__ = error
        _to_error(compute, order, aborted)
    elif not order.args.get("retry", True):
        # Without another try the fault is the driver's plain reason.
        _to_error(compute, order, error)
    else:
        _reschedule(compute, order, error)


def _to_error(compute: Compute, order: WorkOrder, error: Exception) -> None:
    """Abort: ERROR on no host, nothing held."""
    _leave(
        compute,
        order,
        error,
        {"vm_state": VmState.ERROR, "task_state": None},
        fault=fault_of(error, compute.host),
        release_volumes=True,
    )


def _reschedule(compute: Compute, order: WorkOrder, error: Exception) -> None:
    """Back to the conductor, for the next alternate."""
    args = {
        **order.args,
        "tried": [*order.args.get("tried", []), [compute.host, order.args.get("node") or compute.host]],
        "last_error": message_of(error),
    }
    again = OrderDraft("reschedule_build", None, args)
    _leave(compute, order, error, {"task_state": TaskState.SCHEDULING}, order_draft=again)


def _leave(
    compute: Compute,
    order: WorkOrder,
    error: Exception,
    updates: Mapping[str, Any],
    **more: Any,
) -> None:
    draft = more.pop("order_draft", None)
    try:
        compute.conductor.step(
            order.instance_uuid,
            updates={"host": None, "node": None, "power_state": PowerState.NOSTATE, **updates},
            expect_task=frozenset({None, *BUILD_TASKS}),
            event_finish=EventFinish(
                EVENT, order.ctx.request_id, "Error", message_of(error), traceback_of(error), compute.host
            ),
            order_done=order.id,
            order=draft,
            ctx=order.ctx,
            release_allocation=True,
            release_ports=True,
            **more,
        )
    except (UnexpectedTaskState, InstanceNotFound) as overtaken:
        # A delete came meanwhile and goes on with its own order, on this host.
        close_event(compute, order, EVENT, overtaken)
