"""Which networks and security groups `server create` asks for, with openstack's refusals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tuinova.cli.commands import session
from tuinova.cli.diagnostics import CommandError
from tuinova.i18n import _

Json = dict[str, Any]
_KEYS = ("net-id", "port-id", "tag", "v4-fixed-ip", "v6-fixed-ip")
_FORM = "net-id=net-uuid,port-id=port-uuid,v4-fixed-ip=ip-addr,v6-fixed-ip=ip-addr,tag=tag"


@dataclass(slots=True)
class Nics:
    """The options that say how a server is connected, each list in the order in which it was typed."""

    networks: list[str] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)
    nics: list[str] = field(default_factory=list)
    none: bool = False
    auto: bool = False


def _invalid(text: str, why: str) -> CommandError:
    return CommandError(
        _("argument --nic: Invalid argument {given}; {reason}").format(given=text, reason=why),
        code=2,
    )


def read_nic(text: str) -> Json:
    """One `--nic` by its keys."""
    fields: Json = {}
    for part in text.split(","):
        key, sign, value = part.partition("=")
        if not sign or not value or key not in _KEYS:
            raise _invalid(text, _("argument must be of form '{form}'").format(form=_FORM))
        fields[key] = value
    if ("net-id" in fields) == ("port-id" in fields):
        raise _invalid(text, _("either 'network' or 'port' should be specified but not both"))
    if "v4-fixed-ip" in fields and "v6-fixed-ip" in fields:
        raise _invalid(text, _("either 'v4-fixed-ip' or 'v6-fixed-ip' should be specified but not both"))
    session.needs((2, 43), _("the --nic tag field"), "tag" in fields)
    return fields


def network_field(wanted: Nics) -> Any:
    """`networks` of Nova's body: auto, none, or a list of {uuid | port, fixed_ip, tag}."""
    words = [text for text in wanted.nics if text in ("auto", "none")]
    asked = [(option, _read(option, text)) for option, text in in_order(wanted) if text not in words]
    special = [*words, *(["none"] if wanted.none else []), *(["auto"] if wanted.auto else [])]
    if special and (asked or len(special) > 1):
        raise CommandError(
            _("Specifying a --nic of auto or none cannot be used with any other --nic, --network or --port value.")
        )
    explicit = _("explicit auto-allocation of a network or to disable network allocation")
    session.needs((2, 37), explicit, special)
    if special:
        return special[0]
    if not asked:
        return "auto" if session.microversion >= (2, 37) else None
    return [_entry(fields) for _option, fields in asked]


def in_order(wanted: Nics) -> list[tuple[str, str]]:
    """Options and their values as they were typed: that is the order of the guest's interfaces.

    The parser keeps the order of each option's values, not that of different options.
    """
    every = [("--network", text) for text in wanted.networks]
    every += [("--port", text) for text in wanted.ports]
    every += [("--nic", text) for text in wanted.nics]
    typed: list[tuple[str, str]] = []
    words = iter(session.words)
    for word in words:
        option, sign, value = word.partition("=")
        if option in ("--network", "--port", "--nic"):
            typed.append((option, value if sign else next(words, "")))
    return typed if sorted(typed) == sorted(every) else every


def _read(option: str, text: str) -> Json:
    if option == "--nic":
        return read_nic(text)
    return {"net-id" if option == "--network" else "port-id": text}


def _entry(fields: Json) -> Json:
    client = session.client
    entry: Json = {}
    if "net-id" in fields:
        entry["uuid"] = client.networks.find(fields["net-id"])["id"]
    else:
        entry["port"] = client.ports.find(fields["port-id"])["id"]
    address = fields.get("v4-fixed-ip") or fields.get("v6-fixed-ip")
    if address:
        entry["fixed_ip"] = address
    if "tag" in fields:
        entry["tag"] = fields["tag"]
    return entry


def group_field(names: list[str] | None, none: bool) -> list[Json] | None:
    """`security_groups` of Nova's body: each by its id, as openstack sends them."""
    if none:
        return []
    return [{"name": session.client.security_groups.find(name)["id"]} for name in names or []] or None
