"""`tuinova compute service`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tuinova.cli.commands import each, exclusive, lister, new_app, session
from tuinova.cli.diagnostics import CommandError
from tuinova.cli.output import Listing
from tuinova.i18n import _

app = new_app(_("Compute"))
service_app = new_app(_("Compute services"))
app.add_typer(service_app, name="service")
APPS = {"compute": app}


@service_app.command("list", help=_("List compute services"))
@lister
def list_services(
    host: Annotated[str | None, typer.Option(help=_("Only this host"))] = None,
    service: Annotated[str | None, typer.Option(help=_("Only this binary"))] = None,
    long: Annotated[bool, typer.Option("--long", help=_("More columns"))] = False,
) -> Listing:
    """List compute services."""
    columns = {
        "ID": "id",
        "Binary": "binary",
        "Host": "host",
        "Zone": "zone",
        "Status": "status",
        "State": "state",
        "Updated At": "updated_at",
    }
    if long:
        columns |= {"Disabled Reason": "disabled_reason", "Forced Down": "forced_down"}
    rows = session.client.services.list(host=host, binary=service)
    return Listing(list(columns), [[row.get(key) for key in columns.values()] for row in rows])


@service_app.command("set", help=_("Enable, disable or force down a compute service"))
def set_service(
    host: Annotated[str, typer.Argument(metavar="<host>", help=_("Host"))],
    service: Annotated[str, typer.Argument(metavar="<service>", help=_("Binary: nova-compute"))],
    enable: Annotated[bool, typer.Option("--enable", help=_("Take new servers"))] = False,
    disable: Annotated[bool, typer.Option("--disable", help=_("Take no new servers"))] = False,
    disable_reason: Annotated[str | None, typer.Option(help=_("Why; only with --disable"))] = None,
    up: Annotated[bool, typer.Option("--up", help=_("No longer forced down"))] = False,
    down: Annotated[bool, typer.Option("--down", help=_("Force down"))] = False,
) -> None:
    """Change a service's status."""
    exclusive(enable=enable, disable=disable)
    exclusive(up=up, down=down)
    if disable_reason and not disable:
        raise CommandError(_("Cannot specify option --disable-reason without --disable specified."))
    found = session.client.services.list(host=host, binary=service)
    if len(found) != 1:
        raise CommandError(
            _('Compute service for host "{host}" and binary "{binary}" not found.').format(host=host, binary=service)
        )
    fields: dict[str, Any] = {}
    if enable or disable:
        fields["status"] = "enabled" if enable else "disabled"
    if disable_reason:
        fields["disabled_reason"] = disable_reason
    if up or down:
        fields["forced_down"] = down
    if fields:
        session.client.services.set(found[0]["id"], fields)


@service_app.command("delete", help=_("Forget compute services"))
def delete_services(
    services: Annotated[list[str], typer.Argument(metavar="<service>...", help=_("Service IDs"))],
) -> None:
    """Forget services."""
    each(
        services,
        session.client.services.delete,
        _("Failed to delete compute service with ID '{name}': {error}"),
        _("{failed} of {total} compute services failed to delete."),
    )
