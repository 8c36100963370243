"""From what the conductor knows of networks to what a driver is told: ports, networks, routing."""

from __future__ import annotations

from tuinova.core.conductor.network_facts import NetworkFacts, RoutingFacts
from tuinova.core.network_specs import fixed_ips, forwards, network_spec, security
from tuinova.core.records import Port
from tuinova.virt.driver import Nic
from tuinova.virt.networks import FloatingAddress, NetworkSpec, RouterSpec, Routing


def spec_of(facts: NetworkFacts, ident: str) -> NetworkSpec:
    """A network as the facts have it."""
    return network_spec(facts.networks[ident], facts.subnets.get(ident, ()), facts.dhcp)


def nic_of(facts: NetworkFacts, port: Port) -> Nic:
    """A port as a driver has it."""
    network = facts.networks[port.network_id]
    addresses = fixed_ips(port)
    return Nic(
        port_id=port.id,
        mac=port.mac,
        network=network.name if not network.is_ours else network.id,
        address=addresses[0].address if addresses else None,
        prefix=addresses[0].prefix if addresses else 24,
        fixed_ips=addresses,
        spec=spec_of(facts, port.network_id) if network.is_ours else None,
        security=security(port, facts.groups or {}, facts.members or {}),
        tag=port.tag,
        forwards=forwards(port),
    )


def guests_of(facts: NetworkFacts) -> dict[str, list[Nic]]:
    """Server to its ports."""
    found: dict[str, list[Nic]] = {}
    for port in facts.ports:
        found.setdefault(port.device_id, []).append(nic_of(facts, port))
    return found


def routing_of(facts: RoutingFacts) -> Routing:
    """Floating addresses and routers."""
    networks = facts.networks
    floating = [
        FloatingAddress(
            address=record.floating_ip_address,
            fixed=record.fixed_ip_address or "",
            network_id=network_id,
            external=spec_of(networks, record.floating_network_id),
        )
        for record, network_id in facts.floating
        if record.floating_network_id in networks.networks
    ]
    routers = []
    for router, interfaces in facts.routers:
        if not router.admin_state_up:
            continue
        outside = router.external_network_id
        routers.append(
            RouterSpec(
                id=router.id,
                interfaces=tuple(
                    (port.network_id, fixed.address, fixed.prefix) for port in interfaces for fixed in port.fixed_ips
                ),
                external=spec_of(networks, outside) if outside and outside in networks.networks else None,
                external_address=router.gateway[0].address if router.gateway else None,
                snat=router.enable_snat,
                routes=tuple((route["destination"], route["nexthop"]) for route in router.routes),
            )
        )
    return Routing(tuple(floating), tuple(routers))
