"""The next free address of a range, and which one a port gets in each subnet."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select

from tuinova.core.conductor import port_rows
from tuinova.core.conductor.statements import Statement
from tuinova.core.conductor.transaction import Tx
from tuinova.core.drafts import HostNetworkLike
from tuinova.core.errors import NoMoreFixedIps
from tuinova.core.records import FixedAddress, Port, Subnet

_F, _N, _P = port_rows.F, port_rows.N, port_rows.P
# The addresses of a host's network, whichever host: a guest that moves shall find its address free.
_EVERYWHERE = Statement(
    select(_F.c.address)
    .select_from(_F.join(_P, _P.c.id == _F.c.port_id).join(_N, _N.c.id == _P.c.network_id))
    .where(_N.c.name == bindparam("name"), _F.c.scope.is_not(None))
)
_IN_SUBNET = Statement(select(_F.c.address).where(_F.c.scope == bindparam("name")))
_SHARED_ADDRESS = "user"  # user-mode networking: every guest has the same address
_TRIES = 8


def host_scope(host: str, network: str) -> str:
    """Where nobody else may have an address of a host's own network."""
    return f"{host} {network}"


def is_shared(network: HostNetworkLike) -> bool:
    """Whether all guests of that network have one address."""
    return network.mode == _SHARED_ADDRESS


def is_free(tx: Tx, host: str, network: HostNetworkLike, port: Port) -> bool:
    """Whether a port that comes to a host may keep its address there."""
    address = port.address
    if address is None or not may_have(network, address, port.mac):
        return False
    return port_rows.holder(tx.connection, host_scope(host, network.name), address) is None


def may_have(network: HostNetworkLike, address: str, mac: str) -> bool:
    """Whether an address is one that tuinova hands out on a host's network, as far as the host knows."""
    if address == network.gateway:
        return False
    # A lease outlives the guest: the port's own is no obstacle.
    if address in network.reserved and network.holders.get(address) != mac:
        return False
    return in_range(network, address)


def in_range(network: HostNetworkLike, address: str) -> bool:
    """Whether guests of a host's network may have such addresses at all."""
    wanted, first, last = (ipaddress.ip_address(one) for one in (address, network.first, network.last))
    return wanted.version == first.version and int(first) <= int(wanted) <= int(last)


class AddressPool:
    """The next free address of each network.

    It goes round the range, so that an address just freed is not given to the next guest while others still know its
    old owner. Hosts go round together: each host's network is its own, but a guest that moves shall find its address
    free. The place is only kept in memory, and begins behind the last address that is known.
    """

    def __init__(self) -> None:
        self._next: dict[str, int] = {}

    def take(self, tx: Tx, host: str, network: HostNetworkLike) -> str:
        """A free address of first..last, neither reserved nor the gateway; raises NoMoreFixedIps."""
        barred = set(network.reserved) | ({network.gateway} if network.gateway else set())
        found = self._take(
            tx, network.name, host_scope(host, network.name), [(network.first, network.last)], barred, _EVERYWHERE
        )
        if found is None:
            raise NoMoreFixedIps(net=network.name)
        return found

    def take_in(self, tx: Tx, subnet: Subnet) -> str | None:
        """A free address of a subnet's pools, None when there is none."""
        pools = [(pool["start"], pool["end"]) for pool in subnet.allocation_pools]
        barred = {subnet.gateway_ip} if subnet.gateway_ip else set()
        return self._take(tx, subnet.id, subnet.id, pools, barred, _IN_SUBNET)

    def _take(
        self,
        tx: Tx,
        key: str,
        scope: str,
        ranges: Sequence[tuple[str, str]],
        barred: Collection[str],
        known: Statement,
    ) -> str | None:
        if not ranges:
            return None
        spans = [(int(ipaddress.ip_address(first)), int(ipaddress.ip_address(last))) for first, last in ranges]
        make = ipaddress.IPv6Address if ":" in ranges[0][0] else ipaddress.IPv4Address
        start = self._next[key] if key in self._next else self._behind_the_last(tx, key, known)
        taken: set[str] | None = None
        for tried, number in enumerate(_round(spans, start)):
            address = str(make(number))
            if address in barred:
                continue
            if tried >= _TRIES and taken is None:
                taken = port_rows.held(tx.connection, scope)
            used = (
                address in taken if taken is not None else port_rows.holder(tx.connection, scope, address) is not None
            )
            if not used:
                self._next[key] = number + 1
                return address
        return None

    @staticmethod
    def _behind_the_last(tx: Tx, key: str, known: Statement) -> int:
        leases = known.all(tx.connection, {"name": key})
        return 1 + max((int(ipaddress.ip_address(row[0])) for row in leases), default=-1)


def _round(spans: Sequence[tuple[int, int]], start: int) -> Iterator[int]:
    """All numbers of the ranges, from `start` on and round."""
    for first, last in spans:
        yield from range(max(first, start), last + 1)
    for first, last in spans:
        yield from range(first, min(last + 1, start))


# subnets of ours -----------------------------------------------------------------------------------------------------
def by_mac(subnet: Subnet, mac: str) -> str:
    """The address that a guest takes by itself from router advertisements (EUI-64)."""
    parts = bytes(int(part, 16) for part in mac.split(":"))
    host_part = bytes([parts[0] ^ 2, *parts[1:3], 0xFF, 0xFE, *parts[3:]])
    network = ipaddress.IPv6Network(subnet.cidr)
    return str(ipaddress.IPv6Address(int(network.network_address) + int.from_bytes(host_part)))


def fixed(subnet: Subnet, address: str) -> FixedAddress:
    """An address with its subnet's prefix."""
    return FixedAddress(address, ipaddress.ip_network(subnet.cidr).prefixlen, subnet.id)


def choose(tx: Tx, pool: AddressPool, subnets: Sequence[Subnet], mac: str) -> list[FixedAddress] | None:
    """What a port gets without a wish: one IPv4 address, one IPv6 address, and all that follow from its MAC.

    None when a family that the network has is used up (neutron/db/ipam_pluggable_backend.py).
    """
    found: list[FixedAddress] = []
    for version in (4, 6):
        managed = [one for one in subnets if one.ip_version == version and not one.by_mac]
        if not managed:
            continue
        for subnet in managed:
            address = pool.take_in(tx, subnet)
            if address is not None:
                found.append(fixed(subnet, address))
                break
        else:
            return None
    return found + [fixed(subnet, by_mac(subnet, mac)) for subnet in subnets if subnet.by_mac]


def holds(subnet: Subnet, address: str) -> bool:
    """Whether an address is one of a subnet that a port may have: inside, neither network nor broadcast."""
    network = ipaddress.ip_network(subnet.cidr)
    wanted = ipaddress.ip_address(address)
    if wanted.version != network.version or wanted not in network:
        return False
    if network.version == 4 and network.prefixlen < 31:
        return wanted not in (network.network_address, network.broadcast_address)
    return network.prefixlen >= 127 or wanted != network.network_address


def default_pools(cidr: str, gateway: str | None) -> list[Mapping[str, Any]]:
    """All addresses of a subnet but its gateway (neutron/ipam/utils.py generate_pools)."""
    network = ipaddress.ip_network(cidr)
    first, last = int(network.network_address), int(network.broadcast_address)
    if network.version == 4 and network.prefixlen < 31:
        first, last = first + 1, last - 1
    elif network.version == 6 and network.prefixlen < 127:
        first += 1
    make = ipaddress.IPv4Address if network.version == 4 else ipaddress.IPv6Address
    spans = [(first, last)]
    if gateway is not None and first <= int(ipaddress.ip_address(gateway)) <= last:
        number = int(ipaddress.ip_address(gateway))
        spans = [(first, number - 1), (number + 1, last)]
    return [{"start": str(make(low)), "end": str(make(high))} for low, high in spans if low <= high]
