"""`tuinova server start|stop|reboot|pause ...`: the verbs that are one row of the action table each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from tuinova.cli.commands import exclusive, lister, session
from tuinova.cli.output import Listing
from tuinova.i18n import _

_Servers = Annotated[list[str], typer.Argument(metavar="<server>...", help=_("Servers (name or ID)"))]
_AllProjects = Annotated[bool, typer.Option("--all-projects", help=_("Look in all projects (admin only)"))]

# verb: (request key, help). `openstack` stops at the first server that fails.
_SIMPLE: dict[str, tuple[str, str]] = {
    "start": ("os-start", _("Start servers")),
    "stop": ("os-stop", _("Stop servers")),
    "pause": ("pause", _("Pause servers")),
    "unpause": ("unpause", _("Unpause servers")),
    "suspend": ("suspend", _("Suspend servers")),
    "resume": ("resume", _("Resume servers")),
    "unlock": ("unlock", _("Unlock servers")),
}


def _post(servers: list[str], key: str, body: Any, all_projects: bool) -> None:
    for name in servers:
        found = session.client.servers.find(name, all_projects=all_projects)
        session.client.servers.action(found["id"], key, body)


def _simple(key: str) -> Callable[..., None]:
    def act(servers: _Servers, all_projects: _AllProjects = False) -> None:
        _post(servers, key, None, all_projects)

    return act


def reboot(
    server: Annotated[str, typer.Argument(metavar="<server>", help=_("Server (name or ID)"))],
    hard: Annotated[bool, typer.Option("--hard", help=_("Hard reboot"))] = False,
    soft: Annotated[bool, typer.Option("--soft", help=_("Soft reboot (default)"))] = False,
    wait: Annotated[bool, typer.Option("--wait", help=_("Until the server is active again"))] = False,
) -> None:
    """Reboot one server."""
    from tuinova.cli.waiting import wait_status

    exclusive(hard=hard, soft=soft)
    found = session.client.servers.find(server)
    session.client.servers.action(found["id"], "reboot", {"type": "HARD" if hard else "SOFT"})
    if wait:
        wait_status(found["id"], server, {"active"}, _("rebooting"))
        print(_("Complete"))


def lock(
    servers: _Servers,
    reason: Annotated[str | None, typer.Option(help=_("Why"))] = None,
    all_projects: _AllProjects = False,
) -> None:
    """Lock servers against everybody but admins."""
    _post(servers, "lock", {"locked_reason": reason} if reason else None, all_projects)


def actions(
    server: Annotated[str, typer.Argument(metavar="<server>", help=_("Server (name or ID)"))],
) -> Listing:
    """What may be done with a server now, and why not the rest."""
    rows = session.client.servers.actions(session.client.servers.find(server)["id"])
    return Listing(
        ("Action", "Legal", "Reason"), [(row["action"], row["legal"], row.get("reason") or "") for row in rows]
    )


def register(app: typer.Typer) -> None:
    """Add the verbs to `tuinova server`."""
    for verb, (key, text) in _SIMPLE.items():
        app.command(verb, help=text)(_simple(key))
    app.command("reboot", help=_("Reboot a server"))(reboot)
    app.command("lock", help=_("Lock servers"))(lock)
    app.command("actions", help=_("Every action: legal now, or why not"))(lister(actions))
