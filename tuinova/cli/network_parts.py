"""What the commands about networks share: cells of Neutron's fields, `key=value,...` options, tags."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuinova.cli.commands import each, exclusive, session
from tuinova.cli.diagnostics import CommandError
from tuinova.cli.output import Cell, Listing, Record, list_cell, list_dict_cell
from tuinova.i18n import _

if TYPE_CHECKING:
    from tuinova.client.networks import NetworkResource

Json = dict[str, Any]
Texts = list[str]

Project = Annotated[
    str | None, typer.Option("--project", metavar="<project>", help=_("Owner's project (name or ID; admin only)"))
]
Description = Annotated[str | None, typer.Option("--description", metavar="<text>", help=_("Description"))]
NewName = Annotated[str | None, typer.Option("--name", metavar="<name>", help=_("New name"))]
OnlyName = Annotated[str | None, typer.Option("--name", metavar="<name>", help=_("Only this name"))]
Long = Annotated[bool, typer.Option("--long", help=_("More columns"))]
Enable = Annotated[bool, typer.Option("--enable", help=_("Administratively up (default)"))]
Disable = Annotated[bool, typer.Option("--disable", help=_("Administratively down"))]
AddTags = Annotated[list[str] | None, typer.Option("--tag", metavar="<tag>", help=_("Tag to add (repeatable)"))]
NoTag = Annotated[bool, typer.Option("--no-tag", help=_("Without tags; with --tag: only those"))]
RemoveTags = Annotated[list[str] | None, typer.Option("--tag", metavar="<tag>", help=_("Tag to remove (repeatable)"))]
AllTag = Annotated[bool, typer.Option("--all-tag", help=_("Remove all tags"))]
OnlyTags = Annotated[
    str | None, typer.Option("--tags", metavar="<tag>[,<tag>...]", help=_("Only with all of these tags"))
]
AnyTags = Annotated[
    str | None, typer.Option("--any-tags", metavar="<tag>[,<tag>...]", help=_("Only with one of these tags"))
]
NotTags = Annotated[
    str | None, typer.Option("--not-tags", metavar="<tag>[,<tag>...]", help=_("Only without all of these tags"))
]


def either(**pair: bool) -> bool | None:
    """True for the first of two exclusive flags, False for the second, None for neither."""
    exclusive(**pair)
    first, second = pair.values()
    return True if first else False if second else None


def given(**fields: Any) -> Json:
    """The fields that have a value; `router__external` is Neutron's `router:external`."""
    return {name.replace("__", ":"): value for name, value in fields.items() if value is not None}


def project_id(project: str | None) -> str | None:
    """The id of a project that an option names."""
    return str(session.client.projects.find(project)["id"]) if project else None


def keyed(text: str, option: str, required: Sequence[str] = (), optional: Sequence[str] = ()) -> dict[str, str]:
    """One value of an option such as `start=10.0.0.2,end=10.0.0.9`, with openstack's texts for wrong keys."""
    fields: dict[str, str] = {}
    for part in text.split(","):
        key, sign, value = part.partition("=")
        if not sign or not key:
            raise _wrong(option, _("Expected key=value pairs separated by comma, but got: {given}"), given=part)
        fields[key.strip()] = value
    known = [*required, *optional]
    if unknown := [key for key in fields if key not in known]:
        raise _wrong(
            option,
            _("Invalid keys {keys} specified. Valid keys are: {valid}"),
            keys=", ".join(unknown),
            valid=", ".join(known),
        )
    if missing := [key for key in required if not fields.get(key)]:
        raise _wrong(
            option,
            _("Missing required keys {keys}. Required keys are: {required}"),
            keys=", ".join(missing),
            required=", ".join(required),
        )
    return fields


def _wrong(option: str, text: str, **values: str) -> CommandError:
    return CommandError(
        _("argument {option}: {reason}").format(option=option, reason=text.format(**values)),
        code=2,
    )


def without(have: Iterable[Any], leave: Iterable[Any], failed: str) -> list[Any]:
    """A list without some of its items; CommandError for one that is not there."""
    kept = list(have)
    for item in leave:
        if item not in kept:
            raise CommandError(failed.format(given=item))
        kept.remove(item)
    return kept


# tags ----------------------------------------------------------------------------------------------------------------
def new_tags(resource: NetworkResource, row: Json, tags: Texts | None, no_tag: bool) -> Json:
    """A new one with the tags that --tag asks for: Neutron takes them only afterwards."""
    exclusive(tag=tags, no_tag=no_tag)
    if not tags:
        return row
    resource.set_tags(row["id"], dict.fromkeys(tags))
    return resource.get(row["id"])


def more_tags(resource: NetworkResource, row: Json, tags: Texts | None, no_tag: bool) -> None:
    """`--tag` and `--no-tag` of a set command; both together replace."""
    if tags or no_tag:
        resource.set_tags(row["id"], dict.fromkeys([*([] if no_tag else row.get("tags") or []), *(tags or [])]))


def fewer_tags(resource: NetworkResource, row: Json, tags: Texts | None, all_tag: bool) -> None:
    """`--tag` and `--all-tag` of an unset command; tags that are not there are left out silently."""
    exclusive(tag=tags, all_tag=all_tag)
    if tags or all_tag:
        resource.set_tags(row["id"], [tag for tag in row.get("tags") or [] if not all_tag and tag not in (tags or [])])


def tag_filters(tags: str | None, any_tags: str | None, not_tags: str | None) -> Json:
    """The filters of a list command."""
    return {"tags": tags, "tags-any": any_tags, "not-tags": not_tags}


# cells ---------------------------------------------------------------------------------------------------------------
def state_cell(value: bool | None) -> Cell:
    """UP or DOWN for people."""
    return Cell(value, "UP" if value else "DOWN")


def external_cell(value: bool | None) -> Cell:
    """External or Internal for people."""
    return Cell(value, "External" if value else "Internal")


def pools_cell(value: Sequence[Mapping[str, Any]] | None) -> Cell:
    """`10.0.0.2-10.0.0.254,...`."""
    pools = list(value or [])
    return Cell(pools, ",".join(f"{pool['start']}-{pool['end']}" for pool in pools))


def routes_cell(value: Sequence[Mapping[str, Any]] | None) -> Cell:
    """Routes with the key that the option has."""
    routes = list(value or [])
    shown = [{"gateway" if key == "nexthop" else key: text for key, text in route.items()} for route in routes]
    return Cell(routes, list_dict_cell(shown).human)


_CELLS: dict[str, Callable[[Any], Cell]] = {
    "admin_state_up": state_cell,
    "router:external": external_cell,
    "allocation_pools": pools_cell,
    "host_routes": routes_cell,
    "tags": list_cell,
    "subnets": list_cell,
    "fixed_ips": list_dict_cell,
    "allowed_address_pairs": list_dict_cell,
}
_HIDDEN = ("tenant_id", "links", "standard_attr_id")


def network_cell(name: str, value: Any) -> Any:
    """A field of Neutron's as commands show it; what is a cell already stays so."""
    make = _CELLS.get(name)
    return value if make is None or isinstance(value, Cell) else make(value)


def network_record(row: Json, renamed: Mapping[str, str] | None = None, hidden: Sequence[str] = ()) -> Record:
    """The fields of a show command, sorted, by openstack's names."""
    fields = {
        (renamed or {}).get(name, name): network_cell(name, value)
        for name, value in row.items()
        if name not in _HIDDEN and name not in hidden
    }
    if "project_id" not in fields and "tenant_id" in row:
        fields["project_id"] = row["tenant_id"]
    return Record({name: fields[name] for name in sorted(fields)})


def network_listing(
    columns: Mapping[str, str], rows: Iterable[Json], hidden: Mapping[str, str] | None = None
) -> Listing:
    """Columns by their titles, each a field of Neutron's; `hidden` ones are shown when -c names them."""
    more = hidden or {}
    names = [*columns.values(), *more.values()]
    shown = [[network_cell(name, row.get(name)) for name in names] for row in rows]
    return Listing(list(columns), shown, list(more))


def delete_each(resource: NetworkResource, names: Texts, noun: str, nouns: str) -> None:
    """Delete all of these, with openstack's words for those that can't be."""
    each(
        names,
        lambda name: resource.delete(resource.find(name)["id"]),
        _("Failed to delete {noun} with name or ID '{{name}}': {{error}}").format(noun=noun),
        _("{{failed}} of {{total}} {nouns} failed to delete.").format(nouns=nouns),
    )
