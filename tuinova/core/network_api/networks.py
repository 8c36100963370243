"""Networks as their users ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuinova.core.conductor import Conductor
from tuinova.core.context import RequestContext
from tuinova.core.drafts import new_uuid
from tuinova.core.errors.network import InvalidInput, NetworkInUse, NetworkNotFound
from tuinova.core.network_api import access
from tuinova.core.network_api.hosts import NetworkHosts
from tuinova.core.network_specs import network_spec
from tuinova.core.records import Network
from tuinova.virt.networks import NetworkMode

_PLAIN = ("name", "description", "admin_state_up", "mtu", "port_security_enabled", "shared", "dns_domain", "tags")
_OF_TYPE: Mapping[str, NetworkMode] = {"flat": NetworkMode.PROVIDER, "local": NetworkMode.ISOLATED}
_OURS = frozenset({NetworkMode.NAT, NetworkMode.ROUTED, NetworkMode.ISOLATED, NetworkMode.PROVIDER})


@dataclass(frozen=True, slots=True)
class NetworkCalls:
    """Create, show, change, delete."""

    conductor: Conductor
    hosts: NetworkHosts

    def all(self, ctx: RequestContext) -> list[Network]:
        """What the caller sees."""
        return [network for network in self.conductor.networks() if access.sees_network(ctx, network)]

    def get(self, ctx: RequestContext, ident: str) -> Network:
        """One of them; raises NetworkNotFound."""
        network = self.conductor.network(ident)
        if not access.sees_network(ctx, network):
            raise NetworkNotFound(net_id=ident)
        return network

    def mine(self, ctx: RequestContext, ident: str, action: str) -> Network:
        """One that the caller may change; what he only sees is 403."""
        network = self.get(ctx, ident)
        if "member" not in ctx.all_roles or not access.owns(ctx, network.project_id):
            raise access.refuse(f"{action}_network")
        return network

    def create(self, ctx: RequestContext, body: Mapping[str, Any]) -> Network:
        """A new network; its subnets come later."""
        access.check_attributes(ctx, "create", "network", body)
        mode, bridge, kind = _mode(body)
        if not ctx.is_admin and mode in access.ADMIN_MODES:
            raise access.refuse("create_network:tuinova:mode")
        network = Network(
            id=new_uuid(),
            name=body.get("name") or "",
            project_id=access.project_of(ctx, "create", "network", body),
            description=body.get("description") or "",
            mode=mode,
            bridge=bridge,
            network_type=kind,
            shared=bool(body.get("shared")),
            external=bool(body.get("router:external")),
            admin_state_up=body.get("admin_state_up", True),
            mtu=body.get("mtu") or 1500,
            port_security_enabled=body.get("port_security_enabled", True),
            dns_domain=body.get("dns_domain") or "",
            tags=[],
            faults={},
        )
        self.hosts.refuse_mode(mode)
        self.hosts.check(network_spec(network, ()))
        return self.conductor.create_network(network)

    def update(self, ctx: RequestContext, ident: str, body: Mapping[str, Any]) -> Network:
        """Change what can be changed: where it is and how it reaches the outside can't."""
        network = self.mine(ctx, ident, "update")
        access.check_attributes(ctx, "update", "network", body)
        for name in ("provider:network_type", "provider:physical_network", "provider:segmentation_id", "tuinova:mode"):
            if name in body:
                raise InvalidInput(error_message=f"{name} of a network can't be changed; make another one")
        values = {name: body[name] for name in _PLAIN if name in body}
        if "router:external" in body:
            values["external"] = body["router:external"]
        if values.get("shared") is False and network.shared:
            self._refuse_unshare(network)
        return self.conductor.update_network(ident, values) if values else network

    def _refuse_unshare(self, network: Network) -> None:
        """Others have ports on it."""
        ports = self.conductor.all_ports(network_id=network.id)
        if any(port.project_id not in ("", network.project_id) for port in ports):
            raise NetworkInUse(
                f"Unable to reconfigure sharing settings for network {network.id}. Multiple tenants are using it.",
                net_id=network.id,
            )

    def delete(self, ctx: RequestContext, ident: str) -> None:
        """Remove it with its subnets."""
        self.mine(ctx, ident, "delete")
        self.conductor.delete_network(ident)


def _mode(body: Mapping[str, Any]) -> tuple[NetworkMode, str | None, str | None]:
    """(mode, bridge, Neutron's network type) of a new network."""
    kind, bridge = body.get("provider:network_type"), body.get("provider:physical_network")
    if body.get("provider:segmentation_id") is not None:
        raise InvalidInput(error_message="segmentation_id is not used: networks here are flat or the host's own")
    if kind is not None and kind not in _OF_TYPE:
        raise InvalidInput(
            error_message=f"Network type '{kind}' is not supported: use one of {', '.join(sorted(_OF_TYPE))}"
        )
    asked = body.get("tuinova:mode")
    if asked is not None:
        mode = NetworkMode(asked)
    elif kind is not None:
        mode = _OF_TYPE[kind]
    elif bridge is not None:
        mode = NetworkMode.PROVIDER
    else:
        mode = NetworkMode.ROUTED if body.get("router:external") else NetworkMode.NAT
    if mode not in _OURS:
        raise InvalidInput(error_message=f"networks of mode {mode} are the host's: they can't be made")
    if kind is not None and (mode is NetworkMode.PROVIDER) != (kind == "flat"):
        raise InvalidInput(error_message=f"a network of type {kind} can't be of mode {mode}")
    if mode is NetworkMode.PROVIDER and not bridge:
        raise InvalidInput(error_message="physical_network required for flat provider network")
    if bridge is not None and mode not in (NetworkMode.PROVIDER, NetworkMode.ROUTED):
        raise InvalidInput(error_message=f"physical_network can't be given for a network of mode {mode}")
    return mode, bridge, kind
