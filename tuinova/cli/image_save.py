"""`tuinova image save`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tuinova.cli.commands import new_app, session
from tuinova.cli.diagnostics import CommandError
from tuinova.cli.image_options import Image, progress_bar
from tuinova.i18n import _

app = new_app(_("Images"))


@app.command("save", help=_("Save an image's data"))
def save_image(
    image: Image,
    file: Annotated[str | None, typer.Option(metavar="<file>", help=_("Where to; standard output if absent"))] = None,
    chunk_size: Annotated[
        int, typer.Option("--chunk-size", metavar="<bytes>", min=1, max=1 << 26, help=_("Bytes that are read at once"))
    ] = 1 << 20,
    progress: Annotated[bool, typer.Option("--progress", help=_("Show a progress bar"))] = False,
) -> None:
    """Save an image's data, checked against its hash; a file is there whole under its name, or not at all."""
    from tuinova.client import image_file

    client = session.client
    found = client.images.find(image)
    name = found["name"] or image
    try:
        if file is not None:
            with progress_bar(name, progress) as report:
                image_file.save_image(client, found, Path(file), report, chunk_size=chunk_size)
        elif sys.stdout.isatty():
            raise CommandError(_("Image data on a terminal helps nobody: use --file or a pipe"))
        else:
            with progress_bar(name, progress) as report:
                image_file.read_image(client, found, sys.stdout.buffer, report, chunk_size=chunk_size)
            sys.stdout.buffer.flush()
    except OSError as error:
        where = file or _("standard output")
        raise CommandError(_("Can't write {where}: {reason}").format(where=where, reason=error.strerror)) from error
