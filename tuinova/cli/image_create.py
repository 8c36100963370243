"""`tuinova image create`."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tuinova.cli.commands import exclusive, key_values, new_app, session, shower
from tuinova.cli.diagnostics import CommandError
from tuinova.cli.image_options import progress_bar
from tuinova.cli.image_record import image_record
from tuinova.cli.output import Record
from tuinova.client import ClientError
from tuinova.i18n import _

Json = dict[str, Any]
app = new_app(_("Images"))


@app.command("create", help=_("Create an image"))
@shower
def create_image(
    name: Annotated[str, typer.Argument(metavar="<name>", help=_("Name"))],
    id_: Annotated[
        str | None, typer.Option("--id", metavar="<id>", help=_("ID; made by the service if absent"))
    ] = None,
    container_format: Annotated[str, typer.Option(help=_("bare, ami, aki, ari"))] = "bare",
    disk_format: Annotated[str, typer.Option(help=_("raw, qcow2, iso, ami, aki, ari"))] = "raw",
    min_disk: Annotated[int, typer.Option(metavar="<GB>", help=_("Least root disk"))] = 0,
    min_ram: Annotated[int, typer.Option(metavar="<MB>", help=_("Least RAM"))] = 0,
    file: Annotated[str | None, typer.Option(metavar="<file>", help=_("Data; standard input if piped"))] = None,
    progress: Annotated[bool, typer.Option("--progress", help=_("Show a progress bar"))] = False,
    protected: Annotated[bool, typer.Option("--protected", help=_("May not be deleted"))] = False,
    unprotected: Annotated[bool, typer.Option("--unprotected", help=_("May be deleted (default)"))] = False,
    public: Annotated[bool, typer.Option("--public", help=_("For all projects (admin)"))] = False,
    private: Annotated[bool, typer.Option("--private", help=_("Only for the own project"))] = False,
    shared: Annotated[bool, typer.Option("--shared", help=_("For chosen projects (default)"))] = False,
    community: Annotated[bool, typer.Option("--community", help=_("For all who know it"))] = False,
    property_: Annotated[
        list[str] | None, typer.Option("--property", metavar="<key=value>", help=_("Property (repeatable)"))
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help=_("Tag (repeatable)"))] = None,
) -> Record:
    """Create an image and upload its data; an upload that fails leaves no image behind."""
    exclusive(protected=protected, unprotected=unprotected)
    exclusive(public=public, private=private, shared=shared, community=community)
    chosen = {"public": public, "private": private, "community": community}
    body: Json = {
        "name": name,
        "container_format": container_format,
        "disk_format": disk_format,
        "min_disk": min_disk,
        "min_ram": min_ram,
        "protected": protected,
        "visibility": next((kind for kind, wanted in chosen.items() if wanted), "shared"),
        **key_values(property_),
    }
    if id_:
        body["id"] = id_
    if tag:
        body["tags"] = tag
    source = _open_source(file)
    client = session.client
    created = client.images.create(body)
    if source is not None:
        with source, progress_bar(name, progress) as report:
            try:
                client.images.upload(created["id"], source, report)
            except ClientError:
                _forget(created["id"])
                raise
    return image_record(client.images.get(created["id"]))


def _open_source(file: str | None) -> Any:
    if file is None:
        # As openstack: data on a pipe is the image. A terminal or no input: only the record.
        return None if sys.stdin is None or sys.stdin.isatty() or not _piped() else sys.stdin.buffer
    try:
        return Path(file).open("rb")
    except OSError as error:
        raise CommandError(
            _("Can't open '{path}' of {option}: {reason}").format(path=file, option="--file", reason=error.strerror)
        ) from error


def _piped() -> bool:
    """Standard input is a pipe or a file, not /dev/null or closed."""
    import os
    import stat

    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def _forget(ident: str) -> None:
    with contextlib.suppress(ClientError):
        session.client.images.delete(ident)
