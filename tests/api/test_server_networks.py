"""Servers on networks of one's own: created with networks, ports, addresses, groups; freed with them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tuinova.client import ApiError, Client
from tuinova.client.waiters import wait_for_status

Ask = Callable[..., Any]
_numbers = iter(range(1, 250))


@pytest.fixture(scope="module")
def ask(running: Any) -> Ask:
    """The body of an answer of the network face; a refusal is (status, message)."""

    def asked(method: str, path: str, body: Any = None) -> Any:
        raw = None if body is None else json.dumps(body).encode()
        answer = running.raw(method, "/network/v2.0" + path, raw, {"Content-Type": "application/json"})
        data = json.loads(answer.data) if answer.data else None
        if isinstance(data, dict) and "NeutronError" in data:
            return answer.status, data["NeutronError"]["message"]
        return data

    return asked


class Net:
    """A network with one subnet."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.name = f"net-{uuid.uuid4().hex[:6]}"
        self.id = ask("POST", "/networks", {"network": {"name": self.name}})["network"]["id"]
        self.base = f"10.99.{next(_numbers)}."
        body = {"network_id": self.id, "cidr": self.base + "0/24", "ip_version": 4}
        self.subnet = ask("POST", "/subnets", {"subnet": body})["subnet"]["id"]

    def port(self, **fields: Any) -> dict[str, Any]:
        made = self.ask("POST", "/ports", {"port": {"network_id": self.id, **fields}})
        found: dict[str, Any] = made["port"]
        return found

    def ports(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", f"/ports?network_id={self.id}")["ports"]
        return found


@pytest.fixture
def net(ask: Ask, running: Any) -> Iterator[Net]:
    made = Net(ask)
    yield made
    servers = {port["device_id"] for port in made.ports() if port["device_owner"].startswith("compute:")}
    with running.client() as client:
        for server in servers:
            running.remove(client, server)
    for port in made.ports():
        ask("DELETE", f"/ports/{port['id']}")
    assert ask("DELETE", f"/networks/{made.id}") is None


def refused(client: Client, **fields: Any) -> tuple[int, str]:
    body = {"name": "vm", "imageRef": fields.pop("image"), "flavorRef": "84", "networks": "auto", **fields}
    with pytest.raises(ApiError) as caught:
        client.servers.create({"server": body})
    return caught.value.code, caught.value.message


def test_a_server_on_a_network_of_ours_has_a_port_a_firewall_and_an_address(
    running: Any, admin: Client, net: Net, ask: Ask
) -> None:
    server = running.boot(admin, networks=[{"uuid": net.id, "tag": "front"}])
    assert server["networks"] == {net.name: [net.base + "2"]}
    (port,) = net.ports()
    assert (port["device_id"], port["device_owner"], port["status"]) == (server["id"], "compute:nova", "ACTIVE")
    assert port["binding:host_id"] == server["host"]
    (driver,) = running.engine.drivers.values()
    (nic,) = driver.ports_of(server["id"])
    assert (nic["mac"], nic["spec"]["id"], nic["spec"]["mode"], nic["tag"]) == (
        port["mac_address"],
        net.id,
        "nat",
        "front",
    )
    assert nic["fixed_ips"] == [{"address": net.base + "2", "prefix": 24, "subnet_id": net.subnet}]
    # The default group: all out, in from its members, which is only this one yet.
    inward = [rule for rule in nic["security"]["rules"] if rule["direction"] == "ingress"]
    assert {(rule["ethertype"], tuple(rule["remote"])) for rule in inward} == {
        ("IPv4", (net.base + "2",)),
        ("IPv6", ()),
    }
    (interface,) = admin.get(f"/v2.1/servers/{server['id']}/os-interface")["interfaceAttachments"]
    assert (interface["net_id"], interface["tag"]) == (net.id, "front")
    assert ask("DELETE", f"/ports/{port['id']}")[0] == 409
    code, text = ask("DELETE", f"/networks/{net.id}")
    assert (code, f"{port['id']} of server {server['id']}" in text) == (409, True), text
    running.remove(admin, server["id"])
    assert net.ports() == []


def test_a_given_port_is_bound_and_stays_when_the_server_goes(running: Any, admin: Client, net: Net) -> None:
    port = net.port(name="mine", fixed_ips=[{"ip_address": net.base + "77"}])
    server = running.boot(admin, networks=[{"port": port["id"]}])
    assert server["addresses"] == [net.base + "77"]
    assert refused(admin, image=running.image["id"], networks=[{"port": port["id"]}]) == (
        409,
        f"Port {port['id']} is still in use.",
    )
    running.remove(admin, server["id"])
    (left,) = net.ports()
    assert (left["id"], left["device_id"], left["status"]) == (port["id"], "", "DOWN")
    assert (left["fixed_ips"], left["binding:host_id"]) == (port["fixed_ips"], "")


def test_two_requests_for_one_port_leave_one_server(running: Any, admin: Client, net: Net) -> None:
    port = net.port()
    body = {"name": "vm", "imageRef": running.image["id"], "flavorRef": "84", "networks": [{"port": port["id"]}]}
    made = admin.servers.create({"server": body})
    assert refused(admin, image=running.image["id"], networks=[{"port": port["id"]}])[0] == 409
    wait_for_status(admin, made["id"], "active", timeout=30)


def test_a_fixed_address_is_had_once(running: Any, admin: Client, net: Net) -> None:
    wish = {"uuid": net.id, "fixed_ip": net.base + "9"}
    server = running.boot(admin, networks=[wish])
    assert server["addresses"] == [net.base + "9"]
    image = running.image["id"]
    assert refused(admin, image=image, networks=[wish]) == (
        400,
        f"Fixed IP address {net.base}9 is already in use.",
    )
    assert refused(admin, image=image, networks=[{"uuid": net.id, "fixed_ip": "10.1.1.1"}])[0] == 400
    several = refused(admin, image=image, networks=[{"uuid": net.id, "fixed_ip": net.base + "10"}], max_count=2)
    assert several[0] == 400
    assert "max_count cannot be greater than 1" in several[1]


def test_a_build_that_fails_frees_what_it_made_and_lets_go_of_what_was_given(
    running: Any, admin: Client, net: Net
) -> None:
    port = net.port()
    (driver,) = running.engine.drivers.values()
    driver.faults.order("spawn", {"error": "no", "kind": "abort"})
    body = {"name": "vm", "imageRef": running.image["id"], "flavorRef": "84"}
    made = admin.servers.create({"server": {**body, "networks": [{"port": port["id"]}, {"uuid": net.id}]}})
    assert running.engine.settle()
    driver.faults.order("spawn", None)
    assert admin.servers.get(made["id"])["status"] == "ERROR"
    assert [(one["id"], one["device_id"]) for one in net.ports()] == [(port["id"], "")]
    running.remove(admin, made["id"])


def test_networks_that_can_not_be_joined_are_refused(
    running: Any, admin: Client, demo: Client, net: Net, ask: Ask
) -> None:
    image = running.image["id"]
    assert refused(admin, image=image, networks=[{"uuid": "no-such"}])[0] == 400
    nowhere = str(uuid.uuid4())
    assert refused(admin, image=image, networks=[{"uuid": nowhere}]) == (400, f"Network {nowhere} could not be found.")
    assert refused(demo, image=image, networks=[{"uuid": net.id}]) == (400, f"Network {net.id} could not be found.")
    port = net.port()
    assert refused(demo, image=image, networks=[{"port": port["id"]}])[0] == 400
    bare = ask("POST", "/networks", {"network": {"name": "bare"}})["network"]["id"]
    assert refused(admin, image=image, networks=[{"uuid": bare}]) == (
        400,
        f"Network {bare} requires a subnet in order to boot instances on.",
    )
    ask("DELETE", f"/networks/{bare}")


def test_without_a_choice_the_only_network_of_the_project_is_taken(
    running: Any, admin: Client, net: Net, ask: Ask
) -> None:
    server = running.boot(admin)
    assert list(server["networks"]) == [net.name]
    other = ask("POST", "/networks", {"network": {"name": "other"}})["network"]["id"]
    assert refused(admin, image=running.image["id"]) == (
        409,
        "More than one possible network found. Specify network ID(s) to select which one(s) to connect to.",
    )
    ask("DELETE", f"/networks/{other}")
    none = running.boot(admin, networks="none")
    assert none["networks"] == {}
    running.remove(admin, none["id"])


def test_security_groups_are_named_or_refused(running: Any, admin: Client, net: Net, ask: Ask) -> None:
    group = ask("POST", "/security-groups", {"security_group": {"name": "web"}})["security_group"]["id"]
    image = running.image["id"]
    server = running.boot(admin, networks=[{"uuid": net.id}], security_groups=[{"name": "web"}, {"name": "default"}])
    (port,) = net.ports()
    assert len(port["security_groups"]) == 2
    assert group in port["security_groups"]
    shown = admin.servers.get(server["id"])["security_groups"]
    assert [one["name"] for one in shown] == ["web", "default"]
    assert refused(admin, image=image, security_groups=[{"name": "none-such"}])[0] == 400
    ask("POST", "/security-groups", {"security_group": {"name": "web"}})
    assert refused(admin, image=image, networks=[{"uuid": net.id}], security_groups=[{"name": "web"}])[0] == 409
    assert ask("DELETE", f"/security-groups/{group}")[0] == 409
    running.remove(admin, server["id"])
    for one in ask("GET", "/security-groups?name=web")["security_groups"]:
        assert ask("DELETE", f"/security-groups/{one['id']}") is None


def test_a_rule_reaches_the_guest_and_a_new_member_the_others(running: Any, admin: Client, net: Net, ask: Ask) -> None:
    first = running.boot(admin, networks=[{"uuid": net.id}])
    (driver,) = running.engine.drivers.values()

    def rules() -> list[dict[str, Any]]:
        assert running.engine.settle()
        found: list[dict[str, Any]] = driver.ports_of(first["id"])[0]["security"]["rules"]
        return found

    second = running.boot(admin, networks=[{"uuid": net.id}])
    inward = [one for one in rules() if one["direction"] == "ingress" and one["ethertype"] == "IPv4"]
    assert [sorted(one["remote"]) for one in inward] == [[net.base + "2", net.base + "3"]]
    (port, *_) = net.ports()
    body = {"security_group_id": port["security_groups"][0], "direction": "ingress", "protocol": "tcp"}
    rule = {**body, "port_range_min": 22, "port_range_max": 22}
    made = ask("POST", "/security-group-rules", {"security_group_rule": rule})["security_group_rule"]["id"]
    assert [one["port_min"] for one in rules() if one["protocol"] == "tcp"] == [22]
    ask("DELETE", f"/security-group-rules/{made}")
    assert [one for one in rules() if one["protocol"] == "tcp"] == []
    running.remove(admin, second["id"])
    inward = [one for one in rules() if one["direction"] == "ingress" and one["ethertype"] == "IPv4"]
    assert [one["remote"] for one in inward] == [[net.base + "2"]]


def test_addresses_of_ours_are_found_and_kept_in_a_stop_and_start(running: Any, admin: Client, net: Net) -> None:
    server = running.boot(admin, networks=[{"uuid": net.id}, {"uuid": net.id}])
    assert server["addresses"] == [net.base + "2", net.base + "3"]
    found = admin.servers.list(ip="^" + net.base.replace(".", r"\.") + "3$")
    assert [one["id"] for one in found] == [server["id"]]
    admin.servers.action(server["id"], "os-stop")
    wait_for_status(admin, server["id"], "shutoff", timeout=30)
    admin.servers.action(server["id"], "os-start")
    again = wait_for_status(admin, server["id"], "active", timeout=30)
    assert again["addresses"] == server["addresses"]


# interfaces of a server that is there --------------------------------------------------------------------------------
def attach(client: Client, server: str, **body: Any) -> dict[str, Any]:
    answer = client.post(f"/v2.1/servers/{server}/os-interface", {"interfaceAttachment": body})
    found: dict[str, Any] = answer["interfaceAttachment"]
    return found


def denied(client: Client, method: str, path: str, body: Any = None) -> tuple[int, str]:
    with pytest.raises(ApiError) as caught:
        client.request(method, path, body)
    return caught.value.code, caught.value.message


def test_an_interface_is_attached_and_detached_on_a_running_guest(
    running: Any, admin: Client, net: Net, ask: Ask
) -> None:
    server = running.boot(admin, networks="none")["id"]
    (driver,) = running.engine.drivers.values()
    made = attach(admin, server, net_id=net.id, fixed_ips=[{"ip_address": net.base + "50"}], tag="late")
    assert (made["net_id"], made["port_state"], made["tag"]) == (net.id, "ACTIVE", "late")
    assert made["fixed_ips"] == [{"subnet_id": net.subnet, "ip_address": net.base + "50"}]
    assert [nic["port_id"] for nic in driver.ports_of(server)] == [made["port_id"]]
    port = net.port()
    given = attach(admin, server, port_id=port["id"])
    assert admin.servers.get(server)["addresses"].keys() == {net.name}
    assert len(driver.ports_of(server)) == 2
    again = {"interfaceAttachment": {"port_id": port["id"]}}
    assert denied(admin, "POST", f"/v2.1/servers/{server}/os-interface", again)[0] == 409
    for one in (made, given):
        assert admin.request("DELETE", f"/v2.1/servers/{server}/os-interface/{one['port_id']}").status == 202
    assert running.engine.settle()
    assert driver.ports_of(server) == []
    assert [(one["id"], one["device_id"]) for one in net.ports()] == [(port["id"], "")]
    assert denied(admin, "DELETE", f"/v2.1/servers/{server}/os-interface/{port['id']}") == (
        404,
        f"Port id {port['id']} could not be found.",
    )
    actions = [one["action"] for one in admin.servers.events(server)]
    assert actions == ["detach_interface", "detach_interface", "attach_interface", "attach_interface", "create"]
    running.remove(admin, server)


def test_an_attach_that_fails_leaves_nothing(running: Any, admin: Client, net: Net) -> None:
    server = running.boot(admin, networks="none")["id"]
    (driver,) = running.engine.drivers.values()
    port = net.port()
    driver.faults.order("attach_interface", {"error": "no PCI slot", "when": "middle"})
    path = f"/v2.1/servers/{server}/os-interface"
    for body in ({"net_id": net.id}, {"port_id": port["id"]}):
        assert denied(admin, "POST", path, {"interfaceAttachment": body}) == (
            500,
            f"Failed to attach network adapter device to {server}",
        )
    driver.faults.order("attach_interface", None)
    assert running.engine.settle()
    assert [(one["id"], one["device_id"]) for one in net.ports()] == [(port["id"], "")]
    assert driver.ports_of(server) == []
    shown = admin.servers.get(server)
    assert (shown["status"], shown["addresses"], shown["OS-EXT-STS:task_state"]) == ("ACTIVE", {}, None)
    running.remove(admin, server)


def test_a_guest_that_does_not_let_go_keeps_its_port(running: Any, admin: Client, net: Net) -> None:
    server = running.boot(admin, networks=[{"uuid": net.id}])["id"]
    (driver,) = running.engine.drivers.values()
    driver.faults.order("detach_interface", {"error": "busy"})
    (port,) = net.ports()
    admin.request("DELETE", f"/v2.1/servers/{server}/os-interface/{port['id']}")
    assert running.engine.settle()
    driver.faults.order("detach_interface", None)
    assert [one["device_id"] for one in net.ports()] == [server]
    (event,) = admin.servers.event(server, admin.servers.events(server)[0]["request_id"])["events"]
    assert (event["event"], event["result"]) == ("compute_detach_interface", "Error")
    running.remove(admin, server)


def test_an_interface_is_attached_only_in_states_that_allow_it(running: Any, admin: Client, net: Net) -> None:
    server = running.boot(admin, networks="none")["id"]
    admin.servers.action(server, "suspend")
    wait_for_status(admin, server, "suspended", timeout=30)
    path = f"/v2.1/servers/{server}/os-interface"
    assert denied(admin, "POST", path, {"interfaceAttachment": {"net_id": net.id}}) == (
        409,
        f"Cannot 'attach_interface' instance {server} while it is in vm_state suspended",
    )
    both = {"interfaceAttachment": {"net_id": net.id, "port_id": str(uuid.uuid4())}}
    admin.servers.action(server, "resume")
    wait_for_status(admin, server, "active", timeout=30)
    assert denied(admin, "POST", path, both) == (400, "Must not input both network_id and port_id")
    unknown = {"interfaceAttachment": {"net_id": str(uuid.uuid4())}}
    assert denied(admin, "POST", path, unknown)[0] == 404
    # Without a choice it is the only network of the project.
    assert admin.post(path, {})["interfaceAttachment"]["net_id"] == net.id
    running.remove(admin, server)


def test_addresses_are_added_and_taken_away(running: Any, admin: Client, net: Net, ask: Ask) -> None:
    server = running.boot(admin, networks=[{"uuid": net.id}])["id"]
    (driver,) = running.engine.drivers.values()
    admin.servers.action(server, "addFixedIp", {"networkId": net.id})
    assert running.engine.settle()
    assert [one["address"] for one in driver.ports_of(server)[0]["fixed_ips"]] == [net.base + "2", net.base + "3"]
    listed = admin.get(f"/v2.1/servers/{server}/ips/{net.name}")[net.name]
    assert [one["addr"] for one in listed] == [net.base + "2", net.base + "3"]
    admin.servers.action(server, "removeFixedIp", {"address": net.base + "2"})
    assert running.engine.settle()
    assert [one["address"] for one in driver.ports_of(server)[0]["fixed_ips"]] == [net.base + "3"]
    path = f"/v2.1/servers/{server}/action"
    assert denied(admin, "POST", path, {"removeFixedIp": {"address": net.base + "2"}})[0] == 400
    assert denied(admin, "POST", path, {"addFixedIp": {"networkId": str(uuid.uuid4())}})[0] == 404
    running.remove(admin, server)


def test_security_groups_of_a_server_are_added_and_taken_away(running: Any, admin: Client, net: Net, ask: Ask) -> None:
    group = ask("POST", "/security-groups", {"security_group": {"name": "late"}})["security_group"]["id"]
    rule = {"security_group_id": group, "direction": "ingress", "protocol": "tcp", "port_range_min": 80}
    ask("POST", "/security-group-rules", {"security_group_rule": {**rule, "port_range_max": 80}})
    server = running.boot(admin, networks=[{"uuid": net.id}])["id"]
    (driver,) = running.engine.drivers.values()

    def opened() -> list[int]:
        assert running.engine.settle()
        rules = driver.ports_of(server)[0]["security"]["rules"]
        return [one["port_min"] for one in rules if one["protocol"] == "tcp"]

    assert opened() == []
    admin.servers.action(server, "addSecurityGroup", {"name": "late"})
    assert opened() == [80]
    names = [one["name"] for one in admin.servers.get(server)["security_groups"]]
    assert sorted(names) == ["default", "late"]
    listed = admin.get(f"/v2.1/servers/{server}/os-security-groups")["security_groups"]
    assert sorted(one["name"] for one in listed) == ["default", "late"]
    admin.servers.action(server, "removeSecurityGroup", {"name": "late"})
    assert opened() == []
    path = f"/v2.1/servers/{server}/action"
    assert denied(admin, "POST", path, {"removeSecurityGroup": {"name": "late"}})[0] == 404
    assert denied(admin, "POST", path, {"addSecurityGroup": {"name": "no such"}})[0] == 404
    assert denied(admin, "POST", path, {"addSecurityGroup": {"name": " "}})[0] == 400
    running.remove(admin, server)
    assert ask("DELETE", f"/security-groups/{group}") is None
