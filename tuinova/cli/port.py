"""`tuinova port`."""

from __future__ import annotations

from typing import Annotated

import typer

from tuinova.cli import network_parts as parts
from tuinova.cli.arguments import choice
from tuinova.cli.commands import exclusive, lister, new_app, session, shower
from tuinova.cli.output import Listing, Record
from tuinova.i18n import _

app = new_app(_("Ports"))
APPS = {"port": app}
_RENAMED = {
    "security_groups": "security_group_ids",
    "binding:host_id": "binding_host_id",
    "binding:profile": "binding_profile",
    "binding:vif_details": "binding_vif_details",
    "binding:vif_type": "binding_vif_type",
    "binding:vnic_type": "binding_vnic_type",
}
_VNIC_TYPES = ("direct", "direct-physical", "macvtap", "normal", "baremetal", "virtio-forwarder")

Port = Annotated[str, typer.Argument(metavar="<port>", help=_("Port (name or ID)"))]
Device = Annotated[
    str | None, typer.Option("--device", metavar="<device-id>", help=_("What uses it: the ID of a server"))
]
Owner = Annotated[
    str | None, typer.Option("--device-owner", metavar="<owner>", help=_("What kind of thing uses it: compute:nova"))
]
Mac = Annotated[str | None, typer.Option("--mac-address", metavar="<mac>", help=_("MAC address"))]
Vnic = Annotated[str | None, typer.Option("--vnic-type", metavar="<type>", help=_("Kind of interface: normal"))]
Host = Annotated[str | None, typer.Option("--host", metavar="<host>", help=_("Host that it is on (admin)"))]
DnsName = Annotated[str | None, typer.Option("--dns-name", metavar="<name>", help=_("Its name in DNS"))]
FixedIps = Annotated[
    list[str] | None,
    typer.Option("--fixed-ip", metavar="subnet=<subnet>,ip-address=<ip>", help=_("Address or subnet (repeatable)")),
]
Groups = Annotated[
    list[str] | None,
    typer.Option("--security-group", metavar="<group>", help=_("Security group (name or ID, repeatable)")),
]
Pairs = Annotated[
    list[str] | None,
    typer.Option(
        "--allowed-address",
        metavar="ip-address=<ip>[,mac-address=<mac>]",
        help=_("Also may send as this address (repeatable)"),
    ),
]
Secure = Annotated[bool, typer.Option("--enable-port-security", help=_("Filtered (default)"))]
Insecure = Annotated[bool, typer.Option("--disable-port-security", help=_("Not filtered: no security groups"))]


def _read_ips(texts: parts.Texts | None) -> list[dict[str, str]] | None:
    """What was typed, before anything is asked: wrong keys are wrong usage."""
    if texts is None:
        return None
    return [parts.keyed(text, "--fixed-ip", optional=("subnet", "ip-address")) for text in texts]


def _fixed_ips(read: list[dict[str, str]] | None) -> list[parts.Json] | None:
    """The same in Neutron's keys, subnets by their ids."""
    if read is None:
        return None
    subnets = session.client.subnets
    return [
        parts.given(
            subnet_id=subnets.find(fields["subnet"])["id"] if fields.get("subnet") else None,
            ip_address=fields.get("ip-address"),
        )
        for fields in read
    ]


def _pairs(texts: parts.Texts | None) -> list[parts.Json] | None:
    if texts is None:
        return None
    found = [parts.keyed(text, "--allowed-address", ("ip-address",), ("mac-address",)) for text in texts]
    return [{key.replace("-", "_"): value for key, value in pair.items()} for pair in found]


def _group_ids(names: parts.Texts | None) -> parts.Texts | None:
    return None if names is None else [session.client.security_groups.find(name)["id"] for name in names]


def _security(enable: bool, disable: bool) -> bool | None:
    return parts.either(enable_port_security=enable, disable_port_security=disable)


@app.command("create", help=_("Create a port"))
@shower
def create_port(
    name: Annotated[str, typer.Argument(metavar="<name>", help=_("Name of the new port"))],
    network: Annotated[str, typer.Option("--network", metavar="<network>", help=_("Its network (name or ID)"))],
    description: parts.Description = None,
    device: Device = None,
    mac_address: Mac = None,
    device_owner: Owner = None,
    vnic_type: Vnic = None,
    host: Host = None,
    dns_name: DnsName = None,
    fixed_ip: FixedIps = None,
    no_fixed_ip: Annotated[bool, typer.Option("--no-fixed-ip", help=_("No address"))] = False,
    enable: parts.Enable = False,
    disable: parts.Disable = False,
    project: parts.Project = None,
    security_group: Groups = None,
    no_security_group: Annotated[bool, typer.Option("--no-security-group", help=_("No security group"))] = False,
    enable_port_security: Secure = False,
    disable_port_security: Insecure = False,
    allowed_address: Pairs = None,
    tag: parts.AddTags = None,
    no_tag: parts.NoTag = False,
) -> Record:
    """Create a port: a MAC and addresses that a server may use."""
    exclusive(fixed_ip=fixed_ip, no_fixed_ip=no_fixed_ip)
    exclusive(security_group=security_group, no_security_group=no_security_group)
    exclusive(tag=tag, no_tag=no_tag)
    choice("--vnic-type", vnic_type, _VNIC_TYPES)
    addresses = _read_ips(fixed_ip)
    fields = parts.given(
        name=name,
        admin_state_up=parts.either(enable=enable, disable=disable),
        port_security_enabled=_security(enable_port_security, disable_port_security),
        allowed_address_pairs=_pairs(allowed_address),
        description=description,
        device_id=device,
        device_owner=device_owner,
        mac_address=mac_address,
        binding__vnic_type=vnic_type,
        binding__host_id=host,
        dns_name=dns_name,
    )
    client = session.client
    fields |= {"network_id": client.networks.find(network)["id"]}
    fields |= parts.given(
        fixed_ips=[] if no_fixed_ip else _fixed_ips(addresses),
        security_groups=[] if no_security_group else _group_ids(security_group),
        project_id=parts.project_id(project),
    )
    return parts.network_record(parts.new_tags(client.ports, client.ports.create(fields), tag, no_tag), _RENAMED)


@app.command("delete", help=_("Delete ports"))
def delete_ports(
    ports: Annotated[list[str], typer.Argument(metavar="<port>...", help=_("Ports (name or ID)"))],
) -> None:
    """Delete ports."""
    parts.delete_each(session.client.ports, ports, "port", "ports")


def _filter_ips(texts: parts.Texts | None) -> parts.Texts | None:
    """Neutron's filter: `subnet_id=...`, `ip_address=...`."""
    words = {"ip-address": "ip_address", "ip-substring": "ip_address_substr"}
    found = []
    for text in texts or []:
        for key, value in parts.keyed(text, "--fixed-ip", optional=("subnet", *words)).items():
            known = session.client.subnets.find(value)["id"] if key == "subnet" else value
            found.append(f"{words.get(key, 'subnet_id')}={known}")
    return found or None


@app.command("list", help=_("List ports"))
@lister
def list_ports(
    device_owner: Annotated[str | None, typer.Option(metavar="<owner>", help=_("Only of this owner"))] = None,
    network: Annotated[str | None, typer.Option(metavar="<network>", help=_("Only on this network"))] = None,
    router: Annotated[str | None, typer.Option(metavar="<router>", help=_("Only of this router"))] = None,
    server: Annotated[str | None, typer.Option(metavar="<server>", help=_("Only of this server"))] = None,
    device_id: Annotated[str | None, typer.Option(metavar="<id>", help=_("Only of this device"))] = None,
    mac_address: Annotated[str | None, typer.Option(metavar="<mac>", help=_("Only with this MAC"))] = None,
    long: parts.Long = False,
    project: Annotated[str | None, typer.Option(metavar="<project>", help=_("Only this project"))] = None,
    name: parts.OnlyName = None,
    security_group: Annotated[
        list[str] | None, typer.Option(metavar="<group>", help=_("Only with this security group (repeatable)"))
    ] = None,
    status: Annotated[str | None, typer.Option(metavar="<status>", help=_("Only this status"))] = None,
    fixed_ip: Annotated[
        list[str] | None,
        typer.Option(metavar="subnet=<subnet>,ip-address=<ip>,ip-substring=<text>", help=_("Only with this address")),
    ] = None,
    tags: parts.OnlyTags = None,
    any_tags: parts.AnyTags = None,
    not_tags: parts.NotTags = None,
) -> Listing:
    """List ports."""
    exclusive(router=router, server=server, device_id=device_id)
    status = status and status.upper()
    choice("--status", status, ("ACTIVE", "BUILD", "DOWN", "ERROR"))
    client = session.client
    device = device_id
    if router:
        device = client.routers.find(router)["id"]
    elif server:
        device = client.servers.find(server)["id"]
    filters = parts.given(
        device_owner=device_owner,
        device_id=device,
        network_id=client.networks.find(network)["id"] if network else None,
        mac_address=mac_address,
        name=name,
        security_groups=_group_ids(security_group),
        status=status,
        fixed_ips=_filter_ips(fixed_ip),
        project_id=parts.project_id(project),
    )
    columns = {
        "ID": "id",
        "Name": "name",
        "MAC Address": "mac_address",
        "Fixed IP Addresses": "fixed_ips",
        "Status": "status",
    }
    if long:
        columns |= {"Security Groups": "security_groups", "Device Owner": "device_owner", "Tags": "tags"}
    return parts.network_listing(columns, client.ports.list(**filters, **parts.tag_filters(tags, any_tags, not_tags)))


@app.command("set", help=_("Set properties of a port"))
def set_port(
    port: Port,
    description: parts.Description = None,
    device: Device = None,
    mac_address: Mac = None,
    device_owner: Owner = None,
    vnic_type: Vnic = None,
    host: Host = None,
    dns_name: DnsName = None,
    enable: parts.Enable = False,
    disable: parts.Disable = False,
    name: parts.NewName = None,
    fixed_ip: FixedIps = None,
    no_fixed_ip: Annotated[bool, typer.Option("--no-fixed-ip", help=_("Without the addresses it has"))] = False,
    security_group: Groups = None,
    no_security_group: Annotated[
        bool, typer.Option("--no-security-group", help=_("Without the security groups it has"))
    ] = False,
    enable_port_security: Secure = False,
    disable_port_security: Insecure = False,
    allowed_address: Pairs = None,
    no_allowed_address: Annotated[
        bool, typer.Option("--no-allowed-address", help=_("Without the allowed addresses it has"))
    ] = False,
    tag: parts.AddTags = None,
    no_tag: parts.NoTag = False,
) -> None:
    """Change a port; lists are added to, unless their --no-... clears them first."""
    choice("--vnic-type", vnic_type, _VNIC_TYPES)
    addresses = _read_ips(fixed_ip)
    fields = parts.given(
        name=name,
        admin_state_up=parts.either(enable=enable, disable=disable),
        port_security_enabled=_security(enable_port_security, disable_port_security),
        description=description,
        device_id=device,
        device_owner=device_owner,
        mac_address=mac_address,
        binding__vnic_type=vnic_type,
        binding__host_id=host,
        dns_name=dns_name,
    )
    ports = session.client.ports
    pairs = _pairs(allowed_address)
    lists = {
        "fixed_ips": (no_fixed_ip, _fixed_ips(addresses)),
        "security_groups": (no_security_group, _group_ids(security_group)),
        "allowed_address_pairs": (no_allowed_address, pairs),
    }
    found = ports.find(port)
    for key, (clear, more) in lists.items():
        if clear or more is not None:
            have = [] if clear else found.get(key) or []
            fields[key] = have + [item for item in more or [] if item not in have]
    if fields:
        ports.update(found["id"], **fields)
    parts.more_tags(ports, found, tag, no_tag)


@app.command("show", help=_("Show one port"))
@shower
def show_port(port: Port) -> Record:
    """Show one port's fields."""
    return parts.network_record(session.client.ports.find(port), _RENAMED)


@app.command("unset", help=_("Unset properties of a port"))
def unset_port(
    port: Port,
    fixed_ip: FixedIps = None,
    security_group: Groups = None,
    allowed_address: Pairs = None,
    device: Annotated[bool, typer.Option("--device", help=_("Nothing uses it any more"))] = False,
    device_owner: Annotated[bool, typer.Option("--device-owner", help=_("Nothing owns it any more"))] = False,
    host: Annotated[bool, typer.Option("--host", help=_("On no host any more"))] = False,
    tag: parts.RemoveTags = None,
    all_tag: parts.AllTag = False,
) -> None:
    """Take addresses, security groups, allowed addresses or tags away."""
    exclusive(tag=tag, all_tag=all_tag)
    ports = session.client.ports
    read, pairs = _read_ips(fixed_ip), _pairs(allowed_address)
    addresses = _fixed_ips(read)
    found = ports.find(port)
    fields: parts.Json = {key: "" for key, wanted in (("device_id", device), ("device_owner", device_owner)) if wanted}
    if host:
        fields["binding:host_id"] = None
    if addresses:
        fields["fixed_ips"] = without_ips(found["fixed_ips"], addresses)
    if security_group:
        failed = _("Port does not contain security group {given}")
        fields["security_groups"] = parts.without(found["security_groups"], _group_ids(security_group) or [], failed)
    if pairs:
        failed = _("Port does not contain allowed-address-pair {given}")
        fields["allowed_address_pairs"] = parts.without(found["allowed_address_pairs"], pairs, failed)
    if fields:
        ports.update(found["id"], **fields)
    parts.fewer_tags(ports, found, tag, all_tag)


def without_ips(have: list[parts.Json], leave: list[parts.Json]) -> list[parts.Json]:
    """Addresses without some; an address or a subnet alone is enough to name one."""
    kept = list(have)
    for wanted in leave:
        match = [ip for ip in kept if all(ip.get(key) == value for key, value in wanted.items())]
        kept = parts.without(kept, match[:1] or [wanted], _("Port does not contain fixed-ip {given}"))
    return kept
