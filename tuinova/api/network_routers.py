"""Neutron's routers, floating addresses and tags."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tuinova.api import network_views as views
from tuinova.api.network_lists import chosen
from tuinova.api.network_resources import listed
from tuinova.api.operations import Call, Operation
from tuinova.api.schemas import networks as schemas
from tuinova.core.errors.network import InvalidInput, TagNotFound
from tuinova.core.records import Port, Router


def routers(call: Call) -> Any:
    """The caller's."""
    return listed(call, "routers", [views.router(one) for one in call.state.network.routers.all(call.ctx)])


def create_router(call: Call) -> Any:
    """A new one."""
    return {"router": views.router(call.state.network.routers.create(call.ctx, call.body["router"]))}


def show_router(call: Call) -> Any:
    """One."""
    found = call.state.network.routers.get(call.ctx, call.param("id"))
    return {"router": chosen(views.router(found), call.query)}


def update_router(call: Call) -> Any:
    """Change one."""
    made = call.state.network.routers.update(call.ctx, call.param("id"), call.body["router"])
    return {"router": views.router(made)}


def delete_router(call: Call) -> None:
    """Remove one."""
    call.state.network.routers.delete(call.ctx, call.param("id"))


def _interface(router: Router, port: Port) -> Any:
    subnets = [fixed.subnet_id for fixed in port.fixed_ips]
    return {
        "id": router.id,
        "project_id": router.project_id,
        "tenant_id": router.project_id,
        "port_id": port.id,
        "network_id": port.network_id,
        "subnet_id": subnets[0],
        "subnet_ids": subnets,
    }


def add_interface(call: Call) -> Any:
    """Join a subnet."""
    return _interface(*call.state.network.routers.add_interface(call.ctx, call.param("id"), call.body))


def remove_interface(call: Call) -> Any:
    """Leave one."""
    return _interface(*call.state.network.routers.remove_interface(call.ctx, call.param("id"), call.body))


# floating addresses --------------------------------------------------------------------------------------------------
def floating_ips(call: Call) -> Any:
    """The caller's."""
    rows = [views.floating_ip(one) for one in call.state.network.floating.all(call.ctx)]
    return listed(call, "floatingips", rows)


def create_floating_ip(call: Call) -> Any:
    """Take an address."""
    return {"floatingip": views.floating_ip(call.state.network.floating.create(call.ctx, call.body["floatingip"]))}


def show_floating_ip(call: Call) -> Any:
    """One."""
    found = call.state.network.floating.get(call.ctx, call.param("id"))
    return {"floatingip": chosen(views.floating_ip(found), call.query)}


def update_floating_ip(call: Call) -> Any:
    """Change one."""
    made = call.state.network.floating.update(call.ctx, call.param("id"), call.body["floatingip"])
    return {"floatingip": views.floating_ip(made)}


def delete_floating_ip(call: Call) -> None:
    """Give one back."""
    call.state.network.floating.delete(call.ctx, call.param("id"))


# tags ----------------------------------------------------------------------------------------------------------------
# Noun of the path to the part of the network API that knows it.
_TAGGED: Mapping[str, str] = {
    "networks": "networks",
    "subnets": "subnets",
    "ports": "ports",
    "security-groups": "groups",
    "routers": "routers",
    "floatingips": "floating",
}


def _tags(noun: str, change: Callable[[Call, list[str]], list[str]] | None) -> Callable[[Call], Any]:
    """A handler that shows the tags, or changes them first."""

    def handler(call: Call) -> Any:
        part, ident = getattr(call.state.network, _TAGGED[noun]), call.param("id")
        record = part.get(call.ctx, ident)
        if change is None:
            return {"tags": list(record.tags)}
        part.mine(call.ctx, ident, "update")
        new = call.state.conductor.set_network_tags(noun, ident, lambda old: change(call, list(old)))
        return {"tags": new} if call.request.method == "PUT" and "tag" not in call.request.path_params else None

    return handler


def _replaced(call: Call, old: list[str]) -> list[str]:
    return list(dict.fromkeys(call.body["tags"]))


def _added(call: Call, old: list[str]) -> list[str]:
    tag = call.param("tag")
    if not 1 <= len(tag) <= 255 or "," in tag:
        raise InvalidInput(error_message=f"'{tag[:60]}' is not a valid tag")
    return old if tag in old else [*old, tag]


def _without(call: Call, old: list[str]) -> list[str]:
    tag = call.param("tag")
    if tag not in old:
        raise TagNotFound(tag=tag[:80])
    return [kept for kept in old if kept != tag]


def _tag_operations(noun: str) -> tuple[Operation, ...]:
    path = f"/{noun}/{{id}}/tags"
    return (
        Operation("GET", path, _tags(noun, None)),
        Operation("PUT", path, _tags(noun, _replaced), 200, None, schemas.TAGS),
        Operation("DELETE", path, _tags(noun, lambda call, old: []), 204),
        Operation("PUT", path + "/{tag}", _tags(noun, _added), 201),
        Operation("DELETE", path + "/{tag}", _tags(noun, _without), 204),
    )


OPERATIONS = (
    Operation("GET", "/routers", routers),
    Operation("POST", "/routers", create_router, 201, None, schemas.ROUTER),
    Operation("GET", "/routers/{id}", show_router),
    Operation("PUT", "/routers/{id}", update_router, 200, None, schemas.ROUTER_UPDATE),
    Operation("DELETE", "/routers/{id}", delete_router, 204),
    Operation("PUT", "/routers/{id}/add_router_interface", add_interface, 200, None, schemas.ROUTER_INTERFACE),
    Operation("PUT", "/routers/{id}/remove_router_interface", remove_interface, 200, None, schemas.ROUTER_INTERFACE),
    Operation("GET", "/floatingips", floating_ips),
    Operation("POST", "/floatingips", create_floating_ip, 201, None, schemas.FLOATING_IP),
    Operation("GET", "/floatingips/{id}", show_floating_ip),
    Operation("PUT", "/floatingips/{id}", update_floating_ip, 200, None, schemas.FLOATING_IP_UPDATE),
    Operation("DELETE", "/floatingips/{id}", delete_floating_ip, 204),
    *(operation for noun in _TAGGED for operation in _tag_operations(noun)),
)
