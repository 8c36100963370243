"""The rooms of the main screen, as rows of data, and what a room gives. A new room is one more row."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from textual.widget import Widget

from tuinova.i18n import N_
from tuinova.screens.actions import TuiAction, key_text
from tuinova.screens.widgets.bars import Piece

if TYPE_CHECKING:
    from tuinova.screens.app import TuinovaApp


class RoomView(Widget):
    """The base of a room's widget: mounted when first visited, hidden (not removed) when left."""

    DEFAULT_CSS = """
    RoomView { height: 1fr; width: 1fr; layout: vertical; }
    """

    @property
    def tui(self) -> TuinovaApp:
        """The application: `client` (None until connected), `info`, `read_only`, `call_service`, `clock` ..."""
        return cast("TuinovaApp", self.app)

    def connected(self, client: Any) -> None:
        """Called when shown first and after every (re)connection or switch: read what the room shows."""

    def changed(self, changes: Sequence[dict[str, Any]]) -> None:
        """A batch of the change feed, in the UI's thread."""

    def reload(self) -> None:
        """The refresh key."""
        if self.tui.client is not None:
            self.connected(self.tui.client)

    def room_actions(self) -> Sequence[TuiAction]:
        """The room's rows of the registry: for its footer and the help."""
        return ()

    def footer(self) -> Sequence[Piece]:
        """The footer's pieces, made from `room_actions` unless a room knows better."""
        return footer_pieces([action for action in self.room_actions() if action.footer])

    def focus_room(self) -> None:
        """Put the focus where work goes on."""
        for child in self.query("*"):
            if child.focusable:
                child.focus()
                return


def footer_pieces(actions: Sequence[TuiAction]) -> list[Piece]:
    """Key and word of each action, in the order of their footer places; a click runs them."""
    pieces: list[Piece] = []
    for action in sorted(actions, key=lambda item: item.footer):
        pieces.append(Piece(f" {key_text(action.key)} ", "key", f"key:{action.key}"))
        pieces.append(Piece(f"{action.footer_label} ", "", f"key:{action.key}"))
    return pieces


class Room(NamedTuple):
    """A room: the digit that opens it, its name, and the class `module:Class` that is imported when it is opened.

    `short` is its name where the terminal is narrow.
    """

    key: str
    id: str
    label: str
    factory: str
    short: str = ""

    def build(self) -> RoomView:
        """Import the room's module and make its widget."""
        module, _colon, name = self.factory.partition(":")
        return cast(RoomView, getattr(import_module(module), name)(id=f"room-{self.id}"))


ROOMS: list[Room] = [
    Room("1", "instances", N_("Instances"), "tuinova.screens.instances:InstancesRoom"),
    Room("2", "flavors", N_("Flavors"), "tuinova.screens.flavors:FlavorsRoom"),
    Room("3", "images", N_("Images"), "tuinova.screens.images:ImagesRoom"),
    Room("4", "hypervisors", N_("Hypervisors"), "tuinova.screens.hypervisors:HypervisorsRoom"),
    Room("5", "services", N_("Services"), "tuinova.screens.services:ServicesRoom"),
    Room("6", "keypairs", N_("Key Pairs"), "tuinova.screens.keypairs:KeypairsRoom", N_("Keypairs")),
    Room("7", "migrations", N_("Migrations"), "tuinova.screens.migrations:MigrationsRoom"),
    Room("8", "networks", N_("Networks"), "tuinova.screens.networks.room:NetworkRooms"),
    Room("9", "volumes", N_("Volumes"), "tuinova.screens.volumes.room:VolumeRooms"),
    Room(
        "0",
        "administration",
        N_("Administration"),
        "tuinova.screens.administration.room:AdministrationRooms",
        N_("Admin"),
    ),
]
