"""Interfaces of a host's guests: attach and detach (nova/compute/manager.py attach_interface, detach_interface)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tuinova.core.compute_manager import networks
from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.nics import nic_of
from tuinova.core.compute_manager.work import Failure, Outcome, Work
from tuinova.core.conductor.server_ports import drop_port, renew
from tuinova.core.conductor.transaction import Part
from tuinova.core.drafts import ANY
from tuinova.core.errors.server_networks import NovaPortNotFound
from tuinova.core.records import Instance, WorkOrder
from tuinova.virt.driver import Nic


def _port_of(order: WorkOrder) -> str:
    return str(order.args["port_id"])


def _nic(compute: Compute, instance: Instance, port_id: str) -> Nic:
    facts = compute.conductor.port_facts(instance.uuid)
    for port in facts.ports:
        if port.id == port_id:
            return nic_of(facts, port)
    raise NovaPortNotFound(port_id=port_id)


def attach_interface(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """Plug the port that the request has made or taken."""
    nic = _nic(compute, instance, _port_of(order))
    guest = networks.prepare(compute, compute.specs.make(instance))
    compute.driver.attach_interface(guest, nic)
    return Outcome({}, also=[renew()])


def _not_attached(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    """The port goes, or is nobody's again."""
    return Failure({}, also=_given_up(compute, order))


def _given_up(compute: Compute, order: WorkOrder) -> Sequence[Part]:
    return [drop_port(_port_of(order))]


def detach_interface(compute: Compute, order: WorkOrder, instance: Instance) -> Outcome:
    """Unplug it; the guest must let go of it."""
    nic = _nic(compute, instance, _port_of(order))
    compute.driver.detach_interface(compute.specs.make(instance), nic)
    return Outcome({}, also=_given_up(compute, order))


def _still_attached(compute: Compute, order: WorkOrder, instance: Instance, error: Exception) -> Failure:
    return Failure({})


WORKS: Mapping[str, Work] = {
    "attach_interface": Work(
        "compute_attach_interface", ANY, attach_interface, _not_attached, goes_on=True, let_go=_given_up
    ),
    "detach_interface": Work("compute_detach_interface", ANY, detach_interface, _still_attached, goes_on=True),
}
