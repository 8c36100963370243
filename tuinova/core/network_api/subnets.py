"""Subnets as their users ask for them."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tuinova.core.conductor import Conductor
from tuinova.core.conductor.addresses import default_pools, holds
from tuinova.core.context import RequestContext
from tuinova.core.drafts import new_uuid
from tuinova.core.errors.network import (
    GatewayConflictWithAllocationPools,
    InvalidAllocationPool,
    InvalidInput,
    OutOfBoundsAllocationPool,
    OverlappingAllocationPools,
    SubnetNotFound,
)
from tuinova.core.network_api import access
from tuinova.core.network_api.hosts import NetworkHosts
from tuinova.core.network_api.networks import NetworkCalls
from tuinova.core.network_specs import network_spec
from tuinova.core.records import Network, ReportedNetwork, Subnet

_CHANGEABLE = ("name", "description", "enable_dhcp", "dns_nameservers", "host_routes", "tags")
_SMALLEST = {4: 30, 6: 126}


@dataclass(frozen=True, slots=True)
class SubnetCalls:
    """Create, show, change, delete."""

    conductor: Conductor
    hosts: NetworkHosts
    networks: NetworkCalls

    def all(self, ctx: RequestContext) -> list[Subnet]:
        """Those of the networks that the caller sees, the ranges of the hosts' own networks too."""
        seen = {network.id: network for network in self.networks.all(ctx)}
        ours = [subnet for subnet in self.conductor.subnets() if subnet.network_id in seen]
        return [*self._of_hosts(seen.values()), *ours]

    def _of_hosts(self, networks: Any) -> Sequence[Subnet]:
        by_name = {network.name: network for network in networks if not network.is_ours}
        return [
            of_host(by_name[reported.name], reported)
            for reported in self.conductor.host_networks()
            if reported.name in by_name
        ]

    def get(self, ctx: RequestContext, ident: str) -> Subnet:
        """One of them; raises SubnetNotFound."""
        for subnet in self.all(ctx):
            if subnet.id == ident:
                return subnet
        raise SubnetNotFound(subnet_id=ident)

    def mine(self, ctx: RequestContext, ident: str, action: str) -> tuple[Network, Subnet]:
        """One that the caller may change, with its network."""
        subnet = self.get(ctx, ident)
        network = self.conductor.network(subnet.network_id)
        if "member" not in ctx.all_roles or not access.owns(ctx, network.project_id):
            raise access.refuse(f"{action}_subnet")
        return network, subnet

    def create(self, ctx: RequestContext, body: Mapping[str, Any]) -> Subnet:
        """A new range of addresses of a network."""
        access.check_attributes(ctx, "create", "subnet", body)
        network = self.networks.get(ctx, body["network_id"])
        if not access.owns(ctx, network.project_id):
            raise access.refuse("create_subnet")
        subnet = draft(body, access.project_of(ctx, "create", "subnet", body) or network.project_id)
        if network.is_ours:
            self._ask_hosts(network, [*self.conductor.subnets(network.id), subnet])
        return self.conductor.create_subnet(subnet)

    def _ask_hosts(self, network: Network, subnets: Sequence[Subnet]) -> None:
        self.hosts.check(network_spec(network, subnets))

    def update(self, ctx: RequestContext, ident: str, body: Mapping[str, Any]) -> Subnet:
        """Change a subnet; its range and version stay."""
        network, subnet = self.mine(ctx, ident, "update")
        values = {name: body[name] for name in _CHANGEABLE if name in body}
        if "gateway_ip" in body:
            values["gateway_ip"] = _address(body["gateway_ip"], subnet.cidr, "gateway_ip")
        if "allocation_pools" in body:
            values["allocation_pools"] = _plain_pools(body["allocation_pools"])
        if not values or not network.is_ours:
            return subnet if not values else self.conductor.update_subnet(ident, values)
        new = replace(subnet, **values)
        _check(new, given_pools="allocation_pools" in values)
        self._ask_hosts(network, [new if one.id == ident else one for one in self.conductor.subnets(network.id)])
        return self.conductor.update_subnet(ident, values)

    def delete(self, ctx: RequestContext, ident: str) -> None:
        """Remove it."""
        self.mine(ctx, ident, "delete")
        self.conductor.delete_subnet(ident)


def of_host(network: Network, reported: ReportedNetwork) -> Subnet:
    """The range that a host has of its own network, as a subnet: one for each host."""
    net = ipaddress.ip_network(reported.cidr, strict=False)
    return Subnet(
        id=reported.id,
        network_id=network.id,
        project_id=network.project_id,
        name=f"{reported.name} on {reported.host}",
        description="",
        ip_version=net.version,
        cidr=str(net),
        gateway_ip=reported.gateway,
        enable_dhcp=True,
        dns_nameservers=list(reported.dns),
        host_routes=[],
        allocation_pools=[{"start": reported.first, "end": reported.last}],
        ipv6_ra_mode=None,
        ipv6_address_mode=None,
        tags=[],
        created_at=network.created_at,
    )


# what a new subnet must be -------------------------------------------------------------------------------------------
def draft(body: Mapping[str, Any], project_id: str) -> Subnet:
    """The subnet of a request; raises what Neutron refuses of it alone."""
    network = _cidr(body)
    gateway = _gateway(body, network)
    pools = body.get("allocation_pools")
    subnet = Subnet(
        id=new_uuid(),
        network_id=body["network_id"],
        project_id=project_id,
        name=body.get("name") or "",
        description=body.get("description") or "",
        ip_version=network.version,
        cidr=str(network),
        gateway_ip=gateway,
        enable_dhcp=body.get("enable_dhcp", True),
        dns_nameservers=_each_address(body.get("dns_nameservers") or [], "dns_nameservers"),
        host_routes=list(body.get("host_routes") or []),
        allocation_pools=_plain_pools(pools) if pools else [dict(one) for one in default_pools(str(network), gateway)],
        ipv6_ra_mode=body.get("ipv6_ra_mode"),
        ipv6_address_mode=body.get("ipv6_address_mode"),
        tags=[],
    )
    _check(subnet, given_pools=bool(pools))
    return subnet


def _cidr(body: Mapping[str, Any]) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    text = body.get("cidr")
    if not text:
        raise InvalidInput(error_message="a subnet must have a cidr: there are no subnet pools")
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise InvalidInput(error_message=f"'{text}' is not a valid IP subnet") from None
    if "/" not in text:
        whole = f"{text}/{network.max_prefixlen}"
        raise InvalidInput(error_message=f"'{text}' isn't a recognized IP subnet cidr, '{whole}' is recommended")
    if body.get("ip_version") not in (None, network.version):
        raise InvalidInput(error_message=f"cidr {text} does not match the ip_version '{body['ip_version']}'")
    if network.prefixlen > _SMALLEST[network.version] or network.prefixlen < (8 if network.version == 4 else 16):
        raise InvalidInput(error_message=f"a subnet of the size /{network.prefixlen} can't be used for guests")
    if network.is_multicast or network.is_loopback or network.is_unspecified or network.is_link_local:
        raise InvalidInput(error_message=f"'{text}' is no range for guests: multicast, loopback or link-local")
    return network


def _gateway(body: Mapping[str, Any], network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str | None:
    if "gateway_ip" in body and body["gateway_ip"] != "":
        return _address(body["gateway_ip"], str(network), "gateway_ip")
    return str(network[1])


def _address(text: str | None, cidr: str, what: str) -> str | None:
    """An address that the subnet has; None stays None."""
    if text is None:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise InvalidInput(error_message=f"'{text}' is not a valid IP address for {what}") from None
    if address not in ipaddress.ip_network(cidr) or (address.version == 4 and not holds_any(cidr, str(address))):
        raise InvalidInput(error_message=f"Gateway is not valid on subnet: {text} is not in {cidr}")
    return str(address)


def holds_any(cidr: str, address: str) -> bool:
    """Whether it is neither the network's own address nor its broadcast."""
    network = ipaddress.ip_network(cidr)
    return ipaddress.ip_address(address) not in (network.network_address, network.broadcast_address)


def _each_address(texts: Sequence[str], what: str) -> list[str]:
    found = []
    for text in texts:
        try:
            found.append(str(ipaddress.ip_address(text)))
        except ValueError:
            raise InvalidInput(error_message=f"'{text}' is not a valid IP address for {what}") from None
    if len(set(found)) != len(found):
        raise InvalidInput(error_message=f"Duplicate items in {what}")
    return found


def _plain_pools(pools: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    found = []
    for pool in pools:
        try:
            first, last = ipaddress.ip_address(pool["start"]), ipaddress.ip_address(pool["end"])
        except ValueError:
            raise InvalidAllocationPool(pool=f"{pool['start']}-{pool['end']}") from None
        if first.version != last.version or int(first) > int(last):
            raise InvalidAllocationPool(pool=f"{first}-{last}")
        found.append({"start": str(first), "end": str(last)})
    return found


def _check(subnet: Subnet, *, given_pools: bool) -> None:
    _check_modes(subnet)
    subnet.dns_nameservers[:] = _each_address(subnet.dns_nameservers, "dns_nameservers")
    for route in subnet.host_routes:
        _check_route(route, subnet.ip_version)
    if given_pools:
        _check_pools(subnet)
    if subnet.gateway_ip is not None:
        gateway = int(ipaddress.ip_address(subnet.gateway_ip))
        for pool in subnet.allocation_pools:
            if int(ipaddress.ip_address(pool["start"])) <= gateway <= int(ipaddress.ip_address(pool["end"])):
                shown = f"{pool['start']}-{pool['end']}"
                raise GatewayConflictWithAllocationPools(ip_address=subnet.gateway_ip, pool=shown)


def _check_pools(subnet: Subnet) -> None:
    spans = []
    for pool in subnet.allocation_pools:
        shown = f"{pool['start']}-{pool['end']}"
        if not holds(subnet, pool["start"]) or not holds(subnet, pool["end"]):
            raise OutOfBoundsAllocationPool(pool=shown, subnet_cidr=subnet.cidr)
        spans.append((int(ipaddress.ip_address(pool["start"])), int(ipaddress.ip_address(pool["end"])), shown))
    spans.sort()
    for (_, end, before), (start, _, after) in itertools.pairwise(spans):
        if start <= end:
            raise OverlappingAllocationPools(pool_1=before, pool_2=after, subnet_cidr=subnet.cidr)


def _check_modes(subnet: Subnet) -> None:
    ra, mode = subnet.ipv6_ra_mode, subnet.ipv6_address_mode
    if subnet.ip_version == 4:
        if ra or mode:
            raise InvalidInput(error_message="ipv6_ra_mode and ipv6_address_mode can't be set for an IPv4 subnet")
        return
    if (ra or mode) and not subnet.enable_dhcp:
        raise InvalidInput(
            error_message="ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False"
        )
    if ra and mode and ra != mode:
        raise InvalidInput(
            error_message=f"ipv6_ra_mode set to '{ra}' with ipv6_address_mode set to '{mode}' is not valid. If both "
            "attributes are set, they must be the same value"
        )
    if subnet.by_mac and ipaddress.ip_network(subnet.cidr).prefixlen != 64:
        raise InvalidInput(
            error_message=f"Invalid CIDR {subnet.cidr} for IPv6 address mode. OpenStack uses the EUI-64 address format,"
            " which requires the prefix to be /64"
        )


def _check_route(route: Mapping[str, str], version: int) -> None:
    try:
        destination, nexthop = ipaddress.ip_network(route["destination"]), ipaddress.ip_address(route["nexthop"])
    except ValueError:
        raise InvalidInput(error_message=f"Invalid host route: {route['destination']} via {route['nexthop']}") from None
    if destination.version != version or nexthop.version != version:
        raise InvalidInput(error_message=f"Invalid host route: {route['destination']} is not of IPv{version}")
