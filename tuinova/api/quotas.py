"""/os-quota-sets, /os-quota-class-sets and /limits."""

from __future__ import annotations

from typing import Any

from tuinova.api.operations import Call, Operation
from tuinova.api.schemas import catalogue as schemas
from tuinova.api.schemas.types import is_true
from tuinova.core.drafts import QuotaLimits
from tuinova.core.errors import Invalid, PolicyNotAuthorized, ProjectNotFound
from tuinova.core.policy import authorize_project
from tuinova.core.quota_table import COMPUTE

_RULE = "os_compute_api:os-quota-sets:"
_CLASS_RULE = "os_compute_api:os-quota-class-sets:"


def project_of(call: Call) -> str:
    """The project of the path, by id or name."""
    asked = call.param("project")
    try:
        return str(call.state.conductor.project(asked).id)
    except ProjectNotFound as error:
        raise Invalid(f"Project ID {asked[:80]} is not a valid project.") from error


def asked_limits(body: dict[str, Any]) -> tuple[dict[str, int], bool]:
    """The limits of a body, and whether they may go below what is used."""
    asked = dict(body)
    force = is_true(asked.pop("force", False))
    return {name: int(value) for name, value in asked.items()}, force


def class_name_of(call: Call) -> str:
    """The class of the path."""
    name = call.param("name")
    if len(name) > 255:
        raise Invalid("quota class name has too many characters.")
    return name


def _shown(limits: dict[str, int]) -> dict[str, int]:
    """The limits that 2.57 and later show."""
    return {name: limits[name] for name in schemas.QUOTA_NAMES}


def show(call: Call) -> Any:
    """Limits of a project."""
    project = project_of(call)
    authorize_project(call.ctx, _RULE + "show", project)
    return {"quota_set": {"id": project, **_shown(call.state.conductor.quota_of(project, COMPUTE))}}


def defaults(call: Call) -> Any:
    """Limits of a project without its own."""
    return {"quota_set": {"id": project_of(call), **_shown(call.state.conductor.default_quota(COMPUTE))}}


def detail(call: Call) -> Any:
    """Limits beside what is used; Nova counts key pairs, metadata and members where they are checked only."""
    project = project_of(call)
    authorize_project(call.ctx, _RULE + "detail", project)
    used = call.state.conductor.quota_usage(project, COMPUTE)
    rows = {
        name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0}
        for name, limit in _shown(call.state.conductor.quota_of(project, COMPUTE)).items()
    }
    return {"quota_set": {"id": project, **rows}}


def update(call: Call) -> Any:
    """Change limits of a project."""
    asked, force = asked_limits(call.body["quota_set"])
    changed: QuotaLimits = call.state.conductor.set_quota(project_of(call), asked, force=force)
    return {"quota_set": _shown(changed.as_dict())}


def delete(call: Call) -> None:
    """Back to the defaults."""
    call.state.conductor.delete_quota(project_of(call), COMPUTE)


def show_class(call: Call) -> Any:
    """Limits of a class of projects: "default" is every project without its own."""
    name = class_name_of(call)
    limits = call.state.conductor.default_quota(COMPUTE, name)
    return {"quota_class_set": {"id": name, **_shown(limits)}}


def update_class(call: Call) -> Any:
    """Change them."""
    name = class_name_of(call)
    call.state.conductor.set_quota_class(name, asked_limits(call.body["quota_class_set"])[0])
    return {"quota_class_set": _shown(call.state.conductor.default_quota(COMPUTE, name))}


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
    Operation("GET", "/os-quota-class-sets/{name}", show_class, rule=_CLASS_RULE + "show"),
    Operation("PUT", "/os-quota-class-sets/{name}", update_class, 200, _CLASS_RULE + "update", schemas.QUOTA_CLASS),
    Operation("GET", "/limits", limits, rule="os_compute_api:limits"),
)
