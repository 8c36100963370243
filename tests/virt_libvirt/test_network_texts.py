"""What libvirt, dnsmasq and nftables are told of networks, as text: nothing of it is run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tuinova.virt.driver import DriverError, Nic
from tuinova.virt.libvirt.net import firewall, network_xml, plain
from tuinova.virt.libvirt.net.firewall import GuardedPort
from tuinova.virt.libvirt.net.network_xml import Owner
from tuinova.virt.libvirt.net.records import PortRecords
from tuinova.virt.libvirt.net.rules_text import link_local, matches
from tuinova.virt.networks import FirewallRule, FixedIp, NetworkMode, NetworkSpec, PortSecurity, SubnetSpec

OWNER = Owner(Path("/i"), "host1")
FOUR = SubnetSpec("s4", "10.0.0.0/24", "10.0.0.1", "10.0.0.1", (("10.0.0.2", "10.0.0.99"),))
MORE = SubnetSpec("s5", "10.0.1.0/24", None, "10.0.1.1", (), dns=("9.9.9.9",), routes=(("10.9.0.0/16", "10.0.1.7"),))
SIX = SubnetSpec("s6", "fd00::/64", "fd00::1", "fd00::1", (("fd00::2", "fd00::ff"),), ipv6_mode="dhcpv6-stateful")
NET = NetworkSpec("n1", "net", NetworkMode.NAT, (FOUR, MORE, SIX), mtu=1400, dns_domain="lab.example")
NIC = Nic("p1", "FA:16:3E:00:00:02", "net", "10.0.0.5", 24, (FixedIp("10.0.0.5", 24), FixedIp("fd00::5", 64)), NET)


def test_a_network_is_ours_by_its_mark_and_carries_its_whole_record() -> None:
    xml = network_xml.build(NET, OWNER, Path("/i/networks/n1"))
    assert network_xml.parse_mark(xml) == ("/i", "host1", NET)
    root = ET.fromstring(xml)
    assert root.findtext("name") == "tuinova-n1"
    assert [ip.get("address") for ip in root.findall("ip")] == ["10.0.0.1", "10.0.1.1", "fd00::1"]
    assert [len(ip.findall("dhcp")) for ip in root.findall("ip")] == [1, 0, 1]
    bridge = root.find("bridge")
    assert bridge is not None
    assert len(bridge.get("name", "")) <= 15
    assert Owner(Path("/i"), "host2").bridge("n1") != bridge.get("name")


def test_a_subnet_may_be_wider_than_the_ranges_that_libvirt_takes() -> None:
    wide = SubnetSpec("s4", "10.0.0.0/8", "10.0.0.1", "10.0.0.1", (("10.0.0.2", "10.255.255.254"),))
    six = replace(SIX, pools=(("fd00::2", "fd00::ffff:ffff:ffff:ffff"),))
    root = ET.fromstring(network_xml.build(replace(NET, subnets=(wide, six)), OWNER, Path("/i/networks/n1")))
    ranges = [(one.get("start"), one.get("end")) for one in root.iter("range")]
    assert ranges == [("10.0.0.2", "10.0.255.255"), ("fd00::2", "fd00::ffff")]


def test_a_network_without_an_address_of_the_host_forwards_nothing() -> None:
    for subnets in ((), (replace(FOUR, host_address=None),)):
        root = ET.fromstring(network_xml.build(replace(NET, subnets=subnets), OWNER, Path("/i/networks/n1")))
        assert (root.find("forward"), root.find("ip")) == (None, None)


@pytest.mark.parametrize(("subnets", "place"), [((FOUR, SIX), 0), ((SIX, FOUR), 1), ((SIX,), -1), ((MORE, FOUR), 0)])
def test_entries_stand_where_the_addresses_of_ipv4_are(subnets: tuple[SubnetSpec, ...], place: int) -> None:
    root = ET.fromstring(network_xml.build(replace(NET, subnets=subnets), OWNER, Path("/i/networks/n1")))
    assert network_xml.dhcp_place(root) == place


@pytest.mark.parametrize(
    ("modes", "leased", "lines"),
    [
        (("slaac", "slaac"), 0, []),
        (("slaac", "dhcpv6-stateless"), 0, ["fd00:2::,ra-stateless,64"]),
        (("slaac", "dhcpv6-stateful"), 1, ["fd00:1::,ra-only,64"]),
        (("dhcpv6-stateful", "dhcpv6-stateful"), 1, ["fd00:2::,static,64,600"]),
        (("dhcpv6-stateful", None), 1, []),
    ],
)
def test_each_subnet_of_ipv6_is_announced_as_it_says(
    modes: tuple[str | None, ...], leased: int, lines: list[str]
) -> None:
    subnets = tuple(
        replace(SIX, id=f"s{n}", cidr=f"fd00:{n}::/64", host_address=f"fd00:{n}::1", pools=(), ipv6_mode=mode)
        for n, mode in enumerate(modes, 1)
    )
    root = ET.fromstring(network_xml.build(replace(NET, subnets=subnets), OWNER, Path("/i/networks/n1")))
    assert len(root.findall("ip/dhcp")) == leased
    values = [one.get("value", "") for one in root.iter(f"{{{network_xml.DNSMASQ_NS}}}option")]
    assert [one.removeprefix("dhcp-range=") for one in values if one.startswith("dhcp-range=")] == lines


def test_strangers_get_no_address_and_each_subnet_its_own_options() -> None:
    xml = network_xml.build(NET, OWNER, Path("/i/networks/n1"))
    assert "dhcp-ignore=tag:!known" in xml
    assert "10.0.1.0,static,255.255.255.0" in xml
    lines = network_xml.options_file(NET).splitlines()
    tag = f"tag:{network_xml.tag_of(MORE)},"
    assert f"{tag}option:router" in lines
    assert f"{tag}option:dns-server,9.9.9.9" in lines
    assert f"{tag}option:classless-static-route,10.9.0.0/16,10.0.1.7,169.254.169.254/32,10.0.1.1" in lines
    assert not any(line.startswith("option:") for line in lines)  # the first subnet's router is the host itself


def test_reservations_are_libvirts_where_it_has_a_word_for_them() -> None:
    assert network_xml.libvirt_reservation(NET, NIC) == "10.0.0.5"
    assert network_xml.hosts_file(NET, [NIC]) == "fa:16:3e:00:00:02,[fd00::5],600\n"
    second = replace(NIC, address="10.0.1.5", fixed_ips=(FixedIp("10.0.1.5", 24),))
    assert network_xml.libvirt_reservation(NET, second) is None
    assert network_xml.hosts_file(NET, [second]) == "fa:16:3e:00:00:02,10.0.1.5,600\n"


@pytest.mark.parametrize("field", ["dns", "routes", "gateway"])
def test_what_is_no_address_never_reaches_a_configuration(field: str) -> None:
    evil = "10.0.0.1\ndhcp-script=/bin/sh"
    value: object = evil if field == "gateway" else (evil,) if field == "dns" else (("10.9.0.0/16", evil),)
    spec = replace(NET, subnets=(replace(FOUR, **{field: value}),))
    with pytest.raises(DriverError, match="is no address"):
        network_xml.options_file(spec)
    assert "evil" not in network_xml.build(replace(NET, dns_domain="evil\nx"), OWNER, Path("/f")).partition("</meta")[2]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (FirewallRule("ingress", "IPv4"), "meta nfproto ipv4"),
        (FirewallRule("ingress", "IPv4", "tcp", 22, 22), "meta nfproto ipv4 meta l4proto 6 th dport 22"),
        (FirewallRule("ingress", "IPv4", "17", 1, 9), "meta nfproto ipv4 meta l4proto 17 th dport 1-9"),
        (FirewallRule("ingress", "IPv4", "icmp", 8, 0), "meta nfproto ipv4 icmp type 8 icmp code 0"),
        (FirewallRule("ingress", "IPv6", "icmp", 128), "meta nfproto ipv6 icmpv6 type 128"),
        (FirewallRule("egress", "IPv4", "gre"), "meta nfproto ipv4 meta l4proto 47"),
        (
            FirewallRule("egress", "IPv4", None, None, None, ("10.0.0.0/25", "10.0.0.128/25", "fd00::/64")),
            "meta nfproto ipv4 ip daddr { 10.0.0.0/24 }",
        ),
        (FirewallRule("ingress", "IPv6", "tcp", 1, 2, ("::/0",)), "meta nfproto ipv6 meta l4proto 6 th dport 1-2"),
    ],
)
def test_a_rule_says_what_it_matches(rule: FirewallRule, text: str) -> None:
    assert list(matches(rule, "inet")) == [text]


def test_a_rule_for_nobody_lets_nobody_in() -> None:
    assert list(matches(FirewallRule("ingress", "IPv4", "tcp", 1, 2, ()), "inet")) == []
    assert list(matches(FirewallRule("ingress", "IPv4", None, None, None, ("fd00::/64",)), "inet")) == []


def test_ports_with_the_same_rules_share_a_chain_and_a_shared_address_pleases_all() -> None:
    rules = (FirewallRule("ingress", "IPv4", "tcp", 22, 22),)
    ports = [
        GuardedPort(f"tap{number}", "br", f"fa:16:3e:00:00:0{number}", (f"10.0.0.{number}",), PortSecurity(rules))
        for number in (1, 2, 3)
    ]
    text = firewall.inet_chains(ports)
    assert text.count("th dport 22 return") == 1
    pair = (("10.0.0.9/32", ""),)
    shared = [
        replace(ports[0], security=PortSecurity(rules, pair)),
        replace(ports[1], security=PortSecurity((), pair)),
    ]
    text = firewall.inet_chains(shared)
    assert text.count('"br" . 10.0.0.9 :') == 2  # once a direction
    assert text.count('oifname "br" ip daddr 10.0.0.9/32 jump') == 1


def test_a_link_local_address_is_that_of_the_mac() -> None:
    assert link_local("fa:16:3e:00:00:02") == "fe80::f816:3eff:fe00:2"


def test_a_ports_record_comes_back_whole_and_an_old_one_too(tmp_path: Path) -> None:
    records = PortRecords(tmp_path)
    records.prepare()
    security = PortSecurity((FirewallRule("ingress", "IPv4", "tcp", 1, 2, ("10.0.0.0/8",)),), (("10.0.0.9/32", ""),))
    nic = replace(NIC, mac=NIC.mac.lower(), security=security)
    records.add("u1", nic)
    (records.directory / "aa.json").write_text(
        '{"uuid": "u2", "mac": "aa", "address": "1.2.3.4", "network": "default"}'
    )
    (records.directory / "bad.json").write_text("{")
    again = PortRecords(tmp_path)
    assert [item.nic for item in again.of("u1")] == [nic]
    assert [(item.network, item.nic.address) for item in again.of("u2")] == [("default", "1.2.3.4")]
    assert plain.network(plain.plain(NET)) == NET
