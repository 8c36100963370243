"""Neutron's security groups and their rules."""

from __future__ import annotations

from typing import Any

from tuinova.api import network_views as views
from tuinova.api.network_lists import chosen
from tuinova.api.network_resources import listed
from tuinova.api.operations import Call, Operation
from tuinova.api.schemas import networks as schemas


def groups(call: Call) -> Any:
    """The caller's."""
    rows = [views.security_group(one) for one in call.state.network.groups.all(call.ctx)]
    return listed(call, "security_groups", rows)


def create_group(call: Call) -> Any:
    """A new one."""
    made = call.state.network.groups.create(call.ctx, call.body["security_group"])
    return {"security_group": views.security_group(made)}


def show_group(call: Call) -> Any:
    """One."""
    found = call.state.network.groups.get(call.ctx, call.param("id"))
    return {"security_group": chosen(views.security_group(found), call.query)}


def update_group(call: Call) -> Any:
    """Change one."""
    made = call.state.network.groups.update(call.ctx, call.param("id"), call.body["security_group"])
    return {"security_group": views.security_group(made)}


def delete_group(call: Call) -> None:
    """Remove one."""
    call.state.network.groups.delete(call.ctx, call.param("id"))


def rules(call: Call) -> Any:
    """Those of the groups that the caller sees."""
    rows = [views.rule(one) for one in call.state.network.groups.rules(call.ctx)]
    return listed(call, "security_group_rules", rows)


def create_rules(call: Call) -> Any:
    """One, or several at once."""
    if "security_group_rules" in call.body:
        made = call.state.network.groups.create_rules(call.ctx, call.body["security_group_rules"])
        return {"security_group_rules": [views.rule(one) for one in made]}
    (rule,) = call.state.network.groups.create_rules(call.ctx, [call.body["security_group_rule"]])
    return {"security_group_rule": views.rule(rule)}


def show_rule(call: Call) -> Any:
    """One."""
    return {"security_group_rule": views.rule(call.state.network.groups.rule(call.ctx, call.param("id")))}


def delete_rule(call: Call) -> None:
    """Remove one."""
    call.state.network.groups.delete_rule(call.ctx, call.param("id"))


OPERATIONS = (
    Operation("GET", "/security-groups", groups),
    Operation("POST", "/security-groups", create_group, 201, None, schemas.SECURITY_GROUP),
    Operation("GET", "/security-groups/{id}", show_group),
    Operation("PUT", "/security-groups/{id}", update_group, 200, None, schemas.SECURITY_GROUP_UPDATE),
    Operation("DELETE", "/security-groups/{id}", delete_group, 204),
    Operation("GET", "/security-group-rules", rules),
    Operation("POST", "/security-group-rules", create_rules, 201, None, schemas.RULE),
    Operation("GET", "/security-group-rules/{id}", show_rule),
    Operation("DELETE", "/security-group-rules/{id}", delete_rule, 204),
)
