"""`tuinova volume type`."""

from __future__ import annotations

from typing import Annotated

import typer

from tuinova.cli.commands import each, exclusive, key_values, lister, new_app, session, shower
from tuinova.cli.diagnostics import CommandError
from tuinova.cli.network_parts import either
from tuinova.cli.output import Listing, Record
from tuinova.cli.volume_parts import (
    Description,
    Json,
    Keys,
    Long,
    NewName,
    Properties,
    volume_listing,
    volume_record,
)
from tuinova.i18n import _

app = new_app(_("Volumes"))

Type = Annotated[str, typer.Argument(metavar="<volume-type>", help=_("Volume type (name or ID)"))]
Public = Annotated[bool, typer.Option("--public", help=_("For all projects (default)"))]
Private = Annotated[bool, typer.Option("--private", help=_("For projects that were given access"))]
Project = Annotated[
    str | None, typer.Option("--project", metavar="<project>", help=_("A project with access (name or ID)"))
]


def _record(kind: Json) -> Record:
    access = None if kind.get("is_public", True) else list(session.client.volume_types.access(kind["id"]))
    return volume_record({**kind, "access_project_ids": access}, ("qos_specs_id",))


@app.command("type create", help=_("Create a volume type"))
@shower
def create_type(
    name: Annotated[str, typer.Argument(metavar="<name>", help=_("Name of the new type"))],
    description: Description = None,
    public: Public = False,
    private: Private = False,
    property_: Properties = None,
    multiattach: Annotated[
        bool, typer.Option("--multiattach", help=_("Its volumes may be attached to several servers"))
    ] = False,
    project: Project = None,
) -> Record:
    """Create a type: how and where its volumes are kept."""
    is_public = either(public=public, private=private)
    if project and is_public is not False:
        raise CommandError(_("--project is only allowed with --private"))
    specs = key_values(property_) | ({"multiattach": "<is> True"} if multiattach else {})
    client = session.client
    project_id = client.projects.find(project)["id"] if project else None
    body: Json = {"name": name, "description": description, "os-volume-type-access:is_public": is_public}
    types = client.volume_types
    made = types.create({key: value for key, value in body.items() if value is not None})
    if project_id:
        types.add_access(made["id"], project_id)
    if specs:
        types.set_extra_specs(made["id"], specs)
    return _record(types.get(made["id"]))


@app.command("type delete", help=_("Delete volume types"))
def delete_types(
    types: Annotated[list[str], typer.Argument(metavar="<volume-type>...", help=_("Volume types (name or ID)"))],
) -> None:
    """Delete types; refused while there are volumes of them."""
    resource = session.client.volume_types
    each(
        types,
        lambda name: resource.delete(resource.find(name)["id"]),
        _("Failed to delete volume type with name or ID '{name}': {error}"),
        _("{failed} of {total} volume types failed to delete."),
    )


@app.command("type list", help=_("List volume types"))
@lister
def list_types(
    long: Long = False,
    default: Annotated[bool, typer.Option("--default", help=_("Only the default one"))] = False,
    public: Annotated[bool, typer.Option("--public", help=_("Only public ones"))] = False,
    private: Annotated[bool, typer.Option("--private", help=_("Only private ones (admin only)"))] = False,
) -> Listing:
    """List types."""
    exclusive(default=default, public=public, private=private)
    types = session.client.volume_types
    wanted = either(public=public, private=private)
    rows = [types.default()] if default else types.list(is_public=str(wanted))
    columns = {"ID": "id", "Name": "name", "Is Public": "is_public"}
    if long:
        columns |= {"Description": "description", "Properties": "extra_specs"}
    return volume_listing(columns, rows)


@app.command("type set", help=_("Set properties of a volume type"))
def set_type(
    volume_type: Type,
    name: NewName = None,
    description: Description = None,
    property_: Properties = None,
    project: Project = None,
) -> None:
    """Change a type, or give a project access to a private one."""
    specs = key_values(property_)
    client = session.client
    project_id = client.projects.find(project)["id"] if project else None
    ident = client.volume_types.find(volume_type)["id"]
    fields = {key: value for key, value in {"name": name, "description": description}.items() if value is not None}
    if fields:
        client.volume_types.update(ident, **fields)
    if specs:
        client.volume_types.set_extra_specs(ident, specs)
    if project_id:
        client.volume_types.add_access(ident, project_id)


@app.command("type show", help=_("Show one volume type"))
@shower
def show_type(volume_type: Type) -> Record:
    """Show one type's fields."""
    return _record(session.client.volume_types.find(volume_type))


@app.command("type unset", help=_("Unset properties of a volume type"))
def unset_type(volume_type: Type, property_: Keys = None, project: Project = None) -> None:
    """Remove properties, or take a project's access away."""
    client = session.client
    project_id = client.projects.find(project)["id"] if project else None
    ident = client.volume_types.find(volume_type)["id"]
    for key in property_ or []:
        client.volume_types.delete_extra_spec(ident, key)
    if project_id:
        client.volume_types.remove_access(ident, project_id)
