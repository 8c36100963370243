"""Floating IPs: addresses of the outside that stand for a port's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuinova.i18n import N_, _
from tuinova.screens.fields_screen import PICK, FormField
from tuinova.screens.list_room import Json, facts, room_action, room_bindings, text_column
from tuinova.screens.networks.base import NETWORK_KINDS, FieldsRoom, addresses, names, word
from tuinova.screens.widgets.pick_list import Offer
from tuinova.screens.widgets.text_panel import Line

_ACTIONS = (
    room_action("create", N_("Allocate Floating IP"), N_("Allocate"), "n", 1, changes=True),
    room_action("associate", N_("Associate Floating IP"), N_("Associate"), "a", 2, changes=True),
    room_action("dissociate", N_("Disassociate Floating IP"), N_("Disassociate"), "r", 3, changes=True),
    room_action("delete", N_("Release Floating IP"), N_("Release"), "D", 4, changes=True),
)


class FloatingIpsList(FieldsRoom):
    """The project's floating addresses."""

    KINDS = NETWORK_KINDS
    ACTIONS = _ACTIONS
    BINDINGS = room_bindings(_ACTIONS)
    SORT = "address"
    HINT = (N_("No floating IPs."), N_("n takes one of an external network."))
    COLUMNS = (
        text_column("address", N_("Floating IP"), lambda row: row["floating_ip_address"], 12, 20, tone="name"),
        text_column("fixed", N_("Fixed address"), lambda row: row.get("fixed_ip_address"), 12, 20),
        text_column("server", N_("Instance"), lambda row: row["_server"], 8, 24),
        text_column("network", N_("External network"), lambda row: row["_network"], 10, 20),
        text_column("status", N_("Status"), lambda row: row.get("status"), 6, 8),
    )

    def read(self, client: Any) -> Sequence[Json]:
        networks, servers = names(client.networks.list()), names(client.servers.rows())
        owners = {port["id"]: servers.get(port.get("device_id") or "", "") for port in client.ports.list()}
        return [
            {
                **one,
                "name": one["floating_ip_address"],
                "_network": networks.get(one["floating_network_id"], one["floating_network_id"]),
                "_server": owners.get(one.get("port_id") or "", ""),
            }
            for one in client.floating_ips.list()
        ]

    def details(self, row: Json) -> Sequence[Line]:
        return facts([("ID", row["id"]), (_("Port"), row.get("port_id")), (_("Description"), row.get("description"))])

    def action_create(self) -> None:
        """An address of an external network."""

        def opened(networks: list[Json]) -> None:
            offers = [Offer(one["id"], word(one)) for one in networks]
            by_id = names(networks)
            first = offers[0].id if offers else ""
            fields = [
                FormField(
                    "network", _("External network"), PICK, first, True, offers=offers, placeholder=_("none yet")
                ),
                FormField("address", _("Floating IP"), placeholder=_("any")),
            ]

            def send(client: Any, values: Any) -> Any:
                wanted = {"floating_ip_address": values["address"]} if values["address"] else {}
                return client.floating_ips.create({"floating_network_id": values["network"], **wanted})

            def words(values: Any) -> list[str]:
                wanted = ["--floating-ip-address", values["address"]] if values["address"] else []
                return ["floating", "ip", "create", *wanted, by_id[values["network"]]]

            self.ask(_("Allocate Floating IP"), fields, send, words)

        external = {"router:external": True}
        self.ask_after(_("Allocate Floating IP"), lambda client: client.networks.list(**external), opened)

    def action_associate(self) -> None:
        """Let the address stand for a port's."""
        row = self.row
        if row is None:
            return

        def read(client: Any) -> tuple[list[Json], dict[str, str]]:
            return client.ports.list(), names(client.servers.rows())

        def opened(found: tuple[list[Json], dict[str, str]]) -> None:
            ports, servers = found
            offers = [
                Offer(port["id"], servers[port["device_id"]], addresses(port))
                for port in ports
                if port.get("device_id") in servers
            ]
            first = offers[0].id if offers else ""
            field = FormField("port", _("Port"), PICK, first, True, offers=offers, placeholder=_("none yet"))
            self.ask(
                _("Associate Floating IP"),
                [field],
                lambda client, values: client.floating_ips.update(row["id"], port_id=values["port"]),
                lambda values: ["floating", "ip", "set", "--port", values["port"], row["floating_ip_address"]],
            )

        self.ask_after(_("Associate Floating IP"), read, opened)

    def action_dissociate(self) -> None:
        """Let it stand for nothing."""
        row = self.row
        if row is not None:
            self.change(
                _("Disassociate Floating IP"), lambda client: client.floating_ips.update(row["id"], port_id=None)
            )

    def action_delete(self) -> None:
        """Give it back."""
        self.delete_row(_("Release Floating IP"), "floating_ips")
