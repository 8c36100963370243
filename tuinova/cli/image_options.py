"""What several commands about images share."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from tuinova.cli.commands import exclusive, session
from tuinova.i18n import N_, _
from tuinova.text import clean

Json = dict[str, Any]
# (bytes done, bytes in all or None[, what is done])
Report = Callable[..., None]
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
def progress_bar(title: str, wanted: bool, *, stages: bool = False) -> Iterator[Report | None]:
    """A progress bar on stderr when it is a terminal or was asked for; with `stages` a word says what is done."""
    if not wanted and not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    with Progress(
        TextColumn("{task.description}", markup=False),
        *([TextColumn("{task.fields[stage]}", markup=False)] if stages else []),
        BarColumn(bar_width=30),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        console=Console(stderr=True),
    ) as bar:
        task = bar.add_task(clean(title), total=None, stage="")
        yield lambda done, total, stage="": bar.update(task, completed=done, total=total, stage=stage)


# What an import's progress counts (`what` of the image's task) in words.
_WHAT = {"waiting": N_("waiting"), "downloading": N_("downloading"), "checking": N_("checking")}


@contextlib.contextmanager
def import_bar(name: str) -> Iterator[Callable[[Json], None]]:
    """A progress bar of an import on a terminal, from what the image says of its task."""
    with progress_bar(clean(name), False, stages=True) as report:

        def show(image: Json) -> None:
            told = image.get("task_progress")
            if report is not None and told:
                what = str(told.get("what") or "")
                report(int(told.get("done") or 0), told.get("total"), _(_WHAT.get(what, what)))

        yield show
