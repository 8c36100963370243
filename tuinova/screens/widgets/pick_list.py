"""A list to pick from that stays on the page: a filter as one types, marks on what is chosen, reasons for the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from tuinova.i18n import _
from tuinova.screens.widgets.text_panel import padded, width_of
from tuinova.text import clean

_WIDEST_LABEL = 30


@dataclass(frozen=True, slots=True)
class Offer:
    """One line: `note` beside the label; with a `reason` it can't be taken."""

    id: str
    label: str
    note: str = ""
    reason: str = ""


def matching(offers: Sequence[Offer], words: str) -> list[Offer]:
    """Those that hold every word in label, note or id."""
    wanted = words.casefold().split()
    return [
        offer for offer in offers if all(word in f"{offer.label} {offer.note} {offer.id}".casefold() for word in wanted)
    ]


class PickFilter(Input):
    """The filter: the arrows move the list below while one types."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move(1)", show=False),
        Binding("up", "move(-1)", show=False),
    ]

    def action_move(self, lines: int) -> None:
        """Move in the list."""
        self.query_ancestor(PickList).move(lines)


class PickList(Vertical):
    """Pick one, or with `many` several: Enter or a click takes or drops the line; Enter in the filter does too.

    `chosen` is in the order of choosing, which the marks show where the order matters (`ordered`).
    """

    DEFAULT_CSS = """
    PickList { height: 1fr; min-height: 4; }
    PickList > PickFilter { width: 1fr; }
    PickList > OptionList { height: 1fr; }
    """

    class Changed(Message):
        """Something was taken or dropped."""

        def __init__(self, pick_list: PickList) -> None:
            self.pick_list = pick_list
            super().__init__()

        @property
        def control(self) -> PickList:
            """The list."""
            return self.pick_list

    def __init__(self, *, id: str, many: bool = False, ordered: bool = False, empty: str = "") -> None:
        super().__init__(id=id)
        self._many = many
        self._ordered = ordered
        self._empty = empty
        self._offers: list[Offer] = []
        self._shown: list[Offer] = []
        self._width = 0
        # By offer and mark: a line works its height out once, and the list asks for all of them at every key.
        self._lines: dict[tuple[str, str], Content] = {}
        self.chosen: list[str] = []
        # Asked before a click or key takes something: whether it may be.
        self.may_take: Callable[[str], bool] = lambda _ident: True

    def compose(self) -> ComposeResult:
        """Filter and list."""
        yield PickFilter(placeholder=_("Filter"))
        yield OptionList()

    def show(self, offers: Sequence[Offer], chosen: Sequence[str], empty: str | None = None) -> None:
        """Other lines, other choice; `empty` says why there are none."""
        self._offers = list(offers)
        self._width = min(max((width_of(clean(offer.label)) for offer in offers), default=0), _WIDEST_LABEL)
        self._lines = {}
        self.chosen = [ident for ident in chosen if any(offer.id == ident for offer in offers)]
        if empty is not None:
            self._empty = empty
        self._fill()

    def _fill(self, keep: str | None = None) -> None:
        listed = self.query_one(OptionList)
        self._shown = matching(self._offers, self.query_one(PickFilter).value)
        if not self._shown:
            words = _("Nothing matches the filter.") if self._offers else self._empty
            listed.set_options([Option(Content.assemble((clean(words), "$tone-dim")), disabled=True)])
            return
        # All at once: the list lays itself out anew for each call.
        listed.set_options(Option(self._line(offer), disabled=bool(offer.reason)) for offer in self._shown)
        takable = [place for place, offer in enumerate(self._shown) if not offer.reason]
        wanted = [place for place in takable if self._shown[place].id == keep] if keep else []
        chosen = [place for place in takable if self._shown[place].id in self.chosen]
        listed.highlighted = next(iter([*wanted, *chosen, *takable]), None)

    def _line(self, offer: Offer) -> Content:
        key = (offer.id, self._mark(offer.id))
        if key not in self._lines:
            self._lines[key] = Content.assemble(
                (key[1] + " ", "bold $key-fg"),
                padded(clean(offer.label), self._width),
                (f"  {clean(offer.note)}" if offer.note else "", "$tone-dim"),
                (f"  {clean(offer.reason)}" if offer.reason else "", "$tone-warn"),
            )
        return self._lines[key]

    def _mark(self, ident: str) -> str:
        if ident not in self.chosen:
            return "☐" if self._many else "○"
        if self._ordered:
            return str(self.chosen.index(ident) + 1)
        return "☒" if self._many else "◉"

    def move(self, lines: int) -> None:
        """Move the cursor while the filter keeps the focus."""
        listed = self.query_one(OptionList)
        listed.action_cursor_down() if lines > 0 else listed.action_cursor_up()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._fill()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in the filter takes the line under the cursor."""
        event.stop()
        self.query_one(OptionList).action_select()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if event.option_index < len(self._shown):
            self.toggle(self._shown[event.option_index].id)

    def toggle(self, ident: str) -> None:
        """Take or drop one; the only one of a single choice stays."""
        if ident in self.chosen:
            if not self._many:
                return
            self.chosen.remove(ident)
        elif not self.may_take(ident):
            return
        elif self._many:
            self.chosen.append(ident)
        else:
            self.chosen = [ident]
        self._fill(keep=ident)
        self.post_message(self.Changed(self))
