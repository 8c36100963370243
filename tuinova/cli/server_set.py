"""`tuinova server set` and `server unset`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tuinova.cli.arguments import Properties, Server, choice
from tuinova.cli.commands import exclusive, key_values, new_app, session
from tuinova.cli.diagnostics import CommandError
from tuinova.i18n import _

app = new_app(_("Servers"))


@app.command("set", help=_("Set properties of a server"))
def set_server(
    server: Server,
    name: Annotated[str | None, typer.Option(help=_("New name"))] = None,
    password: Annotated[str | None, typer.Option(help=_("New password of the guest's administrator"))] = None,
    no_password: Annotated[
        bool, typer.Option("--no-password", help=_("Forget the password that the guest posted; its own stays"))
    ] = False,
    root_password: Annotated[bool, typer.Option("--root-password", help=_("As --password, asked for"))] = False,
    property_: Properties = None,
    state: Annotated[str | None, typer.Option(metavar="active|error", help=_("Reset the state (admin)"))] = None,
    auto_approve: Annotated[bool, typer.Option("--auto-approve", help=_("Don't ask before --state"))] = False,
    description: Annotated[str | None, typer.Option(help=_("New description"))] = None,
    tag: Annotated[list[str] | None, typer.Option(help=_("Tag to add (repeatable)"))] = None,
    hostname: Annotated[str | None, typer.Option(help=_("New host name"))] = None,
) -> None:
    """Change name, password, description, host name, properties, tags or (admin) the state."""
    choice("--state", state, ("active", "error"))
    exclusive(password=password, no_password=no_password, root_password=root_password)
    properties = key_values(property_)
    client = session.client
    found = client.servers.find(server)
    fields = {"name": name, "description": description, "hostname": hostname}
    fields = {key: value for key, value in fields.items() if value is not None}
    if state is not None and not auto_approve and not _approved(state):
        return
    if root_password:
        password = _asked_password()
    if fields:
        client.servers.update(found["id"], **fields)
    if properties:
        client.servers.set_metadata(found["id"], properties)
    if state is not None:
        client.servers.action(found["id"], "os-resetState", {"state": state})
    if password is not None:
        client.servers.action(found["id"], "changePassword", {"adminPass": password})
    elif no_password:
        client.servers.clear_password(found["id"])
    for one in tag or []:
        client.servers.add_tag(found["id"], one)


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


def _asked_password() -> str:
    """A password that is typed twice, unseen."""
    if not sys.stdin.isatty():
        raise CommandError(_("--root-password asks on a terminal: use --password without one"))
    import getpass

    first = getpass.getpass(_("New password: "), sys.stderr)
    if first != getpass.getpass(_("Retype new password: "), sys.stderr):
        raise CommandError(_("Passwords do not match, password unchanged"))
    return first


@app.command("unset", help=_("Unset properties of a server"))
def unset_server(
    server: Server,
    property_: Annotated[
        list[str] | None, typer.Option("--property", metavar="<key>", help=_("Property to remove (repeatable)"))
    ] = None,
    all_properties: Annotated[bool, typer.Option("--all-properties", help=_("Remove all properties"))] = False,
    description: Annotated[bool, typer.Option("--description", help=_("Remove the description"))] = False,
    tag: Annotated[list[str] | None, typer.Option(help=_("Tag to remove (repeatable)"))] = None,
    all_tags: Annotated[bool, typer.Option("--all-tags", help=_("Remove all tags"))] = False,
) -> None:
    """Remove properties, tags or the description."""
    exclusive(property=property_, all_properties=all_properties)
    exclusive(tag=tag, all_tags=all_tags)
    client = session.client
    found = client.servers.find(server)
    keys = list(found["metadata"]) if all_properties else property_ or []
    for key in keys:
        client.servers.delete_metadata(found["id"], key)
    if description:
        client.servers.update(found["id"], description="")
    for one in tag or []:
        client.servers.delete_tag(found["id"], one)
    if all_tags:
        client.servers.delete_tags(found["id"])
