"""Ports and addresses: who has which, and the next free one."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from tuinova.core.conductor import instance_rows
from tuinova.core.conductor.base import Base
from tuinova.core.conductor.statements import InsertStatement, Statement
from tuinova.core.conductor.transaction import Part, Tx
from tuinova.core.drafts import ANY, ExpectedTask, HostNetworkLike, new_uuid
from tuinova.core.errors import FixedIpInUse, NoMoreFixedIps
from tuinova.core.models import Network as NetworkTable
from tuinova.core.models import Port as PortTable
from tuinova.core.records import Instance, Network, Port

_P = PortTable.__table__  # type: ignore[attr-defined]
_N = NetworkTable.__table__  # type: ignore[attr-defined]
_FIELDS = ("id", "instance_uuid", "network", "mac", "address", "prefix", "host")
_SELECT = select(*(_P.c[name] for name in _FIELDS))
_OF_INSTANCE = Statement(_SELECT.where(_P.c.instance_uuid == bindparam("uuid")).order_by(_P.c.created_at, _P.c.id))
_ALL = _SELECT.order_by(_P.c.created_at, _P.c.id)
_INSERT = InsertStatement(_P)
_DELETE = Statement(delete(_P).where(_P.c.instance_uuid == bindparam("uuid")))
_taken = select(_P.c.lease).where(
    _P.c.host == bindparam("host"), _P.c.network == bindparam("network"), _P.c.lease.is_not(None)
)
_TAKEN = Statement(_taken)
_EVERYWHERE = Statement(select(_P.c.lease).where(_P.c.network == bindparam("network"), _P.c.lease.is_not(None)))
_IS_TAKEN = Statement(_taken.where(_P.c.lease == bindparam("address")))
_UNBIND = Statement(
    update(_P)
    .where(_P.c.instance_uuid == bindparam("_uuid"))
    .values(host=bindparam("v_host"), lease=bindparam("v_lease"))
)
_BIND = Statement(
    update(_P)
    .where(_P.c.id == bindparam("_id"))
    .values({name: bindparam(f"v_{name}") for name in ("host", "network", "address", "lease", "prefix")})
)
_HAS_MAC = Statement(select(_P.c.id).where(_P.c.mac == bindparam("mac")))
_NETWORK_FIELDS = ("id", "host", "name", "mode", "cidr", "gateway", "first", "last", "dns", "mtu", "reserved")
_NETWORKS = select(*(_N.c[name] for name in _NETWORK_FIELDS)).order_by(_N.c.host, _N.c.position)
_DELETE_NETWORKS = delete(_N).where(_N.c.host == bindparam("host"))
_INSERT_NETWORK = insert(_N)
_NETWORK_IDS = select(_N.c.name, _N.c.id).where(_N.c.host == bindparam("host"))
_SHARED_ADDRESS = "user"  # user-mode networking: every guest has the same address
_TRIES = 8


def release(tx: Tx, uuid: str) -> None:
    """Free all ports of a server."""
    tx.do(_DELETE, {"uuid": uuid})


def unbind() -> Part:
    """A server that is on no host keeps its ports and remembers its addresses, which others may take meanwhile."""

    def part(tx: Tx, instance: Instance) -> None:
        tx.do(_UNBIND, {"_uuid": instance.uuid, "v_host": "", "v_lease": None})

    return part


def ports_of(connection: Connection, uuid: str) -> list[Port]:
    """The ports of a server in the order of their making."""
    return [Port(*row) for row in _OF_INSTANCE.all(connection, {"uuid": uuid})]


def _new_mac(tx: Tx) -> str:
    while True:
        tail = secrets.token_bytes(3)
        mac = "fa:16:3e:" + ":".join(f"{byte:02x}" for byte in tail)
        if tx.one(_HAS_MAC, {"mac": mac}) is None:
            return mac


def _is_free(tx: Tx, host: str, network: HostNetworkLike, port: Port) -> bool:
    """Whether a port that comes to a host may keep its address there."""
    address = port.address
    if address is None or address == network.gateway:
        return False
    # A lease outlives the guest: the port's own is no obstacle.
    if address in network.reserved and network.holders.get(address) != port.mac:
        return False
    wanted, first, last = (ipaddress.ip_address(one) for one in (address, network.first, network.last))
    if wanted.version != first.version or not int(first) <= int(wanted) <= int(last):
        return False
    return tx.one(_IS_TAKEN, {"host": host, "network": network.name, "address": address}) is None


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
        first, last = ipaddress.ip_address(network.first), ipaddress.ip_address(network.last)
        held = {"host": host, "network": network.name}
        barred = set(network.reserved) | ({network.gateway} if network.gateway else set())
        start = self._next[network.name] if network.name in self._next else self._behind_the_last(tx, network.name)
        if not int(first) <= start <= int(last):
            start = int(first)
        taken: set[str] | None = None
        for tried, number in enumerate(_round(int(first), int(last), start)):
            address = str(ipaddress.IPv4Address(number) if first.version == 4 else ipaddress.IPv6Address(number))
            if address in barred:
                continue
            if tried >= _TRIES and taken is None:
                taken = {row[0] for row in _TAKEN.all(tx.connection, held)}
            used = (
                address in taken if taken is not None else tx.one(_IS_TAKEN, {**held, "address": address}) is not None
            )
            if not used:
                self._next[network.name] = number + 1
                return address
        raise NoMoreFixedIps(net=network.name)

    @staticmethod
    def _behind_the_last(tx: Tx, network: str) -> int:
        leases = _EVERYWHERE.all(tx.connection, {"network": network})
        return 1 + max((int(ipaddress.ip_address(row[0])) for row in leases), default=-1)


def _round(first: int, last: int, start: int) -> Iterator[int]:
    yield from range(start, last + 1)
    yield from range(first, start)


class Addresses(Base):
    """The conductor's calls about networks and ports."""

    _pool: AddressPool

    def allocate_ports(
        self,
        uuid: str,
        networks: Sequence[HostNetworkLike],
        *,
        updates: Mapping[str, Any] | None = None,
        expect_task: ExpectedTask = ANY,
    ) -> list[Port]:
        """One port on each network, and `updates` of the server with them; raises NoMoreFixedIps: then none is taken.

        A repeated order finds the ports of the first time, so long as they are on the same networks and host. Raises
        UnexpectedTaskState.
        """

        def job(tx: Tx) -> list[Port]:
            instance = instance_rows.read(tx.connection, uuid)
            instance_rows.check_task(instance, expect_task)
            host = instance.host or ""
            present = ports_of(tx.connection, uuid)
            wanted = [network.name for network in networks]
            if present and [port.network for port in present] == wanted and all(p.host == host for p in present):
                if updates:
                    instance_rows.save(tx, instance, updates)
                return present
            if present:
                release(tx, uuid)
            ports = [self._make_port(tx, uuid, host, network) for network in networks]
            instance_rows.save(tx, instance, {**(updates or {}), "addresses": [port.as_address() for port in ports]})
            return ports

        return self._write(job)

    def _make_port(self, tx: Tx, uuid: str, host: str, network: HostNetworkLike) -> Port:
        shared = network.mode == _SHARED_ADDRESS
        address = network.first if shared else self._pool.take(tx, host, network)
        prefix = ipaddress.ip_network(network.cidr, strict=False).prefixlen
        port = Port(new_uuid(), uuid, network.name, _new_mac(tx), address, prefix, host)
        values: dict[str, Any] = {name: getattr(port, name) for name in _FIELDS}
        tx.insert(_INSERT, {**values, "lease": None if shared else address, "created_at": tx.now})
        return port

    def bind_ports(self, host: str, networks: Sequence[HostNetworkLike], *, keep_addresses: bool = False) -> Part:
        """Bring a server's ports to a host: each keeps its address if nobody there has it, else gets another one.

        Part of a transaction; raises NoMoreFixedIps. A network that the host does not have becomes its first one. With
        `keep_addresses` (a guest that runs on knows its own) another address is FixedIpInUse.
        """
        by_name = {network.name: network for network in networks}

        def part(tx: Tx, instance: Instance) -> Mapping[str, Any]:
            bound = []
            for port in ports_of(tx.connection, instance.uuid):
                network = by_name.get(port.network) or (networks[0] if networks else None)
                if port.host != host and network is not None:
                    port = self._bound(tx, port, host, network, keep_addresses)
                bound.append(port)
            return {"addresses": [port.as_address() for port in bound]}

        return part

    def _bound(self, tx: Tx, port: Port, host: str, network: HostNetworkLike, keep: bool) -> Port:
        shared = network.mode == _SHARED_ADDRESS
        address = network.first if shared else port.address
        if not shared and not _is_free(tx, host, network, port):
            if keep:
                raise FixedIpInUse(address=port.address, host=host)
            address = self._pool.take(tx, host, network)
        prefix = ipaddress.ip_network(network.cidr, strict=False).prefixlen
        new = replace(port, host=host, network=network.name, address=address, prefix=prefix)
        values = {name: getattr(new, name) for name in ("host", "network", "address", "prefix")}
        tx.do(
            _BIND, {"_id": new.id, **{f"v_{k}": v for k, v in values.items()}, "v_lease": None if shared else address}
        )
        return new

    def release_ports(self, uuid: str) -> None:
        """Free a server's ports and take its addresses away."""

        def job(tx: Tx) -> None:
            release(tx, uuid)
            instance = instance_rows.read(tx.connection, uuid, with_deleted=True)
            if instance.addresses:
                instance_rows.save(tx, instance, {"addresses": []})

        self._write(job)

    def ports(self, uuid: str | None = None) -> list[Port]:
        """The ports of a server, or all."""
        with self._reading() as connection:
            if uuid is not None:
                return ports_of(connection, uuid)
            return [Port(*row) for row in connection.execute(_ALL)]

    def save_networks(self, host: str, networks: Sequence[HostNetworkLike]) -> None:
        """Replace what is known of a host's networks; a network keeps its id by its name."""

        def job(tx: Tx) -> None:
            ids = {row.name: row.id for row in tx.run(_NETWORK_IDS, {"host": host})}
            tx.run(_DELETE_NETWORKS, {"host": host})
            for position, network in enumerate(networks):
                tx.run(
                    _INSERT_NETWORK,
                    {
                        "id": ids.get(network.name) or new_uuid(),
                        "host": host,
                        "name": network.name,
                        "mode": network.mode,
                        "cidr": network.cidr,
                        "gateway": network.gateway,
                        "first": network.first,
                        "last": network.last,
                        "dns": list(network.dns),
                        "mtu": network.mtu,
                        "reserved": sorted(network.reserved),
                        "position": position,
                    },
                )

        self._write(job)

    def networks(self, host: str | None = None) -> list[Network]:
        """The known networks, of one host or of all, each host's default first."""
        with self._reading() as connection:
            rows = connection.execute(_NETWORKS).all()
        found = [
            Network(**{**row._mapping, "dns": tuple(row.dns), "reserved": frozenset(row.reserved)}) for row in rows
        ]
        return [network for network in found if host is None or network.host == host]
