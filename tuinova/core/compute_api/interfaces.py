"""Interfaces, addresses and security groups of a server (nova/compute/api.py, attach_interfaces.py, multinic.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuinova.core.compute_api import networks
from tuinova.core.compute_api.accepting import Accepted, Acceptor, Handler
from tuinova.core.compute_api.guards import check
from tuinova.core.conductor.server_ports import has_port
from tuinova.core.context import RequestContext
from tuinova.core.drafts import OrderDraft, PortWish, new_uuid
from tuinova.core.errors import InstanceNotReady, Invalid, NotFound, OverQuota
from tuinova.core.errors.server_networks import (
    InterfaceAttachFailedNoNetwork,
    NetworkAmbiguous,
    NetworkNotFoundAsked,
    NoUniqueMatch,
    NovaPortNotFound,
    PortLimitExceeded,
    PortNotFoundAsked,
    SecurityGroupNotFoundForProject,
)
from tuinova.core.records import Instance, Network, ReportedNetwork, SecurityGroup
from tuinova.core.states import Action


# attach, detach ------------------------------------------------------------------------------------------------------
def _attach(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    asked: Mapping[str, Any] = body or {}
    seen = api.look(ctx, row, uuid)
    try:
        wish = _wish(api, ctx, asked, seen)
    except (NetworkNotFoundAsked, PortNotFoundAsked) as error:
        raise NotFound(error.message) from error
    ident = wish.port_id or new_uuid()
    try:
        accepted = api.accept(
            ctx,
            uuid,
            check=_on_host(api, ctx, row, seen.host),
            updates={},
            record=row.recorded_as,
            order=lambda instance: OrderDraft("attach_interface", instance.host, {"port_id": ident}),
            also=[api.conductor.add_port(wish, ident)],
        )
    except OverQuota as error:
        raise PortLimitExceeded() from error
    return Accepted(accepted, {"port_id": ident})


def _on_host(api: Acceptor, ctx: RequestContext, row: Action, host: str | None) -> Any:
    def allowed(instance: Instance) -> None:
        check(ctx, row, instance, api.host_up)
        # What was chosen is that host's; a server that moved meanwhile is asked for again.
        if instance.host is None or instance.host != host:
            raise InstanceNotReady(instance_id=instance.uuid)

    return allowed


def _wish(api: Acceptor, ctx: RequestContext, asked: Mapping[str, Any], server: Instance) -> PortWish:
    """The port that is asked for; raises Nova's refusals."""
    net_id, port_id, tag = asked.get("net_id"), asked.get("port_id"), asked.get("tag")
    addresses = [one["ip_address"] for one in asked.get("fixed_ips") or ()]
    if net_id and port_id:
        raise Invalid("Must not input both network_id and port_id")
    if addresses and not net_id:
        raise Invalid("Must input network_id when request IP address")
    if port_id:
        port = networks.asked_port(ctx, str(port_id), api.conductor)
        network = api.conductor.network(port.network_id)
        reported = None if network.is_ours else _reported(api, server, network)
        return PortWish(network=reported, port_id=port.id, tag=tag)
    network = networks.asked_network(ctx, str(net_id), api.conductor) if net_id else _only(api, ctx, server)
    fixed = tuple(networks.checked_address(api.conductor, network, one) for one in addresses)
    if network.is_ours:
        return PortWish(network_id=network.id, fixed=fixed, tag=tag)
    return PortWish(network=_reported(api, server, network), fixed=fixed, tag=tag)


def _only(api: Acceptor, ctx: RequestContext, server: Instance) -> Network:
    """What "some network" means: the only one of the project, else the default one of the server's host."""
    found = networks.available(ctx, api.conductor)
    if len(found) > 1:
        raise NetworkAmbiguous()
    if found:
        return networks.asked_network(ctx, found[0].id, api.conductor)
    for reported in api.conductor.host_networks(server.host)[:1]:
        return networks.asked_network(ctx, reported.id, api.conductor)
    raise InterfaceAttachFailedNoNetwork(project_id=server.project_id)


def _reported(api: Acceptor, server: Instance, network: Network) -> ReportedNetwork:
    for reported in api.conductor.host_networks(server.host):
        if reported.name == network.name:
            return reported
    raise NetworkNotFoundAsked(network_id=network.id)


def _detach(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    port_id = str(body["port_id"])
    seen = api.look(ctx, row, uuid)
    if all(address["port_id"] != port_id for address in seen.addresses):
        raise NovaPortNotFound(port_id=port_id)
    return Accepted(api.order(ctx, row, uuid, "detach_interface", {"port_id": port_id}, also=[has_port(port_id)]))


# addresses -----------------------------------------------------------------------------------------------------------
def _add_fixed_ip(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    asked = str(body["networkId"])
    api.look(ctx, row, uuid)
    try:
        network = networks.asked_network(ctx, asked, api.conductor)
    except NetworkNotFoundAsked as error:
        raise NotFound(error.message) from error
    return _now(api, ctx, row, uuid, api.conductor.add_fixed_ip(network.id))


def _remove_fixed_ip(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    return _now(api, ctx, row, uuid, api.conductor.remove_fixed_ip(str(body["address"])))


def _now(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, part: Any) -> Accepted:
    """Written at once; what the guest and its firewall see of it are orders that the part writes."""
    return Accepted(api.conductor.accept(ctx, uuid, check=api.check(ctx, row), updates={}, also=[part]))


# security groups -----------------------------------------------------------------------------------------------------
def asked_group(api: Acceptor, ctx: RequestContext, server: Instance, name: str) -> SecurityGroup:
    """A group of the server's project by name or id."""
    if name == "default":
        api.conductor.ensure_default_group(server.project_id)
    groups = api.conductor.security_groups(server.project_id)
    found = [group for group in groups if group.id == name] or [group for group in groups if group.name == name]
    if not found:
        raise SecurityGroupNotFoundForProject(name=name, project_id=server.project_id)
    if len(found) > 1:
        raise NoUniqueMatch(name=name)
    return found[0]


def _add_group(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    group = asked_group(api, ctx, api.look(ctx, row, uuid), _name_of(body))
    return _now(api, ctx, row, uuid, api.conductor.add_group(group))


def _remove_group(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    group = asked_group(api, ctx, api.look(ctx, row, uuid), _name_of(body))
    return _now(api, ctx, row, uuid, api.conductor.remove_group(group))


def _name_of(body: Any) -> str:
    name = body.get("name") if isinstance(body, Mapping) else None
    if not isinstance(name, str) or not name.strip():
        raise Invalid("Security group name cannot be empty")
    return name


HANDLERS: Mapping[str, Handler] = {
    "attach_interface": _attach,
    "detach_interface": _detach,
    "addFixedIp": _add_fixed_ip,
    "removeFixedIp": _remove_fixed_ip,
    "addSecurityGroup": _add_group,
    "removeSecurityGroup": _remove_group,
}
