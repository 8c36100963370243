"""`tuinova subnet`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tuinova.cli import network_parts as parts
from tuinova.cli.arguments import choice
from tuinova.cli.commands import exclusive, lister, new_app, session, shower
from tuinova.cli.diagnostics import CommandError
from tuinova.cli.output import Listing, Record
from tuinova.i18n import _

app = new_app(_("Subnets"))
APPS = {"subnet": app}
_IPV6_MODES = ("dhcpv6-stateful", "dhcpv6-stateless", "slaac")

Subnet = Annotated[str, typer.Argument(metavar="<subnet>", help=_("Subnet (name or ID)"))]
Dhcp = Annotated[bool, typer.Option("--dhcp", help=_("Addresses are handed out by DHCP (default)"))]
NoDhcp = Annotated[bool, typer.Option("--no-dhcp", help=_("No DHCP"))]
Pools = Annotated[
    list[str] | None,
    typer.Option(
        "--allocation-pool", metavar="start=<ip>,end=<ip>", help=_("Addresses that ports may get (repeatable)")
    ),
]
Nameservers = Annotated[
    list[str] | None, typer.Option("--dns-nameserver", metavar="<ip>", help=_("DNS server (repeatable)"))
]
Routes = Annotated[
    list[str] | None,
    typer.Option(
        "--host-route", metavar="destination=<subnet>,gateway=<ip>", help=_("Route for the guests (repeatable)")
    ),
]
ServiceTypes = Annotated[
    list[str] | None,
    typer.Option("--service-type", metavar="<type>", help=_("Only for ports of this device owner (repeatable)")),
]


def _pools(texts: parts.Texts | None) -> list[parts.Json] | None:
    if texts is None:
        return None
    return [dict(parts.keyed(text, "--allocation-pool", ("start", "end"))) for text in texts]


def _routes(texts: parts.Texts | None) -> list[parts.Json] | None:
    if texts is None:
        return None
    found = [parts.keyed(text, "--host-route", ("destination", "gateway")) for text in texts]
    return [{"destination": route["destination"], "nexthop": route["gateway"]} for route in found]


def _gateway(text: str) -> parts.Json:
    """`auto` says nothing to the service, `none` says null."""
    word = text.lower()
    return {} if word == "auto" else {"gateway_ip": None if word == "none" else text}


@app.command("create", help=_("Create a subnet"))
@shower
def create_subnet(
    name: Annotated[str, typer.Argument(metavar="<name>", help=_("Name of the new subnet"))],
    network: Annotated[str, typer.Option("--network", metavar="<network>", help=_("Its network (name or ID)"))],
    subnet_range: Annotated[
        str | None, typer.Option("--subnet-range", metavar="<cidr>", help=_("Its addresses: 10.1.0.0/24"))
    ] = None,
    project: parts.Project = None,
    dhcp: Dhcp = False,
    no_dhcp: NoDhcp = False,
    dns_publish_fixed_ip: Annotated[
        bool, typer.Option("--dns-publish-fixed-ip", help=_("Its addresses are published in DNS"))
    ] = False,
    no_dns_publish_fixed_ip: Annotated[
        bool, typer.Option("--no-dns-publish-fixed-ip", help=_("They are not (default)"))
    ] = False,
    gateway: Annotated[
        str, typer.Option("--gateway", metavar="<ip>|auto|none", help=_("Gateway: auto is the first address"))
    ] = "auto",
    ip_version: Annotated[int, typer.Option("--ip-version", metavar="4|6", help=_("IP version"))] = 4,
    ipv6_ra_mode: Annotated[
        str | None,
        typer.Option("--ipv6-ra-mode", metavar="|".join(_IPV6_MODES), help=_("What routers advertise")),
    ] = None,
    ipv6_address_mode: Annotated[
        str | None,
        typer.Option("--ipv6-address-mode", metavar="|".join(_IPV6_MODES), help=_("How guests get addresses")),
    ] = None,
    description: parts.Description = None,
    allocation_pool: Pools = None,
    dns_nameserver: Nameservers = None,
    host_route: Routes = None,
    service_type: ServiceTypes = None,
    tag: parts.AddTags = None,
    no_tag: parts.NoTag = False,
) -> Record:
    """Create a range of addresses of a network."""
    choice("--ip-version", ip_version and str(ip_version), ("4", "6"))
    choice("--ipv6-ra-mode", ipv6_ra_mode, _IPV6_MODES)
    choice("--ipv6-address-mode", ipv6_address_mode, _IPV6_MODES)
    exclusive(tag=tag, no_tag=no_tag)
    fields = parts.given(
        name=name,
        cidr=subnet_range,
        ip_version=ip_version,
        enable_dhcp=parts.either(dhcp=dhcp, no_dhcp=no_dhcp),
        dns_publish_fixed_ip=parts.either(
            dns_publish_fixed_ip=dns_publish_fixed_ip, no_dns_publish_fixed_ip=no_dns_publish_fixed_ip
        ),
        ipv6_ra_mode=ipv6_ra_mode,
        ipv6_address_mode=ipv6_address_mode,
        description=description,
        allocation_pools=_pools(allocation_pool),
        dns_nameservers=dns_nameserver,
        host_routes=_routes(host_route),
        service_types=service_type,
    )
    client = session.client
    fields |= _gateway(gateway) | {"network_id": client.networks.find(network)["id"]}
    fields |= parts.given(project_id=parts.project_id(project))
    return parts.network_record(parts.new_tags(client.subnets, client.subnets.create(fields), tag, no_tag))


@app.command("delete", help=_("Delete subnets"))
def delete_subnets(
    subnets: Annotated[list[str], typer.Argument(metavar="<subnet>...", help=_("Subnets (name or ID)"))],
) -> None:
    """Delete subnets; refused while a port has an address of them."""
    parts.delete_each(session.client.subnets, subnets, "subnet", "subnets")


@app.command("list", help=_("List subnets"))
@lister
def list_subnets(
    long: parts.Long = False,
    ip_version: Annotated[
        int | None, typer.Option("--ip-version", metavar="4|6", help=_("Only this IP version"))
    ] = None,
    dhcp: Annotated[bool, typer.Option("--dhcp", help=_("Only with DHCP"))] = False,
    no_dhcp: Annotated[bool, typer.Option("--no-dhcp", help=_("Only without DHCP"))] = False,
    service_type: Annotated[
        list[str] | None, typer.Option(metavar="<type>", help=_("Only for this device owner (repeatable)"))
    ] = None,
    project: Annotated[str | None, typer.Option(metavar="<project>", help=_("Only this project"))] = None,
    network: Annotated[str | None, typer.Option(metavar="<network>", help=_("Only of this network"))] = None,
    gateway: Annotated[str | None, typer.Option(metavar="<ip>", help=_("Only with this gateway"))] = None,
    name: parts.OnlyName = None,
    subnet_range: Annotated[str | None, typer.Option(metavar="<cidr>", help=_("Only this range"))] = None,
    tags: parts.OnlyTags = None,
    any_tags: parts.AnyTags = None,
    not_tags: parts.NotTags = None,
) -> Listing:
    """List subnets."""
    choice("--ip-version", ip_version and str(ip_version), ("4", "6"))
    filters = parts.given(
        ip_version=ip_version,
        enable_dhcp=parts.either(dhcp=dhcp, no_dhcp=no_dhcp),
        service_types=service_type,
        gateway_ip=gateway,
        name=name,
        cidr=subnet_range,
        network_id=session.client.networks.find(network)["id"] if network else None,
        project_id=parts.project_id(project),
    )
    columns = {"ID": "id", "Name": "name", "Network": "network_id", "Subnet": "cidr"}
    if long:
        columns |= {
            "Project": "project_id",
            "DHCP": "enable_dhcp",
            "Name Servers": "dns_nameservers",
            "Allocation Pools": "allocation_pools",
            "Host Routes": "host_routes",
            "IP Version": "ip_version",
            "Gateway": "gateway_ip",
            "Service Types": "service_types",
            "Tags": "tags",
        }
    return parts.network_listing(
        columns, session.client.subnets.list(**filters, **parts.tag_filters(tags, any_tags, not_tags))
    )


def _extended(new: list[Any] | None, have: list[Any], clear: bool) -> list[Any] | None:
    """What a set command leaves: the new ones before those that there are; `clear` leaves none of these."""
    if new is None:
        return [] if clear else None
    return new + ([] if clear else have)


@app.command("set", help=_("Set properties of a subnet"))
def set_subnet(
    subnet: Subnet,
    name: parts.NewName = None,
    dhcp: Dhcp = False,
    no_dhcp: NoDhcp = False,
    gateway: Annotated[
        str | None, typer.Option("--gateway", metavar="<ip>|none", help=_("Gateway, none for no gateway"))
    ] = None,
    description: parts.Description = None,
    allocation_pool: Pools = None,
    no_allocation_pool: Annotated[
        bool, typer.Option("--no-allocation-pool", help=_("Without the pools that there are"))
    ] = False,
    dns_nameserver: Nameservers = None,
    no_dns_nameservers: Annotated[
        bool, typer.Option("--no-dns-nameservers", help=_("Without the DNS servers that there are"))
    ] = False,
    host_route: Routes = None,
    no_host_route: Annotated[
        bool, typer.Option("--no-host-route", help=_("Without the routes that there are"))
    ] = False,
    service_type: ServiceTypes = None,
    tag: parts.AddTags = None,
    no_tag: parts.NoTag = False,
) -> None:
    """Change a subnet; lists are added to, unless their --no-... clears them first."""
    if gateway is not None and gateway.lower() == "auto":
        raise CommandError(_("Auto option is not available for Subnet Set. Valid options are <ip-address> or none"))
    enable_dhcp = parts.either(dhcp=dhcp, no_dhcp=no_dhcp)
    pools, routes = _pools(allocation_pool), _routes(host_route)
    subnets = session.client.subnets
    found = subnets.find(subnet)
    fields = parts.given(
        name=name,
        enable_dhcp=enable_dhcp,
        description=description,
        allocation_pools=_extended(pools, found["allocation_pools"], no_allocation_pool),
        dns_nameservers=_extended(dns_nameserver, found["dns_nameservers"], no_dns_nameservers),
        host_routes=_extended(routes, found["host_routes"], no_host_route),
        service_types=_extended(service_type, found.get("service_types") or [], False),
    )
    if gateway is not None:
        fields |= _gateway(gateway)
    if fields:
        subnets.update(found["id"], **fields)
    parts.more_tags(subnets, found, tag, no_tag)


@app.command("show", help=_("Show one subnet"))
@shower
def show_subnet(subnet: Subnet) -> Record:
    """Show one subnet's fields."""
    return parts.network_record(session.client.subnets.find(subnet))


@app.command("unset", help=_("Unset properties of a subnet"))
def unset_subnet(
    subnet: Subnet,
    allocation_pool: Pools = None,
    dns_nameserver: Nameservers = None,
    gateway: Annotated[bool, typer.Option("--gateway", help=_("No gateway any more"))] = False,
    host_route: Routes = None,
    service_type: ServiceTypes = None,
    tag: parts.RemoveTags = None,
    all_tag: parts.AllTag = False,
) -> None:
    """Take pools, DNS servers, routes, the gateway or tags away."""
    pools, routes = _pools(allocation_pool), _routes(host_route)
    subnets = session.client.subnets
    found = subnets.find(subnet)
    fields: parts.Json = {"gateway_ip": None} if gateway else {}
    for key, option, leave in (
        ("allocation_pools", "allocation-pool", pools),
        ("dns_nameservers", "dns-nameserver", dns_nameserver),
        ("host_routes", "host-route", routes),
        ("service_types", "service-type", service_type),
    ):
        if leave:
            failed = _("Subnet does not contain {option} {{given}}").format(option=option)
            fields[key] = parts.without(found.get(key) or [], leave, failed)
    if fields:
        subnets.update(found["id"], **fields)
    parts.fewer_tags(subnets, found, tag, all_tag)
