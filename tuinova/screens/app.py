"""The full-screen application: one client, one model of servers, one main screen with rooms.

The first frame is painted before anything is asked of the service: the connection lives in the feed's thread.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any, ClassVar

from rich.style import Style
from textual.app import App
from textual.binding import Binding
from textual.message import Message
from textual.screen import Screen
from textual.signal import Signal

from tuinova.i18n import _, language
from tuinova.screens.acting import ActingMixin
from tuinova.screens.actions import PLACE_ACTIONS, bindings
from tuinova.screens.columns import SERVER_COLUMNS
from tuinova.screens.identity import Acting, Identity, identity_of
from tuinova.screens.main_screen import MainScreen
from tuinova.screens.ordered_keys import OrderedKeys
from tuinova.screens.rooms import ROOMS, footer_pieces
from tuinova.screens.rows import NAMES, Row
from tuinova.screens.settings import load_settings, save_settings, settings_file
from tuinova.screens.themes import ANSI, DARK, DEFAULT_VARIABLES, themes
from tuinova.screens.title import acting_pieces, count_pieces, title_pieces
from tuinova.screens.widgets.bars import Bar, Piece
from tuinova.screens.widgets.server_table import server_model
from tuinova.screens.widgets.tones import tone_styles

if TYPE_CHECKING:
    from textual.binding import BindingType

    from tuinova.screens.feed import ClientFactory, Connecting, Feed, Gone, Loaded, Refused
    from tuinova.screens.instances import InstancesRoom


APP_FOOTER = [action for action in PLACE_ACTIONS if action.scope == "app" and action.footer]


MOST_TOASTS = 3


class Wake(Message):
    """The feed has events; at most one of these is under way."""


def _palette() -> Any:
    """The palette's provider, imported when the palette is opened."""
    from tuinova.screens.palette import RegistryProvider

    return RegistryProvider


def _names(client: Any) -> dict[str, str]:
    """The names of projects and users; only ids are in the rows."""
    return {str(one["id"]): str(one["name"]) for one in (*client.projects.list(), *client.users.list())}


class TuinovaApp(ActingMixin, OrderedKeys, App[None]):
    """tuinova on a terminal."""

    TITLE = "tuinova"
    CSS_PATH = Path(__file__).with_name("app.tcss")
    ENABLE_COMMAND_PALETTE = True
    COMMANDS: ClassVar[set[Any]] = {_palette}
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(keys, f"app.{action}", text, show=False, priority=keys.startswith("ctrl+"))
            for keys, action, text in bindings("app")
            if action != "palette"
        )
    ]

    def __init__(
        self,
        client_factory: ClientFactory,
        *,
        read_only: bool = False,
        acting: Acting | None = None,
        settings_path: Path | None = None,
        clock: Callable[[], float] = time,
        command_env: dict[str, str] | None = None,
    ) -> None:
        no_color = "NO_COLOR" in os.environ
        self._tones: dict[str, Style] | None = None
        super().__init__(ansi_color=True if no_color else None)
        self.client_factory = client_factory
        self.read_only = read_only
        self.acting = acting or Acting()
        self.clock = clock
        self.command_env = command_env or {}
        self.settings_path = settings_path or settings_file()
        self.settings = load_settings(self.settings_path)
        self.client: Any = None
        self.identity: Identity | None = None
        self.state = "connecting"
        self.counts: Counter[str] = Counter()
        self.servers = server_model()
        self.feed_changes: Signal[Sequence[dict[str, Any]]] = Signal(self, "feed-changes")
        self._feed: Feed | None = None
        self._accepted: Acting | None = None
        self.animation_level = "none"
        self._take_settings(no_color)

    def _take_settings(self, no_color: bool) -> None:
        settings = self.settings
        # Said outright, so that each word costs one look at the environment.
        os.environ.setdefault("TUINOVA_LANG", settings.language or language())
        if any(column.key == settings.sort_by for column in SERVER_COLUMNS):
            self.servers.sort(settings.sort_by, settings.descending)
        colors = self.console.color_system
        for theme in themes(few_colors=colors == "256"):
            self.register_theme(theme)
        known = settings.theme in self.available_themes
        usual = ANSI if colors == "standard" else DARK
        self.theme = ANSI if no_color else settings.theme if known else usual

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our own variables for themes that do not have them (Textual's)."""
        return DEFAULT_VARIABLES

    def get_css_variables(self) -> dict[str, str]:
        """Textual asks again when the theme changes: then the tones are made anew too."""
        self._tones = None
        return super().get_css_variables()

    @property
    def tone_styles(self) -> dict[str, Style]:
        """The tones under the theme in force."""
        if self._tones is None:
            self._tones = tone_styles(self.theme_variables, self.no_color)
        return self._tones

    def get_default_screen(self) -> Screen[Any]:
        """The rooms."""
        self.main = MainScreen()
        return self.main

    def on_mount(self) -> None:
        self._show_title()
        self._heed_signals()
        # After the first paint: what the feed imports and asks would only delay it.
        self.call_after_refresh(self.connect_as, self.acting)

    def _heed_signals(self) -> None:
        """A closed terminal or a plain kill ends the screens in order: what they started is stopped, too."""
        if threading.current_thread() is threading.main_thread():
            loop = asyncio.get_running_loop()
            for one in (signal.SIGHUP, signal.SIGTERM):
                loop.add_signal_handler(one, self.exit)

    def on_unmount(self) -> None:
        if self._feed is not None:
            self._feed.stop()

    @property
    def instances(self) -> InstancesRoom:
        """The first room."""
        return self.main.instances

    @property
    def roles(self) -> tuple[str, ...]:
        """The acting person's roles with the implied ones; none before the connection."""
        return self.identity.roles if self.identity else ()

    # connection ------------------------------------------------------------------------------------------------------
    def connect_as(self, acting: Acting) -> None:
        """Connect as somebody, or as somebody else: the old feed ends, a new one starts."""
        if self._feed is not None:
            self._feed.stop()
        self.acting = acting
        from tuinova.screens.feed import Feed

        self._feed = Feed(self.client_factory, acting, self._wake)
        self._feed.start()

    def reconnect_now(self) -> None:
        """Load again at once, also in the middle of a back-off."""
        if self._feed is not None:
            self._feed.retry_now()

    def toggle_all_projects(self) -> None:
        """The servers of one project or of all; only admin sees other projects' servers."""
        if "admin" not in self.roles:
            self.notify(_("Only an admin sees the servers of all projects."), severity="warning", markup=False)
            return
        self.connect_as(self.acting._replace(all_projects=not self.acting.all_projects))
        if not self.settings.columns:
            self.instances.table.set_columns(self.instances.usual_columns())

    def toggle_soft_deleted(self) -> None:
        """Show the servers that are deleted but can still be restored, or leave them out as Nova's lists do."""
        shown = not self.acting.soft_deleted
        self.connect_as(self.acting._replace(soft_deleted=shown))
        self.say(_("Soft-deleted instances are shown.") if shown else _("Soft-deleted instances are left out."))

    def _wake(self) -> None:
        self.post_message(Wake())

    def on_wake(self, _message: Wake) -> None:
        """Drain the feed: however many batches came, the screen is touched once for each kind of event."""
        feed = self._feed
        if feed is None:
            return
        from tuinova.screens.feed import Changes

        waiting: list[dict[str, Any]] = []
        for event in feed.drain():
            if isinstance(event, Changes):
                waiting += event.changes
                continue
            self._take_changes(waiting)
            waiting = []
            self._take(event)
        self._take_changes(waiting)
        self._show_title()

    def _take(self, event: Connecting | Loaded | Gone | Refused) -> None:
        from tuinova.screens.feed import Gone, Loaded, Refused

        if isinstance(event, Loaded):
            self.client = event.client
            self._accepted = self.acting
            self.identity = identity_of(event.info)
            self.state = "ready"
            self.counts = Counter(row["status"] for row in event.rows)
            self.instances.loaded({row["id"]: row for row in event.rows})
            for view in self.main.views:
                view.connected(event.client)
            self._notice(None)
            gc.freeze()  # rows are freed by their counts; walking all of them makes single keys slow
            self.call_service(_names, self._take_names, failed=lambda _error: None)
        elif isinstance(event, Gone):
            self.state = "gone"
            self.instances.set_state("gone")
            self._notice(event)
        elif isinstance(event, Refused):
            self._refused(event)

    def _refused(self, event: Refused) -> None:
        """Back to the one who was let in before; without one, say so and stay."""
        from tuinova.screens.feed import Gone

        self.say(event.reason, title=_("Switch project or user"), severity="error", timeout=15)
        if self._accepted is not None and self._accepted != self.acting:
            self.connect_as(self._accepted)
            return
        self.state = "gone"
        self.instances.set_state("gone")
        self._notice(Gone(event.reason, 0.0))

    def _take_names(self, names: dict[str, str]) -> None:
        NAMES.update(names)
        self.instances.table.refresh()

    def _take_changes(self, changes: list[dict[str, Any]]) -> None:
        if not changes:
            return
        updates: dict[str, Row] = {}
        gone: dict[str, None] = {}
        for change in changes:
            if change["kind"] != "server":
                continue
            key, view = change["key"], change.get("view")
            if change["op"] == "delete" or view is None:
                updates.pop(key, None)
                gone[key] = None
            elif self._concerns(change):
                gone.pop(key, None)
                updates[key] = view
        self._tell_errors(updates)
        self._count(updates, gone)
        if updates or gone:
            self.instances.apply(updates, list(gone))
        for room in self.main.views:
            room.changed(changes)
        self.feed_changes.publish(changes)

    def _tell_errors(self, updates: dict[str, Row]) -> None:
        """A server that falls into ERROR says why; of many at once only the first few."""
        fallen = [
            view
            for key, view in updates.items()
            if view["status"] == "ERROR" and self.servers.rows.get(key, view)["status"] != "ERROR"
        ]
        for view in fallen[:MOST_TOASTS]:
            fault = view.get("fault") or {}
            text = str(fault.get("message") or _("none recorded"))
            self.say(text, title=f"{view['name']}: {_('ERROR')}", severity="error", timeout=10)

    def _concerns(self, change: dict[str, Any]) -> bool:
        project = self.identity.project_id if self.identity else ""
        return self.acting.all_projects or not project or change.get("project_id") in (None, project)

    def _count(self, updates: dict[str, Row], gone: dict[str, None]) -> None:
        known, counts = self.servers.rows, self.counts
        for key, view in updates.items():
            old = known.get(key)
            if old is not None:
                counts[old["status"]] -= 1
            counts[view["status"]] += 1
        for key in gone:
            old = known.get(key)
            if old is not None:
                counts[old["status"]] -= 1

    # bars ------------------------------------------------------------------------------------------------------------
    def _show_title(self) -> None:
        left = title_pieces(self.state, self.identity, self.read_only)
        right = acting_pieces(self.identity, self.acting.all_projects)
        used = sum(piece.width for piece in (*left, *right))
        counts = count_pieces(self.counts, self.size.width - used - 2)
        for bar in self._bars("#title"):
            bar.show(left, [*counts, *right])

    def on_resize(self) -> None:
        if self.is_running:
            self._show_title()

    def refresh_footer(self) -> None:
        """The footer of the open room."""
        for bar in self._bars("#footer"):
            bar.show(self.main.view.footer(), footer_pieces(APP_FOOTER))

    def _bars(self, selector: str) -> Iterator[Bar]:
        """The bar of the main screen, which loses its children before itself when the program ends."""
        yield from self.main.query(selector).results(Bar)

    def _notice(self, gone: Gone | None) -> None:
        for bar in self._bars("#notice"):
            bar.set_class(gone is not None, "-shown")
            if gone is None:
                continue
            text = _("The service does not answer: {reason}").format(reason=gone.reason)
            bar.show([Piece(f" {text} ")], [Piece(_("trying again; r: now") + " ", "", "reload")])

    # choices ---------------------------------------------------------------------------------------------------------
    def remember(self, **choices: Any) -> None:
        """Keep choices for the next time."""
        for name, value in choices.items():
            setattr(self.settings, name, value)
        if problem := save_settings(self.settings_path, self.settings):
            self.log.warning(problem)

    def redraw_words(self) -> None:
        """Another language: everything that holds words is drawn anew."""
        self.main.show_rooms()
        self._show_title()
        self.refresh_footer()
        self.instances.table.set_columns(self.instances.table.shown_columns or list(SERVER_COLUMNS))
        self.refresh(layout=True)


def run(client_factory: ClientFactory, *, read_only: bool = False, acting: Acting | None = None) -> None:
    """Open the TUI and come back when it is left."""
    TuinovaApp(client_factory, read_only=read_only, acting=acting).run()


__all__ = ["ROOMS", "TuinovaApp", "run"]
