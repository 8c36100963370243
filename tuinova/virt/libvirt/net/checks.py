"""What can't be made on this host, in words that say what to do."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from xml.etree import ElementTree as ET

import libvirt

from tuinova.core.errors import Invalid
from tuinova.virt.driver import DriverError
from tuinova.virt.libvirt.connection import Connection
from tuinova.virt.libvirt.net.commands import PACKAGES, HostCommands
from tuinova.virt.libvirt.net.network_xml import Owner, is_domain, parse_mark, range_of
from tuinova.virt.networks import NetworkMode, NetworkModes, NetworkSpec

_Range = ipaddress.IPv4Network | ipaddress.IPv6Network
_MADE = (NetworkMode.NAT, NetworkMode.ROUTED, NetworkMode.ISOLATED, NetworkMode.PROVIDER)


class NetworkChecks:
    """Asks the host and libvirt."""

    def __init__(self, connection: Connection, commands: HostCommands, owner: Owner, user_mode: bool) -> None:
        self._connection = connection
        self._commands = commands
        self._owner = owner
        self._user_mode = user_mode

    def modes(self) -> NetworkModes:
        """Mode to why not; empty: it can."""
        if self._user_mode:
            reason = (
                "qemu:///session has user-mode networking only: each guest by itself, out through the host, in through "
                "port forwards. Networks, security groups, floating IPs and routers need a service that runs as root "
                "on qemu:///system."
            )
            return {mode: "" if mode is NetworkMode.USER else reason for mode in NetworkMode}
        reason = self._why_none()
        return {mode: reason if mode in _MADE else "" for mode in NetworkMode}

    def _why_none(self) -> str:
        if self._commands.is_remote:
            return "Networks are made by a service on the hypervisor's own machine; this one is on another."
        if not self._commands.allowed:
            return "Networks are made by a service that runs as root; this one does not."
        missing = self._commands.missing("nft", "ip", "dnsmasq")
        if missing:
            packages = " ".join(sorted(PACKAGES[name] for name in missing))
            return ("Networks need {programs}: apt-get install {packages}").format(
                programs=", ".join(missing), packages=packages
            )
        return ""

    def require(self, network: NetworkSpec) -> None:
        """Raise DriverError where this mode can't be, or the bridge is not there."""
        if reason := self.problem(network):
            raise DriverError(reason=reason)

    def problem(self, network: NetworkSpec) -> str:
        """The same as a sentence; empty where nothing is wrong."""
        return self.modes()[network.mode] or self._bridge_problem(network)

    def check(self, network: NetworkSpec, made: Iterable[NetworkSpec]) -> None:
        """Raise Invalid with the first thing that speaks against a network."""
        others = [spec for spec in made if spec.id != network.id]
        for problem in self._problems(network, others):
            if problem:
                raise Invalid(problem)

    def _problems(self, network: NetworkSpec, others: list[NetworkSpec]) -> Iterator[str]:
        yield self.modes()[network.mode]
        if network.mode in (NetworkMode.HOST, NetworkMode.USER):
            return
        yield self._bridge_problem(network)
        if network.dns_domain and not is_domain(network.dns_domain):
            yield (f"{network.dns_domain!r} is no domain name.")
        lowest = 1280 if any(":" in subnet.cidr for subnet in network.subnets) else 68
        if not lowest <= network.mtu <= 65535:
            yield (f"An MTU of {network.mtu} is not possible: {lowest} to 65535.")
        if network.mode is NetworkMode.PROVIDER:
            for other in others:
                if other.mode is NetworkMode.PROVIDER and other.bridge == network.bridge:
                    yield (f"Bridge {network.bridge} is that of network {other.name} already.")
            for subnet in network.subnets:
                if subnet.dhcp and (subnet.ipv6_mode or "").startswith("dhcpv6"):
                    yield (
                        f"{subnet.cidr}: no DHCPv6 is served on a provider network. Its own router announces the "
                        "prefix, and guests form their addresses of it: --ipv6-address-mode slaac."
                    )
        yield self._overlap(network, others)

    # bridges ---------------------------------------------------------------------------------------------------------
    def _bridge_problem(self, network: NetworkSpec) -> str:
        name = network.bridge
        if network.mode is NetworkMode.PROVIDER:
            if not name:
                return "A provider network needs the name of an existing bridge."
            links = self._commands.json("ip", "-j", "-d", "link", "show", "type", "bridge")
            bridges = sorted(str(link.get("ifname")) for link in links)
            if name not in bridges:
                return ("Bridge {bridge} is not there on this host (there are: {bridges}). Make it first.").format(
                    bridge=name, bridges=", ".join(bridges) or "-"
                )
            if name.startswith(self._owner.prefix):
                return f"Bridge {name} belongs to another network of this host."
        elif network.mode is NetworkMode.ROUTED and name:
            links = self._commands.json("ip", "-j", "link", "show")
            if name not in {link.get("ifname") for link in links}:
                return f"Interface {name} is not there on this host."
        return ""

    # ranges ----------------------------------------------------------------------------------------------------------
    def _overlap(self, network: NetworkSpec, others: list[NetworkSpec]) -> str:
        own = [range_of(subnet.cidr) for subnet in network.subnets]
        taken = list(self._of_networks(others))
        if network.mode is not NetworkMode.PROVIDER:
            # On a provider network the host may well be at home itself.
            taken += [*self._of_libvirt(), *self._of_routes(self._owner.bridge(network.id))]
        for subnet in own:
            for other, whose in taken:
                if subnet.version == other.version and subnet.overlaps(other):
                    return f"{subnet} overlaps {other}, which {whose} uses. Choose another range."
        return ""

    @staticmethod
    def _of_networks(networks: Iterable[NetworkSpec]) -> Iterator[tuple[_Range, str]]:
        for network in networks:
            for subnet in network.subnets:
                yield range_of(subnet.cidr), (f"network {network.name}")

    def _of_libvirt(self) -> Iterator[tuple[_Range, str]]:
        for network in self._connection.get().listAllNetworks(0):
            xml = network.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE)
            mark = parse_mark(xml)
            if mark is not None and mark[:2] == (str(self._owner.instances), self._owner.host):
                continue
            for ip in ET.fromstring(xml).findall("ip"):  # noqa: S314 - libvirt's own XML
                length = ip.get("prefix") or ip.get("netmask") or ("64" if ip.get("family") == "ipv6" else "24")
                if ip.get("address"):
                    whose = f"libvirt's network {network.name()}"
                    yield range_of(f"{ip.get('address')}/{length}"), whose

    def _of_routes(self, bridge: str) -> Iterator[tuple[_Range, str]]:
        for family in ("-4", "-6"):
            for route in self._commands.json("ip", "-j", family, "route", "show"):
                destination, device = str(route.get("dst", "default")), str(route.get("dev", ""))
                if destination == "default" or device == bridge or destination.startswith("fe80:"):
                    continue
                yield range_of(destination), ("a route of this host by {interface}").format(interface=device or "-")
