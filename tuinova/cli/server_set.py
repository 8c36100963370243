"""`tuinova server set` and `server unset`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tuinova.cli.commands import exclusive, key_values, session
from tuinova.cli.diagnostics import CommandError
from tuinova.i18n import _

_Server = Annotated[str, typer.Argument(metavar="<server>", help=_("Server (name or ID)"))]


def set_server(
    server: _Server,
    name: Annotated[str | None, typer.Option(help=_("New name"))] = None,
    property_: Annotated[
        list[str] | None, typer.Option("--property", metavar="<key=value>", help=_("Property (repeatable)"))
    ] = None,
    state: Annotated[str | None, typer.Option(metavar="active|error", help=_("Reset the state (admin)"))] = None,
    auto_approve: Annotated[bool, typer.Option("--auto-approve", help=_("Don't ask before --state"))] = False,
    description: Annotated[str | None, typer.Option(help=_("New description"))] = None,
    hostname: Annotated[str | None, typer.Option(help=_("New host name"))] = None,
) -> None:
    """Change name, description, host name, properties or (admin) the state."""
    if state is not None and state not in ("active", "error"):
        raise CommandError(
            _("argument --state: invalid choice: '{given}' (choose from {choices})").format(
                given=state, choices="active, error"
            ),
            code=2,
        )
    properties = key_values(property_)
    client = session.client
    found = client.servers.find(server)
    fields = {"name": name, "description": description, "hostname": hostname}
    fields = {key: value for key, value in fields.items() if value is not None}
    if state is not None and not auto_approve and not _approved(state):
        return
    if fields:
        client.servers.update(found["id"], **fields)
    if properties:
        client.servers.set_metadata(found["id"], properties)
    if state is not None:
        client.servers.action(found["id"], "os-resetState", {"state": state})


def _approved(state: str) -> bool:
    """openstack asks before it resets a state."""
    if not sys.stdin.isatty():
        raise CommandError(_("--state asks on a terminal: use --auto-approve without one"))
    sys.stderr.write(
        _("Resetting the server state can make it much harder to recover a server from an error state. ")
        + _("Reset to '{state}'? [y/N]: ").format(state=state)
    )
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def unset_server(
    server: _Server,
    property_: Annotated[
        list[str] | None, typer.Option("--property", metavar="<key>", help=_("Property to remove (repeatable)"))
    ] = None,
    all_properties: Annotated[bool, typer.Option("--all-properties", help=_("Remove all properties"))] = False,
    description: Annotated[bool, typer.Option("--description", help=_("Remove the description"))] = False,
) -> None:
    """Remove properties or the description."""
    exclusive(property=property_, all_properties=all_properties)
    client = session.client
    found = client.servers.find(server)
    keys = list(found["metadata"]) if all_properties else property_ or []
    for key in keys:
        client.servers.delete_metadata(found["id"], key)
    if description:
        client.servers.update(found["id"], description="")


def register(app: typer.Typer) -> None:
    """Add the commands to `tuinova server`."""
    app.command("set", help=_("Set properties of a server"))(set_server)
    app.command("unset", help=_("Unset properties of a server"))(unset_server)
