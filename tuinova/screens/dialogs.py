"""The frame of every dialog: a titled box over the dimmed screen, Esc closes it with nothing done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar, cast

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from tuinova.i18n import _
from tuinova.screens.widgets.text_panel import Line
from tuinova.text import clean

if TYPE_CHECKING:
    from textual.binding import BindingType

    from tuinova.screens.app import TuinovaApp

T = TypeVar("T")


class FlatButton(Button):
    """A button of one line."""

    DEFAULT_CSS = """
    FlatButton.flat {
        height: 1; min-width: 12; border: none; padding: 0 2;
        background: $field-bg; color: $foreground; text-style: none; tint: transparent 0%;
        background-tint: transparent 0%;
        &:focus { background: $brand-bg; color: $brand-fg; text-style: bold; border: none; }
        &:hover { background: $cursor-bg; color: $foreground; border: none; }
        &.-active { border: none; tint: transparent 0%; }
        &.danger { color: $tone-error; }
        &.danger:focus { background: $tone-error; color: $brand-fg; }
        &:disabled { color: $tone-dim; opacity: 100%; text-opacity: 100%; }
        &:nocolor:focus { text-style: reverse; }
    }
    """

    def __init__(self, label: str, *, id: str | None = None, danger: bool = False, disabled: bool = False) -> None:
        super().__init__(Content(clean(label)), id=id, classes="flat danger" if danger else "flat", disabled=disabled)


def content_of(line: Line) -> Content:
    """Textual content of a line's parts: text is literal, tones are the themes' colours."""
    return Content.assemble(*((clean(text), CONTENT_TONES.get(tone, "")) for text, tone in line))


CONTENT_TONES = {
    "ok": "$tone-ok",
    "busy": "$tone-busy",
    "warn": "$tone-warn",
    "off": "$tone-off",
    "error": "bold $tone-error",
    "dim": "$tone-dim",
    "label": "$tone-label",
    "strong": "bold",
    "name": "",
    "key": "bold $key-fg",
    "heading": "bold $key-fg",
}


class TextLine(Static):
    """One paragraph of parts."""

    def __init__(self, line: Line, *, id: str | None = None, classes: str = "line") -> None:
        super().__init__(content_of(line), id=id, classes=classes)

    def show(self, line: Line) -> None:
        """Another text."""
        self.update(content_of(line))


class Dialog(ModalScreen[T], Generic[T]):
    """A modal screen with a frame; subclasses give `body` and `buttons`, and dismiss with their result."""

    DEFAULT_CSS = """
    Dialog > #frame {
        width: 76; max-width: 94%; height: auto; max-height: 92%;
        border: round $dialog-border; background: $surface; padding: 0 1;
        border-title-color: $key-fg; border-title-style: bold; border-subtitle-color: $tone-dim;
    }
    Dialog.-danger > #frame { border: round $tone-error; border-title-color: $tone-error; }
    Dialog .line { height: auto; width: 1fr; }
    Dialog #buttons { height: 1; margin-top: 1; align-horizontal: right; width: 1fr; }
    Dialog #buttons Button { margin-left: 2; }
    Dialog Input {
        height: 1; border: none; padding: 0 1; background: $field-bg; color: $foreground;
        &:focus { border: none; background: $cursor-blur-bg; }
    }
    Dialog OptionList {
        height: auto; max-height: 100%; border: none; padding: 0; background: $surface; scrollbar-size-vertical: 1;
        &:focus { border: none; background-tint: transparent 0%; }
        & > .option-list--option-highlighted { background: $cursor-bg; color: $foreground; text-style: bold; }
        &:nocolor > .option-list--option-highlighted { text-style: reverse; }
        & > .option-list--option-disabled { color: $tone-dim; text-style: none; }
        & > .option-list--separator { color: $border-blurred; }
    }
    Dialog TextPanel { height: auto; max-height: 30; background: $surface; }
    Dialog TextPanel.tall { height: 1fr; max-height: 100%; }
    Dialog TextArea {
        height: 6; border: none; padding: 0 1; background: $field-bg; color: $foreground;
        &:focus { border: none; background: $cursor-blur-bg; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", show=False),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]
    DANGER = False

    @property
    def tui(self) -> TuinovaApp:
        """The application."""
        return cast("TuinovaApp", self.app)

    @property
    def open(self) -> bool:
        """Whether it is still there: an answer may come after Esc (Textual's `is_mounted` stays true then)."""
        return self in self.app.screen_stack

    def heading(self) -> str:
        """The frame's title."""
        return ""

    def hint(self) -> str:
        """The frame's foot."""
        return ""

    def body(self) -> ComposeResult:
        """The content above the buttons."""
        yield from ()

    def buttons(self) -> Sequence[FlatButton]:
        """The buttons, the safe one first."""
        return ()

    def compose(self) -> ComposeResult:
        frame = Vertical(id="frame")
        frame.border_title = Content(clean(self.heading()))
        if hint := self.hint():
            frame.border_subtitle = Content(clean(hint))
        with frame:
            yield from self.body()
            buttons = self.buttons()
            if buttons:
                with Horizontal(id="buttons"):
                    yield from buttons

    def on_mount(self) -> None:
        self.set_class(self.DANGER, "-danger")

    def action_cancel(self) -> None:
        """Nothing is done."""
        self.dismiss(None)


def cancel_button() -> FlatButton:
    """The default of every question."""
    return FlatButton(_("Cancel"), id="cancel")
