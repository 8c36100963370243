"""/servers/{id}/tags (nova/api/openstack/compute/server_tags.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from tuinova.api.operations import Call, Operation, Reply
from tuinova.api.schemas import servers as schemas
from tuinova.api.schemas import types
from tuinova.api.validation import validate
from tuinova.core.errors import InstanceInvalidState, InstanceNotFound, Invalid, NotFound, SchemaError
from tuinova.core.policy import sees_project
from tuinova.core.records import Instance
from tuinova.core.states import VmState

_RULE = "os_compute_api:os-server-tags:"
_MOST = 50
_STATES = frozenset({VmState.ACTIVE, VmState.PAUSED, VmState.SUSPENDED, VmState.STOPPED})
Tags = list[str]


def index(call: Call) -> Any:
    """All tags."""
    return {"tags": call.state.instance(call.ctx, call.param("id")).tags}


def show(call: Call) -> None:
    """Whether there is this one."""
    instance, tag = call.state.instance(call.ctx, call.param("id")), call.param("tag")
    if tag not in instance.tags:
        raise NotFound(f"Server {instance.uuid} has no tag '{tag}'")


def replace(call: Call) -> Any:
    """Exactly these tags."""
    asked = list(dict.fromkeys(call.body["tags"]))
    return {"tags": _change(call, "update tags", lambda instance: asked).tags}


def set_one(call: Call) -> Reply:
    """Add one; 204 when it is there already."""
    tag, known = call.param("tag"), False

    def add(instance: Instance) -> Tags:
        nonlocal known
        _check(tag)
        if len(instance.tags) >= _MOST:
            raise Invalid(f"The number of tags exceeded the per-server limit {_MOST}")
        known = tag in instance.tags
        return instance.tags if known else [*instance.tags, tag]

    instance = _change(call, "update tag", add)
    if known:
        return Reply(status=204)
    location = f"{call.base_url}/v2.1/servers/{instance.uuid}/tags/{quote(tag, safe='')}"
    return Reply(status=201, headers={"Location": location})


def delete_one(call: Call) -> None:
    """Take one away."""
    tag = call.param("tag")

    def take(instance: Instance) -> Tags:
        if tag not in instance.tags:
            raise NotFound(f"Instance {instance.uuid} has no tag '{tag}'")
        return [kept for kept in instance.tags if kept != tag]

    _change(call, "delete tag", take)


def delete_all(call: Call) -> None:
    """Take all away."""
    _change(call, "delete tags", lambda instance: [])


def _check(tag: str) -> None:
    try:
        validate(types.tag, tag)
    except SchemaError as error:
        raise Invalid(
            f"Tag '{tag}' is invalid. It must be a non empty string without characters '/' and ','. "
            f"Validation error message: {error.message}"
        ) from error


def _change(call: Call, action: str, change: Callable[[Instance], Tags]) -> Instance:
    """Guard and change in one transaction; no action is recorded."""

    def check(instance: Instance) -> None:
        if not sees_project(call.ctx, instance.project_id):
            raise InstanceNotFound(instance_id=instance.uuid)
        if instance.vm_state not in _STATES:
            raise InstanceInvalidState(
                action=action, instance_uuid=instance.uuid, attr="vm_state", state=instance.vm_state
            )

    def updates(instance: Instance) -> dict[str, Tags] | None:
        new = change(instance)
        return None if new == instance.tags else {"tags": new}

    return call.state.conductor.accept(call.ctx, call.param("id"), check=check, updates=updates, record=None)


_ALL, _ONE = "/servers/{id}/tags", "/servers/{id}/tags/{tag}"
OPERATIONS = (
    Operation("GET", _ALL, index, rule=_RULE + "index"),
    Operation("PUT", _ALL, replace, 200, _RULE + "update_all", schemas.TAGS),
    Operation("DELETE", _ALL, delete_all, 204, _RULE + "delete_all"),
    Operation("GET", _ONE, show, 204, _RULE + "show"),
    Operation("PUT", _ONE, set_one, 201, _RULE + "update"),
    Operation("DELETE", _ONE, delete_one, 204, _RULE + "delete"),
)
