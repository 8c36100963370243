"""/os-server-groups."""

from __future__ import annotations

from typing import Any

from tuinova.api import params
from tuinova.api.operations import Call, Operation
from tuinova.api.schemas import catalogue as schemas
from tuinova.core.errors import Invalid, ServerGroupNotFound
from tuinova.core.policy import authorize, sees_project
from tuinova.core.records import ServerGroup

_RULE = "os_compute_api:os-server-groups:"


def _view(group: ServerGroup) -> dict[str, Any]:
    return {
        "id": group.uuid,
        "name": group.name,
        "policy": group.policy,
        "rules": group.rules,
        "members": list(group.members),
        "project_id": group.project_id,
        "user_id": group.user_id,
    }


def _visible(call: Call) -> ServerGroup:
    ident = call.param("id")
    group = call.state.conductor.server_group(ident)
    if not sees_project(call.ctx, group.project_id):
        raise ServerGroupNotFound(group_id=ident)
    return group


def index(call: Call) -> Any:
    """The project's groups, or all (admins)."""
    project_id = call.ctx.project_id
    if params.boolean(call.query, "all_projects"):
        authorize(call.ctx, _RULE + "index:all_projects")
        project_id = None
    found = call.state.conductor.server_groups(project_id)
    offset, limit = params.integer(call.query, "offset") or 0, params.page_limit(call.query)
    return {"server_groups": [_view(group) for group in found[max(0, offset) :][:limit]]}


def show(call: Call) -> Any:
    """One group."""
    return {"server_group": _view(_visible(call))}


def create(call: Call) -> Any:
    """A new group."""
    asked = call.body["server_group"]
    rules = {name: int(value) for name, value in asked.get("rules", {}).items()}
    if rules and asked["policy"] != "anti-affinity":
        raise Invalid("Only anti-affinity policy supports rules.")
    group = ServerGroup(
        uuid="",
        name=asked["name"].strip(),
        project_id=call.ctx.project_id or "",
        user_id=call.ctx.user_id or "",
        policy=asked["policy"],
        rules=rules,
    )
    limit = call.state.conductor.quota_limits(group.project_id).server_groups
    return {"server_group": _view(call.state.conductor.create_server_group(group, limit=limit))}


def delete(call: Call) -> None:
    """Remove the group; its members are not touched."""
    call.state.conductor.delete_server_group(_visible(call).uuid)


OPERATIONS = (
    Operation("GET", "/os-server-groups", index, rule=_RULE + "index"),
    Operation("POST", "/os-server-groups", create, 200, _RULE + "create", schemas.SERVER_GROUP),
    Operation("GET", "/os-server-groups/{id}", show, rule=_RULE + "show"),
    Operation("DELETE", "/os-server-groups/{id}", delete, 204, _RULE + "delete"),
)
