"""The diagnostics tab: what the guest uses, read again every two seconds while it is in sight."""

from __future__ import annotations

from time import monotonic

from textual import events
from textual.app import ComposeResult
from textual.timer import Timer

from tuinova.i18n import _
from tuinova.screens.diagnostics import Reading, diagnostics_sections
from tuinova.screens.facts import lay_out
from tuinova.screens.rows import Row
from tuinova.screens.server_page import TabView
from tuinova.screens.widgets.text_panel import TextPanel

EVERY = 2.0  # seconds


class DiagnosticsTab(TabView):
    """Processor, memory, interfaces, disks."""

    DEFAULT_CSS = "DiagnosticsTab TextPanel { padding: 1 1 0 1; }"

    def compose(self) -> ComposeResult:
        yield TextPanel([[(_("Reading..."), "busy")]], indent=20)

    def on_mount(self) -> None:
        self._now: Reading | None = None
        self._before: Reading | None = None
        self._problem = ""
        self._asked = False
        self._timer: Timer = self.set_interval(EVERY, self._poll, pause=True)

    def opened(self) -> None:
        """Read now, and go on reading."""
        self._timer.resume()
        self._read()

    def closed(self) -> None:
        """No reading behind the operator's back."""
        self._timer.pause()

    def row_changed(self, old: Row | None) -> None:
        """Started, stopped or moved: counters begin anew."""
        if old is None or old.get("vm_state") != self.page.row.get("vm_state"):
            self._read()

    def _poll(self) -> None:
        if self.display and self.screen.is_current and not self.page.gone:
            self._read()

    def _read(self) -> None:
        if self._asked:  # a service that is slow is not asked twice
            return
        self._asked = True
        server_id = self.page.server_id
        self.tui.call_service(
            lambda client: Reading(monotonic(), client.servers.diagnostics(server_id)), self._take, failed=self._failed
        )

    def _take(self, reading: Reading) -> None:
        self._asked = False
        self._before, self._now, self._problem = self._now, reading, ""
        self._draw()

    def _failed(self, error: Exception) -> None:
        self._asked = False
        self._before, self._now, self._problem = None, None, str(error)
        self._draw()

    def on_resize(self, _event: events.Resize) -> None:
        self._draw()

    def _draw(self) -> None:
        if not self.is_attached:
            return
        panel = self.query_one(TextPanel)
        if self._problem:
            panel.show([[(self._problem, "warn")]])
        elif self._now is not None:
            width = panel.scrollable_content_region.width
            panel.show(lay_out(diagnostics_sections(self._now, self._before), width))
