"""Fields of the forms beside Textual's own: one that opens a list, and one with a few words in sight."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Button, Checkbox, Input, TextArea

from tuinova.screens.dialogs import FlatButton, TextLine
from tuinova.screens.widgets.tones import Toned
from tuinova.text import clean

if TYPE_CHECKING:
    from textual.binding import BindingType
    from textual.screen import Screen


class WalksFields:
    """Part of a dialog with fields: Enter and the arrows go from one to the next, as Tab does.

    Whatever is typed or chosen ends in `changed`; what is wrong stands in the line `#problem`.
    """

    @abstractmethod
    def changed(self) -> None:
        """Something was typed or chosen: what follows from it is shown."""

    def say(self, text: str, tone: str = "error") -> None:
        """What is wrong, or what is being done."""
        line = cast("Screen[Any]", self).query_one("#problem", TextLine)
        line.show([(text, tone)])
        line.set_class(bool(text), "-shown")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Typing: what was said of it before is over."""
        event.stop()
        self.say("")
        self.changed()

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """Typing."""
        event.stop()
        self.changed()

    def on_checkbox_changed(self, event: Checkbox.Changed) -> None:
        """Switching."""
        event.stop()
        self.changed()

    def on_choice_field_changed(self, event: ChoiceField.Changed) -> None:
        """Choosing."""
        event.stop()
        self.changed()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in a field goes on to the next."""
        event.stop()
        cast("Screen[Any]", self).focus_next()

    def on_key(self, event: events.Key) -> None:
        """Up and down walk the one-line fields."""
        screen = cast("Screen[Any]", self)
        if event.key in ("up", "down") and isinstance(screen.focused, (Input, Button, Checkbox, ChoiceField)):
            event.stop()
            screen.focus_next() if event.key == "down" else screen.focus_previous()


class PickField(FlatButton):
    """A field whose value is picked from a list: Enter or a click opens it."""

    DEFAULT_CSS = """
    PickField.flat {
        width: 1fr; padding: 0 1; content-align: left middle; text-align: left;
        text-wrap: nowrap; text-overflow: ellipsis;
    }
    """

    def __init__(self, label: str, *, id: str) -> None:
        super().__init__("", id=id)
        self.show(label)

    def show(self, label: str, note: str = "") -> None:
        """The chosen value."""
        self.label = Content.assemble("▾ ", clean(label), (f"  {clean(note)}" if note else "", "$tone-dim"))


class ChoiceField(Toned, Widget, can_focus=True):
    """One of a few words, all in sight: left and right or a click choose."""

    DEFAULT_CSS = """
    ChoiceField { height: 1; width: 1fr; padding: 0 1; color: $foreground; background: $surface; }
    ChoiceField:focus { background: $cursor-blur-bg; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "step(-1)", show=False),
        Binding("right", "step(1)", show=False),
        Binding("space", "step(1)", show=False),
    ]

    class Changed(Message):
        """Another word was chosen."""

        def __init__(self, field: ChoiceField) -> None:
            self.field = field
            super().__init__()

        @property
        def control(self) -> ChoiceField:
            """The field."""
            return self.field

    def __init__(self, choices: Sequence[tuple[str, str]], *, id: str) -> None:
        super().__init__(id=id)
        self._choices = tuple(choices)
        self.value = self._choices[0][0]

    @property
    def _place(self) -> int:
        return next(place for place, (value, _label) in enumerate(self._choices) if value == self.value)

    def action_step(self, step: int) -> None:
        """The word beside this one; the ends hold."""
        self._choose(max(0, min(len(self._choices) - 1, self._place + step)))

    def _choose(self, place: int) -> None:
        value = self._choices[place][0]
        if value != self.value:
            self.value = value
            self._base = None
            self.refresh()
            self.post_message(self.Changed(self))

    def _words(self) -> list[str]:
        return [f"{'◉' if value == self.value else '○'} {label}   " for value, label in self._choices]

    def on_click(self, event: events.Click) -> None:
        """The word under the mouse."""
        at = event.get_content_offset_capture(self).x
        for place, word in enumerate(self._words()):
            if at < cell_len(word):
                self._choose(place)
                return
            at -= cell_len(word)

    def render_line(self, y: int) -> Strip:
        """The words with their marks."""
        base = self.rich_style
        words = zip(self._words(), self._choices, strict=True)
        segments = [
            Segment(word, base + self.tone("strong" if value == self.value else "")) for word, (value, _) in words
        ]
        return Strip(segments).crop_extend(0, self.size.width, base)
