"""`tuinova server show` and `server actions`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tuinova.cli.arguments import Server
from tuinova.cli.commands import exclusive, lister, new_app, session, shower
from tuinova.cli.output import Listing, Record, dict_cell, list_cell, list_dict_cell
from tuinova.cli.server_cells import server_record
from tuinova.i18n import _

app = new_app(_("Servers"))


@app.command("show", help=_("Show one server"))
@shower
def show_server(
    server: Server,
    diagnostics: Annotated[bool, typer.Option("--diagnostics", help=_("What the hypervisor counts of it"))] = False,
    topology: Annotated[bool, typer.Option("--topology", help=_("With its NUMA nodes"))] = False,
) -> Record:
    """Show one server's fields, or its diagnostics."""
    exclusive(diagnostics=diagnostics, topology=topology)
    servers = session.client.servers
    found = servers.find(server)
    if diagnostics:
        numbers = servers.diagnostics(found["id"])
        return Record({name: _cell(numbers[name]) for name in sorted(numbers)})
    record = server_record(found)
    if not topology:
        return record
    fields = {**record.fields, "topology": dict_cell(servers.topology(found["id"]))}
    return Record({name: fields[name] for name in sorted(fields)})


def _cell(value: Any) -> Any:
    """A value of the diagnostics: numbers as they are, one line for each device."""
    if isinstance(value, dict):
        return dict_cell(value)
    if isinstance(value, list):
        return list_dict_cell(value) if value and isinstance(value[0], dict) else list_cell(value)
    return value


@app.command("actions", help=_("Every action: legal now, or why not"))
@lister
def list_actions(server: Server) -> Listing:
    """What may be done with a server now, and why not the rest."""
    rows = session.client.servers.actions(session.client.servers.find(server)["id"])
    return Listing(
        ("Action", "Now", "Why not"), [(row["action"], row["legal"], row.get("reason") or "") for row in rows]
    )
