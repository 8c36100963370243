"""Keystone's lists, as far as clients of compute read them."""

from __future__ import annotations

from typing import Any

from tuinova.api.operations import Call, Operation
from tuinova.core.errors import ProjectNotFound, UserNotFound
from tuinova.core.policy import allowed
from tuinova.core.records import Project, User


def _project(project: Project) -> dict[str, Any]:
    return {
        "id": project.id,
        "name": project.name,
        "description": project.description,
        "enabled": project.enabled,
        "domain_id": project.domain_id,
        "parent_id": project.domain_id,
        "is_domain": False,
        "tags": [],
        "options": {},
    }


def _user(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "name": user.name,
        "description": user.description,
        "enabled": user.enabled,
        "domain_id": user.domain_id,
        "default_project_id": user.default_project_id,
        "options": {},
    }


def _page(call: Call, key: str, rows: list[dict[str, Any]]) -> Any:
    name = call.query.get("name")
    found = [row for row in rows if name is None or row["name"] == name]
    links = {"self": f"{call.base_url}/identity/v3/{key}", "previous": None, "next": None}
    return {key: found, "links": links}


def projects(call: Call) -> Any:
    """All projects; those of the caller where he is no admin."""
    everything = call.state.conductor.projects()
    if not allowed(call.ctx, "identity:list_projects"):
        user = call.ctx.user_id or ""
        everything = [project for project in everything if call.state.conductor.roles(user, project.id)]
    return _page(call, "projects", [_project(project) for project in everything])


def project(call: Call) -> Any:
    """One project by id."""
    ident = call.param("id")
    found = call.state.conductor.project(ident)
    mine = allowed(call.ctx, "identity:list_projects") or found.id == call.ctx.project_id
    if found.id != ident or not mine:
        raise ProjectNotFound(project_id=ident)
    return {"project": _project(found)}


def users(call: Call) -> Any:
    """All users; the caller alone where he is no admin."""
    everything = call.state.conductor.users()
    if not allowed(call.ctx, "identity:list_users"):
        everything = [user for user in everything if user.id == call.ctx.user_id]
    return _page(call, "users", [_user(user) for user in everything])


def user(call: Call) -> Any:
    """One user by id."""
    ident = call.param("id")
    found = call.state.conductor.user(ident)
    mine = allowed(call.ctx, "identity:list_users") or found.id == call.ctx.user_id
    if found.id != ident or not mine:
        raise UserNotFound(user_id=ident)
    return {"user": _user(found)}


def role_assignments(call: Call) -> Any:
    """Who has which role where; `scope.project.id` and `user.id` narrow it."""
    project, user = call.query.get("scope.project.id"), call.query.get("user.id")
    rows = [
        {"scope": {"project": {"id": held.project_id}}, "role": {"id": held.role}, "user": {"id": held.user_id}}
        for held in call.state.conductor.role_assignments(project_id=project, user_id=user)
    ]
    links = {"self": f"{call.base_url}/identity/v3/role_assignments", "previous": None, "next": None}
    return {"role_assignments": rows, "links": links}


OPERATIONS = (
    Operation("GET", "/v3/role_assignments", role_assignments, rule="identity:list_role_assignments"),
    Operation("GET", "/v3/projects", projects),
    Operation("GET", "/v3/projects/{id}", project),
    Operation("GET", "/v3/users", users),
    Operation("GET", "/v3/users/{id}", user),
)
