"""Snapshots of volumes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuinova.i18n import N_, _
from tuinova.screens.fields_screen import NUMBER, FormField, Values
from tuinova.screens.list_room import Json, facts, room_action, room_bindings, text_column
from tuinova.screens.networks.base import FieldsRoom, names, word
from tuinova.screens.volumes.volumes import KINDS
from tuinova.screens.widgets.text_panel import Line

_ACTIONS = (
    room_action("volume", N_("Create Volume"), N_("Create Volume"), "n", 1, changes=True),
    room_action("delete", N_("Delete Volume Snapshot"), N_("Delete"), "D", 2, changes=True),
)


class SnapshotsList(FieldsRoom):
    """The project's snapshots."""

    KINDS = KINDS
    ACTIONS = _ACTIONS
    BINDINGS = room_bindings(_ACTIONS)
    HINT = (N_("No snapshot of a volume."), N_("s on a volume makes one."))
    COLUMNS = (
        text_column("name", N_("Name"), word, 10, 26, tone="name"),
        text_column("status", N_("Status"), lambda row: row["status"], 9, 12),
        text_column("size", N_("Size (GB)"), lambda row: row["size"], 9, 9, right=True),
        text_column("volume", N_("Volume"), lambda row: row["_volume"], 10, 26),
        text_column("created", N_("Created"), lambda row: row.get("created_at"), 10, 20, tone="dim"),
    )

    def read(self, client: Any) -> Sequence[Json]:
        volumes = names(client.volumes.list())
        return [
            {**one, "_volume": volumes.get(one["volume_id"], one["volume_id"])}
            for one in client.volume_snapshots.list()
        ]

    def details(self, row: Json) -> Sequence[Line]:
        return facts([("ID", row["id"]), (_("Description"), row.get("description"))])

    def action_volume(self) -> None:
        """A volume with the snapshot's data."""
        row = self.row
        if row is None:
            return
        fields = [
            FormField("name", _("Name"), required=True),
            FormField("size", _("Size (GB)"), NUMBER, str(row["size"]), True),
        ]

        def send(client: Any, values: Values) -> Any:
            return client.volumes.create(
                {"name": values["name"], "size": int(values["size"]), "snapshot_id": row["id"]}
            )

        def words(values: Values) -> list[str]:
            return ["volume", "create", "--size", values["size"], "--snapshot", word(row), values["name"]]

        self.ask(_("Create Volume"), fields, send, words)

    def action_delete(self) -> None:
        """The snapshot under the cursor."""
        self.delete_row(_("Delete Volume Snapshot"), "volume_snapshots")
