"""`tuinova availability zone list`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from tuinova.cli.commands import lister, new_app, session
from tuinova.cli.output import Listing
from tuinova.i18n import _

app = new_app(_("Availability"))
zone_app = new_app(_("Availability zones"))
app.add_typer(zone_app, name="zone")
APPS = {"availability": app}
_Row = tuple[str, str, str, str, str, str]


def _status(available: bool) -> str:
    return "available" if available else "not available"


def _compute_zones() -> list[dict[str, Any]]:
    """With hosts, where the caller may see them."""
    from tuinova.client import ApiError

    try:
        return session.client.availability_zones(detail=True)
    except ApiError as error:
        if error.code != 403:
            raise
        return session.client.availability_zones()


def _compute() -> Iterator[_Row]:
    for zone in _compute_zones():
        status = _status(zone["zoneState"]["available"])
        for host, services in (zone.get("hosts") or {"": {"": None}}).items():
            for name, state in services.items():
                text = ""
                if state:
                    text = f"{'enabled' if state['active'] else 'disabled'} "
                    text += f"{':-)' if state['available'] else 'XXX'} {state['updated_at']}"
                yield zone["zoneName"], status, "", host, name, text


def _network() -> Iterator[_Row]:
    for zone in session.client.network_zones():
        yield zone["name"], _status(zone["state"] == "available"), zone["resource"], "", "", ""


def _volume() -> Iterator[_Row]:
    for zone in session.client.volume_zones():
        yield zone["zoneName"], _status(zone["zoneState"]["available"]), "", "", "", ""


_SERVICES = {"compute": _compute, "volume": _volume, "network": _network}


@zone_app.command("list", help=_("List availability zones"))
@lister
def list_zones(
    compute: Annotated[bool, typer.Option("--compute", help=_("Of servers"))] = False,
    network: Annotated[bool, typer.Option("--network", help=_("Of networks"))] = False,
    volume: Annotated[bool, typer.Option("--volume", help=_("Of volumes"))] = False,
    long: Annotated[bool, typer.Option("--long", help=_("With hosts and services"))] = False,
) -> Listing:
    """The zones of all services, or of those that are asked for."""
    asked = {"compute": compute, "volume": volume, "network": network}
    every = not any(asked.values())
    rows = [row for name, read in _SERVICES.items() if every or asked[name] for row in read()]
    if not long:  # a zone once, however many hosts it has
        return Listing(("Zone Name", "Zone Status"), [row[:2] for row in _once(rows)])
    columns = ("Zone Name", "Zone Status", "Zone Resource", "Host Name", "Service Name", "Service Status")
    return Listing(columns, rows)


def _once(rows: list[_Row]) -> Iterator[_Row]:
    """Without the further hosts of the zone before."""
    before: _Row | None = None
    for row in rows:
        if before is None or row[:3] != before[:3] or not row[3]:
            yield row
        before = row
