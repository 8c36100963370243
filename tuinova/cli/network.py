"""`tuinova network list`: the networks of the hosts, which servers can join."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tuinova.cli.commands import lister, new_app, session
from tuinova.cli.output import Listing
from tuinova.i18n import _

app = new_app(_("Networks"))
APPS = {"network": app}


@app.callback()
def network_callback() -> None:
    """Networks."""


@app.command("list", help=_("List the networks that servers can join"))
@lister
def list_networks(
    long: Annotated[bool, typer.Option("--long", help=_("More columns"))] = False,
) -> Listing:
    """List networks; each host's default comes first."""
    columns = {"ID": "id", "Name": "name", "Subnets": "cidr"}
    if long:
        columns |= {"Host": "host", "Mode": "mode", "Gateway": "gateway", "MTU": "mtu"}
    rows: list[dict[str, Any]] = session.client.host_networks.list()
    return Listing(list(columns), [[row[key] for key in columns.values()] for row in rows])
