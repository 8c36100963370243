"""Cinder's /os-quota-sets, /os-quota-class-sets and /limits: volumes, snapshots, gigabytes."""

from __future__ import annotations

from typing import Any

from tuinova.api import params
from tuinova.api.operations import Call, Operation
from tuinova.api.quotas import asked_limits, class_name_of, project_of
from tuinova.api.schemas import catalogue as schemas
from tuinova.core.policy import authorize_project
from tuinova.core.quota_table import VOLUME

_RULE = "volume_extension:quotas:"
_CLASS_RULE = "volume_extension:quota_classes"


def show(call: Call) -> Any:
    """Limits of a project, with `usage` beside what is used."""
    project = project_of(call)
    authorize_project(call.ctx, _RULE + "show", project)
    limits = call.state.conductor.quota_of(project, VOLUME)
    if not params.boolean(call.query, "usage"):
        return {"quota_set": {"id": project, **limits}}
    used = call.state.conductor.quota_usage(project, VOLUME)
    rows = {
        name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0, "allocated": 0}
        for name, limit in limits.items()
    }
    return {"quota_set": {"id": project, **rows}}


def defaults(call: Call) -> Any:
    """Limits of a project without its own."""
    project = project_of(call)
    authorize_project(call.ctx, _RULE + "show", project)
    return {"quota_set": {"id": project, **call.state.conductor.default_quota(VOLUME)}}


def update(call: Call) -> Any:
    """Change limits of a project."""
    project = project_of(call)
    limits, force = asked_limits(call.body["quota_set"])
    call.state.conductor.set_quota(project, limits, force=force)
    return {"quota_set": call.state.conductor.quota_of(project, VOLUME)}


def delete(call: Call) -> None:
    """Back to the defaults."""
    call.state.conductor.delete_quota(project_of(call), VOLUME)


def show_class(call: Call) -> Any:
    """Limits of a class of projects: "default" is every project without its own."""
    name = class_name_of(call)
    return {"quota_class_set": {"id": name, **call.state.conductor.default_quota(VOLUME, name)}}


def update_class(call: Call) -> Any:
    """Change them."""
    name = class_name_of(call)
    call.state.conductor.set_quota_class(name, asked_limits(call.body["quota_class_set"])[0])
    return {"quota_class_set": call.state.conductor.default_quota(VOLUME, name)}


def limits(call: Call) -> Any:
    """What the acting project may use, and uses."""
    project = call.ctx.project_id or ""
    allowed = call.state.conductor.quota_of(project, VOLUME)
    used = call.state.conductor.quota_usage(project, VOLUME)
    absolute = {
        "maxTotalVolumes": allowed["volumes"],
        "maxTotalSnapshots": allowed["snapshots"],
        "maxTotalVolumeGigabytes": allowed["gigabytes"],
        "totalVolumesUsed": used.get("volumes", 0),
        "totalSnapshotsUsed": used.get("snapshots", 0),
        "totalGigabytesUsed": used.get("gigabytes", 0),
    }
    return {"limits": {"rate": [], "absolute": absolute}}


OPERATIONS = (
    Operation("GET", "/os-quota-sets/{project}", show),
    Operation("PUT", "/os-quota-sets/{project}", update, 200, _RULE + "update", schemas.VOLUME_QUOTA),
    Operation("DELETE", "/os-quota-sets/{project}", delete, 200, _RULE + "delete"),
    Operation("GET", "/os-quota-sets/{project}/defaults", defaults),
    Operation("GET", "/os-quota-class-sets/{name}", show_class, rule=_CLASS_RULE),
    Operation("PUT", "/os-quota-class-sets/{name}", update_class, 200, _CLASS_RULE, schemas.VOLUME_QUOTA_CLASS),
    Operation("GET", "/limits", limits, rule="limits_extension:used_limits"),
)
