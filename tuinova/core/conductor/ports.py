"""Ports of servers: made with them or given to them, bound to their host, freed with them."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tuinova.core.conductor import addresses, floating, instance_rows, network_orders, network_rows, port_rows
from tuinova.core.conductor.addresses import AddressPool
from tuinova.core.conductor.group_defaults import default_group
from tuinova.core.conductor.host_networks import network_id
from tuinova.core.conductor.network_base import NetworkBase
from tuinova.core.conductor.port_rows import ports_of
from tuinova.core.conductor.transaction import Part, Tx
from tuinova.core.drafts import ANY, ExpectedTask, HostNetworkLike, PortWish, new_uuid
from tuinova.core.errors import FixedIpInUse, NoMoreFixedIps, NovaError, OverQuota
from tuinova.core.errors.server_networks import (
    FixedIpAlreadyInUse,
    NetworkNotFoundAsked,
    NovaPortInUse,
    PortLimitExceeded,
)
from tuinova.core.records import FixedAddress, Instance, Network, Port, Subnet
from tuinova.core.records.network import COMPUTE_OWNER, HOST_MODES

__all__ = ["AddressPool", "Addresses", "entries_of", "ports_of", "release", "reserve", "told_of", "unbind"]


# what a server's row says of its ports -------------------------------------------------------------------------------
def entries_of(tx: Tx, ports: Sequence[Port]) -> list[dict[str, Any]]:
    """`Instance.addresses`: the fixed addresses of the ports in order, then the floating ones of each."""
    found = []
    for port in ports:
        fixed = port.as_addresses()
        found += fixed
        if not port.is_plain:
            found += floating.entries_of(tx, port, fixed[0])
    return found


def told_of(tx: Tx, ports: Sequence[Port]) -> dict[str, Any]:
    """What a server's row says of its ports: addresses, and their groups where one of them has a firewall."""
    told: dict[str, Any] = {"addresses": entries_of(tx, ports)}
    secured = [port for port in ports if port.port_security_enabled and port.fixed_ips]
    if secured:
        held = {group for port in port_rows.with_groups(tx.connection, secured) for group in port.security_groups}
        names = [group.name for group in network_rows.groups.all(tx.connection) if group.id in held]
        told["security_groups"] = list(dict.fromkeys(names))
    return told


def refresh(tx: Tx, uuid: str) -> None:
    """Bring what a server's row says of its ports up to date."""
    instance = instance_rows.read(tx.connection, uuid)
    told = told_of(tx, ports_of(tx.connection, uuid))
    if any(getattr(instance, name) != value for name, value in told.items()):
        instance_rows.save(tx, instance, told)


# freeing -------------------------------------------------------------------------------------------------------------
def release(tx: Tx, uuid: str) -> None:
    """Free what a server has: ports that were made for it go, those that it was given stay and are nobody's."""
    ports = ports_of(tx.connection, uuid)
    if not ports:
        return
    if all(port.is_plain and not port.given for port in ports):
        port_rows.remove_made(tx, uuid)
        return
    groups = {group for port in port_rows.with_groups(tx.connection, ports) for group in port.security_groups}
    for port in ports:
        if not port.given:
            floating.leave(tx, port)
        elif port.mode in HOST_MODES:
            port_rows.drop_fixed(tx, port.id)
    port_rows.remove_made(tx, uuid)
    port_rows.let_go(tx, uuid)
    network_orders.members_changed(tx, groups)
    if any(floating.has_any(tx, port.id) for port in ports if port.given):
        network_orders.tell(tx, {port.host for port in ports}, routing=True)


def remove_port(tx: Tx, port: Port) -> None:
    """Remove one port with all that hangs on it, or let it go where it was given."""
    groups = port_rows.with_groups(tx.connection, [port])[0].security_groups
    if port.given:
        if port.mode in HOST_MODES:
            port_rows.drop_fixed(tx, port.id)
        port_rows.change(tx, port.id, device_id="", device_owner="", host="", position=0, tag=None)
        if floating.has_any(tx, port.id):
            network_orders.tell(tx, [port.host], routing=True)
    else:
        floating.leave(tx, port)
        port_rows.remove(tx, port.id)
    network_orders.members_changed(tx, groups)


def unbind() -> Part:
    """A server that is on no host keeps its ports; addresses of a host's network are free for others meanwhile."""

    def part(tx: Tx, instance: Instance) -> None:
        for port in ports_of(tx.connection, instance.uuid):
            _move(tx, port, "", None)

    return part


def _move(tx: Tx, port: Port, host: str, scope: str | None, fixed: FixedAddress | None = None) -> None:
    """Bind a port to another host; on a host's network with its address there."""
    port_rows.change(tx, port.id, host=host)
    if port.mode in HOST_MODES:
        kept = fixed or (port.fixed_ips[0] if port.fixed_ips else None)
        port_rows.drop_fixed(tx, port.id)
        if kept is not None:
            port_rows.add_fixed(tx, port.id, kept, scope)
    elif floating.has_any(tx, port.id):
        network_orders.tell(tx, {port.host, host}, routing=True)


def reserve(port_ids: Sequence[str]) -> Part:
    """Give a server the ports that it names, with the request; raises PortInUse when somebody else has one."""

    def part(tx: Tx, instance: Instance) -> None:
        for place, port_id in enumerate(port_ids):
            take(tx, instance, port_id, place, None)

    return part


def take(tx: Tx, instance: Instance, port_id: str, place: int, tag: str | None) -> Port:
    """Let a server have a port that is there; raises PortInUse."""
    port = port_rows.one(tx.connection, port_id)
    if port is None:
        raise NovaError(f"Port {port_id} could not be found.")
    if port.device_id not in ("", instance.uuid):
        raise NovaPortInUse(port_id=port_id)
    owner = COMPUTE_OWNER + (instance.availability_zone or "nova")
    values: dict[str, Any] = {
        "device_id": instance.uuid,
        "device_owner": owner,
        "given": True,
        "position": place,
        "tag": tag,
    }
    port_rows.change(tx, port.id, **values)
    return replace(port, **values)


class Addresses(NetworkBase):
    """The conductor's calls about the ports of servers."""

    def allocate_ports(
        self,
        uuid: str,
        wanted: Sequence[HostNetworkLike | PortWish],
        *,
        updates: Mapping[str, Any] | None = None,
        expect_task: ExpectedTask = ANY,
    ) -> list[Port]:
        """The ports of a server, and `updates` of it with them; raises NoMoreFixedIps and kin: then none is taken.

        A repeated order finds the ports of the first time, so long as they are on the same networks and host. Raises
        UnexpectedTaskState.
        """
        wishes = [one if isinstance(one, PortWish) else PortWish(network=one) for one in wanted]

        def job(tx: Tx) -> list[Port]:
            instance = instance_rows.read(tx.connection, uuid)
            instance_rows.check_task(instance, expect_task)
            host = instance.host or ""
            present = ports_of(tx.connection, uuid)
            if present and _same(present, wishes, host):
                if updates:
                    instance_rows.save(tx, instance, updates)
                return present
            if any(not port.given for port in present):
                port_rows.remove_made(tx, uuid)
            self._require_room(tx, instance, wishes)
            ports = [self.make_port(tx, instance, host, wish, place) for place, wish in enumerate(wishes)]
            told = told_of(tx, ports) if any(wish.port_id for wish in wishes) else {"addresses": entries_of(tx, ports)}
            instance_rows.save(tx, instance, {**(updates or {}), **told})
            return ports

        return self._write(job)

    def _require_room(self, tx: Tx, instance: Instance, wishes: Sequence[PortWish]) -> None:
        """The request has looked at the quota, so a refusal here is a lost race."""
        new = sum(wish.network is None and not wish.port_id for wish in wishes)
        if not new:
            return
        try:
            self.require_quota(tx, instance.project_id, port=new)
        except OverQuota as error:
            raise PortLimitExceeded() from error

    def make_port(
        self, tx: Tx, instance: Instance, host: str, wish: PortWish, place: int, *, ident: str | None = None
    ) -> Port:
        """One port as it is wished, bound to the host; `ident` is the id of a new one."""
        if wish.port_id:
            return self._bind_given(tx, instance, host, wish, place)
        mac = port_rows.new_mac(tx)
        scopes: list[str | None]
        groups: tuple[str, ...] = ()
        if wish.network is not None:
            on, name, mode = network_id(tx, wish.network), wish.network.name, _mode(wish.network)
            wished = wish.fixed[0][1] if wish.fixed else None
            fixed, scopes = self._host_address(tx, host, wish.network, mac, wished)
            guarded = mode == "host" and self._guarded(tx, on)
        else:
            network, subnets = self._network_of(tx, wish.network_id)
            on, name, mode = network.id, network.name, network.mode
            fixed = self._own_addresses(tx, network, subnets, mac, wish)
            scopes = [one.subnet_id for one in fixed]
            guarded = network.port_security_enabled
        if guarded and fixed:
            groups = wish.groups if wish.groups is not None else (default_group(tx, instance.project_id),)
        port = Port(
            id=ident or new_uuid(),
            project_id=instance.project_id,
            network_id=on,
            mac=mac,
            device_id=instance.uuid,
            device_owner=COMPUTE_OWNER + (instance.availability_zone or "nova"),
            host=host,
            name="",
            description="",
            admin_state_up=True,
            port_security_enabled=guarded,
            given=False,
            position=place,
            tag=wish.tag,
            allowed_address_pairs=[],
            forwards=[],
            tags=[],
            created_at=tx.now,
            updated_at=None,
            network=name,
            mode=mode,
            fixed_ips=tuple(fixed),
            security_groups=groups,
        )
        port_rows.insert(tx, port, scopes)
        if groups:
            network_orders.members_changed(tx, groups)
        return replace(port, security_groups=())

    @staticmethod
    def _guarded(tx: Tx, ident: str) -> bool:
        network = network_rows.networks.one(tx.connection, ident)
        return bool(network and network.port_security_enabled)

    def _host_address(
        self, tx: Tx, host: str, network: HostNetworkLike, mac: str, wished: str | None
    ) -> tuple[list[FixedAddress], list[str | None]]:
        prefix = ipaddress.ip_network(network.cidr, strict=False).prefixlen
        if addresses.is_shared(network):
            return [FixedAddress(network.first, prefix)], [None]
        scope = addresses.host_scope(host, network.name)
        if wished is None:
            return [FixedAddress(self._pool.take(tx, host, network), prefix)], [scope]
        if not addresses.may_have(network, wished, mac) or port_rows.holder(tx.connection, scope, wished):
            raise FixedIpAlreadyInUse(address=wished)
        return [FixedAddress(wished, prefix)], [scope]

    @staticmethod
    def _network_of(tx: Tx, ident: str) -> tuple[Network, list[Subnet]]:
        network = network_rows.networks.one(tx.connection, ident)
        if network is None:
            raise NetworkNotFoundAsked(network_id=ident)
        return network, network_rows.subnets.where(tx.connection, network_id=ident)

    def _own_addresses(
        self, tx: Tx, network: Network, subnets: Sequence[Subnet], mac: str, wish: PortWish
    ) -> list[FixedAddress]:
        if not wish.fixed:
            found = addresses.choose(tx, self._pool, subnets, mac)
            if found is None:
                raise NoMoreFixedIps(net=network.name or network.id)
            return found
        return [self._wished(tx, network, subnets, mac, *one) for one in wish.fixed]

    def _wished(
        self, tx: Tx, network: Network, subnets: Sequence[Subnet], mac: str, subnet_id: str | None, address: str | None
    ) -> FixedAddress:
        """An address that a server asks for; the request has looked at it, so a refusal here is a lost race."""
        for subnet in subnets:
            if subnet_id not in (None, subnet.id):
                continue
            if address is None:
                taken = addresses.by_mac(subnet, mac) if subnet.by_mac else self._pool.take_in(tx, subnet)
                if taken is not None:
                    return addresses.fixed(subnet, taken)
            elif addresses.holds(subnet, address):
                if port_rows.holder(tx.connection, subnet.id, address):
                    raise FixedIpAlreadyInUse(address=address)
                return addresses.fixed(subnet, address)
        raise NoMoreFixedIps(net=network.name or network.id)

    def _bind_given(self, tx: Tx, instance: Instance, host: str, wish: PortWish, place: int) -> Port:
        port = take(tx, instance, wish.port_id, place, wish.tag)
        if port.mode in HOST_MODES and wish.network is not None:
            fixed, scopes = self._host_address(tx, host, wish.network, port.mac, port.address)
            port_rows.drop_fixed(tx, port.id)
            for one, scope in zip(fixed, scopes, strict=True):
                port_rows.add_fixed(tx, port.id, one, scope)
            port = replace(port, fixed_ips=tuple(fixed))
        port_rows.change(tx, port.id, host=host)
        if floating.has_any(tx, port.id):
            network_orders.tell(tx, [host], routing=True)
        return replace(port, host=host)

    # moving ----------------------------------------------------------------------------------------------------------
    def bind_ports(self, host: str, networks: Sequence[HostNetworkLike], *, keep_addresses: bool = False) -> Part:
        """Bring a server's ports to a host: each keeps its address if nobody there has it, else gets another one.

        Part of a transaction; raises NoMoreFixedIps. A network that the host does not have becomes its first one. With
        `keep_addresses` (a guest that runs on knows its own) another address is FixedIpInUse. A network of ours is the
        same on every host: only the host is another.
        """
        by_name = {network.name: network for network in networks}

        def part(tx: Tx, instance: Instance) -> Mapping[str, Any]:
            bound = []
            for port in ports_of(tx.connection, instance.uuid):
                if port.host != host:
                    if port.mode not in HOST_MODES:
                        _move(tx, port, host, None)
                        port = replace(port, host=host)
                    elif (network := by_name.get(port.network) or next(iter(networks), None)) is not None:
                        port = self._bound(tx, port, host, network, keep_addresses)
                bound.append(port)
            return {"addresses": entries_of(tx, bound)}

        return part

    def _bound(self, tx: Tx, port: Port, host: str, network: HostNetworkLike, keep: bool) -> Port:
        shared = addresses.is_shared(network)
        address = network.first if shared else port.address
        if not shared and (address is None or not addresses.is_free(tx, host, network, port)):
            if keep:
                raise FixedIpInUse(address=port.address, host=host)
            address = self._pool.take(tx, host, network)
        prefix = ipaddress.ip_network(network.cidr, strict=False).prefixlen
        fixed = FixedAddress(str(address), prefix)
        ident = network_id(tx, network)
        if ident != port.network_id:
            port_rows.change(tx, port.id, network_id=ident)
        _move(tx, port, host, None if shared else addresses.host_scope(host, network.name), fixed)
        return replace(port, host=host, network_id=ident, network=network.name, mode=_mode(network), fixed_ips=(fixed,))

    def release_ports(self, uuid: str) -> None:
        """Free a server's ports and take its addresses away."""

        def job(tx: Tx) -> None:
            release(tx, uuid)
            instance = instance_rows.read(tx.connection, uuid, with_deleted=True)
            if instance.addresses:
                instance_rows.save(tx, instance, {"addresses": []})

        self._write(job)

    def ports(self, uuid: str | None = None) -> list[Port]:
        """The ports of a server, or of all servers."""
        with self._reading() as connection:
            if uuid is not None:
                return ports_of(connection, uuid)
            return [port for port in port_rows.all_ports(connection) if port.instance_uuid]


def _mode(network: HostNetworkLike) -> str:
    return "user" if addresses.is_shared(network) else "host"


def _same(present: Sequence[Port], wishes: Sequence[PortWish], host: str) -> bool:
    """Whether these are the ports of an order that is carried out again."""
    if len(present) != len(wishes) or any(port.host != host for port in present):
        return False
    for port, wish in zip(present, wishes, strict=True):
        if wish.port_id:
            if port.id != wish.port_id:
                return False
        elif wish.network is not None:
            if port.network != wish.network.name or port.given:
                return False
        elif port.network_id != wish.network_id or port.given:
            return False
    return True
