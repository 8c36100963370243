"""Neutron's view of each record of networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tuinova.core.records import FloatingIp, Network, Port, Router, SecurityGroup, SecurityGroupRule, Subnet

Json = dict[str, Any]
_TYPES: Mapping[str, str] = {"provider": "flat"}


def _seconds(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def _common(record: Any) -> Json:
    return {
        "project_id": record.project_id,
        "tenant_id": record.project_id,
        "description": record.description,
        "created_at": _seconds(record.created_at),
        "updated_at": _seconds(getattr(record, "updated_at", None) or record.created_at),
        "revision_number": 1 if getattr(record, "updated_at", None) is None else 2,
        "tags": list(getattr(record, "tags", ())),
    }


def network(record: Network, subnets: Sequence[str], *, admin: bool) -> Json:
    """A network; where it is and why a host could not make it is for administrators."""
    view = {
        "id": record.id,
        "name": record.name,
        **_common(record),
        "admin_state_up": record.admin_state_up,
        "status": "ERROR" if record.faults else "ACTIVE",
        "subnets": list(subnets),
        "shared": record.shared,
        "router:external": record.external,
        "mtu": record.mtu,
        "port_security_enabled": record.port_security_enabled,
        "dns_domain": record.dns_domain,
        "is_default": False,
        "qos_policy_id": None,
        "availability_zone_hints": [],
        "availability_zones": ["nova"],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "l2_adjacency": True,
        "tuinova:mode": record.mode,
    }
    if admin:
        view["provider:network_type"] = _TYPES.get(record.mode, "local")
        view["provider:physical_network"] = record.bridge
        view["provider:segmentation_id"] = None
        view["tuinova:faults"] = dict(record.faults)
    return view


def subnet(record: Subnet) -> Json:
    """A subnet."""
    return {
        "id": record.id,
        "name": record.name,
        **_common(record),
        "network_id": record.network_id,
        "ip_version": record.ip_version,
        "cidr": record.cidr,
        "gateway_ip": record.gateway_ip,
        "enable_dhcp": record.enable_dhcp,
        "dns_nameservers": list(record.dns_nameservers),
        "host_routes": list(record.host_routes),
        "allocation_pools": list(record.allocation_pools),
        "ipv6_ra_mode": record.ipv6_ra_mode,
        "ipv6_address_mode": record.ipv6_address_mode,
        "subnetpool_id": None,
        "segment_id": None,
        "service_types": [],
        "dns_publish_fixed_ip": False,
    }


def port(record: Port, subnet_ids: Mapping[tuple[str, str], str], *, admin: bool) -> Json:
    """A port; `subnet_ids`: (host, network name) to the subnet that a host's own network is."""
    fallback = subnet_ids.get((record.host, record.network), "")
    view = {
        "id": record.id,
        "name": record.name,
        **_common(record),
        "network_id": record.network_id,
        "mac_address": record.mac,
        "admin_state_up": record.admin_state_up,
        "status": "ACTIVE" if record.device_id and (record.host or not record.instance_uuid) else "DOWN",
        "device_id": record.device_id,
        "device_owner": record.device_owner,
        "fixed_ips": [
            {"subnet_id": fixed.subnet_id or fallback, "ip_address": fixed.address} for fixed in record.fixed_ips
        ],
        "allowed_address_pairs": [{"mac_address": record.mac, **pair} for pair in record.allowed_address_pairs],
        "security_groups": list(record.security_groups),
        "port_security_enabled": record.port_security_enabled,
        "extra_dhcp_opts": [],
        "dns_name": "",
        "dns_domain": "",
        "dns_assignment": [],
        "ip_allocation": "immediate" if record.fixed_ips else "deferred",
        "propagate_uplink_status": None,
        "qos_policy_id": None,
        "qos_network_policy_id": None,
        "resource_request": None,
        "binding:vnic_type": "normal",
        "tuinova:forwards": list(record.forwards),
    }
    if admin:
        view["binding:host_id"] = record.host
        view["binding:vif_type"] = "bridge" if record.host else "unbound"
        view["binding:vif_details"] = {}
        view["binding:profile"] = {}
    return view


def rule(record: SecurityGroupRule) -> Json:
    """A rule of a security group."""
    return {
        "id": record.id,
        **_common(record),
        "security_group_id": record.security_group_id,
        "direction": record.direction,
        "ethertype": record.ethertype,
        "protocol": record.protocol,
        "port_range_min": record.port_range_min,
        "port_range_max": record.port_range_max,
        "remote_ip_prefix": record.remote_ip_prefix,
        "remote_group_id": record.remote_group_id,
        "remote_address_group_id": None,
        "normalized_cidr": record.remote_ip_prefix,
    }


def security_group(record: SecurityGroup) -> Json:
    """A security group with its rules."""
    return {
        "id": record.id,
        "name": record.name,
        **_common(record),
        "stateful": True,
        "shared": False,
        "security_group_rules": [rule(one) for one in record.rules],
    }


def router(record: Router) -> Json:
    """A router."""
    gateway = None
    if record.external_network_id is not None:
        gateway = {
            "network_id": record.external_network_id,
            "enable_snat": record.enable_snat,
            "external_fixed_ips": [
                {"subnet_id": fixed.subnet_id, "ip_address": fixed.address} for fixed in record.gateway
            ],
        }
    return {
        "id": record.id,
        "name": record.name,
        **_common(record),
        "admin_state_up": record.admin_state_up,
        "status": "ACTIVE",
        "external_gateway_info": gateway,
        "routes": list(record.routes),
        "distributed": False,
        "ha": False,
        "flavor_id": None,
        "availability_zone_hints": [],
        "availability_zones": ["nova"],
        "enable_ndp_proxy": False,
    }


def floating_ip(record: FloatingIp) -> Json:
    """A floating address."""
    return {
        "id": record.id,
        **_common(record),
        "floating_ip_address": record.floating_ip_address,
        "floating_network_id": record.floating_network_id,
        "fixed_ip_address": record.fixed_ip_address,
        "port_id": record.port_id,
        "router_id": record.router_id,
        "status": "ACTIVE" if record.port_id else "DOWN",
        "dns_name": "",
        "dns_domain": "",
        "port_details": None,
        "port_forwardings": [],
        "qos_policy_id": None,
    }
