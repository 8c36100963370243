"""A dialog made of rows of data: fields, the command that does the same, and a refusal that stays beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.widget import Widget
from textual.widgets import Button, Input, TextArea

from tuinova.i18n import _
from tuinova.screens.dialogs import Dialog, FlatButton, TextLine, cancel_button
from tuinova.screens.fields import ChoiceField, PickField, WalksFields
from tuinova.screens.filter_picker import FilterPicker
from tuinova.screens.widgets.pick_list import Offer
from tuinova.screens.widgets.tick import Tick
from tuinova.text import clean

if TYPE_CHECKING:
    from textual.binding import BindingType

Values = Mapping[str, Any]
TEXT, NUMBER, TICK, CHOICE, PICK, AREA = "text", "number", "tick", "choice", "pick", "area"


@dataclass(frozen=True, slots=True)
class FormField:
    """One field. `kind`: text, number, tick, choice (`choices`: value and word), pick (`offers`) or area.

    `when` says whether it has a meaning with the present values; a field without one is hidden and has its default.
    """

    id: str
    label: str
    kind: str = TEXT
    value: Any = ""
    required: bool = False
    choices: Sequence[tuple[str, str]] = ()
    offers: Sequence[Offer] = ()
    when: Callable[[Values], bool] | None = None
    placeholder: str = ""


def command_of(words: Sequence[str]) -> str:
    """The words after `tuinova` as a line for a shell."""
    return " ".join(["tuinova", *(quote(word) for word in words)])


class FieldsScreen(WalksFields, Dialog[dict[str, Any]]):
    """Asks for the fields, has `send` ask the service, and dismisses with what that gave under "result"."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "send", show=False),
        Binding("left", "pass", show=False),
        Binding("right", "pass", show=False),
    ]
    DEFAULT_CSS = """
    FieldsScreen > #frame { width: 84; }
    FieldsScreen #fields { height: auto; max-height: 20; scrollbar-size-vertical: 1; }
    FieldsScreen .field { height: auto; width: 1fr; }
    FieldsScreen .field.hidden { display: none; }
    FieldsScreen .field > .label { width: 22; height: 1; }
    FieldsScreen .field > Input, FieldsScreen .field > TextArea { width: 1fr; }
    FieldsScreen TextArea { height: 3; }
    FieldsScreen Checkbox { border: none; padding: 0; height: 1; background: transparent; width: 1fr; }
    FieldsScreen Checkbox:focus { border: none; background: $cursor-blur-bg; }
    FieldsScreen #problem { display: none; }
    FieldsScreen #problem.-shown { display: block; }
    """

    def __init__(
        self,
        title: str,
        fields: Sequence[FormField],
        send: Callable[[Any, Values], Any],
        words: Callable[[Values], Sequence[str]],
        *,
        note: str = "",
    ) -> None:
        super().__init__()
        self._title = title
        self._fields = list(fields)
        self._send = send
        self._words = words
        self._note = note
        self._picked = {one.id: str(one.value) for one in fields if one.kind == PICK}
        self._sending = False

    def heading(self) -> str:
        return self._title

    def hint(self) -> str:
        return _("Tab: next   ^S: do it   Esc: close")

    def body(self) -> ComposeResult:
        if self._note:
            yield TextLine([(self._note, "dim")])
        with VerticalScroll(id="fields", can_focus=False):
            for one in self._fields:
                with Horizontal(classes="field", id=f"field-{one.id}"):
                    yield TextLine([(one.label + (" *" if one.required else ""), "label")], classes="label")
                    yield self._widget(one)
        yield TextLine([("", "")], id="problem")
        yield TextLine([("", "")], id="command")

    @staticmethod
    def _widget(one: FormField) -> Widget:
        match one.kind:
            case "number":
                return Input(str(one.value), id=one.id, type="integer", placeholder=one.placeholder)
            case "tick":
                return Tick("", bool(one.value), id=one.id)
            case "choice":
                field = ChoiceField(one.choices, id=one.id)
                field.value = str(one.value or one.choices[0][0])
                return field
            case "pick":
                return PickField("", id=one.id)
            case "area":
                options: dict[str, Any] = {"show_line_numbers": False, "tab_behavior": "focus", "soft_wrap": True}
                return TextArea(str(one.value), id=one.id, placeholder=one.placeholder, **options)
        return Input(str(one.value), id=one.id, placeholder=one.placeholder)

    def buttons(self) -> Sequence[FlatButton]:
        return (cancel_button(), FlatButton(self._title, id="send"))

    def on_mount(self) -> None:
        super().on_mount()
        for one in self._fields:
            if one.kind == PICK:
                self._show_pick(one)
        self.changed()
        if self._fields:
            self.query_one(f"#{self._fields[0].id}").focus()

    # values ----------------------------------------------------------------------------------------------------------
    def values(self) -> dict[str, Any]:
        """What stands in the fields; texts without blanks at their ends, numbers as texts."""
        found = {one.id: self._value(one) for one in self._fields}
        for one in self._fields:
            if one.when is not None and not one.when(found):
                found[one.id] = one.value
        return found

    def _value(self, one: FormField) -> Any:
        if one.kind == PICK:
            return self._picked[one.id]
        widget = self.query_one(f"#{one.id}")
        if isinstance(widget, TextArea):
            return widget.text.strip()
        value: Any = getattr(widget, "value", "")
        return value.strip() if isinstance(value, str) else value

    def changed(self) -> None:
        """Fields come and go, the command follows."""
        values = self.values()
        for one in self._fields:
            hidden = one.when is not None and not one.when(values)
            self.query_one(f"#field-{one.id}").set_class(hidden, "hidden")
        line = command_of(self._words(values)) if not self._missing(values) else ""
        self.query_one("#command", TextLine).show([("$ ", "dim"), (line, "key")] if line else [("", "")])

    def _missing(self, values: Values) -> FormField | None:
        for one in self._fields:
            needed = one.required and (one.when is None or one.when(values))
            if needed and not values[one.id]:
                return one
        return None

    def action_pass(self) -> None:
        """Left and right belong to the fields' text."""

    # picking and sending ---------------------------------------------------------------------------------------------
    def _show_pick(self, one: FormField) -> None:
        chosen = next((offer for offer in one.offers if offer.id == self._picked[one.id]), None)
        field = self.query_one(f"#{one.id}", PickField)
        field.show(chosen.label, chosen.note) if chosen else field.show(one.placeholder or "-")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "send":
            self.action_send()
        elif event.button.id == "cancel":
            self.action_cancel()
        else:
            self._pick(next(one for one in self._fields if one.id == event.button.id))

    def _pick(self, one: FormField) -> None:
        def picked(chosen: str | None) -> None:
            if chosen is not None:
                self._picked[one.id] = chosen
                self._show_pick(one)
                self.say("")
                self.changed()

        self.tui.push_screen(FilterPicker(one.label, one.offers, self._picked[one.id]), picked)

    def action_send(self) -> None:
        """Ask the service; a refusal stays here and nothing that was typed is lost."""
        values = self.values()
        missing = self._missing(values)
        if missing is not None:
            self.say(_("{field} is needed.").format(field=missing.label))
            self.query_one(f"#{missing.id}").focus()
            return
        if self._sending:
            return
        self._busy(True)
        self.tui.call_service(
            lambda client: self._send(client, values), self._sent, title=self._title, failed=self._refused
        )

    def _busy(self, busy: bool) -> None:
        self._sending = busy
        self.query_one("#send", Button).disabled = busy
        self.say(_("asking the service ...") if busy else "", "busy")

    def _sent(self, result: Any) -> None:
        if self.open:
            self.dismiss({"result": result})

    def _refused(self, error: Exception) -> None:
        if not self.open:
            self.tui.say_error(error, self._title)
            return
        self._busy(False)
        self.say(clean(error))
