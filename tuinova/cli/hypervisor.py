"""`tuinova hypervisor`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tuinova.cli.commands import lister, new_app, session, shower
from tuinova.cli.output import Listing, Record, dict_cell, list_cell, list_dict_cell
from tuinova.i18n import _

app = new_app(_("Hypervisors"))
stats = new_app(_("Totals of all hypervisors"))
app.add_typer(stats, name="stats")
orphan = new_app(_("What is on the hosts and belongs to no server"))
app.add_typer(orphan, name="orphan")
APPS = {"hypervisor": app}
_COUNTS = ("vcpus", "vcpus_used", "memory_mb", "memory_mb_used", "local_gb", "local_gb_used")
_TOTALS = (*_COUNTS, "free_ram_mb", "free_disk_gb", "disk_available_least", "running_vms", "current_workload")


@app.command("list", help=_("List hypervisors"))
@lister
def list_hypervisors(
    matching: Annotated[str | None, typer.Option(metavar="<text>", help=_("Only names that hold this"))] = None,
    long: Annotated[bool, typer.Option("--long", help=_("More columns"))] = False,
) -> Listing:
    """List hypervisors."""
    rows = session.client.hypervisors.rows()
    columns = {
        "ID": "id",
        "Hypervisor Hostname": "hypervisor_hostname",
        "Hypervisor Type": "hypervisor_type",
        "Host IP": "host_ip",
        "State": "state",
    }
    if long:
        columns |= {
            "vCPUs Used": "vcpus_used",
            "vCPUs": "vcpus",
            "Memory MB Used": "memory_mb_used",
            "Memory MB": "memory_mb",
        }
    chosen = [row for row in rows if not matching or matching in row["hypervisor_hostname"]]
    return Listing(list(columns), [[row.get(key) for key in columns.values()] for row in chosen])


@app.command("show", help=_("Show one hypervisor"))
@shower
def show_hypervisor(
    hypervisor: Annotated[str, typer.Argument(metavar="<hypervisor>", help=_("Hypervisor (name or ID)"))],
) -> Record:
    """Show one hypervisor with what it has and what is used."""
    found = session.client.hypervisors.find(hypervisor)
    own = next((row for row in session.client.hypervisors.rows() if row["id"] == found["id"]), {})
    fields: dict[str, Any] = {**own, **found}
    service = fields.pop("service", None) or {}
    fields["service_host"], fields["service_id"] = service.get("host"), service.get("id")
    fields["aggregates"] = [
        row["name"] for row in session.client.aggregates.list() if fields["service_host"] in row["hosts"]
    ]
    for name, value in fields.items():
        if isinstance(value, dict):
            fields[name] = dict_cell(value)
        elif isinstance(value, list):
            fields[name] = list_dict_cell(value) if value and isinstance(value[0], dict) else list_cell(value)
    fields.pop("links", None)
    return Record({name: fields[name] for name in sorted(fields)})


@stats.command("show", help=_("Show the totals of all hypervisors"))
@shower
def show_stats() -> Record:
    """Totals of all hypervisors."""
    rows = session.client.hypervisors.rows()
    totals = {key: sum(int(row.get(key) or 0) for row in rows) for key in _TOTALS}
    totals["count"] = len(rows)
    return Record({name: totals[name] for name in sorted(totals)})


@orphan.command("list", help=_("List what is on the hosts and belongs to no server"))
@lister
def list_orphans() -> Listing:
    """List guests, files, addresses and volumes that no record of this service accounts for, and their fate."""
    rows = session.client.hypervisors.orphans()
    columns = {"ID": "uuid", "Host": "host", "What": "what", "Reason": "why", "Fate": "fate"}
    return Listing(list(columns), [[*(_cell(row[key]) for key in columns.values())] for row in rows])


def _cell(value: Any) -> Any:
    return list_cell(value) if isinstance(value, list) else value
