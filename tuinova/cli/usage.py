"""`tuinova usage`: hours of vCPU, RAM and disk."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from tuinova.cli.commands import lister, new_app, session, shower
from tuinova.cli.diagnostics import CommandError
from tuinova.cli.output import Listing, Record
from tuinova.i18n import _

app = new_app(_("Usage"))
APPS = {"usage": app}
_DAY, _TIME = "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"
_Start = Annotated[
    str | None, typer.Option(metavar="<start>", help=_("First day, YYYY-MM-DD (default: four weeks ago)"))
]
_End = Annotated[str | None, typer.Option(metavar="<end>", help=_("Until this day, YYYY-MM-DD (default: tomorrow)"))]
_COLUMNS = ("Project", "Servers", "RAM MB-Hours", "CPU Hours", "Disk GB-Hours")


def _day(option: str, given: str | None, default: datetime) -> datetime:
    if given is None:
        return default
    try:
        return datetime.strptime(given, _DAY).replace(tzinfo=UTC)
    except ValueError as error:
        raise CommandError(
            _("argument {option}: '{given}' is no day: use YYYY-MM-DD").format(option=option, given=given), code=2
        ) from error


def _period(start: str | None, end: str | None) -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    return _day("--start", start, now - timedelta(weeks=4)), _day("--end", end, now + timedelta(days=1))


def _row(project: str, usage: dict[str, Any]) -> tuple[Any, ...]:
    return (
        project,
        len(usage.get("server_usages") or ()),
        *(
            round(float(usage.get(key, 0.0)), 2)
            for key in ("total_memory_mb_usage", "total_vcpus_usage", "total_local_gb_usage")
        ),
    )


@app.command("list", help=_("List the usage of all projects (admin only)"))
@lister
def list_usage(start: _Start = None, end: _End = None) -> Listing:
    """The hours of each project."""
    first, last = _period(start, end)
    client = session.client
    usages = client.usage.list(first.strftime(_TIME), last.strftime(_TIME))
    names = {row["id"]: row["name"] for row in client.projects.list()}
    rows = [_row(str(names.get(usage["tenant_id"]) or usage["tenant_id"]), usage) for usage in usages]
    heading = _("Usage from {start} to {end}: ").format(start=first.strftime(_DAY), end=last.strftime(_DAY))
    return Listing(_COLUMNS, rows, heading=heading if rows else "")


@app.command("show", help=_("Show the usage of one project"))
@shower
def show_usage(
    project: Annotated[
        str | None, typer.Option(metavar="<project>", help=_("Project (name or ID; default: the acting one)"))
    ] = None,
    start: _Start = None,
    end: _End = None,
) -> Record:
    """The hours of one project."""
    first, last = _period(start, end)
    client = session.client
    found = client.projects.find(project or client.project)
    usage = client.usage.get(found["id"], first.strftime(_TIME), last.strftime(_TIME))
    heading = _("Usage from {start} to {end} on project {project}: ").format(
        start=first.strftime(_DAY), end=last.strftime(_DAY), project=found["name"]
    )
    return Record(dict(zip(_COLUMNS, _row(found["name"], usage), strict=True)), heading=heading)
