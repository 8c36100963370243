"""`tuinova server ssh`: the system's ssh with the server's address."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from tuinova.cli.arguments import Server
from tuinova.cli.commands import exclusive, new_app, session
from tuinova.cli.diagnostics import CommandError
from tuinova.i18n import _

app = new_app(_("Servers"))
# openstack's words for kinds of addresses: Nova's.
_KINDS = {"public": "floating", "private": "fixed"}


def address_of(server: dict[str, Any], versions: Sequence[int], wanted: str | None = None) -> str:
    """The first address of one of these IP versions, in their order.

    `wanted`: public, private, floating, fixed or a network's name; None: a floating one, else a fixed one.
    """
    every = [(network, entry) for network, entries in server["addresses"].items() for entry in entries]
    kinds = ["floating", "fixed"] if wanted is None else [_KINDS.get(wanted, wanted)]
    for kind in kinds:
        for version in versions:
            for network, entry in every:
                named = kind in (entry.get("OS-EXT-IPS:type", "fixed"), network)
                if named and entry["version"] == version:
                    return str(entry["addr"])
    raise CommandError(
        _("ERROR: No {kind} IP version {versions} address found").format(
            kind=wanted or "public", versions=list(versions)
        )
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
    public: Annotated[bool, typer.Option("--public", help=_("Only a floating address"))] = False,
    private: Annotated[bool, typer.Option("--private", help=_("Only a fixed address"))] = False,
    address_type: Annotated[
        str | None, typer.Option("--address-type", metavar="<type>", help=_("public, private, or a network's name"))
    ] = None,
    login: Annotated[str | None, typer.Option("-l", "--login", help=_("User in the guest"))] = None,
) -> None:
    """Run ssh; what follows `--` is handed to it."""
    if ipv4 and ipv6:
        raise CommandError(
            _("argument {second}: not allowed with argument {first}").format(first="-4", second="-6"), code=2
        )
    exclusive(public=public, private=private, address_type=address_type)
    wanted = "public" if public else "private" if private else address_type
    address = address_of(session.client.servers.find(server), (4,) if ipv4 else (6,) if ipv6 else (4, 6), wanted)
    user = login or session.settings.get("username") or os.environ.get("OS_USERNAME") or session.client.username
    command = ["ssh", "-l", user, address, *context.args]
    session.close()
    try:
        os.execvp(command[0], command)  # noqa: S606 - a list of arguments, no shell
    except OSError as error:
        raise CommandError(_("Can't run ssh: {reason}").format(reason=error.strerror)) from error
