"""`tuinova image set` and `image unset`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tuinova.cli.commands import each, exclusive, key_values, new_app, session
from tuinova.cli.image_options import (
    Community,
    Image,
    MinDisk,
    MinRam,
    Private,
    ProjectDomain,
    Public,
    Shared,
    Tags,
    either,
    project_id,
    visibility,
)
from tuinova.i18n import _

Json = dict[str, Any]
app = new_app(_("Images"))


@app.command("set", help=_("Set properties of an image"))
def set_image(
    image: Image,
    name: Annotated[str | None, typer.Option(help=_("New name"))] = None,
    min_disk: MinDisk = None,
    min_ram: MinRam = None,
    container_format: Annotated[
        str | None, typer.Option(metavar="<format>", help=_("New container format (before there is data)"))
    ] = None,
    disk_format: Annotated[
        str | None, typer.Option(metavar="<format>", help=_("New disk format (before there is data)"))
    ] = None,
    protected: Annotated[bool, typer.Option("--protected", help=_("May not be deleted"))] = False,
    unprotected: Annotated[bool, typer.Option("--unprotected", help=_("May be deleted"))] = False,
    public: Public = False,
    private: Private = False,
    community: Community = False,
    shared: Shared = False,
    property_: Annotated[
        list[str] | None, typer.Option("--property", metavar="<key=value>", help=_("Property (repeatable)"))
    ] = None,
    tag: Tags = None,
    architecture: Annotated[str | None, typer.Option(help=_("Property architecture"))] = None,
    instance_id: Annotated[str | None, typer.Option(help=_("Property instance_id"))] = None,
    kernel_id: Annotated[str | None, typer.Option(help=_("Property kernel_id"))] = None,
    os_distro: Annotated[str | None, typer.Option(help=_("Property os_distro"))] = None,
    os_version: Annotated[str | None, typer.Option(help=_("Property os_version"))] = None,
    ramdisk_id: Annotated[str | None, typer.Option(help=_("Property ramdisk_id"))] = None,
    deactivate: Annotated[bool, typer.Option("--deactivate", help=_("Nobody may use it"))] = False,
    activate: Annotated[bool, typer.Option("--activate", help=_("It may be used again"))] = False,
    project: Annotated[
        str | None,
        typer.Option(metavar="<project>", help=_("New owner; with --accept and its like whose membership it is")),
    ] = None,
    project_domain: ProjectDomain = None,
    accept: Annotated[bool, typer.Option("--accept", help=_("Accept that it is shared with the project"))] = False,
    reject: Annotated[bool, typer.Option("--reject", help=_("Reject that"))] = False,
    pending: Annotated[bool, typer.Option("--pending", help=_("Leave that open again"))] = False,
    hidden: Annotated[bool, typer.Option("--hidden", help=_("In no list unless asked for"))] = False,
    unhidden: Annotated[bool, typer.Option("--unhidden", help=_("In lists again"))] = False,
) -> None:
    """Set fields and properties of an image; its status and a membership are set first."""
    exclusive(accept=accept, reject=reject, pending=pending)
    exclusive(deactivate=deactivate, activate=activate)
    answer = "accepted" if accept else "rejected" if reject else "pending" if pending else None
    fields: Json = {
        "name": name,
        "min_disk": min_disk,
        "min_ram": min_ram,
        "container_format": container_format,
        "disk_format": disk_format,
        "protected": either(protected=protected, unprotected=unprotected),
        "visibility": visibility(public=public, private=private, community=community, shared=shared),
        "os_hidden": either(hidden=hidden, unhidden=unhidden),
        "architecture": architecture,
        "instance_id": instance_id,
        "kernel_id": kernel_id,
        "os_distro": os_distro,
        "os_version": os_version,
        "ramdisk_id": ramdisk_id,
    }
    fields = {key: value for key, value in fields.items() if value is not None} | key_values(property_)
    client = session.client
    found = client.images.find(image)
    ident = found["id"]
    if answer is not None:
        client.images.answer(ident, project_id(project) or client.info()["project"]["id"], answer)
    elif project is not None:
        fields["owner"] = project_id(project)
    if deactivate:
        client.images.deactivate(ident)
    if activate:
        client.images.reactivate(ident)
    if tag:
        fields["tags"] = list(dict.fromkeys([*found["tags"], *tag]))
    if fields:
        client.images.update(ident, **fields)


@app.command("unset", help=_("Unset properties of an image"))
def unset_image(
    image: Image,
    property_: Annotated[
        list[str] | None, typer.Option("--property", metavar="<key>", help=_("Property to remove (repeatable)"))
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="<tag>", help=_("Tag to remove (repeatable)"))
    ] = None,
) -> None:
    """Remove tags and properties of an image, each by itself: what can't be removed is told, the rest goes."""
    client = session.client
    found = client.images.find(image)
    removals = {f"tag {name}": (name, True) for name in tag or []}
    removals |= {f"property {name}": (name, False) for name in property_ or []}

    def remove(what: str) -> None:
        name, is_tag = removals[what]
        if is_tag:
            client.images.remove_tag(found["id"], name)
        else:
            client.images.update(found["id"], **{name: None})

    each(
        list(removals),
        remove,
        _("Failed to unset {name}: {error}"),
        _("Failed to unset {failed} of {total}."),
    )
