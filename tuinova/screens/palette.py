"""The command palette's content: the registry's actions, the rooms, and every server by name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Provider
from textual.content import Content

from tuinova.i18n import _
from tuinova.screens.actions import PLACE_ACTIONS, SERVER_ACTIONS, key_text, refusal
from tuinova.screens.rooms import ROOMS
from tuinova.screens.rows import addresses
from tuinova.text import clean

if TYPE_CHECKING:
    from tuinova.screens.app import TuinovaApp

Command = tuple[str, str, Callable[[], object]]  # label, help, what it runs
MOST_SERVERS = 40


class RegistryProvider(Provider):
    """Everything that can be done from here."""

    @property
    def tui(self) -> TuinovaApp:
        """The application."""
        return cast("TuinovaApp", self.app)

    def commands(self) -> Iterator[Command]:
        """Actions on the chosen servers that are legal now, places, rooms."""
        tui = self.tui
        rows = tui.chosen_rows()
        for action in SERVER_ACTIONS:
            if rows and not all(refusal(action, row, tui.roles) for row in rows):
                names = rows[0]["name"] if len(rows) == 1 else _("{count} instances").format(count=len(rows))
                yield f"{_(action.label)}: {clean(names)}", _(action.help), partial(tui.act, action, rows)
        for action in PLACE_ACTIONS:
            if action.scope in ("table", "app") and action.id != "palette":
                note = " ".join(filter(None, (_("key {key}").format(key=key_text(action.key)) if action.key else "",)))
                yield _(action.label), note, partial(tui.run_place, action)
        for room in ROOMS:
            yield _("Go to {room}").format(room=_(room.label)), room.key, partial(tui.go_to_room, room.id)

    async def discover(self) -> AsyncIterator[DiscoveryHit]:
        """What is offered before anything is typed."""
        for label, note, run in self.commands():
            yield DiscoveryHit(Content(label), run, text=label, help=note or None)

    async def search(self, query: str) -> AsyncIterator[Hit]:
        """Commands and servers that match."""
        matcher = self.matcher(query)
        for label, note, run in self.commands():
            if (score := matcher.match(label)) > 0:
                yield Hit(score, matcher.highlight(label), run, text=label, help=note or None)
        needle, found = query.lower(), 0
        for row in self.tui.servers.rows.values():
            if needle in row["name"].lower() or needle in row["id"]:
                found += 1
                if found > MOST_SERVERS:
                    return
                name = clean(row["name"])
                note = f"{_(row['status'])} {addresses(row)}"
                yield Hit(0.5, Content(name), partial(self.tui.open_page, row["id"]), text=name, help=note)
