"""The console tab: mounts the serial console's pane when it is first shown."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult

from tuinova.i18n import _
from tuinova.screens.server_page import TabView
from tuinova.screens.widgets.text_panel import TextPanel


class ConsoleTab(TabView):
    """The guest's ttyS0. The pane keeps its connection while another tab is in sight."""

    def compose(self) -> ComposeResult:
        client = self.tui.client
        if client is None:
            yield TextPanel([[(_("Not connected yet."), "warn")]])
            return
        from tuinova.screens.widgets.console_pane import ConsolePane

        yield ConsolePane(client, self.page.server_id)

    def focus_tab(self) -> None:
        """The guest gets the keys."""
        pane: Any = next(iter(self.children), None)
        if pane is not None:
            pane.focus()
