"""The topology: a picture of networks, routers and servers that follows the change feed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tuinova.client import ApiError
from tuinova.i18n import N_, _
from tuinova.screens.actions import TuiAction
from tuinova.screens.list_room import Json, room_action
from tuinova.screens.networks.base import NETWORK_KINDS
from tuinova.screens.networks.picture import COLUMN, LABEL, Column, Node, columns_of, draw, nodes_of
from tuinova.screens.rooms import RoomView
from tuinova.screens.widgets.text_panel import Line, TextPanel
from tuinova.text import clean

_KINDS = NETWORK_KINDS | {"server"}
_ACTIONS = (
    room_action("shift(1)", N_("Networks to the right"), N_("right"), "greater_than_sign", 1),
    room_action("shift(-1)", N_("Networks to the left"), N_("left"), "less_than_sign", 2),
)


class TopologyView(RoomView):
    """As many networks as fit side by side; < and > bring the others."""

    ACTIONS: ClassVar[tuple[TuiAction, ...]] = _ACTIONS
    DEFAULT_CSS = "TopologyView TextPanel { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("greater_than_sign,right", "shift(1)", show=False),
        Binding("less_than_sign,left", "shift(-1)", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._columns: list[Column] = []
        self._members: list[Node] = []
        self._first = 0
        self._reading = False
        self._again = False

    def compose(self) -> ComposeResult:
        """One panel."""
        yield TextPanel(wrap=False)

    def room_actions(self) -> Sequence[TuiAction]:
        return self.ACTIONS

    @staticmethod
    def _read(client: Any) -> tuple[list[Column], list[Node]]:
        ports: list[Json] = client.ports.list()
        columns = columns_of(client.networks.list(), client.subnets.list())
        return columns, nodes_of(client.routers.list(), client.servers.rows(), ports)

    def connected(self, client: Any) -> None:
        if self._reading:
            self._again = True
            return
        self._reading = True
        self.tui.call_service(self._read, self._loaded, failed=self._failed)

    def changed(self, changes: Sequence[dict[str, Any]]) -> None:
        if self.is_mounted and any(change["kind"] in _KINDS for change in changes):
            self.connected(self.tui.client)

    def _loaded(self, found: tuple[list[Column], list[Node]]) -> None:
        self._reading = False
        if not self.is_mounted:
            return
        self._columns, self._members = found
        self._draw()
        if self._again:
            self._again = False
            self.connected(self.tui.client)

    def _failed(self, error: Exception) -> None:
        self._reading = False
        if self.is_mounted:
            text = clean(error.message if isinstance(error, ApiError) else error)
            self.query_one(TextPanel).show([[(text, "warn")]])

    @property
    def _room(self) -> int:
        """How many networks fit."""
        return max(1, (self.size.width - LABEL) // COLUMN)

    def _draw(self) -> None:
        self._first = max(0, min(self._first, len(self._columns) - self._room))
        shown = self._columns[self._first : self._first + self._room]
        lines: list[Line] = draw(shown, self._members)
        hidden = len(self._columns) - len(shown)
        if hidden:
            lines.append([(_("{count} more networks: < and > bring them.").format(count=hidden), "dim")])
        if not self._columns:
            lines = [[(_("No networks yet."), "name")]]
        self.query_one(TextPanel).show(lines)

    def on_resize(self) -> None:
        """Another width, other networks."""
        if self._columns:
            self._draw()

    def action_shift(self, step: int) -> None:
        """The networks beside."""
        self._first += step
        self._draw()
