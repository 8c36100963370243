"""Who sees and changes what of networks: Neutron's rules (neutron/conf/policies)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuinova.core.context import RequestContext
from tuinova.core.errors.network import PolicyNotAuthorized
from tuinova.core.records import Network

# Attributes that only administrators give, by resource.
ADMIN_ONLY: Mapping[str, frozenset[str]] = {
    "network": frozenset(
        {
            "shared",
            "router:external",
            "provider:network_type",
            "provider:physical_network",
            "provider:segmentation_id",
        }
    ),
    "port": frozenset({"binding:host_id", "binding:profile", "tuinova:forwards"}),
    "subnet": frozenset(),
    "router": frozenset({"distributed", "ha"}),
    "floatingip": frozenset({"floating_ip_address"}),
    "security_group": frozenset({"shared"}),
}
# What a member may say all the same, because it is what he gets anyway.
_HARMLESS: Mapping[str, Any] = {"shared": False, "router:external": False}
ADMIN_MODES = frozenset({"routed", "provider"})


def owns(ctx: RequestContext, project_id: str) -> bool:
    """Whether it is the caller's project, or the caller an administrator."""
    return ctx.is_admin or (ctx.project_id is not None and ctx.project_id == project_id)


def sees_network(ctx: RequestContext, network: Network) -> bool:
    """Own, shared and external networks."""
    return owns(ctx, network.project_id) or network.shared or network.external


def may_join(ctx: RequestContext, network: Network) -> bool:
    """Whether the caller may make ports there: own and shared ones."""
    return owns(ctx, network.project_id) or network.shared


def refuse(action: str) -> PolicyNotAuthorized:
    """The refusal of one attribute or action."""
    return PolicyNotAuthorized(action=action)


def check_attributes(ctx: RequestContext, action: str, resource: str, body: Mapping[str, Any]) -> None:
    """Raise Neutron's 403 for an attribute that only administrators give."""
    if "member" not in ctx.all_roles:
        raise refuse(f"{action}_{resource}")
    if ctx.is_admin:
        return
    for name in sorted(ADMIN_ONLY.get(resource, ())):
        if name in body and body[name] is not None and body[name] != _HARMLESS.get(name, ...):
            raise refuse(f"{action}_{resource}:{name}")
    if resource == "network" and body.get("tuinova:mode") in ADMIN_MODES:
        raise refuse(f"{action}_{resource}:tuinova:mode")


def project_of(ctx: RequestContext, action: str, resource: str, body: Mapping[str, Any]) -> str:
    """Whose it shall be: the caller's, or another project's that an administrator names."""
    asked = body.get("project_id") or body.get("tenant_id")
    if asked and asked != ctx.project_id and not ctx.is_admin:
        raise refuse(f"{action}_{resource}")
    return str(asked or ctx.project_id or "")
