"""`tuinova router`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from tuinova.cli import network_parts as parts
from tuinova.cli.commands import exclusive, lister, new_app, session, shower
from tuinova.cli.diagnostics import CommandError
from tuinova.cli.output import Cell, Listing, Record
from tuinova.cli.verbs import VerbGroup
from tuinova.i18n import _

app = new_app(_("Routers"))
_WORDS = ("create", "delete", "list", "set", "unset", "show", "add", "remove")
APPS = {"router": VerbGroup(_("Routers"), dict.fromkeys(_WORDS, __name__))}

Router = Annotated[str, typer.Argument(metavar="<router>", help=_("Router (name or ID)"))]
Gateway = Annotated[
    str | None, typer.Option("--external-gateway", metavar="<network>", help=_("External network (name or ID)"))
]
FixedIps = Annotated[
    list[str] | None,
    typer.Option(
        "--fixed-ip",
        metavar="subnet=<subnet>,ip-address=<ip>",
        help=_("Its address on the external network (repeatable)"),
    ),
]
Snat = Annotated[bool, typer.Option("--enable-snat", help=_("Hide fixed addresses outside (default)"))]
NoSnat = Annotated[bool, typer.Option("--disable-snat", help=_("Don't hide fixed addresses outside"))]
Routes = Annotated[
    list[str] | None,
    typer.Option("--route", metavar="destination=<subnet>,gateway=<ip>", help=_("Static route (repeatable)")),
]


def _json_cell(value: Any) -> Cell:
    return Cell(value, "null" if value is None else json.dumps(value))


def _shown(row: parts.Json) -> parts.Json:
    made = {"external_gateway_info": _json_cell, "interfaces_info": _json_cell, "routes": parts.routes_cell}
    return {name: made[name](value) if name in made else parts.network_cell(name, value) for name, value in row.items()}


def _record(row: parts.Json) -> Record:
    """A router with the subnets that it joins, as openstack looks them up among its ports."""
    ports = session.client.ports.list(device_id=row["id"])
    joined = [
        {"port_id": port["id"], "ip_address": ip["ip_address"], "subnet_id": ip["subnet_id"]}
        for port in ports
        if port.get("device_owner") != "network:router_gateway"
        for ip in port["fixed_ips"]
    ]
    shown = {**parts.network_record(row).fields} | {
        name: cell for name, cell in _shown({**row, "interfaces_info": joined}).items() if isinstance(cell, Cell)
    }
    return Record({name: shown[name] for name in sorted(shown)})


def _routes(texts: parts.Texts | None) -> list[parts.Json] | None:
    if texts is None:
        return None
    found = [parts.keyed(text, "--route", ("destination", "gateway")) for text in texts]
    return [{"destination": route["destination"], "nexthop": route["gateway"]} for route in found]


def _gateway(network: str | None, fixed_ips: parts.Texts | None, snat: bool | None) -> parts.Json:
    """Neutron's external_gateway_info, {} when nothing is said of it."""
    if network is None:
        if fixed_ips or snat is not None:
            raise CommandError(_("You must specify '--external-gateway' in order to specify SNAT or fixed-ip values"))
        return {}
    client = session.client
    read = [parts.keyed(text, "--fixed-ip", optional=("subnet", "ip-address")) for text in fixed_ips or []]
    info: parts.Json = {"network_id": client.networks.find(network)["id"]}
    addresses = []
    for fields in read:
        subnet = client.subnets.find(fields["subnet"])["id"] if fields.get("subnet") else None
        addresses.append(parts.given(subnet_id=subnet, ip_address=fields.get("ip-address")))
    return {
        "external_gateway_info": info | parts.given(external_fixed_ips=addresses or None, enable_snat=snat),
    }


@app.command("create", help=_("Create a router"))
@shower
def create_router(
    name: Annotated[str, typer.Argument(metavar="<name>", help=_("Name of the new router"))],
    enable: parts.Enable = False,
    disable: parts.Disable = False,
    description: parts.Description = None,
    project: parts.Project = None,
    external_gateway: Gateway = None,
    fixed_ip: FixedIps = None,
    enable_snat: Snat = False,
    disable_snat: NoSnat = False,
    tag: parts.AddTags = None,
    no_tag: parts.NoTag = False,
) -> Record:
    """Create a router: it joins subnets, and leads out by its external gateway."""
    exclusive(tag=tag, no_tag=no_tag)
    snat = parts.either(enable_snat=enable_snat, disable_snat=disable_snat)
    fields = parts.given(
        name=name,
        admin_state_up=parts.either(enable=enable, disable=disable),
        description=description,
    )
    fields |= _gateway(external_gateway, fixed_ip, snat) | parts.given(project_id=parts.project_id(project))
    routers = session.client.routers
    return _record(parts.new_tags(routers, routers.create(fields), tag, no_tag))


@app.command("delete", help=_("Delete routers"))
def delete_routers(
    routers: Annotated[list[str], typer.Argument(metavar="<router>...", help=_("Routers (name or ID)"))],
) -> None:
    """Delete routers; refused while they join subnets."""
    parts.delete_each(session.client.routers, routers, "router", "routers")


@app.command("list", help=_("List routers"))
@lister
def list_routers(
    name: parts.OnlyName = None,
    enable: Annotated[bool, typer.Option("--enable", help=_("Only enabled ones"))] = False,
    disable: Annotated[bool, typer.Option("--disable", help=_("Only disabled ones"))] = False,
    long: parts.Long = False,
    project: Annotated[str | None, typer.Option(metavar="<project>", help=_("Only this project"))] = None,
    tags: parts.OnlyTags = None,
    any_tags: parts.AnyTags = None,
    not_tags: parts.NotTags = None,
) -> Listing:
    """List routers."""
    filters = parts.given(
        name=name, admin_state_up=parts.either(enable=enable, disable=disable), project_id=parts.project_id(project)
    )
    rows = session.client.routers.list(**filters, **parts.tag_filters(tags, any_tags, not_tags))
    columns = {
        "ID": "id",
        "Name": "name",
        "Status": "status",
        "State": "admin_state_up",
        "Project": "project_id",
    }
    columns |= {
        title: key
        for title, key in (("Distributed", "distributed"), ("HA", "ha"))
        if any(row.get(key) is not None for row in rows)
    }
    if long:
        columns |= {
            "Routes": "routes",
            "External gateway info": "external_gateway_info",
            "Availability zones": "availability_zones",
            "Tags": "tags",
        }
    return parts.network_listing(columns, [_shown(row) for row in rows])


@app.command("set", help=_("Set properties of a router"))
def set_router(
    router: Router,
    name: parts.NewName = None,
    description: parts.Description = None,
    enable: parts.Enable = False,
    disable: parts.Disable = False,
    route: Routes = None,
    no_route: Annotated[bool, typer.Option("--no-route", help=_("Without the routes that there are"))] = False,
    external_gateway: Gateway = None,
    fixed_ip: FixedIps = None,
    enable_snat: Snat = False,
    disable_snat: NoSnat = False,
    tag: parts.AddTags = None,
    no_tag: parts.NoTag = False,
) -> None:
    """Change a router, its routes or its way out."""
    snat = parts.either(enable_snat=enable_snat, disable_snat=disable_snat)
    fields = parts.given(
        name=name, admin_state_up=parts.either(enable=enable, disable=disable), description=description
    )
    routes = _routes(route)
    routers = session.client.routers
    found = routers.find(router)
    if no_route or routes is not None:
        have = [] if no_route else found.get("routes") or []
        fields["routes"] = have + [one for one in routes or [] if one not in have]
    fields |= _gateway(external_gateway, fixed_ip, snat)
    if fields:
        routers.update(found["id"], **fields)
    parts.more_tags(routers, found, tag, no_tag)


@app.command("unset", help=_("Unset properties of a router"))
def unset_router(
    router: Router,
    route: Routes = None,
    external_gateway: Annotated[bool, typer.Option("--external-gateway", help=_("No way out any more"))] = False,
    tag: parts.RemoveTags = None,
    all_tag: parts.AllTag = False,
) -> None:
    """Take routes, the external gateway or tags away."""
    routes = _routes(route)
    routers = session.client.routers
    found = routers.find(router)
    fields: parts.Json = {"external_gateway_info": {}} if external_gateway else {}
    if routes:
        fields["routes"] = parts.without(found.get("routes") or [], routes, _("Router does not contain route {given}"))
    if fields:
        routers.update(found["id"], **fields)
    parts.fewer_tags(routers, found, tag, all_tag)


@app.command("show", help=_("Show one router"))
@shower
def show_router(router: Router) -> Record:
    """Show one router with the subnets that it joins."""
    return _record(session.client.routers.find(router))


_Subnet = Annotated[str, typer.Argument(metavar="<subnet>", help=_("Subnet (name or ID)"))]
_Port = Annotated[str, typer.Argument(metavar="<port>", help=_("Port (name or ID)"))]


@app.command("add subnet", help=_("Add a subnet to a router"))
def add_subnet(router: Router, subnet: _Subnet) -> None:
    """Join a subnet by its gateway's address."""
    client = session.client
    client.routers.add_interface(client.routers.find(router)["id"], subnet_id=client.subnets.find(subnet)["id"])


@app.command("remove subnet", help=_("Remove a subnet from a router"))
def remove_subnet(router: Router, subnet: _Subnet) -> None:
    """Leave a subnet."""
    client = session.client
    client.routers.remove_interface(client.routers.find(router)["id"], subnet_id=client.subnets.find(subnet)["id"])


@app.command("add port", help=_("Add a port to a router"))
def add_port(router: Router, port: _Port) -> None:
    """Join a subnet by a port of one's own."""
    client = session.client
    client.routers.add_interface(client.routers.find(router)["id"], port_id=client.ports.find(port)["id"])


@app.command("remove port", help=_("Remove a port from a router"))
def remove_port(router: Router, port: _Port) -> None:
    """Leave a subnet; the port is deleted."""
    client = session.client
    client.routers.remove_interface(client.routers.find(router)["id"], port_id=client.ports.find(port)["id"])
