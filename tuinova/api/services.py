"""/os-services."""

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


def is_up(call: Call, service: Service) -> bool:
    """Whether it was heard of of late."""
    return service.up(datetime.now(UTC), call.state.service_down_time)


def _view(call: Call, service: Service) -> dict[str, Any]:
    return {
        "id": service.uuid,
        "binary": service.binary,
        "host": service.host,
        "zone": service.availability_zone,
        "status": "disabled" if service.disabled else "enabled",
        "state": "up" if is_up(call, service) else "down",
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


OPERATIONS = (
    Operation("GET", "/os-services", index, rule=_RULE + "list"),
    Operation("PUT", "/os-services/{id}", update, 200, _RULE + "update", schemas.SERVICE),
    Operation("DELETE", "/os-services/{id}", delete, 204, _RULE + "delete"),
)
