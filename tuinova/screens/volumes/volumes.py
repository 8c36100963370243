"""Volumes: block devices that outlive servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuinova.i18n import N_, _
from tuinova.screens.fields_screen import CHOICE, NUMBER, PICK, FormField, Values
from tuinova.screens.list_room import Json, facts, room_action, room_bindings, text_column
from tuinova.screens.networks.base import FieldsRoom, names, without_empty, word, yes_no
from tuinova.screens.widgets.pick_list import Offer
from tuinova.screens.widgets.text_panel import Line

_ACTIONS = (
    room_action("create", N_("Create Volume"), N_("Create"), "n", 1, changes=True),
    room_action("attach", N_("Attach to Instance"), N_("Attach"), "a", 2, changes=True),
    room_action("detach", N_("Detach from Instance"), N_("Detach"), "r", 3, changes=True),
    room_action("extend", N_("Extend Volume"), N_("Extend"), "e", 4, changes=True),
    room_action("snapshot", N_("Create Volume Snapshot"), N_("Snapshot"), "s", 5, changes=True),
    room_action("delete", N_("Delete Volume"), N_("Delete"), "D", 7, changes=True),
)
KINDS = frozenset({"volume", "snapshot", "volume_type"})
# What a new volume holds: the field with the choice, Cinder's key, and the command's option.
_SOURCES = {
    "image": ("imageRef", "--image"),
    "snapshot": ("snapshot_id", "--snapshot"),
    "volume": ("source_volid", "--source"),
}


def volume_fields(found: dict[str, list[Json]]) -> list[FormField]:
    """The fields of a new volume."""
    kinds = (("", _("empty")), ("image", _("Image")), ("snapshot", _("Snapshot")), ("volume", _("Volume")))
    fields = [
        FormField("name", _("Name"), required=True),
        FormField("kind", _("From"), CHOICE, "", choices=kinds),
    ]
    for kind, label in kinds[1:]:
        offers = [Offer(one["id"], word(one), f"{one['size']} GB" if kind != "image" else "") for one in found[kind]]
        first = offers[0].id if offers else ""
        fields.append(FormField(kind, label, PICK, first, True, offers=offers, when=_kind_is(kind)))
    types = [Offer("", _("default")), *(Offer(one["id"], one["name"]) for one in found["types"])]
    return [
        *fields,
        FormField("size", _("Size (GB)"), NUMBER, "1", True),
        FormField("type", _("Type"), PICK, "", offers=types, placeholder=_("default")),
        FormField("description", _("Description")),
    ]


def _kind_is(kind: str) -> Any:
    return lambda values: values["kind"] == kind


def volume_body(values: Values) -> Json:
    """Cinder's fields."""
    body = {
        "name": values["name"],
        "size": int(values["size"]),
        "description": values["description"],
        "volume_type": values["type"],
    }
    if values["kind"]:
        body[_SOURCES[values["kind"]][0]] = values[values["kind"]]
    return without_empty(body)


def volume_words(values: Values, types: dict[str, str]) -> list[str]:
    """The command."""
    words = ["volume", "create", "--size", values["size"]]
    if values["kind"]:
        words += [_SOURCES[values["kind"]][1], values[values["kind"]]]
    words += ["--type", types[values["type"]]] if values["type"] else []
    words += ["--description", values["description"]] if values["description"] else []
    return [*words, values["name"]]


class VolumesList(FieldsRoom):
    """The project's volumes."""

    KINDS = KINDS | {"server"}
    ACTIONS = _ACTIONS
    BINDINGS = room_bindings(_ACTIONS)
    HINT = (N_("No volumes yet."), N_("n creates one."))
    COLUMNS = (
        text_column("name", N_("Name"), word, 10, 26, tone="name"),
        text_column("status", N_("Status"), lambda row: row["status"], 9, 12),
        text_column("size", N_("Size (GB)"), lambda row: row["size"], 9, 9, right=True),
        text_column("server", N_("Attached to"), lambda row: row["_server"], 10, 30),
        text_column("type", N_("Type"), lambda row: row.get("volume_type"), 6, 14),
        text_column("bootable", N_("Bootable"), lambda row: yes_no(str(row.get("bootable")).lower() == "true"), 8, 8),
    )

    def read(self, client: Any) -> Sequence[Json]:
        servers = names(client.servers.rows())
        rows = []
        for volume in client.volumes.list():
            held = volume.get("attachments") or []
            words = [f"{servers.get(one['server_id'], one['server_id'])} {one.get('device') or ''}" for one in held]
            rows.append({**volume, "_server": ", ".join(part.strip() for part in words)})
        return rows

    def details(self, row: Json) -> Sequence[Line]:
        properties = ", ".join(f"{key}={value}" for key, value in (row.get("metadata") or {}).items())
        return facts(
            [
                ("ID", row["id"]),
                (_("Description"), row.get("description")),
                (_("From"), row.get("snapshot_id") or row.get("source_volid")),
                (_("Image"), (row.get("volume_image_metadata") or {}).get("image_name")),
                (_("Properties"), properties),
            ]
        )

    def action_create(self) -> None:
        """A volume, empty or with something's data."""

        def read(client: Any) -> dict[str, list[Json]]:
            return {
                "image": [one for one in client.images.list() if one.get("status", "active") == "active"],
                "snapshot": client.volume_snapshots.list(),
                "volume": client.volumes.list(),
                "types": client.volume_types.list(),
            }

        def opened(found: dict[str, list[Json]]) -> None:
            types = names(found["types"])
            self.ask(
                _("Create Volume"),
                volume_fields(found),
                lambda client, values: client.volumes.create(volume_body(values)),
                lambda values: volume_words(values, types),
            )

        self.ask_after(_("Create Volume"), read, opened)

    def action_attach(self) -> None:
        """To one of the servers."""
        row = self.row
        if row is None:
            return

        def opened(servers: list[Json]) -> None:
            offers = [Offer(one["id"], one["name"], one["status"]) for one in servers]
            by_id = names(servers)
            first = offers[0].id if offers else ""
            fields = [
                FormField("server", _("Instance"), PICK, first, True, offers=offers),
                FormField("device", _("Device"), placeholder=_("the next free one")),
            ]

            def send(client: Any, values: Values) -> Any:
                wanted = {"device": values["device"]} if values["device"] else {}
                return client.servers.attach_volume(values["server"], row["id"], **wanted)

            def words(values: Values) -> list[str]:
                device = ["--device", values["device"]] if values["device"] else []
                return ["server", "add", "volume", *device, by_id[values["server"]], word(row)]

            self.ask(_("Attach to Instance"), fields, send, words)

        self.ask_after(_("Attach to Instance"), lambda client: client.servers.rows(), opened)

    def action_detach(self) -> None:
        """From its server; the name is asked for, since the guest may be writing."""
        row = self.row
        if row is None or not row.get("attachments"):
            return
        server = row["attachments"][0]["server_id"]
        self.ask_name(
            _("Detach from Instance"),
            row,
            lambda client: client.servers.detach_volume(server, row["id"]),
            _("What the guest has not written yet is lost: unmount it first."),
        )

    def action_extend(self) -> None:
        """Make it larger; a running guest sees it at once."""
        row = self.row
        if row is not None:
            field = FormField("size", _("Size (GB)"), NUMBER, str(row["size"] + 1), True)
            self.ask(
                _("Extend Volume"),
                [field],
                lambda client, values: client.volumes.extend(row["id"], int(values["size"])),
                lambda values: ["volume", "set", "--size", values["size"], word(row)],
                note=_("{name} has {size} GB.").format(name=word(row), size=row["size"]),
            )

    def action_snapshot(self) -> None:
        """Keep its data of this moment."""
        row = self.row
        if row is None:
            return
        used = row["status"] == "in-use"
        fields = [FormField("name", _("Name"), value=f"{word(row)}-snapshot", required=True)]

        def send(client: Any, values: Values) -> Any:
            return client.volume_snapshots.create(
                {"volume_id": row["id"], "name": values["name"], **({"force": True} if used else {})}
            )

        def words(values: Values) -> list[str]:
            return [
                *("volume", "snapshot", "create", "--volume", word(row)),
                *(["--force"] if used else []),
                values["name"],
            ]

        self.ask(_("Create Volume Snapshot"), fields, send, words)

    def action_delete(self) -> None:
        """The volume under the cursor, for good."""
        self.delete_row(_("Delete Volume"), "volumes", _("Its data is gone for good."))
