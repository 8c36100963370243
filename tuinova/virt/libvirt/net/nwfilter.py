"""The ports' firewall as libvirt's network filters: for a service that can't write nftables where the guests are.

libvirt runs a program for each rule and writes the whole filter of a port anew for each change (a second a port), so a
service that is root uses one table of its own instead (firewall.py). The rules are the same, but that libvirt knows
protocols by name only: what it has no name for stays shut.
"""

from __future__ import annotations

import ipaddress
import logging
import uuid
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import libvirt

from tuinova.virt.driver import Nic
from tuinova.virt.libvirt.connection import Connection
from tuinova.virt.libvirt.guest_xml import filter_name
from tuinova.virt.libvirt.net.rules_text import link_local, protocol_number, remotes
from tuinova.virt.networks import FirewallRule

LOG = logging.getLogger(__name__)

_NAMES = {1: "icmp", 6: "tcp", 17: "udp", 50: "esp", 51: "ah", 58: "icmpv6", 132: "sctp", 136: "udplite"}
_WITH_PORTS = frozenset({6, 17, 132})
_OF_VERSION_6 = "-ipv6"
_NOBODY = "0.0.0.0"  # noqa: S104 - the source of who has no address yet
_ROUTERS = ("134", "137")  # ICMPv6 types that only a router sends
_NEIGHBOURS = ("133", "135", "136", "143")


class NwFilters:
    """A filter a port, named after it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def ensure(self, nic: Nic) -> None:
        """There as the port says, also where a guest uses it now; without security a filter that filters nothing."""
        self._connection.get().nwfilterDefineXML(build(nic))

    def remove(self, port_id: str) -> None:
        """Gone; gone already is fine."""
        try:
            self._connection.get().nwfilterLookupByName(filter_name(port_id)).undefine()
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_NWFILTER:
                raise


def build(nic: Nic) -> str:
    """The filter's XML."""
    root = ET.Element("filter", {"name": filter_name(nic.port_id), "chain": "root"})
    # libvirt takes a filter for a new one unless it has the uuid of the old.
    ET.SubElement(root, "uuid").text = str(uuid.uuid5(uuid.NAMESPACE_OID, nic.port_id))
    if nic.security is None:
        return ET.tostring(root, encoding="unicode")
    priority = -990
    for action, direction, protocol, attributes in (*_sources(nic), *_always()):
        _rule(root, action, direction, priority, protocol, attributes)
        priority += 1
    for rule in nic.security.rules:
        for protocol, attributes in _matches(rule):
            _rule(root, "accept", "in" if rule.direction == "ingress" else "out", 500, protocol, attributes)
    for protocol in ("all", "all-ipv6"):
        _rule(root, "drop", "inout", 900, protocol, {})
    return ET.tostring(root, encoding="unicode")


def _rule(root: ET.Element, action: str, way: str, priority: int, protocol: str, attributes: dict[str, str]) -> None:
    rule = ET.SubElement(root, "rule", {"action": action, "direction": way, "priority": str(priority)})
    ET.SubElement(rule, protocol, attributes)


_Line = tuple[str, str, str, dict[str, str]]


def _sources(nic: Nic) -> Iterator[_Line]:
    """Who the guest may speak as."""
    own, security = nic.mac.lower(), nic.security
    pairs: list[tuple[str, ipaddress.IPv4Network | ipaddress.IPv6Network]] = []
    pairs += [(own, ipaddress.ip_network(item.address)) for item in nic.addresses]
    pairs.append((own, ipaddress.ip_network(link_local(own))))
    for prefix, mac in security.allowed_pairs if security else ():
        pairs.append(((mac or own).lower(), ipaddress.ip_network(prefix, strict=False)))
    four = [(mac, item) for mac, item in pairs if item.version == 4]
    yield "drop", "out", "ip", {"protocol": "udp", "srcportstart": "67"}
    yield "accept", "out", "ip", {"srcmacaddr": own, "srcipaddr": _NOBODY, "protocol": "udp", "dstportstart": "67"}
    for mac, item in four:
        address = {"arpsrcmacaddr": mac, "arpsrcipaddr": str(item.network_address), "arpsrcipmask": str(item.prefixlen)}
        yield "accept", "out", "arp", {"srcmacaddr": mac, **address}
    yield "accept", "out", "arp", {"srcmacaddr": own, "arpsrcmacaddr": own, "arpsrcipaddr": _NOBODY}
    yield "drop", "out", "arp", {}
    # This decides on frames; whether a connection may be is asked afterwards all the same.
    for protocol, version in (("ip", 4), ("ipv6", 6)):
        for mac, network in pairs:
            if network.version != version:
                continue
            source = {"srcipaddr": str(network.network_address), "srcipmask": str(network.prefixlen)}
            yield "accept", "out", protocol, {"srcmacaddr": mac, **source}
        if protocol == "ipv6":
            yield "accept", "out", protocol, {"srcmacaddr": own, "srcipaddr": "::", "srcipmask": "128"}
        yield "drop", "out", protocol, {}
    yield "drop", "out", "vlan", {}
    yield "drop", "out", "rarp", {}


def _always() -> Iterator[_Line]:
    """DHCP and neighbours, whatever the rules are."""
    for kind in _ROUTERS:
        yield "drop", "out", "icmpv6", {"type": kind}
    for kind in _NEIGHBOURS:
        yield "accept", "inout", "icmpv6", {"type": kind}
    yield "accept", "in", "icmpv6", {"type": "134"}
    yield "accept", "in", "udp", {"srcportstart": "67", "dstportstart": "68"}
    yield "accept", "out", "udp", {"srcportstart": "68", "dstportstart": "67"}
    yield "accept", "in", "udp-ipv6", {"srcportstart": "547", "dstportstart": "546"}
    yield "accept", "out", "udp-ipv6", {"srcportstart": "546", "dstportstart": "547"}


def _matches(rule: FirewallRule) -> Iterator[tuple[str, dict[str, str]]]:
    number = protocol_number(rule)
    if number is not None and number not in _NAMES:
        LOG.warning("libvirt's filters know no protocol %s: what this rule lets pass stays shut", rule.protocol)
        return
    name = "all" if number is None else _NAMES[number]
    if rule.ethertype == "IPv6" and name != "icmpv6":
        name += _OF_VERSION_6
    attributes = {}
    if number in _WITH_PORTS and rule.port_min is not None:
        last = rule.port_max if rule.port_max is not None else rule.port_min
        attributes = {"dstportstart": str(rule.port_min), "dstportend": str(last)}
    elif number in (1, 58) and rule.port_min is not None:
        attributes = {"type": str(rule.port_min)}
        if rule.port_max is not None:
            attributes["code"] = str(rule.port_max)
    found = remotes(rule)
    if found is None:
        yield name, attributes
    side = "src" if rule.direction == "ingress" else "dst"
    for item in found or ():
        network = ipaddress.ip_network(item)
        yield (
            name,
            {**attributes, f"{side}ipaddr": str(network.network_address), f"{side}ipmask": str(network.prefixlen)},
        )
