"""Availability zones: Nova's of the hosts, and the one zone that networks and volumes are in."""

from __future__ import annotations

from typing import Any

from tuinova.api.operations import Call, Operation
from tuinova.api.services import is_up
from tuinova.api.views import microseconds
from tuinova.core.records import Service

_COMPUTE = "nova-compute"


def zones(call: Call) -> Any:
    """Zones and whether one of their services is enabled; the internal one is hidden."""
    found: dict[str, bool] = {}
    for service in call.state.conductor.services(binary=_COMPUTE):
        zone = service.availability_zone
        found[zone] = found.get(zone, False) or not service.disabled
    rows = [
        {"zoneName": zone, "zoneState": {"available": available}, "hosts": None}
        for zone, available in sorted(found.items())
    ]
    return {"availabilityZoneInfo": rows}


def zones_detail(call: Call) -> Any:
    """Zones with their hosts and services."""
    found: dict[str, list[Service]] = {}
    for service in call.state.conductor.services():
        found.setdefault(service.availability_zone, []).append(service)
    return {"availabilityZoneInfo": [_zone(call, zone, members) for zone, members in sorted(found.items())]}


def _zone(call: Call, zone: str, members: list[Service]) -> dict[str, Any]:
    hosts: dict[str, dict[str, Any]] = {}
    for service in members:
        hosts.setdefault(service.host, {})[service.binary] = {
            "active": is_up(call, service),
            "available": not service.disabled,
            "updated_at": microseconds(service.last_seen_up),
        }
    available = any(not service.disabled for service in members)
    return {"zoneName": zone, "zoneState": {"available": available}, "hosts": hosts}


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
