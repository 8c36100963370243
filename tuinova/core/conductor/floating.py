"""Floating addresses as seen from the ports that they stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select, update

from tuinova.core.conductor import network_orders, network_rows
from tuinova.core.conductor.statements import Statement
from tuinova.core.conductor.transaction import Tx
from tuinova.core.records import Port

_T = network_rows.FLOATING
_OF_PORT = Statement(
    select(_T.c.floating_ip_address, _T.c.fixed_ip_address)
    .where(_T.c.port_id == bindparam("port"))
    .order_by(_T.c.created_at, _T.c.id)
)
_LEAVE = Statement(
    update(_T)
    .where(_T.c.port_id == bindparam("_port"))
    .values(port_id=bindparam("v_none"), fixed_ip_address=bindparam("v_none"), router_id=bindparam("v_none"))
)
_LEAVE_ONE = Statement(
    update(_T)
    .where(_T.c.port_id == bindparam("_port"), _T.c.fixed_ip_address == bindparam("_address"))
    .values(port_id=bindparam("v_none"), fixed_ip_address=bindparam("v_none"), router_id=bindparam("v_none"))
)


def has_any(tx: Tx, port_id: str) -> bool:
    """Whether a floating address stands for one of the port's."""
    return tx.one(_OF_PORT, {"port": port_id}) is not None


def entries_of(tx: Tx, port: Port, like: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries of `Instance.addresses` of the port's floating addresses."""
    return [
        {**like, "address": address, "prefix": 32, "version": 6 if ":" in address else 4, "type": "floating"}
        for address, _fixed in _OF_PORT.all(tx.connection, {"port": port.id})
    ]


def leave(tx: Tx, port: Port) -> None:
    """Let the floating addresses of a port that goes stand for nobody."""
    if tx.do(_LEAVE, {"_port": port.id, "v_none": None}):
        network_orders.tell(tx, [port.host], routing=True)


def leave_addresses(tx: Tx, port: Port, lost: Sequence[str]) -> None:
    """Let the floating addresses of fixed ones that a port has no more stand for nobody."""
    counts = [tx.do(_LEAVE_ONE, {"_port": port.id, "_address": address, "v_none": None}) for address in lost]
    if any(counts):
        network_orders.tell(tx, [port.host], routing=True)
