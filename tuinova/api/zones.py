"""Availability zones: Nova's of the hosts, and the one zone that networks and volumes are in."""

from __future__ import annotations

from typing import Any

from tuinova.api.operations import Call, Operation
from tuinova.api.services import is_up
from tuinova.api.views import microseconds
from tuinova.core.records import Service

_COMPUTE = "nova-compute"


def _by_zone(services: list[Service]) -> dict[str, list[Service]]:
    """Enabled services by zone: those zones that are available first, then those that have none."""
    found: dict[str, list[Service]] = {}
    for service in services:
        members = found.setdefault(service.availability_zone, [])
        if not service.disabled:
            members.append(service)
    return {zone: found[zone] for zone in sorted(found, key=lambda zone: (not found[zone], zone))}


def zones(call: Call) -> Any:
    """Zones and whether one of their services is enabled; the internal one is hidden."""
    rows = [
        {"zoneName": zone, "zoneState": {"available": bool(enabled)}, "hosts": None}
        for zone, enabled in _by_zone(call.state.conductor.services(binary=_COMPUTE)).items()
    ]
    return {"availabilityZoneInfo": rows}


def zones_detail(call: Call) -> Any:
    """Zones with their hosts and enabled services: `active` is enabled, `available` is heard of of late."""
    rows = [
        {
            "zoneName": zone,
            "zoneState": {"available": bool(enabled)},
            "hosts": _hosts(call, enabled) if enabled else None,
        }
        for zone, enabled in _by_zone(call.state.conductor.services()).items()
    ]
    return {"availabilityZoneInfo": rows}


def _hosts(call: Call, services: list[Service]) -> dict[str, dict[str, Any]]:
    hosts: dict[str, dict[str, Any]] = {}
    for service in services:
        hosts.setdefault(service.host, {})[service.binary] = {
            "available": is_up(call, service),
            "active": not service.disabled,
            "updated_at": microseconds(service.last_seen_up),
        }
    return hosts


def _any_up(call: Call) -> bool:
    """Networks and volumes are served by the compute hosts' drivers."""
    return any(is_up(call, service) for service in call.state.conductor.services(binary=_COMPUTE))


def network_zones(call: Call) -> Any:
    """Neutron's: the default zone, of networks and of routers."""
    state = "available" if _any_up(call) else "unavailable"
    name = call.state.conductor.default_availability_zone
    rows = [{"name": name, "resource": resource, "state": state} for resource in ("network", "router")]
    return {"availability_zones": rows}


def volume_zones(call: Call) -> Any:
    """Cinder's: the default zone."""
    name = call.state.conductor.default_availability_zone
    return {"availabilityZoneInfo": [{"zoneName": name, "zoneState": {"available": _any_up(call)}}]}


_RULE = "os_compute_api:os-availability-zone:"
OPERATIONS = (
    Operation("GET", "/os-availability-zone", zones, rule=_RULE + "list"),
    Operation("GET", "/os-availability-zone/detail", zones_detail, rule=_RULE + "detail"),
)
NETWORK_OPERATIONS = (Operation("GET", "/availability_zones", network_zones, rule="get_availability_zone"),)
VOLUME_OPERATIONS = (
    Operation("GET", "/os-availability-zone", volume_zones, rule="volume_extension:availability_zone_list"),
)
