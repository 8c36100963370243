"""The ways between networks and to the outside as nftables text: isolation, NAT, routers, floating addresses.

One table of the inet family holds them and the ports' connections (firewall.py); it is replaced whole, so that there is
no moment with half of it. As there, what opened a connection is asked at each packet: a way that is closed cuts it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tuinova.virt.libvirt.net import firewall
from tuinova.virt.libvirt.net.network_xml import METADATA_ADDRESS, address_of, range_of
from tuinova.virt.libvirt.net.rules_text import joined
from tuinova.virt.networks import NetworkMode, NetworkSpec, RouterSpec, Routing

_OURS = (NetworkMode.NAT, NetworkMode.ROUTED, NetworkMode.ISOLATED)


@dataclass(frozen=True, slots=True)
class Ways:
    """Our networks, the interface of each network by its id (or by libvirt's name of its own), and the routing."""

    networks: tuple[NetworkSpec, ...]
    devices: Mapping[str, str]
    routing: Routing

    def device(self, network: NetworkSpec) -> str | None:
        """The interface of a network, ours or not."""
        if network.mode is NetworkMode.PROVIDER:
            return network.bridge
        return self.devices.get(network.source or network.name if network.mode is NetworkMode.HOST else network.id)

    def of_mode(self, *modes: NetworkMode) -> Iterator[tuple[str, NetworkSpec]]:
        """Interface and record of those of our own bridges."""
        for network in self.networks:
            device = self.devices.get(network.id)
            if network.mode in modes and device is not None:
                yield device, network

    @property
    def bridges(self) -> list[str]:
        """The bridges that are ours."""
        return sorted(device for device, _ in self.of_mode(*_OURS))


def inet_table(name: str, ways: Ways, ports: Iterable[firewall.GuardedPort]) -> str:
    """The whole table, empty when there is nothing to say."""
    ports = list(ports)
    watched = sorted({*ways.bridges, *(port.bridge for port in ports)})
    if not watched and not ways.routing.floating and not ways.routing.routers:
        return ""
    text = (
        f"table inet {name} {{\n"
        f"{_set('watched', 'ifname', joined(watched))}{_set('ours', 'ifname', joined(ways.bridges))}"
        f"{_floating_sets(ways)}{firewall.inet_chains(ports)}"
        f"{_between(ways)}{_hooks(ways)}{_nat(ways)}"
    )
    return text + "}\n"


def _set(name: str, type_: str, elements: str, kind: str = "set") -> str:
    held = f" elements = {{ {elements} }};" if elements else ""
    return f"  {kind} {name} {{ type {type_};{held} }}\n"


def _floating_sets(ways: Ways) -> str:
    pairs = [(address_of(item.address), address_of(item.fixed)) for item in ways.routing.floating]
    pairs = sorted({(outside, inside) for outside, inside in pairs if ":" not in outside + inside})
    inwards = ", ".join(f"{outside} : {inside}" for outside, inside in pairs)
    # A fixed address with several goes out as the first of them.
    outwards = ", ".join(f"{inside} : {outside}" for inside, outside in {b: a for a, b in reversed(pairs)}.items())
    return (
        _set("floating", "ipv4_addr", ", ".join(outside for outside, _ in pairs))
        + _set("inwards", "ipv4_addr : ipv4_addr", inwards, "map")
        + _set("outwards", "ipv4_addr : ipv4_addr", outwards, "map")
    )


# what may be forwarded -----------------------------------------------------------------------------------------------
def _between(ways: Ways) -> str:
    lines = [f'iifname "{bridge}" oifname "{bridge}" accept' for bridge in ways.bridges]
    lines += ["ct state established ct direction reply accept", "ct state related accept"]
    lines.append("ct status dnat ct original ip daddr @floating accept")
    for router in ways.routing.routers:
        lines += _router_ways(ways, router)
    for device, network in ways.of_mode(NetworkMode.NAT, NetworkMode.ROUTED):
        if network.bridge:
            lines.append(f'iifname "{device}" oifname "{network.bridge}" accept')
        else:
            lines.append(f'iifname "{device}" oifname != @ours accept')
        if network.mode is NetworkMode.ROUTED:
            source = f'"{network.bridge}"' if network.bridge else "!= @ours"
            lines.append(f'iifname {source} oifname "{device}" accept')
    lines.append("counter drop")
    return _chain("between", lines)


def _chain(name: str, lines: Iterable[str]) -> str:
    return f"  chain {name} {{\n" + "".join(f"    {line}\n" for line in lines) + "  }\n"


def _router_ways(ways: Ways, router: RouterSpec) -> Iterator[str]:
    devices = sorted({device for network, _, _ in router.interfaces if (device := ways.devices.get(network))})
    for first in devices:
        for second in devices:
            if first != second:
                yield f'iifname "{first}" oifname "{second}" accept'
    if router.external is None:
        return
    outside = ways.device(router.external)
    for device in devices:
        yield f'iifname "{device}" oifname != @ours accept'
        if outside in ways.bridges:
            yield f'iifname "{device}" oifname "{outside}" accept'
        if outside and not router.snat:
            yield f'iifname "{outside}" oifname "{device}" accept'


def _hooks(ways: Ways) -> str:
    isolated = joined([device for device, _ in ways.of_mode(NetworkMode.ISOLATED)])
    asked = [
        "udp dport { 67, 547 } accept",
        f"icmpv6 type {{ {firewall.ND}, {firewall.LISTENERS} }} accept",
        "jump egress",
    ]
    if isolated:
        # From an isolated network the host is its DHCP, DNS and metadata, and nothing else.
        asked += [
            f"iifname != {{ {isolated} }} accept",
            "ct state established,related accept",
            "meta l4proto { icmp, ipv6-icmp } accept",
            "meta l4proto { tcp, udp } th dport 53 accept",
            f"ip daddr {METADATA_ADDRESS} tcp dport 80 accept",
            "ct status dnat accept",
            "counter drop",
        ]
    told = [
        "udp sport 67 udp dport 68 accept",
        "udp sport 547 udp dport 546 accept",
        "jump ingress",
    ]
    return (
        _chain("forward", ["type filter hook forward priority -5; policy accept;", *_forward_lines()])
        + _chain("input", ["type filter hook input priority -5; policy accept;", "iifname != @watched accept", *asked])
        + _chain("output", ["type filter hook output priority -5; policy accept;", "oifname != @watched accept", *told])
    )


def _forward_lines() -> Iterator[str]:
    yield "jump egress"
    yield "jump ingress"
    yield "iifname @ours goto between"
    yield "oifname @ours goto between"


# addresses that change -----------------------------------------------------------------------------------------------
def _nat(ways: Ways) -> str:
    inwards = "dnat ip to ip daddr map @inwards"
    lines: list[str] = []
    ranges: list[tuple[str, str]] = []
    for _, network in ways.of_mode(*_OURS):
        for subnet in network.subnets:
            found = range_of(subnet.cidr)
            word = "ip" if found.version == 4 else "ip6"
            ranges.append((word, str(found)))
            # A guest that asks its own network by a floating address must get the answer by the same way.
            lines.append(f"{word} saddr {found} {word} daddr {found} ct status dnat masquerade")
    lines.append("oifname != @ours snat ip to ip saddr map @outwards")
    outer = {ways.device(item.external) for item in ways.routing.floating}
    for device in ways.bridges:
        if device not in outer:
            continue
        lines.append(f'oifname "{device}" snat ip to ip saddr map @outwards')
    for router in ways.routing.routers:
        lines += _router_nat(ways, router)
    for device, network in ways.of_mode(NetworkMode.NAT):
        for subnet in network.subnets:
            found = range_of(subnet.cidr)
            word = "ip" if found.version == 4 else "ip6"
            multicast = "224.0.0.0/4" if word == "ip" else "ff00::/8"
            lines.append(
                f'{word} saddr {found} {word} daddr != {multicast} oifname != "{device}" oifname != @ours masquerade'
            )
    return (
        _chain("prerouting", ["type nat hook prerouting priority -100; policy accept;", inwards])
        + _chain("local", ["type nat hook output priority -100; policy accept;", inwards])
        + _chain("postrouting", ["type nat hook postrouting priority 100; policy accept;", *lines])
    )


def _router_nat(ways: Ways, router: RouterSpec) -> Iterator[str]:
    if router.external is None or not router.snat:
        return
    outside = ways.device(router.external)
    for network_id, _, _ in router.interfaces:
        network = next((item for item in ways.networks if item.id == network_id), None)
        for subnet in network.subnets if network else ():
            found = range_of(subnet.cidr)
            if found.version != 4:
                continue
            if outside and router.external_address and ":" not in router.external_address:
                own = ipaddress.ip_address(router.external_address)
                yield f'ip saddr {found} oifname "{outside}" snat ip to {own}'
                if router.external.mode is NetworkMode.ROUTED:
                    # Its addresses are known outside; those of another kind mean nothing beyond their own bridge.
                    yield f"ip saddr {found} oifname != @ours snat ip to {own}"
            yield f"ip saddr {found} oifname != @ours masquerade"
