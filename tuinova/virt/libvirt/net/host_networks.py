"""Networks that the hypervisor has without us: libvirt's NAT network, joined by a DHCP entry a port, and a session's.

Which DHCP entries are ours is kept in the records of the ports: libvirt's entries carry no mark.
"""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any
from xml.etree import ElementTree as ET

import libvirt

from tuinova.virt.driver import DriverError, HostNetwork, Nic
from tuinova.virt.libvirt.connection import Connection
from tuinova.virt.libvirt.errors import connection_broken, translated, words
from tuinova.virt.libvirt.net.network_xml import dhcp_place, parse_mark
from tuinova.virt.libvirt.net.records import PortRecord, PortRecords, network_key
from tuinova.virt.libvirt.options import LibvirtOptions

LOG = logging.getLogger(__name__)

_AFFECT = libvirt.VIR_NETWORK_UPDATE_AFFECT_CONFIG | libvirt.VIR_NETWORK_UPDATE_AFFECT_LIVE
LEASE_MINUTES = 10
LIST_SECONDS = 1.0  # a network that is being changed answers half a second late, and every build asks
# QEMU's user-mode network: every guest has the same address, and reaches out only.
USER_NETWORK = HostNetwork(
    name="user",
    mode="user",
    cidr="10.0.2.0/24",
    gateway="10.0.2.2",
    first="10.0.2.15",
    last="10.0.2.15",
    dns=("10.0.2.3",),
)
_THIRD_BYTES = range(122, 255)  # of 192.168.x.0/24; libvirt's own default is 122


class HostNetworks:
    """Reserves addresses in them, and tells which there are."""

    def __init__(self, connection: Connection, options: LibvirtOptions, records: PortRecords, user_mode: bool) -> None:
        self._connection = connection
        self._options = options
        self._records = records
        self.user_mode = user_mode
        # libvirt refuses two updates of one network at the same time with a plain error.
        self._lock = Lock()
        self._listed: tuple[float, Sequence[HostNetwork]] | None = None

    def prepare(self, conn: libvirt.virConnect) -> None:
        """Define and start the network that guests join, if it is missing or off and we may."""
        if self.user_mode:
            return
        name = self._options.network
        try:
            network = conn.networkLookupByName(name)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_NETWORK:
                raise
            if not self._options.create_network:
                raise DriverError(reason=f"libvirt has no network {name!r}, and create_network is off") from error
            network = conn.networkDefineXML(network_xml(name, free_subnet(conn)))
            network.setAutostart(1)
        if not network.isActive():
            if not self._options.create_network:
                raise DriverError(reason=f"libvirt's network {name!r} is off, and create_network is off")
            network.create()

    def list(self) -> Sequence[HostNetwork]:
        """All that guests can join, the default first."""
        if self.user_mode:
            return (USER_NETWORK,)
        listed = self._listed
        if listed is not None and time.monotonic() < listed[0] + LIST_SECONDS and self._connection.up:
            return listed[1]
        conn = self._connection.get()
        with translated(self._connection.host):
            mine = {item.mac for item in self._records.all()}
            found = []
            for network in conn.listAllNetworks(libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE):
                xml = network.XMLDesc(0)
                parsed = parse_network(xml, mine, _leases(network)) if parse_mark(xml) is None else None
                if parsed is not None:
                    found.append(parsed)
        networks = tuple(sorted(found, key=lambda item: (item.name != self._options.network, item.name)))
        self._listed = (time.monotonic(), networks)
        return networks

    def reserve(self, nic: Nic) -> None:
        """Reserve a port's address; done already is fine, an address that another MAC holds is an error."""
        if self.user_mode or nic.address is None or ":" in nic.address:
            return
        self._listed = None
        name = network_key(nic)
        with self._lock, translated(self._connection.host):
            network = self._lookup(name)
            if not network.isActive():
                network.create()
            root = ET.fromstring(network.XMLDesc(0))  # noqa: S314 - libvirt's own XML
            if not _holds(root, nic.address):
                raise DriverError(reason=f"address {nic.address} is not of network {name}")
            for mac, address in _hosts(root):
                if mac == nic.mac.lower() and address == nic.address:
                    return
                if mac == nic.mac.lower():
                    self._update(network, root, libvirt.VIR_NETWORK_UPDATE_COMMAND_DELETE, mac, address)
                elif address == nic.address:
                    raise DriverError(reason=f"address {address} of network {name} belongs to {mac} already")
            self._update(network, root, libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, nic.mac.lower(), nic.address)

    def release(self, record: PortRecord) -> None:
        """Take a port's reservation back; what is gone already is fine."""
        self._listed = None
        with self._lock, translated(self._connection.host):
            try:
                network = self._lookup(record.network)
            except DriverError as error:
                LOG.info("network of port %s: %s", record.mac, error)
                return
            root = ET.fromstring(network.XMLDesc(0))  # noqa: S314 - libvirt's own XML
            for mac, address in _hosts(root):
                if mac == record.mac:
                    self._update(network, root, libvirt.VIR_NETWORK_UPDATE_COMMAND_DELETE, mac, address)

    def device(self, name: str) -> str | None:
        """The bridge of one that is on, None when it has none; raises libvirtError while libvirt can't be asked."""
        if self.user_mode:
            return None
        try:
            found = self._connection.get().networkLookupByName(name)
            return str(found.bridgeName()) if found.isActive() else None
        except libvirt.libvirtError as error:
            if connection_broken(error):
                # No answer is no bridge that went: the ports on it would lose their firewall.
                raise
            LOG.debug("bridge of %s: %s", name, words(error))
            return None

    def _lookup(self, name: str) -> libvirt.virNetwork:
        try:
            return self._connection.get().networkLookupByName(name)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_NETWORK:
                raise DriverError(reason=f"libvirt has no network {name!r}") from error
            raise

    @staticmethod
    def _update(network: libvirt.virNetwork, root: ET.Element, command: int, mac: str, address: str) -> None:
        host = ET.Element("host", {"mac": mac, "ip": address})
        # A lease outlives its guest, and until its end dnsmasq gives the address to nobody else: keep it short.
        ET.SubElement(host, "lease", {"expiry": str(LEASE_MINUTES), "unit": "minutes"})
        flags = _AFFECT if network.isActive() else libvirt.VIR_NETWORK_UPDATE_AFFECT_CONFIG
        section = libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST
        network.update(command, section, dhcp_place(root), ET.tostring(host, encoding="unicode"), flags)


def _interface_of(ip: ET.Element) -> ipaddress.IPv4Interface | None:
    """Address and subnet of an <ip> element, None when it is not IPv4."""
    if ip.get("family", "ipv4") != "ipv4" or not ip.get("address"):
        return None
    return ipaddress.IPv4Interface(f"{ip.get('address')}/{ip.get('prefix') or ip.get('netmask') or '24'}")


def _holds(root: ET.Element, address: str) -> bool:
    """Whether an address belongs to one of a network's subnets; libvirt itself takes any."""
    subnets = (_interface_of(ip) for ip in root.findall("ip"))
    return any(ipaddress.IPv4Address(address) in subnet.network for subnet in subnets if subnet is not None)


def _hosts(root: ET.Element) -> list[tuple[str, str]]:
    return [
        (host.get("mac", "").lower(), host.get("ip", ""))
        for host in root.findall("./ip/dhcp/host")
        if host.get("mac") and host.get("ip")
    ]


def _leases(network: libvirt.virNetwork) -> list[dict[str, Any]]:
    try:
        return list(network.DHCPLeases() or [])
    except libvirt.libvirtError as error:
        # A bridge without libvirt's dnsmasq has no leases to tell of.
        LOG.debug("leases of %s: %s", network.name(), words(error))
        return []


def parse_network(xml: str, mine: set[str], leases: list[dict[str, Any]]) -> HostNetwork | None:
    """What a network offers; None without an IPv4 range.

    Reserved are static entries and leases of MACs that are not ours. A lease outlives its guest, and dnsmasq gives the
    address to nobody else until then: so the leases of guests that are gone count as foreign too.
    """
    root = ET.fromstring(xml)  # noqa: S314 - libvirt's own XML
    for ip in root.findall("ip"):
        span = ip.find("./dhcp/range")
        interface = _interface_of(ip)
        if interface is None or span is None:
            continue
        hosts = ((host.get("mac", "").lower(), host.get("ip")) for host in ip.findall("./dhcp/host"))
        held = ((str(lease.get("mac", "")).lower(), lease.get("ipaddr")) for lease in leases)
        holders = {str(address): mac for mac, address in (*hosts, *held) if address and mac not in mine}
        reserved = {*holders, str(interface.ip)}
        mtu = root.find("mtu")
        gateway = str(interface.ip)
        return HostNetwork(
            name=root.findtext("name", ""),
            mode="nat",
            cidr=str(interface.network),
            gateway=gateway if root.find("forward") is not None else None,
            first=span.get("start", ""),
            last=span.get("end", ""),
            dns=(gateway,),
            mtu=int(mtu.get("size", "1500")) if mtu is not None else 1500,
            reserved=frozenset(reserved),
            holders=holders,
        )
    return None


def network_xml(name: str, subnet: ipaddress.IPv4Network) -> str:
    """libvirt's default network: NAT, a bridge that libvirt names, DHCP over the whole subnet."""
    hosts = [str(address) for address in (subnet[1], subnet[2], subnet[-2])]
    root = ET.Element("network")
    ET.SubElement(root, "name").text = name
    ET.SubElement(root, "forward", {"mode": "nat"})
    if name == "default":
        ET.SubElement(root, "bridge", {"name": "virbr0", "stp": "on", "delay": "0"})
    else:
        ET.SubElement(root, "bridge", {"stp": "on", "delay": "0"})
    ip = ET.SubElement(root, "ip", {"address": hosts[0], "netmask": str(subnet.netmask)})
    ET.SubElement(ET.SubElement(ip, "dhcp"), "range", {"start": hosts[1], "end": hosts[2]})
    return ET.tostring(root, encoding="unicode")


def free_subnet(conn: libvirt.virConnect) -> ipaddress.IPv4Network:
    """libvirt's usual 192.168.122.0/24, or the next /24 that no network of it and no route of this host uses."""
    taken = _routes()
    for network in conn.listAllNetworks(0):
        for ip in ET.fromstring(network.XMLDesc(0)).findall("ip"):  # noqa: S314 - libvirt's own XML
            interface = _interface_of(ip)
            if interface is not None:
                taken.append(interface.network)
    for third in _THIRD_BYTES:
        subnet = ipaddress.IPv4Network(f"192.168.{third}.0/24")
        if not any(subnet.overlaps(other) for other in taken):
            return subnet
    raise DriverError(reason="no free 192.168.x.0/24 for libvirt's network")


def _routes(table: Path = Path("/proc/net/route")) -> list[ipaddress.IPv4Network]:
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return []
    found = []
    for line in lines:
        fields = line.split()
        destination, mask = (int.from_bytes(bytes.fromhex(fields[i]), "little") for i in (1, 7))
        if mask:
            found.append(ipaddress.IPv4Network((destination, mask.bit_count()), strict=False))
    return found
