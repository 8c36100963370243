"""Bodies of the network face: what may stand in them, by Neutron's names."""

from __future__ import annotations

from typing import Any

from tuinova.api.schemas import types
from tuinova.api.schemas.types import Schema, obj, or_null

_NAME = or_null(types.text(0, 255))
_ID: Schema = {"type": "string", "minLength": 1, "maxLength": 64}
_BOOL: Schema = {"type": "boolean"}
_ADDRESS = types.text(1, 64)
_TAGS: Schema = {"type": "array", "items": types.text(1, 255), "maxItems": 50}
_COMMON: Schema = {"name": _NAME, "description": _NAME}
_OWNER: Schema = {"project_id": or_null(_ID), "tenant_id": or_null(_ID)}
_IGNORED: Schema = {"type": ["string", "array", "object", "boolean", "integer", "null"]}
_POOLS: Schema = {
    "type": "array",
    "maxItems": 64,
    "items": obj({"start": _ADDRESS, "end": _ADDRESS}, "start", "end"),
}
_ROUTES: Schema = {
    "type": ["array", "null"],
    "maxItems": 64,
    "items": obj({"destination": _ADDRESS, "nexthop": _ADDRESS}, "destination", "nexthop"),
}
_ADDRESSES: Schema = {"type": ["array", "null"], "maxItems": 16, "items": _ADDRESS}
_FIXED: Schema = {
    "type": ["array", "null"],
    "maxItems": 64,
    "items": obj({"subnet_id": or_null(_ID), "ip_address": or_null(_ADDRESS)}),
}
_PAIRS: Schema = {
    "type": ["array", "null"],
    "maxItems": 32,
    "items": obj({"ip_address": _ADDRESS, "mac_address": or_null(types.text(1, 32))}, "ip_address"),
}
_PORT_NUMBER: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
_FORWARDS: Schema = {
    "type": ["array", "null"],
    "maxItems": 64,
    "items": obj(
        {
            "protocol": {"type": "string", "enum": ["tcp", "udp"]},
            "host_port": _PORT_NUMBER,
            "guest_port": _PORT_NUMBER,
            "host_address": or_null(_ADDRESS),
        },
        "protocol",
        "host_port",
        "guest_port",
    ),
}


def _pair(noun: str, shared: dict[str, Any], create: dict[str, Any], *required: str) -> tuple[Schema, Schema]:
    """The bodies of create and update."""
    made = obj({**shared, **create, **_OWNER}, *required)
    return obj({noun: made}, noun), obj({noun: obj(shared)}, noun)


NETWORK, NETWORK_UPDATE = _pair(
    "network",
    {
        **_COMMON,
        "admin_state_up": _BOOL,
        "shared": _BOOL,
        "mtu": {"type": ["integer", "null"], "minimum": 576, "maximum": 65535},
        "port_security_enabled": _BOOL,
        "dns_domain": or_null(types.text(0, 255, pattern=r"^[A-Za-z0-9.-]*$")),
        "router:external": _BOOL,
        "provider:network_type": or_null(types.text(1, 32)),
        "provider:physical_network": or_null(types.text(1, 15, pattern=r"^[^\s/:]+$")),
        "provider:segmentation_id": {"type": ["integer", "null"]},
        "tuinova:mode": {"type": "string", "enum": ["nat", "routed", "isolated", "provider"]},
        "is_default": _IGNORED,
        "qos_policy_id": {"type": "null"},
    },
    {"availability_zone_hints": {"type": "array", "maxItems": 0}, "vlan_transparent": _IGNORED},
)
SUBNET, SUBNET_UPDATE = _pair(
    "subnet",
    {
        **_COMMON,
        "enable_dhcp": _BOOL,
        "gateway_ip": {"type": ["string", "null"], "maxLength": 64},
        "dns_nameservers": _ADDRESSES,
        "host_routes": _ROUTES,
        "allocation_pools": _POOLS,
        "service_types": {"type": "array", "maxItems": 0},
        "dns_publish_fixed_ip": _IGNORED,
    },
    {
        "network_id": _ID,
        "ip_version": {"type": "integer", "enum": [4, 6]},
        "cidr": or_null(types.text(1, 64)),
        "ipv6_ra_mode": {"enum": ["slaac", "dhcpv6-stateful", "dhcpv6-stateless", None]},
        "ipv6_address_mode": {"enum": ["slaac", "dhcpv6-stateful", "dhcpv6-stateless", None]},
        "subnetpool_id": {"type": "null"},
        "prefixlen": {"type": "null"},
        "segment_id": {"type": "null"},
    },
    "network_id",
)
PORT, PORT_UPDATE = _pair(
    "port",
    {
        **_COMMON,
        "admin_state_up": _BOOL,
        "mac_address": or_null(types.text(1, 32)),
        "fixed_ips": _FIXED,
        "security_groups": {"type": ["array", "null"], "items": _ID, "maxItems": 64},
        "port_security_enabled": {"type": ["boolean", "null"]},
        "allowed_address_pairs": _PAIRS,
        "device_id": or_null(types.text(0, 255)),
        "device_owner": or_null(types.text(0, 255)),
        "binding:host_id": _IGNORED,
        "binding:profile": _IGNORED,
        "binding:vnic_type": {"enum": ["normal", None]},
        "dns_name": _IGNORED,
        "dns_domain": _IGNORED,
        "extra_dhcp_opts": {"type": ["array", "null"], "maxItems": 0},
        "qos_policy_id": {"type": "null"},
        "tuinova:forwards": _FORWARDS,
    },
    {"network_id": _ID},
    "network_id",
)
SECURITY_GROUP, SECURITY_GROUP_UPDATE = _pair("security_group", {**_COMMON, "stateful": {"enum": [True, None]}}, {})
_RULE_PORT: Schema = {"type": ["integer", "string", "null"], "pattern": "^-?[0-9]{1,9}$"}
_RULE = obj(
    {
        "security_group_id": _ID,
        "direction": {"type": "string", "enum": ["ingress", "egress"]},
        "ethertype": or_null(types.text(0, 8)),
        "protocol": {"type": ["string", "integer", "null"], "maxLength": 40},
        "port_range_min": _RULE_PORT,
        "port_range_max": _RULE_PORT,
        "remote_ip_prefix": or_null(types.text(0, 64)),
        "remote_group_id": or_null(_ID),
        "remote_address_group_id": {"type": "null"},
        "description": _NAME,
        **_OWNER,
    },
    "security_group_id",
    "direction",
)
RULE = {
    "type": "object",
    "properties": {
        "security_group_rule": _RULE,
        "security_group_rules": {"type": "array", "minItems": 1, "maxItems": 100, "items": _RULE},
    },
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
}
ROUTER, ROUTER_UPDATE = _pair(
    "router",
    {
        **_COMMON,
        "admin_state_up": _BOOL,
        "external_gateway_info": {
            "type": ["object", "null"],
            "properties": {
                "network_id": _ID,
                "enable_snat": _BOOL,
                "external_fixed_ips": _FIXED,
                "qos_policy_id": {"type": "null"},
            },
            "additionalProperties": False,
        },
        "routes": _ROUTES,
        "distributed": {"enum": [False, None]},
        "ha": {"enum": [False, None]},
    },
    {"availability_zone_hints": {"type": "array", "maxItems": 0}, "flavor_id": {"type": "null"}},
)
ROUTER_INTERFACE = obj({"subnet_id": _ID, "port_id": _ID})
FLOATING_IP, FLOATING_IP_UPDATE = _pair(
    "floatingip",
    {"port_id": or_null(_ID), "fixed_ip_address": or_null(_ADDRESS), "description": _NAME, "qos_policy_id": _IGNORED},
    {
        "floating_network_id": _ID,
        "subnet_id": or_null(_ID),
        "floating_ip_address": or_null(_ADDRESS),
        "dns_name": _IGNORED,
        "dns_domain": _IGNORED,
        "tags": _TAGS,
    },
    "floating_network_id",
)
_LIMIT: Schema = {"type": ["integer", "string"], "pattern": "^-?[0-9]{1,9}$"}
QUOTA = obj({"quota": {"type": "object", "additionalProperties": _LIMIT, "maxProperties": 64}}, "quota")
TAGS = obj({"tags": {**_TAGS, "uniqueItems": True}}, "tags")
