"""`tuinova server rebuild|evacuate|rescue|unrescue`: a server made again of an image."""

from __future__ import annotations

import base64
import sys
from typing import Annotated, Any

import typer

from tuinova.cli.arguments import Properties, Server
from tuinova.cli.commands import exclusive, key_values, new_app, session, shower
from tuinova.cli.diagnostics import CommandError, say
from tuinova.cli.files import read_file
from tuinova.cli.output import Record
from tuinova.cli.server_cells import server_record
from tuinova.i18n import _

Json = dict[str, Any]
app = new_app(_("Servers"))
_Password = Annotated[str | None, typer.Option(metavar="<password>", help=_("Administrator's password"))]
_Wait = Annotated[bool, typer.Option("--wait", help=_("Until it is done"))]
# What a rebuild that went well ends in, by where it began.
_REBUILT = {"SHUTOFF": "shutoff", "ACTIVE": "active", "ERROR": "active"}
# Fields of a rebuild that Nova's API has not always had, with the options that set or unset them.
_SINCE = {
    "description": ((2, 19), ("--description", "")),
    "key_name": ((2, 54), ("--key-name", "--no-key-name")),
    "user_data": ((2, 57), ("--user-data", "--no-user-data")),
    "trusted_image_certificates": ((2, 63), ("--trusted-image-cert", "--no-trusted-image-certs")),
    "hostname": ((2, 90), ("--hostname", "")),
}


@app.command("rebuild", help=_("Rebuild a server from an image"))
@shower
def rebuild(
    server: Server,
    image: Annotated[str | None, typer.Option(metavar="<image>", help=_("Image (name or ID); else the same"))] = None,
    name: Annotated[str | None, typer.Option(metavar="<name>", help=_("New name"))] = None,
    password: _Password = None,
    property_: Properties = None,
    description: Annotated[str | None, typer.Option(metavar="<text>", help=_("New description"))] = None,
    preserve_ephemeral: Annotated[
        bool, typer.Option("--preserve-ephemeral", help=_("Keep the ephemeral disk (bare metal only)"))
    ] = False,
    no_preserve_ephemeral: Annotated[
        bool, typer.Option("--no-preserve-ephemeral", help=_("Don't keep the ephemeral disk"))
    ] = False,
    key_name: Annotated[str | None, typer.Option(metavar="<key>", help=_("New key pair"))] = None,
    no_key_name: Annotated[bool, typer.Option("--no-key-name", help=_("No key pair any more"))] = False,
    user_data: Annotated[str | None, typer.Option(metavar="<file>", help=_("New user data"))] = None,
    no_user_data: Annotated[bool, typer.Option("--no-user-data", help=_("No user data any more"))] = False,
    trusted_image_cert: Annotated[
        list[str] | None, typer.Option(metavar="<id>", help=_("Trusted image certificate (repeatable)"))
    ] = None,
    no_trusted_image_certs: Annotated[
        bool, typer.Option("--no-trusted-image-certs", help=_("No trusted image certificates any more"))
    ] = False,
    hostname: Annotated[str | None, typer.Option(metavar="<name>", help=_("New host name"))] = None,
    reimage_boot_volume: Annotated[
        bool, typer.Option("--reimage-boot-volume", help=_("Write over the boot volume"))
    ] = False,
    no_reimage_boot_volume: Annotated[
        bool, typer.Option("--no-reimage-boot-volume", help=_("Leave the boot volume"))
    ] = False,
    wait: _Wait = False,
) -> Record:
    """Make a server's disks anew from an image; its ID, flavor and addresses stay, the rest unless told otherwise."""
    exclusive(preserve_ephemeral=preserve_ephemeral, no_preserve_ephemeral=no_preserve_ephemeral)
    exclusive(key_name=key_name, no_key_name=no_key_name)
    exclusive(user_data=user_data, no_user_data=no_user_data)
    exclusive(trusted_image_cert=trusted_image_cert, no_trusted_image_certs=no_trusted_image_certs)
    exclusive(reimage_boot_volume=reimage_boot_volume, no_reimage_boot_volume=no_reimage_boot_volume)
    body: Json = {
        "name": name,
        "adminPass": password,
        "metadata": key_values(property_) or None,
        "description": description,
        "preserve_ephemeral": True if preserve_ephemeral else False if no_preserve_ephemeral else None,
        "key_name": key_name,
        "user_data": base64.b64encode(read_file(user_data, "--user-data")).decode() if user_data else None,
        "trusted_image_certificates": trusted_image_cert or None,
        "hostname": hostname,
    }
    body = {key: value for key, value in body.items() if value is not None}
    unset = {"key_name": no_key_name, "user_data": no_user_data, "trusted_image_certificates": no_trusted_image_certs}
    body |= {key: None for key, wanted in unset.items() if wanted}
    for key, (since, (sets, unsets)) in _SINCE.items():
        session.needs_option(since, sets if body.get(key) is not None else unsets, key in body)
    session.needs_option((2, 93), "--reimage-boot-volume", reimage_boot_volume)
    session.needs_option((2, 93), "--no-reimage-boot-volume", no_reimage_boot_volume)
    return _rebuild(server, image, body, reimage=reimage_boot_volume, wait=wait)


def _rebuild(server: str, image: str | None, body: Json, *, reimage: bool, wait: bool) -> Record:
    from tuinova.cli.waiting import wait_status

    client = session.client
    found = client.servers.find(server)
    if not found["image"] and not image:
        raise CommandError(_("The --image option is required when rebuilding a volume-backed server"))
    if not found["image"] and not reimage and session.microversion >= (2, 93):
        raise CommandError(_("--reimage-boot-volume is required to rebuild a volume-backed server"))
    body["imageRef"] = client.images.find(image)["id"] if image else found["image"]["id"]
    if found["status"] not in _REBUILT:
        raise CommandError(_("The server status is not ACTIVE, SHUTOFF or ERROR."))
    answer, request = client.servers.ask(found["id"], "rebuild", body)
    made = answer["server"]
    if wait:
        wait_status(found["id"], server, {_REBUILT[found["status"]]}, _("rebuilding"), request=request)
        say(_("Complete"))
        made = client.servers.get(found["id"]) | {"adminPass": made.get("adminPass")}
    return server_record(made, made.get("adminPass"))


@app.command("evacuate", help=_("Evacuate a server from a host that is down"))
@shower
def evacuate(
    server: Server,
    host: Annotated[str | None, typer.Option(metavar="<host>", help=_("To this host"))] = None,
    password: _Password = None,
    shared_storage: Annotated[bool, typer.Option("--shared-storage", help=_("Of older APIs: refused"))] = False,
    wait: _Wait = False,
) -> Record:
    """Build a server again on another host after its own has failed."""
    from tuinova.cli.waiting import wait_status

    exclusive(password=password, shared_storage=shared_storage)
    if shared_storage:
        raise CommandError(_("--os-compute-api-version 2.13 or earlier is required to specify shared-storage."))
    client = session.client
    found = client.servers.find(server)
    body = {key: value for key, value in {"host": host, "adminPass": password}.items() if value is not None}
    _answer, request = client.servers.ask(found["id"], "evacuate", body)
    if wait:
        wait_status(found["id"], server, {"active", "shutoff"}, _("evacuating"), request=request)
        say(_("Complete"))
    return server_record(client.servers.get(found["id"]))


@app.command("rescue", help=_("Start a server from a rescue image"))
def rescue(
    server: Server,
    image: Annotated[str | None, typer.Option(metavar="<image>", help=_("Image (name or ID); else the same"))] = None,
    password: _Password = None,
) -> None:
    """Start a server from an image, its own disk beside it as the second one."""
    client = session.client
    found = client.servers.find(server)
    body: Json = {"rescue_image_ref": client.images.find(image)["id"]} if image else {}
    if password is not None:
        body["adminPass"] = password
    answer = client.servers.action(found["id"], "rescue", body)
    # Nobody else tells it again; a script that wants one gives one.
    if password is None and answer and sys.stderr.isatty():
        say(_("Password in the rescued guest: {password}").format(password=answer["adminPass"]))


@app.command("unrescue", help=_("Start a rescued server from its own disk again"))
def unrescue(server: Server) -> None:
    """End the rescue."""
    session.client.servers.action(session.client.servers.find(server)["id"], "unrescue")
