"""Commands about networks: what they ask of Neutron's routes, what they print, what they refuse by themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.conftest import Typed
from tests.cli.stub_cloud import Cloud

Type = Callable[..., Typed]
N = "/network/v2.0"


def columns(done: Typed) -> list[str]:
    """The titles of a table, or the fields of a record."""
    return [cell.strip() for cell in done.out.splitlines()[1].strip("|").split("|")]


# networks ------------------------------------------------------------------------------------------------------------
def test_a_network_with_every_option(asked: Type, cloud: Cloud) -> None:
    project = cloud.add("projects", name="demo")
    done = asked(
        *("network", "create", "--share", "--disable", "--project", "demo", "--description", "d", "--mtu", "1400"),
        *("--disable-port-security", "--external", "--default", "--provider-network-type", "flat"),
        *("--provider-physical-network", "br0", "--provider-segment", "7", "--dns-domain", "x.", "net1", "-f", "json"),
    )
    assert cloud.body("POST", f"{N}/networks")["network"] == {
        "name": "net1",
        "admin_state_up": False,
        "shared": True,
        "project_id": project["id"],
        "description": "d",
        "mtu": 1400,
        "port_security_enabled": False,
        "router:external": True,
        "is_default": True,
        "provider:network_type": "flat",
        "provider:physical_network": "br0",
        "provider:segmentation_id": "7",
        "dns_domain": "x.",
    }
    assert list(done.json) == sorted(done.json)
    assert done.json["admin_state_up"] is False


def test_a_plain_network_says_nothing_that_was_not_asked(asked: Type, cloud: Cloud) -> None:
    done = asked("network", "create", "net1")
    assert cloud.body("POST", f"{N}/networks") == {"network": {"name": "net1"}}
    assert "| admin_state_up  | UP" in done.out
    assert "| router:external | Internal" in done.out


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        (["--mode", "nat"], {"tuinova:mode": "nat"}),
        (["--mode", "routed", "--bridge", "eth0"], {"tuinova:mode": "routed", "provider:physical_network": "eth0"}),
        (["--mode", "provider", "--bridge", "br0"], {"tuinova:mode": "provider"}),
        (["--bridge", "br0"], {"tuinova:mode": "provider", "provider:physical_network": "br0"}),
    ],
)
def test_the_short_options_say_how_it_reaches_the_outside(
    asked: Type, cloud: Cloud, words: list[str], fields: dict[str, str]
) -> None:
    assert asked("network", "create", *words, "n").code == 0
    sent = cloud.body("POST", f"{N}/networks")["network"]
    assert fields.items() <= sent.items()
    assert "provider:network_type" not in sent


def test_tags_come_after_the_network(asked: Type, cloud: Cloud) -> None:
    made = asked("network", "create", "--tag", "a", "--tag", "b", "net1", "-f", "json").json
    assert made["tags"] == ["a", "b"]
    assert asked("network", "set", "--tag", "c", "net1").code == 0
    assert asked("network", "unset", "--tag", "a", "--tag", "not-there", "net1").code == 0
    assert asked("network", "show", "net1", "-f", "json").json["tags"] == ["b", "c"]
    assert asked("network", "set", "--no-tag", "--tag", "d", "net1").code == 0
    assert asked("network", "show", "net1", "-f", "json").json["tags"] == ["d"]
    assert asked("network", "unset", "--all-tag", "net1").code == 0
    assert asked("network", "show", "net1", "-f", "json").json["tags"] == []


def test_lists_have_openstacks_columns(asked: Type, cloud: Cloud) -> None:
    cloud.add("networks", name="a", **{"provider:network_type": "nat"}, subnets=["s2", "s1"], project_id="p")
    assert columns(asked("network", "list")) == ["ID", "Name", "Subnets"]
    assert columns(asked("network", "list", "--long")) == [
        *("ID", "Name", "Status", "Project", "State", "Shared", "Subnets", "Network Type", "Router Type"),
        *("Availability Zones", "Tags"),
    ]
    [row] = asked("network", "list", "--long", "-f", "json").json
    assert (row["State"], row["Router Type"], row["Subnets"]) == (True, False, ["s2", "s1"])
    cloud.add("subnets", name="s", network_id="n", cidr="10.0.0.0/24")
    assert columns(asked("subnet", "list")) == ["ID", "Name", "Network", "Subnet"]
    assert columns(asked("subnet", "list", "--long"))[4:] == [
        *("Project", "DHCP", "Name Servers", "Allocation Pools", "Host Routes", "IP Version", "Gateway"),
        *("Service Types", "Tags"),
    ]
    cloud.add("ports", name="p", mac_address="fa:16:3e:00:00:01", device_id="x")
    assert columns(asked("port", "list")) == ["ID", "Name", "MAC Address", "Fixed IP Addresses", "Status"]
    assert columns(asked("port", "list", "--long"))[5:] == ["Security Groups", "Device Owner", "Tags"]
    cloud.add("security-groups", name="web", description="d", project_id="p")
    assert columns(asked("security", "group", "list")) == ["ID", "Name", "Description", "Project", "Tags", "Shared"]
    cloud.add("floatingips", floating_network_id="n", project_id="p")
    assert columns(asked("floating", "ip", "list")) == [
        *("ID", "Floating IP Address", "Fixed IP Address", "Port", "Floating Network", "Project"),
    ]
    assert columns(asked("floating", "ip", "list", "--long"))[6:] == ["Router", "Status", "Description", "Tags"]
    cloud.add("routers", name="r", project_id="p")
    assert columns(asked("router", "list")) == ["ID", "Name", "Status", "State", "Project"]
    assert columns(asked("router", "list", "--long"))[5:] == [
        *("Routes", "External gateway info", "Availability zones", "Tags"),
    ]


def test_filters_become_neutrons(
    asked: Type, cloud: Cloud, cloud_service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    answer = cloud.answer

    def noted(method: str, url: str, body: Any) -> tuple[int, Any]:
        seen.append(url)
        return answer(method, url, body)

    monkeypatch.setattr(cloud, "answer", noted)
    asked("network", "list", "--external", "--no-share", "--enable", "--tags", "a,b", "--not-tags", "c")
    assert seen == [
        f"{N}/networks?router%3Aexternal=True&admin_state_up=True&shared=False&tags=a%2Cb&not-tags=c",
    ]
    seen.clear()
    subnet = cloud.add("subnets", name="s")
    asked("port", "list", "--fixed-ip", "subnet=s,ip-address=10.0.0.2", "--device-owner", "compute:nova")
    assert seen[-1] == (
        f"{N}/ports?device_owner=compute%3Anova&fixed_ips=subnet_id%3D{subnet['id']}&fixed_ips=ip_address%3D10.0.0.2"
    )


def test_deleting_goes_on_after_a_failure(asked: Type, cloud: Cloud) -> None:
    net = cloud.add("networks", name="busy")
    cloud.add("networks", name="free")
    told = {"type": "NetworkInUse", "message": "Unable to complete operation on network busy.", "detail": ""}
    cloud.refusals["DELETE", f"{N}/networks/{net['id']}"] = (409, {"NeutronError": told})
    done = asked("network", "delete", "busy", "nope", "free")
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines() == [
        "Failed to delete network with name or ID 'busy': Unable to complete operation on network busy. (HTTP 409) "
        "(Request-ID: req-of-service)",
        "Failed to delete network with name or ID 'nope': No Network found for nope",
        "2 of 3 networks failed to delete.",
    ]
    assert [row["name"] for row in cloud.rows[f"{N}/networks"].values()] == ["busy"]


def test_two_of_one_name_are_refused(asked: Type, cloud: Cloud) -> None:
    cloud.answers["GET", "/tuinova/v1/info"] = {"project": {"id": "p"}}
    cloud.add("networks", name="twin")
    cloud.add("networks", name="twin")
    done = asked("network", "show", "twin")
    assert (done.code, done.err) == (1, "More than one Network exists with the name 'twin'.\n")


# subnets -------------------------------------------------------------------------------------------------------------
def test_a_subnet_with_every_option(asked: Type, cloud: Cloud) -> None:
    net = cloud.add("networks", name="net1")
    done = asked(
        *("subnet", "create", "--network", "net1", "--subnet-range", "10.1.0.0/24", "--gateway", "none", "--no-dhcp"),
        *("--allocation-pool", "start=10.1.0.10,end=10.1.0.20", "--allocation-pool", "start=10.1.0.30,end=10.1.0.40"),
        *("--dns-nameserver", "9.9.9.9", "--host-route", "destination=10.9.0.0/16,gateway=10.1.0.2"),
        *("--description", "d", "--service-type", "compute:nova", "--tag", "t", "sub1", "-f", "json"),
    )
    assert cloud.body("POST", f"{N}/subnets")["subnet"] == {
        "name": "sub1",
        "network_id": net["id"],
        "cidr": "10.1.0.0/24",
        "ip_version": 4,
        "gateway_ip": None,
        "enable_dhcp": False,
        "allocation_pools": [
            {"start": "10.1.0.10", "end": "10.1.0.20"},
            {"start": "10.1.0.30", "end": "10.1.0.40"},
        ],
        "dns_nameservers": ["9.9.9.9"],
        "host_routes": [{"destination": "10.9.0.0/16", "nexthop": "10.1.0.2"}],
        "description": "d",
        "service_types": ["compute:nova"],
    }
    assert done.json["tags"] == ["t"]
    table = asked("subnet", "show", "sub1").out
    assert "10.1.0.10-10.1.0.20,10.1.0.30-10.1.0.40" in table
    assert "destination='10.9.0.0/16', gateway='10.1.0.2'" in table


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ([], {}),
        (["--gateway", "auto"], {}),
        (["--gateway", "10.1.0.9"], {"gateway_ip": "10.1.0.9"}),
        (
            ["--ip-version", "6", "--ipv6-ra-mode", "slaac", "--ipv6-address-mode", "slaac", "--dhcp"],
            {"ip_version": 6, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac", "enable_dhcp": True},
        ),
    ],
)
def test_gateways_and_ipv6(asked: Type, cloud: Cloud, words: list[str], fields: dict[str, Any]) -> None:
    net = cloud.add("networks", name="net1")
    assert asked("subnet", "create", "--network", "net1", "--subnet-range", "10.1.0.0/24", *words, "s").code == 0
    plain = {"name": "s", "network_id": net["id"], "cidr": "10.1.0.0/24", "ip_version": 4}
    assert cloud.body("POST", f"{N}/subnets")["subnet"] == {**plain, **fields}


def test_lists_of_a_subnet_are_added_to_and_taken_from(asked: Type, cloud: Cloud) -> None:
    row = cloud.add("subnets", name="s", dns_nameservers=["8.8.8.8"])
    assert asked("subnet", "set", "--dns-nameserver", "9.9.9.9", "--gateway", "none", "s").code == 0
    assert (row["dns_nameservers"], row["gateway_ip"]) == (["9.9.9.9", "8.8.8.8"], None)
    assert asked("subnet", "unset", "--dns-nameserver", "8.8.8.8", "s").code == 0
    assert row["dns_nameservers"] == ["9.9.9.9"]
    done = asked("subnet", "unset", "--dns-nameserver", "8.8.8.8", "s")
    assert (done.code, done.err) == (1, "Subnet does not contain dns-nameserver 8.8.8.8\n")
    assert asked("subnet", "set", "--no-dns-nameservers", "s").code == 0
    assert row["dns_nameservers"] == []
    done = asked("subnet", "set", "--gateway", "auto", "s")
    assert (done.code, done.err) == (
        1,
        "Auto option is not available for Subnet Set. Valid options are <ip-address> or none\n",
    )


# ports ---------------------------------------------------------------------------------------------------------------
def test_a_port_with_every_option(asked: Type, cloud: Cloud) -> None:
    net, subnet = cloud.add("networks", name="net1"), cloud.add("subnets", name="s")
    group = cloud.add("security-groups", name="web")
    done = asked(
        *(
            "port",
            "create",
            "--network",
            "net1",
            "--fixed-ip",
            "subnet=s,ip-address=10.1.0.5",
            "--fixed-ip",
            "subnet=s",
        ),
        *("--mac-address", "fa:16:3e:00:00:01", "--security-group", "web", "--device", "dev", "--device-owner", "o"),
        *("--allowed-address", "ip-address=10.1.0.99,mac-address=fa:16:3e:00:00:02", "--description", "d"),
        *("--vnic-type", "normal", "--host", "h1", "--dns-name", "p1", "--disable", "--tag", "t", "p1", "-f", "json"),
    )
    assert cloud.body("POST", f"{N}/ports")["port"] == {
        "name": "p1",
        "network_id": net["id"],
        "fixed_ips": [{"subnet_id": subnet["id"], "ip_address": "10.1.0.5"}, {"subnet_id": subnet["id"]}],
        "mac_address": "fa:16:3e:00:00:01",
        "security_groups": [group["id"]],
        "device_id": "dev",
        "device_owner": "o",
        "allowed_address_pairs": [{"ip_address": "10.1.0.99", "mac_address": "fa:16:3e:00:00:02"}],
        "description": "d",
        "binding:vnic_type": "normal",
        "binding:host_id": "h1",
        "dns_name": "p1",
        "admin_state_up": False,
    }
    assert done.json["security_group_ids"] == [group["id"]]
    assert done.json["binding_host_id"] == "h1"


def test_a_port_without_groups_or_addresses(asked: Type, cloud: Cloud) -> None:
    cloud.add("networks", name="net1")
    words = ("--no-security-group", "--no-fixed-ip", "--disable-port-security")
    assert asked("port", "create", "--network", "net1", *words, "p").code == 0
    sent = cloud.body("POST", f"{N}/ports")["port"]
    assert (sent["security_groups"], sent["fixed_ips"], sent["port_security_enabled"]) == ([], [], False)


def test_lists_of_a_port_are_added_to_and_taken_from(asked: Type, cloud: Cloud) -> None:
    web, db = cloud.add("security-groups", name="web"), cloud.add("security-groups", name="db")
    ips = [{"subnet_id": "s", "ip_address": "10.1.0.5"}, {"subnet_id": "s", "ip_address": "10.1.0.6"}]
    row = cloud.add("ports", name="p", security_groups=[web["id"]], fixed_ips=ips)
    assert asked("port", "set", "--security-group", "db", "--security-group", "web", "p").code == 0
    assert row["security_groups"] == [web["id"], db["id"]]
    assert asked("port", "unset", "--security-group", "web", "--fixed-ip", "ip-address=10.1.0.5", "p").code == 0
    assert (row["security_groups"], row["fixed_ips"]) == ([db["id"]], ips[1:])
    done = asked("port", "unset", "--fixed-ip", "ip-address=10.1.0.5", "p")
    assert (done.code, done.err) == (1, "Port does not contain fixed-ip {'ip_address': '10.1.0.5'}\n")
    assert asked("port", "set", "--no-security-group", "--no-fixed-ip", "--name", "q", "p").code == 0
    assert (row["security_groups"], row["fixed_ips"], row["name"]) == ([], [], "q")


def test_ports_of_a_server(asked: Type, cloud: Cloud) -> None:
    server = cloud.add("servers", name="vm1")
    cloud.add("ports", name="its", device_id=server["id"])
    cloud.add("ports", name="other", device_id="x")
    assert asked("port", "list", "--server", "vm1", "-f", "value", "-c", "Name").out == "its\n"


# security groups -----------------------------------------------------------------------------------------------------
def test_a_group_is_described_by_its_name_unless_told(asked: Type, cloud: Cloud) -> None:
    made = asked("security", "group", "create", "--stateless", "web", "-f", "json").json
    assert cloud.body("POST", f"{N}/security-groups") == {
        "security_group": {"name": "web", "description": "web", "stateful": False}
    }
    assert made["rules"] == []


def test_rules_of_a_group_are_shown_without_what_is_empty(asked: Type, cloud: Cloud) -> None:
    rule = {"id": "r", "direction": "egress", "ethertype": "IPv4", "protocol": None, "security_group_id": "g"}
    cloud.add("security-groups", name="web", security_group_rules=[rule])
    done = asked("security", "group", "show", "web")
    assert "| rules  | direction='egress', ethertype='IPv4', id='r' |" in done.out
    assert asked("security", "group", "show", "web", "-f", "json").json["rules"] == [rule]


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        (
            ["--protocol", "TCP", "--dst-port", "22"],
            {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22, "remote_ip_prefix": "0.0.0.0/0"},
        ),
        (["--protocol", "udp", "--dst-port", "53:54"], {"port_range_min": 53, "port_range_max": 54}),
        (["--egress", "--remote-ip", "10.0.0.0/8"], {"direction": "egress", "remote_ip_prefix": "10.0.0.0/8"}),
        (["--protocol", "icmp", "--icmp-type", "8", "--icmp-code", "0"], {"port_range_min": 8, "port_range_max": 0}),
        (["--protocol", "icmp", "--icmp-type", "0"], {"port_range_min": 0, "protocol": "icmp"}),
        (["--protocol", "ipv6-icmp"], {"ethertype": "IPv6", "remote_ip_prefix": "::/0"}),
        (["--ethertype", "IPv6", "--protocol", "any"], {"ethertype": "IPv6", "remote_ip_prefix": "::/0"}),
        (["--remote-ip", "fd00::/8"], {"ethertype": "IPv6", "remote_ip_prefix": "fd00::/8"}),
    ],
)
def test_rules_become_neutrons(asked: Type, cloud: Cloud, words: list[str], fields: dict[str, Any]) -> None:
    group = cloud.add("security-groups", name="web")
    done = asked("security", "group", "rule", "create", *words, "web", "-f", "json")
    sent = cloud.body("POST", f"{N}/security-group-rules")["security_group_rule"]
    plain = {"security_group_id": group["id"], "direction": "ingress", "ethertype": "IPv4"}
    assert {**plain, **fields}.items() <= sent.items()
    assert done.json["ether_type"] == sent["ethertype"]


def test_a_rule_with_a_remote_group_names_no_addresses(asked: Type, cloud: Cloud) -> None:
    web, db = cloud.add("security-groups", name="web"), cloud.add("security-groups", name="db")
    assert asked("security", "group", "rule", "create", "--remote-group", "web", "db").code == 0
    sent = cloud.body("POST", f"{N}/security-group-rules")["security_group_rule"]
    assert sent == {
        "direction": "ingress",
        "ethertype": "IPv4",
        "security_group_id": db["id"],
        "remote_group_id": web["id"],
    }


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--dst-port", "443:80"], 2, "argument --dst-port: Invalid range, 443 is not less than 80"),
        (["--dst-port", "1:2:3"], 2, "argument --dst-port: Invalid range, too many values"),
        (["--dst-port", "http"], 2, "argument --dst-port: invalid port range: 'http'"),
        (["--dst-port", "1", "--icmp-type", "8", "--protocol", "icmp"], 1, "Argument --dst-port not allowed with"),
        (["--icmp-code", "0", "--protocol", "icmp"], 1, "Argument --icmp-type required with argument --icmp-code"),
        (["--icmp-type", "0", "--protocol", "tcp"], 1, "ICMP IP protocol required with arguments"),
        (["--ingress", "--egress"], 2, "not allowed with argument"),
        (["--ethertype", "IPv5"], 2, "argument --ethertype: invalid choice: 'IPv5'"),
        (["--remote-ip", "10.0.0.0/8", "--remote-group", "web"], 2, "not allowed with argument --remote-ip"),
    ],
)
def test_rules_that_can_be_none(asked: Type, cloud: Cloud, words: list[str], code: int, said: str) -> None:
    cloud.add("security-groups", name="web")
    done = asked("security", "group", "rule", "create", *words, "web")
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert cloud.asked == []


def test_rules_are_listed_with_their_ports(asked: Type, cloud: Cloud) -> None:
    web = cloud.add("security-groups", name="web")
    for protocol, first, last in (("tcp", 22, 24), ("icmp", 8, 0), ("icmp", 0, None), (None, None, None)):
        cloud.add(
            "security-group-rules",
            protocol=protocol,
            port_range_min=first,
            port_range_max=last,
            direction="ingress",
            ethertype="IPv4",
            security_group_id=web["id"],
        )
    titles = [
        *("ID", "IP Protocol", "Ethertype", "IP Range", "Port Range", "Direction", "Remote Security Group"),
        "Remote Address Group",
    ]
    rows = asked("security", "group", "rule", "list", "web", "-f", "json").json
    assert [list(row) for row in rows] == [titles] * 4
    assert [row["Port Range"] for row in rows] == ["22:24", "type=8:code=0", "type=0", ""]
    assert {row["IP Range"] for row in rows} == {"0.0.0.0/0"}
    assert columns(asked("security", "group", "rule", "list"))[-1] == "Security Group"


# floating IPs and routers --------------------------------------------------------------------------------------------
def test_a_floating_ip_leads_to_a_port_and_back(asked: Type, cloud: Cloud) -> None:
    net, port = cloud.add("networks", name="out"), cloud.add("ports", name="p")
    made = asked("floating", "ip", "create", "--floating-ip-address", "192.0.2.7", "out", "-f", "json").json
    assert (made["name"], made["floating_network_id"]) == ("192.0.2.7", net["id"])
    assert asked("floating", "ip", "set", "--port", "p", "--fixed-ip-address", "10.0.0.2", "192.0.2.7").code == 0
    [row] = cloud.rows[f"{N}/floatingips"].values()
    assert (row["port_id"], row["fixed_ip_address"]) == (port["id"], "10.0.0.2")
    assert asked("floating", "ip", "unset", "--port", "192.0.2.7").code == 0
    assert row["port_id"] is None
    done = asked("floating", "ip", "delete", "192.0.2.8", "192.0.2.7")
    assert done.err.splitlines() == [
        "Failed to delete floating_ip with name or ID '192.0.2.8': No FloatingIP found for 192.0.2.8",
        "1 of 2 floating_ips failed to delete.",
    ]
    assert cloud.rows[f"{N}/floatingips"] == {}


def test_a_router_has_a_way_out_routes_and_subnets(asked: Type, cloud: Cloud) -> None:
    out, subnet = cloud.add("networks", name="out"), cloud.add("subnets", name="s")
    made = asked("router", "create", "--external-gateway", "out", "--disable-snat", "r", "-f", "json").json
    assert cloud.body("POST", f"{N}/routers")["router"] == {
        "name": "r",
        "external_gateway_info": {"network_id": out["id"], "enable_snat": False},
    }
    row = cloud.rows[f"{N}/routers"][made["id"]]
    assert asked("router", "set", "--route", "destination=10.9.0.0/16,gateway=10.0.0.9", "r").code == 0
    assert row["routes"] == [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}]
    assert asked("router", "unset", "--external-gateway", "r").code == 0
    assert row["external_gateway_info"] == {}
    assert asked("router", "add", "subnet", "r", "s").code == 0
    assert asked("router", "remove", "subnet", "r", "s").code == 0
    assert cloud.asked[-2:] == [
        ("PUT", f"{N}/routers/{made['id']}/add_router_interface", {"subnet_id": subnet["id"]}),
        ("PUT", f"{N}/routers/{made['id']}/remove_router_interface", {"subnet_id": subnet["id"]}),
    ]
    cloud.add("ports", device_id=made["id"], fixed_ips=[{"subnet_id": "s", "ip_address": "10.0.0.1"}])
    shown = asked("router", "show", "r", "-f", "json").json
    assert [info["ip_address"] for info in shown["interfaces_info"]] == ["10.0.0.1"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["network", "create", "--share", "--no-share", "n"], 2, "--no-share: not allowed with argument --share"),
        (["network", "create", "--mode", "bridged", "n"], 2, "argument --mode: invalid choice: 'bridged'"),
        (
            ["network", "create", "--mode", "nat", "--provider-network-type", "flat", "n"],
            2,
            "not allowed with argument",
        ),
        (["network", "creat", "n"], 2, "No such command 'creat'"),
        (["subnet", "create", "s"], 2, "Missing option '--network'"),
        (["subnet", "create", "--network", "n", "--ip-version", "5", "s"], 2, "argument --ip-version: invalid choice"),
        (
            ["subnet", "create", "--network", "n", "--allocation-pool", "start=10.0.0.2", "s"],
            2,
            "argument --allocation-pool: Missing required keys end. Required keys are: start, end",
        ),
        (
            ["port", "create", "--network", "n", "--fixed-ip", "address=10.0.0.2", "p"],
            2,
            "argument --fixed-ip: Invalid keys address specified. Valid keys are: subnet, ip-address",
        ),
        (["port", "create", "--network", "nope", "p"], 1, "No Network found for nope"),
        (["router", "create", "--disable-snat", "r"], 1, "You must specify '--external-gateway' in order to specify"),
        (["router", "ad", "subnet", "r", "s"], 2, "No such command 'ad'"),
        (["security", "group", "rule"], 2, "'group rule' goes on with: 'group rule create'"),
        (["floating", "list"], 2, "No such command 'list'"),
    ],
)
def test_what_is_typed_wrong(asked: Type, cloud: Cloud, words: list[str], code: int, said: str) -> None:
    done = asked(*words)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert cloud.asked == []
