"""`tuinova extension list`: what the service can beyond the core of each API."""

from __future__ import annotations

from typing import Annotated

import typer

from tuinova.cli.commands import lister, new_app, session
from tuinova.cli.output import Cell, Listing, list_dict_cell
from tuinova.i18n import _

app = new_app(_("API extensions"))
APPS = {"extension": app}


@app.callback()
def extension_callback() -> None:
    """API extensions."""


@app.command("list", help=_("List API extensions"))
@lister
def list_extensions(
    network: Annotated[bool, typer.Option("--network", help=_("Those of the network API (the only kind here)"))] = True,
    long: Annotated[bool, typer.Option("--long", help=_("More columns"))] = False,
) -> Listing:
    """List extensions."""
    columns = {"Name": "name", "Alias": "alias", "Description": "description"}
    if long:
        columns |= {"Updated At": "updated", "Links": "links"}
    rows = session.client.extensions.list()
    return Listing(
        list(columns),
        [[_links(row.get(key)) if key == "links" else row.get(key) for key in columns.values()] for row in rows],
    )


def _links(value: list[dict[str, str]] | None) -> Cell:
    return list_dict_cell(value)
