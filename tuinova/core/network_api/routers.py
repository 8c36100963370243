"""Routers and floating addresses as their users ask for them."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuinova.core.conductor import Conductor
from tuinova.core.conductor.own_ports import FixedWish
from tuinova.core.context import RequestContext
from tuinova.core.drafts import new_uuid
from tuinova.core.errors.network import (
    BadRequest,
    FloatingIPNotFound,
    HTTPBadRequest,
    InvalidInput,
    NetworkNotFound,
    PortNotFound,
    RouterNotFound,
)
from tuinova.core.network_api import access
from tuinova.core.network_api.networks import NetworkCalls
from tuinova.core.network_api.ports import PortCalls
from tuinova.core.network_api.subnets import SubnetCalls
from tuinova.core.records import FloatingIp, Port, Router

_PLAIN = ("name", "description", "admin_state_up")


@dataclass(frozen=True, slots=True)
class RouterCalls:
    """Create, show, change, delete, and interfaces."""

    conductor: Conductor
    networks: NetworkCalls
    subnets: SubnetCalls
    ports: PortCalls

    def all(self, ctx: RequestContext) -> list[Router]:
        """The caller's."""
        return [router for router in self.conductor.routers() if access.owns(ctx, router.project_id)]

    def get(self, ctx: RequestContext, ident: str) -> Router:
        """One of them; raises RouterNotFound."""
        router = self.conductor.router(ident)
        if not access.owns(ctx, router.project_id):
            raise RouterNotFound(router_id=ident)
        return router

    def mine(self, ctx: RequestContext, ident: str, action: str) -> Router:
        """One that the caller may change."""
        router = self.get(ctx, ident)
        if "member" not in ctx.all_roles:
            raise access.refuse(f"{action}_router")
        return router

    def create(self, ctx: RequestContext, body: Mapping[str, Any]) -> Router:
        """A new router."""
        access.check_attributes(ctx, "create", "router", body)
        outside, values = self._gateway(ctx, "create", body)
        router = Router(
            id=new_uuid(),
            project_id=access.project_of(ctx, "create", "router", body),
            name=body.get("name") or "",
            description=body.get("description") or "",
            admin_state_up=body.get("admin_state_up", True),
            external_network_id=values.get("external_network_id"),
            enable_snat=values.get("enable_snat", True),
            routes=[],
            tags=[],
        )
        return self.conductor.create_router(router, outside)

    def _gateway(
        self, ctx: RequestContext, action: str, body: Mapping[str, Any]
    ) -> tuple[Sequence[FixedWish] | None, dict[str, Any]]:
        """(addresses outside that are asked for, values of the router)."""
        if "external_gateway_info" not in body:
            return None, {}
        info = body["external_gateway_info"] or {}
        if not info:
            return None, {"external_network_id": None, "enable_snat": True}
        if not ctx.is_admin:
            for name in ("enable_snat", "external_fixed_ips"):
                if name in info:
                    raise access.refuse(f"{action}_router:external_gateway_info:{name}")
        if not info.get("network_id"):
            raise BadRequest(resource="router", msg="external_gateway_info must have a network_id")
        network = self.networks.get(ctx, info["network_id"])
        if not network.external:
            raise BadRequest(resource="router", msg=f"Network {network.id} is not an external network")
        wishes = [(one.get("subnet_id"), one.get("ip_address")) for one in info.get("external_fixed_ips") or ()]
        return wishes or None, {"external_network_id": network.id, "enable_snat": info.get("enable_snat", True)}

    def update(self, ctx: RequestContext, ident: str, body: Mapping[str, Any]) -> Router:
        """Change a router."""
        router = self.mine(ctx, ident, "update")
        access.check_attributes(ctx, "update", "router", body)
        outside, values = self._gateway(ctx, "update", body)
        values |= {name: body[name] for name in _PLAIN if body.get(name) is not None}
        if "routes" in body:
            values["routes"] = _routes(body["routes"] or [])
        return self.conductor.update_router(ident, values, outside=outside) if values else router

    def delete(self, ctx: RequestContext, ident: str) -> None:
        """Remove it."""
        self.mine(ctx, ident, "delete")
        self.conductor.delete_router(ident)

    def add_interface(self, ctx: RequestContext, ident: str, body: Mapping[str, Any]) -> tuple[Router, Port]:
        """Join a subnet, as its gateway or with a port that is there."""
        router = self.mine(ctx, ident, "add_router_interface")
        subnet_id, port_id = body.get("subnet_id"), body.get("port_id")
        if bool(subnet_id) == bool(port_id):
            raise BadRequest(resource="router", msg="Either subnet_id or port_id must be specified")
        if port_id:
            self.ports.get(ctx, port_id)
            return router, self.conductor.add_router_port(ident, port_id)
        subnet = self.subnets.get(ctx, str(subnet_id))
        if not access.may_join(ctx, self.conductor.network(subnet.network_id)):
            raise NetworkNotFound(net_id=subnet.network_id)
        return router, self.conductor.add_router_subnet(ident, subnet.id)

    def remove_interface(self, ctx: RequestContext, ident: str, body: Mapping[str, Any]) -> tuple[Router, Port]:
        """Leave a subnet."""
        router = self.mine(ctx, ident, "remove_router_interface")
        subnet_id, port_id = body.get("subnet_id"), body.get("port_id")
        if not subnet_id and not port_id:
            raise HTTPBadRequest(reason="Either subnet_id or port_id must be specified")
        return router, self.conductor.remove_router_interface(ident, port_id=port_id, subnet_id=subnet_id)


@dataclass(frozen=True, slots=True)
class FloatingCalls:
    """Create, show, change, delete."""

    conductor: Conductor
    networks: NetworkCalls

    def all(self, ctx: RequestContext) -> list[FloatingIp]:
        """The caller's."""
        return [one for one in self.conductor.floating_ips() if access.owns(ctx, one.project_id)]

    def get(self, ctx: RequestContext, ident: str) -> FloatingIp:
        """One of them; raises FloatingIPNotFound."""
        record = self.conductor.floating_ip(ident)
        if not access.owns(ctx, record.project_id):
            raise FloatingIPNotFound(floatingip_id=ident)
        return record

    def mine(self, ctx: RequestContext, ident: str, action: str) -> FloatingIp:
        """One that the caller may change."""
        record = self.get(ctx, ident)
        if "member" not in ctx.all_roles:
            raise access.refuse(f"{action}_floatingip")
        return record

    def create(self, ctx: RequestContext, body: Mapping[str, Any]) -> FloatingIp:
        """Take an address of an external network."""
        access.check_attributes(ctx, "create", "floatingip", body)
        network = self.networks.get(ctx, body["floating_network_id"])
        self._seen_port(ctx, body.get("port_id"))
        draft = FloatingIp(
            id=new_uuid(),
            project_id=access.project_of(ctx, "create", "floatingip", body),
            floating_network_id=network.id,
            floating_ip_address="",
            port_id=None,
            fixed_ip_address=None,
            router_id=None,
            description=body.get("description") or "",
            tags=list(body.get("tags") or []),
        )
        return self.conductor.create_floating_ip(
            draft,
            address=_address(body.get("floating_ip_address")),
            subnet_id=body.get("subnet_id"),
            port_id=body.get("port_id"),
            fixed=_address(body.get("fixed_ip_address")),
        )

    def _seen_port(self, ctx: RequestContext, ident: str | None) -> None:
        if ident is not None and not access.owns(ctx, self.conductor.port(ident).project_id):
            raise PortNotFound(port_id=ident)

    def update(self, ctx: RequestContext, ident: str, body: Mapping[str, Any]) -> FloatingIp:
        """Let it stand for another fixed address, or for none."""
        self.mine(ctx, ident, "update")
        self._seen_port(ctx, body.get("port_id"))
        values = {name: body[name] for name in ("port_id", "fixed_ip_address") if name in body}
        if body.get("description") is not None:
            values["description"] = body["description"]
        if values.get("fixed_ip_address") and not values.get("port_id"):
            raise BadRequest(resource="floatingip", msg="fixed_ip_address cannot be specified without a port_id")
        return self.conductor.update_floating_ip(ident, values)

    def delete(self, ctx: RequestContext, ident: str) -> None:
        """Give it back."""
        self.mine(ctx, ident, "delete")
        self.conductor.delete_floating_ip(ident)


def _address(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise InvalidInput(error_message=f"'{text}' is not a valid IP address") from None


def _routes(routes: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    found = []
    for route in routes:
        try:
            destination, hop = ipaddress.ip_network(route["destination"]), ipaddress.ip_address(route["nexthop"])
        except ValueError:
            raise InvalidInput(
                error_message=f"Invalid format for routes: {route['destination']} via {route['nexthop']}"
            ) from None
        if destination.version != hop.version:
            raise InvalidInput(error_message=f"Invalid format for routes: {destination} via {hop}")
        item = {"destination": str(destination), "nexthop": str(hop)}
        if item in found:
            raise InvalidInput(error_message=f"Invalid format for routes: duplicate {destination} via {hop}")
        found.append(item)
    return found
