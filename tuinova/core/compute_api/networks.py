"""What a request for servers says of networks and security groups, checked before anything is written.

Sources: nova/network/neutron.py validate_networks, nova/api/openstack/compute/servers.py, nova/compute/api.py.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuinova.core.compute_api.request import CreateRequest
from tuinova.core.conductor import Conductor
from tuinova.core.conductor.addresses import holds, host_scope, in_range, is_shared
from tuinova.core.context import RequestContext
from tuinova.core.errors import Invalid
from tuinova.core.errors.network import DuplicateTag, PortNotFound
from tuinova.core.errors.server_networks import (
    ExternalNetworkAttachForbidden,
    FixedIpAlreadyInUse,
    FixedIpNotInSubnet,
    NetworkAmbiguous,
    NetworkNotFoundAsked,
    NetworkRequiresSubnet,
    NoUniqueMatch,
    NovaPortInUse,
    PortLimitExceeded,
    PortNotFoundAsked,
    PortRequiresFixedIP,
    SecurityGroupCannotBeApplied,
    SecurityGroupNotFoundAsked,
)
from tuinova.core.network_api import access
from tuinova.core.quota_table import NETWORK
from tuinova.core.records import Network, Port

DEFAULT_GROUPS = ("default",)
Wish = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What servers shall join: "none", "auto" (the host's default network), or wishes {network | host | port, ...}.

    `groups` are the ids of the security groups of ports that are made, None: the project's default one.
    """

    networks: str | list[Wish]
    groups: list[str] | None = None
    names: tuple[str, ...] = DEFAULT_GROUPS

    @property
    def ports(self) -> list[str]:
        """The ports that are there already."""
        return [wish["port"] for wish in self.networks if "port" in wish] if isinstance(self.networks, list) else []


def check(ctx: RequestContext, request: CreateRequest, conductor: Conductor) -> Asked:
    """Nova's checks of `networks` and `security_groups`; raises its refusals."""
    groups, names = asked_groups(ctx, request.security_groups, conductor)
    asked = request.networks
    if asked == "none":
        return Asked("none", groups, names)
    if asked is None or isinstance(asked, str) or not asked:
        found = available(ctx, conductor)
        if len(found) > 1:
            raise NetworkAmbiguous()
        if not found:
            return Asked("auto", groups, names)
        asked = [{"uuid": found[0].id}]
    wishes = [_wish(ctx, item, conductor, request.counts[1]) for item in asked]
    _refuse_twice(asked, wishes)
    _check_groups(conductor, wishes, groups)
    if any("network" in wish for wish in wishes):
        check_quota(ctx, conductor, sum("port" not in wish for wish in wishes) * request.counts[1])
    return Asked(wishes, groups, names)


def available(ctx: RequestContext, conductor: Conductor) -> list[Network]:
    """What "some network" may mean: the project's own and shared networks of ours.

    Where there are none it is the host's default one, which stands for Nova's topology that is made on demand.
    """
    return [
        network
        for network in conductor.own_networks()
        if not network.external and network.admin_state_up and (network.shared or network.project_id == ctx.project_id)
    ]


def check_quota(ctx: RequestContext, conductor: Conductor, more: int) -> None:
    """Raise Nova's refusal when so many ports more do not fit."""
    project = ctx.project_id or ""
    limit = conductor.quota_of(project, NETWORK)["port"]
    if 0 <= limit < conductor.quota_usage(project, NETWORK).get("port", 0) + more:
        raise PortLimitExceeded()


# one item ------------------------------------------------------------------------------------------------------------
def _wish(ctx: RequestContext, item: Mapping[str, Any], conductor: Conductor, most: int) -> Wish:
    address, tag = item.get("fixed_ip"), item.get("tag")
    more = {"tag": tag} if tag else {}
    if item.get("port"):
        if address:
            raise Invalid(
                f"Specified Fixed IP '{address}' cannot be used with port '{item['port']}': the two cannot be "
                "specified together."
            )
        if most > 1:
            raise Invalid(
                "Failed to launch instances: Unable to launch multiple instances with a single configured port ID. "
                "Please launch your instance one by one with different ports."
            )
        port = asked_port(ctx, str(item["port"]), conductor)
        network = conductor.network(port.network_id)
        return {"port": port.id, **({} if network.is_ours else {"host": network.name}), **more}
    if address and most > 1:
        raise Invalid("Failed to launch instances: max_count cannot be greater than 1 if an fixed_ip is specified.")
    network = asked_network(ctx, str(item.get("uuid")), conductor)
    fixed = [checked_address(conductor, network, str(address))] if address else []
    place: Wish = {"network": network.id} if network.is_ours else {"host": network.name}
    return {**place, **({"fixed": fixed} if fixed else {}), **more}


def asked_port(ctx: RequestContext, ident: str, conductor: Conductor, *, has_server: str = "") -> Port:
    """A port that a server may have; raises PortNotFoundAsked, PortInUse, PortRequiresFixedIP."""
    try:
        port = conductor.port(ident)
    except PortNotFound as error:
        raise PortNotFoundAsked(port_id=ident) from error
    if not access.owns(ctx, port.project_id):
        raise PortNotFoundAsked(port_id=ident)
    if port.device_id:
        raise NovaPortInUse(port_id=ident)
    if not port.fixed_ips and conductor.network(port.network_id).is_ours:
        raise PortRequiresFixedIP(port_id=ident)
    return port


def asked_network(ctx: RequestContext, ident: str, conductor: Conductor) -> Network:
    """A network that servers of the caller may join; a host's own one also by its name or its range there."""
    networks = {network.id: network for network in conductor.networks()}
    network = networks.get(ident)
    if network is None:
        names = {one.id: one.name for one in conductor.host_networks()}
        name = names.get(ident, ident)
        network = next((one for one in networks.values() if one.name == name and not one.is_ours), None)
    if network is None or not access.sees_network(ctx, network):
        raise NetworkNotFoundAsked(network_id=ident)
    if not access.may_join(ctx, network):
        raise ExternalNetworkAttachForbidden(network_uuid=network.id)
    if network.is_ours and not conductor.subnets(network.id):
        raise NetworkRequiresSubnet(network_uuid=network.id)
    return network


def checked_address(conductor: Conductor, network: Network, address: str) -> tuple[str | None, str]:
    """(subnet, address) of a wish; raises FixedIpNotInSubnet, FixedIpAlreadyInUse."""
    try:
        address = str(ipaddress.ip_address(address))
    except ValueError:
        raise Invalid(f"Invalid fixed IP address ({address[:60]})") from None
    if not network.is_ours:
        _check_on_hosts(conductor, network, address)
        return None, address
    for subnet in conductor.subnets(network.id):
        if holds(subnet, address):
            if address == subnet.gateway_ip or conductor.address_holder(subnet.id, address):
                raise FixedIpAlreadyInUse(address=address)
            return subnet.id, address
    raise FixedIpNotInSubnet(address=address, network_id=network.id)


def _check_on_hosts(conductor: Conductor, network: Network, address: str) -> None:
    """Refuse what can't be had on any host; where it may be had, that host has the last word."""
    reported = [one for one in conductor.host_networks() if one.name == network.name and not is_shared(one)]
    possible = [one for one in reported if in_range(one, address)]
    if reported and not possible:
        raise FixedIpNotInSubnet(address=address, network_id=network.id)
    if possible and all(
        address == one.gateway or conductor.address_holder(host_scope(one.host, one.name), address) for one in possible
    ):
        raise FixedIpAlreadyInUse(address=address)


def _refuse_twice(asked: Sequence[Mapping[str, Any]], wishes: Sequence[Wish]) -> None:
    seen: set[str] = set()
    for item, wish in zip(asked, wishes, strict=True):
        for key in ("port", "network", "host"):
            if key not in wish:
                continue
            if wish[key] in seen and key != "network":
                raise Invalid(f"Duplicate networks ({item.get('port') or item.get('uuid')}) are not allowed")
            if key == "port" or "port" not in wish:
                seen.add(wish[key])
    tags = [wish["tag"] for wish in wishes if "tag" in wish]
    for tag in tags:
        if tags.count(tag) > 1:
            raise DuplicateTag(tag=tag)


# security groups -----------------------------------------------------------------------------------------------------
def asked_groups(
    ctx: RequestContext, names: Sequence[str] | None, conductor: Conductor
) -> tuple[list[str] | None, tuple[str, ...]]:
    """(ids, names) of the groups that are asked for by name or id; (None, default) where it is only the default.

    An empty list is what a client says that wants no group (`server create --no-security-group`).
    """
    asked = DEFAULT_GROUPS if names is None else tuple(dict.fromkeys(names))
    if asked == DEFAULT_GROUPS:
        return None, DEFAULT_GROUPS
    if not asked:
        return [], ()
    groups = conductor.security_groups(ctx.project_id)
    known = {key for group in groups for key in (group.id, group.name)} | set(DEFAULT_GROUPS)
    for name in asked:
        if name not in known:
            raise SecurityGroupNotFoundAsked(name=name, project_id=ctx.project_id)
    if all(group.name not in DEFAULT_GROUPS for group in groups):
        conductor.ensure_default_group(ctx.project_id or "")
        groups = conductor.security_groups(ctx.project_id)
    found: dict[str, str] = {}
    for name in asked:
        fitting = [group for group in groups if group.id == name] or [group for group in groups if group.name == name]
        if len(fitting) > 1:
            raise NoUniqueMatch(name=name)
        found[fitting[0].id] = fitting[0].name
    return list(found), tuple(dict.fromkeys(found.values()))


def _check_groups(conductor: Conductor, wishes: Sequence[Wish], groups: list[str] | None) -> None:
    """Groups that would guard nothing are refused, where they are more than the default."""
    if not groups:
        return
    networks = {key: network for network in conductor.networks() for key in (network.id, network.name)}
    for wish in wishes:
        network = networks.get(str(wish.get("network") or wish.get("host")))
        if "port" not in wish and network is not None and not network.port_security_enabled:
            raise SecurityGroupCannotBeApplied()
