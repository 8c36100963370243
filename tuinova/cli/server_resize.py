"""`tuinova server resize|migrate`, and confirming or reverting what they did."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tuinova.cli.arguments import Server
from tuinova.cli.commands import exclusive, new_app, session
from tuinova.cli.diagnostics import CommandError, say
from tuinova.i18n import _

app = new_app(_("Servers"))


def confirm(server: str) -> None:
    """The server stays as it is now; what was kept for a revert goes."""
    session.client.servers.action(session.client.servers.find(server)["id"], "confirmResize")


def revert(server: str) -> None:
    """The server goes back to where and what it was."""
    session.client.servers.action(session.client.servers.find(server)["id"], "revertResize")


def _deprecated(given: str, instead: str) -> None:
    say(_("'{given}' is deprecated. Please use '{instead}' instead.").format(given=given, instead=instead))


@app.command("resize", help=_("Resize a server to another flavor"))
def resize(
    server: Server,
    flavor: Annotated[str | None, typer.Option(metavar="<flavor>", help=_("New flavor (name or ID)"))] = None,
    confirm_: Annotated[bool, typer.Option("--confirm", help=_("Deprecated: server resize confirm"))] = False,
    revert_: Annotated[bool, typer.Option("--revert", help=_("Deprecated: server resize revert"))] = False,
    wait: Annotated[bool, typer.Option("--wait", help=_("Until it is done"))] = False,
) -> None:
    """Give a server another flavor; it then waits in VERIFY_RESIZE for confirm or revert."""
    from tuinova.cli.waiting import wait_status

    exclusive(flavor=flavor, confirm=confirm_, revert=revert_)
    if confirm_ or revert_:
        word = "confirm" if confirm_ else "revert"
        _deprecated(f"server resize --{word}", f"server resize {word}")
        (confirm if confirm_ else revert)(server)
        return
    if not flavor:
        raise CommandError(_("one of the arguments --flavor --confirm --revert is required"), code=2)
    servers = session.client.servers
    found = servers.find(server)
    wanted = session.client.flavors.find(flavor)
    _answer, request = servers.ask(found["id"], "resize", {"flavorRef": wanted["id"]})
    if wait:
        # ACTIVE and SHUTOFF: it was confirmed by itself, or rolled back, which the action log tells apart.
        goal = {"verify_resize", "active", "shutoff"}
        wait_status(found["id"], server, goal, _("resizing"), request=request)
        print(_("Complete"))


@app.command("resize confirm", help=_("Confirm a resize: the old copy is removed"))
def confirm_resize(server: Server) -> None:
    """Confirm."""
    confirm(server)


@app.command("resize revert", help=_("Revert a resize: back to the old flavor"))
def revert_resize(server: Server) -> None:
    """Revert."""
    revert(server)


@app.command("migrate", help=_("Migrate a server to another host"))
def migrate(
    server: Server,
    live_migration: Annotated[bool, typer.Option("--live-migration", help=_("While it runs"))] = False,
    host: Annotated[str | None, typer.Option(metavar="<hostname>", help=_("To this host (admin only)"))] = None,
    shared_migration: Annotated[
        bool, typer.Option("--shared-migration", help=_("Its disks are on storage that both hosts have"))
    ] = False,
    block_migration: Annotated[bool, typer.Option("--block-migration", help=_("Copy its disks too"))] = False,
    disk_overcommit: Annotated[bool, typer.Option("--disk-overcommit", help=_("Of older APIs: no effect"))] = False,
    no_disk_overcommit: Annotated[
        bool, typer.Option("--no-disk-overcommit", help=_("Of older APIs: no effect"))
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help=_("Until it is done"))] = False,
) -> None:
    """Migrate a server, cold (it then waits for confirm or revert) or live."""
    from tuinova.cli.waiting import wait_status

    exclusive(shared_migration=shared_migration, block_migration=block_migration)
    exclusive(disk_overcommit=disk_overcommit, no_disk_overcommit=no_disk_overcommit)
    if not live_migration and (block_migration or disk_overcommit):
        raise CommandError(
            _("--live-migration must be specified if --block-migration or --disk-overcommit is specified")
        )
    if live_migration and (disk_overcommit or no_disk_overcommit):
        say(
            _(
                "The --disk-overcommit and --no-disk-overcommit options are only supported by "
                "--os-compute-api-version 2.24 or below; this will be an error in a future release"
            )
        )
    servers = session.client.servers
    found = servers.find(server)
    key: str = "migrate"
    body: dict[str, Any] | None = {"host": host} if host else None
    if live_migration:
        block: Any = True if block_migration else False if shared_migration else "auto"
        key, body = "os-migrateLive", {"host": host, "block_migration": block}
    _answer, request = servers.ask(found["id"], key, body)
    if wait:
        # A live migration leaves the status as it was; a move that was given up does too: the action log tells.
        goal = {"verify_resize", "active", "shutoff", found["status"]}
        wait_status(found["id"], server, goal, _("migrating"), request=request)
        print(_("Complete"))


@app.command("migrate confirm", help=_("Deprecated: server migration confirm"))
def confirm_migrate(server: Server) -> None:
    """Confirm."""
    _deprecated("server migrate confirm", "server migration confirm")
    confirm(server)


@app.command("migrate revert", help=_("Deprecated: server migration revert"))
def revert_migrate(server: Server) -> None:
    """Revert."""
    _deprecated("server migrate revert", "server migration revert")
    revert(server)
