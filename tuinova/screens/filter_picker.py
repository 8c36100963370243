"""Pick one of many: a filter as one types, and what can't be taken greyed with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from tuinova.i18n import _
from tuinova.screens.dialogs import Dialog
from tuinova.screens.widgets.pick_list import Offer, matching
from tuinova.screens.widgets.text_panel import padded, width_of
from tuinova.text import clean


def _line(offer: Offer, width: int) -> Content:
    return Content.assemble(
        padded(clean(offer.label), width),
        (f"   {clean(offer.note)}" if offer.note else "", "$tone-dim"),
        (f"   {clean(offer.reason)}" if offer.reason else "", "$tone-warn"),
    )


class FilterPicker(Dialog[str]):
    """Dismisses with the id of what was taken."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "down", show=False),
        Binding("up", "up", show=False),
        Binding("left", "pass", show=False),
        Binding("right", "pass", show=False),
    ]
    DEFAULT_CSS = """
    FilterPicker > #frame { width: 90; height: auto; }
    FilterPicker OptionList { margin-top: 1; max-height: 16; }
    """

    def __init__(self, title: str, offers: Sequence[Offer], current: str = "") -> None:
        super().__init__()
        self._title = title
        self._offers = list(offers)
        self._current = current

    def heading(self) -> str:
        return self._title

    def hint(self) -> str:
        return _("type to filter   Enter: take it   Esc: close")

    def body(self) -> ComposeResult:
        yield Input(placeholder=_("Filter"), id="filter")
        yield OptionList(id="offers")

    def on_mount(self) -> None:
        super().on_mount()
        self._fill("")
        self.query_one("#filter").focus()

    def _fill(self, words: str) -> None:
        listed = self.query_one(OptionList)
        shown = matching(self._offers, words)
        width = min(max((width_of(clean(offer.label)) for offer in shown), default=0), 30)
        # All at once: the list lays itself out anew for each call.
        listed.set_options(Option(_line(offer, width), id=offer.id, disabled=bool(offer.reason)) for offer in shown)
        takable = [place for place, offer in enumerate(shown) if not offer.reason]
        current = [place for place in takable if shown[place].id == self._current]
        listed.highlighted = next(iter([*current, *takable]), None)

    def on_input_changed(self, event: Input.Changed) -> None:
        self._fill(event.value)

    def on_input_submitted(self) -> None:
        self.query_one(OptionList).action_select()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id)

    def action_down(self) -> None:
        """The list moves while the filter keeps the focus."""
        self.query_one(OptionList).action_cursor_down()

    def action_up(self) -> None:
        """The list moves while the filter keeps the focus."""
        self.query_one(OptionList).action_cursor_up()

    def action_pass(self) -> None:
        """Left and right belong to the filter's text."""
