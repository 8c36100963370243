"""`tuinova server ssh`: the system's ssh with the server's address."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from tuinova.cli.arguments import Server
from tuinova.cli.commands import new_app, session
from tuinova.cli.diagnostics import CommandError
from tuinova.i18n import _

app = new_app(_("Servers"))


def address_of(server: dict[str, Any], versions: tuple[int, ...]) -> str:
    """The first address of one of these IP versions, in their order; servers here have fixed ones only."""
    every = [entry for entries in server["addresses"].values() for entry in entries]
    for version in versions:
        for entry in every:
            if entry["version"] == version:
                return str(entry["addr"])
    raise CommandError(
        _("ERROR: No IP version {versions} address found").format(versions=", ".join(str(v) for v in versions))
    )


@app.command(
    "ssh",
    help=_("Log in to a server with ssh"),
    context_settings={"allow_extra_args": True, "allow_interspersed_args": False},
)
def ssh(
    context: typer.Context,
    server: Server,
    ipv4: Annotated[bool, typer.Option("-4", help=_("Only an IPv4 address"))] = False,
    ipv6: Annotated[bool, typer.Option("-6", help=_("Only an IPv6 address"))] = False,
    login: Annotated[str | None, typer.Option("-l", "--login", help=_("User in the guest"))] = None,
) -> None:
    """Run ssh; what follows `--` is handed to it."""
    if ipv4 and ipv6:
        raise CommandError(
            _("argument {second}: not allowed with argument {first}").format(first="-4", second="-6"), code=2
        )
    address = address_of(session.client.servers.find(server), (4,) if ipv4 else (6,) if ipv6 else (4, 6))
    user = login or session.settings.get("username") or os.environ.get("OS_USERNAME") or session.client.username
    command = ["ssh", "-l", user, address, *context.args]
    session.close()
    try:
        os.execvp(command[0], command)  # noqa: S606 - a list of arguments, no shell
    except OSError as error:
        raise CommandError(_("Can't run ssh: {reason}").format(reason=error.strerror)) from error
