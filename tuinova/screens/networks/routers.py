"""Routers between networks, and to the outside."""

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
    room_action("create", N_("Create Router"), N_("Create"), "n", 1, changes=True),
    room_action("join", N_("Add Subnet"), N_("Add Subnet"), "a", 2, changes=True),
    room_action("leave", N_("Remove Subnet"), N_("Remove Subnet"), "r", 3, changes=True),
    room_action("delete", N_("Delete Router"), N_("Delete"), "D", 4, changes=True),
)
_INTERFACE = "network:router_interface"


class RoutersList(FieldsRoom):
    """The project's routers."""

    KINDS = NETWORK_KINDS
    ACTIONS = _ACTIONS
    BINDINGS = room_bindings(_ACTIONS)
    HINT = (N_("No routers."), N_("NAT and routed networks have their way out by themselves; n makes a router."))
    COLUMNS = (
        text_column("name", N_("Name"), word, 10, 24, tone="name"),
        text_column("external", N_("External network"), lambda row: row["_external"], 10, 24),
        text_column("interfaces", N_("Interfaces"), lambda row: row["_interfaces"], 12, 44),
        text_column("status", N_("Status"), lambda row: row.get("status"), 6, 8),
    )

    def read(self, client: Any) -> Sequence[Json]:
        networks = names(client.networks.list())
        ports = client.ports.list()
        rows = []
        for router in client.routers.list():
            gateway = (router.get("external_gateway_info") or {}).get("network_id")
            own = [port for port in ports if port.get("device_id") == router["id"]]
            joined = [port for port in own if port.get("device_owner") == _INTERFACE]
            rows.append(
                {
                    **router,
                    "_external": networks.get(gateway or "", gateway),
                    "_ports": joined,
                    "_interfaces": ", ".join(addresses(port) for port in joined),
                }
            )
        return rows

    def details(self, row: Json) -> Sequence[Line]:
        gateway = row.get("external_gateway_info") or {}
        routes = ", ".join(f"{one['destination']} via {one['nexthop']}" for one in row.get("routes") or ())
        outside = ", ".join(str(one["ip_address"]) for one in gateway.get("external_fixed_ips") or ())
        return facts([("ID", row["id"]), (_("Outside"), outside), (_("Routes"), routes)])

    def action_create(self) -> None:
        """A router, with its way out."""

        def opened(networks: list[Json]) -> None:
            outside = [Offer("", _("none")), *(Offer(one["id"], word(one)) for one in networks)]
            by_id = names(networks)
            fields = [
                FormField("name", _("Name"), required=True),
                FormField("external", _("External network"), PICK, "", offers=outside, placeholder=_("none")),
            ]

            def send(client: Any, values: Any) -> Any:
                gateway = {"external_gateway_info": {"network_id": values["external"]}} if values["external"] else {}
                return client.routers.create({"name": values["name"], **gateway})

            def words(values: Any) -> list[str]:
                gateway = ["--external-gateway", by_id[values["external"]]] if values["external"] else []
                return ["router", "create", *gateway, values["name"]]

            self.ask(_("Create Router"), fields, send, words)

        external = {"router:external": True}
        self.ask_after(_("Create Router"), lambda client: client.networks.list(**external), opened)

    def action_join(self) -> None:
        """Join a subnet by its gateway address."""
        self._with_subnet(_("Add Subnet"), "add", joined=False)

    def action_leave(self) -> None:
        """Leave a subnet."""
        self._with_subnet(_("Remove Subnet"), "remove", joined=True)

    def _with_subnet(self, title: str, verb: str, *, joined: bool) -> None:
        router = self.row
        if router is None:
            return
        have = {one["subnet_id"] for port in router["_ports"] for one in port.get("fixed_ips") or ()}

        def opened(subnets: list[Json]) -> None:
            fitting = [one for one in subnets if (one["id"] in have) == joined]
            offers = [Offer(one["id"], str(one.get("name") or one["cidr"]), one["cidr"]) for one in fitting]
            field = FormField("subnet", _("Subnet"), PICK, offers[0].id if offers else "", True, offers=offers)
            self.ask(
                title,
                [field],
                lambda client, values: getattr(client.routers, f"{verb}_interface")(
                    router["id"], subnet_id=values["subnet"]
                ),
                lambda values: ["router", verb, "subnet", word(router), values["subnet"]],
            )

        self.ask_after(title, lambda client: client.subnets.list(), opened)

    def action_delete(self) -> None:
        """The router under the cursor."""
        self.delete_row(_("Delete Router"), "routers")
