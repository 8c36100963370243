"""The ports' firewall as nftables text: who a guest may speak as, and what may reach it.

Frames are looked at in the bridge family, by the guest's own interface: MAC, ARP and IP sources, no DHCP server and no
router among guests, nothing for an address that is not the port's. Connections are followed in the inet family, which
sees bridged packets through br_netfilter (not every kernel follows connections in the bridge family), and there a port
is known by bridge and address: right because the frames were looked at before. The direction that opened a connection
must be allowed at each packet, only answers pass for the connection's sake: a rule that goes cuts what it had let in.
Ports with the same rules share their chains, and addresses are sets: a thousand ports are a few dozen rules.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tuinova.virt.libvirt.net.rules_text import link_local, matches
from tuinova.virt.networks import FirewallRule, PortSecurity

ND = "nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert"
LISTENERS = "mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report"


@dataclass(frozen=True, slots=True)
class GuardedPort:
    """A port with a firewall. `dhcp`: its addresses are handed out by us, so nobody else's DHCP may reach it."""

    tap: str
    bridge: str
    mac: str
    addresses: tuple[str, ...]
    security: PortSecurity
    dhcp: bool = True

    def pairs(self) -> Iterator[tuple[str, ipaddress.IPv4Network | ipaddress.IPv6Network]]:
        """MAC and range of all that it may speak as."""
        for address in (*self.addresses, link_local(self.mac)):
            yield self.mac, ipaddress.ip_network(address)
        for prefix, mac in self.security.allowed_pairs:
            yield (mac or self.mac).lower(), ipaddress.ip_network(prefix, strict=False)


@dataclass(slots=True)
class _Sets:
    """Elements of the named sets and maps, by name; and rules for what no set can hold (ranges of allowed pairs)."""

    elements: dict[str, list[str]] = field(default_factory=dict)
    rules: dict[str, list[str]] = field(default_factory=dict)
    keys: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, name: str, element: str) -> None:
        self.elements.setdefault(name, []).append(element)

    def enter(self, name: str, key: str, value: str) -> bool:
        """An element of a map; False when the key has another value already."""
        before = self.keys.setdefault((name, key), value)
        if before == value:
            self.add(name, f"{key} : {value}")
        return before == value

    def rule(self, chain: str, text: str) -> None:
        if text not in self.rules.setdefault(chain, []):
            self.rules[chain].append(text)

    def named(self, kind: str, name: str, type_: str) -> str:
        found = sorted(set(self.elements.get(name, ())))
        held = f" elements = {{ {', '.join(found)} }};" if found else ""
        return f"  {kind} {name} {{ type {type_};{held} }}\n"

    def of(self, chain: str) -> str:
        return "".join(f"    {line}\n" for line in self.rules.get(chain, ()))


def _chain_name(prefix: str, rules: Iterable[FirewallRule]) -> str:
    text = repr(sorted(map(repr, rules)))
    return prefix + hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:16]


def _rules_of(port: GuardedPort, direction: str) -> tuple[FirewallRule, ...]:
    return tuple(rule for rule in port.security.rules if rule.direction == direction)


def bridge_table(name: str, ports: Iterable[GuardedPort]) -> str:
    """The table of the bridge family, empty without ports."""
    ports = list(ports)
    if not ports:
        return ""
    sets, chains = _Sets(), {}
    for port in ports:
        _enter_frames(sets, port)
        rules = _rules_of(port, "ingress")
        chain = _chain_name("m", rules)
        chains[chain] = _flooded_chain(chain, rules)
        sets.add("flooded", f'"{port.tap}" : jump {chain}')
    return (
        f"table bridge {name} {{\n"
        + sets.named("set", "taps", "ifname")
        + sets.named("set", "served", "ifname")
        + sets.named("set", "macs", "ifname . ether_addr")
        + sets.named("set", "from4", "ifname . ether_addr . ipv4_addr")
        + sets.named("set", "from6", "ifname . ether_addr . ipv6_addr")
        + sets.named("set", "to4", "ifname . ipv4_addr")
        + sets.named("set", "to6", "ifname . ipv6_addr")
        + sets.named("map", "flooded", "ifname : verdict")
        + "".join(chains.values())
        + _from_guest(sets)
        + _to_guest(sets)
        + "}\n"
    )


def _enter_frames(sets: _Sets, port: GuardedPort) -> None:
    tap = f'"{port.tap}"'
    sets.add("taps", tap)
    if port.dhcp:
        sets.add("served", tap)
    for mac, network in port.pairs():
        sets.add("macs", f"{tap} . {mac}")
        version, word = network.version, "ip" if network.version == 4 else "ip6"
        if network.prefixlen == network.max_prefixlen:
            address = str(network.network_address)
            sets.add(f"from{version}", f"{tap} . {mac} . {address}")
            sets.add(f"to{version}", f"{tap} . {address}")
            if version == 6:
                number = int(network.network_address)
                # The address that a neighbour advertisement speaks of.
                sets.rule("advert", f"iifname {tap} @th,64,128 {number:#034x} accept")
            continue
        sets.rule(f"from{version}", f"iifname {tap} ether saddr {mac} {word} saddr {network} accept")
        sets.rule(f"to{version}", f"oifname {tap} {word} daddr {network} accept")
        if version == 4:
            sets.rule("from_arp", f"iifname {tap} ether saddr {mac} arp saddr ip {network} accept")
        else:
            # Raw payload knows no prefixes: the source was looked at, the target of such a pair is left to it.
            sets.rule("advert", f"iifname {tap} ip6 saddr {network} accept")


def _from_guest(sets: _Sets) -> str:
    """What leaves a guest, before anybody else sees it."""
    return (
        "  chain from_arp {\n"
        "    iifname . arp saddr ether != @macs counter drop\n"
        "    arp saddr ip 0.0.0.0 accept\n"
        "    iifname . ether saddr . arp saddr ip @from4 accept\n"
        f"{sets.of('from_arp')}"
        "    counter drop\n  }\n"
        "  chain from4 {\n"
        "    udp sport 67 counter drop\n"
        "    ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept\n"
        "    iifname . ether saddr . ip saddr @from4 accept\n"
        f"{sets.of('from4')}"
        "    counter drop\n  }\n"
        "  chain advert {\n"
        f"{sets.of('advert')}"
        "    counter drop\n  }\n"
        "  chain from6 {\n"
        "    icmpv6 type { nd-router-advert, nd-redirect } counter drop\n"
        "    udp sport 547 counter drop\n"
        f"    ip6 saddr :: icmpv6 type {{ nd-router-solicit, nd-neighbor-solicit, {LISTENERS} }} accept\n"
        "    icmpv6 type nd-neighbor-advert goto advert\n"
        "    iifname . ether saddr . ip6 saddr @from6 accept\n"
        f"{sets.of('from6')}"
        "    counter drop\n  }\n"
        "  chain prerouting {\n"
        "    type filter hook prerouting priority -300; policy accept;\n"
        "    iifname != @taps accept\n"
        "    iifname . ether saddr != @macs counter drop\n"
        "    ether type arp goto from_arp\n"
        "    ether type ip goto from4\n"
        "    ether type ip6 goto from6\n"
        "    counter drop\n  }\n"
    )


def _to_guest(sets: _Sets) -> str:
    """What reaches a guest; whether a connection may is asked in the inet family."""
    unicast = "ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00"
    return (
        "  chain to4 {\n"
        "    oifname . ip daddr @to4 accept\n"
        f"{sets.of('to4')}"
        "    counter drop\n  }\n"
        "  chain to6 {\n"
        "    oifname . ip6 daddr @to6 accept\n"
        f"{sets.of('to6')}"
        "    counter drop\n  }\n"
        "  chain to_guest {\n"
        "    ether type arp accept\n"
        f"    {unicast} ether type ip goto to4\n"
        f"    {unicast} ether type ip6 goto to6\n"
        "    ether type ip ip protocol igmp accept\n"
        f"    icmpv6 type {{ {ND}, {LISTENERS} }} accept\n"
        "    oifname vmap @flooded\n"
        "    counter drop\n  }\n"
        "  chain forward {\n"
        "    type filter hook forward priority -200; policy accept;\n"
        # Another's DHCP would hear the guest's question, and answer with an address that is not the port's.
        "    iifname @served udp dport 67 counter drop\n"
        "    iifname @served udp dport 547 counter drop\n"
        "    oifname @served udp sport 67 udp dport 68 counter drop\n"
        "    oifname @taps goto to_guest\n  }\n"
        "  chain output {\n"
        "    type filter hook output priority -200; policy accept;\n"
        "    udp sport 67 udp dport 68 accept\n"
        "    udp sport 547 udp dport 546 accept\n"
        "    oifname @taps goto to_guest\n  }\n"
    )


def _flooded_chain(name: str, rules: Iterable[FirewallRule]) -> str:
    """Multicast and broadcast: the ingress rules, without connections."""
    lines = [f"    {text} accept\n" for rule in rules for text in matches(rule, "bridge")]
    return f"  chain {name} {{\n{''.join(lines)}    counter drop\n  }}\n"


# the inet family -----------------------------------------------------------------------------------------------------
def inet_chains(ports: Iterable[GuardedPort]) -> str:
    """Maps and chains of connections; `jump egress` and `jump ingress` return what may pass."""
    sets, chains = _Sets(), {}
    for port in ports:
        sides = (("egress", "iifname", "saddr", "e"), ("ingress", "oifname", "daddr", "i"))
        for side, interface, which, letter in sides:
            rules = _rules_of(port, side)
            chain = _chain_name(letter, rules)
            chains[chain] = _connection_chain(chain, rules)
            for _, network in port.pairs():
                word = "ip" if network.version == 4 else "ip6"
                if network.prefixlen == network.max_prefixlen:
                    key = f'"{port.bridge}" . {network.network_address}'
                    if sets.enter(f"{side}{network.version}", key, f"jump {chain}"):
                        continue
                    # An address that several ports share (allowed pairs): what reaches it must please all of them.
                    sets.rule(side, f'{interface} "{port.bridge}" {word} {which} {network} jump {chain}')
                else:
                    sets.rule(side, f'{interface} "{port.bridge}" {word} {which} {network} jump {chain}')
    text = "".join(
        sets.named("map", f"{side}{version}", f"ifname . ipv{version}_addr : verdict")
        for side in ("egress", "ingress")
        for version in (4, 6)
    )
    return text + "".join(chains.values()) + _sides(sets)


def _sides(sets: _Sets) -> str:
    neighbours = f"    icmpv6 type {{ {ND}, {LISTENERS} }} return\n"
    answers = "    ct state established ct direction reply return\n    ct state related return\n"
    return (
        "  chain egress {\n"
        f"{neighbours}{answers}"
        "    iifname . ip saddr vmap @egress4\n"
        "    iifname . ip6 saddr vmap @egress6\n"
        f"{sets.of('egress')}  }}\n"
        "  chain ingress {\n"
        f"{neighbours}{answers}"
        "    oifname . ip daddr vmap @ingress4\n"
        "    oifname . ip6 daddr vmap @ingress6\n"
        f"{sets.of('ingress')}  }}\n"
    )


def _connection_chain(name: str, rules: Iterable[FirewallRule]) -> str:
    lines = [f"    {text} return\n" for rule in rules for text in matches(rule, "inet")]
    return f"  chain {name} {{\n{''.join(lines)}    counter drop\n  }}\n"
