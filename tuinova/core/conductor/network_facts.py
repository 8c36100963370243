"""What a host must know of networks: read together, as of one moment."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from tuinova.core.conductor import network_orders, network_rows, port_rows
from tuinova.core.conductor.network_base import NetworkBase
from tuinova.core.conductor.networks import DHCP_OWNER
from tuinova.core.records import FloatingIp, Network, Port, Router, SecurityGroup, Subnet
from tuinova.core.records.network import ROUTER_INTERFACE


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """Networks with their subnets, ports with their groups, and who is in the groups that rules name."""

    networks: Mapping[str, Network]
    subnets: Mapping[str, Sequence[Subnet]]
    dhcp: Mapping[str, str]  # subnet to the address that DHCP has of its own
    ports: Sequence[Port] = ()
    groups: Mapping[str, SecurityGroup] | None = None
    members: Mapping[str, Sequence[str]] | None = None


@dataclass(frozen=True, slots=True)
class RoutingFacts:
    """Floating addresses of a host's ports, and all routers with their interfaces."""

    networks: NetworkFacts
    floating: Sequence[tuple[FloatingIp, str]]  # with the network of the port
    routers: Sequence[tuple[Router, Sequence[Port]]]


def _networks(connection: Connection, wanted: Iterable[str] | None) -> NetworkFacts:
    among = None if wanted is None else set(wanted)
    networks = {
        network.id: network for network in network_rows.networks.all(connection) if among is None or network.id in among
    }
    subnets: dict[str, list[Subnet]] = {}
    for subnet in network_rows.subnets.all(connection):
        if subnet.network_id in networks:
            subnets.setdefault(subnet.network_id, []).append(subnet)
    dhcp = {
        fixed.subnet_id: fixed.address
        for network in networks
        if networks[network].is_ours
        for port in port_rows.ports_of(connection, f"dhcp-{network}")
        if port.device_owner == DHCP_OWNER
        for fixed in port.fixed_ips
    }
    return NetworkFacts(networks, subnets, dhcp)


def _of_ports(connection: Connection, ports: Sequence[Port]) -> NetworkFacts:
    """All that makes drivers' ports of these."""
    ports = port_rows.with_groups(connection, ports)
    base = _networks(connection, {port.network_id for port in ports})
    groups: dict[str, SecurityGroup] = {}
    members: dict[str, Sequence[str]] = {}
    for ident in {group for port in ports for group in port.security_groups}:
        group = network_rows.groups.one(connection, ident)
        if group is not None:
            groups[ident] = network_rows.group_with_rules(connection, group)
    for remote in {rule.remote_group_id for group in groups.values() for rule in group.rules} - {None}:
        found = port_rows.members(connection, str(remote))
        members[str(remote)] = tuple(fixed.address for port in found for fixed in port.fixed_ips)
    return NetworkFacts(base.networks, base.subnets, base.dhcp, ports, groups, members)


class ReadsFacts(NetworkBase):
    """The conductor's answers to hosts."""

    def network_facts(self, wanted: Iterable[str] | None = None) -> NetworkFacts:
        """Networks by their ids (those that are gone are left out), or all."""
        with self._reading() as connection:
            return _networks(connection, wanted)

    def port_facts(self, uuid: str) -> NetworkFacts:
        """The ports of a server with all that a driver needs of them."""
        with self._reading() as connection:
            return _of_ports(connection, port_rows.ports_of(connection, uuid))

    def host_port_facts(
        self, host: str, *, groups: Iterable[str] = (), ports: Iterable[str] = (), everything: bool = False
    ) -> NetworkFacts:
        """The servers on a host that have any of these ports or are in any of these groups: all their ports."""
        with self._reading() as connection:
            here = port_rows.with_groups(connection, port_rows.ports_on(connection, host))
            here = [port for port in here if port.instance_uuid]
            if not everything:
                asked, named = set(ports), set(groups)
                servers = {port.device_id for port in here if port.id in asked or named & set(port.security_groups)}
                here = [port for port in here if port.device_id in servers]
            return _of_ports(connection, here)

    def routing_facts(self, host: str) -> RoutingFacts:
        """What a host is to route."""
        with self._reading() as connection:
            floating = []
            for record in network_rows.floating_ips.all(connection):
                port = port_rows.one(connection, record.port_id) if record.port_id else None
                if port is not None and port.host == host:
                    floating.append((record, port.network_id))
            routers: list[tuple[Router, Sequence[Port]]] = []
            for router in network_rows.routers.all(connection):
                interfaces = [
                    port for port in port_rows.ports_of(connection, router.id) if port.device_owner == ROUTER_INTERFACE
                ]
                routers.append((network_rows.router_with_gateway(connection, router), interfaces))
            return RoutingFacts(_networks(connection, None), floating, routers)

    def tell_host(
        self, host: str, *, ports: Collection[str] = (), everything: bool = False, routing: bool = False
    ) -> None:
        """An order for what a host could not do: it is tried again until it is done."""
        self._write(lambda tx: network_orders.tell(tx, [host], ports=ports, everything=everything, routing=routing))
