"""/os-aggregates: groups of hosts, their zone and metadata, and images brought to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tuinova.api.operations import Call, Operation
from tuinova.api.schemas import aggregates as schemas
from tuinova.api.validation import Schema, validate
from tuinova.api.views import microseconds
from tuinova.core.errors import Invalid, InvalidInput
from tuinova.core.policy import authorize
from tuinova.core.records import Aggregate

_RULE = "os_compute_api:os-aggregates:"
_DIGITS = 18


def view(aggregate: Aggregate) -> dict[str, Any]:
    """Nova's body of one."""
    return {
        "id": aggregate.id,
        "uuid": aggregate.uuid,
        "name": aggregate.name,
        "availability_zone": aggregate.availability_zone,
        "hosts": list(aggregate.hosts),
        "metadata": aggregate.metadata,
        "created_at": microseconds(aggregate.created_at),
        "updated_at": microseconds(aggregate.updated_at),
        "deleted": False,
        "deleted_at": None,
    }


def _id(call: Call) -> int:
    text = call.param("id")
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS:
        raise InvalidInput(reason="id must be an integer")
    return int(text)


def index(call: Call) -> Any:
    """All aggregates."""
    return {"aggregates": [view(aggregate) for aggregate in call.state.conductor.aggregates()]}


def show(call: Call) -> Any:
    """One aggregate."""
    return {"aggregate": view(call.state.conductor.aggregate(_id(call)))}


def create(call: Call) -> Any:
    """A new one, of which Nova shows neither hosts nor metadata."""
    asked = call.body["aggregate"]
    zone = asked.get("availability_zone")
    made = call.state.conductor.create_aggregate(asked["name"].strip(), zone.strip() if zone else None)
    return {"aggregate": {key: value for key, value in view(made).items() if key not in ("hosts", "metadata")}}


def update(call: Call) -> Any:
    """Another name or zone."""
    asked = {key: value.strip() if value else value for key, value in call.body["aggregate"].items()}
    return {"aggregate": view(call.state.conductor.update_aggregate(_id(call), asked))}


def delete(call: Call) -> None:
    """Remove one without hosts."""
    call.state.conductor.delete_aggregate(_id(call))


def _add_host(call: Call, asked: dict[str, Any]) -> Aggregate:
    return call.state.conductor.add_aggregate_host(_id(call), asked["host"])


def _remove_host(call: Call, asked: dict[str, Any]) -> Aggregate:
    return call.state.conductor.remove_aggregate_host(_id(call), asked["host"])


def _set_metadata(call: Call, asked: dict[str, Any]) -> Aggregate:
    return call.state.conductor.set_aggregate_metadata(_id(call), asked["metadata"])


_ACTIONS: dict[str, tuple[Schema, Callable[[Call, dict[str, Any]], Aggregate]]] = {
    "add_host": (schemas.ADD_HOST, _add_host),
    "remove_host": (schemas.REMOVE_HOST, _remove_host),
    "set_metadata": (schemas.SET_METADATA, _set_metadata),
}


def action(call: Call) -> Any:
    """Hosts in and out, metadata added, changed and (by null) removed."""
    body = call.body
    name = next(iter(body)) if isinstance(body, dict) and len(body) == 1 else ""
    if name not in _ACTIONS:
        raise Invalid(f"There is no such action: {name[:80]}")
    authorize(call.ctx, _RULE + name)
    schema, act = _ACTIONS[name]
    validate(schema, body)
    return {"aggregate": view(act(call, body[name]))}


def cache(call: Call) -> None:
    """Have its hosts fetch images; nobody waits for them."""
    call.state.compute.cache_images(call.ctx, _id(call), [image["id"] for image in call.body["cache"]])


OPERATIONS = (
    Operation("GET", "/os-aggregates", index, rule=_RULE + "index"),
    Operation("POST", "/os-aggregates", create, 200, _RULE + "create", schemas.CREATE),
    Operation("GET", "/os-aggregates/{id}", show, rule=_RULE + "show"),
    Operation("PUT", "/os-aggregates/{id}", update, 200, _RULE + "update", schemas.UPDATE),
    Operation("DELETE", "/os-aggregates/{id}", delete, 200, _RULE + "delete"),
    Operation("POST", "/os-aggregates/{id}/action", action, json_body=True),
    Operation("POST", "/os-aggregates/{id}/images", cache, 202, "compute:aggregates:images", schemas.CACHE),
)
