"""Security groups and their rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tuinova.core.conductor import network_orders, network_rows, port_rows, ports
from tuinova.core.conductor.group_defaults import DEFAULT, default_group, egress_rules, found_default
from tuinova.core.conductor.network_base import NetworkBase
from tuinova.core.conductor.transaction import Tx
from tuinova.core.errors.network import (
    SecurityGroupCannotUpdateDefault,
    SecurityGroupDefaultAlreadyExists,
    SecurityGroupInUse,
    SecurityGroupNotFound,
    SecurityGroupRuleExists,
    SecurityGroupRuleNotFound,
)
from tuinova.core.records import SecurityGroup, SecurityGroupRule


def group_of(tx: Tx, ident: str) -> SecurityGroup:
    """A group with its rules; raises SecurityGroupNotFound."""
    group = network_rows.groups.one(tx.connection, ident)
    if group is None:
        raise SecurityGroupNotFound(id=ident)
    return network_rows.group_with_rules(tx.connection, group)


class SecurityGroups(NetworkBase):
    """The conductor's calls about security groups."""

    def security_groups(self, project_id: str | None = None) -> list[SecurityGroup]:
        """The groups of a project, or all, with their rules."""
        with self._reading() as connection:
            found = network_rows.all_groups(connection)
        return [group for group in found if project_id in (None, group.project_id)]

    def security_group(self, ident: str) -> SecurityGroup:
        """One group with its rules; raises SecurityGroupNotFound."""
        with self._reading() as connection:
            group = network_rows.groups.one(connection, ident)
            if group is None:
                raise SecurityGroupNotFound(id=ident)
            return network_rows.group_with_rules(connection, group)

    def ensure_default_group(self, project_id: str) -> None:
        """Let a project have its default group: whoever looks at groups sees it."""
        with self._reading() as connection:
            known = network_rows.groups.where(connection, project_id=project_id, name=DEFAULT)
        if not known and project_id:
            self._write(lambda tx: default_group(tx, project_id))

    def create_security_group(self, group: SecurityGroup) -> SecurityGroup:
        """Write a new group, which lets everything out; raises OverQuota."""

        def job(tx: Tx) -> SecurityGroup:
            if group.name == DEFAULT and found_default(tx, group.project_id):
                raise SecurityGroupDefaultAlreadyExists()
            default_group(tx, group.project_id)
            self.require_quota(tx, group.project_id, security_group=1)
            made = replace(group, created_at=tx.now)
            rules = tuple(egress_rules(tx, made))
            network_rows.groups.add(tx, made)
            for rule in rules:
                network_rows.rules.add(tx, rule)
            tx.change("security_group", "update", made.id, made.project_id)
            return replace(made, rules=rules)

        return self._write(job)

    def update_security_group(self, ident: str, values: Mapping[str, Any]) -> SecurityGroup:
        """Name, description, tags; the default group keeps its name."""

        def job(tx: Tx) -> SecurityGroup:
            old = group_of(tx, ident)
            if "name" in values and values["name"] != old.name and DEFAULT in (old.name, values["name"]):
                raise SecurityGroupCannotUpdateDefault()
            network_rows.groups.change(tx, ident, **values)
            if values.get("name", old.name) != old.name:
                for uuid in {port.instance_uuid for port in port_rows.members(tx.connection, ident)} - {""}:
                    ports.refresh(tx, uuid)
            tx.change("security_group", "update", ident, old.project_id)
            return replace(old, **values, updated_at=tx.now)

        return self._write(job)

    def delete_security_group(self, ident: str) -> None:
        """Remove a group; raises SecurityGroupInUse while ports are in it. Rules that name it go with it."""

        def job(tx: Tx) -> None:
            group = group_of(tx, ident)
            members = port_rows.members(tx.connection, ident)
            if members:
                raise SecurityGroupInUse(id=ident, reason=", ".join(f"port {port.id}" for port in members[:5]))
            referring = {
                rule.security_group_id for rule in network_rows.rules.where(tx.connection, remote_group_id=ident)
            }
            network_rows.groups.remove(tx, ident)
            tx.change("security_group", "delete", ident, group.project_id)
            network_orders.tell_groups(tx, referring - {ident})

        self._write(job)

    # rules -----------------------------------------------------------------------------------------------------------
    def security_group_rules(self) -> list[SecurityGroupRule]:
        """All rules, the oldest first."""
        with self._reading() as connection:
            return network_rows.rules.all(connection)

    def create_security_group_rules(self, rules: Sequence[SecurityGroupRule]) -> list[SecurityGroupRule]:
        """Add rules to groups, and tell the hosts of their members; raises SecurityGroupRuleExists, OverQuota."""

        def job(tx: Tx) -> list[SecurityGroupRule]:
            made = [self._add(tx, rule) for rule in rules]
            network_orders.tell_groups(tx, {rule.security_group_id for rule in made})
            return made

        return self._write(job)

    def _add(self, tx: Tx, rule: SecurityGroupRule) -> SecurityGroupRule:
        group = group_of(tx, rule.security_group_id)
        if rule.remote_group_id is not None:
            group_of(tx, rule.remote_group_id)
        self.require_quota(tx, rule.project_id, security_group_rule=1)
        for other in group.rules:
            if other.what == rule.what:
                raise SecurityGroupRuleExists(rule_id=other.id)
        made = replace(rule, created_at=tx.now)
        network_rows.rules.add(tx, made)
        tx.change("security_group", "update", group.id, group.project_id)
        return made

    def delete_security_group_rule(self, ident: str) -> None:
        """Remove a rule, and tell the hosts of the group's members."""

        def job(tx: Tx) -> None:
            rule = network_rows.rules.one(tx.connection, ident)
            if rule is None:
                raise SecurityGroupRuleNotFound(id=ident)
            network_rows.rules.remove(tx, ident)
            tx.change("security_group", "update", rule.security_group_id, rule.project_id)
            network_orders.tell_groups(tx, {rule.security_group_id})

        self._write(job)
