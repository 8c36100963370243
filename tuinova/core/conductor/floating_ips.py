"""Floating addresses: taken from an external network, and associated with fixed ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tuinova.core.conductor import addresses, network_orders, network_rows, port_rows, ports
from tuinova.core.conductor.networks import network_of, service_port
from tuinova.core.conductor.own_ports import OwnPorts
from tuinova.core.conductor.routers import interfaces_of
from tuinova.core.conductor.transaction import Tx
from tuinova.core.errors.network import (
    BadRequest,
    ExternalGatewayForFloatingIPNotFound,
    FloatingIPNotFound,
    FloatingIPPortAlreadyAssociated,
    InvalidIpForNetwork,
    IpAddressGenerationFailure,
    IpAddressInUse,
    PortNotFound,
)
from tuinova.core.records import FixedAddress, FloatingIp, Network, Port
from tuinova.core.records.network import FLOATING_OWNER

# Networks that have a way out by themselves: no router of ours is needed.
_OPEN = frozenset({"nat", "routed"})


def record_of(tx: Tx, ident: str) -> FloatingIp:
    """A floating address; raises FloatingIPNotFound."""
    record = network_rows.floating_ips.one(tx.connection, ident)
    if record is None:
        raise FloatingIPNotFound(floatingip_id=ident)
    return record


class FloatingIps(OwnPorts):
    """The conductor's calls about floating addresses."""

    def floating_ips(self) -> list[FloatingIp]:
        """All of them, the oldest first."""
        with self._reading() as connection:
            return network_rows.floating_ips.all(connection)

    def floating_ip(self, ident: str) -> FloatingIp:
        """One; raises FloatingIPNotFound."""
        with self._reading() as connection:
            record = network_rows.floating_ips.one(connection, ident)
        if record is None:
            raise FloatingIPNotFound(floatingip_id=ident)
        return record

    def create_floating_ip(
        self,
        draft: FloatingIp,
        *,
        address: str | None = None,
        subnet_id: str | None = None,
        port_id: str | None = None,
        fixed: str | None = None,
    ) -> FloatingIp:
        """Take an address of an external network, and associate it where a port is named."""

        def job(tx: Tx) -> FloatingIp:
            network = network_of(tx, draft.floating_network_id)
            if not network.external:
                raise BadRequest(resource="floatingip", msg=f"Network {network.id} is not a valid external network")
            self.require_quota(tx, draft.project_id, floatingip=1)
            held = self._address(tx, network, address, subnet_id)
            port = service_port(network, draft.id, FLOATING_OWNER, port_rows.new_mac(tx), tx, project_id="")
            port_rows.insert(tx, replace(port, fixed_ips=(held,)), [held.subnet_id])
            record = replace(draft, floating_ip_address=held.address, created_at=tx.now)
            network_rows.floating_ips.add(tx, record)
            tx.change("floatingip", "update", record.id, record.project_id)
            return self._associate(tx, record, port_id, fixed) if port_id else record

        return self._write(job)

    def _address(self, tx: Tx, network: Network, asked: str | None, subnet_id: str | None) -> FixedAddress:
        for subnet in network_rows.subnets.where(tx.connection, network_id=network.id):
            if subnet_id not in (None, subnet.id) or subnet.ip_version != 4:
                continue
            if asked is None:
                address = self._pool.take_in(tx, subnet)
                if address is not None:
                    return addresses.fixed(subnet, address)
            elif addresses.holds(subnet, asked):
                if asked == subnet.gateway_ip or port_rows.holder(tx.connection, subnet.id, asked) is not None:
                    raise IpAddressInUse(net_id=network.id, ip_address=asked)
                return addresses.fixed(subnet, asked)
        if asked is not None:
            raise InvalidIpForNetwork(ip_address=asked)
        raise IpAddressGenerationFailure(net_id=network.id)

    def update_floating_ip(self, ident: str, values: Mapping[str, Any]) -> FloatingIp:
        """Change the description, or with `port_id` (None: nobody's) for whom it stands."""

        def job(tx: Tx) -> FloatingIp:
            record = record_of(tx, ident)
            plain = {name: values[name] for name in ("description", "tags") if name in values}
            if plain:
                network_rows.floating_ips.change(tx, ident, **plain)
                record = replace(record, **plain)
            if "port_id" not in values:
                return record
            if values["port_id"] is None:
                return self._leave(tx, record)
            return self._associate(tx, record, values["port_id"], values.get("fixed_ip_address"))

        return self._write(job)

    def _leave(self, tx: Tx, record: FloatingIp) -> FloatingIp:
        left = replace(record, port_id=None, fixed_ip_address=None, router_id=None)
        self._move(tx, record, left)
        return left

    def _associate(self, tx: Tx, record: FloatingIp, port_id: str, fixed: str | None) -> FloatingIp:
        port = port_rows.one(tx.connection, port_id)
        if port is None:
            raise PortNotFound(port_id=port_id)
        inside = _fixed_of(port, fixed)
        for other in network_rows.floating_ips.where(tx.connection, port_id=port_id):
            same = other.fixed_ip_address == inside.address and other.id != record.id
            if same and other.floating_network_id == record.floating_network_id:
                raise FloatingIPPortAlreadyAssociated(
                    floating_ip_address=record.floating_ip_address,
                    fip_id=record.id,
                    port_id=port_id,
                    fixed_ip=inside.address,
                    net_id=record.floating_network_id,
                )
        router_id = _way_out(tx, port, inside, record)
        new = replace(record, port_id=port_id, fixed_ip_address=inside.address, router_id=router_id)
        self._move(tx, record, new)
        return new

    @staticmethod
    def _move(tx: Tx, old: FloatingIp, new: FloatingIp) -> None:
        """Write for whom it stands; tell the hosts of both ports, and their servers' rows."""
        network_rows.floating_ips.change(
            tx, new.id, port_id=new.port_id, fixed_ip_address=new.fixed_ip_address, router_id=new.router_id
        )
        found = [port_rows.one(tx.connection, ident) for ident in {old.port_id, new.port_id} if ident]
        concerned = [port for port in found if port is not None]
        network_orders.tell(tx, {port.host for port in concerned}, routing=True)
        for uuid in {port.instance_uuid for port in concerned} - {""}:
            ports.refresh(tx, uuid)
        tx.change("floatingip", "update", new.id, new.project_id)

    def delete_floating_ip(self, ident: str) -> None:
        """Give the address back."""

        def job(tx: Tx) -> None:
            record = record_of(tx, ident)
            if record.port_id is not None:
                self._leave(tx, record)
            for port in port_rows.ports_of(tx.connection, ident):
                port_rows.remove(tx, port.id)
            network_rows.floating_ips.remove(tx, ident)
            tx.change("floatingip", "delete", ident, record.project_id)

        self._write(job)


def _fixed_of(port: Port, asked: str | None) -> FixedAddress:
    """The fixed address that a floating one shall stand for."""
    held = [fixed for fixed in port.fixed_ips if fixed.version == 4]
    if asked is not None:
        for fixed in port.fixed_ips:
            if fixed.address == asked:
                return fixed
        raise BadRequest(resource="floatingip", msg=f"Port {port.id} does not have fixed ip {asked}")
    if not held:
        raise BadRequest(
            resource="floatingip", msg=f"Cannot add floating IP to port {port.id} that has no fixed IPv4 addresses"
        )
    if len(held) > 1:
        raise BadRequest(
            resource="floatingip",
            msg=f"Port {port.id} has multiple fixed IPv4 addresses. Must provide a specific IPv4 address when "
            "assigning a floating IP",
        )
    return held[0]


def _way_out(tx: Tx, port: Port, fixed: FixedAddress, record: FloatingIp) -> str | None:
    """The router that leads outside, None where the network does so by itself."""
    for router in network_rows.routers.all(tx.connection):
        if router.external_network_id == record.floating_network_id and any(
            inside.subnet_id == fixed.subnet_id for one in interfaces_of(tx, router.id) for inside in one.fixed_ips
        ):
            return str(router.id)
    if port.mode in _OPEN:
        return None
    raise ExternalGatewayForFloatingIPNotFound(
        external_network_id=record.floating_network_id, subnet_id=fixed.subnet_id, port_id=port.id
    )
