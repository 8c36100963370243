"""The log tab: what the guest wrote to its serial console, with search and follow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.timer import Timer
from textual.widgets import Input

from tuinova.i18n import N_, _
from tuinova.screens.actions import TuiAction
from tuinova.screens.server_page import TabView
from tuinova.screens.widgets.bars import Bar, Piece
from tuinova.screens.widgets.text_panel import Line, TextPanel

if TYPE_CHECKING:
    from textual.binding import BindingType

FOLLOW_EVERY = 1.0  # seconds
# Colour and cursor sequences that any console prints; every other escape is shown as text.
_HARMLESS = re.compile(r"\x1b\[[0-9;?]*[mKJHABCDhlGr]")
LOG_ACTIONS = (
    TuiAction("log-search", N_("Search the log"), "log", key="slash", short=N_("Search"), footer=4),
    TuiAction("log-next", N_("Next match"), "log", key="n", short=N_("Next"), footer=5),
    TuiAction("log-previous", N_("Match before"), "log", key="N"),
    TuiAction("log-follow", N_("Follow the end"), "log", key="f", short=N_("Follow"), footer=6),
    TuiAction("log-wrap", N_("Wrap long lines"), "log", key="w", short=N_("Wrap"), footer=7),
    TuiAction("log-boots", N_("Earlier boots too"), "log", key="A", short=N_("All boots"), footer=8),
)


def log_lines(data: bytes) -> list[Line]:
    """The log as lines; escape sequences that draw are dropped, all others stand there as text."""
    text = _HARMLESS.sub("", data.decode("utf-8", "replace"))
    return [[(line.rstrip("\r").expandtabs(), "")] for line in text.split("\n")]


class SearchInput(Input):
    """The search line: Enter goes to the next match, Esc back to the log."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", show=False)]

    def action_leave(self) -> None:
        """Back to the log."""
        self.query_ancestor(LogTab).leave_search()


class LogTab(TabView):
    """The console log of this boot, or of all kept ones."""

    DEFAULT_CSS = """
    LogTab {
        SearchInput { height: 1; border: none; padding: 0 1; background: $surface; display: none; }
        SearchInput:focus { border: none; }
        SearchInput.-shown { display: block; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(action.key, action.id.removeprefix("log-"), show=False) for action in LOG_ACTIONS
    ]

    def compose(self) -> ComposeResult:
        yield Bar(id="log-state")
        yield TextPanel(wrap=False, id="log-text")
        yield SearchInput(placeholder=_("search"), id="log-search")

    def on_mount(self) -> None:
        self._follow = True
        self._all_boots = False
        self._read_size = 0
        self._line_count = 0
        self._found = -1
        self._problem = ""
        self._timer: Timer = self.set_interval(FOLLOW_EVERY, self._poll, pause=True)

    @property
    def panel(self) -> TextPanel:
        """The text."""
        return self.query_one(TextPanel)

    def tab_actions(self) -> Sequence[TuiAction]:
        """Search, follow, wrap."""
        return LOG_ACTIONS

    def opened(self) -> None:
        """Read, and go on reading while the end is followed."""
        self._read_size = -1
        self._read()
        if self._follow:
            self._timer.resume()

    def closed(self) -> None:
        """No reading behind the operator's back."""
        self._timer.pause()

    def _poll(self) -> None:
        if self.display and self.screen.is_current:
            self._read()

    def _read(self) -> None:
        server_id, all_boots = self.page.server_id, self._all_boots
        self.tui.call_service(
            lambda client: client.servers.console_log(server_id, all_boots=all_boots), self._take, failed=self._failed
        )

    def _take(self, data: bytes) -> None:
        self._problem = ""
        if not self.is_mounted:
            return
        if len(data) != self._read_size:
            # Who scrolled up to read is left there.
            end = self._follow and (self._read_size < 0 or self.panel.at_end)
            self._read_size = len(data)
            lines = log_lines(data)
            self._line_count = len(lines)
            self.panel.show(lines, end=end)
        self._draw_state()

    def _failed(self, error: Exception) -> None:
        self._problem = str(error)
        if self.is_mounted:
            self._draw_state()

    def _draw_state(self) -> None:
        left = [Piece(" " + (_("all boots") if self._all_boots else _("this boot")) + "  ", "label")]
        if self._problem:
            left.append(Piece(self._problem, "error"))
        elif self._read_size == 0:
            left.append(Piece(_("The guest has written nothing yet."), "dim"))
        else:
            left.append(
                Piece(_("{lines} lines, {size} bytes").format(lines=self._line_count, size=self._read_size), "dim")
            )
        right = []
        if self._found >= 0:
            right.append(Piece(_("{count} lines match").format(count=self._found) + "  ", "warn"))
        right.append(Piece(_("following") + " " if self._follow else _("not following") + " ", "busy"))
        self.query_one("#log-state", Bar).show(left, right)

    # actions ---------------------------------------------------------------------------------------------------------
    def action_search(self) -> None:
        """Type what to look for."""
        field = self.query_one(SearchInput)
        field.add_class("-shown")
        field.focus()

    def leave_search(self) -> None:
        """Back to the text; an empty search puts the light out."""
        field = self.query_one(SearchInput)
        field.remove_class("-shown")
        self.panel.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._follow = self._follow and not event.value
        self._found = self.panel.search(event.value) if event.value else -1
        if not event.value:
            self.panel.search("")
        self._draw_state()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.leave_search()

    def action_next(self) -> None:
        """The next match."""
        self.panel.next_match(1)

    def action_previous(self) -> None:
        """The match before."""
        self.panel.next_match(-1)

    def action_follow(self) -> None:
        """Follow the end, or stay."""
        self._follow = not self._follow
        if self._follow:
            self.panel.to_end()
            self._timer.resume()
        else:
            self._timer.pause()
        self._draw_state()

    def action_wrap(self) -> None:
        """Wrap long lines, or scroll sideways."""
        self.panel.wrap = not self.panel.wrap
        self._read_size = -1
        self._read()

    def action_boots(self) -> None:
        """This boot, or all that are kept."""
        self._all_boots = not self._all_boots
        self._read_size = -1
        self._read()
