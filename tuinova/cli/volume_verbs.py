"""`tuinova volume create|delete|list|set|show|unset`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from tuinova.cli.arguments import choice
from tuinova.cli.commands import each, exclusive, key_values, lister, new_app, session, shower
from tuinova.cli.diagnostics import CommandError
from tuinova.cli.network_parts import either
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
    Texts,
    list_filters,
    try_each,
    volume_listing,
    volume_record,
)
from tuinova.client import ClientError
from tuinova.i18n import _

app = new_app(_("Volumes"))
_STATES = (
    *("available", "error", "creating", "deleting", "in-use", "attaching", "detaching", "error_deleting"),
    "maintenance",
)

Volume = Annotated[str, typer.Argument(metavar="<volume>", help=_("Volume (name or ID)"))]
Type = Annotated[str | None, typer.Option("--type", metavar="<type>", help=_("Volume type (name or ID)"))]
Bootable = Annotated[bool, typer.Option("--bootable", help=_("A server may boot from it"))]
NonBootable = Annotated[bool, typer.Option("--non-bootable", help=_("No server may boot from it (default)"))]
ReadOnly = Annotated[bool, typer.Option("--read-only", help=_("Servers may only read it"))]
ReadWrite = Annotated[bool, typer.Option("--read-write", help=_("Servers may write to it (default)"))]


@app.command("create", help=_("Create a volume"))
@shower
def create_volume(
    name: Annotated[str | None, typer.Argument(metavar="[<name>]", help=_("Name of the new volume"))] = None,
    size: Annotated[
        int | None, typer.Option("--size", metavar="<GB>", help=_("Size; default: that of the source"))
    ] = None,
    type_: Type = None,
    image: Annotated[
        str | None, typer.Option("--image", metavar="<image>", help=_("Filled from this image (name or ID)"))
    ] = None,
    snapshot: Annotated[
        str | None, typer.Option("--snapshot", metavar="<snapshot>", help=_("Filled from this snapshot (name or ID)"))
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="<volume>", help=_("A copy of this volume (name or ID)"))
    ] = None,
    description: Description = None,
    availability_zone: Annotated[
        str | None, typer.Option("--availability-zone", metavar="<zone>", help=_("In this zone"))
    ] = None,
    property_: Properties = None,
    hint: Annotated[
        list[str] | None, typer.Option("--hint", metavar="<key=value>", help=_("Scheduler hint (repeatable)"))
    ] = None,
    bootable: Bootable = False,
    non_bootable: NonBootable = False,
    read_only: ReadOnly = False,
    read_write: ReadWrite = False,
) -> Record:
    """Create a volume, empty or filled from an image, a snapshot or another volume."""
    exclusive(image=image, snapshot=snapshot, source=source)
    boots = either(bootable=bootable, non_bootable=non_bootable)
    reads = either(read_only=read_only, read_write=read_write)
    if size is None and not (snapshot or source):
        raise CommandError(
            _("--size is a required option if none of --snapshot, --backup, --source, or --remote-source are provided.")
        )
    properties, hints = key_values(property_), key_values(hint, "--hint")
    client = session.client
    body: Json = {
        "size": size if size is not None else _size_of(snapshot, source),
        "name": name,
        "description": description,
        "volume_type": client.volume_types.find(type_)["name"] if type_ else None,
        "availability_zone": availability_zone,
        "metadata": properties or None,
        "imageRef": client.images.find(image)["id"] if image else None,
        "snapshot_id": client.volume_snapshots.find(snapshot)["id"] if snapshot else None,
        "source_volid": client.volumes.find(source)["id"] if source else None,
        "OS-SCH-HNT:scheduler_hints": hints or None,
    }
    made = client.volumes.create({key: value for key, value in body.items() if value is not None})
    if boots is not None or reads is not None:
        _after_create(made["id"], boots, reads)
        made = client.volumes.get(made["id"])
    return volume_record(made)


def _size_of(snapshot: str | None, source: str | None) -> int:
    client = session.client
    found = client.volume_snapshots.find(snapshot) if snapshot else client.volumes.find(str(source))
    return int(found["size"])


def _after_create(ident: str, bootable: bool | None, read_only: bool | None) -> None:
    """Flags that Cinder takes only of a volume that is there; what went wrong is told."""
    from tuinova.client.waiters import wait_for_volume

    volumes = session.client.volumes
    steps: list[tuple[str, Callable[[], object]]] = []
    if bootable is not None:
        failed = _("Failed to set volume bootable property: {error}")
        steps.append((failed, lambda: volumes.set_bootable(ident, bootable)))
    if read_only is not None:
        failed = _("Failed to set volume read-only access mode flag: {error}")
        steps.append((failed, lambda: volumes.set_readonly(ident, read_only)))
    wait_for_volume(session.client, ident)
    try_each(steps, _("The volume was created without what it was to have."))


@app.command("delete", help=_("Delete volumes"))
def delete_volumes(
    volumes: Annotated[list[str], typer.Argument(metavar="<volume>...", help=_("Volumes (name or ID)"))],
    force: Annotated[bool, typer.Option("--force", help=_("Whatever its status is (admin)"))] = False,
    purge: Annotated[bool, typer.Option("--purge", help=_("With its snapshots"))] = False,
) -> None:
    """Delete volumes with their data."""
    exclusive(force=force, purge=purge)
    resource = session.client.volumes

    def delete(name: str) -> None:
        ident = resource.find(name)["id"]
        if force:
            resource.force_delete(ident)
        else:
            resource.delete(ident, cascade=True if purge else None)

    each(
        volumes,
        delete,
        _("Failed to delete volume with name or ID '{name}': {error}"),
        _("{failed} of {total} volumes failed to delete."),
    )


def _attached_cell(names: dict[str, str]) -> Callable[[Any], Cell]:
    """`Attached to vm1 on /dev/vdb`."""

    def cell(attachments: list[Json] | None) -> Cell:
        rows = attachments or []
        text = " ".join(
            f"Attached to {names.get(row['server_id'], row['server_id'])} on {row.get('device')} " for row in rows
        )
        return Cell(rows, text)

    return cell


def server_names() -> dict[str, str]:
    """Names of the servers that may be seen, for the volumes that they have; nothing when none may be."""
    try:
        return {row["id"]: row["name"] for row in session.client.servers.rows()}
    except ClientError:
        return {}


@app.command("list", help=_("List volumes"))
@lister
def list_volumes(
    project: OnlyProject = None,
    user: Annotated[str | None, typer.Option(metavar="<user>", help=_("Only this user (admin only)"))] = None,
    name: OnlyName = None,
    status: Annotated[str | None, typer.Option(metavar="<status>", help=_("Only this status"))] = None,
    property_: Annotated[
        list[str] | None, typer.Option("--property", metavar="<key=value>", help=_("Only with this property"))
    ] = None,
    all_projects: AllProjects = False,
    long: Long = False,
    marker: Marker = None,
    limit: Limit = None,
) -> Listing:
    """List volumes."""
    properties = key_values(property_)
    columns = {"ID": "id", "Name": "name", "Status": "status", "Size": "size", "Attached to": "attachments"}
    if long:
        columns = {
            "ID": "id",
            "Name": "name",
            "Status": "status",
            "Size": "size",
            "Type": "volume_type",
            "Bootable": "bootable",
            "Attached to": "attachments",
            "Properties": "metadata",
        }
    rows = session.client.volumes.list(
        **list_filters(project, all_projects, user),
        name=name,
        status=status,
        metadata=str(properties) if properties else None,
        marker=marker,
        limit=limit,
    )
    names = server_names() if any(row.get("attachments") for row in rows) else {}
    return volume_listing(columns, rows, {"attachments": _attached_cell(names)})


@app.command("set", help=_("Set properties of a volume"))
def set_volume(
    volume: Volume,
    name: NewName = None,
    size: Annotated[int | None, typer.Option("--size", metavar="<GB>", help=_("Make it larger, online too"))] = None,
    description: Description = None,
    no_property: NoProperty = False,
    property_: Properties = None,
    image_property: Annotated[
        list[str] | None,
        typer.Option("--image-property", metavar="<key=value>", help=_("Image property (repeatable)")),
    ] = None,
    state: Annotated[str | None, typer.Option(metavar="<state>", help=_("Say that this is its state (admin)"))] = None,
    attached: Annotated[bool, typer.Option("--attached", help=_("Say that it is attached (admin)"))] = False,
    detached: Annotated[bool, typer.Option("--detached", help=_("Say that it is detached (admin)"))] = False,
    type_: Type = None,
    retype_policy: Annotated[
        str | None, typer.Option(metavar="never|on-demand", help=_("Whether --type may copy it elsewhere"))
    ] = None,
    bootable: Bootable = False,
    non_bootable: NonBootable = False,
    read_only: ReadOnly = False,
    read_write: ReadWrite = False,
) -> None:
    """Change a volume; all that can be done is done, the rest is told."""
    choice("--state", state, _STATES)
    choice("--retype-policy", retype_policy, ("never", "on-demand"))
    attach = either(attached=attached, detached=detached)
    boots = either(bootable=bootable, non_bootable=non_bootable)
    reads = either(read_only=read_only, read_write=read_write)
    properties, image_properties = key_values(property_), key_values(image_property, "--image-property")
    fields = {key: value for key, value in {"name": name, "description": description}.items() if value is not None}
    client = session.client
    found = client.volumes.find(volume)
    ident, volumes = found["id"], client.volumes

    def steps() -> Iterator[tuple[str, Callable[[], object]]]:
        if size is not None:
            yield _("Failed to set volume size: {error}"), lambda: volumes.extend(ident, size)
        if no_property:
            yield _("Failed to clean volume properties: {error}"), lambda: volumes.replace_metadata(ident, {})
        if properties:
            yield _("Failed to set volume properties: {error}"), lambda: volumes.set_metadata(ident, properties)
        if image_properties:
            failed = _("Failed to set image property: {error}")
            yield failed, lambda: volumes.set_image_metadata(ident, image_properties)
        if state:
            yield _("Failed to set volume state: {error}"), lambda: volumes.reset_status(ident, state)
        if attach is not None:
            word = "attached" if attach else "detached"
            yield (
                _("Failed to set volume attach-status: {error}"),
                lambda: volumes.set_attach_status(ident, word),
            )
        if boots is not None:
            failed = _("Failed to set volume bootable property: {error}")
            yield failed, lambda: volumes.set_bootable(ident, boots)
        if reads is not None:
            failed = _("Failed to set volume read-only access mode flag: {error}")
            yield failed, lambda: volumes.set_readonly(ident, reads)
        if type_:
            policy = retype_policy or "never"
            yield (
                _("Failed to set volume type: {error}"),
                lambda: volumes.retype(ident, client.volume_types.find(type_)["name"], policy),
            )
        if fields:
            failed = _("Failed to update volume display name or display description: {error}")
            yield failed, lambda: volumes.update(ident, **fields)

    try_each(steps(), _("One or more of the set operations failed"))


@app.command("show", help=_("Show one volume"))
@shower
def show_volume(volume: Volume) -> Record:
    """Show one volume's fields."""
    return volume_record(session.client.volumes.find(volume))


@app.command("unset", help=_("Unset properties of a volume"))
def unset_volume(
    volume: Volume,
    property_: Keys = None,
    image_property: Annotated[
        list[str] | None,
        typer.Option("--image-property", metavar="<key>", help=_("Image property to remove (repeatable)")),
    ] = None,
) -> None:
    """Remove properties."""
    volumes = session.client.volumes
    ident = volumes.find(volume)["id"]
    removals: list[tuple[Texts, str, Callable[[str, str], None]]] = [
        (property_ or [], _("Failed to unset volume property: {error}"), volumes.delete_metadata),
        (image_property or [], _("Failed to unset image property: {error}"), volumes.delete_image_metadata),
    ]
    steps = (
        (failed, lambda key=key, remove=remove: remove(ident, key)) for keys, failed, remove in removals for key in keys
    )
    try_each(steps, _("One or more of the unset operations failed"))


@app.command("revert", help=_("Revert a volume to its newest snapshot"))
def revert_volume(
    snapshot: Annotated[str, typer.Argument(metavar="<snapshot>", help=_("Its newest snapshot (name or ID)"))],
) -> None:
    """Take back what was written since the snapshot."""
    client = session.client
    found = client.volume_snapshots.find(snapshot)
    client.volumes.action(found["volume_id"], "revert", {"snapshot_id": found["id"]})
