"""Neutron's face: networks, subnets, ports and security groups are made, refused, listed and removed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tuinova.client import Client

NETWORK = "/network/v2.0"
Answer = tuple[int, Any]
Ask = Callable[..., Answer]


@pytest.fixture(scope="module")
def ask(running: Any) -> Ask:
    """(status, body) of a request to the network face; a refusal is (status, type, message)."""

    def asked(method: str, path: str, body: Any = None, *, user: str = "admin", project: str = "admin") -> Any:
        headers = {"X-Tuinova-Username": user, "X-Tuinova-Project-Name": project, "Content-Type": "application/json"}
        raw = None if body is None else json.dumps(body).encode()
        answer = running.raw(method, NETWORK + path, raw, headers)
        data = json.loads(answer.data) if answer.data else None
        if isinstance(data, dict) and "NeutronError" in data:
            return answer.status, data["NeutronError"]["type"], data["NeutronError"]["message"]
        return answer.status, data

    return asked


_numbers = iter(range(1, 250))


@pytest.fixture
def cidr() -> str:
    """A range that no other test has."""
    return f"10.77.{next(_numbers)}.0/24"


@pytest.fixture
def network(ask: Ask) -> Iterator[str]:
    """A network of project admin; what a test left on it goes with it."""
    status, made = ask("POST", "/networks", {"network": {"name": f"net-{uuid.uuid4().hex[:6]}"}})
    assert status == 201
    ident = made["network"]["id"]
    yield ident
    for port in ask("GET", f"/ports?network_id={ident}")[1]["ports"]:
        ask("DELETE", f"/ports/{port['id']}")
    ask("DELETE", f"/networks/{ident}")


@pytest.fixture
def subnet(ask: Ask, network: str, cidr: str) -> dict[str, Any]:
    status, made = ask("POST", "/subnets", {"subnet": {"network_id": network, "cidr": cidr, "ip_version": 4}})
    assert status == 201
    found: dict[str, Any] = made["subnet"]
    return found


def base(subnet: dict[str, Any]) -> str:
    return str(subnet["cidr"]).removesuffix("0/24")


# networks ------------------------------------------------------------------------------------------------------------
def test_a_network_of_the_host_is_there_and_can_not_be_changed(ask: Ask) -> None:
    (found,) = ask("GET", "/networks?name=fake")[1]["networks"]
    assert (found["shared"], found["tuinova:mode"], found["port_security_enabled"]) == (True, "host", False)
    (range_of_host,) = ask("GET", f"/subnets?network_id={found['id']}")[1]["subnets"]
    assert (range_of_host["cidr"], range_of_host["gateway_ip"]) == ("10.0.0.0/16", "10.0.0.1")
    assert ask("PUT", f"/networks/{found['id']}", {"network": {"name": "mine"}})[:2] == (409, "NetworkOfHost")
    assert ask("DELETE", f"/networks/{found['id']}")[:2] == (409, "NetworkOfHost")
    body = {"subnet": {"network_id": found["id"], "cidr": "10.88.0.0/24", "ip_version": 4}}
    assert ask("POST", "/subnets", body)[:2] == (409, "NetworkOfHost")


def test_every_host_gets_a_network_and_loses_it_with_its_end(ask: Ask, running: Any, network: str, subnet: Any) -> None:
    running.engine.settle()
    (driver,) = running.engine.drivers.values()
    made = driver.made_network(network)
    assert (made["mode"], [one["cidr"] for one in made["subnets"]]) == ("nat", [subnet["cidr"]])
    assert made["subnets"][0]["host_address"] == subnet["gateway_ip"]
    assert ask("DELETE", f"/networks/{network}") == (204, None)
    running.engine.settle()
    assert network not in driver.networks_made()
    assert running.engine.conductor.open_orders() == []


def test_why_a_host_can_not_make_a_network_stands_in_it(ask: Ask, running: Any, network: str) -> None:
    (driver,) = running.engine.drivers.values()
    driver.faults.order("ensure_network", {"error": "no such device"})
    ask("PUT", f"/networks/{network}", {"network": {"mtu": 1400}})
    running.engine.settle()
    shown = ask("GET", f"/networks/{network}")[1]["network"]
    assert (shown["status"], shown["tuinova:faults"]) == ("ERROR", {driver.host: "no such device"})
    driver.faults.order("ensure_network", None)
    ask("PUT", f"/networks/{network}", {"network": {"mtu": 1450}})
    running.engine.settle()
    assert ask("GET", f"/networks/{network}")[1]["network"]["status"] == "ACTIVE"
    assert driver.made_network(network)["mtu"] == 1450


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"provider:network_type": "vlan"}, "Network type 'vlan' is not supported"),
        ({"provider:network_type": "flat"}, "physical_network required"),
        ({"provider:network_type": "flat", "provider:physical_network": "br9"}, "there is no bridge br9"),
        ({"provider:segmentation_id": 5}, "segmentation_id is not used"),
        ({"tuinova:mode": "nat", "provider:physical_network": "br0"}, "can't be given for a network of mode nat"),
    ],
)
def test_a_network_that_can_not_be_made_is_refused_and_not_written(ask: Ask, body: Any, said: str) -> None:
    status, kind, message = ask("POST", "/networks", {"network": {"name": "no", **body}})
    assert (status, kind) == (400, "InvalidInput")
    assert said in message
    assert ask("GET", "/networks?name=no")[1] == {"networks": []}


def test_a_provider_network_is_an_existing_bridge(ask: Ask, running: Any) -> None:
    body = {"name": "wire", "provider:network_type": "flat", "provider:physical_network": "br-ex"}
    made = ask("POST", "/networks", {"network": body})[1]["network"]
    assert (made["tuinova:mode"], made["provider:network_type"]) == ("provider", "flat")
    subnet = {"network_id": made["id"], "cidr": "203.0.113.0/24", "ip_version": 4}
    ask("POST", "/subnets", {"subnet": subnet})
    running.engine.settle()
    (driver,) = running.engine.drivers.values()
    spec = driver.made_network(made["id"])
    # The gateway is somebody else's: DHCP answers at an address of its own, which no guest gets.
    assert (spec["bridge"], spec["subnets"][0]["gateway"]) == ("br-ex", "203.0.113.1")
    assert spec["subnets"][0]["host_address"] == "203.0.113.2"
    (port,) = ask("GET", f"/ports?network_id={made['id']}")[1]["ports"]
    assert port["device_owner"] == "network:dhcp"
    assert ask("DELETE", f"/networks/{made['id']}") == (204, None)


def test_members_do_not_give_what_is_for_administrators(ask: Ask) -> None:
    for name, value in (
        ("shared", True),
        ("router:external", True),
        ("provider:physical_network", "br0"),
        ("tuinova:mode", "routed"),
    ):
        status, kind, message = ask("POST", "/networks", {"network": {name: value}}, user="demo", project="demo")
        assert (status, kind) == (403, "PolicyNotAuthorized")
        assert message == f"rule:create_network:{name} is disallowed by policy"


def test_another_projects_network_is_not_there_unless_it_is_shared(ask: Ask, network: str, subnet: Any) -> None:
    theirs = {"user": "demo", "project": "demo"}
    assert ask("GET", f"/networks/{network}", **theirs)[:2] == (404, "NetworkNotFound")
    assert ask("GET", f"/subnets/{subnet['id']}", **theirs)[:2] == (404, "SubnetNotFound")
    assert ask("POST", "/ports", {"port": {"network_id": network}}, **theirs)[:2] == (404, "NetworkNotFound")
    ask("PUT", f"/networks/{network}", {"network": {"shared": True}})
    assert ask("GET", f"/networks/{network}", **theirs)[0] == 200
    assert ask("DELETE", f"/networks/{network}", **theirs)[:2] == (403, "PolicyNotAuthorized")
    port = ask("POST", "/ports", {"port": {"network_id": network}}, **theirs)[1]["port"]
    taken = port["fixed_ips"][0]["ip_address"]
    refused = ask("POST", "/ports", {"port": {"network_id": network, "fixed_ips": [{"ip_address": taken}]}}, **theirs)
    assert refused[:2] == (403, "PolicyNotAuthorized")
    assert ask("PUT", f"/networks/{network}", {"network": {"shared": False}})[:2] == (409, "NetworkInUse")


# subnets -------------------------------------------------------------------------------------------------------------
def test_a_subnet_that_overlaps_is_refused(ask: Ask, network: str, subnet: Any) -> None:
    half = subnet["cidr"].replace("/24", "/25")
    status, kind, message = ask("POST", "/subnets", {"subnet": {"network_id": network, "cidr": half, "ip_version": 4}})
    assert (status, kind) == (400, "InvalidInput")
    assert message == (
        f"Invalid input for operation: Requested subnet with cidr: {half} for network: {network} overlaps with another "
        "subnet."
    )


@pytest.mark.parametrize(
    ("change", "status", "kind"),
    [
        ({"cidr": "10.9.0.0"}, 400, "InvalidInput"),
        ({"cidr": "nonsense/24"}, 400, "InvalidInput"),
        ({"cidr": "10.9.0.0/31"}, 400, "InvalidInput"),
        ({"cidr": "224.0.0.0/24"}, 400, "InvalidInput"),
        ({"ip_version": 6}, 400, "InvalidInput"),
        ({"gateway_ip": "10.10.0.1"}, 400, "InvalidInput"),
        ({"gateway_ip": "10.9.0.255"}, 400, "InvalidInput"),
        ({"allocation_pools": [{"start": "10.9.0.9", "end": "10.9.0.2"}]}, 400, "InvalidAllocationPool"),
        ({"allocation_pools": [{"start": "10.9.0.9", "end": "10.9.1.2"}]}, 400, "OutOfBoundsAllocationPool"),
        (
            {"allocation_pools": [{"start": "10.9.0.1", "end": "10.9.0.9"}]},
            409,
            "GatewayConflictWithAllocationPools",
        ),
        (
            {"allocation_pools": [{"start": "10.9.0.5", "end": "10.9.0.9"}, {"start": "10.9.0.9", "end": "10.9.0.12"}]},
            409,
            "OverlappingAllocationPools",
        ),
        ({"dns_nameservers": ["dns"]}, 400, "InvalidInput"),
        ({"host_routes": [{"destination": "10.0.0.1/8", "nexthop": "10.9.0.1"}]}, 400, "InvalidInput"),
        ({"ipv6_ra_mode": "slaac"}, 400, "InvalidInput"),
        ({"cidr": "2001:db8::/60", "ip_version": 6, "ipv6_address_mode": "slaac"}, 400, "InvalidInput"),
    ],
)
def test_a_bad_subnet_is_refused_in_neutrons_words(
    ask: Ask, network: str, change: dict[str, Any], status: int, kind: str
) -> None:
    body = {"network_id": network, "cidr": "10.9.0.0/24", "ip_version": 4, **change}
    assert ask("POST", "/subnets", {"subnet": body})[:2] == (status, kind)
    assert ask("GET", f"/networks/{network}")[1]["network"]["subnets"] == []


def test_a_subnet_in_use_stays(ask: Ask, network: str, subnet: Any) -> None:
    port = ask("POST", "/ports", {"port": {"network_id": network}})[1]["port"]
    status, kind, message = ask("DELETE", f"/subnets/{subnet['id']}")
    assert (status, kind) == (409, "SubnetInUse")
    assert port["id"] in message
    assert (
        ask("PUT", f"/subnets/{subnet['id']}", {"subnet": {"gateway_ip": port["fixed_ips"][0]["ip_address"]}})[0] == 409
    )
    ask("DELETE", f"/ports/{port['id']}")
    assert ask("DELETE", f"/subnets/{subnet['id']}") == (204, None)


# ports ---------------------------------------------------------------------------------------------------------------
def test_a_port_has_an_address_of_each_family(ask: Ask, network: str, subnet: Any) -> None:
    six = {"network_id": network, "cidr": "2001:db8:7::/64", "ip_version": 6, "ipv6_address_mode": "slaac"}
    assert ask("POST", "/subnets", {"subnet": {**six, "ipv6_ra_mode": "slaac"}})[0] == 201
    body = {"network_id": network, "mac_address": "52-54-00-12-34-56"}
    port = ask("POST", "/ports", {"port": body})[1]["port"]
    assert port["mac_address"] == "52:54:00:12:34:56"
    assert [one["ip_address"] for one in port["fixed_ips"]] == [base(subnet) + "2", "2001:db8:7:0:5054:ff:fe12:3456"]
    assert ask("GET", f"/ports?fixed_ips=ip_address={base(subnet)}2&fields=id")[1] == {"ports": [{"id": port["id"]}]}


def test_addresses_and_macs_that_somebody_has_are_refused(ask: Ask, network: str, subnet: Any) -> None:
    asked = {"network_id": network, "fixed_ips": [{"ip_address": base(subnet) + "40"}]}
    port = ask("POST", "/ports", {"port": asked})[1]["port"]
    assert ask("POST", "/ports", {"port": asked})[:2] == (409, "IpAddressInUse")
    same_mac = {"network_id": network, "mac_address": port["mac_address"]}
    assert ask("POST", "/ports", {"port": same_mac})[:2] == (409, "MacAddressInUse")
    for bad, kind in (("10.200.0.1", "InvalidIpForNetwork"), (base(subnet) + "255", "InvalidIpForNetwork")):
        body = {"network_id": network, "fixed_ips": [{"ip_address": bad}]}
        assert ask("POST", "/ports", {"port": body})[:2] == (400, kind)
    for mac in ("ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "00:00:00:00:00:00", "x"):
        assert ask("POST", "/ports", {"port": {"network_id": network, "mac_address": mac}})[:2] == (400, "InvalidInput")
    assert len(ask("GET", f"/ports?network_id={network}")[1]["ports"]) == 1


def test_a_port_in_the_default_group_of_its_project(ask: Ask, network: str, subnet: Any) -> None:
    port = ask("POST", "/ports", {"port": {"network_id": network}})[1]["port"]
    (group,) = ask("GET", f"/security-groups?id={port['security_groups'][0]}")[1]["security_groups"]
    assert (group["name"], group["project_id"]) == ("default", port["project_id"])
    rules = {(one["direction"], one["ethertype"], one["remote_group_id"]) for one in group["security_group_rules"]}
    assert rules == {
        ("egress", "IPv4", None),
        ("egress", "IPv6", None),
        ("ingress", "IPv4", group["id"]),
        ("ingress", "IPv6", group["id"]),
    }
    assert ask("DELETE", f"/security-groups/{group['id']}")[:2] == (409, "SecurityGroupInUse")
    off: dict[str, dict[str, Any]] = {"port": {"port_security_enabled": False}}
    assert ask("PUT", f"/ports/{port['id']}", off)[:2] == (409, "PortSecurityPortHasSecurityGroup")
    off["port"]["security_groups"] = []
    changed = ask("PUT", f"/ports/{port['id']}", off)[1]["port"]
    assert (changed["security_groups"], changed["port_security_enabled"]) == ([], False)
    pair = {"port": {"allowed_address_pairs": [{"ip_address": "10.1.1.1"}]}}
    assert ask("PUT", f"/ports/{port['id']}", pair)[:2] == (409, "AddressPairAndPortSecurityRequired")


def test_nobody_names_the_owner_of_a_port(ask: Ask, network: str, subnet: Any) -> None:
    victim = {"device_id": str(uuid.uuid4())}
    assert ask("POST", "/ports", {"port": {"network_id": network, **victim}})[:2] == (400, "InvalidInput")
    port = ask("POST", "/ports", {"port": {"network_id": network}})[1]["port"]
    for body in (victim, {"device_owner": "compute:nova"}):
        assert ask("PUT", f"/ports/{port['id']}", {"port": body})[:2] == (400, "InvalidInput")
    assert ask("GET", f"/ports/{port['id']}")[1]["port"]["device_id"] == ""


def test_forwards_are_for_user_mode_networking(ask: Ask, network: str, subnet: Any) -> None:
    port = ask("POST", "/ports", {"port": {"network_id": network}})[1]["port"]
    body = {"port": {"tuinova:forwards": [{"protocol": "tcp", "host_port": 2222, "guest_port": 22}]}}
    assert ask("PUT", f"/ports/{port['id']}", body)[:2] == (400, "InvalidInput")


# security groups -----------------------------------------------------------------------------------------------------
@pytest.fixture
def group(ask: Ask) -> Iterator[str]:
    made = ask("POST", "/security-groups", {"security_group": {"name": f"g-{uuid.uuid4().hex[:6]}"}})[1]
    ident = made["security_group"]["id"]
    yield ident
    ask("DELETE", f"/security-groups/{ident}")


@pytest.mark.parametrize(
    ("rule", "kind", "message"),
    [
        (
            {"protocol": "tcp", "port_range_min": 90, "port_range_max": 80},
            "SecurityGroupInvalidPortRange",
            "For TCP/UDP protocols, port_range_min must be <= port_range_max",
        ),
        ({"port_range_min": 80, "port_range_max": 80}, "SecurityGroupProtocolRequiredWithPorts", None),
        ({"protocol": "tcp", "port_range_min": 1, "port_range_max": 70000}, "SecurityGroupInvalidPortValue", None),
        ({"protocol": "icmp", "port_range_min": 300}, "SecurityGroupInvalidIcmpValue", None),
        ({"protocol": "icmp", "port_range_max": 3}, "SecurityGroupMissingIcmpType", None),
        ({"protocol": "nonsense"}, "SecurityGroupRuleInvalidProtocol", None),
        ({"protocol": 300}, "SecurityGroupRuleInvalidProtocol", None),
        ({"protocol": "icmpv6"}, "SecurityGroupEthertypeConflictWithProtocol", None),
        ({"ethertype": "IPX"}, "SecurityGroupRuleInvalidEtherType", None),
        ({"remote_ip_prefix": "2001:db8::/32"}, "SecurityGroupRuleParameterConflict", None),
        ({"remote_ip_prefix": "here"}, "InvalidInput", None),
        ({"direction": "sideways"}, "SchemaError", None),
    ],
)
def test_a_bad_rule_is_refused_in_neutrons_words(
    ask: Ask, group: str, rule: dict[str, Any], kind: str, message: str | None
) -> None:
    body = {"security_group_id": group, "direction": "ingress", **rule}
    answer = ask("POST", "/security-group-rules", {"security_group_rule": body})
    assert answer[:2] == (400, kind)
    assert message in (None, answer[2])
    assert len(ask("GET", f"/security-group-rules?security_group_id={group}")[1]["security_group_rules"]) == 2


def test_the_same_rule_twice_is_a_conflict(ask: Ask, group: str) -> None:
    body = {"security_group_id": group, "direction": "ingress", "protocol": "tcp"}
    first = {**body, "port_range_min": 22, "port_range_max": "22", "remote_ip_prefix": "10.0.0.7/8"}
    made = ask("POST", "/security-group-rules", {"security_group_rule": first})[1]["security_group_rule"]
    assert (made["remote_ip_prefix"], made["port_range_max"]) == ("10.0.0.0/8", 22)
    again = {**first, "protocol": 6, "remote_ip_prefix": "10.0.0.0/8"}
    status, kind, message = ask("POST", "/security-group-rules", {"security_group_rule": again})
    assert (status, kind, message) == (
        409,
        "SecurityGroupRuleExists",
        f"Security group rule already exists. Rule id is {made['id']}.",
    )
    assert ask("DELETE", f"/security-group-rules/{made['id']}") == (204, None)


def test_there_is_one_default_group_and_it_keeps_its_name(ask: Ask) -> None:
    theirs = {"user": "demo", "project": "demo"}
    (group,) = ask("GET", "/security-groups?name=default", **theirs)[1]["security_groups"]
    assert ask("POST", "/security-groups", {"security_group": {"name": "default"}}, **theirs)[:2] == (
        409,
        "SecurityGroupDefaultAlreadyExists",
    )
    renamed = ask("PUT", f"/security-groups/{group['id']}", {"security_group": {"name": "x"}}, **theirs)
    assert renamed[:2] == (409, "SecurityGroupCannotUpdateDefault")
    assert ask("DELETE", f"/security-groups/{group['id']}", **theirs)[:2] == (409, "SecurityGroupCannotRemoveDefault")


# lists and quotas ----------------------------------------------------------------------------------------------------
def test_lists_are_filtered_ordered_and_paged(ask: Ask) -> None:
    made = [ask("POST", "/networks", {"network": {"name": f"page-{n}"}})[1]["network"]["id"] for n in (2, 1, 3)]
    names = [f"name=page-{n}" for n in (1, 2, 3)]
    listed = ask("GET", f"/networks?{'&'.join(names)}&sort_key=name&sort_dir=desc&fields=name")[1]
    assert [one["name"] for one in listed["networks"]] == ["page-3", "page-2", "page-1"]
    page = ask("GET", f"/networks?{'&'.join(names)}&sort_key=name&limit=2")[1]
    assert [one["name"] for one in page["networks"]] == ["page-1", "page-2"]
    assert page["networks_links"][0]["rel"] == "next"
    rest = ask("GET", f"/networks?{'&'.join(names)}&sort_key=name&limit=2&marker={page['networks'][1]['id']}")[1]
    assert [one["name"] for one in rest["networks"]] == ["page-3"]
    assert "networks_links" not in rest
    assert ask("GET", "/networks?nonsense=1")[:2] == (400, "HTTPBadRequest")
    for ident in made:
        assert ask("DELETE", f"/networks/{ident}") == (204, None)


def test_beyond_the_quota_nothing_is_made(ask: Ask, running: Any) -> None:
    (project,) = [one.id for one in running.engine.conductor.projects() if one.name == "demo"]
    ask("PUT", f"/quotas/{project}", {"quota": {"network": 1}})
    theirs = {"user": "demo", "project": "demo"}
    made = ask("POST", "/networks", {"network": {"name": "one"}}, **theirs)[1]["network"]["id"]
    status, kind, message = ask("POST", "/networks", {"network": {"name": "two"}}, **theirs)
    assert (status, kind, message) == (409, "OverQuota", "Quota exceeded for resources: ['network'].")
    ask("DELETE", f"/networks/{made}", **theirs)
    ask("DELETE", f"/quotas/{project}")


def test_what_is_no_resource_answers_in_neutrons_form(ask: Ask, admin: Client) -> None:
    assert ask("GET", "/nowhere")[0] == 404
    assert ask("GET", "/networks/no-such")[:2] == (404, "NetworkNotFound")
    assert ask("GET", "/extensions/security-group")[1]["extension"]["alias"] == "security-group"
    assert ask("GET", "/extensions/nothing")[:2] == (404, "ExtensionNotFound")
