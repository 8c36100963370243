"""`tuinova aggregate`: groups of hosts, their zone and properties."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tuinova.cli.arguments import Properties
from tuinova.cli.commands import each, key_values, lister, new_app, session, shower
from tuinova.cli.output import Listing, Record, dict_cell, list_cell
from tuinova.i18n import _

app = new_app(_("Host aggregates"))
add_app = new_app(_("Put hosts into aggregates"))
remove_app = new_app(_("Take hosts out of aggregates"))
cache_app = new_app(_("Bring images to the hosts of aggregates"))
app.add_typer(add_app, name="add")
app.add_typer(remove_app, name="remove")
app.add_typer(cache_app, name="cache")
APPS = {"aggregate": app}
_ZONE = "availability_zone"
_Aggregate = Annotated[str, typer.Argument(metavar="<aggregate>", help=_("Aggregate (name or ID)"))]
_Host = Annotated[str, typer.Argument(metavar="<host>", help=_("Host"))]
_Zone = Annotated[str | None, typer.Option(metavar="<zone>", help=_("Availability zone of its hosts"))]


def _properties(aggregate: dict[str, Any]) -> dict[str, str]:
    """Its metadata but the zone, which has a field of its own."""
    return {key: value for key, value in (aggregate.get("metadata") or {}).items() if key != _ZONE}


def _record(aggregate: dict[str, Any]) -> Record:
    fields = {key: value for key, value in aggregate.items() if key not in ("metadata", "deleted", "hosts")}
    fields["hosts"] = list_cell(aggregate.get("hosts") or [])
    fields["is_deleted"] = aggregate["deleted"]
    fields["properties"] = dict_cell(_properties(aggregate))
    return Record({name: fields[name] for name in sorted(fields)})


def _find(name: str) -> dict[str, Any]:
    return session.client.aggregates.find(name)


@app.command("create", help=_("Create an aggregate"))
@shower
def create_aggregate(
    name: Annotated[str, typer.Argument(metavar="<name>", help=_("Name"))],
    zone: _Zone = None,
    properties: Properties = None,
) -> Record:
    """Create an aggregate without hosts."""
    metadata = key_values(properties)
    made = session.client.aggregates.create(name, zone)
    if metadata:
        session.client.aggregates.set_metadata(made["id"], metadata)
    return _record(session.client.aggregates.get(made["id"]))


@app.command("list", help=_("List aggregates"))
@lister
def list_aggregates(
    long: Annotated[bool, typer.Option("--long", help=_("More columns"))] = False,
    zone: Annotated[
        str | None, typer.Option("--availability-zone", metavar="<zone>", help=_("Only this availability zone"))
    ] = None,
    host: Annotated[str | None, typer.Option(metavar="<host>", help=_("Only those with this host"))] = None,
) -> Listing:
    """List aggregates."""
    columns = ["ID", "UUID", "Name", "Availability Zone", *(("Properties", "Hosts") if long else ())]
    rows = [
        (
            *(row[key] for key in ("id", "uuid", "name", _ZONE)),
            *((dict_cell(_properties(row)), list_cell(row["hosts"])) if long else ()),
        )
        for row in session.client.aggregates.list()
        if (zone is None or row[_ZONE] == zone) and (host is None or host in row["hosts"])
    ]
    return Listing(columns, rows)


@app.command("show", help=_("Show one aggregate"))
@shower
def show_aggregate(aggregate: _Aggregate) -> Record:
    """Show one aggregate with its hosts and properties."""
    return _record(_find(aggregate))


@app.command("set", help=_("Change an aggregate's name, zone or properties"))
def set_aggregate(
    aggregate: _Aggregate,
    name: Annotated[str | None, typer.Option(metavar="<name>", help=_("New name"))] = None,
    zone: _Zone = None,
    properties: Properties = None,
    no_property: Annotated[bool, typer.Option("--no-property", help=_("Remove all properties"))] = False,
) -> None:
    """Change an aggregate; with --no-property and --property the old properties are replaced."""
    found, given = _find(aggregate), key_values(properties)
    fields = {key: value for key, value in (("name", name), (_ZONE, zone)) if value is not None}
    if fields:
        session.client.aggregates.update(found["id"], fields)
    removed: dict[str, str | None] = dict.fromkeys(_properties(found)) if no_property else {}
    if changes := {**removed, **given}:
        session.client.aggregates.set_metadata(found["id"], changes)


@app.command("unset", help=_("Remove properties of an aggregate"))
def unset_aggregate(
    aggregate: _Aggregate,
    properties: Annotated[
        list[str] | None, typer.Option("--property", metavar="<key>", help=_("Property (repeatable)"))
    ] = None,
) -> None:
    """Remove properties."""
    found = _find(aggregate)
    if properties:
        session.client.aggregates.set_metadata(found["id"], dict.fromkeys(properties))


@app.command("delete", help=_("Delete aggregates that have no hosts"))
def delete_aggregates(
    aggregates: Annotated[list[str], typer.Argument(metavar="<aggregate>...", help=_("Aggregates (name or ID)"))],
) -> None:
    """Delete aggregates."""
    each(
        aggregates,
        lambda name: session.client.aggregates.delete(_find(name)["id"]),
        _("Failed to delete aggregate with name or ID '{name}': {error}"),
        _("{failed} of {total} aggregates failed to delete."),
    )


@add_app.command("host", help=_("Put a host into an aggregate"))
@shower
def add_host(aggregate: _Aggregate, host: _Host) -> Record:
    """Put a host into an aggregate."""
    return _record(session.client.aggregates.add_host(_find(aggregate)["id"], host))


@remove_app.command("host", help=_("Take a host out of an aggregate"))
@shower
def remove_host(aggregate: _Aggregate, host: _Host) -> Record:
    """Take a host out of an aggregate."""
    return _record(session.client.aggregates.remove_host(_find(aggregate)["id"], host))


@cache_app.command("image", help=_("Have the hosts of an aggregate fetch images before servers need them"))
def cache_image(
    aggregate: _Aggregate,
    images: Annotated[list[str], typer.Argument(metavar="<image>...", help=_("Images (name or ID)"))],
) -> None:
    """Bring images to the hosts of an aggregate."""
    found = _find(aggregate)
    session.client.aggregates.cache_images(
        found["id"], [str(session.client.images.find(name)["id"]) for name in images]
    )


# The callbacks keep `host` and `image` words of the grammar: an application with a single command would swallow them.
@add_app.callback()
def add_callback() -> None:
    """Add."""


@remove_app.callback()
def remove_callback() -> None:
    """Remove."""


@cache_app.callback()
def cache_callback() -> None:
    """Cache."""
