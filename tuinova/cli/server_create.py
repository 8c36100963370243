"""`tuinova server create`."""

from __future__ import annotations

import base64
from typing import Annotated, Any

import typer

from tuinova.cli.arguments import choice
from tuinova.cli.commands import exclusive, key_values, new_app, session, shower
from tuinova.cli.diagnostics import CommandError, say
from tuinova.cli.files import read_file
from tuinova.cli.output import Record
from tuinova.cli.server_cells import server_record
from tuinova.i18n import _

Json = dict[str, Any]
app = new_app(_("Servers"))


def _hints(pairs: list[str] | None) -> dict[str, Any]:
    """`k=v` hints; a repeated key makes a list."""
    hints: dict[str, Any] = {}
    for pair in pairs or []:
        ((key, value),) = key_values([pair], "--hint").items()
        known = hints.get(key)
        hints[key] = value if known is None else [*known, value] if isinstance(known, list) else [known, value]
    return hints


def _config_drive(use: bool, no: bool, given: str | None) -> bool | None:
    if use or no:
        return use
    return None if given is None else given.capitalize() == "True"


def _network_id(name: str) -> str:
    return str(session.client.host_networks.find(name)["id"])


def _networks(network: list[str] | None, nic: list[str] | None, none: bool, auto: bool) -> Any:
    if none or nic == ["none"]:
        return "none"
    if auto or nic == ["auto"] or not (network or nic):
        return "auto"
    wanted: list[Json] = [{"uuid": _network_id(name)} for name in network or []]
    for text in nic or []:
        fields = dict(part.partition("=")[::2] for part in text.split(","))
        unknown = set(fields) - {"net-id", "v4-fixed-ip"}
        if unknown or "net-id" not in fields:
            raise CommandError(_("argument --nic: {given} needs net-id=...").format(given=text), code=2)
        entry = {"uuid": _network_id(fields["net-id"])}
        if "v4-fixed-ip" in fields:
            entry["fixed_ip"] = fields["v4-fixed-ip"]
        wanted.append(entry)
    return wanted


@app.command("create", help=_("Create servers"))
@shower
def create_server(
    name: Annotated[str, typer.Argument(metavar="<name>", help=_("Name of the new server"))],
    flavor: Annotated[str, typer.Option(metavar="<flavor>", help=_("Flavor (name or ID)"))],
    image: Annotated[str | None, typer.Option(metavar="<image>", help=_("Boot from this image (name or ID)"))] = None,
    network: Annotated[list[str] | None, typer.Option(help=_("Network (repeatable)"))] = None,
    nic: Annotated[list[str] | None, typer.Option(help=_("net-id=...,v4-fixed-ip=... | auto | none"))] = None,
    no_network: Annotated[bool, typer.Option("--no-network", help=_("No network"))] = False,
    auto_network: Annotated[bool, typer.Option("--auto-network", help=_("The default network (default)"))] = False,
    password: Annotated[str | None, typer.Option(help=_("Administrator's password"))] = None,
    security_group: Annotated[list[str] | None, typer.Option(help=_("Security group (repeatable)"))] = None,
    key_name: Annotated[str | None, typer.Option(help=_("Key pair to put into the guest"))] = None,
    property_: Annotated[
        list[str] | None, typer.Option("--property", metavar="<key=value>", help=_("Property (repeatable)"))
    ] = None,
    user_data: Annotated[str | None, typer.Option(metavar="<file>", help=_("User data for the guest"))] = None,
    description: Annotated[str | None, typer.Option(help=_("Description"))] = None,
    availability_zone: Annotated[str | None, typer.Option(help=_("Zone, or zone:host:node (admin)"))] = None,
    host: Annotated[str | None, typer.Option(help=_("Host (admin)"))] = None,
    hypervisor_hostname: Annotated[str | None, typer.Option(help=_("Hypervisor (admin)"))] = None,
    server_group: Annotated[str | None, typer.Option(help=_("Server group (name or ID)"))] = None,
    hint: Annotated[
        list[str] | None, typer.Option(metavar="<key=value>", help=_("Scheduler hint (repeatable)"))
    ] = None,
    use_config_drive: Annotated[bool, typer.Option("--use-config-drive", help=_("With a config drive"))] = False,
    no_config_drive: Annotated[bool, typer.Option("--no-config-drive", help=_("Without a config drive"))] = False,
    config_drive: Annotated[
        str | None, typer.Option(metavar="True|False", help=_("Deprecated: --use-config-drive, --no-config-drive"))
    ] = None,
    min_: Annotated[int, typer.Option("--min", metavar="<count>", help=_("At least so many"))] = 1,
    max_: Annotated[int | None, typer.Option("--max", metavar="<count>", help=_("At most so many"))] = None,
    hostname: Annotated[str | None, typer.Option(help=_("Host name inside the guest"))] = None,
    tag: Annotated[list[str] | None, typer.Option(help=_("Tag (repeatable)"))] = None,
    wait: Annotated[bool, typer.Option("--wait", help=_("Until the server is active"))] = False,
) -> Record:
    """Create one server or several of one kind."""
    from tuinova.cli.waiting import wait_status

    exclusive(use_config_drive=use_config_drive, no_config_drive=no_config_drive, config_drive=config_drive)
    choice("--config-drive", config_drive.capitalize() if config_drive else None, ("True", "False"))
    exclusive(no_network=no_network, auto_network=auto_network, network=network or nic)
    exclusive(host=host, availability_zone=availability_zone and ":" in availability_zone)
    count = max_ if max_ is not None else min_
    if min_ < 1:
        raise CommandError(_("min instances should be > 0"))
    if count < 1:
        raise CommandError(_("max instances should be > 0"))
    if min_ > count:
        raise CommandError(_("min instances should be <= max instances"))
    if not image:
        raise CommandError(
            _(
                "An image (--image, --image-property) or bootable volume "
                "(--volume, --snapshot, --block-device) is required"
            )
        )
    properties, hints = key_values(property_), _hints(hint)
    networks = _networks(network, nic, no_network, auto_network)
    client = session.client
    body: Json = {
        "name": name,
        "imageRef": client.images.find(image)["id"],
        "flavorRef": client.flavors.find(flavor)["id"],
        "min_count": min_,
        "max_count": count,
        "networks": networks,
    }
    optional: Json = {
        "adminPass": password,
        "key_name": key_name,
        "metadata": properties or None,
        "description": description,
        "availability_zone": availability_zone,
        "host": host,
        "hypervisor_hostname": hypervisor_hostname,
        "hostname": hostname,
        "tags": tag or None,
        "config_drive": _config_drive(use_config_drive, no_config_drive, config_drive),
        "security_groups": [{"name": group} for group in security_group or []] or None,
        "user_data": base64.b64encode(read_file(user_data, "--user-data")).decode() if user_data else None,
    }
    body.update({key: value for key, value in optional.items() if value is not None})
    if server_group:
        hints["group"] = client.server_groups.find(server_group)["id"]
    created = client.servers.create({"server": body, **({"os:scheduler_hints": hints} if hints else {})})
    if wait:
        wait_status(created["id"], name, {"active"}, _("creating"))
    made = client.servers.get(created["id"])
    if (key_name or user_data) and not made.get("config_drive"):
        say(_("Without a config drive (--use-config-drive) the guest gets neither key pair nor user data."))
    return server_record(made, created.get("adminPass"))
