"""Neutron's /quotas: limits on networks, ports and the like."""

from __future__ import annotations

from typing import Any

from tuinova.api.operations import Call, Operation
from tuinova.api.quotas import asked_limits, project_of
from tuinova.api.schemas import catalogue as schemas
from tuinova.core.policy import authorize_project
from tuinova.core.quota_table import NETWORK


def index(call: Call) -> Any:
    """The projects that have limits of their own."""
    conductor = call.state.conductor
    rows = [
        {**conductor.quota_of(project, NETWORK), "project_id": project, "tenant_id": project}
        for project in conductor.own_quotas(NETWORK)
        if call.ctx.is_admin or project == call.ctx.project_id
    ]
    return {"quotas": rows}


def show(call: Call) -> Any:
    """Limits of a project."""
    project = project_of(call)
    authorize_project(call.ctx, "get_quota", project)
    return {"quota": call.state.conductor.quota_of(project, NETWORK)}


def defaults(call: Call) -> Any:
    """Limits of a project without its own."""
    authorize_project(call.ctx, "get_quota", project_of(call))
    return {"quota": call.state.conductor.default_quota(NETWORK)}


def details(call: Call) -> Any:
    """Limits beside what is used."""
    project = project_of(call)
    authorize_project(call.ctx, "get_quota", project)
    used = call.state.conductor.quota_usage(project, NETWORK)
    limits = call.state.conductor.quota_of(project, NETWORK)
    return {
        "quota": {name: {"limit": limit, "used": used.get(name, 0), "reserved": 0} for name, limit in limits.items()}
    }


def update(call: Call) -> Any:
    """Change limits of a project."""
    project = project_of(call)
    limits, force = asked_limits(call.body["quota"])
    call.state.conductor.set_quota(project, limits, force=force)
    return {"quota": call.state.conductor.quota_of(project, NETWORK)}


def delete(call: Call) -> None:
    """Back to the defaults."""
    call.state.conductor.delete_quota(project_of(call), NETWORK)


OPERATIONS = (
    Operation("GET", "/quotas", index, rule="get_quota"),
    Operation("GET", "/quotas/{project}", show),
    Operation("PUT", "/quotas/{project}", update, 200, "update_quota", schemas.NETWORK_QUOTA),
    Operation("DELETE", "/quotas/{project}", delete, 204, "delete_quota"),
    Operation("GET", "/quotas/{project}/default", defaults),
    Operation("GET", "/quotas/{project}/details", details),
)
