"""One rule of a security group as what nftables matches."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import TypeVar

from tuinova.virt.networks import PROTOCOLS, FirewallRule

# What a rule may say beside the names of the table: other names of the same, and "any".
_ALSO = {"hopopt": 0, "icmpv6": 58, "ip": 0}
N = TypeVar("N", ipaddress.IPv4Network, ipaddress.IPv6Network)
_WITH_PORTS = {6: "tcp", 17: "udp", 33: "dccp", 132: "sctp", 136: "udplite"}
_ICMP = {1: "icmp", 58: "icmpv6"}
_ANY = frozenset({"", "any", "ip", "-1"})


def link_local(mac: str) -> str:
    """The IPv6 link-local address that belongs to a MAC address (RFC 4291, modified EUI-64)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identity = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + identity))


def protocol_number(rule: FirewallRule) -> int | None:
    """The number, None for any; "icmp" of an IPv6 rule is ICMPv6, as in Neutron."""
    name = (rule.protocol or "").lower()
    if name in _ANY:
        return None
    number = PROTOCOLS.get(name, _ALSO.get(name))
    number = int(name) if number is None else number
    return 58 if number == 1 and rule.ethertype == "IPv6" else number


def _merged(networks: Sequence[N]) -> list[str]:
    return [str(item) for item in ipaddress.collapse_addresses(networks)]


def remotes(rule: FirewallRule) -> list[str] | None:
    """The prefixes of the rule's own version, merged; None for anybody, empty for nobody."""
    if rule.remote is None:
        return None
    networks = [ipaddress.ip_network(item, strict=False) for item in rule.remote]
    if rule.ethertype == "IPv4":
        found = _merged([item for item in networks if isinstance(item, ipaddress.IPv4Network)])
    else:
        found = _merged([item for item in networks if isinstance(item, ipaddress.IPv6Network)])
    return None if any(item.endswith("/0") for item in found) else found


def matches(rule: FirewallRule, family: str) -> Iterator[str]:
    """The matches of one rule in the family `inet` or `bridge`; none when it lets nobody in."""
    word = "ip" if rule.ethertype == "IPv4" else "ip6"
    parts = [f"ether type {word}" if family == "bridge" else f"meta nfproto {'ipv4' if word == 'ip' else 'ipv6'}"]
    found = remotes(rule)
    if found is not None:
        if not found:
            return
        side = "saddr" if rule.direction == "ingress" else "daddr"
        parts.append(f"{word} {side} {{ {', '.join(found)} }}")
    number = protocol_number(rule)
    if number is not None:
        parts.append(_protocol(number, rule.port_min, rule.port_max))
    yield " ".join(parts)


def _protocol(number: int, first: int | None, last: int | None) -> str:
    known = f"meta l4proto {number}"
    if number in _ICMP and first is not None:
        code = "" if last is None else f" {_ICMP[number]} code {last}"
        return f"{_ICMP[number]} type {first}{code}"
    if number in _WITH_PORTS and (first is not None or last is not None):
        low, high = first if first is not None else last, last if last is not None else first
        # Ports stand at the same place in all of these protocols.
        return f"{known} th dport {low}" if low == high else f"{known} th dport {low}-{high}"
    return known


def joined(words: Sequence[str]) -> str:
    """Names as elements of a set."""
    return ", ".join(f'"{word}"' for word in words)
