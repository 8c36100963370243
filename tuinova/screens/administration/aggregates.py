"""Host aggregates: sets of hosts, the zone that they are, the properties that the scheduler reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuinova.client import ClientError
from tuinova.i18n import N_, _
from tuinova.screens.edit import parse_properties
from tuinova.screens.fields_screen import AREA, PICK, FormField, Values
from tuinova.screens.list_room import Json, facts, room_action, room_bindings, text_column
from tuinova.screens.networks.base import FieldsRoom
from tuinova.screens.widgets.pick_list import Offer
from tuinova.screens.widgets.text_panel import Line

_ACTIONS = (
    room_action("create", N_("Create Aggregate"), N_("Create"), "n", 1, changes=True),
    room_action("edit", N_("Edit Aggregate"), N_("Edit"), "e", 2, changes=True),
    room_action("add_host", N_("Add Host"), N_("Add Host"), "a", 3, changes=True),
    room_action("remove_host", N_("Remove Host"), N_("Remove Host"), "r", 4, changes=True),
    room_action("cache", N_("Cache Image"), N_("Cache Image"), "i", 5, changes=True),
    room_action("delete", N_("Delete Aggregate"), N_("Delete"), "D", 6, changes=True),
)
_ZONE = "availability_zone"


def properties_of(row: Mapping[str, Any]) -> dict[str, str]:
    """The metadata but the zone, which is a field of its own."""
    return {key: value for key, value in (row.get("metadata") or {}).items() if key != _ZONE}


def _text(properties: Mapping[str, str]) -> str:
    return "\n".join(f"{key}={value}" for key, value in sorted(properties.items()))


def _typed(values: Values) -> dict[str, str]:
    """The properties as typed; raises ClientError about the first line that is none."""
    properties, problem = parse_properties(values["properties"])
    if problem:
        raise ClientError(problem)
    return properties


def _property_words(text: str) -> list[str]:
    return [word for key, value in parse_properties(text)[0].items() for word in ("--property", f"{key}={value}")]


def _fields(row: Mapping[str, Any] | None) -> list[FormField]:
    row = row or {}
    return [
        FormField("name", _("Name"), value=row.get("name", ""), required=True),
        FormField("zone", _("Availability Zone"), value=row.get(_ZONE) or "", placeholder=_("none")),
        FormField("properties", _("Properties"), AREA, _text(properties_of(row)), placeholder="key=value"),
    ]


class AggregatesList(FieldsRoom):
    """All aggregates (administrators)."""

    KINDS = frozenset({"aggregate"})
    ACTIONS = _ACTIONS
    BINDINGS = room_bindings(_ACTIONS)
    HINT = (N_("No host aggregates."), N_("n creates one; it may make its hosts an availability zone."))
    COLUMNS = (
        text_column("name", N_("Name"), lambda row: row["name"], 12, 24, tone="name"),
        text_column("zone", N_("Zone"), lambda row: row.get(_ZONE), 8, 16),
        text_column("hosts", N_("Hosts"), lambda row: ", ".join(row.get("hosts") or ()), 12, 44),
        text_column("properties", N_("Properties"), lambda row: _text(properties_of(row)).replace("\n", ", "), 12, 50),
    )

    def read(self, client: Any) -> Sequence[Json]:
        return list(client.aggregates.list())

    def details(self, row: Json) -> Sequence[Line]:
        lines = facts([("ID", row["id"]), (_("Hosts"), ", ".join(row.get("hosts") or ()))])
        return [*lines, *facts(sorted(properties_of(row).items()))]

    def action_create(self) -> None:
        """An aggregate without hosts."""

        def send(client: Any, values: Values) -> Any:
            properties = _typed(values)
            made = client.aggregates.create(values["name"], values["zone"] or None)
            if properties:
                client.aggregates.set_metadata(made["id"], properties)
            return made

        def words(values: Values) -> list[str]:
            zone = ["--zone", values["zone"]] if values["zone"] else []
            return ["aggregate", "create", *zone, *_property_words(values["properties"]), values["name"]]

        self.ask(_("Create Aggregate"), _fields(None), send, words)

    def action_edit(self) -> None:
        """Name, zone and properties of the aggregate under the cursor."""
        row = self.row
        if row is None:
            return

        def send(client: Any, values: Values) -> Any:
            properties = _typed(values)
            given = (("name", values["name"]), (_ZONE, values["zone"] or None))
            fields = {key: value for key, value in given if value != row.get(key)}
            if fields:
                client.aggregates.update(row["id"], fields)
            before = properties_of(row)
            changed: dict[str, str | None] = dict.fromkeys(key for key in before if key not in properties)
            changed |= {key: value for key, value in properties.items() if before.get(key) != value}
            if changed:
                client.aggregates.set_metadata(row["id"], changed)

        def words(values: Values) -> list[str]:
            name = ["--name", values["name"]] if values["name"] != row["name"] else []
            zone = ["--zone", values["zone"]] if values["zone"] not in ("", row.get(_ZONE)) else []
            properties = ["--no-property", *_property_words(values["properties"])]
            return ["aggregate", "set", *name, *zone, *properties, row["name"]]

        note = _("A host is in one zone only, and stays in it while it has servers.")
        self.ask(_("Edit Aggregate"), _fields(row), send, words, note=note)

    # hosts and images ------------------------------------------------------------------------------------------------
    def action_add_host(self) -> None:
        """A host that is not in it yet."""
        row = self.row
        if row is None:
            return

        def opened(services: list[Json]) -> None:
            have = set(row.get("hosts") or ())
            free = [Offer(one["host"], one["host"], str(one.get("zone") or "")) for one in services]
            self._with_host(_("Add Host"), "add", row, [one for one in free if one.id not in have])

        self.ask_after(_("Add Host"), lambda client: client.services.list(binary="nova-compute"), opened)

    def action_remove_host(self) -> None:
        """A host that is in it."""
        row = self.row
        if row is not None:
            offers = [Offer(host, host) for host in row.get("hosts") or ()]
            self._with_host(_("Remove Host"), "remove", row, offers)

    def _with_host(self, title: str, verb: str, row: Json, offers: Sequence[Offer]) -> None:
        field = FormField("host", _("Host"), PICK, offers[0].id if offers else "", True, offers=offers)
        self.ask(
            title,
            [field],
            lambda client, values: getattr(client.aggregates, f"{verb}_host")(row["id"], values["host"]),
            lambda values: ["aggregate", verb, "host", row["name"], values["host"]],
        )

    def action_cache(self) -> None:
        """Have the hosts fetch an image before a server needs it."""
        row = self.row
        if row is None:
            return

        def opened(images: list[Json]) -> None:
            active = [
                Offer(one["id"], str(one.get("name") or one["id"])) for one in images if one["status"] == "active"
            ]
            field = FormField("image", _("Image"), PICK, active[0].id if active else "", True, offers=active)
            self.ask(
                _("Cache Image"),
                [field],
                lambda client, values: client.aggregates.cache_images(row["id"], [values["image"]]),
                lambda values: ["aggregate", "cache", "image", row["name"], values["image"]],
            )

        self.ask_after(_("Cache Image"), lambda client: client.images.list(), opened)

    def action_delete(self) -> None:
        """The aggregate under the cursor."""
        self.delete_row(_("Delete Aggregate"), "aggregates", _("Only one without hosts can be deleted."))
