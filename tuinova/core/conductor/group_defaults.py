"""The default group of a project: all out, in from its members; made when it is needed first."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select

from tuinova.core.conductor import network_rows
from tuinova.core.conductor.statements import Statement
from tuinova.core.conductor.transaction import Tx
from tuinova.core.drafts import new_uuid
from tuinova.core.records import SecurityGroup, SecurityGroupRule

DEFAULT = "default"
_G = network_rows.GROUP
_OF_PROJECT = Statement(
    select(_G.c.id)
    .where(_G.c.project_id == bindparam("project"), _G.c.name == DEFAULT)
    .order_by(_G.c.created_at, _G.c.id)
)


def found_default(tx: Tx, project_id: str) -> str | None:
    """The id of the project's default group, None before its first use."""
    row = tx.one(_OF_PROJECT, {"project": project_id})
    return None if row is None else str(row[0])


def default_group(tx: Tx, project_id: str) -> str:
    """The id of the project's default group, which is made where there is none."""
    known = found_default(tx, project_id)
    if known is not None:
        return known
    group = SecurityGroup(new_uuid(), project_id, DEFAULT, "Default security group", [], tx.now)
    network_rows.groups.add(tx, group)
    for rule in [*_ingress(group), *egress_rules(tx, group)]:
        network_rows.rules.add(tx, rule)
    tx.change("security_group", "update", group.id, project_id)
    return group.id


def _rule(group: SecurityGroup, direction: str, ethertype: str, remote: str | None) -> SecurityGroupRule:
    return SecurityGroupRule(
        id=new_uuid(),
        project_id=group.project_id,
        security_group_id=group.id,
        direction=direction,
        ethertype=ethertype,
        protocol=None,
        port_range_min=None,
        port_range_max=None,
        remote_ip_prefix=None,
        remote_group_id=remote,
        created_at=group.created_at,
    )


def _ingress(group: SecurityGroup) -> Sequence[SecurityGroupRule]:
    return [_rule(group, "ingress", ethertype, group.id) for ethertype in ("IPv4", "IPv6")]


def egress_rules(tx: Tx, group: SecurityGroup) -> Sequence[SecurityGroupRule]:
    """What every new group lets out: everything."""
    return [_rule(group, "egress", ethertype, None) for ethertype in ("IPv4", "IPv6")]
