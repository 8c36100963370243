"""A room of several lists that belong together: a second bar names them, [ and ] turn to the one beside."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

from textual.app import ComposeResult
from textual.containers import Container

from tuinova.i18n import N_, _
from tuinova.screens.actions import TuiAction
from tuinova.screens.list_room import room_action, room_bindings
from tuinova.screens.rooms import RoomView
from tuinova.screens.widgets.bars import Bar, Piece, Tab, tab_pieces

if TYPE_CHECKING:
    from textual.binding import BindingType


class Part(NamedTuple):
    """One list of the room; `factory` is `module:Class`, imported when it is opened."""

    id: str
    label: str
    factory: str
    short: str = ""


_TURNS = (
    room_action("next_part", N_("Next list"), N_("Lists"), "right_square_bracket", 6),
    room_action("previous_part", N_("List before"), N_("Lists"), "left_square_bracket", 0),
)


class GroupRoom(RoomView):
    """Subclasses give PARTS; each part is a room of its own that does not know of the others."""

    PARTS: ClassVar[tuple[Part, ...]] = ()
    TURNS: ClassVar[tuple[TuiAction, ...]] = _TURNS
    DEFAULT_CSS = """
    GroupRoom > .parts { background: $header-bg; }
    GroupRoom > Container { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*room_bindings(_TURNS)]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._views: dict[str, RoomView] = {}
        self.current = self.PARTS[0]

    def compose(self) -> ComposeResult:
        """The bar and the first list."""
        yield Bar(classes="parts")
        with Container():
            yield self._view(self.current)

    def _view(self, part: Part) -> RoomView:
        module, _colon, name = part.factory.partition(":")
        view = cast(RoomView, getattr(import_module(module), name)(id=f"part-{part.id}"))
        self._views[part.id] = view
        return view

    @property
    def view(self) -> RoomView:
        """The list that is open."""
        return self._views[self.current.id]

    def on_mount(self) -> None:
        self._show_bar()

    def on_resize(self) -> None:
        """Another width, other words."""
        self._show_bar()

    def _show_bar(self) -> None:
        tabs = [Tab("", part.id, _(part.label), _(part.short) if part.short else "") for part in self.PARTS]
        self.query_one(Bar).show(tab_pieces(tabs, self.current.id, "part", self.app.size.width))

    # turning ---------------------------------------------------------------------------------------------------------
    async def open_part(self, part: Part) -> None:
        """Another list; it is read when it is opened first."""
        fresh = part.id not in self._views
        self.current = part
        if fresh:
            await self.query_one(Container).mount(self._view(part))
        for ident, view in self._views.items():
            view.display = ident == part.id
        self.view.focus_room()
        self._show_bar()
        self.tui.refresh_footer()
        if fresh and self.tui.client is not None:
            self.view.connected(self.tui.client)

    async def _turn(self, step: int) -> None:
        place = (self.PARTS.index(self.current) + step) % len(self.PARTS)
        await self.open_part(self.PARTS[place])

    async def action_next_part(self) -> None:
        """The next list."""
        await self._turn(1)

    async def action_previous_part(self) -> None:
        """The list before."""
        await self._turn(-1)

    async def on_bar_picked(self, event: Bar.Picked) -> None:
        """A click on a list's name."""
        kind, _colon, value = event.target.partition(":")
        if kind == "part":
            event.stop()
            await self.open_part(next(part for part in self.PARTS if part.id == value))

    # the list that is open speaks for all ---------------------------------------------------------------------------
    def connected(self, client: Any) -> None:
        for view in self._views.values():
            view.connected(client)

    def changed(self, changes: Sequence[dict[str, Any]]) -> None:
        for view in self._views.values():
            view.changed(changes)

    def reload(self) -> None:
        self.view.reload()

    def room_actions(self) -> Sequence[TuiAction]:
        return (*self.view.room_actions(), *_TURNS)

    def footer(self) -> Sequence[Piece]:
        return [*self.view.footer(), Piece(" [ ] ", "key", "key:right_square_bracket"), Piece(_("Lists") + " ", "")]

    def focus_room(self) -> None:
        self.view.focus_room()
