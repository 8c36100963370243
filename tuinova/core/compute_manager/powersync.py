"""What is done when the hypervisor and the record disagree (nova/compute/manager.py _sync_instance_power_state)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from enum import Enum
from functools import partial

from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.work import is_repeated
from tuinova.core.conductor.errors import UnexpectedTaskState
from tuinova.core.errors import Conflict, HypervisorUnavailable, InstanceNotFound
from tuinova.core.records import Instance
from tuinova.core.states import PowerState, VmState

LOG = logging.getLogger(__name__)


class Sync(Enum):
    """What Nova does about a difference, beside writing the power state down."""

    NOTHING = "nothing"
    STOP = "stop"
    FORCE_STOP = "force stop"


_P, _V = PowerState, VmState
_OFF = (_P.SHUTDOWN, _P.CRASHED)
# (vm_state, what the hypervisor says) to what is done; what is not listed: nothing.
SYNC_TABLE: Mapping[tuple[str, PowerState], Sync] = {
    **{(str(_V.ACTIVE), state): Sync.STOP for state in (*_OFF, _P.SUSPENDED)},
    **{(str(_V.STOPPED), state): Sync.FORCE_STOP for state in (_P.RUNNING, _P.PAUSED, _P.SUSPENDED)},
    **{(str(_V.PAUSED), state): Sync.FORCE_STOP for state in _OFF},
}
# States that Nova only warns about: somebody works on the guest behind our back.
_ODD = frozenset({(str(_V.ACTIVE), _P.PAUSED), (str(_V.ACTIVE), _P.NOSTATE)})


def sync_all(compute: Compute) -> int:
    """The periodic pass: look at every server of the host; returns how many differed.

    Only those that differ cost more than a look: each is settled in its own lane, after what is running there.
    """
    try:
        states = {guest.uuid: guest.state for guest in compute.driver.list_guests()}
    except HypervisorUnavailable as error:
        LOG.warning("power sync of %s is left out: %s", compute.host, error)
        return 0
    instances = compute.conductor.instances_on(compute.host)
    if len(states) != len(instances):
        LOG.warning("%s has %d servers recorded and %d guests", compute.host, len(instances), len(states))
    different = 0
    for instance in instances:
        state = states.get(instance.uuid, PowerState.NOSTATE)
        if instance.task_state is not None or not differs(instance, state):
            continue
        different += 1
        compute.bus.submit(compute.host, instance.uuid, partial(sync_one, compute, instance.uuid))
    return different


def differs(instance: Instance, state: PowerState) -> bool:
    """Whether the hypervisor's state asks for a look at this server."""
    return instance.power_state != state or (instance.vm_state, state) in SYNC_TABLE


def sync_one(compute: Compute, uuid: str, expected: PowerState | None = None) -> None:
    """Settle one server with the state that the hypervisor has now; runs in the server's lane.

    With `expected` (a lifecycle event) another state means that the event is stale, and one that was written down last
    that it tells of our own doing.
    """
    if expected is not None and compute.written_power.get(uuid) == expected:
        return
    try:
        instance = compute.conductor.instance(uuid)
        if instance.host != compute.host or instance.task_state is not None:
            return
        state = compute.power_state(uuid)
        if expected is not None and state is not expected:
            LOG.debug("event of %s is stale: %s is %s", expected.name, uuid, state.name)
            return
        if any(order.host == compute.host and is_repeated(order) for order in compute.conductor.open_orders(uuid=uuid)):
            return  # what was left in the middle is taken up first, and knows better
        settle(compute, instance, state)
    except InstanceNotFound:
        LOG.debug("%s is gone", uuid)
    except HypervisorUnavailable as error:
        LOG.warning("power sync of %s is left out: %s", uuid, error)


def settle(compute: Compute, instance: Instance, state: PowerState) -> None:
    """Write the power state down and do what the table says."""
    if instance.power_state != state:
        try:
            instance = compute.conductor.step(instance.uuid, updates={"power_state": state}, expect_task=None)
        except UnexpectedTaskState:
            return
    compute.written_power[instance.uuid] = int(state)
    if (instance.vm_state, state) in _ODD:
        LOG.warning("%s is %s but its guest is %s; left alone", instance.uuid, instance.vm_state, state.name)
    action = SYNC_TABLE.get((instance.vm_state, state), Sync.NOTHING)
    if action is Sync.NOTHING:
        return
    LOG.info("%s is %s but its guest is %s: %s", instance.uuid, instance.vm_state, state.name, action.value)
    call = compute.sync_actions.stop if action is Sync.STOP else compute.sync_actions.force_stop
    try:
        call(instance.uuid)
    except Conflict as error:
        LOG.info("power sync of %s waits for the next pass: %s", instance.uuid, error)
