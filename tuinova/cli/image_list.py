"""`tuinova image list`, `image show` and `image delete`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tuinova.cli.arguments import choice
from tuinova.cli.commands import each, key_values, lister, new_app, session, shower
from tuinova.cli.image_options import Image, ProjectDomain, Tags, project_id, visibility
from tuinova.cli.image_record import image_record
from tuinova.cli.output import Listing, Record, list_cell
from tuinova.i18n import _

app = new_app(_("Images"))
_SHORT = {"ID": "id", "Name": "name", "Status": "status"}
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
_ANSWERS = ("accepted", "pending", "rejected", "all")


@app.command("list", help=_("List images"))
@lister
def list_images(
    public: Annotated[bool, typer.Option("--public", help=_("Only public ones"))] = False,
    private: Annotated[bool, typer.Option("--private", help=_("Only private ones"))] = False,
    shared: Annotated[bool, typer.Option("--shared", help=_("Only shared ones"))] = False,
    community: Annotated[bool, typer.Option("--community", help=_("Only community ones"))] = False,
    all_: Annotated[bool, typer.Option("--all", help=_("All of them, community ones too"))] = False,
    property_: Annotated[
        list[str] | None,
        typer.Option("--property", metavar="<key=value>", help=_("Only with this property (repeatable)")),
    ] = None,
    name: Annotated[str | None, typer.Option(help=_("Only this name"))] = None,
    status: Annotated[str | None, typer.Option(help=_("Only in this status"))] = None,
    member_status: Annotated[
        str | None, typer.Option(metavar="<member-status>", help=_("Shared ones to which the project answered so"))
    ] = None,
    project: Annotated[str | None, typer.Option(metavar="<project>", help=_("Only of this project"))] = None,
    project_domain: ProjectDomain = None,
    tag: Tags = None,
    hidden: Annotated[bool, typer.Option("--hidden", help=_("Only hidden ones"))] = False,
    long: Annotated[bool, typer.Option("--long", help=_("More columns"))] = False,
    sort: Annotated[
        str, typer.Option(metavar="<key>[:<direction>]", help=_("Order: keys with asc or desc, separated by commas"))
    ] = "name:asc",
    limit: Annotated[int | None, typer.Option(metavar="<num>", min=0, help=_("At most so many"))] = None,
    marker: Annotated[str | None, typer.Option(metavar="<image>", help=_("Only those after this one"))] = None,
    max_items: Annotated[int | None, typer.Option(metavar="<num>", min=0, help=_("The same as --limit"))] = None,
) -> Listing:
    """List images by name."""
    choice("--member-status", member_status, _ANSWERS)
    kind = visibility(public=public, private=private, shared=shared, community=community, all=all_)
    client = session.client
    wanted: dict[str, Any] = {
        "visibility": kind,
        "name": name,
        "status": status,
        "member_status": member_status,
        "owner": project_id(project),
        "tag": tag,
        "os_hidden": True if hidden else None,
        "marker": None if marker is None else client.images.find(marker)["id"],
        "sort": sort,
        **key_values(property_),
    }
    most = limit if max_items is None else max_items if limit is None else min(limit, max_items)
    images = client.images.list(most=most, **wanted)
    columns = _LONG if long else _SHORT
    rows = [
        [list_cell(image[key]) if key == "tags" else image.get(key) for key in columns.values()] for image in images
    ]
    return Listing(list(columns), rows)


@app.command("show", help=_("Show one image"))
@shower
def show_image(
    image: Image,
    human_readable: Annotated[bool, typer.Option("--human-readable", help=_("Sizes for people"))] = False,
) -> Record:
    """Show one image."""
    return image_record(session.client.images.find(image), human_readable)


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
