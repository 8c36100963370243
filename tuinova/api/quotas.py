"""/os-quota-sets and /limits."""

from __future__ import annotations

from typing import Any

from tuinova.api.operations import Call, Operation
from tuinova.api.schemas import catalogue as schemas
from tuinova.api.schemas.types import is_true
from tuinova.core.drafts import QuotaLimits
from tuinova.core.errors import Invalid, PolicyNotAuthorized, ProjectNotFound
from tuinova.core.policy import authorize_project

_RULE = "os_compute_api:os-quota-sets:"
_USED = ("instances", "cores", "ram", "server_groups")


def _project(call: Call) -> str:
    """The project of the path, by id or name."""
    asked = call.param("project")
    try:
        return str(call.state.conductor.project(asked).id)
    except ProjectNotFound as error:
        raise Invalid(f"Project ID {asked[:80]} is not a valid project.") from error


def _shown(limits: QuotaLimits) -> dict[str, int]:
    """The limits that 2.57 and later show."""
    return {name: getattr(limits, name) for name in schemas.QUOTA_NAMES}


def show(call: Call) -> Any:
    """Limits of a project."""
    project = _project(call)
    authorize_project(call.ctx, _RULE + "show", project)
    return {"quota_set": {"id": project, **_shown(call.state.conductor.quota_limits(project))}}


def defaults(call: Call) -> Any:
    """Limits of a project without its own."""
    return {"quota_set": {"id": _project(call), **_shown(call.state.conductor.quota_defaults)}}


def detail(call: Call) -> Any:
    """Limits beside what is used; Nova counts key pairs, metadata and members where they are checked only."""
    project = _project(call)
    authorize_project(call.ctx, _RULE + "detail", project)
    usage = call.state.conductor.count_usage(project)
    rows = {
        name: {"limit": limit, "in_use": getattr(usage, name) if name in _USED else 0, "reserved": 0}
        for name, limit in _shown(call.state.conductor.quota_limits(project)).items()
    }
    return {"quota_set": {"id": project, **rows}}


def update(call: Call) -> Any:
    """Change limits of a project."""
    asked = dict(call.body["quota_set"])
    force = is_true(asked.pop("force", False))
    limits = {name: int(value) for name, value in asked.items()}
    changed = call.state.conductor.set_quota(_project(call), limits, force=force)
    return {"quota_set": _shown(changed)}


def delete(call: Call) -> None:
    """Back to the defaults."""
    call.state.conductor.delete_quota(_project(call))


def limits(call: Call) -> Any:
    """What the acting project may use, and uses."""
    project = call.query.get("tenant_id") or call.ctx.project_id or ""
    if project != call.ctx.project_id and not call.ctx.is_admin:
        raise PolicyNotAuthorized(action="os_compute_api:limits:other_project")
    allowed = call.state.conductor.quota_limits(project)
    used = call.state.conductor.count_usage(project)
    absolute = {
        "maxTotalInstances": allowed.instances,
        "maxTotalCores": allowed.cores,
        "maxTotalRAMSize": allowed.ram,
        "maxServerMeta": allowed.metadata_items,
        "maxTotalKeypairs": allowed.key_pairs,
        "maxServerGroups": allowed.server_groups,
        "maxServerGroupMembers": allowed.server_group_members,
        "totalInstancesUsed": used.instances,
        "totalCoresUsed": used.cores,
        "totalRAMUsed": used.ram,
        "totalServerGroupsUsed": used.server_groups,
    }
    return {"limits": {"rate": [], "absolute": absolute}}


OPERATIONS = (
    Operation("GET", "/os-quota-sets/{project}", show),
    Operation("PUT", "/os-quota-sets/{project}", update, 200, _RULE + "update", schemas.QUOTA),
    Operation("DELETE", "/os-quota-sets/{project}", delete, 202, _RULE + "delete"),
    Operation("GET", "/os-quota-sets/{project}/detail", detail),
    Operation("GET", "/os-quota-sets/{project}/defaults", defaults, rule=_RULE + "defaults"),
    Operation("GET", "/limits", limits, rule="os_compute_api:limits"),
)
