"""The networks that hosts have without us, and the Neutron networks that stand for them: one for each name."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, func, insert, or_, select, update

from tuinova.core.conductor.base import Base
from tuinova.core.conductor.seeds import seeded_id
from tuinova.core.conductor.statements import InsertStatement, Statement
from tuinova.core.conductor.transaction import Tx
from tuinova.core.drafts import HostNetworkLike, new_uuid
from tuinova.core.models import HostNetwork as HostNetworkTable
from tuinova.core.models import Network as NetworkTable
from tuinova.core.models import Port as PortTable
from tuinova.core.records import ReportedNetwork
from tuinova.core.records.network import HOST_MODES

_H = HostNetworkTable.__table__  # type: ignore[attr-defined]
_N = NetworkTable.__table__  # type: ignore[attr-defined]
_P = PortTable.__table__  # type: ignore[attr-defined]
_FIELDS = ("id", "host", "name", "mode", "cidr", "gateway", "first", "last", "dns", "mtu", "reserved")
_REPORTED = select(*(_H.c[name] for name in _FIELDS)).order_by(_H.c.host, _H.c.position)
_DELETE = delete(_H).where(_H.c.host == bindparam("host"))
_INSERT = insert(_H)
_IDS = select(_H.c.name, _H.c.id).where(_H.c.host == bindparam("host"))
_IS_HOSTS = or_(*(_N.c.mode == mode for mode in sorted(HOST_MODES)))
_OF_NAME = Statement(select(_N.c.id).where(_N.c.name == bindparam("name"), _IS_HOSTS))
_INSERT_NETWORK = InsertStatement(_N)
# Nobody reports it any more and no port is on it.
_FORGET = delete(_N).where(_IS_HOSTS, _N.c.name.not_in(select(_H.c.name)), _N.c.id.not_in(select(_P.c.network_id)))
_RENEW = update(_N).where(_N.c.id == bindparam("_id")).values(mtu=bindparam("v_mtu"))


def network_id(tx: Tx, network: HostNetworkLike) -> str:
    """The id of the network that stands for the hosts' networks of that name; written when it is seen first."""
    row = tx.one(_OF_NAME, {"name": network.name})
    if row is not None:
        return str(row[0])
    ident = new_uuid()
    values = {
        "id": ident,
        "name": network.name,
        "project_id": seeded_id("project", "admin"),
        "description": "A network of the host: tuinova joins it and does not change it.",
        "mode": "user" if network.mode == "user" else "host",
        "shared": True,
        "mtu": network.mtu,
        # Its guests have spoken freely before; an administrator may switch the firewall on.
        "port_security_enabled": False,
        "created_at": tx.now,
    }
    tx.insert(_INSERT_NETWORK, values)
    tx.change("network", "update", ident)
    return ident


class HostNetworks(Base):
    """The conductor's calls about what hosts report."""

    def save_networks(self, host: str, networks: Sequence[HostNetworkLike]) -> None:
        """Replace what is known of a host's networks; a network keeps its id by its name."""

        def job(tx: Tx) -> None:
            ids = {row.name: row.id for row in tx.run(_IDS, {"host": host})}
            tx.run(_DELETE, {"host": host})
            for position, network in enumerate(networks):
                tx.run(
                    _INSERT,
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
                tx.run(_RENEW, {"_id": network_id(tx, network), "v_mtu": network.mtu})
            tx.run(_FORGET)

        self._write(job)

    def host_networks(self, host: str | None = None) -> list[ReportedNetwork]:
        """What hosts have, one of them or all, each host's default first."""
        with self._reading() as connection:
            rows = connection.execute(_REPORTED).all()
        found = [
            ReportedNetwork(**{**row._mapping, "dns": tuple(row.dns), "reserved": frozenset(row.reserved)})
            for row in rows
        ]
        return [network for network in found if host is None or network.host == host]

    def has_host_networks(self) -> bool:
        """Whether any host has a network of its own that servers can join."""
        with self._reading() as connection:
            return bool(connection.execute(select(func.count(_H.c.id))).scalar())
