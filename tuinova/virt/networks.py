"""What the contract of the drivers says of networks: what shall be there, as plain data.

Whoever calls says how things shall be, not what changed: every call may be repeated after a crash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

# neutron_lib/constants.py IP_PROTOCOL_MAP: the names of protocols in rules.
PROTOCOLS: Mapping[str, int] = {
    "ah": 51,
    "dccp": 33,
    "egp": 8,
    "esp": 50,
    "gre": 47,
    "icmp": 1,
    "igmp": 2,
    "ipip": 4,
    "ipv6-encap": 41,
    "ipv6-frag": 44,
    "ipv6-icmp": 58,
    "ipv6-nonxt": 59,
    "ipv6-opts": 60,
    "ipv6-route": 43,
    "ospf": 89,
    "pgm": 113,
    "rsvp": 46,
    "sctp": 132,
    "tcp": 6,
    "udp": 17,
    "udplite": 136,
    "vrrp": 112,
}


class NetworkMode(StrEnum):
    """How a network reaches what is outside of it."""

    NAT = "nat"
    ROUTED = "routed"
    ISOLATED = "isolated"
    PROVIDER = "provider"  # an existing bridge of the host, flat: neither NAT nor router are ours
    HOST = "host"  # a network that the hypervisor has without us (libvirt's default): joined, never changed
    USER = "user"  # user-mode networking: each guest by itself


@dataclass(frozen=True, slots=True)
class FixedIp:
    """An address of a port in one subnet."""

    address: str
    prefix: int
    subnet_id: str = ""

    @property
    def version(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.address else 4


@dataclass(frozen=True, slots=True)
class SubnetSpec:
    """A range of addresses.

    `host_address` is the one that the host itself has in it, where its DHCP answers: the gateway, unless that is
    somebody else or there is none. `pools` are inclusive. `routes`: destination CIDR and next hop. `ipv6_mode`:
    "slaac", "dhcpv6-stateful", "dhcpv6-stateless", None for an IPv4 subnet or for addresses that are told only by the
    metadata.
    """

    id: str
    cidr: str
    gateway: str | None
    host_address: str | None
    pools: tuple[tuple[str, str], ...]
    dhcp: bool = True
    dns: tuple[str, ...] = ()
    routes: tuple[tuple[str, str], ...] = ()
    ipv6_mode: str | None = None


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A network as a host shall have it.

    `bridge` is the existing one of a provider network (an interface of the host for a routed one: where it may go out;
    None: anywhere). `source` is the hypervisor's own name of a network of mode HOST.
    """

    id: str
    name: str
    mode: NetworkMode
    subnets: tuple[SubnetSpec, ...] = ()
    bridge: str | None = None
    source: str | None = None
    mtu: int = 1500
    dns_domain: str = ""


@dataclass(frozen=True, slots=True)
class FirewallRule:
    """What may pass, ports in order; for ICMP the ports are type and code. `remote`: prefixes, None for anybody.

    `protocol` is a name ("tcp", "udp", "icmp", "ipv6-icmp") or a number as text, None for any.
    """

    direction: str  # "ingress" or "egress", seen from the guest
    ethertype: str  # "IPv4" or "IPv6"
    protocol: str | None = None
    port_min: int | None = None
    port_max: int | None = None
    remote: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class PortSecurity:
    """A port's firewall: what no rule allows is dropped, answers to what was allowed pass.

    The guest may only speak with the port's own MAC and addresses, and those of `allowed_pairs` (prefix, MAC).
    """

    rules: tuple[FirewallRule, ...] = ()
    allowed_pairs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class FloatingAddress:
    """An address of the outside that stands for a fixed one; `external` is the network that it belongs to."""

    address: str
    fixed: str
    network_id: str
    external: NetworkSpec


@dataclass(frozen=True, slots=True)
class RouterSpec:
    """What one router joins: (network id, the router's address, prefix); `routes`: destination and next hop."""

    id: str
    interfaces: tuple[tuple[str, str, int], ...]
    external: NetworkSpec | None = None
    external_address: str | None = None
    snat: bool = True
    routes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Routing:
    """All floating addresses and routers that a host shall have, and nothing else."""

    floating: tuple[FloatingAddress, ...] = ()
    routers: tuple[RouterSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class PortForward:
    """A port of the host that leads to one of a guest in user-mode networking."""

    protocol: str  # tcp or udp
    host_port: int
    guest_port: int
    host_address: str = "127.0.0.1"


# Mode to why it can't be made on this host; an empty reason means that it can.
NetworkModes = Mapping[NetworkMode, str]
