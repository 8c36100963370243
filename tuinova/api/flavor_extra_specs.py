"""/flavors/{id}/os-extra_specs."""

from __future__ import annotations

from typing import Any

from tuinova.api.flavors import visible_flavor
from tuinova.api.operations import Call, Operation
from tuinova.api.schemas import catalogue as schemas
from tuinova.core.errors import FlavorExtraSpecsNotFound, Invalid

_RULE = "os_compute_api:os-flavor-extra-specs:"


def index(call: Call) -> Any:
    """All of them."""
    return {"extra_specs": visible_flavor(call, call.param("id")).extra_specs}


def create(call: Call) -> Any:
    """Add or change several."""
    specs = {key: str(value) for key, value in call.body["extra_specs"].items()}
    call.state.conductor.set_extra_specs(call.param("id"), specs)
    return {"extra_specs": specs}


def show(call: Call) -> Any:
    """One of them, not wrapped."""
    ident, key = call.param("id"), call.param("key")
    specs = visible_flavor(call, ident).extra_specs
    if key not in specs:
        raise FlavorExtraSpecsNotFound(flavor_id=ident, key=key)
    return {key: specs[key]}


def update(call: Call) -> Any:
    """Add or change one."""
    key = call.param("key")
    if key not in call.body:
        raise Invalid("Request body and URI mismatch")
    specs = {key: str(call.body[key])}
    call.state.conductor.set_extra_specs(call.param("id"), specs)
    return specs


def delete(call: Call) -> None:
    """Remove one."""
    call.state.conductor.delete_extra_spec(call.param("id"), call.param("key"))


OPERATIONS = (
    Operation("GET", "/flavors/{id}/os-extra_specs", index, rule=_RULE + "index"),
    Operation("POST", "/flavors/{id}/os-extra_specs", create, 200, _RULE + "create", schemas.EXTRA_SPECS),
    Operation("GET", "/flavors/{id}/os-extra_specs/{key}", show, rule=_RULE + "show"),
    Operation("PUT", "/flavors/{id}/os-extra_specs/{key}", update, 200, _RULE + "update", schemas.EXTRA_SPEC),
    Operation("DELETE", "/flavors/{id}/os-extra_specs/{key}", delete, 200, _RULE + "delete"),
)
