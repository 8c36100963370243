"""Reading networks, subnets, security groups, routers and floating addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from tuinova.core.conductor import port_rows
from tuinova.core.conductor.statements import Statement
from tuinova.core.conductor.transaction import Tx
from tuinova.core.models import FloatingIp as FloatingTable
from tuinova.core.models import Network as NetworkTable
from tuinova.core.models import Router as RouterTable
from tuinova.core.models import SecurityGroup as GroupTable
from tuinova.core.models import SecurityGroupRule as RuleTable
from tuinova.core.models import Subnet as SubnetTable
from tuinova.core.records import FloatingIp, Network, Port, Router, SecurityGroup, SecurityGroupRule, Subnet
from tuinova.core.records.network import ROUTER_GATEWAY

R = TypeVar("R")
NETWORK = NetworkTable.__table__  # type: ignore[attr-defined]
SUBNET = SubnetTable.__table__  # type: ignore[attr-defined]
GROUP = GroupTable.__table__  # type: ignore[attr-defined]
RULE = RuleTable.__table__  # type: ignore[attr-defined]
ROUTER = RouterTable.__table__  # type: ignore[attr-defined]
FLOATING = FloatingTable.__table__  # type: ignore[attr-defined]


class Rows:
    """The rows of one table as records of one class."""

    def __init__(self, table: Any, record: type[Any], *, leave_out: tuple[str, ...] = ()) -> None:
        self.table = table
        self.record = record
        self.names = tuple(item.name for item in fields(record) if item.name not in leave_out)
        self._select = select(*(table.c[name] for name in self.names)).order_by(table.c.created_at, table.c.id)
        self._all = Statement(self._select)
        self._by: dict[tuple[str, ...], Statement] = {}

    def all(self, connection: Connection) -> list[Any]:
        """Every row, the oldest first."""
        return [self.record(*row) for row in self._all.all(connection, {})]

    def where(self, connection: Connection, **wanted: Any) -> list[Any]:
        """The rows with these values."""
        names = tuple(sorted(wanted))
        statement = self._by.get(names)
        if statement is None:
            statement = Statement(self._select.where(*(self.table.c[name] == bindparam(name) for name in names)))
            self._by[names] = statement
        return [self.record(*row) for row in statement.all(connection, wanted)]

    def one(self, connection: Connection, ident: str) -> Any:
        """One row, None where there is none."""
        found = self.where(connection, id=ident)
        return found[0] if found else None

    def add(self, tx: Tx, record: Any) -> None:
        """Write a new one."""
        tx.run(insert(self.table), {name: _plain(getattr(record, name)) for name in self.names})

    def change(self, tx: Tx, ident: str, **values: Any) -> None:
        """Write fields of one, and when that was."""
        tx.run(update(self.table).where(self.table.c.id == ident).values(**values, updated_at=tx.now))

    def remove(self, tx: Tx, ident: str) -> None:
        """Remove one."""
        tx.run(delete(self.table).where(self.table.c.id == ident))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


networks = Rows(NETWORK, Network)
subnets = Rows(SUBNET, Subnet)
groups = Rows(GROUP, SecurityGroup, leave_out=("rules",))
rules = Rows(RULE, SecurityGroupRule)
routers = Rows(ROUTER, Router, leave_out=("gateway",))
floating_ips = Rows(FLOATING, FloatingIp)


# The nouns that have tags, by their path.
TAGGED: Mapping[str, Rows] = {
    "networks": networks,
    "subnets": subnets,
    "ports": Rows(port_rows.P, Port, leave_out=("network", "mode", "fixed_ips", "security_groups")),
    "security-groups": groups,
    "routers": routers,
    "floatingips": floating_ips,
}


def group_with_rules(connection: Connection, group: SecurityGroup) -> SecurityGroup:
    """A security group with its rules."""
    return replace(group, rules=tuple(rules.where(connection, security_group_id=group.id)))


def all_groups(connection: Connection) -> list[SecurityGroup]:
    """Every security group with its rules."""
    by_group: dict[str, list[SecurityGroupRule]] = {}
    for rule in rules.all(connection):
        by_group.setdefault(rule.security_group_id, []).append(rule)
    return [replace(group, rules=tuple(by_group.get(group.id, ()))) for group in groups.all(connection)]


def router_with_gateway(connection: Connection, router: Router) -> Router:
    """A router with its addresses outside."""
    if router.external_network_id is None:
        return router
    ports = port_rows.ports_of(connection, router.id)
    held = tuple(fixed for port in ports if port.device_owner == ROUTER_GATEWAY for fixed in port.fixed_ips)
    return replace(router, gateway=held)
