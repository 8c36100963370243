"""Work orders to hosts about networks: they belong to no server, and say only what a host shall look at anew.

The host reads how things shall be when it carries the order out, so that two of a kind are as good as one: what waits
already is not written again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import bindparam, select

from tuinova.core.conductor import port_rows
from tuinova.core.conductor.orders import write_order
from tuinova.core.conductor.statements import Statement
from tuinova.core.conductor.transaction import Tx
from tuinova.core.context import service_context
from tuinova.core.drafts import OrderDraft
from tuinova.core.models import SecurityGroupRule as RuleTable
from tuinova.core.models import Service as ServiceTable
from tuinova.core.models import WorkOrder as OrderTable
from tuinova.core.records import Port

APPLY = "apply_networks"
_O = OrderTable.__table__  # type: ignore[attr-defined]
_S = ServiceTable.__table__  # type: ignore[attr-defined]
_R = RuleTable.__table__  # type: ignore[attr-defined]
_WAITING = Statement(
    select(_O.c.args).where(
        _O.c.host == bindparam("host"), _O.c.method == APPLY, _O.c.started_at.is_(None), _O.c.instance_uuid == ""
    )
)
_HOSTS = Statement(select(_S.c.host).where(_S.c.binary == "nova-compute").order_by(_S.c.host))
_REFERRING = Statement(select(_R.c.security_group_id).where(_R.c.remote_group_id == bindparam("group")).distinct())


def hosts(tx: Tx) -> list[str]:
    """All compute hosts."""
    return [str(row[0]) for row in _HOSTS.all(tx.connection, {})]


def tell(
    tx: Tx,
    to: Iterable[str],
    *,
    networks: Collection[str] = (),
    groups: Collection[str] = (),
    ports: Collection[str] = (),
    everything: bool = False,
    routing: bool = False,
) -> None:
    """Let hosts look anew at these networks, at the ports of these groups, at these ports or `everything` of ports.

    `routing`: at floating addresses and routers.
    """
    args: dict[str, Any] = {}
    for name, value in (("networks", networks), ("groups", groups), ("ports", ports)):
        if value:
            args[name] = sorted(set(value))
    args |= {name: True for name, asked in (("everything", everything), ("routing", routing)) if asked}
    if not args:
        return
    for host in sorted({host for host in to if host}):
        if all(row[0] != args for row in _WAITING.all(tx.connection, {"host": host})):
            write_order(tx, service_context(), "", OrderDraft(APPLY, host, args))


def tell_groups(tx: Tx, groups: Collection[str]) -> None:
    """The rules of these groups are others: the hosts of their members look anew."""
    found = {port.host for group in groups for port in port_rows.members(tx.connection, group)}
    tell(tx, found, groups=groups)


def members_changed(tx: Tx, groups: Iterable[str]) -> None:
    """These groups have other members: whose rules name them as a remote looks anew."""
    referring = {str(row[0]) for group in set(groups) for row in _REFERRING.all(tx.connection, {"group": group})}
    if referring:
        tell_groups(tx, referring)


def tell_port(tx: Tx, port: Port, *, routing: bool = False) -> None:
    """The port's host looks anew at it."""
    tell(tx, [port.host], ports=[port.id], routing=routing)
