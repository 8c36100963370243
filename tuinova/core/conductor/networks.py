"""Networks and subnets: what may be made, changed and removed, and the orders that hosts get for it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select, update

from tuinova.core.conductor import addresses, network_orders, network_rows, port_rows, ports
from tuinova.core.conductor.network_base import NetworkBase
from tuinova.core.conductor.transaction import Tx
from tuinova.core.drafts import new_uuid
from tuinova.core.errors.network import (
    GatewayIpInUse,
    InvalidInput,
    IpAddressGenerationFailure,
    NetworkInUse,
    NetworkNotFound,
    NetworkOfHost,
    SubnetInUse,
    SubnetNotFound,
)
from tuinova.core.records import Network, Port, Subnet
from tuinova.core.records.network import ROUTER_INTERFACE

DHCP_OWNER = "network:dhcp"
# What a network changes on its hosts.
_ON_HOSTS = frozenset({"name", "mtu", "dns_domain", "admin_state_up"})


def network_of(tx: Tx, ident: str) -> Network:
    """A network that may be changed; raises NetworkNotFound, NetworkOfHost."""
    network = network_rows.networks.one(tx.connection, ident)
    if network is None:
        raise NetworkNotFound(net_id=ident)
    if not network.is_ours:
        raise NetworkOfHost(net_id=ident)
    return network


def subnet_of(tx: Tx, ident: str) -> Subnet:
    """A subnet of ours; raises SubnetNotFound."""
    subnet = network_rows.subnets.one(tx.connection, ident)
    if subnet is None:
        raise SubnetNotFound(subnet_id=ident)
    return subnet


def changed(tx: Tx, network: Network) -> None:
    """Tell followers and hosts."""
    tx.change("network", "update", network.id, network.project_id)
    network_orders.tell(tx, network_orders.hosts(tx), networks=[network.id])


def service_port(network: Network, device: str, owner: str, mac: str, tx: Tx, *, project_id: str | None = None) -> Port:
    """A port that a service has: DHCP, a router, a floating address; without addresses yet."""
    return Port(
        id=new_uuid(),
        project_id=network.project_id if project_id is None else project_id,
        network_id=network.id,
        mac=mac,
        device_id=device,
        device_owner=owner,
        host="",
        name="",
        description="",
        admin_state_up=True,
        port_security_enabled=False,
        given=False,
        position=0,
        tag=None,
        allowed_address_pairs=[],
        forwards=[],
        tags=[],
        created_at=tx.now,
        updated_at=None,
        network=network.name,
        mode=network.mode,
    )


class Networks(NetworkBase):
    """The conductor's calls about networks and subnets."""

    # networks --------------------------------------------------------------------------------------------------------
    def networks(self) -> list[Network]:
        """All networks, those of the hosts too, the oldest first."""
        with self._reading() as connection:
            return network_rows.networks.all(connection)

    def own_networks(self) -> list[Network]:
        """Those that are not the hosts'."""
        with self._reading() as connection:
            return [network for network in network_rows.networks.all(connection) if network.is_ours]

    def network(self, ident: str) -> Network:
        """One network; raises NetworkNotFound."""
        with self._reading() as connection:
            found = network_rows.networks.one(connection, ident)
        if found is None:
            raise NetworkNotFound(net_id=ident)
        return found

    def create_network(self, network: Network) -> Network:
        """Write a new network, and an order for every host; raises OverQuota."""

        def job(tx: Tx) -> Network:
            self.require_quota(tx, network.project_id, network=1)
            made = replace(network, created_at=tx.now)
            network_rows.networks.add(tx, made)
            changed(tx, made)
            return made

        return self._write(job)

    def update_network(self, ident: str, values: Mapping[str, Any]) -> Network:
        """Change a network; of one that belongs to hosts only whether its ports have a firewall."""

        def job(tx: Tx) -> Network:
            old = network_rows.networks.one(tx.connection, ident)
            if old is None:
                raise NetworkNotFound(net_id=ident)
            if not old.is_ours and set(values) - {"port_security_enabled", "tags"}:
                raise NetworkOfHost(net_id=ident)
            network_rows.networks.change(tx, ident, **values)
            new: Network = replace(old, **values, updated_at=tx.now)
            tx.change("network", "update", ident, new.project_id)
            if any(getattr(old, name) != getattr(new, name) for name in _ON_HOSTS & set(values)):
                network_orders.tell(tx, network_orders.hosts(tx), networks=[ident])
            if old.name != new.name:
                for uuid in {port.instance_uuid for port in port_rows.ports_in(tx.connection, ident)} - {""}:
                    ports.refresh(tx, uuid)
            return new

        return self._write(job)

    def delete_network(self, ident: str) -> None:
        """Remove a network with its subnets; raises NetworkInUse while ports of others are on it."""

        def job(tx: Tx) -> None:
            network = network_of(tx, ident)
            own = port_rows.ports_in(tx.connection, ident)
            others = [port for port in own if port.device_owner != DHCP_OWNER]
            if others:
                raise NetworkInUse(net_id=ident, users=port_rows.users(others))
            for port in own:
                port_rows.remove(tx, port.id)
            for subnet in network_rows.subnets.where(tx.connection, network_id=ident):
                network_rows.subnets.remove(tx, subnet.id)
                tx.change("subnet", "delete", subnet.id, subnet.project_id)
            network_rows.networks.remove(tx, ident)
            tx.change("network", "delete", ident, network.project_id)
            network_orders.tell(tx, network_orders.hosts(tx), networks=[ident])

        self._write(job)

    def note_network_fault(self, ident: str, host: str, fault: str | None) -> None:
        """What a host says of a network: why it could not make it, None when it is there."""

        def job(tx: Tx) -> None:
            network = network_rows.networks.one(tx.connection, ident)
            if network is None or network.faults.get(host) == fault:
                return
            faults = {name: text for name, text in network.faults.items() if name != host}
            if fault is not None:
                faults[host] = fault
            network_rows.networks.change(tx, ident, faults=faults)
            tx.change("network", "update", ident, network.project_id)

        with self._reading() as connection:
            known = network_rows.networks.one(connection, ident)
        if known is not None and known.faults.get(host) != fault:
            self._write(job)

    def set_network_tags(self, noun: str, ident: str, change: Callable[[list[str]], list[str]]) -> list[str]:
        """Change the tags of a network, subnet, port, security group, router or floating address."""
        table = network_rows.TAGGED[noun].table

        def job(tx: Tx) -> list[str]:
            tags = change(list(tx.run(select(table.c.tags).where(table.c.id == ident)).scalar() or []))
            tx.run(update(table).where(table.c.id == ident).values(tags=tags, updated_at=tx.now))
            return tags

        return self._write(job)

    # subnets ---------------------------------------------------------------------------------------------------------
    def subnets(self, network_id: str | None = None) -> list[Subnet]:
        """The subnets of ours, of one network or all."""
        with self._reading() as connection:
            if network_id is not None:
                return network_rows.subnets.where(connection, network_id=network_id)
            return network_rows.subnets.all(connection)

    def create_subnet(self, subnet: Subnet) -> Subnet:
        """Write a new subnet; raises NetworkNotFound, NetworkOfHost, OverQuota, InvalidInput where it overlaps."""

        def job(tx: Tx) -> Subnet:
            network = network_of(tx, subnet.network_id)
            self.require_quota(tx, subnet.project_id, subnet=1)
            _refuse_overlap(tx.connection, network, subnet)
            made = replace(subnet, created_at=tx.now)
            network_rows.subnets.add(tx, made)
            self._dhcp_port(tx, network, made)
            tx.change("subnet", "update", made.id, made.project_id)
            changed(tx, network)
            return made

        return self._write(job)

    def _dhcp_port(self, tx: Tx, network: Network, subnet: Subnet) -> None:
        """Where the gateway is somebody else's, or there is none, DHCP has an address of its own, as in Neutron."""
        needed = subnet.enable_dhcp and not subnet.by_mac and (network.mode == "provider" or subnet.gateway_ip is None)
        held = [port for port in port_rows.ports_in(tx.connection, network.id) if port.device_owner == DHCP_OWNER]
        held = [port for port in held if any(fixed.subnet_id == subnet.id for fixed in port.fixed_ips)]
        if needed and not held:
            address = self._pool.take_in(tx, subnet)
            if address is None:
                raise IpAddressGenerationFailure(net_id=network.id)
            port = service_port(network, f"dhcp-{network.id}", DHCP_OWNER, port_rows.new_mac(tx), tx, project_id="")
            port_rows.insert(tx, replace(port, fixed_ips=(addresses.fixed(subnet, address),)), [subnet.id])
        elif held and not needed:
            for port in held:
                port_rows.remove(tx, port.id)

    def update_subnet(self, ident: str, values: Mapping[str, Any]) -> Subnet:
        """Change a subnet; raises GatewayIpInUse for a gateway that a port has."""

        def job(tx: Tx) -> Subnet:
            old = subnet_of(tx, ident)
            network = network_of(tx, old.network_id)
            new = replace(old, **values, updated_at=tx.now)
            if new.gateway_ip and new.gateway_ip != old.gateway_ip:
                port_id = port_rows.holder(tx.connection, ident, new.gateway_ip)
                if port_id is not None:
                    raise GatewayIpInUse(ip_address=new.gateway_ip, port_id=port_id)
            network_rows.subnets.change(tx, ident, **values)
            self._dhcp_port(tx, network, new)
            tx.change("subnet", "update", ident, new.project_id)
            changed(tx, network)
            return new

        return self._write(job)

    def delete_subnet(self, ident: str) -> None:
        """Remove a subnet; raises SubnetInUse while ports have addresses in it."""

        def job(tx: Tx) -> None:
            subnet = subnet_of(tx, ident)
            network = network_of(tx, subnet.network_id)
            for port in port_rows.ports_in(tx.connection, network.id):
                inside = [fixed for fixed in port.fixed_ips if fixed.subnet_id == ident]
                if not inside:
                    continue
                if port.device_owner == ROUTER_INTERFACE:
                    reason = f"Subnet has a router interface port {port.id}"
                    raise SubnetInUse(subnet_id=ident, reason=reason)
                if port.device_owner != DHCP_OWNER:
                    reason = f"One or more ports have an IP allocation from this subnet: {port_rows.users([port])}"
                    raise SubnetInUse(subnet_id=ident, reason=reason)
                port_rows.remove(tx, port.id)
            network_rows.subnets.remove(tx, ident)
            tx.change("subnet", "delete", ident, subnet.project_id)
            changed(tx, network)

        self._write(job)


def _refuse_overlap(connection: Connection, network: Network, subnet: Subnet) -> None:
    """The host is in every network of ours, so their ranges must differ as those of one router must."""
    wanted = ipaddress.ip_network(subnet.cidr)
    for other in network_rows.subnets.all(connection):
        there = ipaddress.ip_network(other.cidr)
        if there.version == wanted.version and wanted.overlaps(there):
            raise InvalidInput(
                error_message=f"Requested subnet with cidr: {subnet.cidr} for network: {network.id} overlaps with "
                "another subnet"
            )
