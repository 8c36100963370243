"""`tuinova quota`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tuinova.cli.commands import exclusive, lister, new_app, session
from tuinova.cli.output import Listing
from tuinova.i18n import _

app = new_app(_("Quotas"))
APPS = {"quota": app}
# openstack's names for Nova's quota resources.
_NAMES = {
    "cores": "cores",
    "injected-file-size": "injected_file_content_bytes",
    "injected-path-size": "injected_file_path_bytes",
    "injected-files": "injected_files",
    "instances": "instances",
    "key-pairs": "key_pairs",
    "properties": "metadata_items",
    "ram": "ram",
    "server-group-members": "server_group_members",
    "server-groups": "server_groups",
}
_Project = Annotated[str | None, typer.Argument(metavar="[<project>]", help=_("Project (name or ID)"))]


def _project_id(name: str | None) -> str:
    return str(session.client.projects.find(name or session.client.project)["id"])


@app.command("show", help=_("Show the quotas of a project"))
@lister
def show_quota(
    project: _Project = None,
    default: Annotated[bool, typer.Option("--default", help=_("The defaults"))] = False,
    usage: Annotated[bool, typer.Option("--usage", help=_("With what is in use"))] = False,
) -> Listing:
    """Show a project's quotas."""
    exclusive(default=default, usage=usage)
    ident = _project_id(project)
    quotas = session.client.quotas
    if usage:
        detail = quotas.detail(ident)
        rows = [
            (name, detail[key]["limit"], detail[key]["in_use"], detail[key]["reserved"])
            for name, key in _NAMES.items()
            if key in detail
        ]
        return Listing(("Resource", "Limit", "In Use", "Reserved"), rows)
    limits = quotas.defaults(ident) if default else quotas.get(ident)
    return Listing(("Resource", "Limit"), [(name, limits[key]) for name, key in _NAMES.items() if key in limits])


@app.command("list", help=_("List the projects whose quotas differ from the defaults"))
@lister
def list_quotas(
    compute: Annotated[bool, typer.Option("--compute", help=_("Compute quotas (the only kind here)"))] = True,
) -> Listing:
    """Projects with quotas of their own."""
    client = session.client
    columns = {
        "Cores": "cores",
        "Instances": "instances",
        "Key Pairs": "key_pairs",
        "Metadata Items": "metadata_items",
        "Ram": "ram",
        "Server Groups": "server_groups",
        "Server Group Members": "server_group_members",
    }
    rows = []
    for project in client.projects.list():
        limits, defaults = client.quotas.get(project["id"]), client.quotas.defaults(project["id"])
        if any(limits[key] != defaults[key] for key in columns.values()):
            rows.append([project["id"], *(limits[key] for key in columns.values())])
    return Listing(["Project ID", *columns], rows)


@app.command("set", help=_("Set the quotas of a project"))
def set_quota(
    project: _Project = None,
    cores: Annotated[int | None, typer.Option(help=_("Virtual CPUs; -1: no limit"))] = None,
    instances: Annotated[int | None, typer.Option(help=_("Servers"))] = None,
    ram: Annotated[int | None, typer.Option(metavar="<MB>", help=_("Memory"))] = None,
    key_pairs: Annotated[int | None, typer.Option(help=_("Key pairs of each user"))] = None,
    properties: Annotated[int | None, typer.Option(help=_("Properties of each server"))] = None,
    server_groups: Annotated[int | None, typer.Option(help=_("Server groups"))] = None,
    server_group_members: Annotated[int | None, typer.Option(help=_("Servers in each group"))] = None,
    force: Annotated[bool, typer.Option("--force", help=_("Also below what is in use"))] = False,
    no_force: Annotated[bool, typer.Option("--no-force", help=_("Not below what is in use (default)"))] = False,
) -> None:
    """Change a project's quotas."""
    exclusive(force=force, no_force=no_force)
    given: dict[str, Any] = {
        "cores": cores,
        "instances": instances,
        "ram": ram,
        "key_pairs": key_pairs,
        "metadata_items": properties,
        "server_groups": server_groups,
        "server_group_members": server_group_members,
    }
    limits = {key: value for key, value in given.items() if value is not None}
    if limits:
        session.client.quotas.set(_project_id(project), limits, force=force)


@app.command("delete", help=_("Reset the quotas of a project to the defaults"))
def delete_quota(
    project: Annotated[str, typer.Argument(metavar="<project>", help=_("Project (name or ID)"))],
) -> None:
    """Back to the defaults."""
    session.client.quotas.delete(_project_id(project))
