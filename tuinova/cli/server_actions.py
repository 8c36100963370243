"""`tuinova server start|stop|reboot|pause ...`: the verbs that are one row of the action table each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from tuinova.cli.arguments import AllProjects, Server, Servers
from tuinova.cli.commands import exclusive, new_app, session
from tuinova.i18n import _

app = new_app(_("Servers"))

# verb: (request key, help). `openstack` stops at the first server that fails.
_SIMPLE: dict[str, tuple[str, str]] = {
    "start": ("os-start", _("Start servers")),
    "stop": ("os-stop", _("Stop servers")),
    "pause": ("pause", _("Pause servers")),
    "unpause": ("unpause", _("Unpause servers")),
    "suspend": ("suspend", _("Suspend servers")),
    "resume": ("resume", _("Resume servers")),
    "unlock": ("unlock", _("Unlock servers")),
    "dump create": ("trigger_crash_dump", _("Let servers write a crash dump (their kernel must be ready for it)")),
}


def _post(servers: list[str], key: str, body: Any, all_projects: bool) -> None:
    for name in servers:
        found = session.client.servers.find(name, all_projects=all_projects)
        session.client.servers.action(found["id"], key, body)


def _simple(key: str) -> Callable[..., None]:
    def act(servers: Servers, all_projects: AllProjects = False) -> None:
        _post(servers, key, None, all_projects)

    return act


@app.command("reboot", help=_("Reboot a server"))
def reboot(
    server: Server,
    hard: Annotated[bool, typer.Option("--hard", help=_("Hard reboot"))] = False,
    soft: Annotated[bool, typer.Option("--soft", help=_("Soft reboot (default)"))] = False,
    wait: Annotated[bool, typer.Option("--wait", help=_("Until the server is active again"))] = False,
) -> None:
    """Reboot one server."""
    from tuinova.cli.waiting import wait_status

    exclusive(hard=hard, soft=soft)
    found = session.client.servers.find(server)
    _answer, request = session.client.servers.ask(found["id"], "reboot", {"type": "HARD" if hard else "SOFT"})
    if wait:
        wait_status(found["id"], server, {"active"}, _("rebooting"), request=request)
        print(_("Complete"))


@app.command("lock", help=_("Lock servers"))
def lock(
    servers: Servers,
    reason: Annotated[str | None, typer.Option(help=_("Why"))] = None,
    all_projects: AllProjects = False,
) -> None:
    """Lock servers against everybody but admins."""
    _post(servers, "lock", {"locked_reason": reason} if reason else None, all_projects)


for _verb, (_key, _text) in _SIMPLE.items():
    app.command(_verb, help=_text)(_simple(_key))
