"""Edit a server: name, description and properties, with what is wrong said beside the field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Button, Input, TextArea

from tuinova.i18n import _
from tuinova.screens.dialogs import Dialog, FlatButton, TextLine, cancel_button
from tuinova.screens.rows import Row
from tuinova.text import clean

if TYPE_CHECKING:
    from textual.binding import BindingType

LONGEST = 255  # characters; Nova's limit of names, descriptions, keys and values


@dataclass(frozen=True, slots=True)
class Edit:
    """What differs from the server as it is."""

    fields: Mapping[str, str | None]
    added: Mapping[str, str]
    removed: Sequence[str]

    def __bool__(self) -> bool:
        return bool(self.fields or self.added or self.removed)


def parse_properties(text: str) -> tuple[dict[str, str], str]:
    """Properties from lines of key=value, and the first thing that is wrong with them."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        key, equals, value = line.partition("=")
        key, value = key.strip(), value.strip()
        if not equals or not key:
            return found, _("Properties, line {number}: key=value is expected").format(number=number)
        if key in found:
            return found, _("Properties, line {number}: {key} stands there twice").format(number=number, key=key)
        if len(key) > LONGEST or len(value) > LONGEST:
            return found, _("Properties, line {number}: longer than 255 characters").format(number=number)
        found[key] = value
    return found, ""


def edit_of(row: Row, name: str, description: str, properties: Mapping[str, str]) -> Edit:
    """The difference between the form and the server; what reads the same as shown was not edited."""
    fields: dict[str, str | None] = {}
    if name != clean(row["name"]):
        fields["name"] = name
    if description != clean(row.get("description") or ""):
        fields["description"] = description or None
    old = {clean(key): clean(value) for key, value in (row.get("metadata") or {}).items()}
    originals = {clean(key): key for key in row.get("metadata") or {}}
    added = {key: value for key, value in properties.items() if old.get(key) != value}
    return Edit(fields, added, [originals[key] for key in old if key not in properties])


def apply_edit(client: Any, server_id: str, edit: Edit) -> None:
    """Send the difference."""
    if edit.fields:
        client.servers.update(server_id, **edit.fields)
    if edit.added:
        client.servers.set_metadata(server_id, dict(edit.added))
    for key in edit.removed:
        client.servers.delete_metadata(server_id, key)


class EditScreen(Dialog[bool]):
    """The form; Save sends only what was changed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", show=False),
        Binding("left", "pass", show=False),
        Binding("right", "pass", show=False),
    ]

    def __init__(self, row: Row) -> None:
        super().__init__()
        self._row = row

    def heading(self) -> str:
        """Which server."""
        return _("Edit {name}").format(name=self._row["name"])

    def hint(self) -> str:
        """Keys."""
        return _("Tab: next field   ^S: save   Esc: close")

    def body(self) -> ComposeResult:
        """Three fields and a line for what is wrong."""
        row = self._row
        properties = "\n".join(
            f"{clean(key)}={clean(value)}" for key, value in sorted((row.get("metadata") or {}).items())
        )
        yield TextLine([(_("Name") + " *", "label")])
        yield Input(clean(row["name"]), id="name", max_length=LONGEST)
        yield TextLine([(_("Description"), "label")])
        yield Input(clean(row.get("description") or ""), id="description", max_length=LONGEST)
        yield TextLine([(_("Properties"), "label"), ("  key=value", "dim")])
        yield TextArea(properties, id="properties", show_line_numbers=False, tab_behavior="focus", soft_wrap=True)
        yield TextLine([("", "")], id="problem")

    def buttons(self) -> Sequence[FlatButton]:
        """Cancel, save."""
        return (cancel_button(), FlatButton(_("Save"), id="save"))

    def on_mount(self) -> None:
        super().on_mount()
        area = self.query_one("#properties", TextArea)
        area.move_cursor(area.document.end)
        self.query_one("#name").focus()

    def action_pass(self) -> None:
        """The arrows belong to the fields."""

    def on_input_submitted(self, _event: Input.Submitted) -> None:
        """Enter goes to the next field."""
        self.focus_next()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Save or leave."""
        if event.button.id == "save":
            self.action_save()
        else:
            self.dismiss(False)

    def action_save(self) -> None:
        """Check, send, close; a refusal stays in the form."""
        name = self.query_one("#name", Input).value.strip()
        properties, problem = parse_properties(self.query_one("#properties", TextArea).text)
        if not name:
            problem = _("Name: must not be empty")
        if problem:
            self._say(problem)
            return
        edit = edit_of(self._row, name, self.query_one("#description", Input).value, properties)
        if not edit:
            self.dismiss(False)
            return
        server_id = self._row["id"]
        self._say(_("saving..."), "busy")
        self.tui.call_service(
            lambda client: apply_edit(client, server_id, edit),
            self._saved,
            failed=self._refused,
        )

    def _saved(self, _result: None) -> None:
        if self.open:
            self.dismiss(True)

    def _refused(self, error: Exception) -> None:
        if self.open:
            self._say(str(error))
        else:
            self.tui.say_error(error, self.heading())

    def _say(self, text: str, tone: str = "error") -> None:
        self.query_one("#problem", TextLine).show([(text, tone)])
