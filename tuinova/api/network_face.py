"""What Neutron's face has beside its nouns: versions, extensions, and lists of what is not here."""

from __future__ import annotations

from typing import Any

from tuinova.api.operations import Call, Operation
from tuinova.core.errors.network import ExtensionNotFound

_UPDATED = "2013-01-01T10:00:00-00:00"
# Alias and name of what is served beyond the core.
_SERVED = {
    "allowed-address-pairs": "Allowed Address Pairs",
    "availability_zone": "Availability Zone",
    "binding": "Port Binding",
    "ext-gw-mode": "Neutron L3 Configurable external gateway mode",
    "external-net": "Neutron external network",
    "extraroute": "Neutron Extra Route",
    "net-mtu": "Network MTU",
    "net-mtu-writable": "Network MTU (writable)",
    "pagination": "Pagination support",
    "port-security": "Port Security",
    "project-id": "project_id field enabled",
    "provider": "Provider Network",
    "quotas": "Quota management support",
    "quota_details": "Quota details management support",
    "router": "Neutron L3 Router",
    "security-group": "security-group",
    "sorting": "Sorting support",
    "standard-attr-description": "standard-attr-description",
    "standard-attr-tag": "Tag support for resources with standard attribute",
    "standard-attr-timestamp": "Resource timestamps",
}


def _version(call: Call) -> dict[str, Any]:
    links = [{"rel": "self", "href": f"{call.base_url}/network/v2.0/"}]
    return {"id": "v2.0", "status": "CURRENT", "links": links}


def versions(call: Call) -> Any:
    """GET /network/."""
    return {"versions": [_version(call)]}


def resources(call: Call) -> Any:
    """GET /network/v2.0/: the nouns."""
    nouns = ("networks", "subnets", "ports", "security-groups", "security-group-rules", "routers", "floatingips")
    return {
        "resources": [
            {
                "name": noun.rstrip("s"),
                "collection": noun,
                "links": [{"rel": "self", "href": f"{call.base_url}/network/v2.0/{noun}"}],
            }
            for noun in nouns
        ]
    }


def _extension(alias: str) -> dict[str, Any]:
    name = _SERVED[alias]
    return {"alias": alias, "name": name, "description": name, "links": [], "updated": _UPDATED}


def extensions(call: Call) -> Any:
    """What is served beyond the core."""
    return {"extensions": [_extension(alias) for alias in _SERVED]}


def extension(call: Call) -> Any:
    """One of them."""
    alias = call.param("alias")
    if alias not in _SERVED:
        raise ExtensionNotFound(alias=alias[:80])
    return {"extension": _extension(alias)}


def _empty(key: str) -> Any:
    def handler(call: Call) -> Any:
        return {key: []}

    return handler


ROOT = (Operation("GET", "/", versions),)
OPERATIONS = (
    Operation("GET", "/", resources),
    Operation("GET", "/extensions", extensions),
    Operation("GET", "/extensions/{alias}", extension),
    Operation("GET", "/subnetpools", _empty("subnetpools")),
    Operation("GET", "/address-scopes", _empty("address_scopes")),
    Operation("GET", "/agents", _empty("agents")),
    Operation("GET", "/rbac-policies", _empty("rbac_policies")),
    Operation("GET", "/trunks", _empty("trunks")),
)
