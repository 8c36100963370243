"""What the metadata service asks: whose an address is, and the password that a guest posts once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, bindparam, or_, select

from tuinova.core.conductor import instance_rows
from tuinova.core.conductor.base import Base
from tuinova.core.conductor.port_rows import F, N, P
from tuinova.core.conductor.statements import Statement
from tuinova.core.conductor.transaction import Tx
from tuinova.core.errors import GuestPasswordSet
from tuinova.core.guest_password import PASSWORD_KEYS, password_chunks, password_of
from tuinova.core.records import Instance
from tuinova.core.records.network import COMPUTE_OWNER

_HOST = "host"  # the mode of what the hypervisor has without us
# An address without a scope is no one's alone: in user-mode networking all guests have the same.
_AT = Statement(
    select(P.c.device_id, P.c.mac)
    .select_from(F.join(P, P.c.id == F.c.port_id).join(N, N.c.id == P.c.network_id))
    .where(
        F.c.address == bindparam("address"),
        F.c.scope.is_not(None),
        P.c.host == bindparam("host"),
        P.c.device_owner.startswith(COMPUTE_OWNER),
        or_(
            P.c.network_id == bindparam("network"),
            and_(N.c.name == bindparam("name"), N.c.mode == bindparam("mode")),
        ),
    )
)


class Guests(Base):
    """The conductor's calls about guests that ask who they are."""

    def guest_at(self, host: str, network: str, address: str) -> tuple[str, str] | None:
        """The server, and the MAC address of its port, that has an address of a network of a host.

        The network by its id, or by its name where the hypervisor has it without us.
        """
        with self._reading() as connection:
            asked = {"host": host, "network": network, "name": network, "mode": _HOST, "address": address}
            row = _AT.first(connection, asked)
        return None if row is None else (str(row[0]), str(row[1]))

    def post_guest_password(self, uuid: str, password: str) -> Instance:
        """What a guest posts, kept once; raises GuestPasswordSet when there is one already."""

        def job(tx: Tx) -> Instance:
            instance = instance_rows.read(tx.connection, uuid)
            if password_of(instance.system_metadata):
                raise GuestPasswordSet()
            return self._save_password(tx, instance, password_chunks(password))

        return self._write(job)

    def clear_guest_password(self, uuid: str) -> Instance:
        """Forget it: the guest may post another."""

        def job(tx: Tx) -> Instance:
            return self._save_password(tx, instance_rows.read(tx.connection, uuid), dict.fromkeys(PASSWORD_KEYS))

        return self._write(job)

    @staticmethod
    def _save_password(tx: Tx, instance: Instance, chunks: dict[str, Any]) -> Instance:
        kept = instance_rows.merged(instance.system_metadata, chunks)
        return instance_rows.save(tx, instance, {"system_metadata": kept})
