"""The main screen: title bar, rooms, the room that is open, footer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container
from textual.screen import Screen

from tuinova.i18n import _
from tuinova.screens.rooms import ROOMS, Room, RoomView
from tuinova.screens.widgets.bars import Bar, Tab, tab_pieces

if TYPE_CHECKING:
    from textual.binding import BindingType

    from tuinova.screens.app import TuinovaApp
    from tuinova.screens.instances import InstancesRoom


class MainScreen(Screen[None]):
    """Rooms side by side; the first is the instance table."""

    DEFAULT_CSS = """
    MainScreen {
        layout: vertical; background: $background;
        #notice { display: none; background: $tone-warn; color: $brand-fg; }
        #notice.-shown { display: block; }
        #notice:nocolor { text-style: reverse; }
        #rooms { background: $header-bg; }
        #body { height: 1fr; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(room.key, f"room('{room.id}')", room.label, show=False) for room in ROOMS),
        Binding("tab", "next_room(1)", show=False),
        Binding("shift+tab", "next_room(-1)", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.current = ROOMS[0]
        self._views: dict[str, RoomView] = {}

    def compose(self) -> ComposeResult:
        yield Bar(id="title")
        yield Bar(id="rooms")
        yield Bar(id="notice")
        first = ROOMS[0].build()
        self._views[ROOMS[0].id] = first
        with Container(id="body"):
            yield first
        yield Bar(id="footer")

    @property
    def tui(self) -> TuinovaApp:
        """The application."""
        return cast("TuinovaApp", self.app)

    @property
    def view(self) -> RoomView:
        """The widget of the open room."""
        return self._views[self.current.id]

    @property
    def instances(self) -> InstancesRoom:
        """The first room."""
        return cast("InstancesRoom", self._views[ROOMS[0].id])

    @property
    def views(self) -> Sequence[RoomView]:
        """The rooms that were opened."""
        return list(self._views.values())

    def on_mount(self) -> None:
        self.view.focus_room()
        self.show_rooms()

    def on_screen_resume(self, _event: events.ScreenResume) -> None:
        self.tui.refresh_footer()

    def show_rooms(self) -> None:
        """Draw the rooms' bar."""
        tabs = [Tab(room.key, room.id, _(room.label), _(room.short) if room.short else "") for room in ROOMS]
        self.query_one("#rooms", Bar).show(tab_pieces(tabs, self.current.id, "room", self.app.size.width))

    def on_resize(self) -> None:
        """Another width, other words."""
        self.show_rooms()

    async def action_room(self, room_id: str) -> None:
        """Open a room."""
        room = next(room for room in ROOMS if room.id == room_id)
        await self._open(room)

    async def action_next_room(self, step: int) -> None:
        """The room beside this one."""
        await self._open(ROOMS[(ROOMS.index(self.current) + step) % len(ROOMS)])

    async def _open(self, room: Room) -> None:
        fresh = room.id not in self._views
        if fresh:
            view = room.build()
            self._views[room.id] = view
            await self.query_one("#body").mount(view)
        self.current = room
        for room_id, view in self._views.items():
            view.display = room_id == room.id
        self.view.focus_room()
        self.show_rooms()
        self.tui.refresh_footer()
        if fresh and self.tui.client is not None:
            self.view.connected(self.tui.client)

    async def on_bar_picked(self, event: Bar.Picked) -> None:
        """A click on a room, on a key of the footer, or on a part of the title."""
        kind, _colon, value = event.target.partition(":")
        if kind == "room":
            await self.action_room(value)
        elif kind == "key":
            self.app.simulate_key(value)
        elif kind == "filter":
            await self.instances.filter_by(value)
        else:
            await self.run_action(f"app.{value}")
