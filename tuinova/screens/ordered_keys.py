"""Keys take effect in the order in which they were typed, however fast they come.

Textual hands a key to the focused widget and looks for bindings when it has bubbled back. So a pasted `:server list`,
or keys typed while the machine is busy, would reach the table under a screen that still opens, where `S` shuts off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import events

from tuinova.screens.widgets.table_core import TableCore

if TYPE_CHECKING:
    from textual.app import App as _App

    _Base = _App[None]
else:
    _Base = object

LONGEST_OPENING = 1.0  # seconds after which keys are let through whatever became of the screen


class OrderedKeys(_Base):
    """The part of the application that receives keys."""

    _opening = 0
    _held: list[events.Key] | None = None

    async def on_event(self, event: events.Event) -> None:
        """A key of a table acts at once; keys wait while a screen opens; everything else goes Textual's way."""
        if isinstance(event, events.Key) and not event.is_forwarded:
            if self._opening:
                self._held = [*(self._held or ()), event]
                return
            if await self._acts_on_table(event):
                return
        await super().on_event(event)

    async def _acts_on_table(self, event: events.Key) -> bool:
        focused = self.focused
        if not isinstance(focused, TableCore):
            return False
        if await self._check_bindings(event.key, priority=True):
            return True
        return focused.press(event.name) or await self._check_bindings(event.key)

    def push_screen(self, screen: Any, *arguments: Any, **options: Any) -> Any:
        """As Textual's; keys that come before the screen stands are for it."""
        self._opening += 1
        opening = self._opening
        pushed = super().push_screen(screen, *arguments, **options)
        self.screen.call_after_refresh(self.call_later, self._opened, opening)
        self.set_timer(LONGEST_OPENING, lambda: self.call_later(self._opened, opening))
        return pushed

    async def _opened(self, opening: int) -> None:
        """The newest screen stands, with its focus: it gets what was typed meanwhile."""
        if opening != self._opening:
            return
        self._opening = 0
        while self._held and not self._opening:
            await self.on_event(self._held.pop(0))
