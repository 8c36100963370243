"""`tuinova server group ...`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tuinova.cli.arguments import choice
from tuinova.cli.commands import each, key_values, lister, new_app, session, shower
from tuinova.cli.diagnostics import CommandError
from tuinova.cli.output import Listing, Record, dict_cell, list_cell
from tuinova.i18n import _

app = new_app(_("Servers"))
_POLICIES = ("affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity")
_RULE = "max_server_per_host"
_Group = Annotated[str, typer.Argument(metavar="<server-group>", help=_("Server group (name or ID)"))]


def _record(group: dict[str, Any]) -> Record:
    fields = {**group, "members": list_cell(group["members"]), "rules": dict_cell(group["rules"])}
    return Record({name: fields[name] for name in sorted(fields)})


@app.command("group create", help=_("Create a server group"))
@shower
def create_group(
    name: Annotated[str, typer.Argument(metavar="<name>", help=_("Name"))],
    policy: Annotated[
        str, typer.Option(metavar="|".join(_POLICIES), help=_("How its servers are placed"))
    ] = "affinity",
    rule: Annotated[
        list[str] | None, typer.Option(metavar="<key=value>", help=_("max_server_per_host, with anti-affinity"))
    ] = None,
) -> Record:
    """Create a group: servers are made members when they are created."""
    choice("--policy", policy, _POLICIES)
    rules = key_values(rule, "--rule")
    if unknown := sorted(set(rules) - {_RULE}):
        raise CommandError(_("argument --rule: there is no rule '{given}'").format(given=unknown[0]), code=2)
    fields: dict[str, Any] = {"name": name, "policy": policy}
    if rules:
        fields["rules"] = rules
    return _record(session.client.server_groups.create(fields))


@app.command("group delete", help=_("Delete server groups; their servers stay"))
def delete_groups(
    groups: Annotated[list[str], typer.Argument(metavar="<server-group>...", help=_("Server groups (name or ID)"))],
) -> None:
    """Delete groups."""
    client = session.client
    each(
        groups,
        lambda name: client.server_groups.delete(client.server_groups.find(name)["id"]),
        _("Failed to delete server group with name or ID '{name}': {error}"),
        _("{failed} of {total} server groups failed to delete."),
    )


@app.command("group list", help=_("List server groups"))
@lister
def list_groups(
    all_projects: Annotated[bool, typer.Option("--all-projects", help=_("All projects (admin only)"))] = False,
    long: Annotated[bool, typer.Option("--long", help=_("More columns"))] = False,
    offset: Annotated[int, typer.Option(metavar="<n>", help=_("Leave out so many"))] = 0,
    limit: Annotated[int | None, typer.Option(metavar="<n>", help=_("At most so many"))] = None,
) -> Listing:
    """List the project's groups."""
    rows = session.client.server_groups.list(all_projects)[max(0, offset) :]
    columns = {"ID": "id", "Name": "name", "Policy": "policy"}
    if long:
        columns |= {"Members": "members", "Project Id": "project_id", "User Id": "user_id"}
    shown = [
        [list_cell(row[key]) if key == "members" else row[key] for key in columns.values()]
        for row in (rows if limit is None or limit < 0 else rows[:limit])
    ]
    return Listing(list(columns), shown)


@app.command("group show", help=_("Show one server group"))
@shower
def show_group(group: _Group) -> Record:
    """Show one group with its members."""
    return _record(session.client.server_groups.find(group))
