"""Moves of servers: the columns for a list of them, and the room that lists those of all servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuinova.i18n import N_, _
from tuinova.screens import rows
from tuinova.screens.actions import BY_ID
from tuinova.screens.columns import Cell, Column
from tuinova.screens.list_room import Json, ListRoom, facts, room_action, room_bindings, text_column
from tuinova.screens.widgets.text_panel import Line

# The words of Nova that the columns show.
TYPES = (N_("migration"), N_("resize"), N_("live-migration"), N_("evacuation"))
STATUSES = (
    *(N_("accepted"), N_("queued"), N_("preparing"), N_("running"), N_("running (post-copy)"), N_("completed")),
    *(N_("pre-migrating"), N_("migrating"), N_("post-migrating"), N_("finished"), N_("confirming"), N_("confirmed")),
    *(N_("reverting"), N_("reverted"), N_("failed"), N_("error"), N_("cancelled"), N_("done")),
)
_PARTS = ("total", "remaining")
_TONES = {
    "completed": "ok",
    "confirmed": "ok",
    "done": "ok",
    "finished": "warn",
    "failed": "error",
    "error": "error",
    "cancelled": "off",
    "reverted": "off",
}


def _status(row: Mapping[str, Any], _now: float) -> Cell:
    status = str(row.get("status") or "-")
    percent = percent_moved(row)
    text = _(status) if percent is None else f"{_(status)} {percent}%"
    return text, _TONES.get(status, "busy")


def _type(row: Mapping[str, Any], _now: float) -> Cell:
    kind = row.get("migration_type")
    return (_(str(kind)), "") if kind else ("-", "dim")


def _created(row: Mapping[str, Any], _now: float) -> Cell:
    return rows.local_time(row.get("created_at")), ""


def flavors_text(row: Mapping[str, Any]) -> str:
    """From which flavor to which; empty where the move keeps it."""
    old, new = row.get("old_flavor") or {}, row.get("new_flavor") or {}
    return f"{rows.name_of(old)} → {rows.name_of(new)}" if old.get("id") != new.get("id") else ""


def percent_moved(row: Mapping[str, Any]) -> int | None:
    """How much of a running live migration is over there, from what is left; None for others."""
    stats = row.get("stats") or {}
    total, left = (sum(int(stats.get(f"{kind}_{part}_bytes") or 0) for kind in ("memory", "disk")) for part in _PARTS)
    if total <= 0 or not str(row.get("status")).startswith("running"):
        return None
    return max(0, min(100, 100 * (total - left) // total))


def _number(row: Mapping[str, Any]) -> int:
    return int(row.get("id") or 0)


NUMBER = Column("id", N_("ID"), lambda row, _now: (str(row.get("id")), "dim"), _number, 4, 6, True, False, True)
SERVER = text_column("server", N_("Server"), lambda row: row.get("server") or row.get("instance_uuid"), 12, 36)
MOVE_COLUMNS = (
    Column("type", N_("Type"), _type, lambda row: row.get("migration_type"), 14, 14),
    Column("status", N_("Status"), _status, lambda row: row.get("status"), 14, 20, ending=True),
    text_column("from", N_("From"), lambda row: row.get("source_compute"), 10, 20),
    text_column("to", N_("To"), lambda row: row.get("dest_compute"), 10, 20),
    Column("created", N_("Start Time"), _created, lambda row: row.get("created_at"), 19, 19, descending=True),
    text_column("flavor", N_("Flavor"), flavors_text, 16, 30),
)
_ACTIONS = (
    room_action("abort", N_("Abort Live Migration"), N_("Abort"), "A", 1, changes=True),
    room_action("force_complete", N_("Force Complete Live Migration"), N_("Force Complete"), "F", 2, changes=True),
)


class MigrationsRoom(ListRoom):
    """Every move, the running ones and those that are over."""

    KINDS = frozenset({"migration"})
    SORT = "id"
    ACTIONS = _ACTIONS
    BINDINGS = room_bindings(_ACTIONS)
    HINT = (N_("No server was moved yet."), N_("Resize, migrate, live migrate and evacuate stand in a server's menu."))
    COLUMNS = (NUMBER, SERVER, *MOVE_COLUMNS)

    def read(self, client: Any) -> Sequence[Json]:
        known = self.tui.servers.rows
        return [
            {**one, "server": (known.get(one.get("instance_uuid")) or {}).get("name")}
            for one in client.migrations.rows()
        ]

    def details(self, row: Json) -> Sequence[Line]:
        return facts(
            [
                (_("Server ID"), row.get("instance_uuid")),
                (_("UUID"), row.get("uuid")),
                (_("Flavor"), flavors_text(row)),
                (_("Nodes"), f"{row.get('source_node') or '-'} → {row.get('dest_node') or '-'}"),
                (_("User"), rows.named(row.get("user_id"))),
                (_("Project"), rows.named(row.get("project_id"))),
                (_("Updated"), rows.since_text(row.get("updated_at"), self.tui.clock())),
            ]
        )

    def action_open(self) -> None:
        """The server's page, at its moves."""
        if self.row is not None:
            self.tui.open_page(str(self.row["instance_uuid"]), "moves")

    def _act(self, action: str) -> None:
        server = self.tui.servers.rows.get(self.row["instance_uuid"]) if self.row is not None else None
        if server is None:
            self.tui.say(_("The server is gone, or of another project."), severity="warning")
            return
        self.tui.act(BY_ID[action], [server])

    def action_abort(self) -> None:
        """End the live migration under the cursor."""
        self._act("abort-migration")

    def action_force_complete(self) -> None:
        """Make it end soon."""
        self._act("force-complete")
