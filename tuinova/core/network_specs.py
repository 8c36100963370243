"""From the records of networks to what drivers are told of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tuinova.core.records import Network, Port, SecurityGroup, Subnet
from tuinova.virt.networks import (
    FirewallRule,
    FixedIp,
    NetworkMode,
    NetworkSpec,
    PortForward,
    PortSecurity,
    SubnetSpec,
)

_ROUTERLESS = frozenset({NetworkMode.PROVIDER})


def subnet_spec(network: Network, subnet: Subnet, dhcp_addresses: Mapping[str, str]) -> SubnetSpec:
    """A subnet as a host shall have it; `dhcp_addresses`: subnet to the address that DHCP has of its own there."""
    own = dhcp_addresses.get(subnet.id)
    host_address = own if network.mode in _ROUTERLESS else subnet.gateway_ip or own
    return SubnetSpec(
        id=subnet.id,
        cidr=subnet.cidr,
        gateway=subnet.gateway_ip,
        host_address=host_address,
        pools=tuple((pool["start"], pool["end"]) for pool in subnet.allocation_pools),
        dhcp=subnet.enable_dhcp,
        dns=tuple(subnet.dns_nameservers),
        routes=tuple((route["destination"], route["nexthop"]) for route in subnet.host_routes),
        ipv6_mode=(subnet.ipv6_address_mode or subnet.ipv6_ra_mode) if subnet.ip_version == 6 else None,
    )


def network_spec(
    network: Network, subnets: Iterable[Subnet], dhcp_addresses: Mapping[str, str] | None = None
) -> NetworkSpec:
    """A network as a host shall have it."""
    return NetworkSpec(
        id=network.id,
        name=network.name,
        mode=NetworkMode(network.mode),
        subnets=tuple(subnet_spec(network, subnet, dhcp_addresses or {}) for subnet in subnets),
        bridge=network.bridge,
        source=None if network.is_ours else network.name,
        mtu=network.mtu,
        dns_domain=network.dns_domain,
    )


def fixed_ips(port: Port) -> tuple[FixedIp, ...]:
    """The addresses of a port."""
    return tuple(FixedIp(one.address, one.prefix, one.subnet_id) for one in port.fixed_ips)


def forwards(port: Port) -> tuple[PortForward, ...]:
    """What leads from the host to a guest in user-mode networking."""
    return tuple(
        PortForward(one["protocol"], one["host_port"], one["guest_port"], one.get("host_address", "127.0.0.1"))
        for one in port.forwards
    )


def security(
    port: Port, groups: Mapping[str, SecurityGroup], members: Mapping[str, Sequence[str]]
) -> PortSecurity | None:
    """The firewall of a port: its groups' rules, remote groups as the addresses of their members; None for none."""
    if not port.port_security_enabled:
        return None
    rules = []
    for ident in port.security_groups:
        for rule in groups[ident].rules if ident in groups else ():
            remote: tuple[str, ...] | None = None
            if rule.remote_group_id is not None:
                six = rule.ethertype == "IPv6"
                remote = tuple(one for one in members.get(rule.remote_group_id, ()) if (":" in one) == six)
            elif rule.remote_ip_prefix is not None:
                remote = (rule.remote_ip_prefix,)
            rules.append(
                FirewallRule(
                    direction=rule.direction,
                    ethertype=rule.ethertype,
                    protocol=rule.protocol,
                    port_min=rule.port_range_min,
                    port_max=rule.port_range_max,
                    remote=remote,
                )
            )
    pairs = tuple((pair["ip_address"], pair.get("mac_address") or port.mac) for pair in port.allowed_address_pairs)
    return PortSecurity(rules=tuple(dict.fromkeys(rules)), allowed_pairs=pairs)
