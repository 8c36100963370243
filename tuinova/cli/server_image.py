"""`tuinova server image create` and `server backup create`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tuinova.cli.arguments import Properties, Server
from tuinova.cli.commands import key_values, new_app, session, shower
from tuinova.cli.diagnostics import CommandError
from tuinova.cli.image_record import image_record
from tuinova.cli.output import Record
from tuinova.client.errors import ApiError
from tuinova.core.states import STATUSES
from tuinova.i18n import _

Json = dict[str, Any]
app = new_app(_("Servers"))
_Wait = Annotated[bool, typer.Option("--wait", help=_("Until the image is active"))]


@app.command("image create", help=_("Make an image of a server's disk"))
@shower
def create_image(
    server: Server,
    name: Annotated[str | None, typer.Option(metavar="<name>", help=_("Name; else the server's"))] = None,
    property_: Properties = None,
    wait: _Wait = False,
) -> Record:
    """Make an image of a server's disk; a running guest goes on."""
    found = session.client.servers.find(server)
    body: Json = {"name": name or found["name"]}
    if property_:
        body["metadata"] = key_values(property_)
    return _snapshot(found, server, "createImage", body, _("Error creating server image: {name}"), wait)


@app.command("backup create", help=_("Make a backup image of a server, and remove old ones"))
@shower
def create_backup(
    server: Server,
    name: Annotated[str | None, typer.Option(metavar="<name>", help=_("Name; else the server's"))] = None,
    type_: Annotated[str, typer.Option("--type", metavar="<type>", help=_("Kind of backup: daily, weekly ..."))] = "",
    rotate: Annotated[int, typer.Option(metavar="<count>", help=_("Backups of this kind to keep"))] = 1,
    wait: _Wait = False,
) -> Record:
    """Make a backup; of its kind only the newest stay."""
    found = session.client.servers.find(server)
    body = {"name": name or found["name"], "backup_type": type_, "rotation": rotate}
    return _snapshot(found, server, "createBackup", body, _("Error creating server backup: {name}"), wait)


def _snapshot(found: Json, server: str, key: str, body: Json, failed: str, wait: bool) -> Record:
    from tuinova.cli.waiting import wait_status

    client = session.client
    answer, request = client.servers.ask(found["id"], key, body)
    image = client.images.get(answer["image_id"])
    if wait:
        try:
            wait_status(found["id"], server, STATUSES, _("imaging"), request=request)
        except CommandError as error:
            reason = error.message.partition("\n")[2]
            raise CommandError(failed.format(name=server) + (f"\n{reason}" if reason else "")) from error
        image = _as_it_is_now(image)
    return image_record(image)


def _as_it_is_now(image: Json) -> Json:
    """The image after the wait; a backup that its own rotation removed is told as it was."""
    try:
        return session.client.images.get(image["id"])
    except ApiError as error:
        if error.code != 404:
            raise
        return image
