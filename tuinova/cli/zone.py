"""`tuinova availability zone list`."""

from __future__ import annotations

from typing import Annotated

import typer

from tuinova.cli.commands import lister, new_app, session
from tuinova.cli.output import Listing
from tuinova.i18n import _

app = new_app(_("Availability"))
zone_app = new_app(_("Availability zones"))
app.add_typer(zone_app, name="zone")
APPS = {"availability": app}


@zone_app.command("list", help=_("List availability zones"))
@lister
def list_zones(
    long: Annotated[bool, typer.Option("--long", help=_("With hosts and services"))] = False,
) -> Listing:
    """List availability zones."""
    rows = []
    for zone in session.client.availability_zones(detail=long):
        status = "available" if zone["zoneState"]["available"] else "not available"
        if not long:
            rows.append([zone["zoneName"], status])
            continue
        for host, services in (zone.get("hosts") or {"": {"": None}}).items():
            for name, state in services.items():
                text = ""
                if state:
                    text = f"{'enabled' if state['active'] else 'disabled'} "
                    text += f"{':-)' if state['available'] else 'XXX'} {state['updated_at']}"
                rows.append([zone["zoneName"], status, "", host, name, text])
    columns = ["Zone Name", "Zone Status"]
    if long:
        columns += ["Zone Resource", "Host Name", "Service Name", "Service Status"]
    return Listing(columns, rows)
