"""/os-services and /os-availability-zone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tuinova.api.operations import Call, Operation
from tuinova.api.schemas import catalogue as schemas
from tuinova.api.schemas.types import is_true
from tuinova.api.views import microseconds
from tuinova.core.errors import Invalid
from tuinova.core.records import Service

_RULE = "os_compute_api:os-services:"
_COMPUTE = "nova-compute"


def _up(call: Call, service: Service) -> bool:
    return service.up(datetime.now(UTC), call.state.service_down_time)


def _view(call: Call, service: Service) -> dict[str, Any]:
    return {
        "id": service.uuid,
        "binary": service.binary,
        "host": service.host,
        "zone": service.availability_zone,
        "status": "disabled" if service.disabled else "enabled",
        "state": "up" if _up(call, service) else "down",
        "updated_at": microseconds(service.last_seen_up or service.updated_at),
        "disabled_reason": service.disabled_reason,
        "forced_down": service.forced_down,
    }


def index(call: Call) -> Any:
    """Services; filters `host`, `binary`."""
    found = call.state.conductor.services(call.query.get("host"), call.query.get("binary"))
    return {"services": [_view(call, service) for service in found]}


def update(call: Call) -> Any:
    """Enable, disable with a reason, force down (compute services only, as in Nova)."""
    service = call.state.conductor.service(call.param("id"))
    if service.binary != _COMPUTE:
        raise Invalid(
            f"Updating a {service.binary} service is not supported. Only nova-compute services can be updated."
        )
    asked = call.body
    if "disabled_reason" in asked and asked.get("status") != "disabled":
        raise Invalid("Specifying disabled_reason requires that status is disabled.")
    changes: dict[str, Any] = {}
    if "status" in asked:
        changes["disabled"] = asked["status"] == "disabled"
        changes["disabled_reason"] = asked.get("disabled_reason")
    if "forced_down" in asked:
        changes["forced_down"] = is_true(asked["forced_down"])
    changed = call.state.conductor.set_service(service.host, service.binary, **changes)
    return {"service": _view(call, changed)}


def delete(call: Call) -> None:
    """Forget a service that holds no servers."""
    call.state.conductor.delete_service(call.param("id"))


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
            "active": _up(call, service),
            "available": not service.disabled,
            "updated_at": microseconds(service.last_seen_up),
        }
    available = any(not service.disabled for service in members)
    return {"zoneName": zone, "zoneState": {"available": available}, "hosts": hosts}


_ZONES = "os_compute_api:os-availability-zone:"
OPERATIONS = (
    Operation("GET", "/os-services", index, rule=_RULE + "list"),
    Operation("PUT", "/os-services/{id}", update, 200, _RULE + "update", schemas.SERVICE),
    Operation("DELETE", "/os-services/{id}", delete, 204, _RULE + "delete"),
    Operation("GET", "/os-availability-zone", zones, rule=_ZONES + "list"),
    Operation("GET", "/os-availability-zone/detail", zones_detail, rule=_ZONES + "detail"),
)
