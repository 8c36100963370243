"""The ports' firewall as libvirt's filters, for a service that is not root."""

from __future__ import annotations

import uuid
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from tests.lab import PrivateLibvirt
from tests.lab.wires import Wire
from tests.virt_libvirt import frames
from tuinova.virt.driver import Nic
from tuinova.virt.libvirt.driver import LibvirtDriver
from tuinova.virt.libvirt.guest_xml import filter_name, tap_name
from tuinova.virt.libvirt.net import nwfilter
from tuinova.virt.libvirt.net.commands import HostCommands
from tuinova.virt.networks import FirewallRule, PortSecurity

OUT = (FirewallRule("egress", "IPv4"), FirewallRule("egress", "IPv6"))
OPEN = FirewallRule("ingress", "IPv4", "tcp", 80, 90, ("192.168.122.0/25", "fd00::/64"))


def port(last: int, *rules: FirewallRule) -> Nic:
    security = PortSecurity(OUT + rules)
    mac = f"fa:16:3e:03:00:{last:02x}"
    return Nic(str(uuid.uuid4()), mac, "default", f"192.168.122.{last}", security=security)


def test_rules_are_the_ports_and_what_libvirt_has_no_name_for_stays_shut() -> None:
    root = ET.fromstring(nwfilter.build(port(9, OPEN, FirewallRule("ingress", "IPv4", "gre"))))
    accepted = [(rule.get("direction"), *rule) for rule in root.findall("rule[@priority='500']")]
    inward = [element for direction, element in accepted if direction == "in"]
    assert [(item.tag, dict(item.attrib)) for item in inward] == [
        ("tcp", {"dstportstart": "80", "dstportend": "90", "srcipaddr": "192.168.122.0", "srcipmask": "25"})
    ]
    assert [item.tag for direction, item in accepted if direction == "out"] == ["all", "all-ipv6"]
    assert root.findall("rule[@priority='900'][@action='drop']/all")
    assert nwfilter.build(replace(port(9), security=None)).count("<rule") == 0


@pytest.fixture
def plain_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HostCommands, "allowed", property(lambda self: False))


@pytest.mark.integration
def test_a_service_that_is_not_root_guards_ports_by_libvirts_filters(
    private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver, plain_user: None
) -> None:
    networks, guest = libvirt_driver._networks, str(uuid.uuid4())
    victim, evil = port(40), port(41)
    networks.plug(guest, [victim, evil])
    wires = [Wire(private_libvirt, tap_name(nic.port_id), "virbr0", nic.mac) for nic in (victim, evil)]
    connection = networks._connection.get()
    bindings = []
    for nic, wire in zip((victim, evil), wires, strict=True):
        wire.run("ip", "addr", "add", f"{nic.address}/24", "dev", "eth0")
        # What libvirt does by itself for a guest whose definition names the filter.
        xml = (
            f"<filterbinding><owner><name>x</name><uuid>{uuid.uuid4()}</uuid></owner>"
            f"<portdev name='{wire.name}'/><mac address='{nic.mac}'/><filterref filter='{filter_name(nic.port_id)}'/>"
            "</filterbinding>"
        )
        bindings.append(connection.nwfilterBindingCreateXML(xml, 0))
    server, seen, out = wires[0].listen(80), wires[0].raw(), wires[1].raw()
    assert not wires[1].reaches(victim.address or "", 80)
    networks.update({guest: [replace(victim, security=PortSecurity((*OUT, OPEN))), evil]})
    assert wires[1].reaches(victim.address or "", 80, 3)
    out.send(frames.udp4(evil.mac, victim.mac, ("192.168.122.99", "192.168.122.40"), (9, 9), b"forged"))
    out.send(frames.arp_reply(evil.mac, victim.mac, "192.168.122.1"))
    found = []
    try:
        while True:
            found.append(seen.recv(2048))
    except TimeoutError:
        assert not any(b"forged" in item for item in found)
    assert not any(item[12:14] == b"\x08\x06" and item[28:32] == bytes((192, 168, 122, 1)) for item in found)
    for binding in bindings:
        binding.delete()
    networks.unplug_all(guest)
    assert not [item for item in connection.listAllNWFilters(0) if item.name().startswith("tuinova-")]
    for one in (server, seen, out):
        one.close()
    for wire in wires:
        wire.close()
