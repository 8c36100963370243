"""A server's page: overview, console log, console, action log, and why the scheduler chose this host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container
from textual.screen import Screen
from textual.widget import Widget

from tuinova.i18n import N_, _
from tuinova.screens.actions import BY_ID, PLACE_ACTIONS, TuiAction, bindings, likely_label, row_action, server_bindings
from tuinova.screens.progress import Rate, percent_of, progress_of
from tuinova.screens.rooms import footer_pieces
from tuinova.screens.rows import Row, status_look
from tuinova.screens.widgets.bars import Bar, Piece, Tab, tab_pieces

if TYPE_CHECKING:
    from textual.binding import BindingType

    from tuinova.screens.app import TuinovaApp


class TabView(Widget):
    """The base of a tab of the page: mounted when first shown, hidden when left."""

    DEFAULT_CSS = """
    TabView { height: 1fr; width: 1fr; layout: vertical; }
    """

    @property
    def page(self) -> ServerPage:
        """The page: `row`, `server_id`, `tui`."""
        return cast("ServerPage", self.screen)

    @property
    def tui(self) -> TuinovaApp:
        """The application."""
        return cast("TuinovaApp", self.app)

    def opened(self) -> None:
        """The tab came into sight; read what it shows."""

    def closed(self) -> None:
        """The tab went out of sight."""

    def row_changed(self, old: Row | None) -> None:
        """The server's row changed while the tab is in sight."""

    def tab_actions(self) -> Sequence[TuiAction]:
        """The tab's own rows of the registry, for the footer and the help."""
        return ()

    def focus_tab(self) -> None:
        """Put the focus where work goes on."""
        for child in self.query("*"):
            if child.focusable:
                child.focus()
                return


@dataclass(frozen=True, slots=True)
class PageTab:
    """A tab: digit, name, and the class `module:Class` that is imported when it is opened."""

    key: str
    id: str
    label: str
    factory: str

    def build(self) -> TabView:
        """Make its widget."""
        module, _colon, name = self.factory.partition(":")
        return cast(TabView, getattr(import_module(module), name)(id=f"tab-{self.id}"))


TABS: list[PageTab] = [
    PageTab("1", "overview", N_("Overview"), "tuinova.screens.overview:OverviewTab"),
    PageTab("2", "log", N_("Log"), "tuinova.screens.log_tab:LogTab"),
    PageTab("3", "console", N_("Console"), "tuinova.screens.console_tab:ConsoleTab"),
    PageTab("4", "actions", N_("Action Log"), "tuinova.screens.action_log:ActionLogTab"),
    PageTab("5", "schedule", N_("Schedule"), "tuinova.screens.schedule_tab:ScheduleTab"),
    PageTab("6", "moves", N_("Migrations"), "tuinova.screens.migrations_tab:MigrationsTab"),
    PageTab("7", "diagnostics", N_("Diagnostics"), "tuinova.screens.diagnostics_tab:DiagnosticsTab"),
]


class ServerPage(Screen[None]):
    """Everything about one server, live."""

    DEFAULT_CSS = """
    ServerPage {
        layout: vertical; background: $background;
        #tabs { background: $header-bg; }
        #body { height: 1fr; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(tab.key, f"tab('{tab.id}')", show=False) for tab in TABS),
        *(Binding(keys, f"page_{action}", show=False) for keys, action, _text in bindings("page")),
        *(Binding(keys, action, show=False) for keys, action, _text in server_bindings()),
        Binding("x", "likely", show=False),
        Binding("shift+tab", "page_tab(-1)", show=False),
        Binding("r", "refresh_tab", show=False),
    ]

    def __init__(self, server_id: str, tab: str = "overview") -> None:
        super().__init__()
        self.server_id = server_id
        self.gone = False
        self.rate = Rate()
        self._views: dict[str, TabView] = {}
        self._current = next(one for one in TABS if one.id == tab)
        self._row: Row | None = None

    @property
    def tui(self) -> TuinovaApp:
        """The application."""
        return cast("TuinovaApp", self.app)

    @property
    def row(self) -> Row:
        """The row view, the last one known when the server is gone."""
        found = self.tui.servers.rows.get(self.server_id)
        if found is not None:
            self._row = found
        return self._row or {"id": self.server_id, "name": self.server_id, "status": "UNKNOWN", "vm_state": ""}

    @property
    def current(self) -> PageTab:
        """The tab in sight."""
        return self._current

    @property
    def view(self) -> TabView | None:
        """Its widget, once it is mounted."""
        return self._views.get(self._current.id)

    def compose(self) -> ComposeResult:
        yield Bar(id="title")
        yield Bar(id="tabs")
        yield Container(id="body")
        yield Bar(id="footer")

    async def on_mount(self) -> None:
        self._row = self.row
        self.tui.feed_changes.subscribe(self, self._changed)
        await self._open(self._current)

    # tabs ------------------------------------------------------------------------------------------------------------
    def show_tab(self, tab: str) -> None:
        """Go to a tab."""
        self.run_worker(self.action_tab(tab))

    async def action_tab(self, tab: str) -> None:
        """Go to a tab."""
        await self._open(next(one for one in TABS if one.id == tab))

    async def action_page_tab(self, step: int = 1) -> None:
        """The tab beside this one."""
        await self._open(TABS[(TABS.index(self._current) + step) % len(TABS)])

    async def _open(self, tab: PageTab) -> None:
        before = self.view
        if before is not None and tab is not self._current:
            before.closed()
        self._current = tab
        if tab.id not in self._views:
            view = self._views[tab.id] = tab.build()
            await self.query_one("#body").mount(view)
        for tab_id, view in self._views.items():
            view.display = tab_id == tab.id
        self._draw_bars()
        view = self._views[tab.id]
        view.opened()
        view.focus_tab()

    def _draw_bars(self) -> None:
        row = self.row
        glyph, tone = status_look(row["status"])
        task = row.get("task_state")
        left = [Piece(" tuinova ", "brand", "back"), Piece(f" {row['name']} ", "strong")]
        if self.gone:
            left.append(Piece(f" {_('deleted')} ", "error"))
        else:
            left.append(Piece(f" {glyph} {_(row['status'])} ", tone))
            if task:
                percent = percent_of(row)
                left.append(Piece(f" {_(task)} " + (f"{percent}% " if percent is not None else ""), "busy"))
            if row.get("locked"):
                left.append(Piece(f" {_('locked')} ", "warn"))
        ident = [Piece(f"{row['id']} ", "dim")]
        room = self.app.size.width - sum(piece.width for piece in left)
        self.query_one("#title", Bar).show(left, ident if ident[0].width < room else ())  # the task counts more
        tabs = [Tab(one.key, one.id, _(one.label)) for one in TABS]
        self.query_one("#tabs", Bar).show(tab_pieces(tabs, self._current.id, "tab", self.app.size.width))
        self._draw_footer()

    def on_resize(self) -> None:
        """Another width, other words."""
        if self.is_mounted:
            self._draw_bars()

    def _draw_footer(self) -> None:
        """The keys that work now: none of ours while the guest has the keyboard."""
        view = self.view
        focused = self.focused
        in_console = view is not None and self._current.id == "console" and focused is not None
        if in_console and focused is not None and view in focused.ancestors_with_self:
            self.query_one("#footer", Bar).show([])
            return
        own = [action for action in (view.tab_actions() if view else ()) if action.footer]
        page = [action for action in PLACE_ACTIONS if action.scope == "page" and action.footer]
        helps = [action for action in PLACE_ACTIONS if action.id == "help"]
        likely: list[Piece] = []
        if not self.gone and row_action(self.row).id != "open":
            likely = [Piece(" x ", "key", "key:x"), Piece(likely_label(self.row) + " ", "strong", "key:x")]
        self.query_one("#footer", Bar).show([*likely, *footer_pieces([*page, *own])], footer_pieces(helps))

    def on_descendant_focus(self) -> None:
        """The guest got the keyboard, or gave it back."""
        self._draw_footer()

    def on_descendant_blur(self) -> None:
        """The guest gave the keyboard back."""
        self._draw_footer()

    # changes ---------------------------------------------------------------------------------------------------------
    def _changed(self, changes: Sequence[dict[str, Any]]) -> None:
        mine = [one for one in changes if one["kind"] == "server" and one["key"] == self.server_id]
        if not mine:
            return
        old = self._row
        self.gone = mine[-1]["op"] == "delete"
        self.rate.hear(self.tui.clock(), progress_of(self.row))
        self._show_row(old)
        if self.gone:
            # The feed tells a soft-deleted server as gone, too: that one can still be restored.
            self.tui.call_service(
                lambda client: client.servers.row(self.server_id), self._still_there, failed=lambda _error: None
            )

    def _show_row(self, old: Row | None) -> None:
        self._draw_bars()
        if self.view is not None:
            self._row = self.row
            self.view.row_changed(old)

    def _still_there(self, row: Row) -> None:
        if self.gone and self in self.app.screen_stack:
            old, self._row, self.gone = self._row, row, False
            self._show_row(old)

    # actions ---------------------------------------------------------------------------------------------------------
    def action_page_back(self) -> None:
        """Back to the table."""
        self.dismiss(None)

    def action_page_actions(self) -> None:
        """The action menu of this server."""
        self.tui.open_menu([self.row])

    def action_act(self, action_id: str) -> None:
        """A server action by its direct key."""
        self.tui.act(BY_ID[action_id], [self.row])

    def action_likely(self) -> None:
        """The server's likely action."""
        self.tui.act(row_action(self.row), [self.row])

    def action_refresh_tab(self) -> None:
        """Read the tab's content again."""
        if self.view is not None:
            self.view.opened()

    async def on_bar_picked(self, event: Bar.Picked) -> None:
        """A click on a tab or on a key of the footer."""
        kind, _colon, value = event.target.partition(":")
        if kind == "tab":
            await self.action_tab(value)
        elif kind == "key":
            self.app.simulate_key(value)
        else:
            self.action_page_back()
