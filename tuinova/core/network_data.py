"""`network_data.json`: links, networks and name servers (nova/virt/netutils.py get_network_metadata)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from tuinova.core.guest_facts import GuestAddress, GuestPort

_ANYWHERE = {4: "0.0.0.0", 6: "::"}  # noqa: S104 - the default route, not an address to listen on
# The part of a port's id that fits into an interface's name (nova/network/model.py NIC_NAME_LEN).
_NAME_LENGTH = 14


def network_document(ports: Sequence[GuestPort]) -> dict[str, Any]:
    """The whole document.

    Nova speaks of the first subnet of each version; here every fixed address has its entry. DHCP gives one address of
    each version, so a further one of the same version is told with all that it takes to set it by hand.
    """
    links: list[dict[str, Any]] = []
    networks: list[dict[str, Any]] = []
    services: dict[str, None] = {}
    for port in ports:
        link = f"tap{port.port_id}"[:_NAME_LENGTH]
        links.append(
            {
                "id": link,
                "vif_id": port.port_id,
                "type": "bridge",
                "mtu": port.mtu,
                "ethernet_mac_address": port.mac,
            }
        )
        leased: set[int] = set()
        for address in port.addresses:
            entry = {"id": f"network{len(networks)}", "link": link, "network_id": port.network_id}
            networks.append(entry | _how(address, leased))
            services.update(dict.fromkeys(address.dns))
    return {"links": links, "networks": networks, "services": [_dns(address) for address in services]}


def _how(address: GuestAddress, leased: set[int]) -> dict[str, Any]:
    """How the guest gets this address: asks for it, makes it up, or sets it."""
    version = address.version
    kind = f"ipv{version}"
    if version == 6 and address.dhcp and address.ipv6_mode is not None:
        kind = f"ipv6_{address.ipv6_mode}"
    elif address.dhcp and version not in leased:
        leased.add(version)
        return {"type": f"ipv{version}_dhcp"}
    subnet = ipaddress.ip_network(address.cidr, strict=False)
    return {
        "type": kind,
        "ip_address": address.address,
        "netmask": str(subnet.netmask),
        "routes": _routes(address),
        "services": [_dns(server) for server in address.dns],
    }


def _routes(address: GuestAddress) -> list[dict[str, str]]:
    anywhere = _ANYWHERE[address.version]
    routes = [{"network": anywhere, "netmask": anywhere, "gateway": address.gateway}] if address.gateway else []
    for destination, gateway in address.routes:
        network = ipaddress.ip_network(destination, strict=False)
        if network.version == address.version:
            routes.append(
                {"network": str(network.network_address), "netmask": str(network.netmask), "gateway": gateway}
            )
    return routes


def _dns(address: str) -> dict[str, str]:
    return {"type": "dns", "address": address}
