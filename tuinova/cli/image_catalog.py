"""`tuinova image catalog`: well-known images that `image create --from-catalog` fetches."""

from __future__ import annotations

from typing import Annotated

import typer

from tuinova.cli.commands import lister, new_app, shower
from tuinova.cli.diagnostics import CommandError
from tuinova.cli.output import Listing, Record, dict_cell, list_cell
from tuinova.client.image_catalog import CATALOG, UnknownCatalogImage, catalog_image, this_architecture
from tuinova.i18n import _

app = new_app(_("Images"))


@app.command("catalog list", help=_("List well-known cloud images"))
@lister
def list_catalog(
    long: Annotated[bool, typer.Option("--long", help=_("More columns"))] = False,
    arch: Annotated[str | None, typer.Option("--arch", metavar="<arch>", help=_("Only for this architecture"))] = None,
) -> Listing:
    """List the catalogue."""
    columns = ["Name", "Title", "User", "Min Disk", "Min RAM", "Architectures"]
    rows = []
    for image in CATALOG:
        if arch is not None and arch not in image.arches:
            continue
        row = [image.name, image.title, image.user, image.min_disk, image.min_ram, list_cell(list(image.arches))]
        rows.append([*row, *image.where(arch or next(iter(image.arches)))] if long else row)
    return Listing([*columns, "URL", "Checksums"] if long else columns, rows)


@app.command("catalog show", help=_("Show one well-known cloud image"))
@shower
def show_catalog(
    name: Annotated[str, typer.Argument(metavar="<name>", help=_("Name in the catalogue"))],
    arch: Annotated[
        str | None, typer.Option("--arch", metavar="<arch>", help=_("Architecture; else this machine's"))
    ] = None,
) -> Record:
    """Show one with the address that it comes from."""
    try:
        image = catalog_image(name)
        kind = arch or this_architecture()
        url, checksums = image.where(kind)
    except UnknownCatalogImage as error:
        raise CommandError(str(error)) from error
    known = ("disk_format", "container_format", "min_disk", "min_ram")
    fields = image.fields(kind)
    return Record(
        {
            "architectures": list_cell(list(image.arches)),
            "checksums": checksums,
            **{key: fields[key] for key in known},
            "name": image.name,
            "properties": dict_cell({key: value for key, value in fields.items() if key not in known}),
            "title": image.title,
            "url": url,
            "user": image.user,
        }
    )
