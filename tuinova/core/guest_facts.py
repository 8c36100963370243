"""What a guest may learn of itself, as plain facts; `instance_metadata` makes documents of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuinova.virt.model import HostNetwork, Nic
    from tuinova.virt.networks import NetworkSpec, SubnetSpec

METADATA_ADDRESS = "169.254.169.254"


@dataclass(frozen=True, slots=True)
class GuestAddress:
    """A fixed address of a NIC and the subnet that it is of; `routes` are (destination CIDR, next hop)."""

    address: str
    cidr: str
    gateway: str | None = None
    dns: Sequence[str] = ()
    routes: Sequence[tuple[str, str]] = ()
    dhcp: bool = True
    ipv6_mode: str | None = None

    @property
    def version(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.address else 4


@dataclass(frozen=True, slots=True)
class GuestPort:
    """One NIC as the guest must configure it."""

    port_id: str
    mac: str
    network_id: str
    addresses: Sequence[GuestAddress] = ()
    mtu: int = 1500
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class GuestDisk:
    """A disk that has a tag: `path` is the guest's name of it, where one is known."""

    tag: str
    bus: str = "pci"
    serial: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class GuestFacts:
    """What the tree is made of; `user_data` is base64 text, `hostname` is without domain."""

    id: int
    uuid: str
    display_name: str
    hostname: str
    project_id: str
    availability_zone: str | None
    launch_index: int
    flavor_name: str
    reservation_id: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    key_name: str | None = None
    public_key: str | None = None
    key_type: str = "ssh"
    user_data: str | None = None
    admin_password: str | None = field(default=None, repr=False)
    files: Sequence[tuple[str, bytes]] = field(default=(), repr=False)
    security_groups: Sequence[str] = ()
    image_ref: str | None = None
    kernel_id: str | None = None
    ramdisk_id: str | None = None
    root_device: str = "/dev/vda"
    has_ephemeral: bool = False
    has_swap: bool = False
    boot_roles: str = ""
    ports: Sequence[GuestPort] = ()
    floating_addresses: Sequence[str] = ()
    disks: Sequence[GuestDisk] = ()
    # MAC address or serial of a device, in lower case, to its bus and its address there.
    places: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    dedicated_cpus: Sequence[int] = ()
    dhcp_domain: str = "novalocal"

    @property
    def full_hostname(self) -> str:
        """The host name with the DHCP domain; one that is a full name already stays."""
        if self.dhcp_domain and "." not in self.hostname:
            return f"{self.hostname}.{self.dhcp_domain}"
        return self.hostname

    @property
    def first_address(self) -> str:
        """The first IPv4 address, else empty: EC2 knows no other."""
        every = (address for port in self.ports for address in port.addresses)
        return next((address.address for address in every if address.version == 4), "")


def guest_port(nic: Nic, known: HostNetwork | None) -> GuestPort:
    """The guest's view of a port; `known` is the hypervisor's own network where the port names no other."""
    if nic.spec is not None and nic.spec.subnets:
        return GuestPort(nic.port_id, nic.mac, nic.spec.id, _in_subnets(nic, nic.spec), nic.spec.mtu, nic.tag)
    network_id = nic.spec.id if nic.spec is not None else nic.network
    if known is None:
        return GuestPort(nic.port_id, nic.mac, network_id, (), tag=nic.tag)
    addresses = [
        GuestAddress(fixed.address, known.cidr, known.gateway, known.dns)
        for fixed in nic.addresses
        if fixed.version == (6 if ":" in known.cidr else 4)
    ]
    return GuestPort(nic.port_id, nic.mac, network_id, addresses, known.mtu, nic.tag)


def _in_subnets(nic: Nic, network: NetworkSpec) -> list[GuestAddress]:
    subnets = {subnet.id: subnet for subnet in network.subnets}
    found = []
    for fixed in nic.addresses:
        subnet = subnets.get(fixed.subnet_id) or _holding(network.subnets, fixed.address)
        if subnet is not None:
            found.append(_address(fixed.address, subnet))
    return found


def _holding(subnets: Sequence[SubnetSpec], address: str) -> SubnetSpec | None:
    import ipaddress

    wanted = ipaddress.ip_address(address)
    for subnet in subnets:
        network = ipaddress.ip_network(subnet.cidr, strict=False)
        if network.version == wanted.version and wanted in network:
            return subnet
    return None


def _address(address: str, subnet: SubnetSpec) -> GuestAddress:
    routes = list(subnet.routes)
    told = {destination for destination, _ in routes}
    host = subnet.host_address
    # Without DHCP nobody else tells the guest where the metadata service is, if that is not behind its gateway.
    if host and host != subnet.gateway and ":" not in host and f"{METADATA_ADDRESS}/32" not in told:
        routes.append((f"{METADATA_ADDRESS}/32", host))
    return GuestAddress(
        address=address,
        cidr=subnet.cidr,
        gateway=subnet.gateway,
        dns=subnet.dns or ((host,) if host and subnet.dhcp else ()),
        routes=tuple(routes),
        dhcp=subnet.dhcp,
        ipv6_mode=subnet.ipv6_mode,
    )
