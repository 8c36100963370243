"""What the pages of the wizard share: fields that write into the draft, and problems beside their fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Checkbox, Input, TextArea

from tuinova.screens.dialogs import TextLine
from tuinova.screens.launch.draft import Draft
from tuinova.screens.launch.offers import Offers
from tuinova.screens.widgets.pick_list import PickList


class Step(Vertical):
    """One page. A field's id is the draft's attribute that it fills, unless the page knows better."""

    DEFAULT_CSS = """
    Step { height: 1fr; padding: 0 1; }
    Step .field { height: auto; width: 1fr; }
    Step .field > .label { width: 14; height: 1; }
    Step .field > Input, Step .field > TextArea { width: 1fr; }
    Step Checkbox { border: none; padding: 0; height: 1; background: transparent; }
    Step Checkbox:focus { border: none; }
    Step .problem { height: auto; display: none; }
    Step .problem.-shown { display: block; }
    """
    FIRST: ClassVar[str] = ""  # the field that gets the focus

    class Edited(Message):
        """The draft differs from what it was."""

    def __init__(self, draft: Draft, offers: Callable[[], Offers]) -> None:
        super().__init__()
        self.draft = draft
        self._offers = offers

    @property
    def offers(self) -> Offers:
        """What there is to choose from, as it was read last."""
        return self._offers()

    # making ----------------------------------------------------------------------------------------------------------
    def field(self, name: str, label: str, widget: Widget) -> ComposeResult:
        """Label and widget in a line, and below it the place of its problem."""
        with Horizontal(classes="field"):
            yield TextLine([(label, "label")], classes="label")
            yield widget
        yield self.trouble(name)

    def trouble(self, name: str) -> TextLine:
        """The place of a field's problem."""
        return TextLine([("", "")], id=f"problem-{name}", classes="problem")

    def text(self, name: str, **options: Any) -> Input:
        """A line of text of the draft."""
        return Input(getattr(self.draft, name), id=name, **options)

    def area(self, name: str, placeholder: str) -> TextArea:
        """Several lines of text of the draft."""
        return TextArea(
            getattr(self.draft, name),
            id=name,
            show_line_numbers=False,
            tab_behavior="focus",
            soft_wrap=True,
            placeholder=placeholder,
        )

    # showing ---------------------------------------------------------------------------------------------------------
    def on_mount(self) -> None:
        self.show()

    def show(self) -> None:
        """Bring the page up to the draft and the offers; called when either changed elsewhere."""

    def show_problems(self, problems: Sequence[tuple[str, str]]) -> None:
        """(field, text); every other problem of the page goes."""
        texts = dict(problems)
        for line in self.query(".problem").results(TextLine):
            text = texts.pop(str(line.id).removeprefix("problem-"), "")
            line.show([(text, "error")])
            line.set_class(bool(text), "-shown")

    def focus_field(self, name: str = "") -> None:
        """The focus to a field, or to the page's first."""
        found = self.query(f"#{name or self.FIRST}")
        target = found.first() if found else self
        if isinstance(target, PickList):
            target = target.query_one(Input)
        target.focus()

    # writing ---------------------------------------------------------------------------------------------------------
    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.write(str(event.input.id), event.value)

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        event.stop()
        self.write(str(event.text_area.id), event.text_area.text)

    def on_checkbox_changed(self, event: Checkbox.Changed) -> None:
        event.stop()
        self.write(str(event.checkbox.id), event.value)

    def write(self, name: str, value: Any) -> None:
        """Note a value; the same again is no change."""
        if getattr(self.draft, name) != value:
            setattr(self.draft, name, value)
            self.edited()

    def edited(self) -> None:
        """Tell the wizard."""
        self.post_message(self.Edited())
