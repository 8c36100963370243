"""Security groups and their rules as their users ask for them."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuinova.core.conductor import Conductor
from tuinova.core.context import RequestContext
from tuinova.core.drafts import new_uuid
from tuinova.core.errors.network import (
    InvalidInput,
    SecurityGroupCannotRemoveDefault,
    SecurityGroupEthertypeConflictWithProtocol,
    SecurityGroupInvalidIcmpValue,
    SecurityGroupInvalidPortRange,
    SecurityGroupInvalidPortValue,
    SecurityGroupMissingIcmpType,
    SecurityGroupNotFound,
    SecurityGroupProtocolRequiredWithPorts,
    SecurityGroupRemoteGroupAndRemoteIpPrefix,
    SecurityGroupRuleInvalidEtherType,
    SecurityGroupRuleInvalidProtocol,
    SecurityGroupRuleNotFound,
    SecurityGroupRuleParameterConflict,
)
from tuinova.core.network_api import access
from tuinova.core.records import SecurityGroup, SecurityGroupRule
from tuinova.virt.networks import PROTOCOLS

_ALIASES: Mapping[str, str] = {"icmpv6": "ipv6-icmp", "any": ""}
_NAMES = {number: name for name, number in PROTOCOLS.items()}
_WITH_PORTS = frozenset({"tcp", "udp", "sctp", "dccp", "udplite"})
_ICMP = frozenset({"icmp", "ipv6-icmp"})
_ONLY_SIX = frozenset({"ipv6-icmp", "ipv6-encap", "ipv6-frag", "ipv6-nonxt", "ipv6-opts", "ipv6-route"})


@dataclass(frozen=True, slots=True)
class GroupCalls:
    """Create, show, change, delete, of groups and of rules."""

    conductor: Conductor

    def all(self, ctx: RequestContext) -> list[SecurityGroup]:
        """The caller's; his project's default group is made when somebody looks."""
        self.conductor.ensure_default_group(ctx.project_id or "")
        return self.conductor.security_groups(None if ctx.is_admin else ctx.project_id)

    def get(self, ctx: RequestContext, ident: str) -> SecurityGroup:
        """One of them; raises SecurityGroupNotFound."""
        group = self.conductor.security_group(ident)
        if not access.owns(ctx, group.project_id):
            raise SecurityGroupNotFound(id=ident)
        return group

    def mine(self, ctx: RequestContext, ident: str, action: str) -> SecurityGroup:
        """One that the caller may change."""
        group = self.get(ctx, ident)
        if "member" not in ctx.all_roles:
            raise access.refuse(f"{action}_security_group")
        return group

    def create(self, ctx: RequestContext, body: Mapping[str, Any]) -> SecurityGroup:
        """A new group, which lets everything out and nothing in."""
        access.check_attributes(ctx, "create", "security_group", body)
        return self.conductor.create_security_group(
            SecurityGroup(
                id=new_uuid(),
                project_id=access.project_of(ctx, "create", "security_group", body),
                name=body.get("name") or "",
                description=body.get("description") or "",
                tags=[],
            )
        )

    def update(self, ctx: RequestContext, ident: str, body: Mapping[str, Any]) -> SecurityGroup:
        """Name and description."""
        group = self.mine(ctx, ident, "update")
        values = {name: body[name] for name in ("name", "description", "tags") if body.get(name) is not None}
        return self.conductor.update_security_group(ident, values) if values else group

    def delete(self, ctx: RequestContext, ident: str) -> None:
        """Remove it; the default group only by an administrator."""
        group = self.mine(ctx, ident, "delete")
        if group.name == "default" and not ctx.is_admin:
            raise SecurityGroupCannotRemoveDefault()
        self.conductor.delete_security_group(ident)

    # rules -----------------------------------------------------------------------------------------------------------
    def rules(self, ctx: RequestContext) -> list[SecurityGroupRule]:
        """The rules of the groups that the caller sees."""
        return [rule for group in self.all(ctx) for rule in group.rules]

    def rule(self, ctx: RequestContext, ident: str) -> SecurityGroupRule:
        """One of them; raises SecurityGroupRuleNotFound."""
        for rule in self.conductor.security_group_rules():
            if rule.id == ident and access.owns(ctx, rule.project_id):
                return rule
        raise SecurityGroupRuleNotFound(id=ident)

    def create_rules(self, ctx: RequestContext, bodies: Sequence[Mapping[str, Any]]) -> list[SecurityGroupRule]:
        """New rules, all or none."""
        rules = []
        for body in bodies:
            group = self.mine(ctx, body["security_group_id"], "create")
            if body.get("remote_group_id"):
                self.get(ctx, body["remote_group_id"])
            rules.append(rule_of(body, group))
        if len({(rule.security_group_id, rule.what) for rule in rules}) != len(rules):
            raise InvalidInput(error_message="Duplicate security group rules in the request")
        return self.conductor.create_security_group_rules(rules)

    def delete_rule(self, ctx: RequestContext, ident: str) -> None:
        """Remove one."""
        rule = self.rule(ctx, ident)
        self.mine(ctx, rule.security_group_id, "delete")
        self.conductor.delete_security_group_rule(ident)


# what a rule must be -------------------------------------------------------------------------------------------------
def rule_of(body: Mapping[str, Any], group: SecurityGroup) -> SecurityGroupRule:
    """The rule of a request in one form; raises what Neutron refuses of it alone."""
    ethertype = _ethertype(body.get("ethertype"))
    protocol = _protocol(body.get("protocol"), ethertype)
    low, high = body.get("port_range_min"), body.get("port_range_max")
    low = None if low in (None, "") else int(low)
    high = None if high in (None, "") else int(high)
    _check_ports(protocol, low, high)
    prefix, remote = body.get("remote_ip_prefix") or None, body.get("remote_group_id") or None
    if prefix is not None and remote is not None:
        raise SecurityGroupRemoteGroupAndRemoteIpPrefix()
    return SecurityGroupRule(
        id=new_uuid(),
        project_id=group.project_id,
        security_group_id=group.id,
        direction=body["direction"],
        ethertype=ethertype,
        protocol=protocol,
        port_range_min=low,
        port_range_max=high,
        remote_ip_prefix=None if prefix is None else _prefix(prefix, ethertype),
        remote_group_id=remote,
        description=body.get("description") or "",
    )


def _ethertype(text: str | None) -> str:
    found = {"ipv4": "IPv4", "ipv6": "IPv6"}.get(str(text or "IPv4").lower())
    if found is None:
        raise SecurityGroupRuleInvalidEtherType(ethertype=text)
    return found


def _protocol(value: Any, ethertype: str) -> str | None:
    """A protocol by its name where it has one, None for any."""
    if value is None:
        return None
    text = str(value).strip().lower()
    text = _ALIASES.get(text, text)
    if text == "":
        return None
    if text.isascii() and text.isdigit() and len(text) < 4:
        number = int(text)
        if number > 255:
            raise _unknown(value)
        name = _NAMES.get(number, str(number))
    elif text in PROTOCOLS:
        name = text
    else:
        raise _unknown(value)
    if name == "icmp" and ethertype == "IPv6":
        return "ipv6-icmp"
    if name in _ONLY_SIX and ethertype == "IPv4":
        raise SecurityGroupEthertypeConflictWithProtocol(ethertype=ethertype, protocol=value)
    return name


def _unknown(value: Any) -> SecurityGroupRuleInvalidProtocol:
    return SecurityGroupRuleInvalidProtocol(protocol=str(value)[:80], values=[None, *sorted(PROTOCOLS)])


def _check_ports(protocol: str | None, low: int | None, high: int | None) -> None:
    if low is None and high is None:
        return
    if protocol is None:
        raise SecurityGroupProtocolRequiredWithPorts()
    if protocol in _ICMP:
        for field, attr, value in (("type", "port_range_min", low), ("code", "port_range_max", high)):
            if value is not None and not 0 <= value <= 255:
                raise SecurityGroupInvalidIcmpValue(field=field, attr=attr, value=value)
        if low is None:
            raise SecurityGroupMissingIcmpType(value=high)
        return
    if protocol not in _WITH_PORTS:
        raise InvalidInput(error_message=f"Invalid port range for protocol {protocol}: it has no ports")
    for value in (low, high):
        if value is not None and not 1 <= value <= 65535:
            raise SecurityGroupInvalidPortValue(port=value)
    if low is None or high is None or low > high:
        raise SecurityGroupInvalidPortRange()


def _prefix(text: str, ethertype: str) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise InvalidInput(error_message=f"'{text}' is not a valid CIDR") from None
    if network.version != (6 if ethertype == "IPv6" else 4):
        raise SecurityGroupRuleParameterConflict(ethertype=ethertype, cidr=text)
    return str(network)
