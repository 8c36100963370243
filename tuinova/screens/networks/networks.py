"""Networks and their subnets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tuinova.i18n import N_, _
from tuinova.screens.fields_screen import CHOICE, TICK, FormField, Values
from tuinova.screens.list_room import Json, facts, room_action, room_bindings, text_column
from tuinova.screens.networks.base import NETWORK_KINDS, FieldsRoom, without_empty, word, yes_no
from tuinova.screens.widgets.text_panel import Line, padded

_ACTIONS = (
    room_action("create", N_("Create Network"), N_("Create"), "n", 1, changes=True),
    room_action("subnet", N_("Create Subnet"), N_("Subnet"), "s", 2, changes=True),
    room_action("delete", N_("Delete Network"), N_("Delete"), "D", 3, changes=True),
    room_action("drop_subnet", N_("Delete Subnet"), N_("Delete Subnet"), "X", 4, changes=True),
)
MODES = (("nat", "NAT"), ("routed", N_("routed")), ("isolated", N_("isolated")), ("provider", N_("provider")))


def split_list(text: str) -> list[str]:
    """Words between commas or blanks."""
    return [part for part in re.split(r"[,\s]+", text) if part]


def network_fields() -> list[FormField]:
    """The fields of a new network with its first subnet."""
    bridged = _is("mode", "provider")
    return [
        FormField("name", _("Name"), required=True),
        FormField("mode", _("Mode"), CHOICE, "nat", choices=[(value, _(label)) for value, label in MODES]),
        FormField("bridge", _("Bridge of the host"), required=True, when=bridged),
        FormField("cidr", _("First subnet"), placeholder="10.0.0.0/24"),
        FormField("dns", _("Name servers"), placeholder="9.9.9.9", when=lambda values: bool(values["cidr"])),
        FormField("shared", _("Shared"), TICK, False),
        FormField("external", _("External"), TICK, False, when=bridged),
    ]


def _is(field: str, wanted: str) -> Any:
    return lambda values: values[field] == wanted


def create_network(client: Any, values: Values) -> Any:
    """The network, then its subnet; a refused subnet takes the network back."""
    network = client.networks.create(
        without_empty(
            {
                "name": values["name"],
                "tuinova:mode": values["mode"],
                "provider:physical_network": values["bridge"],
                "shared": values["shared"] or None,
                "router:external": values["external"] or None,
            }
        )
    )
    if values["cidr"]:
        try:
            client.subnets.create(subnet_body(network["id"], {**values, "name": ""}))
        except Exception:
            client.networks.delete(network["id"])
            raise
    return network


def network_words(values: Values) -> list[str]:
    """The command; the subnet is a second one."""
    words = ["network", "create", "--mode", values["mode"]]
    words += ["--bridge", values["bridge"]] if values["bridge"] else []
    words += ["--share"] if values["shared"] else []
    words += ["--external"] if values["external"] else []
    return [*words, values["name"]]


def subnet_fields() -> list[FormField]:
    """The fields of a subnet."""
    return [
        FormField("name", _("Name")),
        FormField("cidr", _("Network address"), required=True, placeholder="10.0.0.0/24"),
        FormField("gateway", _("Gateway"), placeholder=_("the first address, or none")),
        FormField("dhcp", _("DHCP"), TICK, True),
        FormField("pools", _("Address pools"), placeholder="10.0.0.10-10.0.0.99"),
        FormField("dns", _("Name servers"), placeholder="9.9.9.9, 149.112.112.112"),
    ]


def subnet_body(network: str, values: Values) -> Json:
    """Neutron's fields."""
    body: Json = {
        "network_id": network,
        "name": values["name"],
        "cidr": values["cidr"],
        "ip_version": 6 if ":" in values["cidr"] else 4,
        "enable_dhcp": values.get("dhcp", True),
        "dns_nameservers": split_list(values["dns"]),
        "allocation_pools": [
            dict(zip(("start", "end"), pool.split("-", 1), strict=False))
            for pool in split_list(values.get("pools", ""))
        ],
    }
    gateway = values.get("gateway", "")
    body = without_empty(body)
    if gateway == "none":
        body["gateway_ip"] = None
    elif gateway:
        body["gateway_ip"] = gateway
    return body


def subnet_words(network: str, values: Values) -> list[str]:
    """The command."""
    words = ["subnet", "create", "--network", network, "--subnet-range", values["cidr"]]
    words += ["--ip-version", "6"] if ":" in values["cidr"] else []
    words += ["--gateway", values["gateway"]] if values["gateway"] else []
    words += [] if values["dhcp"] else ["--no-dhcp"]
    for pool in split_list(values["pools"]):
        start, _dash, end = pool.partition("-")
        words += ["--allocation-pool", f"start={start},end={end}"]
    for server in split_list(values["dns"]):
        words += ["--dns-nameserver", server]
    return [*words, values["name"] or values["cidr"]]


class NetworksList(FieldsRoom):
    """The networks that the project sees, each with its subnets below."""

    KINDS = NETWORK_KINDS
    ACTIONS = _ACTIONS
    BINDINGS = room_bindings(_ACTIONS)
    HINT = (N_("No networks yet."), N_("n creates one."))
    COLUMNS = (
        text_column("name", N_("Name"), word, 10, 24, tone="name"),
        text_column("mode", N_("Mode"), lambda row: row.get("tuinova:mode"), 8, 10),
        text_column("subnets", N_("Subnets"), lambda row: row["_ranges"], 14, 44),
        text_column("ports", N_("Ports"), lambda row: row["_ports"], 5, 6, right=True),
        text_column("shared", N_("Shared"), lambda row: yes_no(row.get("shared")), 6, 7),
        text_column("external", N_("External"), lambda row: yes_no(row.get("router:external")), 8, 9),
        text_column("status", N_("Status"), lambda row: row.get("status"), 6, 8),
    )

    def read(self, client: Any) -> Sequence[Json]:
        subnets, ports = client.subnets.list(), client.ports.list()
        rows = []
        for network in client.networks.list():
            own = [one for one in subnets if one["network_id"] == network["id"]]
            rows.append(
                {
                    **network,
                    "_subnets": own,
                    "_ranges": ", ".join(str(one["cidr"]) for one in own),
                    "_ports": sum(one["network_id"] == network["id"] for one in ports),
                }
            )
        return rows

    def details(self, row: Json) -> Sequence[Line]:
        lines = facts(
            [
                ("ID", row["id"]),
                (_("Bridge of the host"), row.get("provider:physical_network")),
                ("MTU", row.get("mtu")),
                (_("Description"), row.get("description")),
            ]
        )
        for one in row["_subnets"]:
            pools = ", ".join(f"{pool['start']}-{pool['end']}" for pool in one.get("allocation_pools") or ())
            words = [
                _("gateway {address}").format(address=one.get("gateway_ip") or "-"),
                pools,
                "DHCP" if one.get("enable_dhcp") else _("no DHCP"),
                ", ".join(one.get("dns_nameservers") or ()),
            ]
            text = "  ".join(part for part in words if part)
            lines.append([(padded(str(one.get("name") or _("Subnet")), 18), "label"), (f"{one['cidr']}  {text}", "")])
        return lines

    def action_create(self) -> None:
        """A new network with its first subnet."""
        self.ask(_("Create Network"), network_fields(), create_network, network_words)

    def action_subnet(self) -> None:
        """A subnet of the network under the cursor."""
        row = self.row
        if row is not None:
            self.ask(
                _("Create Subnet"),
                subnet_fields(),
                lambda client, values: client.subnets.create(subnet_body(row["id"], values)),
                lambda values: subnet_words(word(row), values),
                note=_("Of the network {name}").format(name=word(row)),
            )

    def action_delete(self) -> None:
        """The network under the cursor, with its subnets."""
        self.delete_row(_("Delete Network"), "networks", _("Its subnets go with it; a network with ports is refused."))

    def action_drop_subnet(self) -> None:
        """One subnet of the network under the cursor."""
        from tuinova.screens.pickers import Choice, Picker

        row = self.row
        if row is None or not row["_subnets"] or self.tui.refuse_read_only(_("Delete Subnet")):
            return
        choices = [Choice(one["id"], one["cidr"], str(one.get("name") or "")) for one in row["_subnets"]]

        def picked(ident: str | None) -> None:
            subnet = next((one for one in row["_subnets"] if one["id"] == ident), None)
            if subnet is not None:
                named = {**subnet, "name": subnet["cidr"]}
                self.ask_name(_("Delete Subnet"), named, lambda client: client.subnets.delete(subnet["id"]))

        self.tui.push_screen(Picker(_("Delete Subnet"), choices), picked)
