"""`tuinova network`."""

from __future__ import annotations

from typing import Annotated

import typer

from tuinova.cli import network_parts as parts
from tuinova.cli.arguments import choice
from tuinova.cli.commands import exclusive, lister, new_app, session, shower
from tuinova.cli.output import Listing, Record
from tuinova.i18n import _

app = new_app(_("Networks"))
APPS = {"network": app}
# How a network reaches what is outside of it; Neutron has no word for these but that a flat one is a provider's.
_MODES = ("nat", "routed", "isolated", "provider")
_RENAMED = {"vlan_transparent": "is_vlan_transparent"}

Network = Annotated[str, typer.Argument(metavar="<network>", help=_("Network (name or ID)"))]
Share = Annotated[bool, typer.Option("--share", help=_("For all projects"))]
NoShare = Annotated[bool, typer.Option("--no-share", help=_("Not for all projects"))]
External = Annotated[bool, typer.Option("--external", help=_("Floating IPs and routers reach the outside by it"))]
Internal = Annotated[bool, typer.Option("--internal", help=_("No external network (default)"))]
NetworkType = Annotated[
    str | None,
    typer.Option("--provider-network-type", metavar="<type>", help=_("flat or local; see --mode")),
]
PhysicalNetwork = Annotated[
    str | None,
    typer.Option(
        "--provider-physical-network", metavar="<name>", help=_("The host's bridge of a flat network; see --bridge")
    ),
]
Segment = Annotated[
    str | None, typer.Option("--provider-segment", metavar="<segment>", help=_("VLAN or tunnel ID; there are none"))
]
Secure = Annotated[bool, typer.Option("--enable-port-security", help=_("New ports are filtered (default)"))]
Insecure = Annotated[bool, typer.Option("--disable-port-security", help=_("New ports are not filtered"))]
Mtu = Annotated[int | None, typer.Option("--mtu", metavar="<mtu>", help=_("Largest packet, in bytes"))]
Domain = Annotated[str | None, typer.Option("--dns-domain", metavar="<domain>", help=_("Domain of the names in it"))]


def _provider(mode: str | None, bridge: str | None, network_type: str | None, physical: str | None) -> parts.Json:
    """Neutron's provider fields, of their own options or of the short ones."""
    exclusive(mode=mode, provider_network_type=network_type)
    exclusive(bridge=bridge, provider_physical_network=physical)
    choice("--mode", mode, _MODES)
    return parts.given(
        tuinova__mode=mode or ("provider" if bridge and not network_type else None),
        provider__network_type=network_type,
        provider__physical_network=bridge or physical,
    )


@app.command("create", help=_("Create a network"))
@shower
def create_network(
    name: Annotated[str, typer.Argument(metavar="<name>", help=_("Name of the new network"))],
    share: Share = False,
    no_share: NoShare = False,
    enable: parts.Enable = False,
    disable: parts.Disable = False,
    project: parts.Project = None,
    description: parts.Description = None,
    mtu: Mtu = None,
    enable_port_security: Secure = False,
    disable_port_security: Insecure = False,
    external: External = False,
    internal: Internal = False,
    default: Annotated[bool, typer.Option("--default", help=_("The default external network"))] = False,
    no_default: Annotated[bool, typer.Option("--no-default", help=_("Not the default one (default)"))] = False,
    provider_network_type: NetworkType = None,
    provider_physical_network: PhysicalNetwork = None,
    provider_segment: Segment = None,
    dns_domain: Domain = None,
    mode: Annotated[
        str | None,
        typer.Option("--mode", metavar="nat|routed|isolated|provider", help=_("How it reaches the outside")),
    ] = None,
    bridge: Annotated[
        str | None, typer.Option("--bridge", metavar="<bridge>", help=_("A bridge of the host: a provider network"))
    ] = None,
    tag: parts.AddTags = None,
    no_tag: parts.NoTag = False,
) -> Record:
    """Create a network; addresses come with its subnets."""
    fields = parts.given(
        name=name,
        admin_state_up=parts.either(enable=enable, disable=disable),
        shared=parts.either(share=share, no_share=no_share),
        project_id=None,
        description=description,
        mtu=mtu,
        port_security_enabled=parts.either(
            enable_port_security=enable_port_security, disable_port_security=disable_port_security
        ),
        router__external=parts.either(external=external, internal=internal),
        is_default=parts.either(default=default, no_default=no_default),
        provider__segmentation_id=provider_segment,
        dns_domain=dns_domain,
    )
    exclusive(tag=tag, no_tag=no_tag)
    fields |= _provider(mode, bridge, provider_network_type, provider_physical_network)
    networks = session.client.networks
    fields |= parts.given(project_id=parts.project_id(project))
    return parts.network_record(parts.new_tags(networks, networks.create(fields), tag, no_tag), _RENAMED)


@app.command("delete", help=_("Delete networks"))
def delete_networks(
    networks: Annotated[list[str], typer.Argument(metavar="<network>...", help=_("Networks (name or ID)"))],
) -> None:
    """Delete networks with their subnets; refused while a port is on them."""
    parts.delete_each(session.client.networks, networks, "network", "networks")


@app.command("list", help=_("List networks"))
@lister
def list_networks(
    external: Annotated[bool, typer.Option("--external", help=_("Only external ones"))] = False,
    internal: Annotated[bool, typer.Option("--internal", help=_("Only internal ones"))] = False,
    long: parts.Long = False,
    name: parts.OnlyName = None,
    enable: Annotated[bool, typer.Option("--enable", help=_("Only enabled ones"))] = False,
    disable: Annotated[bool, typer.Option("--disable", help=_("Only disabled ones"))] = False,
    project: Annotated[str | None, typer.Option(metavar="<project>", help=_("Only this project"))] = None,
    share: Annotated[bool, typer.Option("--share", help=_("Only shared ones"))] = False,
    no_share: Annotated[bool, typer.Option("--no-share", help=_("Only ones that are not shared"))] = False,
    status: Annotated[str | None, typer.Option(metavar="<status>", help=_("Only this status"))] = None,
    provider_network_type: Annotated[
        str | None, typer.Option(metavar="<type>", help=_("Only networks of this type"))
    ] = None,
    provider_physical_network: Annotated[
        str | None, typer.Option(metavar="<name>", help=_("Only networks of this bridge"))
    ] = None,
    tags: parts.OnlyTags = None,
    any_tags: parts.AnyTags = None,
    not_tags: parts.NotTags = None,
) -> Listing:
    """List the networks of the project and those that it may use."""
    status = status and status.upper()
    choice("--status", status, ("ACTIVE", "BUILD", "DOWN", "ERROR"))
    filters = parts.given(
        router__external=parts.either(external=external, internal=internal),
        name=name,
        admin_state_up=parts.either(enable=enable, disable=disable),
        shared=parts.either(share=share, no_share=no_share),
        status=status,
        provider__network_type=provider_network_type,
        provider__physical_network=provider_physical_network,
        project_id=parts.project_id(project),
    )
    columns = {"ID": "id", "Name": "name", "Subnets": "subnets"}
    if long:
        columns = {
            "ID": "id",
            "Name": "name",
            "Status": "status",
            "Project": "project_id",
            "State": "admin_state_up",
            "Shared": "shared",
            "Subnets": "subnets",
            "Network Type": "provider:network_type",
            "Router Type": "router:external",
            "Availability Zones": "availability_zones",
            "Tags": "tags",
        }
    rows = session.client.networks.list(**filters, **parts.tag_filters(tags, any_tags, not_tags))
    return parts.network_listing(columns, rows, {"Mode": "tuinova:mode"})


@app.command("set", help=_("Set properties of a network"))
def set_network(
    network: Network,
    name: parts.NewName = None,
    enable: parts.Enable = False,
    disable: parts.Disable = False,
    share: Share = False,
    no_share: NoShare = False,
    description: parts.Description = None,
    mtu: Mtu = None,
    enable_port_security: Secure = False,
    disable_port_security: Insecure = False,
    external: External = False,
    internal: Internal = False,
    default: Annotated[bool, typer.Option("--default", help=_("The default external network"))] = False,
    no_default: Annotated[bool, typer.Option("--no-default", help=_("Not the default one"))] = False,
    provider_network_type: NetworkType = None,
    provider_physical_network: PhysicalNetwork = None,
    provider_segment: Segment = None,
    dns_domain: Domain = None,
    tag: parts.AddTags = None,
    no_tag: parts.NoTag = False,
) -> None:
    """Change what a network is called and who may use it how."""
    fields = parts.given(
        name=name,
        admin_state_up=parts.either(enable=enable, disable=disable),
        shared=parts.either(share=share, no_share=no_share),
        description=description,
        mtu=mtu,
        port_security_enabled=parts.either(
            enable_port_security=enable_port_security, disable_port_security=disable_port_security
        ),
        router__external=parts.either(external=external, internal=internal),
        is_default=parts.either(default=default, no_default=no_default),
        provider__network_type=provider_network_type,
        provider__physical_network=provider_physical_network,
        provider__segmentation_id=provider_segment,
        dns_domain=dns_domain,
    )
    networks = session.client.networks
    found = networks.find(network)
    if fields:
        networks.update(found["id"], **fields)
    parts.more_tags(networks, found, tag, no_tag)


@app.command("show", help=_("Show one network"))
@shower
def show_network(network: Network) -> Record:
    """Show one network's fields."""
    return parts.network_record(session.client.networks.find(network), _RENAMED)


@app.command("unset", help=_("Unset properties of a network"))
def unset_network(network: Network, tag: parts.RemoveTags = None, all_tag: parts.AllTag = False) -> None:
    """Remove tags."""
    networks = session.client.networks
    parts.fewer_tags(networks, networks.find(network), tag, all_tag)
