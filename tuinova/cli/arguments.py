"""Arguments and options that many commands share."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tuinova.cli.diagnostics import CommandError
from tuinova.i18n import _

Server = Annotated[str, typer.Argument(metavar="<server>", help=_("Server (name or ID)"))]
Servers = Annotated[list[str], typer.Argument(metavar="<server>...", help=_("Servers (name or ID)"))]
AllProjects = Annotated[bool, typer.Option("--all-projects", help=_("Look in all projects (admin only)"))]
Properties = Annotated[
    list[str] | None, typer.Option("--property", metavar="<key=value>", help=_("Property (repeatable)"))
]


def choice(option: str, given: Any, choices: tuple[str, ...]) -> None:
    """A usage error unless the value is one of these; None is no value."""
    if given is not None and given not in choices:
        raise CommandError(
            _("argument {option}: invalid choice: '{given}' (choose from {choices})").format(
                option=option, given=given, choices=", ".join(choices)
            ),
            code=2,
        )
