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
from tuinova.cli.server_create_disks import Boot, boot_fields, check_boot
from tuinova.cli.server_create_nics import Nics, group_field, network_field
from tuinova.i18n import _

Json = dict[str, Any]
app = new_app(_("Servers"))
# Options that Nova's API has not always had.
_SINCE = {
    "--description": (2, 19),
    "--tag": (2, 52),
    "--trusted-image-cert": (2, 63),
    "--host": (2, 74),
    "--hypervisor-hostname": (2, 74),
    "--hostname": (2, 90),
}
_LAST_WITH_FILES = (2, 56)


def read_hints(pairs: list[str] | None) -> dict[str, Any]:
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


def _personality(files: list[str] | None) -> list[Json] | None:
    """`dst=src` files, which Nova's API takes up to 2.56."""
    if not files:
        return None
    if session.microversion > _LAST_WITH_FILES:
        raise CommandError(
            _(
                "Personality files are deprecated and are not supported for --os-compute-api-version greater than "
                "2.56; use user data instead"
            )
        )
    wanted = key_values(files, "--file")
    return [
        {"path": path, "contents": base64.b64encode(read_file(source, "--file")).decode()}
        for path, source in wanted.items()
    ]


def _counts(least: int, most: int | None) -> tuple[int, int]:
    count = most if most is not None else least
    if least < 1:
        raise CommandError(_("min instances should be > 0"))
    if count < 1:
        raise CommandError(_("max instances should be > 0"))
    if least > count:
        raise CommandError(_("min instances should be <= max instances"))
    return least, count


@app.command("create", help=_("Create servers"))
@shower
def create_server(
    name: Annotated[str, typer.Argument(metavar="<name>", help=_("Name of the new server"))],
    flavor: Annotated[str, typer.Option(metavar="<flavor>", help=_("Flavor (name or ID)"))],
    image: Annotated[str | None, typer.Option(metavar="<image>", help=_("Boot from this image (name or ID)"))] = None,
    image_property: Annotated[
        list[str] | None,
        typer.Option(metavar="<key=value>", help=_("Boot from an image with this property (repeatable)")),
    ] = None,
    volume: Annotated[
        str | None, typer.Option(metavar="<volume>", help=_("Boot from this volume (name or ID)"))
    ] = None,
    snapshot: Annotated[
        str | None, typer.Option(metavar="<snapshot>", help=_("Boot from a volume made of this snapshot (name or ID)"))
    ] = None,
    boot_from_volume: Annotated[
        int | None,
        typer.Option(min=1, metavar="<GB>", help=_("Boot from a new volume of this size, made of the image")),
    ] = None,
    delete_on_termination: Annotated[
        bool, typer.Option("--delete-on-termination", help=_("Delete that volume with the server"))
    ] = False,
    block_device_mapping: Annotated[
        list[str] | None,
        typer.Option(
            metavar="<dev-name=id:type:size:delete>",
            help=_("Deprecated: --block-device is the newer form (repeatable)"),
        ),
    ] = None,
    block_device: Annotated[
        list[str] | None,
        typer.Option(metavar="<key=value,...>|<file>", help=_("A disk: keys of Nova's, or a JSON file (repeatable)")),
    ] = None,
    swap: Annotated[int | None, typer.Option(min=1, metavar="<MiB>", help=_("A swap disk"))] = None,
    ephemeral: Annotated[
        list[str] | None,
        typer.Option(metavar="size=<GB>[,format=<format>]", help=_("An empty disk that goes with it (repeatable)")),
    ] = None,
    network: Annotated[list[str] | None, typer.Option(metavar="<network>", help=_("Network (repeatable)"))] = None,
    port: Annotated[
        list[str] | None, typer.Option(metavar="<port>", help=_("A port that there is (name or ID, repeatable)"))
    ] = None,
    nic: Annotated[
        list[str] | None,
        typer.Option(
            metavar="<key=value,...>|auto|none",
            help=_("net-id=..., port-id=..., v4-fixed-ip=..., v6-fixed-ip=..., tag=... (repeatable)"),
        ),
    ] = None,
    no_network: Annotated[bool, typer.Option("--no-network", help=_("No network"))] = False,
    auto_network: Annotated[bool, typer.Option("--auto-network", help=_("The default network (default)"))] = False,
    password: Annotated[str | None, typer.Option(metavar="<password>", help=_("Administrator's password"))] = None,
    security_group: Annotated[
        list[str] | None, typer.Option(metavar="<group>", help=_("Security group (name or ID, repeatable)"))
    ] = None,
    no_security_group: Annotated[bool, typer.Option("--no-security-group", help=_("No security group"))] = False,
    key_name: Annotated[str | None, typer.Option(metavar="<key>", help=_("Key pair to put into the guest"))] = None,
    property_: Annotated[
        list[str] | None, typer.Option("--property", metavar="<key=value>", help=_("Property (repeatable)"))
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(metavar="<destination=source>", help=_("File for the guest, up to API version 2.56 (repeatable)")),
    ] = None,
    user_data: Annotated[str | None, typer.Option(metavar="<file>", help=_("User data for the guest"))] = None,
    description: Annotated[str | None, typer.Option(metavar="<text>", help=_("Description"))] = None,
    availability_zone: Annotated[
        str | None, typer.Option(metavar="<zone>[:<host>[:<node>]]", help=_("Zone, or zone:host:node (admin)"))
    ] = None,
    host: Annotated[str | None, typer.Option(metavar="<host>", help=_("Host (admin)"))] = None,
    hypervisor_hostname: Annotated[str | None, typer.Option(metavar="<node>", help=_("Hypervisor (admin)"))] = None,
    server_group: Annotated[str | None, typer.Option(metavar="<group>", help=_("Server group (name or ID)"))] = None,
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
    tag: Annotated[list[str] | None, typer.Option(metavar="<tag>", help=_("Tag (repeatable)"))] = None,
    hostname: Annotated[str | None, typer.Option(metavar="<name>", help=_("Host name inside the guest"))] = None,
    trusted_image_cert: Annotated[
        list[str] | None, typer.Option(metavar="<id>", help=_("Trusted image certificate (repeatable)"))
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help=_("Until the server is active"))] = False,
) -> Record:
    """Create one server or several of one kind."""
    exclusive(image=image, image_property=image_property, volume=volume, snapshot=snapshot)
    exclusive(use_config_drive=use_config_drive, no_config_drive=no_config_drive, config_drive=config_drive)
    choice("--config-drive", config_drive.capitalize() if config_drive else None, ("True", "False"))
    exclusive(security_group=security_group, no_security_group=no_security_group)
    exclusive(host=host, availability_zone=availability_zone and ":" in availability_zone)
    used = {
        "--description": description,
        "--tag": tag,
        "--trusted-image-cert": trusted_image_cert,
        "--host": host,
        "--hypervisor-hostname": hypervisor_hostname,
        "--hostname": hostname,
    }
    for option, since in _SINCE.items():
        session.needs_option(since, option, used[option])
    least, most = _counts(min_, max_)
    boot = Boot(
        image=image,
        image_properties=key_values(image_property, "--image-property"),
        volume=volume,
        snapshot=snapshot,
        boot_from_volume=boot_from_volume,
        delete_on_termination=delete_on_termination,
        block_devices=block_device or [],
        mappings=block_device_mapping or [],
        swap=swap,
        ephemerals=ephemeral or [],
    )
    check_boot(boot)
    body: Json = {
        "name": name,
        "adminPass": password,
        "key_name": key_name,
        "metadata": key_values(property_) or None,
        "description": description,
        "availability_zone": availability_zone,
        "host": host,
        "hypervisor_hostname": hypervisor_hostname,
        "hostname": hostname,
        "tags": tag or None,
        "trusted_image_certificates": trusted_image_cert or None,
        "config_drive": _config_drive(use_config_drive, no_config_drive, config_drive),
        "personality": _personality(file),
        "user_data": base64.b64encode(read_file(user_data, "--user-data")).decode() if user_data else None,
        "min_count": least,
        "max_count": most,
    }
    hints = read_hints(hint)
    body |= boot_fields(boot)
    client = session.client
    body["flavorRef"] = client.flavors.find(flavor)["id"]
    body["networks"] = network_field(Nics(network or [], port or [], nic or [], no_network, auto_network))
    body["security_groups"] = group_field(security_group, no_security_group)
    if server_group:
        hints["group"] = client.server_groups.find(server_group)["id"]
    return _send({key: value for key, value in body.items() if value is not None}, hints, wait)


def _send(body: Json, hints: Json, wait: bool) -> Record:
    from tuinova.cli.waiting import wait_status

    client = session.client
    created = client.servers.create({"server": body, **({"os:scheduler_hints": hints} if hints else {})})
    if wait:
        wait_status(created["id"], body["name"], {"active"}, _("creating"))
    made = client.servers.get(created["id"])
    told = "key_name" in body or "user_data" in body
    if told and not made.get("config_drive") and not _asks_over_the_network(body):
        say(_("Without a config drive (--use-config-drive) the guest gets neither key pair nor user data."))
    return server_record(made, created.get("adminPass"))


def _asks_over_the_network(body: Json) -> bool:
    """Whether the guest can reach the metadata service: not without a network, and not in a session."""
    session_uri = str(session.client.info().get("libvirt_uri") or "").partition("?")[0].endswith("/session")
    return body["networks"] != "none" and not session_uri
