"""Ports as their users ask for them."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuinova.core.conductor import Conductor
from tuinova.core.conductor.own_ports import FixedWish, PortDraft
from tuinova.core.context import RequestContext
from tuinova.core.errors.network import InvalidInput, NetworkNotFound, PortNotFound, SecurityGroupNotFound
from tuinova.core.network_api import access
from tuinova.core.network_api.networks import NetworkCalls
from tuinova.core.network_api.security_groups import GroupCalls
from tuinova.core.records import Network, Port

_PLAIN = ("name", "description", "admin_state_up", "port_security_enabled", "tags")


@dataclass(frozen=True, slots=True)
class PortCalls:
    """Create, show, change, delete."""

    conductor: Conductor
    networks: NetworkCalls
    groups: GroupCalls

    def all(self, ctx: RequestContext, *, device_id: str | None, network_id: str | None) -> list[Port]:
        """The caller's own, and all ports of his own networks."""
        found = self.conductor.all_ports(device_id=device_id, network_id=network_id)
        if ctx.is_admin:
            return found
        mine = {network.id for network in self.conductor.networks() if access.owns(ctx, network.project_id)}
        return [port for port in found if access.owns(ctx, port.project_id) or port.network_id in mine]

    def get(self, ctx: RequestContext, ident: str) -> Port:
        """One of them; raises PortNotFound."""
        port = self.conductor.port(ident)
        if not access.owns(ctx, port.project_id):
            network = self.conductor.network(port.network_id)
            if not access.owns(ctx, network.project_id):
                raise PortNotFound(port_id=ident)
        return port

    def mine(self, ctx: RequestContext, ident: str, action: str) -> Port:
        """One that the caller may change."""
        port = self.get(ctx, ident)
        if "member" not in ctx.all_roles:
            raise access.refuse(f"{action}_port")
        return port

    def create(self, ctx: RequestContext, body: Mapping[str, Any]) -> Port:
        """A new port that belongs to no server yet."""
        access.check_attributes(ctx, "create", "port", body)
        network = self.networks.get(ctx, body["network_id"])
        if not access.may_join(ctx, network):
            raise NetworkNotFound(net_id=network.id) if not network.external else access.refuse("create_port")
        self._check_privileges(ctx, "create", network, body)
        _refuse_device(body)
        values: dict[str, Any] = {
            "name": body.get("name") or "",
            "description": body.get("description") or "",
            "admin_state_up": body.get("admin_state_up", True),
            "allowed_address_pairs": _pairs(body.get("allowed_address_pairs") or []),
            "forwards": _forwards(body.get("tuinova:forwards") or [], network),
        }
        draft = PortDraft(
            network_id=network.id,
            project_id=access.project_of(ctx, "create", "port", body),
            mac=_mac(body["mac_address"]) if body.get("mac_address") else None,
            fixed_ips=None if body.get("fixed_ips") is None else _fixed(body["fixed_ips"]),
            security_groups=self._seen_groups(ctx, body.get("security_groups")),
            port_security_enabled=body.get("port_security_enabled"),
            values=values,
        )
        return self.conductor.create_port(draft)

    def update(self, ctx: RequestContext, ident: str, body: Mapping[str, Any]) -> Port:
        """Change a port; where it is and who has it is the server's business."""
        port = self.mine(ctx, ident, "update")
        access.check_attributes(ctx, "update", "port", body)
        network = self.conductor.network(port.network_id)
        self._check_privileges(ctx, "update", network, body)
        values: dict[str, Any] = {name: body[name] for name in _PLAIN if body.get(name) is not None}
        _refuse_device(body)
        if "allowed_address_pairs" in body:
            values["allowed_address_pairs"] = _pairs(body["allowed_address_pairs"] or [])
        if "tuinova:forwards" in body:
            values["forwards"] = _forwards(body["tuinova:forwards"] or [], network)
        if body.get("mac_address"):
            values["mac"] = _mac(body["mac_address"])
        fixed = body.get("fixed_ips")
        return self.conductor.update_port(
            ident,
            values,
            fixed_ips=None if fixed is None else _fixed(fixed),
            security_groups=self._seen_groups(ctx, body.get("security_groups")),
        )

    def _check_privileges(self, ctx: RequestContext, action: str, network: Network, body: Mapping[str, Any]) -> None:
        """On another project's network: no wishes of address, MAC or firewall."""
        if access.owns(ctx, network.project_id):
            return
        for name in ("mac_address", "port_security_enabled", "allowed_address_pairs"):
            if body.get(name) not in (None, []):
                raise access.refuse(f"{action}_port:{name}")
        for wish in body.get("fixed_ips") or []:
            if wish.get("ip_address"):
                raise access.refuse(f"{action}_port:fixed_ips:ip_address")

    def _seen_groups(self, ctx: RequestContext, asked: Sequence[str] | None) -> Sequence[str] | None:
        for ident in asked or ():
            if not access.owns(ctx, self.conductor.security_group(ident).project_id):
                raise SecurityGroupNotFound(id=ident)
        return asked

    def delete(self, ctx: RequestContext, ident: str) -> None:
        """Remove it."""
        self.mine(ctx, ident, "delete")
        self.conductor.delete_port(ident)


def _refuse_device(body: Mapping[str, Any]) -> None:
    """Whose a port is says the server or router that has it: a name in a body would plug it into anybody's guest."""
    for name in ("device_id", "device_owner"):
        if body.get(name):
            raise InvalidInput(
                error_message=f"{name} is set by tuinova itself: attach the port to a server or a router"
            )


# what may stand in a port's body -------------------------------------------------------------------------------------
def _mac(text: str) -> str:
    parts = text.lower().replace("-", ":").split(":")
    if len(parts) != 6 or any(len(part) != 2 or not set(part) <= set("0123456789abcdef") for part in parts):
        raise InvalidInput(error_message=f"'{text}' is not a valid MAC address")
    if int(parts[0], 16) & 1 or set(parts) == {"00"}:
        raise InvalidInput(error_message=f"'{text}' is no MAC address of one guest")
    return ":".join(parts)


def _fixed(wishes: Sequence[Mapping[str, Any]]) -> list[FixedWish]:
    found: list[FixedWish] = []
    for wish in wishes:
        address = wish.get("ip_address")
        if address is not None:
            try:
                address = str(ipaddress.ip_address(address))
            except ValueError:
                raise InvalidInput(error_message=f"'{address}' is not a valid IP address") from None
        elif wish.get("subnet_id") is None:
            raise InvalidInput(error_message="IP allocation requires subnet_id or ip_address")
        found.append((wish.get("subnet_id"), address))
    return found


def _pairs(pairs: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for pair in pairs:
        try:
            network = ipaddress.ip_network(pair["ip_address"], strict=False)
        except ValueError:
            raise InvalidInput(error_message=f"'{pair['ip_address']}' is not a valid IP address") from None
        whole = network.prefixlen == network.max_prefixlen
        item = {"ip_address": str(network.network_address) if whole else str(network)}
        if pair.get("mac_address"):
            item["mac_address"] = _mac(pair["mac_address"])
        if item in found:
            raise InvalidInput(error_message=f"Request contains duplicate address pair: {item['ip_address']}")
        found.append(item)
    return found


def _forwards(wishes: Sequence[Mapping[str, Any]], network: Network) -> list[dict[str, Any]]:
    """Ports of the host that lead to the guest: only where the guest is not reached otherwise."""
    if wishes and network.mode != "user":
        raise InvalidInput(
            error_message=f"tuinova:forwards are for user-mode networking; guests of network {network.id} are reached "
            "at their addresses"
        )
    found = []
    for wish in wishes:
        host_address = wish.get("host_address") or "127.0.0.1"
        try:
            ipaddress.ip_address(host_address)
        except ValueError:
            raise InvalidInput(error_message=f"'{host_address}' is not a valid IP address") from None
        found.append(
            {
                "protocol": wish["protocol"],
                "host_port": wish["host_port"],
                "guest_port": wish["guest_port"],
                "host_address": host_address,
            }
        )
    taken = [(one["protocol"], one["host_port"], one["host_address"]) for one in found]
    if len(set(taken)) != len(taken):
        raise InvalidInput(error_message="the same port of the host is forwarded twice")
    return found
