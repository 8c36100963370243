"""Server groups: servers that are placed by one policy."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select

from tuinova.core.conductor import quota_counts
from tuinova.core.conductor.base import Base
from tuinova.core.conductor.transaction import Tx
from tuinova.core.drafts import new_uuid
from tuinova.core.errors import ServerGroupLimitExceeded, ServerGroupNotFound
from tuinova.core.models import Instance as InstanceTable
from tuinova.core.models import ServerGroup as GroupTable
from tuinova.core.models import ServerGroupMember as MemberTable
from tuinova.core.records import ServerGroup

_G = GroupTable.__table__  # type: ignore[attr-defined]
_M = MemberTable.__table__  # type: ignore[attr-defined]
_I = InstanceTable.__table__  # type: ignore[attr-defined]

_GROUPS = select(
    _G.c.uuid, _G.c.name, _G.c.project_id, _G.c.user_id, _G.c.policy, _G.c.rules, _G.c.created_at
).order_by(_G.c.id)
_GROUP = _GROUPS.where(_G.c.uuid == bindparam("uuid"))
_GROUPS_OF = _GROUPS.where(_G.c.project_id == bindparam("project_id"))
_MEMBERS = (
    select(_M.c.instance_uuid, _I.c.host)
    .join(_I, _I.c.uuid == _M.c.instance_uuid)
    .where(_M.c.group_uuid == bindparam("uuid"), _I.c.deleted.is_(False))
    .order_by(_M.c.id)
)
_DELETE_MEMBERS = delete(_M).where(_M.c.group_uuid == bindparam("uuid"))
_DELETE_GROUP = delete(_G).where(_G.c.uuid == bindparam("uuid"))


def _group(connection: Connection, row: Any) -> ServerGroup:
    uuid, name, project_id, user_id, policy, rules, created_at = row
    members = connection.execute(_MEMBERS, {"uuid": uuid}).all()
    hosts = tuple(member.host for member in members if member.host)
    uuids = tuple(member.instance_uuid for member in members)
    return ServerGroup(uuid, name, project_id, user_id, policy, rules, uuids, hosts, created_at)


class ServerGroups(Base):
    """The conductor's calls about server groups."""

    def server_groups(self, project_id: str | None = None) -> list[ServerGroup]:
        """The server groups of a project, or all, oldest first."""
        with self._reading() as connection:
            if project_id is None:
                rows = connection.execute(_GROUPS).all()
            else:
                rows = connection.execute(_GROUPS_OF, {"project_id": project_id}).all()
            return [_group(connection, row) for row in rows]

    def server_group(self, uuid: str) -> ServerGroup:
        """One server group with its living members; raises ServerGroupNotFound."""
        with self._reading() as connection:
            row = connection.execute(_GROUP, {"uuid": uuid}).first()
            if row is None:
                raise ServerGroupNotFound(group_id=uuid)
            return _group(connection, row)

    def create_server_group(self, group: ServerGroup, *, limit: int = -1) -> ServerGroup:
        """Write a server group; raises ServerGroupLimitExceeded beyond `limit` groups of the project (-1: none)."""
        uuid = group.uuid or new_uuid()

        def job(tx: Tx) -> None:
            held = quota_counts.usage(tx.connection, group.project_id).server_groups
            if 0 <= limit <= held:
                raise ServerGroupLimitExceeded
            tx.run(
                insert(_G),
                {
                    "uuid": uuid,
                    "name": group.name,
                    "project_id": group.project_id,
                    "user_id": group.user_id,
                    "policy": group.policy,
                    "rules": dict(group.rules),
                    "created_at": tx.now,
                },
            )
            tx.change("server_group", "update", uuid, group.project_id)

        self._write(job)
        return self.server_group(uuid)

    def delete_server_group(self, uuid: str) -> None:
        """Remove a server group; its members are not touched. Raises ServerGroupNotFound."""

        def job(tx: Tx) -> None:
            row = tx.first(_GROUP, {"uuid": uuid})
            if row is None:
                raise ServerGroupNotFound(group_id=uuid)
            tx.run(_DELETE_MEMBERS, {"uuid": uuid})
            tx.run(_DELETE_GROUP, {"uuid": uuid})
            tx.change("server_group", "delete", uuid, row.project_id)

        self._write(job)
