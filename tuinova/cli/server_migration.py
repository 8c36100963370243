"""`tuinova server migration ...`: what has moved and moves, and how to end it."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from tuinova.cli.arguments import Server, choice
from tuinova.cli.commands import lister, new_app, session, shower
from tuinova.cli.diagnostics import CommandError
from tuinova.cli.output import Cell, Listing, Record
from tuinova.cli.server_resize import confirm, revert
from tuinova.i18n import _

app = new_app(_("Servers"))
_Migration = Annotated[str, typer.Argument(metavar="<migration>", help=_("Migration (ID or UUID)"))]
_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_TYPES = ("evacuation", "live-migration", "cold-migration", "resize")
_COLUMNS = {
    "Id": "id",
    "UUID": "uuid",
    "Source Node": "source_node",
    "Dest Node": "dest_node",
    "Source Compute": "source_compute",
    "Dest Compute": "dest_compute",
    "Dest Host": "dest_host",
    "Status": "status",
    "Server UUID": "instance_uuid",
    "Old Flavor": "old",
    "New Flavor": "new",
    "Type": "migration_type",
}
_SHOWN = {
    "ID": "id",
    "Server UUID": "server_uuid",
    "Status": "status",
    "Source Compute": "source_compute",
    "Source Node": "source_node",
    "Dest Compute": "dest_compute",
    "Dest Host": "dest_host",
    "Dest Node": "dest_node",
    "Memory Total Bytes": "memory_total_bytes",
    "Memory Processed Bytes": "memory_processed_bytes",
    "Memory Remaining Bytes": "memory_remaining_bytes",
    "Disk Total Bytes": "disk_total_bytes",
    "Disk Processed Bytes": "disk_processed_bytes",
    "Disk Remaining Bytes": "disk_remaining_bytes",
    "Created At": "created_at",
    "Updated At": "updated_at",
    "UUID": "uuid",
    "User ID": "user_id",
    "Project ID": "project_id",
}


def _flavor_cell(number: int | None, flavor: dict[str, Any] | None) -> Cell:
    """Nova's number for machines, `name (id)` for people."""
    return Cell(number, f"{flavor['name']} ({flavor['id']})" if flavor else "")


@app.command("migration list", help=_("List migrations, newest first"))
@lister
def list_migrations(
    server: Annotated[str | None, typer.Option(metavar="<server>", help=_("Only of this server"))] = None,
    host: Annotated[str | None, typer.Option(metavar="<host>", help=_("Only from or to this host"))] = None,
    status: Annotated[str | None, typer.Option(metavar="<status>", help=_("Only in this status"))] = None,
    type_: Annotated[str | None, typer.Option("--type", metavar="|".join(_TYPES), help=_("Only of this type"))] = None,
    marker: Annotated[str | None, typer.Option(help=_("Start after this migration (UUID)"))] = None,
    limit: Annotated[int | None, typer.Option(help=_("At most so many"))] = None,
    max_items: Annotated[int | None, typer.Option(help=_("At most so many in all"))] = None,
    changes_since: Annotated[str | None, typer.Option(help=_("Changed since (ISO 8601)"))] = None,
    changes_before: Annotated[str | None, typer.Option(help=_("Changed before (ISO 8601)"))] = None,
    project: Annotated[str | None, typer.Option(help=_("Only this project"))] = None,
    user: Annotated[str | None, typer.Option(help=_("Only this user"))] = None,
) -> Listing:
    """List migrations by Nova's filters; managers name their project."""
    choice("--type", type_, _TYPES)
    client = session.client
    filters: dict[str, Any] = {
        "instance_uuid": client.servers.find(server)["id"] if server else None,
        "host": host,
        "status": status,
        "migration_type": "migration" if type_ == "cold-migration" else type_,
        "marker": marker,
        "changes-since": changes_since,
        "changes-before": changes_before,
        "project_id": client.projects.find(project)["id"] if project else None,
        "user_id": client.users.find(user)["id"] if user else None,
    }
    most = max_items if max_items is not None else limit
    rows = client.migrations.rows(**filters, limit=limit if limit and limit > 0 else None)
    columns = dict(_COLUMNS)
    columns |= {"Project": "project_id"} if project else {}
    columns |= {"User": "user_id"} if user else {}
    columns |= {"Created At": "created_at", "Updated At": "updated_at"}
    shown = [
        {
            **row,
            "old": _flavor_cell(row["old_instance_type_id"], row["old_flavor"]),
            "new": _flavor_cell(row["new_instance_type_id"], row["new_flavor"]),
        }
        for row in (rows if most is None or most < 0 else rows[:most])
    ]
    return Listing(list(columns), [[row[key] for key in columns.values()] for row in shown])


def _number(server: str, migration: str) -> int:
    """The API's number of a migration that is given by number or UUID."""
    if migration.isascii() and migration.isdigit():
        return int(migration)
    if not _UUID.fullmatch(migration):
        raise CommandError(_("The <migration> argument must be an ID or UUID"))
    for row in session.client.servers.migrations(server):
        if row["uuid"] == migration:
            return int(row["id"])
    raise CommandError(
        _("In-progress live migration {migration} is not found for server {server}.").format(
            migration=migration, server=server
        )
    )


@app.command("migration show", help=_("Show a live migration that is under way"))
@shower
def show_migration(server: Server, migration: _Migration) -> Record:
    """Show one live migration with what it has moved."""
    ident = session.client.servers.find(server)["id"]
    row = session.client.servers.migration(ident, _number(ident, migration))
    return Record({name: row.get(key) for name, key in _SHOWN.items()})


@app.command("migration abort", help=_("Abort a live migration that is under way"))
def abort_migration(server: Server, migration: _Migration) -> None:
    """Abort one: the server stays where it is."""
    ident = session.client.servers.find(server)["id"]
    session.client.servers.abort_migration(ident, _number(ident, migration))


@app.command("migration force complete", help=_("Make a live migration that is under way end soon"))
def force_complete_migration(server: Server, migration: _Migration) -> None:
    """Force one to its end, at the cost of a pause of the guest."""
    ident = session.client.servers.find(server)["id"]
    session.client.servers.force_complete(ident, _number(ident, migration))


@app.command("migration confirm", help=_("Confirm a cold migration: the old copy is removed"))
def confirm_migration(server: Server) -> None:
    """Confirm."""
    confirm(server)


@app.command("migration revert", help=_("Revert a cold migration: back to the old host"))
def revert_migration(server: Server) -> None:
    """Revert."""
    revert(server)
