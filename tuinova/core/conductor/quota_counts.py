"""Counting what a project holds, and refusing what goes beyond (nova/quota.py)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, func, select

from tuinova.core.conductor.transaction import Part, Tx
from tuinova.core.context import RequestContext
from tuinova.core.drafts import InstanceDraft, QuotaLimits
from tuinova.core.errors import (
    NovaError,
    OverQuota,
    QuotaExceeded,
    ServerGroupMembersExceeded,
    SnapshotLimitExceeded,
    VolumeLimitExceeded,
    VolumeSizeExceedsQuota,
)
from tuinova.core.models import FloatingIp, Network, Port, Router, SecurityGroup, SecurityGroupRule, Subnet
from tuinova.core.models import Instance as InstanceTable
from tuinova.core.models import ServerGroup as GroupTable
from tuinova.core.models import ServerGroupMember as MemberTable
from tuinova.core.models import Volume as VolumeTable
from tuinova.core.models import VolumeSnapshot as SnapshotTable
from tuinova.core.records import Instance, QuotaUsage
from tuinova.core.states import VmState

_I = InstanceTable.__table__  # type: ignore[attr-defined]
_G = GroupTable.__table__  # type: ignore[attr-defined]
_M = MemberTable.__table__  # type: ignore[attr-defined]
_V = VolumeTable.__table__  # type: ignore[attr-defined]
_S = SnapshotTable.__table__  # type: ignore[attr-defined]
# Deleted servers don't count, nor do soft-deleted ones: those are counted again when they are restored.
_USAGE = select(
    func.count(_I.c.id), func.coalesce(func.sum(_I.c.vcpus), 0), func.coalesce(func.sum(_I.c.memory_mb), 0)
).where(
    _I.c.project_id == bindparam("project_id"),
    _I.c.deleted.is_(False),
    _I.c.vm_state != VmState.SOFT_DELETED.value,
)
_OF_NETWORKS: Final[Mapping[str, Any]] = {
    "network": Network,
    "subnet": Subnet,
    "port": Port,
    "router": Router,
    "floatingip": FloatingIp,
    "security_group": SecurityGroup,
    "security_group_rule": SecurityGroupRule,
}
_GROUPS = select(func.count(_G.c.id)).where(_G.c.project_id == bindparam("project_id"))
# Neutron's and Cinder's resources: a statement gives how many the project `project_id` holds, as one number.
COUNTS: dict[str, Select[Any]] = {
    **{
        name: select(func.count()).where(table.__table__.c.project_id == bindparam("project_id"))
        for name, table in _OF_NETWORKS.items()
    },
    "volumes": select(func.count()).where(_V.c.project_id == bindparam("project_id")),
    "snapshots": select(func.count()).where(_S.c.project_id == bindparam("project_id")),
    # An extension that runs counts already; a snapshot counts with the size of its volume.
    "gigabytes": select(
        select(func.coalesce(func.sum(_V.c.size + _V.c.reserved_gb), 0))
        .where(_V.c.project_id == bindparam("project_id"))
        .scalar_subquery()
        + select(func.coalesce(func.sum(_S.c.size), 0))
        .where(_S.c.project_id == bindparam("project_id"))
        .scalar_subquery()
    ),
}
_TOO_MANY: Final[Mapping[str, type[NovaError]]] = {
    "snapshots": SnapshotLimitExceeded,
    "volumes": VolumeLimitExceeded,
}
_MEMBERS = select(func.count(_M.c.id)).where(_M.c.group_uuid == bindparam("group"))


def usage(connection: Connection, project_id: str) -> QuotaUsage:
    """What a project holds now."""
    row = connection.execute(_USAGE, {"project_id": project_id}).one()
    groups = connection.execute(_GROUPS, {"project_id": project_id}).scalar() or 0
    return QuotaUsage(int(row[0]), int(row[1]), int(row[2]), int(groups))


def held(connection: Connection, project_id: str, names: Iterable[str]) -> dict[str, int]:
    """What a project holds of these resources; those that nobody counts for a project are left out."""
    wanted = set(names)
    compute = {item.name for item in fields(QuotaUsage)} & wanted
    found: dict[str, int] = {}
    if compute:
        counted = usage(connection, project_id)
        found = {name: getattr(counted, name) for name in compute}
    for name in wanted & set(COUNTS):
        found[name] = int(connection.execute(COUNTS[name], {"project_id": project_id}).scalar() or 0)
    return found


def refuse_beyond(
    connection: Connection, project_id: str, limits: Mapping[str, int], wanted: Mapping[str, int]
) -> None:
    """Raise Neutron's or Cinder's refusal when a project would hold more than its limits of what is wanted."""
    bounded = [name for name, count in wanted.items() if count > 0 and limits[name] >= 0]
    used = held(connection, project_id, bounded)
    overs = sorted(name for name in bounded if limits[name] < used.get(name, 0) + wanted[name])
    if not overs:
        return
    # Cinder looks at the size first, then at the numbers; this is the alphabet's order too.
    name = overs[0]
    if name == "gigabytes":
        raise VolumeSizeExceedsQuota(name=name, requested=wanted[name], quota=limits[name], consumed=used.get(name, 0))
    if name in _TOO_MANY:
        raise _TOO_MANY[name](allowed=limits[name], name=name)
    raise OverQuota(overs=overs)


def check_create(
    tx: Tx, ctx: RequestContext, drafts: Sequence[InstanceDraft], limits: QuotaLimits, requested: str | None
) -> None:
    """Raise QuotaExceeded or ServerGroupMembersExceeded when the drafts don't fit."""
    wanted = {
        "cores": sum(draft.flavor["vcpus"] for draft in drafts),
        "instances": len(drafts),
        "ram": sum(draft.flavor["memory_mb"] for draft in drafts),
    }
    if any(getattr(limits, name) >= 0 for name in wanted):
        row = tx.connection.execute(_USAGE, {"project_id": ctx.project_id}).one()
        used = {"instances": int(row[0]), "cores": int(row[1]), "ram": int(row[2])}
        refuse_over(wanted, used, limits, requested)
    for group, count in Counter(draft.server_group_id for draft in drafts if draft.server_group_id).items():
        members = tx.connection.execute(_MEMBERS, {"group": group}).scalar() or 0
        if 0 <= limits.server_group_members < members + count:
            raise ServerGroupMembersExceeded


def also_growth(limits: QuotaLimits, *, instances: int = 0, cores: int = 0, ram: int = 0) -> Part:
    """Refuse with the step what a server would take beyond its project's quota; what shrinks is not looked at."""
    wanted = {name: grown for name, grown in (("instances", instances), ("cores", cores), ("ram", ram)) if grown > 0}

    def part(tx: Tx, instance: Instance) -> None:
        if any(getattr(limits, name) >= 0 for name in wanted):
            row = tx.connection.execute(_USAGE, {"project_id": instance.project_id}).one()
            refuse_over(wanted, {"instances": int(row[0]), "cores": int(row[1]), "ram": int(row[2])}, limits)

    return part


def refuse_over(
    wanted: dict[str, int], used: dict[str, int], limits: QuotaLimits, requested: str | None = None
) -> None:
    """Raise QuotaExceeded with Nova's parallel lists for the names that go over, in the order of the alphabet."""
    overs = [name for name in sorted(wanted) if 0 <= getattr(limits, name) < used[name] + wanted[name]]
    if not overs:
        return
    asked = {**{name: str(count) for name, count in wanted.items()}}
    if requested is not None:
        asked["instances"] = requested
    raise QuotaExceeded(
        overs=", ".join(overs),
        req=", ".join(asked[name] for name in overs),
        used=", ".join(str(used[name]) for name in overs),
        allowed=", ".join(str(getattr(limits, name)) for name in overs),
    )
