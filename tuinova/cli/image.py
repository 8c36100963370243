"""`tuinova image`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from tuinova.cli.commands import each, exclusive, key_values, lister, new_app, session, shower
from tuinova.cli.diagnostics import CommandError
from tuinova.cli.image_record import image_record
from tuinova.cli.output import Listing, Record, list_cell
from tuinova.client import ClientError
from tuinova.i18n import _

Json = dict[str, Any]
app = new_app(_("Images"))
APPS = {"image": app}
_Image = Annotated[str, typer.Argument(metavar="<image>", help=_("Image (name or ID)"))]
_LONG = {
    "ID": "id",
    "Name": "name",
    "Disk Format": "disk_format",
    "Container Format": "container_format",
    "Size": "size",
    "Checksum": "checksum",
    "Status": "status",
    "Visibility": "visibility",
    "Protected": "protected",
    "Project": "owner",
    "Hash Algorithm": "os_hash_algo",
    "Hash Value": "os_hash_value",
    "Tags": "tags",
}


@app.command("list", help=_("List images"))
@lister
def list_images(
    public: Annotated[bool, typer.Option("--public", help=_("Only public ones"))] = False,
    private: Annotated[bool, typer.Option("--private", help=_("Only private ones"))] = False,
    shared: Annotated[bool, typer.Option("--shared", help=_("Only shared ones"))] = False,
    community: Annotated[bool, typer.Option("--community", help=_("Only community ones"))] = False,
    all_: Annotated[bool, typer.Option("--all", help=_("All of them (default)"))] = False,
    property_: Annotated[
        list[str] | None, typer.Option("--property", metavar="<key=value>", help=_("Only with this property"))
    ] = None,
    name: Annotated[str | None, typer.Option(help=_("Only this name"))] = None,
    status: Annotated[str | None, typer.Option(help=_("Only in this status"))] = None,
    tag: Annotated[str | None, typer.Option(help=_("Only with this tag"))] = None,
    long: Annotated[bool, typer.Option("--long", help=_("More columns"))] = False,
    limit: Annotated[int | None, typer.Option(help=_("At most so many"))] = None,
) -> Listing:
    """List images by name."""
    exclusive(public=public, private=private, shared=shared, community=community, all=all_)
    chosen = {"public": public, "private": private, "shared": shared, "community": community}
    visibility = next((kind for kind, wanted in chosen.items() if wanted), None)
    images = session.client.images.list(visibility=visibility, name=name, status=status, tag=tag, sort="name:asc")
    properties = key_values(property_)
    images = [image for image in images if all(str(image.get(k)) == v for k, v in properties.items())]
    columns = _LONG if long else {"ID": "id", "Name": "name", "Status": "status"}
    rows = [
        [list_cell(image[key]) if key == "tags" else image.get(key) for key in columns.values()] for image in images
    ]
    return Listing(list(columns), rows[:limit] if limit is not None else rows)


@app.command("show", help=_("Show one image"))
@shower
def show_image(
    image: _Image,
    human_readable: Annotated[bool, typer.Option("--human-readable", help=_("Sizes for people"))] = False,
) -> Record:
    """Show one image."""
    return image_record(session.client.images.find(image), human_readable)


@contextlib.contextmanager
def _progress(title: str, wanted: bool) -> Iterator[Callable[[int, int | None], None] | None]:
    """A progress bar on stderr when it is a terminal or was asked for."""
    if not wanted and not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        console=Console(stderr=True),
    ) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


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
        with source, _progress(name, progress) as report:
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


@app.command("delete", help=_("Delete images"))
def delete_images(
    images: Annotated[list[str], typer.Argument(metavar="<image>...", help=_("Images (name or ID)"))],
) -> None:
    """Delete images."""
    client = session.client
    each(
        images,
        lambda name: client.images.delete(client.images.find(name)["id"]),
        _("Failed to delete image with name or ID '{name}': {error}"),
        _("Failed to delete {failed} of {total} images."),
    )


@app.command("save", help=_("Save an image's data"))
def save_image(
    image: _Image,
    file: Annotated[str | None, typer.Option(metavar="<file>", help=_("Where to; standard output if absent"))] = None,
) -> None:
    """Save an image's data."""
    client = session.client
    found = client.images.find(image)
    if file is None:
        if sys.stdout.isatty():
            raise CommandError(_("Image data on a terminal helps nobody: use --file or a pipe"))
        client.images.download(found["id"], sys.stdout.buffer)
        return
    with Path(file).open("wb") as target, _progress(found["name"] or image, False) as report:
        client.images.download(found["id"], target, report)


@app.command("set", help=_("Set properties of an image"))
def set_image(
    image: _Image,
    name: Annotated[str | None, typer.Option(help=_("New name"))] = None,
    min_disk: Annotated[int | None, typer.Option(metavar="<GB>", help=_("Least root disk"))] = None,
    min_ram: Annotated[int | None, typer.Option(metavar="<MB>", help=_("Least RAM"))] = None,
    protected: Annotated[bool, typer.Option("--protected", help=_("May not be deleted"))] = False,
    unprotected: Annotated[bool, typer.Option("--unprotected", help=_("May be deleted"))] = False,
    public: Annotated[bool, typer.Option("--public", help=_("For all projects (admin)"))] = False,
    private: Annotated[bool, typer.Option("--private", help=_("Only for the own project"))] = False,
    shared: Annotated[bool, typer.Option("--shared", help=_("For chosen projects"))] = False,
    community: Annotated[bool, typer.Option("--community", help=_("For all who know it"))] = False,
    property_: Annotated[
        list[str] | None, typer.Option("--property", metavar="<key=value>", help=_("Property (repeatable)"))
    ] = None,
) -> None:
    """Set fields and properties of an image."""
    exclusive(protected=protected, unprotected=unprotected)
    exclusive(public=public, private=private, shared=shared, community=community)
    chosen = {"public": public, "private": private, "shared": shared, "community": community}
    fields: Json = {
        "name": name,
        "min_disk": min_disk,
        "min_ram": min_ram,
        "protected": True if protected else False if unprotected else None,
        "visibility": next((kind for kind, wanted in chosen.items() if wanted), None),
    }
    fields = {key: value for key, value in fields.items() if value is not None} | key_values(property_)
    client = session.client
    found = client.images.find(image)
    if fields:
        client.images.update(found["id"], **fields)


@app.command("unset", help=_("Unset properties of an image"))
def unset_image(
    image: _Image,
    property_: Annotated[
        list[str] | None, typer.Option("--property", metavar="<key>", help=_("Property to remove (repeatable)"))
    ] = None,
) -> None:
    """Remove properties of an image."""
    client = session.client
    found = client.images.find(image)
    if property_:
        client.images.update(found["id"], **dict.fromkeys(property_))
