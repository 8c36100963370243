"""`tuinova server add ...` and `server remove ...`: ports, addresses, security groups and volumes of a server."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tuinova.cli.arguments import Server
from tuinova.cli.commands import each, exclusive, new_app, session, shower
from tuinova.cli.diagnostics import CommandError
from tuinova.cli.output import Record, list_dict_cell
from tuinova.client.errors import ApiError
from tuinova.i18n import _

Json = dict[str, Any]
app = new_app(_("Servers"))

Network = Annotated[str, typer.Argument(metavar="<network>", help=_("Network (name or ID)"))]
Port = Annotated[str, typer.Argument(metavar="<port>", help=_("Port (name or ID)"))]
Volume = Annotated[str, typer.Argument(metavar="<volume>", help=_("Volume (name or ID)"))]
Groups = Annotated[list[str], typer.Argument(metavar="<group>...", help=_("Security groups (name or ID)"))]
FixedIp = Annotated[str, typer.Argument(metavar="<ip-address>", help=_("Fixed address of the server"))]
FloatingIp = Annotated[str, typer.Argument(metavar="<ip-address>", help=_("Floating IP (address or ID)"))]
Tag = Annotated[str | None, typer.Option("--tag", metavar="<tag>", help=_("Tag by which the guest knows it"))]


def _server_id(server: str) -> str:
    return str(session.client.servers.find(server)["id"])


# addresses and ports -------------------------------------------------------------------------------------------------
def _add_interface(server: str, fields: Json, tag: str | None) -> Json:
    session.needs_option((2, 49), "--tag", tag)
    return session.client.servers.add_interface(_server_id(server), **fields, **({"tag": tag} if tag else {}))


@app.command("add fixed ip", help=_("Give a server another fixed address"))
@shower
def add_fixed_ip(
    server: Server,
    network: Network,
    fixed_ip_address: Annotated[
        str | None, typer.Option("--fixed-ip-address", metavar="<ip-address>", help=_("This address; else a free one"))
    ] = None,
    tag: Tag = None,
) -> Record:
    """Attach a new port of the network."""
    session.needs_option((2, 49), "--tag", tag)
    fields: Json = {"net_id": session.client.networks.find(network)["id"]}
    if fixed_ip_address:
        fields["fixed_ips"] = [{"ip_address": fixed_ip_address}]
    ident = _server_id(server)
    made = session.client.servers.add_interface(ident, **fields, **({"tag": tag} if tag else {}))
    shown = {
        "Port ID": made["port_id"],
        "Server ID": ident,
        "Network ID": made["net_id"],
        "MAC Address": made["mac_addr"],
        "Port State": made["port_state"],
        "Fixed IPs": list_dict_cell(made["fixed_ips"]),
    }
    return Record(shown | ({"Tag": made.get("tag")} if tag else {}))


@app.command("remove fixed ip", help=_("Take a fixed address from a server"))
def remove_fixed_ip(server: Server, ip_address: FixedIp) -> None:
    """The port stays with its other addresses; one whose last address it was is detached."""
    client = session.client
    ident = _server_id(server)
    for port in client.ports.list(device_id=ident):
        left = [ip for ip in port["fixed_ips"] if ip["ip_address"] != ip_address]
        if len(left) == len(port["fixed_ips"]):
            continue
        if left:
            client.ports.update(port["id"], fixed_ips=left)
        else:
            client.servers.remove_interface(ident, port["id"])
        return
    raise CommandError(_("Server {server} has no fixed address {address}").format(server=server, address=ip_address))


@app.command("add floating ip", help=_("Let a floating IP lead to a server"))
def add_floating_ip(
    server: Server,
    ip_address: FloatingIp,
    fixed_ip_address: Annotated[
        str | None, typer.Option("--fixed-ip-address", metavar="<ip-address>", help=_("To this address of the server"))
    ] = None,
) -> None:
    """Try the server's ports one after another: not each is on a network that reaches the outside."""
    client = session.client
    floating = client.floating_ips.find(ip_address)
    ports = client.ports.list(device_id=_server_id(server))
    if fixed_ip_address:
        ports = [port for port in ports if any(ip["ip_address"] == fixed_ip_address for ip in port["fixed_ips"])]
    if not ports:
        raise CommandError(_("No attached ports found to associate floating IP with"))
    fields = {"fixed_ip_address": fixed_ip_address} if fixed_ip_address else {}
    refusal: ApiError | None = None
    for port in ports:
        if floating["port_id"] == port["id"] and not fields:
            return
        try:
            client.floating_ips.update(floating["id"], port_id=port["id"], **fields)
        except ApiError as error:
            if error.code not in (400, 404, 409):
                raise
            refusal = error
        else:
            return
    if refusal is not None:
        raise refusal


@app.command("remove floating ip", help=_("Let a floating IP lead to a server no more"))
def remove_floating_ip(server: Server, ip_address: FloatingIp) -> None:
    """The floating IP stays the project's."""
    floating_ips = session.client.floating_ips
    found = floating_ips.find(ip_address)
    ours = {port["id"] for port in session.client.ports.list(device_id=_server_id(server))}
    if found["port_id"] not in ours:
        raise CommandError(
            _("Floating IP {address} does not lead to server {server}").format(address=ip_address, server=server)
        )
    floating_ips.update(found["id"], port_id=None)


@app.command("add network", help=_("Connect a server to a network"))
def add_network(server: Server, network: Network, tag: Tag = None) -> None:
    """Attach a new port of the network."""
    _add_interface(server, {"net_id": session.client.networks.find(network)["id"]}, tag)


@app.command("remove network", help=_("Take all ports of a network from a server"))
def remove_network(server: Server, network: Network) -> None:
    """Detach every port that the server has on the network."""
    client = session.client
    wanted = client.networks.find(network)["id"]
    ident = _server_id(server)
    ports = [port["port_id"] for port in client.servers.interfaces(ident) if port["net_id"] == wanted]
    if not ports:
        raise CommandError(_("Server {server} is not on network {network}").format(server=server, network=network))
    for port in ports:
        try:
            client.servers.remove_interface(ident, port)
        except ApiError as error:
            if error.code != 404:  # gone meanwhile: an earlier detach has just ended
                raise


@app.command("add port", help=_("Attach a port to a server"))
def add_port(server: Server, port: Port, tag: Tag = None) -> None:
    """Attach a port that there is."""
    _add_interface(server, {"port_id": session.client.ports.find(port)["id"]}, tag)


@app.command("remove port", help=_("Detach a port from a server"))
def remove_port(server: Server, port: Port) -> None:
    """Detach one port."""
    found = session.client.ports.find(port)["id"]
    session.client.servers.remove_interface(_server_id(server), found)


# security groups -----------------------------------------------------------------------------------------------------
def _each_group(server: str, groups: list[str], key: str, failed: str, summary: str) -> None:
    client = session.client
    ident = _server_id(server)
    told = failed.replace("{server}", ident)
    each(groups, lambda name: client.servers.action(ident, key, {"name": name}), told, summary)


@app.command("add security group", help=_("Add security groups to a server"))
def add_security_groups(server: Server, groups: Groups) -> None:
    """Add the server's ports to groups."""
    _each_group(
        server,
        groups,
        "addSecurityGroup",
        _("Failed to add security group with name or ID '{name}' to server '{server}': {error}"),
        _("{failed} of {total} security groups were not added."),
    )


@app.command("remove security group", help=_("Remove security groups from a server"))
def remove_security_groups(server: Server, groups: Groups) -> None:
    """Take the server's ports out of groups."""
    _each_group(
        server,
        groups,
        "removeSecurityGroup",
        _("Failed to remove security group with name or ID '{name}' from server '{server}': {error}"),
        _("{failed} of {total} security groups were not removed."),
    )


# volumes -------------------------------------------------------------------------------------------------------------
@app.command("add volume", help=_("Attach a volume to a server"))
@shower
def add_volume(
    server: Server,
    volume: Volume,
    device: Annotated[
        str | None, typer.Option("--device", metavar="<device>", help=_("Name of the disk; the hypervisor may differ"))
    ] = None,
    tag: Tag = None,
    enable_delete_on_termination: Annotated[
        bool, typer.Option("--enable-delete-on-termination", help=_("Delete it with the server"))
    ] = False,
    disable_delete_on_termination: Annotated[
        bool, typer.Option("--disable-delete-on-termination", help=_("Keep it when the server is deleted (default)"))
    ] = False,
) -> Record:
    """Attach a volume, hot where the server runs."""
    exclusive(
        enable_delete_on_termination=enable_delete_on_termination,
        disable_delete_on_termination=disable_delete_on_termination,
    )
    deletion = enable_delete_on_termination or disable_delete_on_termination
    session.needs_option((2, 49), "--tag", tag)
    session.needs_option((2, 79), "--enable-delete-on-termination", enable_delete_on_termination)
    session.needs_option((2, 79), "--disable-delete-on-termination", disable_delete_on_termination)
    fields: Json = {"device": device}
    fields |= {"tag": tag} if tag else {}
    fields |= {"delete_on_termination": enable_delete_on_termination} if deletion else {}
    client = session.client
    ident = client.volumes.find(volume)["id"]
    made = client.servers.attach_volume(_server_id(server), ident, **fields)
    shown = {
        "ID": made.get("id") or made["volumeId"],
        "Server ID": made["serverId"],
        "Volume ID": made["volumeId"],
        "Device": made["device"],
    }
    more = {"Tag": "tag", "Delete On Termination": "delete_on_termination"}
    return Record(shown | {title: made[key] for title, key in more.items() if key in made})


@app.command("remove volume", help=_("Detach a volume from a server"))
def remove_volume(server: Server, volume: Volume) -> None:
    """Detach a volume; its data stays."""
    ident = session.client.volumes.find(volume)["id"]
    session.client.servers.detach_volume(_server_id(server), ident)
