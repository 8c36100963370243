"""The services room: which hosts take servers, and whether they are heard of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual.app import ComposeResult
from textual.widgets import Button, Input

from tuinova.i18n import N_, _
from tuinova.screens.columns import Cell, Column, natural
from tuinova.screens.dialogs import Dialog, FlatButton, TextLine, cancel_button
from tuinova.screens.list_room import Json, ListRoom, facts, room_action, room_bindings, text_column
from tuinova.screens.rows import parse_time, span_text
from tuinova.screens.widgets.text_panel import Line


def _status(row: Json, _now: float) -> Cell:
    enabled = row["status"] == "enabled"
    return _(row["status"]), "ok" if enabled else "warn"


def _state(row: Json, _now: float) -> Cell:
    text = _("forced down") if row.get("forced_down") else _(row["state"])
    return text, "ok" if row["state"] == "up" else "error"


def _heard(row: Json, now: float) -> Cell:
    at = parse_time(row.get("updated_at"))
    return (_("never"), "dim") if at is None else (span_text(max(0.0, now - at)), "dim")


# The words of Nova that the columns show.
WORDS = (N_("enabled"), N_("disabled"), N_("up"), N_("down"))
_ACTIONS = (
    room_action("disable", N_("Disable Service"), N_("Disable"), "d", 1, changes=True),
    room_action("enable", N_("Enable Service"), N_("Enable"), "e", 2, changes=True),
    room_action("force_down", N_("Force Down"), N_("Force Down"), "F", 3, changes=True),
    room_action("force_up", N_("No Longer Forced Down"), N_("Up"), "u", 4, changes=True),
)


class ReasonScreen(Dialog[str]):
    """Ask why a service is disabled; an empty reason is one too."""

    def __init__(self, host: str) -> None:
        super().__init__()
        self._host = host

    def heading(self) -> str:
        return _("Disable Service")

    def body(self) -> ComposeResult:
        yield TextLine([(_("New servers stay away from {host}; its servers go on.").format(host=self._host), "")])
        yield TextLine([(_("Reason"), "label")])
        yield Input(id="reason", max_length=255)

    def buttons(self) -> Sequence[FlatButton]:
        return (cancel_button(), FlatButton(_("Disable"), id="yes"))

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#reason").focus()

    def on_input_submitted(self) -> None:
        self.dismiss(self.query_one("#reason", Input).value)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.dismiss(self.query_one("#reason", Input).value if event.button.id == "yes" else None)


class ServicesRoom(ListRoom):
    """Compute services of all hosts."""

    KINDS = frozenset({"service"})
    SORT = "host"
    ACTIONS = _ACTIONS
    BINDINGS = room_bindings(_ACTIONS)
    HINT = (N_("No service is registered."),)
    COLUMNS = (
        text_column("host", N_("Host"), lambda row: row["host"], 10, 24, tone="name"),
        text_column("binary", N_("Binary"), lambda row: row["binary"], 12, 16),
        Column("status", N_("Status"), _status, lambda row: row["status"], 9, 10),
        Column("state", N_("State"), _state, lambda row: row["state"], 6, 12),
        Column("updated", N_("Heard"), _heard, lambda row: natural(row.get("updated_at")), 5, 6, True, True),
        text_column("zone", N_("Zone"), lambda row: row.get("zone"), 6, 12),
        text_column("reason", N_("Disabled Reason"), lambda row: row.get("disabled_reason"), 14, 40, tone="warn"),
    )

    def read(self, client: Any) -> Sequence[Json]:
        return list(client.services.list())

    def details(self, row: Json) -> Sequence[Line]:
        return facts([(_("ID"), row["id"]), (_("Disabled Reason"), row.get("disabled_reason"))])

    def _set(self, title: str, fields: dict[str, Any]) -> None:
        row = self.row
        if row is not None:
            self.change(title, lambda client: client.services.set(row["id"], fields))

    def action_enable(self) -> None:
        """Take new servers again."""
        self._set(_("Enable Service"), {"status": "enabled"})

    def action_disable(self) -> None:
        """Take no new servers; asks why."""
        row = self.row
        if row is None or self.tui.refuse_read_only(_("Disable Service")):
            return

        def answered(reason: str | None) -> None:
            if reason is not None:
                fields = {"status": "disabled", **({"disabled_reason": reason.strip()} if reason.strip() else {})}
                self._set(_("Disable Service"), fields)

        self.tui.push_screen(ReasonScreen(row["host"]), answered)

    def action_force_down(self) -> None:
        """Say that the host is down, without waiting for its heartbeat to age."""
        self._set(_("Force Down"), {"forced_down": True})

    def action_force_up(self) -> None:
        """Trust the heartbeat again."""
        self._set(_("No Longer Forced Down"), {"forced_down": False})
