"""Ports as Neutron's users see them: made, changed and removed by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tuinova.core.conductor import (
    addresses,
    floating,
    network_orders,
    network_rows,
    port_rows,
    ports,
)
from tuinova.core.conductor.group_defaults import default_group
from tuinova.core.conductor.network_base import NetworkBase
from tuinova.core.conductor.networks import service_port
from tuinova.core.conductor.security_groups import group_of
from tuinova.core.conductor.transaction import Tx
from tuinova.core.errors.network import (
    AddressPairAndPortSecurityRequired,
    InvalidInput,
    InvalidIpForNetwork,
    InvalidIpForSubnet,
    IpAddressGenerationFailure,
    IpAddressInUse,
    L3PortInUse,
    MacAddressInUse,
    NetworkNotFound,
    PortForwardInUse,
    PortInUse,
    PortNotFound,
    PortSecurityAndIPRequiredForSecurityGroups,
    PortSecurityPortHasSecurityGroup,
)
from tuinova.core.records import FixedAddress, Network, Port, Subnet
from tuinova.core.records.network import FLOATING_OWNER, ROUTER_GATEWAY, ROUTER_INTERFACE

_SERVICES = frozenset({FLOATING_OWNER, ROUTER_GATEWAY, ROUTER_INTERFACE})
FixedWish = tuple[str | None, str | None]  # subnet, address


@dataclass(frozen=True, slots=True)
class PortDraft:
    """A port to be made; `fixed_ips` None: one of each family, an empty list: none. `security_groups` None: default."""

    network_id: str
    project_id: str
    mac: str | None = None
    fixed_ips: Sequence[FixedWish] | None = None
    security_groups: Sequence[str] | None = None
    port_security_enabled: bool | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


class OwnPorts(NetworkBase):
    """The conductor's calls about ports by themselves."""

    def all_ports(self, *, device_id: str | None = None, network_id: str | None = None) -> list[Port]:
        """All ports with their groups, of one server or network where that is said."""
        with self._reading() as connection:
            if device_id:
                found = port_rows.ports_of(connection, device_id)
            elif network_id:
                found = port_rows.ports_in(connection, network_id)
            else:
                found = port_rows.all_ports(connection)
            return port_rows.with_groups(connection, found)

    def port(self, ident: str) -> Port:
        """One port with its groups; raises PortNotFound."""
        with self._reading() as connection:
            found = port_rows.one(connection, ident)
            if found is None:
                raise PortNotFound(port_id=ident)
            return port_rows.with_groups(connection, [found])[0]

    def address_holder(self, scope: str, address: str) -> str | None:
        """The port that has an address of a subnet (its id), or of a host's own network (`host_scope`)."""
        with self._reading() as connection:
            return port_rows.holder(connection, scope, address)

    def create_port(self, draft: PortDraft) -> Port:
        """Write a new port that belongs to no server yet."""

        def job(tx: Tx) -> Port:
            network = network_rows.networks.one(tx.connection, draft.network_id)
            if network is None:
                raise NetworkNotFound(net_id=draft.network_id)
            self.require_quota(tx, draft.project_id, port=1)
            port = service_port(network, "", "", self._mac(tx, network, draft.mac), tx, project_id=draft.project_id)
            port = replace(port, given=True, **draft.values)
            fixed = self.chosen(tx, network, port, draft.fixed_ips)
            secured = draft.port_security_enabled
            secured = network.port_security_enabled if secured is None else secured
            port = replace(port, fixed_ips=tuple(fixed), port_security_enabled=secured)
            # Where the host chooses the address there will be one.
            addressed = bool(fixed) or (not network.is_ours and draft.fixed_ips is None)
            groups = _groups(tx, port, draft.security_groups, addressed)
            if port.allowed_address_pairs and not secured:
                raise AddressPairAndPortSecurityRequired()
            port = replace(port, security_groups=groups)
            port_rows.insert(tx, port, [one.subnet_id for one in fixed])
            network_orders.members_changed(tx, groups)
            tx.change("port", "update", port.id, port.project_id)
            return port

        return self._write(job)

    @staticmethod
    def _mac(tx: Tx, network: Network, asked: str | None) -> str:
        if asked is None:
            return port_rows.new_mac(tx)
        if port_rows.mac_holder(tx.connection, asked) is not None:
            raise MacAddressInUse(net_id=network.id, mac=asked)
        return asked

    def chosen(self, tx: Tx, network: Network, port: Port, wishes: Sequence[FixedWish] | None) -> list[FixedAddress]:
        """The addresses of a port as they are wished; raises what Neutron refuses.

        On a host's network the address is chosen on the host, when the port comes to one.
        """
        if not network.is_ours:
            if wishes:
                raise InvalidInput(error_message="the addresses of a host's own network are chosen on the host")
            return []
        subnets = network_rows.subnets.where(tx.connection, network_id=network.id)
        if wishes is None:
            found = addresses.choose(tx, self._pool, subnets, port.mac)
            if found is None:
                raise IpAddressGenerationFailure(net_id=network.id)
            return found
        fixed: list[FixedAddress] = []
        for subnet_id, address in wishes:
            if any(one.address == address for one in fixed):
                raise InvalidInput(error_message=f"Duplicate IP address '{address}'")
            fixed.append(self._one(tx, network, port, subnets, subnet_id, address))
        return fixed

    def _one(
        self,
        tx: Tx,
        network: Network,
        port: Port,
        subnets: Sequence[Subnet],
        subnet_id: str | None,
        address: str | None,
    ) -> FixedAddress:
        if subnet_id is not None and all(subnet.id != subnet_id for subnet in subnets):
            raise InvalidInput(
                error_message=f"Failed to create port on network {network.id}, because fixed_ips included invalid "
                f"subnet {subnet_id}"
            )
        among = [subnet for subnet in subnets if subnet_id in (None, subnet.id)]
        if address is not None:
            for subnet in among:
                if addresses.holds(subnet, address):
                    holder = port_rows.holder(tx.connection, subnet.id, address)
                    if holder not in (None, port.id):
                        raise IpAddressInUse(net_id=network.id, ip_address=address)
                    return addresses.fixed(subnet, address)
            refused = InvalidIpForNetwork if subnet_id is None else InvalidIpForSubnet
            raise refused(ip_address=address)
        for subnet in among:
            kept = next((one for one in port.fixed_ips if one.subnet_id == subnet.id), None)
            if kept is not None:
                return kept
            taken = addresses.by_mac(subnet, port.mac) if subnet.by_mac else self._pool.take_in(tx, subnet)
            if taken is not None:
                return addresses.fixed(subnet, taken)
        raise IpAddressGenerationFailure(net_id=network.id)

    def update_port(
        self,
        ident: str,
        values: Mapping[str, Any],
        *,
        fixed_ips: Sequence[FixedWish] | None = None,
        security_groups: Sequence[str] | None = None,
    ) -> Port:
        """Change a port; what its guest or its firewall sees of it reaches the host with an order."""

        def job(tx: Tx) -> Port:
            old = port_rows.one(tx.connection, ident)
            if old is None:
                raise PortNotFound(port_id=ident)
            old = port_rows.with_groups(tx.connection, [old])[0]
            network = network_rows.networks.one(tx.connection, old.network_id)
            if (mac := values.get("mac")) is not None and mac != old.mac:
                if old.device_id:
                    raise PortInUse(port_id=ident, net_id=old.network_id, device_id=old.device_id)
                self._mac(tx, network, mac)
            new = replace(old, **values, updated_at=tx.now)
            if new.forwards != old.forwards:
                _refuse_taken_forwards(tx, new)
            if fixed_ips is not None:
                new = replace(new, fixed_ips=tuple(self.chosen(tx, network, old, fixed_ips)))
            new = replace(new, security_groups=_changed_groups(tx, old, new, security_groups))
            if new.allowed_address_pairs and not new.port_security_enabled:
                raise AddressPairAndPortSecurityRequired()
            self.write_port(tx, old, new)
            return new

        return self._write(job)

    @staticmethod
    def write_port(tx: Tx, old: Port, new: Port, *, refresh: bool = True) -> None:
        """Write what has changed of a port, and tell its host, the members' hosts and (`refresh`) the server's row."""
        values = {
            name: getattr(new, name)
            for name in port_rows.FIELDS
            if getattr(new, name) != getattr(old, name) and name != "id"
        }
        if values:
            port_rows.change(tx, new.id, **values)
        if new.fixed_ips != old.fixed_ips:
            port_rows.drop_fixed(tx, new.id)
            for fixed in new.fixed_ips:
                port_rows.add_fixed(tx, new.id, fixed, fixed.subnet_id)
            kept = {fixed.address for fixed in new.fixed_ips}
            floating.leave_addresses(tx, new, [one.address for one in old.fixed_ips if one.address not in kept])
        if set(new.security_groups) != set(old.security_groups):
            port_rows.set_groups(tx, new.id, new.security_groups)
        if set(new.security_groups) != set(old.security_groups) or new.fixed_ips != old.fixed_ips:
            network_orders.members_changed(tx, {*new.security_groups, *old.security_groups})
        network_orders.tell_port(tx, new)
        if refresh and new.instance_uuid:
            ports.refresh(tx, new.instance_uuid)
        tx.change("port", "update", new.id, new.project_id)

    def delete_port(self, ident: str) -> None:
        """Remove a port; raises L3PortInUse for a router's or a floating address's, PortInUse for a server's."""

        def job(tx: Tx) -> None:
            port = port_rows.one(tx.connection, ident)
            if port is None:
                raise PortNotFound(port_id=ident)
            if port.device_owner in _SERVICES:
                raise L3PortInUse(port_id=ident, device_owner=port.device_owner)
            if port.instance_uuid:
                raise PortInUse(port_id=ident, net_id=port.network_id, device_id=port.device_id)
            groups = port_rows.with_groups(tx.connection, [port])[0].security_groups
            floating.leave(tx, port)
            port_rows.remove(tx, ident)
            network_orders.members_changed(tx, groups)
            tx.change("port", "delete", ident, port.project_id)

        self._write(job)


def _refuse_taken_forwards(tx: Tx, port: Port) -> None:
    """A port of a host leads to one guest."""
    asked = {(one["protocol"], one["host_port"], one["host_address"]) for one in port.forwards}
    for other in port_rows.ports_in(tx.connection, port.network_id):
        for one in other.forwards:
            if (
                other.id != port.id
                and other.host == port.host
                and (one["protocol"], one["host_port"], one["host_address"]) in asked
            ):
                raise PortForwardInUse(host_port=one["host_port"], protocol=one["protocol"], port_id=other.id)


def _groups(tx: Tx, port: Port, asked: Sequence[str] | None, addressed: bool) -> tuple[str, ...]:
    """The groups of a new port: what is asked, or the project's default where it has a firewall."""
    if not port.port_security_enabled or not addressed:
        if asked:
            raise PortSecurityAndIPRequiredForSecurityGroups()
        return ()
    if asked is None:
        return (default_group(tx, port.project_id),)
    return tuple(group_of(tx, ident).id for ident in dict.fromkeys(asked))


def _changed_groups(tx: Tx, old: Port, new: Port, asked: Sequence[str] | None) -> tuple[str, ...]:
    if asked is not None:
        if asked and not new.port_security_enabled:
            raise PortSecurityAndIPRequiredForSecurityGroups()
        return tuple(group_of(tx, ident).id for ident in dict.fromkeys(asked))
    if old.security_groups and not new.port_security_enabled:
        raise PortSecurityPortHasSecurityGroup()
    return old.security_groups
