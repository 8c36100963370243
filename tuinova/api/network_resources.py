"""Neutron's networks, subnets, ports: each noun's routes."""

from __future__ import annotations

from typing import Any

from tuinova.api import network_views as views
from tuinova.api.network_lists import answer, chosen
from tuinova.api.operations import Call, Operation
from tuinova.api.schemas import networks as schemas
from tuinova.core.records import Network, Port

PREFIX = "/network/v2.0"


def listed(call: Call, key: str, rows: list[dict[str, Any]]) -> Any:
    """The answer of a list."""
    return answer(key, rows, call.query, path=f"{call.base_url}{PREFIX}/{key.replace('_', '-')}")


# networks ------------------------------------------------------------------------------------------------------------
def _subnet_ids(call: Call) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for subnet in call.state.network.subnets.all(call.ctx):
        found.setdefault(subnet.network_id, []).append(subnet.id)
    return found


def _network(call: Call, network: Network) -> Any:
    view = views.network(network, _subnet_ids(call).get(network.id, ()), admin=call.ctx.is_admin)
    return {"network": chosen(view, call.query)}


def networks(call: Call) -> Any:
    """What the caller sees."""
    subnets = _subnet_ids(call)
    rows = [
        views.network(network, subnets.get(network.id, ()), admin=call.ctx.is_admin)
        for network in call.state.network.networks.all(call.ctx)
    ]
    return listed(call, "networks", rows)


def create_network(call: Call) -> Any:
    """A new one."""
    return _network(call, call.state.network.networks.create(call.ctx, call.body["network"]))


def show_network(call: Call) -> Any:
    """One."""
    return _network(call, call.state.network.networks.get(call.ctx, call.param("id")))


def update_network(call: Call) -> Any:
    """Change one."""
    return _network(call, call.state.network.networks.update(call.ctx, call.param("id"), call.body["network"]))


def delete_network(call: Call) -> None:
    """Remove one."""
    call.state.network.networks.delete(call.ctx, call.param("id"))


# subnets -------------------------------------------------------------------------------------------------------------
def subnets(call: Call) -> Any:
    """Those of the networks that the caller sees."""
    return listed(call, "subnets", [views.subnet(one) for one in call.state.network.subnets.all(call.ctx)])


def create_subnet(call: Call) -> Any:
    """A new one."""
    return {"subnet": views.subnet(call.state.network.subnets.create(call.ctx, call.body["subnet"]))}


def show_subnet(call: Call) -> Any:
    """One."""
    return {"subnet": chosen(views.subnet(call.state.network.subnets.get(call.ctx, call.param("id"))), call.query)}


def update_subnet(call: Call) -> Any:
    """Change one."""
    made = call.state.network.subnets.update(call.ctx, call.param("id"), call.body["subnet"])
    return {"subnet": views.subnet(made)}


def delete_subnet(call: Call) -> None:
    """Remove one."""
    call.state.network.subnets.delete(call.ctx, call.param("id"))


# ports ---------------------------------------------------------------------------------------------------------------
def host_subnets(call: Call) -> dict[tuple[str, str], str]:
    """(host, network name) to the subnet that a host's own network is."""
    return {(one.host, one.name): one.id for one in call.state.conductor.host_networks()}


def _port(call: Call, port: Port) -> Any:
    view = views.port(port, host_subnets(call), admin=call.ctx.is_admin)
    return {"port": chosen(view, call.query)}


def ports(call: Call) -> Any:
    """The caller's."""
    found = call.state.network.ports.all(
        call.ctx, device_id=call.query.get("device_id"), network_id=call.query.get("network_id")
    )
    known = host_subnets(call)
    return listed(call, "ports", [views.port(port, known, admin=call.ctx.is_admin) for port in found])


def create_port(call: Call) -> Any:
    """A new one."""
    return _port(call, call.state.network.ports.create(call.ctx, call.body["port"]))


def show_port(call: Call) -> Any:
    """One."""
    return _port(call, call.state.network.ports.get(call.ctx, call.param("id")))


def update_port(call: Call) -> Any:
    """Change one."""
    return _port(call, call.state.network.ports.update(call.ctx, call.param("id"), call.body["port"]))


def delete_port(call: Call) -> None:
    """Remove one."""
    call.state.network.ports.delete(call.ctx, call.param("id"))


OPERATIONS = (
    Operation("GET", "/networks", networks),
    Operation("POST", "/networks", create_network, 201, None, schemas.NETWORK),
    Operation("GET", "/networks/{id}", show_network),
    Operation("PUT", "/networks/{id}", update_network, 200, None, schemas.NETWORK_UPDATE),
    Operation("DELETE", "/networks/{id}", delete_network, 204),
    Operation("GET", "/subnets", subnets),
    Operation("POST", "/subnets", create_subnet, 201, None, schemas.SUBNET),
    Operation("GET", "/subnets/{id}", show_subnet),
    Operation("PUT", "/subnets/{id}", update_subnet, 200, None, schemas.SUBNET_UPDATE),
    Operation("DELETE", "/subnets/{id}", delete_subnet, 204),
    Operation("GET", "/ports", ports),
    Operation("POST", "/ports", create_port, 201, None, schemas.PORT),
    Operation("GET", "/ports/{id}", show_port),
    Operation("PUT", "/ports/{id}", update_port, 200, None, schemas.PORT_UPDATE),
    Operation("DELETE", "/ports/{id}", delete_port, 204),
)
