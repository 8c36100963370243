"""What actions on a server do to its ports: parts of the transaction in which they are accepted or end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tuinova.core.conductor import addresses, network_rows, port_rows
from tuinova.core.conductor.own_ports import OwnPorts
from tuinova.core.conductor.ports import Addresses, ports_of, remove_port, told_of
from tuinova.core.conductor.transaction import Part, Tx
from tuinova.core.drafts import PortWish
from tuinova.core.errors import Invalid, NoMoreFixedIps
from tuinova.core.errors.server_networks import (
    FixedIpNotFoundForInstance,
    NetworkNotFoundForInstance,
    NovaPortNotFound,
    SecurityGroupCannotBeApplied,
    SecurityGroupNotOfInstance,
)
from tuinova.core.records import Instance, Port, SecurityGroup
from tuinova.core.records.network import HOST_MODES

Updates = Mapping[str, Any]


def _row(tx: Tx, instance: Instance) -> Updates:
    """What the server's row says of its ports now."""
    return told_of(tx, ports_of(tx.connection, instance.uuid))


def drop_port(port_id: str) -> Part:
    """Take a port of a server away, or let it go where it was given; one that is gone is fine."""

    def part(tx: Tx, instance: Instance) -> Updates | None:
        port = port_rows.one(tx.connection, port_id)
        if port is None or port.device_id != instance.uuid:
            return None
        remove_port(tx, port)
        return None if instance.deleted else _row(tx, instance)

    return part


def renew() -> Part:
    """Say of the server's ports what is so (Nova: refresh of the network info cache)."""
    return _row


def has_port(port_id: str) -> Part:
    """Raises PortNotFound unless the server has the port."""

    def part(tx: Tx, instance: Instance) -> None:
        port = port_rows.one(tx.connection, port_id)
        if port is None or port.device_id != instance.uuid:
            raise NovaPortNotFound(port_id=port_id)

    return part


class ServerPorts(Addresses, OwnPorts):
    """The conductor's parts that choose addresses."""

    def add_port(self, wish: PortWish, ident: str) -> Part:
        """Give a server one more port, which is the last one."""

        def part(tx: Tx, instance: Instance) -> Updates:
            present = ports_of(tx.connection, instance.uuid)
            place = 1 + max((port.position for port in present), default=-1)
            if not wish.port_id:
                self.require_quota(tx, instance.project_id, port=1)
            self.make_port(tx, instance, instance.host or "", wish, place, ident=ident)
            return _row(tx, instance)

        return part

    def add_fixed_ip(self, network_id: str) -> Part:
        """One more address of a network for the server's first port there; raises NoMoreFixedIps and kin."""

        def part(tx: Tx, instance: Instance) -> Updates:
            ports = port_rows.with_groups(tx.connection, ports_of(tx.connection, instance.uuid))
            port = next((port for port in ports if port.network_id == network_id), None)
            if port is None:
                raise NetworkNotFoundForInstance(instance_id=instance.uuid)
            if port.mode in HOST_MODES:
                raise Invalid(f"Guests have one address on network {port.network}, which belongs to the host.")
            for subnet in network_rows.subnets.where(tx.connection, network_id=network_id):
                address = None if subnet.by_mac else self._pool.take_in(tx, subnet)
                if address is not None:
                    fixed = (*port.fixed_ips, addresses.fixed(subnet, address))
                    self.write_port(tx, port, replace(port, fixed_ips=fixed), refresh=False)
                    return _row(tx, instance)
            raise NoMoreFixedIps(net=port.network or network_id)

        return part

    def remove_fixed_ip(self, address: str) -> Part:
        """Take an address away from a server; raises FixedIpNotFoundForInstance."""

        def part(tx: Tx, instance: Instance) -> Updates:
            for port in port_rows.with_groups(tx.connection, ports_of(tx.connection, instance.uuid)):
                kept = tuple(fixed for fixed in port.fixed_ips if fixed.address != address)
                if len(kept) == len(port.fixed_ips):
                    continue
                if port.mode in HOST_MODES:
                    raise Invalid(f"Guests have one address on network {port.network}, which belongs to the host.")
                self.write_port(tx, port, replace(port, fixed_ips=kept), refresh=False)
                return _row(tx, instance)
            raise FixedIpNotFoundForInstance(instance_uuid=instance.uuid, ip=address)

        return part

    def add_group(self, group: SecurityGroup) -> Part:
        """Put the server's ports into a group; raises SecurityGroupCannotBeApplied where none has a firewall."""

        def change(port: Port) -> tuple[str, ...]:
            return tuple(dict.fromkeys((*port.security_groups, group.id)))

        def part(tx: Tx, instance: Instance) -> Updates:
            ports = self._secured(tx, instance)
            if not ports:
                raise SecurityGroupCannotBeApplied()
            return self._regroup(tx, instance, ports, change)

        return part

    def remove_group(self, group: SecurityGroup) -> Part:
        """Take the server's ports out of a group; raises SecurityGroupNotOfInstance where none is in it."""

        def change(port: Port) -> tuple[str, ...]:
            return tuple(ident for ident in port.security_groups if ident != group.id)

        def part(tx: Tx, instance: Instance) -> Updates:
            ports = [port for port in self._secured(tx, instance) if group.id in port.security_groups]
            if not ports:
                raise SecurityGroupNotOfInstance(name=group.name, instance_uuid=instance.uuid)
            return self._regroup(tx, instance, ports, change)

        return part

    @staticmethod
    def _secured(tx: Tx, instance: Instance) -> list[Port]:
        ports = port_rows.with_groups(tx.connection, ports_of(tx.connection, instance.uuid))
        return [port for port in ports if port.port_security_enabled and port.fixed_ips]

    def _regroup(self, tx: Tx, instance: Instance, ports: Sequence[Port], change: Any) -> Updates:
        for port in ports:
            self.write_port(tx, port, replace(port, security_groups=change(port)), refresh=False)
        return _row(tx, instance)
