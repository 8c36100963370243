"""`tuinova volume snapshot`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from tuinova.cli.arguments import choice
from tuinova.cli.commands import each, key_values, lister, new_app, session, shower
from tuinova.cli.output import Cell, Listing, Record
from tuinova.cli.volume_parts import (
    AllProjects,
    Description,
    Json,
    Keys,
    Limit,
    Long,
    Marker,
    NewName,
    NoProperty,
    OnlyName,
    OnlyProject,
    Properties,
    list_filters,
    try_each,
    volume_listing,
    volume_record,
)
from tuinova.i18n import _

app = new_app(_("Volumes"))
_STATES = ("available", "error", "creating", "deleting", "error_deleting")
_UNSHOWN = ("updated_at", "user_id", "group_snapshot_id", "consumes_quota")

Snapshot = Annotated[str, typer.Argument(metavar="<snapshot>", help=_("Snapshot (name or ID)"))]


def _record(snapshot: Json) -> Record:
    return volume_record(snapshot, _UNSHOWN)


@app.command("snapshot create", help=_("Create a snapshot of a volume"))
@shower
def create_snapshot(
    name: Annotated[str, typer.Argument(metavar="<snapshot-name>", help=_("Name of the new snapshot"))],
    volume: Annotated[
        str | None,
        typer.Option("--volume", metavar="<volume>", help=_("Its volume; default: the one of this name")),
    ] = None,
    description: Description = None,
    force: Annotated[bool, typer.Option("--force", help=_("Also of a volume in use"))] = False,
    property_: Properties = None,
) -> Record:
    """Keep what a volume holds now."""
    properties = key_values(property_)
    client = session.client
    body: Json = {"volume_id": client.volumes.find(volume or name)["id"], "name": name, "force": force}
    body |= {"description": description} if description is not None else {}
    body |= {"metadata": properties} if properties else {}
    return _record(client.volume_snapshots.create(body))


@app.command("snapshot delete", help=_("Delete snapshots of volumes"))
def delete_snapshots(
    snapshots: Annotated[list[str], typer.Argument(metavar="<snapshot>...", help=_("Snapshots (name or ID)"))],
    force: Annotated[bool, typer.Option("--force", help=_("Whatever its status is (admin)"))] = False,
) -> None:
    """Delete snapshots; their volumes stay."""
    resource = session.client.volume_snapshots
    delete = resource.force_delete if force else resource.delete
    each(
        snapshots,
        lambda name: delete(resource.find(name)["id"]),
        _("Failed to delete snapshot with name or ID '{name}': {error}"),
        _("{failed} of {total} snapshots failed to delete."),
    )


def _volume_cell(names: dict[str, str]) -> Callable[[Any], Cell]:
    return lambda ident: Cell(ident, names.get(ident) or str(ident))


@app.command("snapshot list", help=_("List snapshots of volumes"))
@lister
def list_snapshots(
    all_projects: AllProjects = False,
    project: OnlyProject = None,
    long: Long = False,
    marker: Marker = None,
    limit: Limit = None,
    name: OnlyName = None,
    status: Annotated[str | None, typer.Option(metavar="<status>", help=_("Only this status"))] = None,
    volume: Annotated[str | None, typer.Option(metavar="<volume>", help=_("Only of this volume"))] = None,
) -> Listing:
    """List snapshots."""
    choice("--status", status, _STATES)
    client = session.client
    columns = {"ID": "id", "Name": "name", "Description": "description", "Status": "status", "Size": "size"}
    if long:
        columns |= {"Created At": "created_at", "Volume": "volume_id", "Properties": "metadata"}
    rows = client.volume_snapshots.list(
        **list_filters(project, all_projects),
        name=name,
        status=status,
        volume_id=client.volumes.find(volume)["id"] if volume else None,
        marker=marker,
        limit=limit,
    )
    volumes = client.volumes.list(all_tenants=1 if all_projects or project else None) if long and rows else []
    names = {row["id"]: row["name"] for row in volumes}
    return volume_listing(columns, rows, {"volume_id": _volume_cell(names)})


@app.command("snapshot set", help=_("Set properties of a snapshot"))
def set_snapshot(
    snapshot: Snapshot,
    name: NewName = None,
    description: Description = None,
    no_property: NoProperty = False,
    property_: Properties = None,
    state: Annotated[str | None, typer.Option(metavar="<state>", help=_("Say that this is its state (admin)"))] = None,
) -> None:
    """Change a snapshot; all that can be done is done, the rest is told."""
    choice("--state", state, _STATES)
    properties = key_values(property_)
    fields = {key: value for key, value in {"name": name, "description": description}.items() if value is not None}
    snapshots = session.client.volume_snapshots
    ident = snapshots.find(snapshot)["id"]

    def steps() -> Iterator[tuple[str, Callable[[], object]]]:
        if no_property:
            yield _("Failed to clean snapshot properties: {error}"), lambda: snapshots.replace_metadata(ident, {})
        if properties:
            yield _("Failed to set snapshot property: {error}"), lambda: snapshots.set_metadata(ident, properties)
        if state:
            yield _("Failed to set snapshot state: {error}"), lambda: snapshots.reset_status(ident, state)
        if fields:
            failed = _("Failed to update snapshot display name or display description: {error}")
            yield failed, lambda: snapshots.update(ident, **fields)

    try_each(steps(), _("One or more of the set operations failed"))


@app.command("snapshot show", help=_("Show one snapshot"))
@shower
def show_snapshot(snapshot: Snapshot) -> Record:
    """Show one snapshot's fields."""
    return _record(session.client.volume_snapshots.find(snapshot))


@app.command("snapshot unset", help=_("Unset properties of a snapshot"))
def unset_snapshot(snapshot: Snapshot, property_: Keys = None) -> None:
    """Remove properties."""
    snapshots = session.client.volume_snapshots
    ident = snapshots.find(snapshot)["id"]
    for key in property_ or []:
        snapshots.delete_metadata(ident, key)
