"""A host's networks, firewalls, floating addresses and routers: brought to what the database says, again and again.

An order says only what to look at anew; how things shall be is read when it is carried out. So an order may be lost in
a crash that left it undone, come twice, or come late: what it leads to is the same.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.nics import guests_of, routing_of, spec_of
from tuinova.core.compute_manager.work import LEFT_OPEN
from tuinova.core.conductor.network_orders import APPLY
from tuinova.core.errors import HypervisorUnavailable, InstanceNotFound, NovaError
from tuinova.core.faults import message_of
from tuinova.core.records import WorkOrder
from tuinova.virt.driver import GuestSpec
from tuinova.virt.networks import NetworkSpec

LOG = logging.getLogger(__name__)

LANE = "networks"
# Methods whose orders belong to no server: the lane in which they wait for each other.
LANES: Mapping[str, str] = {APPLY: LANE}


# orders --------------------------------------------------------------------------------------------------------------
def apply(compute: Compute, order: WorkOrder) -> None:
    """Look anew at what the order names; while the hypervisor is away it stays open and is taken up again."""
    try:
        # What is written from here on is told by another order.
        if compute.conductor.order_started(order.id) is None:
            return
        if _apply(compute, order.args):
            compute.conductor.order_done(order.id)
    except HypervisorUnavailable as error:
        LOG.warning("networks of %s wait for the hypervisor: %s", compute.host, error)
    except LEFT_OPEN as error:
        LOG.warning("networks of %s are left for later: %s", compute.host, error)
    except Exception as error:
        # A rule that is accepted comes into force: the order stays open, and whoever looks for strays rings it again.
        LOG.warning("networks of %s are tried again: %s", compute.host, error, exc_info=True)


def _apply(compute: Compute, args: Mapping[str, Any]) -> bool:
    """All of it, as far as it goes; False when something must be tried again."""
    done = True
    if wanted := args.get("networks"):
        facts = compute.conductor.network_facts(wanted)
        for ident in wanted:
            if ident in facts.networks:
                ensure(compute, spec_of(facts, ident))
            else:
                done = remove(compute, ident) and done
        compute.networks_made()
    asked = {name: args[name] for name in ("groups", "ports", "everything") if args.get(name)}
    if asked:
        refresh(compute, **asked)
    if args.get("routing"):
        compute.driver.apply_routing(routing_of(compute.conductor.routing_facts(compute.host)))
    return done


def ensure(compute: Compute, spec: NetworkSpec) -> None:
    """Make a network; why it can't be made stands in the network."""
    if compute.driver.network_modes().get(spec.mode):
        return
    fault = None
    try:
        compute.driver.ensure_network(spec)
    except HypervisorUnavailable:
        raise
    except NovaError as error:
        fault = message_of(error)
        LOG.warning("network %s can't be made on %s: %s", spec.id, compute.host, fault)
    compute.conductor.note_network_fault(spec.id, compute.host, fault)


def remove(compute: Compute, ident: str) -> bool:
    """Remove a network that was made here; False while that is not possible (a guest has not let go of it yet)."""
    if ident not in compute.driver.networks_made():
        return True
    try:
        compute.driver.remove_network(ident)
    except HypervisorUnavailable:
        raise
    except NovaError as error:
        LOG.warning("network %s can't be removed from %s: %s", ident, compute.host, error)
        return False
    return True


def refresh(
    compute: Compute, *, groups: Sequence[str] = (), ports: Sequence[str] = (), everything: bool = False
) -> None:
    """Bring the ports of the servers concerned up to date.

    What is read and what is told belong together: of two that do so at once the later one would win with older facts.
    """
    with compute.network_lock:
        compute.network_epoch += 1
        facts = compute.conductor.host_port_facts(compute.host, groups=groups, ports=ports, everything=everything)
        guests = guests_of(facts)
        if guests:
            compute.driver.update_ports(guests)
        compute.network_epoch += 1


def caught_up(compute: Compute, uuid: str, epoch: int) -> None:
    """After an action that told the driver of a guest's ports: what changed meanwhile may have passed it by.

    Nobody waits for it: it has its turn behind what goes on with the host's networks.
    """
    # In this order: who brings ports up to date counts before he lets go of the lock.
    if not compute.network_lock.locked() and compute.network_epoch == epoch:
        return
    compute.bus.submit(compute.host, LANE, partial(_catch_up, compute, uuid))


def _catch_up(compute: Compute, uuid: str) -> None:
    try:
        with compute.network_lock:
            if compute.conductor.instance(uuid).host == compute.host:
                compute.driver.update_ports({uuid: guests_of(compute.conductor.port_facts(uuid)).get(uuid, [])})
    except InstanceNotFound:
        return
    except LEFT_OPEN:
        return
    except Exception as error:
        # Whatever it was, the guest shall not go on with old rules: an order is tried until it is done.
        LOG.warning("the ports of %s are brought up to date later: %s", uuid, error, exc_info=True)
        ports = [port.id for port in compute.conductor.ports(uuid)]
        compute.conductor.tell_host(compute.host, ports=ports)


def prepare(compute: Compute, guest: GuestSpec) -> GuestSpec:
    """Let the networks of a guest that comes be there; raises what the driver says. Returns the guest."""
    done: set[str] = set()
    for nic in guest.nics:
        if nic.spec is not None and nic.spec.id not in done:
            done.add(nic.spec.id)
            compute.driver.ensure_network(nic.spec)
    return guest


# the whole host ------------------------------------------------------------------------------------------------------
def reconcile(compute: Compute) -> None:
    """On start and after the hypervisor's return: networks first, since guests are going to start on them."""
    facts = compute.conductor.network_facts()
    made = set(compute.driver.networks_made())
    ours = [ident for ident, network in facts.networks.items() if network.is_ours]
    for ident in sorted(made - set(ours)):
        LOG.warning("network %s on %s is nobody's", ident, compute.host)
        remove(compute, ident)
    for ident in ours:
        ensure(compute, spec_of(facts, ident))
    secured = any(network.port_security_enabled for network in facts.networks.values())
    if ours or made or secured:
        compute.bus.submit(compute.host, LANE, partial(_the_rest, compute))


def _the_rest(compute: Compute) -> None:
    for what in ("everything", "routing"):
        try:
            _apply(compute, {what: True})
        except LEFT_OPEN:
            return
        except Exception as error:
            # The same here; and one of the two must not keep the other from being done.
            LOG.warning("%s of %s is brought up to date later: %s", what, compute.host, error, exc_info=True)
            compute.conductor.tell_host(compute.host, everything=what == "everything", routing=what == "routing")


def try_again(compute: Compute) -> None:
    """Make the networks that this host could not make before: a bridge may have come, or a range be free."""
    faulty = [network.id for network in compute.conductor.own_networks() if compute.host in network.faults]
    if faulty:
        # In turn with the orders: one of them may remove the network.
        compute.bus.submit(compute.host, LANE, partial(_make_again, compute, faulty))


def _make_again(compute: Compute, faulty: Sequence[str]) -> None:
    facts = compute.conductor.network_facts(faulty)
    for ident in facts.networks:
        ensure(compute, spec_of(facts, ident))
    compute.networks_made()
