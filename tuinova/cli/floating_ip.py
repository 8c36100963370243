"""`tuinova floating ip`."""

from __future__ import annotations

from typing import Annotated

import typer

from tuinova.cli import network_parts as parts
from tuinova.cli.arguments import choice
from tuinova.cli.commands import exclusive, lister, new_app, session, shower
from tuinova.cli.output import Listing, Record
from tuinova.cli.verbs import VerbGroup
from tuinova.i18n import _

app = new_app(_("Floating IPs"))
APPS = {"floating": VerbGroup(_("Floating IPs"), {"ip": __name__})}

FloatingIp = Annotated[str, typer.Argument(metavar="<floating-ip>", help=_("Floating IP (address or ID)"))]
Port = Annotated[str | None, typer.Option("--port", metavar="<port>", help=_("Port that it leads to (name or ID)"))]
FixedIp = Annotated[
    str | None,
    typer.Option("--fixed-ip-address", metavar="<ip>", help=_("Which address of the port, where it has several")),
]


def _record(row: parts.Json) -> Record:
    return parts.network_record({**row, "name": row["floating_ip_address"]})


@app.command("ip create", help=_("Create a floating IP"))
@shower
def create_floating_ip(
    network: Annotated[str, typer.Argument(metavar="<network>", help=_("External network (name or ID)"))],
    subnet: Annotated[
        str | None, typer.Option("--subnet", metavar="<subnet>", help=_("Out of this subnet (name or ID)"))
    ] = None,
    port: Port = None,
    floating_ip_address: Annotated[
        str | None, typer.Option("--floating-ip-address", metavar="<ip>", help=_("This address"))
    ] = None,
    fixed_ip_address: FixedIp = None,
    description: parts.Description = None,
    project: parts.Project = None,
    tag: parts.AddTags = None,
    no_tag: parts.NoTag = False,
) -> Record:
    """Take an address of an external network."""
    exclusive(tag=tag, no_tag=no_tag)
    client = session.client
    fields = parts.given(
        floating_network_id=client.networks.find(network)["id"],
        subnet_id=client.subnets.find(subnet)["id"] if subnet else None,
        port_id=client.ports.find(port)["id"] if port else None,
        floating_ip_address=floating_ip_address,
        fixed_ip_address=fixed_ip_address,
        description=description,
        project_id=parts.project_id(project),
    )
    return _record(parts.new_tags(client.floating_ips, client.floating_ips.create(fields), tag, no_tag))


@app.command("ip delete", help=_("Delete floating IPs"))
def delete_floating_ips(
    floating_ips: Annotated[
        list[str], typer.Argument(metavar="<floating-ip>...", help=_("Floating IPs (address or ID)"))
    ],
) -> None:
    """Give addresses back."""
    parts.delete_each(session.client.floating_ips, floating_ips, "floating_ip", "floating_ips")


@app.command("ip list", help=_("List floating IPs"))
@lister
def list_floating_ips(
    network: Annotated[str | None, typer.Option(metavar="<network>", help=_("Only of this network"))] = None,
    port: Annotated[str | None, typer.Option(metavar="<port>", help=_("Only of this port"))] = None,
    fixed_ip_address: Annotated[
        str | None, typer.Option(metavar="<ip>", help=_("Only leading to this address"))
    ] = None,
    floating_ip_address: Annotated[str | None, typer.Option(metavar="<ip>", help=_("Only this address"))] = None,
    long: parts.Long = False,
    status: Annotated[str | None, typer.Option(metavar="ACTIVE|DOWN", help=_("Only this status"))] = None,
    project: Annotated[str | None, typer.Option(metavar="<project>", help=_("Only this project"))] = None,
    router: Annotated[str | None, typer.Option(metavar="<router>", help=_("Only of this router"))] = None,
    tags: parts.OnlyTags = None,
    any_tags: parts.AnyTags = None,
    not_tags: parts.NotTags = None,
) -> Listing:
    """List floating IPs."""
    status = status and status.upper()
    choice("--status", status, ("ACTIVE", "DOWN"))
    client = session.client
    filters = parts.given(
        floating_network_id=client.networks.find(network)["id"] if network else None,
        port_id=client.ports.find(port)["id"] if port else None,
        fixed_ip_address=fixed_ip_address,
        floating_ip_address=floating_ip_address,
        status=status,
        router_id=client.routers.find(router)["id"] if router else None,
        project_id=parts.project_id(project),
    )
    columns = {
        "ID": "id",
        "Floating IP Address": "floating_ip_address",
        "Fixed IP Address": "fixed_ip_address",
        "Port": "port_id",
        "Floating Network": "floating_network_id",
        "Project": "project_id",
    }
    if long:
        columns |= {"Router": "router_id", "Status": "status", "Description": "description", "Tags": "tags"}
    return parts.network_listing(
        columns, client.floating_ips.list(**filters, **parts.tag_filters(tags, any_tags, not_tags))
    )


@app.command("ip set", help=_("Set properties of a floating IP"))
def set_floating_ip(
    floating_ip: FloatingIp,
    port: Port = None,
    fixed_ip_address: FixedIp = None,
    description: parts.Description = None,
    tag: parts.AddTags = None,
    no_tag: parts.NoTag = False,
) -> None:
    """Let a floating IP lead to a port."""
    client = session.client
    found = client.floating_ips.find(floating_ip)
    fields = parts.given(
        port_id=client.ports.find(port)["id"] if port else None,
        fixed_ip_address=fixed_ip_address,
        description=description,
    )
    if fields:
        client.floating_ips.update(found["id"], **fields)
    parts.more_tags(client.floating_ips, found, tag, no_tag)


@app.command("ip show", help=_("Show one floating IP"))
@shower
def show_floating_ip(floating_ip: FloatingIp) -> Record:
    """Show one floating IP's fields."""
    return _record(session.client.floating_ips.find(floating_ip))


@app.command("ip unset", help=_("Unset properties of a floating IP"))
def unset_floating_ip(
    floating_ip: FloatingIp,
    port: Annotated[bool, typer.Option("--port", help=_("Lead nowhere"))] = False,
    tag: parts.RemoveTags = None,
    all_tag: parts.AllTag = False,
) -> None:
    """Let a floating IP lead nowhere; it stays the project's."""
    floating_ips = session.client.floating_ips
    found = floating_ips.find(floating_ip)
    if port:
        floating_ips.update(found["id"], port_id=None)
    parts.fewer_tags(floating_ips, found, tag, all_tag)
