"""Which projects may use a private flavor."""

from __future__ import annotations

from typing import Any

from tuinova.api.operations import Call, Operation
from tuinova.api.schemas import catalogue as schemas
from tuinova.api.validation import validate
from tuinova.core.errors import Invalid, ProjectNotFound
from tuinova.core.policy import authorize

_RULE = "os_compute_api:os-flavor-access"
_ACTIONS = {"addTenantAccess": schemas.ADD_ACCESS, "removeTenantAccess": schemas.REMOVE_ACCESS}


def _rows(ident: str, projects: list[str]) -> Any:
    return {"flavor_access": [{"flavor_id": ident, "tenant_id": project} for project in projects]}


def index(call: Call) -> Any:
    """The projects."""
    ident = call.param("id")
    return _rows(ident, call.state.conductor.flavor_access(ident))


def act(call: Call) -> Any:
    """Give or take access."""
    body = call.body
    if not isinstance(body, dict) or len(body) != 1 or next(iter(body)) not in _ACTIONS:
        raise Invalid(f"There is no such action: {', '.join(body)[:80] if isinstance(body, dict) else body!s:.80}")
    name = next(iter(body))
    authorize(call.ctx, f"{_RULE}:{'add' if name == 'addTenantAccess' else 'remove'}_tenant_access")
    validate(_ACTIONS[name], body)
    ident, tenant = call.param("id"), body[name]["tenant"]
    try:
        project_id = call.state.conductor.project(tenant).id
    except ProjectNotFound as error:
        raise Invalid(f"Project ID {tenant} is not a valid project.") from error
    conductor = call.state.conductor
    change = conductor.add_flavor_access if name == "addTenantAccess" else conductor.remove_flavor_access
    return _rows(ident, change(ident, project_id))


OPERATIONS = (
    Operation("GET", "/flavors/{id}/os-flavor-access", index, rule=_RULE),
    Operation("POST", "/flavors/{id}/action", act, json_body=True),
)
