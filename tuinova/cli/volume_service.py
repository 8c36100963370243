"""`tuinova volume service`."""

from __future__ import annotations

from typing import Annotated

import typer

from tuinova.cli.commands import lister, new_app, session
from tuinova.cli.output import Listing
from tuinova.cli.volume_parts import Long, volume_listing
from tuinova.i18n import _

app = new_app(_("Volumes"))


@app.command("service list", help=_("List volume services"))
@lister
def list_services(
    host: Annotated[str | None, typer.Option(metavar="<host>", help=_("Only this host"))] = None,
    service: Annotated[str | None, typer.Option(metavar="<service>", help=_("Only this binary"))] = None,
    long: Long = False,
) -> Listing:
    """List what runs the volumes."""
    columns = {
        "Binary": "binary",
        "Host": "host",
        "Zone": "zone",
        "Status": "status",
        "State": "state",
        "Updated At": "updated_at",
    }
    if long:
        columns |= {"Disabled Reason": "disabled_reason"}
    return volume_listing(columns, session.client.volume_services.list(host=host, binary=service))
