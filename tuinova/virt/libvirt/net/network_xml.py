"""libvirt's definition of a network of ours, and what its dnsmasq is told beside it.

libvirt's firewall is left out (forward mode `open`): it lets nobody in, and so neither floating addresses nor routers;
our own table does all of it. Reservations of the first IPv4 subnet are libvirt's; what libvirt has no word for (further
IPv4 subnets, DHCPv6 by MAC address, options of one subnet) is in two files that dnsmasq reads again when it is told.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from tuinova.virt.driver import DriverError, Nic
from tuinova.virt.libvirt.guest_xml import MARK_NS, network_name
from tuinova.virt.libvirt.net import plain
from tuinova.virt.networks import NetworkMode, NetworkSpec, SubnetSpec

DNSMASQ_NS = "http://libvirt.org/schemas/network/dnsmasq/1.0"
METADATA_ADDRESS = "169.254.169.254"
MARK_TAG = f"{{{MARK_NS}}}network"
LEASE_SECONDS = 600
# dnsmasq's words for Neutron's modes of an IPv6 subnet.
_SIX_MODES = {"slaac": "ra-only", "dhcpv6-stateless": "ra-stateless", "dhcpv6-stateful": "static"}
_RANGE_BITS = 0xFFFF  # in which the ends of a range may differ for libvirt
_DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?\.?")

ET.register_namespace("dnsmasq", DNSMASQ_NS)


@dataclass(frozen=True, slots=True)
class Owner:
    """Which tuinova this is: two may share a machine, and each keeps to its own."""

    instances: Path
    host: str

    @property
    def tag(self) -> str:
        """Four letters of its own, for names that the kernel keeps short."""
        return hashlib.sha1(f"{self.host}\0{self.instances}".encode(), usedforsecurity=False).hexdigest()[:4]

    @property
    def prefix(self) -> str:
        """What the names of our bridges begin with."""
        return f"tn{self.tag}"

    def bridge(self, network_id: str) -> str:
        """The bridge of a network of ours."""
        return self.prefix + hashlib.sha1(network_id.encode(), usedforsecurity=False).hexdigest()[:8]

    def mac(self, network_id: str) -> str:
        """The MAC address of that bridge, in libvirt's range."""
        octets = hashlib.sha1(f"{self.prefix}{network_id}".encode(), usedforsecurity=False).digest()[:3]
        return "52:54:00:" + octets.hex(":")


def address_of(text: str) -> str:
    """An address in its one spelling; what is none raises DriverError: it would go into a configuration file."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise DriverError(reason=f"{text!r} is no address") from error


def range_of(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """The same for a range."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise DriverError(reason=f"{text!r} is no range of addresses") from error


def is_domain(name: str) -> bool:
    """Whether dnsmasq may be given it."""
    return bool(_DOMAIN.fullmatch(name))


# which subnet is served how ------------------------------------------------------------------------------------------
def main_subnet(spec: NetworkSpec) -> SubnetSpec | None:
    """The IPv4 subnet whose DHCP is libvirt's own; it serves one only."""
    return next((subnet for subnet in spec.subnets if _serves_v4(subnet)), None)


def _serves_v4(subnet: SubnetSpec) -> bool:
    return subnet.dhcp and subnet.host_address is not None and ":" not in subnet.cidr


def further_subnets(spec: NetworkSpec) -> list[SubnetSpec]:
    """The other IPv4 subnets with DHCP."""
    main = main_subnet(spec)
    return [subnet for subnet in spec.subnets if _serves_v4(subnet) and subnet is not main]


def leased_six(spec: NetworkSpec) -> SubnetSpec | None:
    """The IPv6 subnet whose DHCP is libvirt's own; it serves one only, and announces no other one beside it."""
    return next((subnet for subnet in spec.subnets if announced(subnet) and subnet.dhcp and _by_dhcp(subnet)), None)


def announced(subnet: SubnetSpec) -> bool:
    """Whether libvirt gets the host's address in it: for IPv6 that means that dnsmasq announces the prefix."""
    return subnet.host_address is not None and (":" not in subnet.cidr or subnet.ipv6_mode is not None)


def tag_of(subnet: SubnetSpec) -> str:
    return "s" + hashlib.sha1(subnet.id.encode() + subnet.cidr.encode(), usedforsecurity=False).hexdigest()[:8]


# the definition ------------------------------------------------------------------------------------------------------
def build(spec: NetworkSpec, owner: Owner, files: Path) -> str:
    """The XML; `files` is the directory of dnsmasq's two files."""
    root = ET.Element("network")
    ET.SubElement(root, "name").text = network_name(spec.id)
    metadata = ET.SubElement(root, "metadata")
    mark = ET.SubElement(metadata, MARK_TAG, {"instances": str(owner.instances), "host": owner.host})
    mark.text = json.dumps(plain.plain(spec), sort_keys=True)
    if spec.mode is NetworkMode.PROVIDER:
        ET.SubElement(root, "forward", {"mode": "bridge"})
        ET.SubElement(root, "bridge", {"name": spec.bridge or ""})
        return ET.tostring(root, encoding="unicode")
    if any(announced(subnet) for subnet in spec.subnets):
        # Without an address of the host in it there is nothing to be forwarded, and libvirt refuses the word.
        ET.SubElement(root, "forward", {"mode": "open"})
    ET.SubElement(root, "bridge", {"name": owner.bridge(spec.id), "stp": "off", "delay": "0"})
    # Always the same: guests that stay joined while the bridge is made anew know it by this.
    ET.SubElement(root, "mac", {"address": owner.mac(spec.id)})
    if spec.mtu != 1500:
        ET.SubElement(root, "mtu", {"size": str(spec.mtu)})
    if is_domain(spec.dns_domain):
        ET.SubElement(root, "domain", {"name": spec.dns_domain, "localOnly": "yes"})
    for subnet in spec.subnets:
        if announced(subnet):
            _ip(root, spec, subnet)
    options = ET.SubElement(root, f"{{{DNSMASQ_NS}}}options")
    for value in _options(spec, files):
        ET.SubElement(options, f"{{{DNSMASQ_NS}}}option", {"value": value})
    return ET.tostring(root, encoding="unicode")


def _ip(root: ET.Element, spec: NetworkSpec, subnet: SubnetSpec) -> None:
    network = range_of(subnet.cidr)
    attributes = {"address": address_of(subnet.host_address or ""), "prefix": str(network.prefixlen)}
    if network.version == 6:
        attributes["family"] = "ipv6"
    ip = ET.SubElement(root, "ip", attributes)
    if subnet is main_subnet(spec) or subnet is leased_six(spec):
        dhcp = ET.SubElement(ip, "dhcp")
        for pool in subnet.pools:
            first, last = (ipaddress.ip_address(address_of(one)) for one in pool)
            # A port's own address may be anywhere in the subnet: the range only says that dnsmasq serves it.
            end = first + (min(int(last), int(first) | _RANGE_BITS) - int(first))
            ET.SubElement(dhcp, "range", {"start": str(first), "end": str(end)})


def _options(spec: NetworkSpec, files: Path) -> Iterator[str]:
    # A stranger gets no address: those of the ranges are the ports'.
    yield "dhcp-ignore=tag:!known"
    yield f"dhcp-hostsfile={files}/hosts"
    yield f"dhcp-optsfile={files}/options"
    yield "dhcp-authoritative"
    if spec.mode is NetworkMode.ISOLATED:
        yield "no-resolv"
    for subnet in further_subnets(spec):
        network = range_of(subnet.cidr)
        yield f"dhcp-range=set:{tag_of(subnet)},{network.network_address},static,{network.netmask},{LEASE_SECONDS}"
    leased = leased_six(spec)
    for subnet in spec.subnets:
        # Where it leases nothing libvirt announces all of them by itself: what they are beside that is ours to say.
        if announced(subnet) and subnet.ipv6_mode and subnet is not leased:
            mode = _SIX_MODES[subnet.ipv6_mode]
            if mode != "ra-only" or leased is not None:
                network = range_of(subnet.cidr)
                seconds = f",{LEASE_SECONDS}" if mode == "static" else ""
                yield f"dhcp-range={network.network_address},{mode},{network.prefixlen}{seconds}"


def dhcp_place(root: ET.Element) -> int:
    """Which <ip> of a network has the entries of IPv4; left to itself libvirt takes the first with any DHCP."""
    found = (place for place, ip in enumerate(root.findall("ip")) if _has_entries(ip))
    return next(found, -1)


def _has_entries(ip: ET.Element) -> bool:
    return ip.get("family", "ipv4") == "ipv4" and ip.find("dhcp") is not None


def parse_mark(xml: str) -> tuple[str, str, NetworkSpec] | None:
    """Instances directory, host and record in the mark of a network that some tuinova made, else None."""
    mark = ET.fromstring(xml).find(f"./metadata/{MARK_TAG}")  # noqa: S314 - libvirt's own XML
    if mark is None:
        return None
    try:
        return mark.get("instances", ""), mark.get("host", ""), plain.network(json.loads(mark.text or "{}"))
    except (ValueError, TypeError, KeyError):
        return None


# dnsmasq's files -----------------------------------------------------------------------------------------------------
def options_file(spec: NetworkSpec) -> str:
    """DHCP options, each subnet's own where it is not the first."""
    main = main_subnet(spec)
    lines: list[str] = []
    for subnet in spec.subnets:
        if _serves_v4(subnet):
            # Those of the first have no tag: a tagged one wins over them.
            tag = "" if subnet is main and spec.mode is not NetworkMode.PROVIDER else f"tag:{tag_of(subnet)},"
            lines += [f"{tag}{line}" for line in subnet_options(spec, subnet)]
        elif announced(subnet) and subnet.dns:
            lines.append("option6:dns-server," + ",".join(f"[{address_of(item)}]" for item in subnet.dns))
    return "".join(f"{line}\n" for line in lines)


def subnet_options(spec: NetworkSpec, subnet: SubnetSpec) -> Iterator[str]:
    """Router, routes, name servers of an IPv4 subnet."""
    here = address_of(subnet.host_address or "")
    gateway = address_of(subnet.gateway) if subnet.gateway else None
    if gateway != here or spec.mode is NetworkMode.PROVIDER:
        yield f"option:router,{gateway}" if gateway else "option:router"
    routes = [(str(range_of(to)), address_of(via)) for to, via in subnet.routes if ":" not in to]
    if gateway != here or spec.mode is NetworkMode.ISOLATED or spec.mode is NetworkMode.PROVIDER:
        routes.append((f"{METADATA_ADDRESS}/32", here))
    if routes:
        # Who takes this option takes no router from elsewhere (RFC 3442).
        if gateway:
            routes.append(("0.0.0.0/0", gateway))
        joined = ",".join(f"{to},{via}" for to, via in routes)
        yield f"option:classless-static-route,{joined}"
        yield f"249,{joined}"  # the same for Windows
    if subnet.dns:
        yield "option:dns-server," + ",".join(address_of(item) for item in subnet.dns if ":" not in item)
    elif spec.mode is NetworkMode.PROVIDER:
        yield "option:dns-server"


def libvirt_reservation(spec: NetworkSpec, nic: Nic) -> str | None:
    """The address of a port for libvirt's own entry: the port's first IPv4 one, when the first subnet has it."""
    main, first = main_subnet(spec), _first_v4(nic)
    if spec.mode is NetworkMode.PROVIDER or main is None or first is None:
        return None
    return first if ipaddress.ip_address(first) in range_of(main.cidr) else None


def _first_v4(nic: Nic) -> str | None:
    return next((address_of(item.address) for item in nic.addresses if item.version == 4), None)


def hosts_file(spec: NetworkSpec, nics: Iterable[Nic]) -> str:
    """Reservations that are not libvirt's: of further subnets, and IPv6's."""
    leased = [range_of(subnet.cidr) for subnet in spec.subnets if subnet.dhcp and _by_dhcp(subnet)]
    own = [range_of(subnet.cidr) for subnet in spec.subnets if _serves_v4(subnet)]
    lines = []
    for nic in nics:
        mac, first = nic.mac.lower(), _first_v4(nic)
        if first and libvirt_reservation(spec, nic) is None and any(ipaddress.ip_address(first) in net for net in own):
            lines.append(f"{mac},{first},{LEASE_SECONDS}")
        for item in nic.addresses:
            if item.version == 6 and any(ipaddress.ip_address(item.address) in network for network in leased):
                lines.append(f"{mac},[{address_of(item.address)}],{LEASE_SECONDS}")
    return "".join(f"{line}\n" for line in sorted(lines))


def _by_dhcp(subnet: SubnetSpec) -> bool:
    return subnet.ipv6_mode == "dhcpv6-stateful"
