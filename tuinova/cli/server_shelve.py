"""`tuinova server shelve|unshelve`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tuinova.cli.arguments import Servers
from tuinova.cli.commands import exclusive, new_app, session
from tuinova.i18n import _

app = new_app(_("Servers"))
_SHELVED = {"SHELVED", "SHELVED_OFFLOADED"}


@app.command("shelve", help=_("Shelve servers: an image of each is kept, and no resources"))
def shelve(
    servers: Servers,
    offload: Annotated[
        bool, typer.Option("--offload", help=_("Take them off their hosts too, at once (admin only)"))
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help=_("Until it is done"))] = False,
) -> None:
    """Shelve servers; what is shelved already is left as it is, or offloaded where that is asked for."""
    from tuinova.cli.waiting import wait_status

    client = session.client
    asked: list[tuple[str, str, str]] = []
    for name in servers:
        found = client.servers.find(name)
        request = ""
        if found["status"] not in _SHELVED:
            _answer, request = client.servers.ask(found["id"], "shelve")
        asked.append((found["id"], name, request))
    if not wait and not offload:
        return
    offloading: list[tuple[str, str, str]] = []
    for ident, name, request in asked:
        view = wait_status(ident, name, _SHELVED, _("shelving"), request=request)
        if offload and view["status"] != "SHELVED_OFFLOADED":
            _answer, request = client.servers.ask(ident, "shelveOffload")
            offloading.append((ident, name, request))
    if wait:
        for ident, name, request in offloading:
            wait_status(ident, name, {"shelved_offloaded"}, _("offloading shelved"), request=request)


@app.command("unshelve", help=_("Unshelve servers"))
def unshelve(
    servers: Servers,
    availability_zone: Annotated[
        str | None, typer.Option(metavar="<zone>", help=_("Into this zone, and keep it there"))
    ] = None,
    no_availability_zone: Annotated[
        bool, typer.Option("--no-availability-zone", help=_("Into any zone, also where it was kept in one"))
    ] = False,
    host: Annotated[str | None, typer.Option(metavar="<host>", help=_("To this host (admin only)"))] = None,
    wait: Annotated[bool, typer.Option("--wait", help=_("Until it is done"))] = False,
) -> None:
    """Unshelve servers; what is not shelved is left as it is."""
    from tuinova.cli.waiting import wait_status

    exclusive(availability_zone=availability_zone, no_availability_zone=no_availability_zone)
    body: dict[str, Any] = {}
    if availability_zone or no_availability_zone:
        body["availability_zone"] = availability_zone
    if host:
        body["host"] = host
    client = session.client
    for name in servers:
        found = client.servers.find(name)
        if found["status"] not in _SHELVED:
            continue
        _answer, request = client.servers.ask(found["id"], "unshelve", body or None)
        if wait:
            wait_status(found["id"], name, {"active", "shutoff"}, _("unshelving"), request=request)
