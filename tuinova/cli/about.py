"""`tuinova info` and `tuinova config show`."""

from __future__ import annotations

from typing import Annotated

import typer

from tuinova.cli.commands import lister, new_app, session, shower
from tuinova.cli.output import Listing, Record
from tuinova.i18n import _

info_app = new_app(_("The service"))
config_app = new_app(_("Configuration"))
APPS = {"info": info_app, "config": config_app}


@info_app.command("info", help=_("Show where the service is, what it drives, and why"))
@shower
def show_info() -> Record:
    """What the service says of itself."""
    return Record(session.client.info())


@config_app.callback()
def config_callback() -> None:
    """Configuration."""


@config_app.command("show", help=_("Show every value in force and where it came from"))
@lister
def show_config(
    changed: Annotated[bool, typer.Option("--changed", help=_("Only what is not the default"))] = False,
) -> Listing:
    """Every option, its value, and where our default differs from Nova's."""
    columns = ("Group", "Name", "Value", "Source", "Nova's Default")
    rows = []
    for option in session.client.config():
        if changed and option["source"] == "default":
            continue
        nova = option["nova_default"] if option["differs_from_nova"] else ""
        rows.append((option["group"], option["name"], option["value"], option["source"], nova))
    return Listing(columns, rows, hidden=())
