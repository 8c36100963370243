"""`tuinova server list`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tuinova.cli.arguments import choice
from tuinova.cli.commands import exclusive, lister, new_app, session
from tuinova.cli.output import Listing, dict_cell, list_dict_cell
from tuinova.cli.server_cells import networks_cell, power_state_cell
from tuinova.core.states import POWER_STATE_FILTER, STATUSES
from tuinova.i18n import _

Json = dict[str, Any]
app = new_app(_("Servers"))

_SHORT = ("ID", "Name", "Status", "Networks", "Image", "Flavor")
_LONG = (
    "ID",
    "Name",
    "Status",
    "Task State",
    "Power State",
    "Networks",
    "Image Name",
    "Image ID",
    "Flavor",
    "Availability Zone",
    "Host",
    "Properties",
    "Pinned Availability Zone",
    "Host Status",
)
_EXTRA = (
    "Project ID",
    "User ID",
    "Created At",
    "Security Groups",
    "Task State",
    "Power State",
    "Image ID",
    "Flavor ID",
    "Availability Zone",
    "Host",
    "Properties",
    "Pinned Availability Zone",
)


def image_names(servers: list[Json]) -> dict[str, str]:
    """Names of the images that these servers name, in one request."""
    wanted = sorted({server["image"]["id"] for server in servers if server.get("image")})
    if not wanted:
        return {}
    return {image["id"]: image["name"] or "" for image in session.client.images.list(id="in:" + ",".join(wanted))}


def _row(server: Json, names: dict[str, str], flavor_ids: dict[str, str], by_id: bool) -> dict[str, Any]:
    image = server.get("image") or None
    image_id = image["id"] if image else ""
    image_name = names.get(image_id, "") if image else _("N/A (booted from volume)")
    # Below 2.47 Nova names a flavor by its id only.
    by_ident = {ident: known for known, ident in flavor_ids.items()}
    flavor = server["flavor"].get("original_name") or by_ident.get(server["flavor"]["id"], server["flavor"]["id"])
    return {
        "ID": server["id"],
        "Name": server["name"],
        "Status": server["status"],
        "Task State": server.get("OS-EXT-STS:task_state"),
        "Power State": power_state_cell(server.get("OS-EXT-STS:power_state")),
        "Networks": networks_cell(server["addresses"]),
        "Image": image_id if by_id else image_name,
        "Image Name": image_name,
        "Image ID": image_id,
        "Flavor": flavor_ids.get(flavor, flavor) if by_id else flavor,
        "Flavor ID": flavor_ids.get(flavor, ""),
        "Availability Zone": server.get("OS-EXT-AZ:availability_zone", ""),
        "Pinned Availability Zone": server.get("pinned_availability_zone"),
        "Host": server.get("OS-EXT-SRV-ATTR:hypervisor_hostname") or "",
        "Host Status": server.get("host_status", ""),
        "Properties": dict_cell(server["metadata"]),
        "Project ID": server["tenant_id"],
        "User ID": server["user_id"],
        "Created At": server["created"],
        "Security Groups": list_dict_cell(server.get("security_groups")),
    }


@app.command("list", help=_("List servers"))
@lister
def list_servers(
    reservation_id: Annotated[str | None, typer.Option(help=_("Only this reservation"))] = None,
    ip: Annotated[str | None, typer.Option(help=_("Regular expression for IPv4 addresses"))] = None,
    ip6: Annotated[str | None, typer.Option(help=_("Regular expression for IPv6 addresses"))] = None,
    name: Annotated[str | None, typer.Option(help=_("Regular expression for names"))] = None,
    instance_name: Annotated[str | None, typer.Option(help=_("Domain name (admin only)"))] = None,
    status: Annotated[str | None, typer.Option(help=_("Only servers in this status"))] = None,
    flavor: Annotated[str | None, typer.Option(help=_("Only this flavor (name or ID)"))] = None,
    image: Annotated[str | None, typer.Option(help=_("Only this image (name or ID)"))] = None,
    host: Annotated[str | None, typer.Option(help=_("Only this host"))] = None,
    all_projects: Annotated[
        bool, typer.Option("--all-projects", envvar="ALL_PROJECTS", help=_("All projects (admin only)"))
    ] = False,
    project: Annotated[str | None, typer.Option(help=_("Only this project (admin only)"))] = None,
    user: Annotated[str | None, typer.Option(help=_("Only this user"))] = None,
    deleted: Annotated[bool, typer.Option("--deleted", help=_("Only deleted servers (admin only)"))] = False,
    availability_zone: Annotated[str | None, typer.Option(help=_("Only this availability zone"))] = None,
    key_name: Annotated[str | None, typer.Option(help=_("Only this key pair"))] = None,
    config_drive: Annotated[bool, typer.Option("--config-drive", help=_("Only with a config drive"))] = False,
    no_config_drive: Annotated[bool, typer.Option("--no-config-drive", help=_("Only without one"))] = False,
    progress: Annotated[int | None, typer.Option(min=0, max=100, help=_("Only at this progress"))] = None,
    vm_state: Annotated[str | None, typer.Option(help=_("Only in this vm_state"))] = None,
    task_state: Annotated[str | None, typer.Option(help=_("Only in this task_state"))] = None,
    power_state: Annotated[str | None, typer.Option(help=_("pending, running, paused, shutdown ..."))] = None,
    long: Annotated[bool, typer.Option("--long", help=_("More columns"))] = False,
    no_name_lookup: Annotated[bool, typer.Option("-n", "--no-name-lookup", help=_("IDs, not names"))] = False,
    name_lookup_one_by_one: Annotated[
        bool, typer.Option("--name-lookup-one-by-one", help=_("Accepted for compatibility"))
    ] = False,
    marker: Annotated[str | None, typer.Option(help=_("Start after this server"))] = None,
    limit: Annotated[int | None, typer.Option(help=_("At most so many; -1: all"))] = None,
    max_items: Annotated[int | None, typer.Option(help=_("At most so many in all"))] = None,
    changes_since: Annotated[str | None, typer.Option(help=_("Changed since (ISO 8601)"))] = None,
    changes_before: Annotated[str | None, typer.Option(help=_("Changed before (ISO 8601)"))] = None,
    locked: Annotated[bool, typer.Option("--locked", help=_("Only locked ones"))] = False,
    unlocked: Annotated[bool, typer.Option("--unlocked", help=_("Only unlocked ones"))] = False,
    tags: Annotated[list[str] | None, typer.Option(help=_("Only with all of these tags (repeatable)"))] = None,
    not_tags: Annotated[list[str] | None, typer.Option(help=_("Only without all of these tags (repeatable)"))] = None,
) -> Listing:
    """List servers by Nova's filters."""
    exclusive(config_drive=config_drive, no_config_drive=no_config_drive)
    exclusive(locked=locked, unlocked=unlocked)
    exclusive(no_name_lookup=no_name_lookup, name_lookup_one_by_one=name_lookup_one_by_one)
    choice("--status", status.upper() if status else None, tuple(STATUSES))
    choice("--power-state", power_state, tuple(POWER_STATE_FILTER))
    client = session.client
    filters: dict[str, Any] = {
        "reservation_id": reservation_id,
        "ip": ip,
        "ip6": ip6,
        "name": name,
        "instance_name": instance_name,
        "status": status,
        "flavor": client.flavors.find(flavor)["id"] if flavor else None,
        "image": client.images.find(image)["id"] if image else None,
        "host": host,
        "all_tenants": True if all_projects or project else None,
        "project_id": client.projects.find(project)["id"] if project else None,
        "user_id": client.users.find(user)["id"] if user else None,
        "deleted": True if deleted else None,
        "availability_zone": availability_zone,
        "key_name": key_name,
        "config_drive": True if config_drive else False if no_config_drive else None,
        "progress": progress,
        "vm_state": vm_state,
        "task_state": task_state,
        "power_state": int(POWER_STATE_FILTER[power_state]) if power_state else None,
        "marker": marker,
        "changes-since": changes_since,
        "changes-before": changes_before,
        "tags": ",".join(tags) if tags else None,
        "not-tags": ",".join(not_tags) if not_tags else None,
        "locked": True if locked else False if unlocked else None,
    }
    servers = _page(filters, limit, max_items)
    names = {} if no_name_lookup else image_names(servers)
    lookup = no_name_lookup or session.microversion < (2, 47)
    flavor_ids = {f["name"]: f["id"] for f in client.flavors.list(None)} if lookup else {}
    columns = [*(_LONG if long else _SHORT)]
    if all_projects or project:
        columns.insert(len(columns) - (1 if long else 0), "Project ID")
    hidden = [name for name in _EXTRA if name not in columns]
    every = [*columns, *hidden]
    rows = [_row(server, names, flavor_ids, no_name_lookup) for server in servers]
    return Listing(columns, [[row[name] for name in every] for row in rows], hidden)


def _page(filters: dict[str, Any], limit: int | None, max_items: int | None) -> list[Json]:
    """All pages, or as many rows as were asked for."""
    wanted = max_items if max_items is not None else limit
    if wanted is not None and wanted >= 0:
        filters["limit"] = wanted
        page: list[Json] = session.client.get("/v2.1/servers/detail", params=filters)["servers"]
        return page[:wanted]
    return session.client.servers.list(**filters)
