"""The schedule tab: every decision that the scheduler took for this server, newest first."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult

from tuinova.i18n import _
from tuinova.screens.rows import Row
from tuinova.screens.schedule import decision_lines
from tuinova.screens.server_page import TabView
from tuinova.screens.widgets.text_panel import Line, TextPanel


class ScheduleTab(TabView):
    """Hosts in and out per filter, the weights, the choice."""

    DEFAULT_CSS = "ScheduleTab TextPanel { padding: 1 1 0 1; }"

    def compose(self) -> ComposeResult:
        yield TextPanel(wrap=False)

    def opened(self) -> None:
        """Read the decisions."""
        server_id = self.page.server_id
        self.tui.call_service(lambda client: client.servers.schedule(server_id), self._take, failed=self._failed)

    def row_changed(self, old: Row | None) -> None:
        """Another host: another decision."""
        if not self.page.gone and (old is None or old.get("host") != self.page.row.get("host")):
            self.opened()

    def _take(self, decisions: list[dict[str, Any]]) -> None:
        lines: list[Line] = []
        for decision in decisions:
            lines += [*decision_lines(decision), []]
        if not lines:
            lines = [[(_("The scheduler kept no decision about this server."), "dim")]]
        if self.is_mounted:
            self.query_one(TextPanel).show(lines)

    def _failed(self, error: Exception) -> None:
        if self.is_mounted:
            self.query_one(TextPanel).show([[(str(error), "error")]])
