"""Ports: a MAC with its addresses on a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuinova.i18n import N_, _
from tuinova.screens.fields_screen import PICK, TICK, FormField, Values
from tuinova.screens.list_room import Json, facts, room_action, room_bindings, text_column
from tuinova.screens.networks.base import NETWORK_KINDS, FieldsRoom, addresses, names, without_empty, word, yes_no
from tuinova.screens.widgets.pick_list import Offer
from tuinova.screens.widgets.text_panel import Line

_ACTIONS = (
    room_action("create", N_("Create Port"), N_("Create"), "n", 1, changes=True),
    room_action("delete", N_("Delete Port"), N_("Delete"), "D", 2, changes=True),
)


def port_words(values: Values, networks: dict[str, str]) -> list[str]:
    """The command."""
    words = ["port", "create", "--network", networks[values["network"]]]
    words += ["--fixed-ip", f"ip-address={values['address']}"] if values["address"] else []
    words += ["--mac-address", values["mac"]] if values["mac"] else []
    words += [] if values["security"] else ["--disable-port-security"]
    return [*words, values["name"]]


def port_body(values: Values) -> Json:
    """Neutron's fields."""
    body = without_empty(
        {
            "name": values["name"],
            "network_id": values["network"],
            "mac_address": values["mac"],
            "fixed_ips": [{"ip_address": values["address"]}] if values["address"] else [],
        }
    )
    return body if values["security"] else {**body, "port_security_enabled": False, "security_groups": []}


class PortsList(FieldsRoom):
    """The project's ports."""

    KINDS = NETWORK_KINDS | {"server"}
    ACTIONS = _ACTIONS
    BINDINGS = room_bindings(_ACTIONS)
    SORT = "addresses"
    HINT = (N_("No ports."), N_("A server's ports come with it; n makes one that a server may take."))
    COLUMNS = (
        text_column("name", N_("Name"), lambda row: row.get("name") or row["id"][:13], 10, 20, tone="name"),
        text_column("addresses", N_("Addresses"), addresses, 12, 32),
        text_column("mac", N_("MAC Address"), lambda row: row["mac_address"], 17, 17, tone="dim"),
        text_column("network", N_("Network"), lambda row: row["_network"], 8, 16),
        text_column("owner", N_("Owner"), lambda row: row["_owner"], 8, 24),
        text_column("status", N_("Status"), lambda row: row.get("status"), 6, 8),
    )

    def read(self, client: Any) -> Sequence[Json]:
        networks = names(client.networks.list())
        servers = names(client.servers.rows())
        return [
            {
                **port,
                "_network": networks.get(port["network_id"], port["network_id"]),
                "_owner": servers.get(port.get("device_id") or "", port.get("device_owner") or ""),
            }
            for port in client.ports.list()
        ]

    def details(self, row: Json) -> Sequence[Line]:
        pairs = ", ".join(str(one["ip_address"]) for one in row.get("allowed_address_pairs") or ())
        return facts(
            [
                ("ID", row["id"]),
                (_("Owner"), " ".join(filter(None, (row.get("device_owner"), row.get("device_id"))))),
                (_("Host"), row.get("binding:host_id")),
                (_("Security Groups"), ", ".join(row.get("security_groups") or ())),
                (_("Port security"), yes_no(row.get("port_security_enabled", True))),
                (_("Allowed addresses"), pairs),
            ]
        )

    def action_create(self) -> None:
        """A port that a server may take."""

        def opened(networks: list[Json]) -> None:
            offers = [Offer(one["id"], word(one)) for one in networks]
            fields = [
                FormField("name", _("Name"), required=True),
                FormField("network", _("Network"), PICK, offers[0].id if offers else "", True, offers=offers),
                FormField("address", _("Fixed address"), placeholder=_("any")),
                FormField("mac", _("MAC Address"), placeholder=_("any")),
                FormField("security", _("Port security"), TICK, True),
            ]
            by_id = names(networks)
            self.ask(
                _("Create Port"),
                fields,
                lambda client, values: client.ports.create(port_body(values)),
                lambda values: port_words(values, by_id),
            )

        self.ask_after(_("Create Port"), lambda client: client.networks.list(), opened)

    def action_delete(self) -> None:
        """The port under the cursor."""
        self.delete_row(_("Delete Port"), "ports")
