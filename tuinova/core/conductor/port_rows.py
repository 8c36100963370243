"""Reading and writing ports with their addresses: statements that are built once."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, null, select, update

from tuinova.core.conductor.statements import InsertStatement, Statement
from tuinova.core.conductor.transaction import Tx
from tuinova.core.models import FixedIp as FixedTable
from tuinova.core.models import Network as NetworkTable
from tuinova.core.models import Port as PortTable
from tuinova.core.models import PortGroup as PortGroupTable
from tuinova.core.records import FixedAddress, Port
from tuinova.core.records.network import ROUTER_GATEWAY, ROUTER_INTERFACE

P = PortTable.__table__  # type: ignore[attr-defined]
F = FixedTable.__table__  # type: ignore[attr-defined]
N = NetworkTable.__table__  # type: ignore[attr-defined]
B = PortGroupTable.__table__  # type: ignore[attr-defined]

_JOINED = ("network", "mode", "fixed_ips", "security_groups")
FIELDS = tuple(item.name for item in fields(Port) if item.name not in _JOINED)
_WIDTH = len(FIELDS)
_FEW = 8  # ports whose groups are asked for one by one
_SELECT = (
    select(*(P.c[name] for name in FIELDS), N.c.name, N.c.mode, F.c.address, F.c.prefix, F.c.subnet_id)
    .select_from(P.join(N, N.c.id == P.c.network_id).outerjoin(F, F.c.port_id == P.c.id))
    .order_by(P.c.position, P.c.created_at, P.c.id, F.c.id)
)
_ALL = Statement(_SELECT)
_ONE = Statement(_SELECT.where(P.c.id == bindparam("id")))
_OF_DEVICE = Statement(_SELECT.where(P.c.device_id == bindparam("device")))
_OF_HOST = Statement(_SELECT.where(P.c.host == bindparam("host")))
_OF_NETWORK = Statement(_SELECT.where(P.c.network_id == bindparam("network")))
_OF_GROUP = Statement(
    _SELECT.where(
        P.c.id.in_(select(B.c.port_id).where(B.c.security_group_id == bindparam("group"))),
    )
)
INSERT = InsertStatement(P)
INSERT_FIXED = InsertStatement(F)
_INSERT_GROUP = InsertStatement(B)
_GROUPS = Statement(select(B.c.port_id, B.c.security_group_id).order_by(B.c.security_group_id))
_GROUPS_OF = Statement(
    select(B.c.port_id, B.c.security_group_id).where(B.c.port_id == bindparam("port")).order_by(B.c.security_group_id)
)
_DELETE = Statement(delete(P).where(P.c.id == bindparam("id")))
_DELETE_MADE = Statement(delete(P).where(P.c.device_id == bindparam("device"), P.c.given.is_(False)))
_LET_GO = Statement(
    update(P)
    .where(P.c.device_id == bindparam("_device"))
    .values(device_id="", device_owner="", host="", position=0, tag=null())
)
_DELETE_FIXED = Statement(delete(F).where(F.c.port_id == bindparam("port")))
_DELETE_ONE_FIXED = Statement(delete(F).where(F.c.port_id == bindparam("port"), F.c.address == bindparam("address")))
_DELETE_GROUPS = Statement(delete(B).where(B.c.port_id == bindparam("port")))
_HAS_MAC = Statement(select(P.c.id).where(P.c.mac == bindparam("mac")))
_HOLDER = Statement(select(F.c.port_id).where(F.c.scope == bindparam("scope"), F.c.address == bindparam("address")))
_HELD = Statement(select(F.c.address).where(F.c.scope == bindparam("scope")))
_ON_SUBNET = Statement(select(func.count(F.c.id)).where(F.c.subnet_id == bindparam("subnet")))
_updates: dict[frozenset[str], Statement] = {}


# reading -------------------------------------------------------------------------------------------------------------
def _ports(rows: Iterable[Sequence[Any]]) -> list[Port]:
    """One port for the rows of its addresses, which stand together."""
    found = []
    for _, together in groupby(rows, key=itemgetter(0)):
        lines = list(together)
        first = lines[0]
        fixed = tuple(FixedAddress(*line[_WIDTH + 2 :]) for line in lines if line[_WIDTH + 2] is not None)
        values: list[Any] = [*first[: _WIDTH + 2], fixed]
        found.append(Port(*values))
    return found


def ports_of(connection: Connection, device: str) -> list[Port]:
    """The ports of a server (or router, or floating address) in their order."""
    return _ports(_OF_DEVICE.all(connection, {"device": device}))


def ports_on(connection: Connection, host: str) -> list[Port]:
    """The ports that are bound to a host."""
    return _ports(_OF_HOST.all(connection, {"host": host}))


def ports_in(connection: Connection, network_id: str) -> list[Port]:
    """The ports of a network."""
    return _ports(_OF_NETWORK.all(connection, {"network": network_id}))


def members(connection: Connection, group_id: str) -> list[Port]:
    """The ports that are in a security group."""
    return _ports(_OF_GROUP.all(connection, {"group": group_id}))


def all_ports(connection: Connection) -> list[Port]:
    """Every port."""
    return _ports(_ALL.all(connection, {}))


def one(connection: Connection, port_id: str) -> Port | None:
    """One port, None where there is none."""
    found = _ports(_ONE.all(connection, {"id": port_id}))
    return found[0] if found else None


def with_groups(connection: Connection, ports: Sequence[Port]) -> list[Port]:
    """The ports with their security groups."""
    if len(ports) <= _FEW:
        rows = [row for port in ports for row in _GROUPS_OF.all(connection, {"port": port.id})]
    else:
        rows = _GROUPS.all(connection, {})
    groups: dict[str, list[str]] = {}
    for port_id, group_id in rows:
        groups.setdefault(port_id, []).append(group_id)
    return [_with(port, tuple(groups.get(port.id, ()))) for port in ports]


def _with(port: Port, groups: tuple[str, ...]) -> Port:
    return replace(port, security_groups=groups) if groups else port


def users(ports: Sequence[Port]) -> str:
    """Some ports in words, for a refusal that says who is in the way."""
    shown = [f"{port.id}{_whose(port)}" for port in ports[:_FEW]]
    return ", ".join(shown) + (f" and {len(ports) - _FEW} more" if len(ports) > _FEW else "")


def _whose(port: Port) -> str:
    if port.instance_uuid:
        return f" of server {port.instance_uuid}"
    return f" of router {port.device_id}" if port.device_owner in (ROUTER_INTERFACE, ROUTER_GATEWAY) else ""


def holder(connection: Connection, scope: str, address: str) -> str | None:
    """The port that has an address."""
    row = _HOLDER.first(connection, {"scope": scope, "address": address})
    return None if row is None else str(row[0])


def held(connection: Connection, scope: str) -> set[str]:
    """All addresses of a scope that ports have."""
    return {row[0] for row in _HELD.all(connection, {"scope": scope})}


def count_on_subnet(connection: Connection, subnet_id: str) -> int:
    """How many addresses of a subnet ports have."""
    row = _ON_SUBNET.first(connection, {"subnet": subnet_id})
    return int(row[0]) if row else 0


def mac_holder(connection: Connection, mac: str) -> str | None:
    """The port that has a MAC."""
    row = _HAS_MAC.first(connection, {"mac": mac})
    return None if row is None else str(row[0])


# writing -------------------------------------------------------------------------------------------------------------
def new_mac(tx: Tx) -> str:
    """A MAC that no port has."""
    while True:
        tail = secrets.token_bytes(3)
        mac = "fa:16:3e:" + ":".join(f"{byte:02x}" for byte in tail)
        if mac_holder(tx.connection, mac) is None:
            return mac


def insert(tx: Tx, port: Port, scopes: Sequence[str | None]) -> None:
    """Write a port, its groups, and its addresses, each in its scope."""
    tx.insert(INSERT, {name: getattr(port, name) for name in FIELDS})
    for fixed, scope in zip(port.fixed_ips, scopes, strict=True):
        add_fixed(tx, port.id, fixed, scope)
    set_groups(tx, port.id, port.security_groups, fresh=True)


def add_fixed(tx: Tx, port_id: str, fixed: FixedAddress, scope: str | None) -> None:
    """Give a port one more address."""
    tx.insert(
        INSERT_FIXED,
        {
            "port_id": port_id,
            "subnet_id": fixed.subnet_id,
            "address": fixed.address,
            "prefix": fixed.prefix,
            "scope": scope,
        },
    )


def drop_fixed(tx: Tx, port_id: str, address: str | None = None) -> None:
    """Take one address of a port away, or all."""
    if address is None:
        tx.do(_DELETE_FIXED, {"port": port_id})
    else:
        tx.do(_DELETE_ONE_FIXED, {"port": port_id, "address": address})


def set_groups(tx: Tx, port_id: str, groups: Iterable[str], *, fresh: bool = False) -> None:
    """Let a port be in these groups and no others."""
    if not fresh:
        tx.do(_DELETE_GROUPS, {"port": port_id})
    for group_id in groups:
        tx.insert(_INSERT_GROUP, {"port_id": port_id, "security_group_id": group_id})


def change(tx: Tx, port_id: str, **values: Any) -> None:
    """Write fields of a port."""
    names = frozenset(values)
    statement = _updates.get(names)
    if statement is None:
        changed: dict[str, Any] = {name: bindparam(f"v_{name}") for name in sorted(names)}
        statement = _updates[names] = Statement(update(P).where(P.c.id == bindparam("_id")).values(changed))
    tx.do(statement, {"_id": port_id, **{f"v_{name}": value for name, value in values.items()}})


def remove(tx: Tx, port_id: str) -> None:
    """Remove a port; its addresses and memberships go with it."""
    tx.do(_DELETE, {"id": port_id})


def remove_made(tx: Tx, device: str) -> int:
    """Remove the ports that were made for a server."""
    return tx.do(_DELETE_MADE, {"device": device})


def let_go(tx: Tx, device: str) -> int:
    """Let the ports go that a server was given; returns how many there were."""
    return tx.do(_LET_GO, {"_device": device})
