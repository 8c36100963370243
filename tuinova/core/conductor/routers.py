"""Routers: their interfaces, their gateways, and what hosts are told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tuinova.core.conductor import addresses, network_orders, network_rows, port_rows
from tuinova.core.conductor.networks import network_of, service_port, subnet_of
from tuinova.core.conductor.own_ports import FixedWish, OwnPorts
from tuinova.core.conductor.transaction import Tx
from tuinova.core.errors.network import (
    BadRequest,
    InvalidInput,
    IpAddressInUse,
    PortInUse,
    PortNotFound,
    RouterExternalGatewayInUseByFloatingIp,
    RouterInterfaceInUseByFloatingIP,
    RouterInterfaceNotFound,
    RouterInterfaceNotFoundForSubnet,
    RouterInUse,
    RouterNotFound,
)
from tuinova.core.records import Port, Router
from tuinova.core.records.network import ROUTER_GATEWAY, ROUTER_INTERFACE


def router_of(tx: Tx, ident: str) -> Router:
    """A router with its gateway; raises RouterNotFound."""
    router = network_rows.routers.one(tx.connection, ident)
    if router is None:
        raise RouterNotFound(router_id=ident)
    return network_rows.router_with_gateway(tx.connection, router)


def interfaces_of(tx: Tx, ident: str) -> list[Port]:
    """The ports with which a router is in networks inside."""
    return [port for port in port_rows.ports_of(tx.connection, ident) if port.device_owner == ROUTER_INTERFACE]


def changed(tx: Tx, router: Router) -> None:
    """Tell followers and hosts."""
    tx.change("router", "update", router.id, router.project_id)
    network_orders.tell(tx, network_orders.hosts(tx), routing=True)


class Routers(OwnPorts):
    """The conductor's calls about routers."""

    def routers(self) -> list[Router]:
        """All routers, the oldest first."""
        with self._reading() as connection:
            return [
                network_rows.router_with_gateway(connection, router) for router in network_rows.routers.all(connection)
            ]

    def router(self, ident: str) -> Router:
        """One router; raises RouterNotFound."""
        with self._reading() as connection:
            router = network_rows.routers.one(connection, ident)
            if router is None:
                raise RouterNotFound(router_id=ident)
            return network_rows.router_with_gateway(connection, router)

    def create_router(self, router: Router, outside: Sequence[FixedWish] | None) -> Router:
        """Write a new router; `outside`: the addresses that its gateway shall have, None for any."""

        def job(tx: Tx) -> Router:
            self.require_quota(tx, router.project_id, router=1)
            network_rows.routers.add(tx, replace(router, created_at=tx.now))
            if router.external_network_id is not None:
                self._gateway(tx, router, outside)
            changed(tx, router)
            return router_of(tx, router.id)

        return self._write(job)

    def _gateway(self, tx: Tx, router: Router, outside: Sequence[FixedWish] | None) -> None:
        network = network_of(tx, str(router.external_network_id))
        if not network.external:
            raise BadRequest(resource="router", msg=f"Network {network.id} is not an external network")
        port = service_port(network, router.id, ROUTER_GATEWAY, port_rows.new_mac(tx), tx, project_id="")
        fixed = self.chosen(tx, network, port, outside)
        if not fixed:
            raise BadRequest(resource="router", msg=f"Network {network.id} has no subnet to have an address in")
        port_rows.insert(tx, replace(port, fixed_ips=tuple(fixed)), [one.subnet_id for one in fixed])

    def update_router(
        self, ident: str, values: Mapping[str, Any], *, outside: Sequence[FixedWish] | None = None
    ) -> Router:
        """Change a router; another gateway only while no floating address needs this one."""

        def job(tx: Tx) -> Router:
            old = router_of(tx, ident)
            new: Router = replace(old, **values)
            if "routes" in values:
                _check_routes(tx, new)
            moved = "external_network_id" in values and (
                new.external_network_id != old.external_network_id or outside is not None
            )
            if moved:
                if old.external_network_id is not None and new.external_network_id != old.external_network_id:
                    self._refuse_needed_gateway(tx, old)
                for port in port_rows.ports_of(tx.connection, ident):
                    if port.device_owner == ROUTER_GATEWAY:
                        port_rows.remove(tx, port.id)
                if new.external_network_id is not None:
                    self._gateway(tx, new, outside)
            network_rows.routers.change(tx, ident, **values)
            changed(tx, new)
            return router_of(tx, ident)

        return self._write(job)

    @staticmethod
    def _refuse_needed_gateway(tx: Tx, router: Router) -> None:
        if network_rows.floating_ips.where(tx.connection, router_id=router.id):
            raise RouterExternalGatewayInUseByFloatingIp(router_id=router.id, net_id=router.external_network_id)

    def delete_router(self, ident: str) -> None:
        """Remove a router with its gateway; raises RouterInUse while it has interfaces."""

        def job(tx: Tx) -> None:
            router = router_of(tx, ident)
            if interfaces := interfaces_of(tx, ident):
                raise RouterInUse(router_id=ident, users=", ".join(port.id for port in interfaces))
            for port in port_rows.ports_of(tx.connection, ident):
                port_rows.remove(tx, port.id)
            network_rows.routers.remove(tx, ident)
            tx.change("router", "delete", ident, router.project_id)
            network_orders.tell(tx, network_orders.hosts(tx), routing=True)

        self._write(job)

    # interfaces ------------------------------------------------------------------------------------------------------
    def add_router_subnet(self, ident: str, subnet_id: str) -> Port:
        """Let a router be the gateway of a subnet."""

        def job(tx: Tx) -> Port:
            router, subnet = router_of(tx, ident), subnet_of(tx, subnet_id)
            network = network_of(tx, subnet.network_id)
            if subnet.gateway_ip is None:
                raise BadRequest(resource="router", msg="Subnet for router interface must have a gateway IP")
            self._refuse_second(tx, router, subnet_id)
            if port_rows.holder(tx.connection, subnet_id, subnet.gateway_ip) is not None:
                raise IpAddressInUse(net_id=network.id, ip_address=subnet.gateway_ip)
            project = router.project_id
            port = service_port(network, ident, ROUTER_INTERFACE, port_rows.new_mac(tx), tx, project_id=project)
            port = replace(port, fixed_ips=(addresses.fixed(subnet, subnet.gateway_ip),))
            port_rows.insert(tx, port, [subnet_id])
            changed(tx, router)
            return port

        return self._write(job)

    def add_router_port(self, ident: str, port_id: str) -> Port:
        """Let a router have a port that nobody has."""

        def job(tx: Tx) -> Port:
            router = router_of(tx, ident)
            port = port_rows.one(tx.connection, port_id)
            if port is None:
                raise PortNotFound(port_id=port_id)
            if port.device_id:
                raise PortInUse(port_id=port_id, net_id=port.network_id, device_id=port.device_id)
            if not port.fixed_ips:
                raise BadRequest(resource="router", msg="Router port must have at least one fixed IP")
            network_of(tx, port.network_id)
            for fixed in port.fixed_ips:
                self._refuse_second(tx, router, fixed.subnet_id)
            port_rows.change(tx, port_id, device_id=ident, device_owner=ROUTER_INTERFACE, port_security_enabled=False)
            port_rows.set_groups(tx, port_id, ())
            changed(tx, router)
            return replace(port, device_id=ident, device_owner=ROUTER_INTERFACE)

        return self._write(job)

    @staticmethod
    def _refuse_second(tx: Tx, router: Router, subnet_id: str) -> None:
        for port in interfaces_of(tx, router.id):
            if any(fixed.subnet_id == subnet_id for fixed in port.fixed_ips):
                raise BadRequest(resource="router", msg=f"Router already has a port on subnet {subnet_id}")

    def remove_router_interface(self, ident: str, *, port_id: str | None, subnet_id: str | None) -> Port:
        """Take a router out of a subnet; its port goes. Raises what says that it is not there, or is needed."""

        def job(tx: Tx) -> Port:
            router = router_of(tx, ident)
            for port in interfaces_of(tx, ident):
                subnets = {fixed.subnet_id for fixed in port.fixed_ips}
                if port_id not in (None, port.id) or (subnet_id is not None and subnet_id not in subnets):
                    continue
                self._refuse_needed_interface(tx, router, subnets)
                port_rows.remove(tx, port.id)
                changed(tx, router)
                return port
            if port_id is not None:
                raise RouterInterfaceNotFound(router_id=ident, port_id=port_id)
            raise RouterInterfaceNotFoundForSubnet(router_id=ident, subnet_id=subnet_id)

        return self._write(job)

    @staticmethod
    def _refuse_needed_interface(tx: Tx, router: Router, subnets: set[str]) -> None:
        for record in network_rows.floating_ips.where(tx.connection, router_id=router.id):
            port = port_rows.one(tx.connection, str(record.port_id))
            for fixed in port.fixed_ips if port else ():
                if fixed.address == record.fixed_ip_address and fixed.subnet_id in subnets:
                    raise RouterInterfaceInUseByFloatingIP(router_id=router.id, subnet_id=fixed.subnet_id)


def _check_routes(tx: Tx, router: Router) -> None:
    """A next hop must be in a network that the router is in (neutron/db/extraroute_db.py)."""
    joined = [port.fixed_ips for port in port_rows.ports_of(tx.connection, router.id)]
    subnets = {
        subnet.id: subnet
        for fixed_ips in joined
        for fixed in fixed_ips
        if (subnet := network_rows.subnets.one(tx.connection, fixed.subnet_id)) is not None
    }
    own = {fixed.address for fixed_ips in joined for fixed in fixed_ips}
    for route in router.routes:
        hop = route["nexthop"]
        if hop in own:
            raise InvalidInput(error_message=f"Invalid format for routes: the nexthop {hop} is used by router")
        if not any(addresses.holds(subnet, hop) for subnet in subnets.values()):
            raise InvalidInput(
                error_message=f"Invalid format for routes: {route['destination']} via {hop}, the nexthop is not "
                "connected with router"
            )
