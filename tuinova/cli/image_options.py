"""What several commands about images share."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from tuinova.cli.commands import exclusive, session
from tuinova.i18n import _

Json = dict[str, Any]
Image = Annotated[str, typer.Argument(metavar="<image>", help=_("Image (name or ID)"))]
Public = Annotated[bool, typer.Option("--public", help=_("For all projects (admin)"))]
Private = Annotated[bool, typer.Option("--private", help=_("Only for the own project"))]
Shared = Annotated[bool, typer.Option("--shared", help=_("For chosen projects (default)"))]
Community = Annotated[bool, typer.Option("--community", help=_("For all who know it"))]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="<tag>", help=_("Tag (repeatable)"))]
Project = Annotated[str | None, typer.Option("--project", metavar="<project>", help=_("Owner (admin)"))]
ProjectDomain = Annotated[
    str | None, typer.Option("--project-domain", metavar="<domain>", help=_("The project's domain; there is one"))
]
MinDisk = Annotated[int | None, typer.Option(metavar="<GB>", help=_("Least root disk"))]
MinRam = Annotated[int | None, typer.Option(metavar="<MB>", help=_("Least RAM"))]


def visibility(**chosen: bool) -> str | None:
    """The one visibility that was asked for."""
    exclusive(**chosen)
    return next((kind for kind, wanted in chosen.items() if wanted), None)


def either(**pair: bool) -> bool | None:
    """Two options that exclude each other as one value: the first means true, none of them None."""
    exclusive(**pair)
    first, second = pair.values()
    return True if first else False if second else None


def project_id(name: str | None) -> str | None:
    """The id of a project by name or id."""
    return None if name is None else str(session.client.projects.find(name)["id"])


@contextlib.contextmanager
def progress_bar(title: str, wanted: bool) -> Iterator[Callable[[int, int | None], None] | None]:
    """A progress bar on stderr when it is a terminal or was asked for."""
    if not wanted and not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        console=Console(stderr=True),
    ) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
