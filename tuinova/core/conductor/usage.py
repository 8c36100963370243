"""What servers have used: from their rows, those of deleted ones too."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, or_, select

from tuinova.core.conductor.base import Base
from tuinova.core.errors import MarkerNotFound
from tuinova.core.models import Instance as InstanceTable
from tuinova.core.records import ServerUsage

_I = InstanceTable.__table__  # type: ignore[attr-defined]

# A server that never ran is charged nothing: its launched_at is NULL, which is before nothing.
_ACTIVE = (
    select(
        _I.c.uuid,
        _I.c.name,
        _I.c.project_id,
        _I.c.flavor,
        _I.c.vcpus,
        _I.c.memory_mb,
        _I.c.vm_state,
        _I.c.launched_at,
        _I.c.terminated_at,
    )
    .where(
        _I.c.launched_at < bindparam("stop", type_=_I.c.launched_at.type),
        or_(
            _I.c.terminated_at.is_(None),
            _I.c.terminated_at > bindparam("start", type_=_I.c.terminated_at.type),
        ),
    )
    .order_by(_I.c.project_id, _I.c.uuid)
)
_PLACE = select(_I.c.project_id).where(_I.c.uuid == bindparam("uuid"))


class Usage(Base):
    """The conductor's call about usage."""

    def server_usages(
        self,
        start: datetime,
        stop: datetime,
        *,
        project_id: str | None = None,
        limit: int | None = None,
        marker: str | None = None,
    ) -> list[ServerUsage]:
        """The servers of a period by project and id, of one project or all; raises MarkerNotFound."""
        statement = _ACTIVE
        if project_id is not None:
            statement = statement.where(_I.c.project_id == project_id)
        with self._reading() as connection:
            if marker is not None:
                after = connection.execute(_PLACE, {"uuid": marker}).scalar()
                if after is None:
                    raise MarkerNotFound(marker=marker)
                later = (_I.c.project_id == after) & (_I.c.uuid > marker)
                statement = statement.where(or_(_I.c.project_id > after, later))
            rows = connection.execute(statement.limit(limit), {"start": start, "stop": stop}).all()
        return [
            ServerUsage(
                uuid=row.uuid,
                name=row.name,
                project_id=row.project_id,
                flavor=str(row.flavor.get("name", "")),
                vcpus=row.vcpus,
                memory_mb=row.memory_mb,
                local_gb=int(row.flavor.get("root_gb", 0)) + int(row.flavor.get("ephemeral_gb", 0)),
                vm_state=row.vm_state,
                launched_at=row.launched_at,
                terminated_at=row.terminated_at,
            )
            for row in rows
        ]
