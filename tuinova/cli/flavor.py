"""`tuinova flavor`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tuinova.cli.commands import each, exclusive, key_values, lister, new_app, session, shower
from tuinova.cli.diagnostics import CommandError
from tuinova.cli.output import Listing, Record, dict_cell, list_cell
from tuinova.i18n import _

Json = dict[str, Any]
app = new_app(_("Flavors"))
APPS = {"flavor": app}
_Flavor = Annotated[str, typer.Argument(metavar="<flavor>", help=_("Flavor (name or ID)"))]
_Properties = Annotated[
    list[str] | None, typer.Option("--property", metavar="<key=value>", help=_("Extra spec (repeatable)"))
]


def flavor_record(flavor: Json) -> Record:
    """The fields of `flavor show`, sorted."""
    fields = {key: value for key, value in flavor.items() if key not in ("links", "extra_specs")}
    access: list[str] | None = None
    if not flavor["os-flavor-access:is_public"]:
        access = session.client.flavors.access(flavor["id"])
    fields["access_project_ids"] = list_cell(access) if access is not None else None
    fields["properties"] = dict_cell(flavor.get("extra_specs"))
    return Record({name: fields[name] for name in sorted(fields)})


@app.command("list", help=_("List flavors"))
@lister
def list_flavors(
    public: Annotated[bool, typer.Option("--public", help=_("Only public ones (default)"))] = False,
    private: Annotated[bool, typer.Option("--private", help=_("Only private ones"))] = False,
    all_: Annotated[bool, typer.Option("--all", help=_("Public and private ones"))] = False,
    min_disk: Annotated[int | None, typer.Option(metavar="<GB>", help=_("Least root disk"))] = None,
    min_ram: Annotated[int | None, typer.Option(metavar="<MB>", help=_("Least RAM"))] = None,
    long: Annotated[bool, typer.Option("--long", help=_("More columns"))] = False,
    marker: Annotated[str | None, typer.Option(help=_("Start after this flavor"))] = None,
    limit: Annotated[int | None, typer.Option(help=_("At most so many"))] = None,
) -> Listing:
    """List flavors."""
    exclusive(public=public, private=private, all=all_)
    is_public = None if all_ else not private
    flavors = session.client.flavors.list(is_public, minDisk=min_disk, minRam=min_ram, marker=marker, limit=limit)
    if limit is not None:
        flavors = flavors[:limit]
    columns = ["ID", "Name", "RAM", "Disk", "Ephemeral", "VCPUs", "Is Public"]
    keys = ["id", "name", "ram", "disk", "OS-FLV-EXT-DATA:ephemeral", "vcpus", "os-flavor-access:is_public"]
    rows = [[flavor[key] for key in keys] for flavor in flavors]
    if long:
        columns += ["Swap", "RXTX Factor", "Properties"]
        for row, flavor in zip(rows, flavors, strict=True):
            row += [flavor["swap"], flavor["rxtx_factor"], dict_cell(flavor.get("extra_specs"))]
    return Listing(columns, rows)


@app.command("show", help=_("Show one flavor"))
@shower
def show_flavor(flavor: _Flavor) -> Record:
    """Show one flavor."""
    return flavor_record(session.client.flavors.find(flavor))


@app.command("create", help=_("Create a flavor"))
@shower
def create_flavor(
    name: Annotated[str, typer.Argument(metavar="<name>", help=_("Name"))],
    id_: Annotated[
        str | None, typer.Option("--id", metavar="<id>", help=_("ID; made by the service if absent"))
    ] = None,
    ram: Annotated[int, typer.Option(metavar="<MB>", help=_("Memory"))] = 256,
    disk: Annotated[int, typer.Option(metavar="<GB>", help=_("Root disk; 0: the image's size"))] = 0,
    ephemeral: Annotated[int, typer.Option(metavar="<GB>", help=_("Ephemeral disk"))] = 0,
    swap: Annotated[int, typer.Option(metavar="<MB>", help=_("Swap disk"))] = 0,
    vcpus: Annotated[int, typer.Option(metavar="<n>", help=_("Virtual CPUs"))] = 1,
    rxtx_factor: Annotated[float, typer.Option(metavar="<factor>", help=_("RX/TX factor"))] = 1.0,
    public: Annotated[bool, typer.Option("--public", help=_("For all projects (default)"))] = False,
    private: Annotated[bool, typer.Option("--private", help=_("Only for projects that get access"))] = False,
    property_: _Properties = None,
    project: Annotated[str | None, typer.Option(help=_("Project that gets access; only with --private"))] = None,
    description: Annotated[str | None, typer.Option(help=_("Description"))] = None,
) -> Record:
    """Create a flavor."""
    exclusive(public=public, private=private)
    if project and not private:
        raise CommandError(_("--project is only allowed with --private"))
    properties = key_values(property_)
    client = session.client
    project_id = client.projects.find(project)["id"] if project else None
    body: Json = {
        "name": name,
        "id": None if id_ == "auto" else id_,
        "ram": ram,
        "disk": disk,
        "vcpus": vcpus,
        "swap": swap,
        "rxtx_factor": rxtx_factor,
        "OS-FLV-EXT-DATA:ephemeral": ephemeral,
        "os-flavor-access:is_public": not private,
    }
    if description is not None:
        body["description"] = description
    created = client.flavors.create(body)
    if project_id:
        client.flavors.add_access(created["id"], project_id)
    if properties:
        client.flavors.set_extra_specs(created["id"], properties)
    return flavor_record(client.flavors.get(created["id"]))


@app.command("delete", help=_("Delete flavors"))
def delete_flavors(
    flavors: Annotated[list[str], typer.Argument(metavar="<flavor>...", help=_("Flavors (name or ID)"))],
) -> None:
    """Delete flavors; servers keep their copy."""
    client = session.client
    each(
        flavors,
        lambda name: client.flavors.delete(client.flavors.find(name)["id"]),
        _("Failed to delete flavor with name or ID '{name}': {error}"),
        _("{failed} of {total} flavors failed to delete."),
    )


def _require_private(flavor: Json) -> None:
    if flavor["os-flavor-access:is_public"]:
        raise CommandError(_("Cannot set access for a public flavor"))


@app.command("set", help=_("Set properties of a flavor"))
def set_flavor(
    flavor: _Flavor,
    no_property: Annotated[bool, typer.Option("--no-property", help=_("Remove all extra specs first"))] = False,
    property_: _Properties = None,
    project: Annotated[str | None, typer.Option(help=_("Give this project access"))] = None,
    description: Annotated[str | None, typer.Option(help=_("New description"))] = None,
) -> None:
    """Set extra specs, access or the description."""
    properties = key_values(property_)
    client = session.client
    found = client.flavors.find(flavor)
    project_id = None
    if project:
        _require_private(found)
        project_id = client.projects.find(project)["id"]
    if description is not None:
        client.flavors.describe(found["id"], description)
    if no_property:
        for key in found.get("extra_specs") or {}:
            client.flavors.delete_extra_spec(found["id"], key)
    if properties:
        client.flavors.set_extra_specs(found["id"], properties)
    if project_id:
        client.flavors.add_access(found["id"], project_id)


@app.command("unset", help=_("Unset properties of a flavor"))
def unset_flavor(
    flavor: _Flavor,
    property_: Annotated[
        list[str] | None, typer.Option("--property", metavar="<key>", help=_("Extra spec to remove (repeatable)"))
    ] = None,
    project: Annotated[str | None, typer.Option(help=_("Take access from this project"))] = None,
) -> None:
    """Remove extra specs or access."""
    client = session.client
    found = client.flavors.find(flavor)
    for key in property_ or []:
        client.flavors.delete_extra_spec(found["id"], key)
    if project:
        _require_private(found)
        client.flavors.remove_access(found["id"], client.projects.find(project)["id"])
