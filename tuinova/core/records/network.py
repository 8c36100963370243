"""Records of networks, by Neutron's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

JsonDict = dict[str, Any]

ROUTER_INTERFACE, ROUTER_GATEWAY = "network:router_interface", "network:router_gateway"
FLOATING_OWNER = "network:floatingip"
COMPUTE_OWNER = "compute:"
# The modes of networks that hosts have without us.
HOST_MODES = frozenset({"host", "user"})


@dataclass(frozen=True, slots=True)
class ReportedNetwork:
    """A network of a host that guests can join, as the driver reported it."""

    id: str
    host: str
    name: str
    mode: str
    cidr: str
    gateway: str | None
    first: str
    last: str
    dns: tuple[str, ...] = ()
    mtu: int = 1500
    reserved: frozenset[str] = frozenset()

    @property
    def holders(self) -> Mapping[str, str]:
        """Whose the reserved addresses are: only the driver knows, so here they are nobody's."""
        return {}


@dataclass(frozen=True, slots=True)
class Network:
    """A network; `mode` is that of `tuinova.virt.networks.NetworkMode`, `faults` host to why it is not there."""

    id: str
    name: str
    project_id: str
    description: str
    mode: str
    bridge: str | None
    network_type: str | None
    shared: bool
    external: bool
    admin_state_up: bool
    mtu: int
    port_security_enabled: bool
    dns_domain: str
    tags: list[str]
    faults: dict[str, str]
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def is_ours(self) -> bool:
        """Whether tuinova made it; else it stands for what hosts have of that name."""
        return self.mode not in HOST_MODES


@dataclass(frozen=True, slots=True)
class Subnet:
    """A range of addresses; pools are {start, end}, routes {destination, nexthop}."""

    id: str
    network_id: str
    project_id: str
    name: str
    description: str
    ip_version: int
    cidr: str
    gateway_ip: str | None
    enable_dhcp: bool
    dns_nameservers: list[str]
    host_routes: list[JsonDict]
    allocation_pools: list[JsonDict]
    ipv6_ra_mode: str | None
    ipv6_address_mode: str | None
    tags: list[str]
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def by_mac(self) -> bool:
        """Whether a port's address follows from its MAC (Neutron: is_auto_addressed_subnet)."""
        modes = {self.ipv6_address_mode, self.ipv6_ra_mode}
        return self.ip_version == 6 and bool(modes & {"slaac", "dhcpv6-stateless"})


@dataclass(frozen=True, slots=True)
class FixedAddress:
    """An address of a port; `subnet_id` is "" on a host's own network."""

    address: str
    prefix: int
    subnet_id: str = ""

    @property
    def version(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.address else 4


@dataclass(frozen=True, slots=True)
class Port:
    """A port with its network's name and mode; `security_groups` is filled only where that is said."""

    id: str
    project_id: str
    network_id: str
    mac: str
    device_id: str
    device_owner: str
    host: str
    name: str
    description: str
    admin_state_up: bool
    port_security_enabled: bool
    given: bool
    position: int
    tag: str | None
    allowed_address_pairs: list[JsonDict]
    forwards: list[JsonDict]
    tags: list[str]
    created_at: datetime | None
    updated_at: datetime | None
    network: str = ""
    mode: str = ""
    fixed_ips: tuple[FixedAddress, ...] = ()
    security_groups: tuple[str, ...] = ()

    @property
    def instance_uuid(self) -> str:
        """The server that has it."""
        return self.device_id if self.device_owner.startswith(COMPUTE_OWNER) else ""

    @property
    def address(self) -> str | None:
        """The first address."""
        return self.fixed_ips[0].address if self.fixed_ips else None

    @property
    def is_plain(self) -> bool:
        """Whether the server's record says all that a driver needs of it: a host's network, no firewall, no wishes."""
        return self.mode in HOST_MODES and not (self.port_security_enabled or self.forwards or self.tag)

    def as_addresses(self) -> list[JsonDict]:
        """The entries of `Instance.addresses`, one an address; a port without any has one whose address is None."""
        common = {
            "port_id": self.id,
            "network": self.network,
            "net_id": self.network_id,
            "mac": self.mac,
            "plain": self.is_plain,
        }
        held: list[tuple[str | None, int, int, str]] = [
            (fixed.address, fixed.prefix, fixed.version, fixed.subnet_id) for fixed in self.fixed_ips
        ]
        return [
            {**common, "address": address, "prefix": prefix, "version": version, "type": "fixed", "subnet_id": subnet}
            for address, prefix, version, subnet in held or [(None, 0, 4, "")]
        ]


@dataclass(frozen=True, slots=True)
class SecurityGroupRule:
    """What a group lets pass; for ICMP the ports are type and code."""

    id: str
    project_id: str
    security_group_id: str
    direction: str
    ethertype: str
    protocol: str | None
    port_range_min: int | None
    port_range_max: int | None
    remote_ip_prefix: str | None
    remote_group_id: str | None
    description: str = ""
    created_at: datetime | None = None

    @property
    def what(self) -> tuple[Any, ...]:
        """What makes two rules the same."""
        return (
            self.direction,
            self.ethertype,
            self.protocol,
            self.port_range_min,
            self.port_range_max,
            self.remote_ip_prefix,
            self.remote_group_id,
        )


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    """A security group with its rules."""

    id: str
    project_id: str
    name: str
    description: str
    tags: list[str]
    created_at: datetime | None = None
    updated_at: datetime | None = None
    rules: tuple[SecurityGroupRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Router:
    """A router; `gateway` are its addresses in the external network, each with its subnet."""

    id: str
    project_id: str
    name: str
    description: str
    admin_state_up: bool
    external_network_id: str | None
    enable_snat: bool
    routes: list[JsonDict]
    tags: list[str]
    created_at: datetime | None = None
    updated_at: datetime | None = None
    gateway: tuple[FixedAddress, ...] = ()


@dataclass(frozen=True, slots=True)
class FloatingIp:
    """An address of an external network; associated while it has a port."""

    id: str
    project_id: str
    floating_network_id: str
    floating_ip_address: str
    port_id: str | None
    fixed_ip_address: str | None
    router_id: str | None
    description: str
    tags: list[str] = field(default_factory=list)
    created_at: datetime | None = None
    updated_at: datetime | None = None
