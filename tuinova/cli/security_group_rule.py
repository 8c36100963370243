"""`tuinova security group rule`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tuinova.cli import network_parts as parts
from tuinova.cli.arguments import choice
from tuinova.cli.commands import exclusive, lister, new_app, session, shower
from tuinova.cli.diagnostics import CommandError
from tuinova.cli.output import Listing, Record
from tuinova.i18n import _

app = new_app(_("Security groups"))
_ICMP = ("icmp", "icmpv6", "ipv6-icmp", "1", "58")
_IPV6 = ("icmpv6", "41", "43", "44", "58", "59", "60")
_ANY = {"IPv4": "0.0.0.0/0", "IPv6": "::/0"}
_RENAMED = {"ethertype": "ether_type"}


def _protocol(text: str | None) -> str | None:
    """Lower case; None for any."""
    word = text.lower() if text else None
    return None if word == "any" else word


def _ports(text: str) -> tuple[int, int]:
    """`443` or `137:139`."""
    parts = text.split(":")
    if len(parts) > 2:
        raise CommandError(_("argument --dst-port: Invalid range, too many values"), code=2)
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        raise CommandError(_("argument --dst-port: invalid port range: '{given}'").format(given=text), code=2) from None
    if numbers[0] > numbers[-1]:
        raise CommandError(
            _("argument --dst-port: Invalid range, {first} is not less than {last}").format(
                first=numbers[0], last=numbers[-1]
            ),
            code=2,
        )
    return numbers[0], numbers[-1]


def _port_fields(
    protocol: str | None, dst_port: str | None, icmp_type: int | None, icmp_code: int | None
) -> parts.Json:
    """Neutron's port range: ports, or type and code of ICMP, with openstack's refusals."""
    icmp = icmp_type is not None or icmp_code is not None
    if dst_port and icmp:
        raise CommandError(_("Argument --dst-port not allowed with arguments --icmp-type and --icmp-code"))
    if icmp_type is None and icmp_code is not None:
        raise CommandError(_("Argument --icmp-type required with argument --icmp-code"))
    if icmp and protocol not in _ICMP:
        raise CommandError(_("ICMP IP protocol required with arguments --icmp-type and --icmp-code"))
    if icmp:
        return parts.given(port_range_min=icmp_type, port_range_max=icmp_code)
    if not dst_port or protocol in _ICMP:
        return {}
    first, last = _ports(dst_port)
    return {"port_range_min": first, "port_range_max": last}


@app.command("group rule create", help=_("Create a rule of a security group"))
@shower
def create_rule(
    group: Annotated[str, typer.Argument(metavar="<group>", help=_("Security group (name or ID)"))],
    remote_ip: Annotated[
        str | None, typer.Option("--remote-ip", metavar="<cidr>", help=_("Only with these addresses (default: all)"))
    ] = None,
    remote_group: Annotated[
        str | None, typer.Option("--remote-group", metavar="<group>", help=_("Only with members of this group"))
    ] = None,
    description: parts.Description = None,
    dst_port: Annotated[
        str | None, typer.Option("--dst-port", metavar="<port>[:<port>]", help=_("Port or range of ports"))
    ] = None,
    icmp_type: Annotated[int | None, typer.Option("--icmp-type", metavar="<type>", help=_("ICMP type"))] = None,
    icmp_code: Annotated[int | None, typer.Option("--icmp-code", metavar="<code>", help=_("ICMP code"))] = None,
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", metavar="<protocol>", help=_("tcp, udp, icmp ..., a number, any (default)")),
    ] = None,
    ingress: Annotated[bool, typer.Option("--ingress", help=_("What comes in (default)"))] = False,
    egress: Annotated[bool, typer.Option("--egress", help=_("What goes out"))] = False,
    ethertype: Annotated[
        str | None, typer.Option("--ethertype", metavar="IPv4|IPv6", help=_("Default: by the protocol"))
    ] = None,
    project: parts.Project = None,
) -> Record:
    """Let packets through: rules only ever allow."""
    exclusive(remote_ip=remote_ip, remote_group=remote_group)
    outgoing = parts.either(egress=egress, ingress=ingress)
    choice("--ethertype", ethertype, tuple(_ANY))
    word = _protocol(protocol)
    if ethertype is None:
        by_address = "IPv6" if remote_ip and ":" in remote_ip else "IPv4"
        ethertype = "IPv6" if word and (word.startswith("ipv6-") or word in _IPV6) else by_address
    fields = parts.given(
        protocol=word,
        description=description,
        direction="egress" if outgoing else "ingress",
        ethertype=ethertype,
        **_port_fields(word, dst_port, icmp_type, icmp_code),
    )
    client = session.client
    fields["security_group_id"] = client.security_groups.find(group)["id"]
    if remote_group:
        fields["remote_group_id"] = client.security_groups.find(remote_group)["id"]
    else:
        fields["remote_ip_prefix"] = remote_ip or _ANY[ethertype]
    fields |= parts.given(project_id=parts.project_id(project))
    return parts.network_record(client.security_group_rules.create(fields), _RENAMED)


@app.command("group rule delete", help=_("Delete rules of security groups"))
def delete_rules(
    rules: Annotated[list[str], typer.Argument(metavar="<rule>...", help=_("Rules (ID)"))],
) -> None:
    """Delete rules."""
    parts.delete_each(session.client.security_group_rules, rules, "rule", "rules")


def port_range(rule: parts.Json) -> str:
    """`22:24`, `type=8:code=0`, empty for all."""
    first, last = rule.get("port_range_min"), rule.get("port_range_max")
    if rule.get("protocol") in _ICMP:
        text = "" if first is None else f"type={first}"
        return text if last is None else f"{text}:code={last}"
    if first is None and last is None:
        return ""
    return f"{last if first is None else first}:{first if last is None else last}"


@app.command("group rule list", help=_("List rules of security groups"))
@lister
def list_rules(
    group: Annotated[
        str | None, typer.Argument(metavar="[<group>]", help=_("Only of this security group (name or ID)"))
    ] = None,
    protocol: Annotated[str | None, typer.Option(metavar="<protocol>", help=_("Only of this protocol"))] = None,
    ingress: Annotated[bool, typer.Option("--ingress", help=_("Only what comes in"))] = False,
    egress: Annotated[bool, typer.Option("--egress", help=_("Only what goes out"))] = False,
    long: Annotated[bool, typer.Option("--long", help=_("Accepted for compatibility"))] = False,
    project: Annotated[str | None, typer.Option(metavar="<project>", help=_("Only this project"))] = None,
) -> Listing:
    """List rules, of one group or of all."""
    outgoing = parts.either(egress=egress, ingress=ingress)
    client = session.client
    filters = parts.given(
        security_group_id=client.security_groups.find(group)["id"] if group else None,
        protocol=_protocol(protocol),
        direction=None if outgoing is None else "egress" if outgoing else "ingress",
        project_id=parts.project_id(project),
    )
    columns = [
        "ID",
        "IP Protocol",
        "Ethertype",
        "IP Range",
        "Port Range",
        "Direction",
        "Remote Security Group",
        "Remote Address Group",
        *([] if group else ["Security Group"]),
    ]
    rows = [_row(rule)[: len(columns)] for rule in client.security_group_rules.list(**filters)]
    return Listing(columns, rows)


def _row(rule: parts.Json) -> list[Any]:
    anywhere = None if rule.get("remote_group_id") else _ANY.get(rule["ethertype"])
    return [
        rule["id"],
        rule.get("protocol"),
        rule["ethertype"],
        rule.get("remote_ip_prefix") or anywhere or "",
        port_range(rule),
        rule["direction"],
        rule.get("remote_group_id"),
        rule.get("remote_address_group_id"),
        rule["security_group_id"],
    ]


@app.command("group rule show", help=_("Show one rule of a security group"))
@shower
def show_rule(rule: Annotated[str, typer.Argument(metavar="<rule>", help=_("Rule (ID)"))]) -> Record:
    """Show one rule."""
    return parts.network_record(session.client.security_group_rules.find(rule), _RENAMED)
