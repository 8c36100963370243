"""The migrations tab: where the server was moved, how that ended, and how far a running move is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from textual.app import ComposeResult

from tuinova.client import ApiError
from tuinova.i18n import N_, _
from tuinova.screens.actions import BY_ID, TuiAction, refusal
from tuinova.screens.migrations import MOVE_COLUMNS, NUMBER, flavors_text
from tuinova.screens.rows import Row
from tuinova.screens.server_page import TabView
from tuinova.screens.table_model import TableModel
from tuinova.screens.widgets.bars import Bar, Piece
from tuinova.screens.widgets.line_table import LineTable

_COLUMNS = (NUMBER, *MOVE_COLUMNS)
ABORT = TuiAction("abort", N_("Abort Live Migration"), "moves", key="A", short=N_("Abort"), footer=4, changes=True)


class MoveTable(LineTable[Mapping[str, Any]]):
    """Moves of one server, newest first."""

    problem = ""

    def empty_lines(self) -> Sequence[tuple[str, str]]:
        """Why there is none."""
        return ((self.problem, "warn"),) if self.problem else ((_("It was never moved."), "dim"),)


class MigrationsTab(TabView):
    """Type, status, from, to, when."""

    BINDINGS = [("A", "abort", "")]  # noqa: RUF012 - Textual's

    def compose(self) -> ComposeResult:
        model: TableModel[Mapping[str, Any]] = TableModel(
            _COLUMNS, {}, lambda row: str(row.get("migration_type")), NUMBER.key
        )
        yield MoveTable(model, _COLUMNS, clock=self.tui.clock)
        yield Bar(id="moves-state")

    @property
    def table(self) -> MoveTable:
        """The table."""
        return self.query_one(MoveTable)

    def on_mount(self) -> None:
        self.tui.feed_changes.subscribe(self, self._changed)

    def tab_actions(self) -> Sequence[TuiAction]:
        """Abort, while there is something to abort."""
        legal = not refusal(BY_ID["abort-migration"], self.page.row, self.tui.roles)
        return (ABORT,) if legal else ()

    def opened(self) -> None:
        """Read."""
        server_id = self.page.server_id
        self.tui.call_service(
            lambda client: client.migrations.rows(instance_uuid=server_id), self._take, failed=self._failed
        )

    def _changed(self, changes: Sequence[Mapping[str, Any]]) -> None:
        if self.display and any(change["kind"] == "migration" for change in changes):
            self.opened()

    def row_changed(self, old: Row | None) -> None:
        """A move began, went on or ended."""
        self.opened()

    def _take(self, found: list[dict[str, Any]]) -> None:
        if not self.is_attached:
            return
        self.table.problem = ""
        self.table.model.load({str(one["id"]): one for one in found})
        self.table.reload()
        text = ""
        if self.page.row.get("vm_state") == "resized" and found:
            change = flavors_text(found[0])
            text = _("The old side is kept until you confirm or revert.")
            text = f"{change}  {text}" if change else text
        self.query_one("#moves-state", Bar).show([Piece(f" {text}", "warn")])

    def _failed(self, error: Exception) -> None:
        if self.is_attached:
            self.table.problem = error.message if isinstance(error, ApiError) else str(error)
            self.table.model.load({})
            self.table.reload()

    def on_line_table_opened(self, event: LineTable.Opened) -> None:
        """Nothing lies behind a row."""
        event.stop()

    def action_abort(self) -> None:
        """End the live migration."""
        self.tui.act(BY_ID["abort-migration"], [self.page.row])
