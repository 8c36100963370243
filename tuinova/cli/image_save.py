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
) -> None:
    """Save an image's data."""
    client = session.client
    found = client.images.find(image)
    if file is None:
        if sys.stdout.isatty():
            raise CommandError(_("Image data on a terminal helps nobody: use --file or a pipe"))
        client.images.download(found["id"], sys.stdout.buffer)
        return
    with Path(file).open("wb") as target, progress_bar(found["name"] or image, False) as report:
        client.images.download(found["id"], target, report)
