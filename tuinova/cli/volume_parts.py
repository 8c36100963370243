"""What the commands about volumes share: cells of Cinder's fields, filters, the words for waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer

from tuinova.cli.commands import session
from tuinova.cli.diagnostics import CommandError, say
from tuinova.cli.output import Cell, Listing, Record, dict_cell, list_dict_cell
from tuinova.client.errors import ClientError
from tuinova.i18n import _

Json = dict[str, Any]
Texts = list[str]

Properties = Annotated[
    list[str] | None, typer.Option("--property", metavar="<key=value>", help=_("Property (repeatable)"))
]
Keys = Annotated[
    list[str] | None, typer.Option("--property", metavar="<key>", help=_("Property to remove (repeatable)"))
]
NoProperty = Annotated[
    bool, typer.Option("--no-property", help=_("Without the properties that there are; those of --property stay"))
]
Description = Annotated[str | None, typer.Option("--description", metavar="<text>", help=_("Description"))]
NewName = Annotated[str | None, typer.Option("--name", metavar="<name>", help=_("New name"))]
OnlyName = Annotated[str | None, typer.Option("--name", metavar="<name>", help=_("Only this name"))]
OnlyProject = Annotated[
    str | None, typer.Option("--project", metavar="<project>", help=_("Only this project (admin only)"))
]
AllProjects = Annotated[
    bool, typer.Option("--all-projects", envvar="ALL_PROJECTS", help=_("All projects (admin only)"))
]
Long = Annotated[bool, typer.Option("--long", help=_("More columns"))]
Marker = Annotated[str | None, typer.Option("--marker", metavar="<id>", help=_("Start after this one"))]
Limit = Annotated[int | None, typer.Option("--limit", metavar="<n>", help=_("At most so many"))]

# Cinder's names to openstack's.
_RENAMED = {"metadata": "properties", "volume_type": "type", "extra_specs": "properties"}
_HIDDEN = (
    "links",
    "os-volume-type-access:is_public",
    "os-extended-snapshot-attributes:progress",
    "os-extended-snapshot-attributes:project_id",
)
_CELLS: dict[str, Callable[[Any], Cell]] = {
    "metadata": dict_cell,
    "extra_specs": dict_cell,
    "volume_image_metadata": dict_cell,
    "attachments": list_dict_cell,
}


def volume_record(row: Json, hidden: Sequence[str] = ()) -> Record:
    """The fields of a show command, sorted, by openstack's names."""
    fields = {
        _RENAMED.get(name, name): _CELLS[name](value) if name in _CELLS else value
        for name, value in row.items()
        if name not in _HIDDEN and name not in hidden
    }
    return Record({name: fields[name] for name in sorted(fields)})


def volume_listing(
    columns: Mapping[str, str], rows: Iterable[Json], cells: Mapping[str, Callable[[Any], Any]] | None = None
) -> Listing:
    """Columns by their titles, each a field of Cinder's."""
    made = {**_CELLS, **(cells or {})}
    names = list(columns.values())
    return Listing(
        list(columns),
        [[made[name](row.get(name)) if name in made else row.get(name) for name in names] for row in rows],
    )


def list_filters(project: str | None, all_projects: bool, user: str | None = None) -> Json:
    """Whose: `--project` looks in all projects."""
    client = session.client
    return {
        "all_tenants": 1 if all_projects or project else None,
        "project_id": client.projects.find(project)["id"] if project else None,
        "user_id": client.users.find(user)["id"] if user else None,
    }


def try_each(steps: Iterable[tuple[str, Callable[[], object]]], summary: str) -> None:
    """Do all of these, telling failures as they come, so that one that can't be done does not hide the others."""
    failures = 0
    for text, step in steps:
        try:
            step()
        except ClientError as error:
            failures += 1
            say(text.format(error=error))
    if failures:
        raise CommandError(summary)
