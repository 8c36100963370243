"""`tuinova server volume ...`: what a server has attached."""

from __future__ import annotations

from typing import Annotated

import typer

from tuinova.cli.arguments import Server
from tuinova.cli.commands import exclusive, lister, new_app, session
from tuinova.cli.diagnostics import CommandError
from tuinova.cli.output import Listing
from tuinova.i18n import _

app = new_app(_("Servers"))
_BY_ATTACHMENT = (2, 89)  # an attachment has an id of its own from here on


@app.command("volume list", help=_("List the volumes of a server"))
@lister
def list_volumes(server: Server) -> Listing:
    """List attached volumes."""
    mv = session.microversion
    columns = {} if mv >= _BY_ATTACHMENT else {"ID": "id"}
    columns |= {"Device": "device", "Server ID": "serverId", "Volume ID": "volumeId"}
    columns |= {"Tag": "tag"} if mv >= (2, 70) else {}
    columns |= {"Delete On Termination?": "delete_on_termination"} if mv >= (2, 79) else {}
    if mv >= _BY_ATTACHMENT:
        columns |= {"Attachment ID": "attachment_id", "BlockDeviceMapping UUID": "bdm_uuid"}
    servers = session.client.servers
    rows = servers.volumes(servers.find(server)["id"])
    return Listing(list(columns), [[row.get(key) for key in columns.values()] for row in rows])


_Volume = Annotated[str, typer.Argument(metavar="<volume>", help=_("Volume (name or ID)"))]
_Delete = Annotated[bool, typer.Option("--delete-on-termination", help=_("Delete it with the server"))]
_Preserve = Annotated[bool, typer.Option("--preserve-on-termination", help=_("Keep it when the server is deleted"))]


@app.command("volume set", help=_("Say what becomes of a volume when its server is deleted"))
def set_volume(
    server: Server, volume: _Volume, delete_on_termination: _Delete = False, preserve_on_termination: _Preserve = False
) -> None:
    """Change an attachment."""
    exclusive(delete_on_termination=delete_on_termination, preserve_on_termination=preserve_on_termination)
    if not (delete_on_termination or preserve_on_termination):
        raise CommandError(
            _("one of the arguments {choices} is required").format(
                choices="--delete-on-termination --preserve-on-termination"
            ),
            code=2,
        )
    session.needs_option((2, 85), "--delete-on-termination", delete_on_termination)
    session.needs_option((2, 85), "--preserve-on-termination", preserve_on_termination)
    client = session.client
    found = client.volumes.find(volume)["id"]
    client.servers.update_volume(client.servers.find(server)["id"], found, delete_on_termination=delete_on_termination)


@app.command("volume update", help=_("Say what becomes of a volume when its server is deleted"))
def update_volume(
    server: Server, volume: _Volume, delete_on_termination: _Delete = False, preserve_on_termination: _Preserve = False
) -> None:
    """The older name of `server volume set`."""
    set_volume(server, volume, delete_on_termination, preserve_on_termination)
