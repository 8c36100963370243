"""Routers and floating addresses: made, refused, told to the hosts, seen on the server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tuinova.client import Client

Ask = Callable[..., Any]
_numbers = iter(range(1, 250))


@pytest.fixture(scope="module")
def ask(running: Any) -> Ask:
    """The body of an answer of the network face; a refusal is (status, type, message)."""

    def asked(method: str, path: str, body: Any = None, *, user: str = "admin", project: str = "admin") -> Any:
        headers = {"X-Tuinova-Username": user, "X-Tuinova-Project-Name": project, "Content-Type": "application/json"}
        raw = None if body is None else json.dumps(body).encode()
        answer = running.raw(method, "/network/v2.0" + path, raw, headers)
        data = json.loads(answer.data) if answer.data else None
        if isinstance(data, dict) and "NeutronError" in data:
            return answer.status, data["NeutronError"]["type"], data["NeutronError"]["message"]
        return data

    return asked


def network(ask: Ask, cidr: str, **fields: Any) -> tuple[str, str]:
    ident = ask("POST", "/networks", {"network": {"name": "n", **fields}})["network"]["id"]
    subnet = ask("POST", "/subnets", {"subnet": {"network_id": ident, "cidr": cidr, "ip_version": 4}})["subnet"]["id"]
    return ident, subnet


@pytest.fixture(scope="module")
def outside(ask: Ask) -> tuple[str, str]:
    """An external network with a range."""
    return network(ask, "198.51.100.0/24", **{"router:external": True})


@pytest.fixture
def inside(ask: Ask) -> Iterator[tuple[str, str]]:
    """An isolated network with a range."""
    made = network(ask, f"10.66.{next(_numbers)}.0/24", **{"tuinova:mode": "isolated"})
    yield made
    for port in ask("GET", f"/ports?network_id={made[0]}")["ports"]:
        ask("DELETE", f"/ports/{port['id']}")
    assert ask("DELETE", f"/networks/{made[0]}") is None


@pytest.fixture
def router(ask: Ask, outside: Any, inside: Any) -> Iterator[str]:
    """A router between the two."""
    body = {"name": "r", "external_gateway_info": {"network_id": outside[0]}}
    ident: str = ask("POST", "/routers", {"router": body})["router"]["id"]
    assert ask("PUT", f"/routers/{ident}/add_router_interface", {"subnet_id": inside[1]})["subnet_id"] == inside[1]
    yield ident
    ask("PUT", f"/routers/{ident}/remove_router_interface", {"subnet_id": inside[1]})
    assert ask("DELETE", f"/routers/{ident}") is None


def driver_of(running: Any) -> Any:
    running.engine.settle()
    (driver,) = running.engine.drivers.values()
    return driver


def test_a_router_is_told_to_the_hosts(running: Any, ask: Ask, outside: Any, inside: Any, router: str) -> None:
    (told,) = driver_of(running).routing()["routers"]
    shown = ask("GET", f"/routers/{router}")["router"]
    (address,) = shown["external_gateway_info"]["external_fixed_ips"]
    assert (told["id"], told["external_address"], told["snat"]) == (router, address["ip_address"], True)
    assert told["external"]["id"] == outside[0]
    gateway = ask("GET", f"/subnets/{inside[1]}")["subnet"]["gateway_ip"]
    assert told["interfaces"] == [[inside[0], gateway, 24]]
    ask("PUT", f"/routers/{router}", {"router": {"admin_state_up": False}})
    assert driver_of(running).routing()["routers"] == []


def test_what_hangs_on_a_router_is_refused_in_neutrons_words(ask: Ask, inside: Any, router: str) -> None:
    (port,) = ask("GET", f"/ports?device_id={router}&device_owner=network:router_interface")["ports"]
    text = f"Router {router} still has ports: {port['id']}"
    assert ask("DELETE", f"/routers/{router}") == (409, "RouterInUse", text)
    assert ask("DELETE", f"/subnets/{inside[1]}")[:2] == (409, "SubnetInUse")
    text = (
        f"Unable to complete operation on network {inside[0]}. There are one or more ports still in use on the "
        f"network: {port['id']} of router {router}."
    )
    assert ask("DELETE", f"/networks/{inside[0]}") == (409, "NetworkInUse", text)
    assert ask("DELETE", f"/ports/{port['id']}")[:2] == (409, "L3PortInUse")
    again = ask("PUT", f"/routers/{router}/add_router_interface", {"subnet_id": inside[1]})
    assert again == (400, "BadRequest", f"Bad router request: Router already has a port on subnet {inside[1]}.")
    assert ask("PUT", f"/routers/{router}/add_router_interface", {})[:2] == (400, "BadRequest")
    assert ask("PUT", f"/routers/{router}/remove_router_interface", {"port_id": inside[1]})[:2] == (
        404,
        "RouterInterfaceNotFound",
    )
    body = {"router": {"external_gateway_info": {"network_id": inside[0]}}}
    assert ask("PUT", f"/routers/{router}", body)[:2] == (400, "BadRequest")
    far = {"router": {"routes": [{"destination": "10.1.0.0/16", "nexthop": "10.250.0.1"}]}}
    assert ask("PUT", f"/routers/{router}", far)[:2] == (400, "InvalidInput")
    theirs = {"user": "demo", "project": "demo"}
    assert ask("GET", f"/routers/{router}", **theirs)[:2] == (404, "RouterNotFound")


def test_a_floating_address_leads_to_a_server_and_is_seen_there(
    running: Any, admin: Client, ask: Ask, outside: Any, inside: Any, router: str
) -> None:
    server = running.boot(admin, networks=[{"uuid": inside[0]}])
    (port,) = ask("GET", f"/ports?device_id={server['id']}")["ports"]
    body = {"floating_network_id": outside[0], "port_id": port["id"]}
    made = ask("POST", "/floatingips", {"floatingip": body})["floatingip"]
    assert (made["status"], made["router_id"], made["fixed_ip_address"]) == ("ACTIVE", router, server["addresses"][0])
    (told,) = driver_of(running).routing()["floating"]
    assert (told["address"], told["fixed"], told["network_id"]) == (
        made["floating_ip_address"],
        server["addresses"][0],
        inside[0],
    )
    listed = [one for found in admin.servers.get(server["id"])["addresses"].values() for one in found]
    assert [(one["addr"], one["OS-EXT-IPS:type"]) for one in listed] == [
        (server["addresses"][0], "fixed"),
        (made["floating_ip_address"], "floating"),
    ]
    needed = ask("PUT", f"/routers/{router}/remove_router_interface", {"subnet_id": inside[1]})
    assert needed[:2] == (409, "RouterInterfaceInUseByFloatingIP")
    gone = ask("PUT", f"/routers/{router}", {"router": {"external_gateway_info": None}})
    assert gone[:2] == (409, "RouterExternalGatewayInUseByFloatingIp")
    second = ask("POST", "/floatingips", {"floatingip": {"floating_network_id": outside[0]}})["floatingip"]
    assert second["status"] == "DOWN"
    taken = ask("PUT", f"/floatingips/{second['id']}", {"floatingip": {"port_id": port["id"]}})
    assert taken[:2] == (409, "FloatingIPPortAlreadyAssociated")
    running.remove(admin, server["id"])
    assert driver_of(running).routing()["floating"] == []
    left = ask("GET", f"/floatingips/{made['id']}")["floatingip"]
    assert (left["port_id"], left["fixed_ip_address"], left["status"]) == (None, None, "DOWN")
    for one in (made, second):
        assert ask("DELETE", f"/floatingips/{one['id']}") is None


def test_without_a_way_out_there_is_no_floating_address(ask: Ask, outside: Any, inside: Any) -> None:
    port = ask("POST", "/ports", {"port": {"network_id": inside[0]}})["port"]["id"]
    refused = ask("POST", "/floatingips", {"floatingip": {"floating_network_id": outside[0], "port_id": port}})
    assert refused == (
        404,
        "ExternalGatewayForFloatingIPNotFound",
        f"External network {outside[0]} is not reachable from subnet {inside[1]}. Therefore, cannot associate Port "
        f"{port} with a Floating IP.",
    )
    assert ask("GET", "/floatingips") == {"floatingips": []}
    own = ask("POST", "/floatingips", {"floatingip": {"floating_network_id": inside[0]}})
    assert own[:2] == (400, "BadRequest")


def test_a_network_with_its_own_way_out_needs_no_router(running: Any, ask: Ask, outside: Any) -> None:
    ident, _ = network(ask, "10.66.251.0/24")
    port = ask("POST", "/ports", {"port": {"network_id": ident}})["port"]["id"]
    wished = {"floating_network_id": outside[0], "port_id": port, "floating_ip_address": "198.51.100.200"}
    made = ask("POST", "/floatingips", {"floatingip": wished})["floatingip"]
    assert (made["router_id"], made["floating_ip_address"]) == (None, "198.51.100.200")
    again = {"floating_network_id": outside[0], "floating_ip_address": "198.51.100.200"}
    assert ask("POST", "/floatingips", {"floatingip": again})[:2] == (409, "IpAddressInUse")
    assert ask("PUT", f"/floatingips/{made['id']}", {"floatingip": {"port_id": None}})["floatingip"]["port_id"] is None
    ask("DELETE", f"/floatingips/{made['id']}")
    ask("DELETE", f"/ports/{port}")
    ask("DELETE", f"/networks/{ident}")


def test_tags(ask: Ask, inside: Any) -> None:
    path = f"/networks/{inside[0]}/tags"
    assert ask("PUT", path, {"tags": ["blue", "old"]}) == {"tags": ["blue", "old"]}
    ask("PUT", path + "/new")
    ask("DELETE", path + "/old")
    assert ask("GET", path) == {"tags": ["blue", "new"]}
    assert ask("DELETE", path + "/old")[:2] == (404, "TagNotFound")
    assert [one["id"] for one in ask("GET", "/networks?tags=blue,new")["networks"]] == [inside[0]]
    assert ask("GET", "/networks?tags=red")["networks"] == []
