"""`tuinova server event list|show` and `server schedule show`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

import typer

from tuinova.cli.arguments import Server
from tuinova.cli.commands import lister, new_app, session, shower
from tuinova.cli.diagnostics import CommandError
from tuinova.cli.output import Cell, Listing, Record, dict_cell, list_dict_cell
from tuinova.i18n import _

app = new_app(_("Servers"))
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _server_id(name: str) -> str:
    """The id; a deleted server is still found by its UUID."""
    return name if _UUID.fullmatch(name) else str(session.client.servers.find(name)["id"])


@app.command("event list", help=_("List what was done with a server"))
@lister
def list_events(
    server: Server,
    long: Annotated[bool, typer.Option("--long", help=_("More columns"))] = False,
    changes_since: Annotated[str | None, typer.Option(help=_("Changed since (ISO 8601)"))] = None,
    changes_before: Annotated[str | None, typer.Option(help=_("Changed before (ISO 8601)"))] = None,
    marker: Annotated[str | None, typer.Option(help=_("Start after this request"))] = None,
    limit: Annotated[int | None, typer.Option(help=_("At most so many"))] = None,
) -> Listing:
    """A server's action log, newest first."""
    params: dict[str, Any] = {"changes-since": changes_since, "changes-before": changes_before}
    params |= {"marker": marker, "limit": limit}
    rows = session.client.servers.events(_server_id(server), **params)
    columns = ["Request ID", "Server ID", "Action", "Start Time"]
    keys = ["request_id", "instance_uuid", "action", "start_time"]
    if long:
        columns += ["Message", "Project ID", "User ID"]
        keys += ["message", "project_id", "user_id"]
    return Listing(columns, [[row[key] for key in keys] for row in rows])


@app.command("event show", help=_("Show one request with its events"))
@shower
def show_event(
    server: Server,
    request: Annotated[str, typer.Argument(metavar="<request-id>", help=_("Request ID"))],
) -> Record:
    """One request of the action log with its events."""
    action = session.client.servers.event(_server_id(server), request)
    fields: dict[str, Any] = dict(action)
    fields["id"] = fields.pop("instance_uuid", None)
    fields["events"] = list_dict_cell(fields.get("events") or [])
    return Record({name: fields[name] for name in sorted(fields)})


@app.command("schedule show", help=_("Why this host, why none"))
@shower
def show_schedule(
    server: Server,
    decision: Annotated[int, typer.Option(help=_("Which decision: 1 is the newest"))] = 1,
) -> Record:
    """Why the scheduler chose this host: what each filter left, what each weigher gave."""
    decisions = session.client.servers.schedule(_server_id(server))
    if not 1 <= decision <= len(decisions):
        raise CommandError(
            _("There is no decision {given}: {count} are kept for this server").format(
                given=decision, count=len(decisions)
            )
        )
    chosen = decisions[decision - 1]
    return Record({"request_id": chosen["request_id"], "at": chosen["at"], **_trace_fields(chosen["trace"])})


def _place(place: dict[str, Any] | None) -> str:
    """`host`, or `host (node)` where they differ."""
    if not place:
        return ""
    return place["host"] if place.get("node") in ("", None, place["host"]) else f"{place['host']} ({place['node']})"


def _stage_text(stage: dict[str, Any]) -> str:
    """A stage in Nova's words, and below it whom it refused and why."""
    lines = [f"{stage['name']}: (start: {stage['hosts_in']}, end: {stage['hosts_out']})"]
    lines += [f"  {_place(host)}: {host.get('reason', '')}" for host in stage.get("rejected") or []]
    return "\n".join(lines)


def _rank_text(host: dict[str, Any]) -> str:
    """A host's weight and what each weigher gave it."""
    parts = []
    for name, value in (host.get("weighers") or {}).items():
        given = value.get("weight") if isinstance(value, dict) else value
        if given:
            parts.append(f"{name.removesuffix('Weigher')} {given:.4g}")
    return f"{_place(host)}: {host['weight']:.4g}" + (f"  ({', '.join(parts)})" if parts else "")


# Which text a list of the trace has in a table; the rest are lists of dictionaries as everywhere.
_TRACE_TEXTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "stages": _stage_text,
    "ranking": _rank_text,
    "claims": lambda claim: f"{_place(claim)}: {'claimed' if claim['claimed'] else 'refused'}",
    "alternates": _place,
    "weighers": lambda one: f"{one['name']}: x {one['multiplier']}",
}


def _trace_fields(trace: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in trace.items():
        if key in _TRACE_TEXTS:
            fields[key] = Cell(value, "\n".join(_TRACE_TEXTS[key](row) for row in value or []))
        elif key == "choice":
            fields[key] = Cell(value, _place(value))
        else:
            fields[key] = dict_cell(value) if isinstance(value, dict) else value
    return fields
