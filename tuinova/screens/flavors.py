"""The flavors room: the table, and the doors to the editor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuinova.client import ApiError
from tuinova.i18n import N_, _
from tuinova.screens.list_room import Json, ListRoom, facts, room_action, room_bindings, text_column
from tuinova.screens.widgets.text_panel import Line


def _field(key: str) -> Any:
    return lambda row: row.get(key)


def _megabytes(row: Json) -> int:
    return int(row.get("swap") or 0)


_ACTIONS = (
    room_action("create", N_("Create Flavor"), N_("Create"), "n", 1, changes=True),
    room_action("edit", N_("Edit Flavor"), N_("Edit"), "e", 2, changes=True),
    room_action("copy", N_("Copy Flavor"), N_("Copy"), "y", 3, changes=True),
    room_action("delete", N_("Delete Flavor"), N_("Delete"), "D", 4, changes=True),
)


class FlavorsRoom(ListRoom):
    """Flavors: public ones, and for an admin the private ones too."""

    KINDS = frozenset({"flavor"})
    SORT = "ram"
    ACTIONS = _ACTIONS
    BINDINGS = room_bindings(_ACTIONS)
    HINT = (N_("No flavors."), N_("n creates one."))
    COLUMNS = (
        text_column("name", N_("Flavor Name"), _field("name"), 12, 24, tone="name"),
        text_column("vcpus", N_("vCPUs"), _field("vcpus"), 5, 6, right=True),
        text_column("ram", N_("RAM (MB)"), _field("ram"), 8, 9, right=True),
        text_column("disk", N_("Disk (GB)"), _field("disk"), 9, 9, right=True),
        text_column("id", N_("ID"), _field("id"), 6, 36, tone="dim"),
        text_column("public", N_("Public"), lambda f: _("Yes") if f["os-flavor-access:is_public"] else _("No"), 6, 6),
        text_column("ephemeral", N_("Ephemeral"), _field("OS-FLV-EXT-DATA:ephemeral"), 9, 9, right=True),
        text_column("swap", N_("Swap (MB)"), _megabytes, 9, 9, right=True),
        text_column("rxtx", N_("RX/TX"), _field("rxtx_factor"), 5, 6, right=True),
        text_column("properties", N_("Extra Specs"), lambda f: len(f.get("extra_specs") or {}) or None, 6, 11),
    )

    def read(self, client: Any) -> Sequence[Json]:
        try:
            return list(client.flavors.list(None))
        except ApiError as error:
            if error.code != 403:
                raise
            return list(client.flavors.list(True))

    def details(self, row: Mapping[str, Any]) -> Sequence[Line]:
        specs = ", ".join(f"{key}={value}" for key, value in sorted((row.get("extra_specs") or {}).items()))
        disk = _("the image's size") if not row["disk"] else f"{row['disk']} GB"
        return facts(
            [
                (_("Description"), row.get("description")),
                (_("Root Disk"), disk),
                (_("Extra Specs"), specs),
            ]
        )

    def _edit(self, flavor: Json | None, copy: bool = False) -> None:
        if self.tui.refuse_read_only(_("Edit Flavor") if flavor and not copy else _("Create Flavor")):
            return
        from tuinova.screens.flavor_editor import FlavorEditor

        def closed(_done: bool | None) -> None:
            if self.tui.client is not None:
                self.connected(self.tui.client)

        self.tui.push_screen(FlavorEditor(flavor, copy=copy), closed)

    def action_create(self) -> None:
        """An empty editor."""
        self._edit(None)

    def action_edit(self) -> None:
        """The editor on the flavor under the cursor."""
        if self.row is not None:
            self._edit(self.row)

    def action_copy(self) -> None:
        """A new flavor that begins as this one."""
        if self.row is not None:
            self._edit(self.row, copy=True)

    def action_open(self) -> None:
        """Enter edits; with --read-only it shows."""
        if self.tui.read_only:
            super().action_open()
        else:
            self.action_edit()

    def action_delete(self) -> None:
        """Delete the flavor under the cursor."""
        row = self.row
        if row is not None:
            note = _("Servers keep their own copy of it.")
            self.ask_name(_("Delete Flavor"), row, lambda client: client.flavors.delete(row["id"]), note)
