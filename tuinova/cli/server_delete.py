"""`tuinova server delete` and `server restore`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tuinova.cli.arguments import AllProjects, Servers
from tuinova.cli.commands import each, new_app, session
from tuinova.client.errors import NotFoundByName
from tuinova.i18n import _

app = new_app(_("Servers"))


def _find(name: str, all_projects: bool = False) -> dict[str, Any]:
    """A server, also one that is SOFT_DELETED, which ordinary lists leave out."""
    servers = session.client.servers
    try:
        return servers.find(name, all_projects=all_projects)
    except NotFoundByName:
        return servers.find(name, all_projects=all_projects, status="SOFT_DELETED")


@app.command("delete", help=_("Delete servers"))
def delete_servers(
    servers: Servers,
    force: Annotated[
        bool, typer.Option("--force", help=_("At once, where deleted servers are kept for a while"))
    ] = False,
    all_projects: AllProjects = False,
    wait: Annotated[bool, typer.Option("--wait", help=_("Until they are gone"))] = False,
) -> None:
    """Delete servers, going on after a failure."""
    from tuinova.cli.waiting import wait_deleted

    client = session.client

    def delete(name: str) -> None:
        if force:
            ident = _find(name, all_projects)["id"]
            client.servers.action(ident, "forceDelete")
        else:
            ident = client.servers.find(name, all_projects=all_projects)["id"]
            client.servers.delete(ident)
        if wait:
            wait_deleted(ident, name)

    each(
        servers,
        delete,
        _("Failed to delete server with name or ID '{name}': {error}"),
        _("{failed} of {total} servers failed to delete."),
    )


@app.command("restore", help=_("Restore soft-deleted servers"))
def restore_servers(servers: Servers) -> None:
    """Bring servers back that were deleted and are still kept."""
    for name in servers:
        session.client.servers.action(_find(name)["id"], "restore")
