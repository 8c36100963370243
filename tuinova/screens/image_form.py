"""The forms of images: create from a file with progress, change, save to a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.suggester import Suggester
from textual.widgets import Button, Checkbox, Input, ProgressBar, TextArea

from tuinova.client import ClientError
from tuinova.i18n import N_, _
from tuinova.screens.dialogs import Dialog, FlatButton, TextLine, cancel_button
from tuinova.screens.edit import parse_properties
from tuinova.screens.images import properties_of
from tuinova.screens.list_room import Json
from tuinova.screens.pickers import Choice, Picker
from tuinova.screens.widgets.tick import Tick
from tuinova.text import clean

# First bytes of files: what the format field is filled with.
_MAGIC = ((b"QFI\xfb", 0, "qcow2"), (b"CD001", 32769, "iso"))
VISIBILITIES = {
    "private": N_("only for the own project"),
    "shared": N_("for chosen projects"),
    "community": N_("for all who know it"),
    "public": N_("for all projects"),
}


def guess_format(path: Path) -> str:
    """The disk format by the file's first bytes; raw where nothing else is seen. Raises OSError."""
    with path.open("rb") as file:
        for magic, offset, name in _MAGIC:
            file.seek(offset)
            if file.read(len(magic)) == magic:
                return name
    return "raw"


class PathSuggester(Suggester):
    """Completes paths of this machine."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """The first entry that begins so, a directory with its slash."""
        typed = Path(value).expanduser()
        folder, start = (typed, "") if value.endswith("/") else (typed.parent, typed.name)
        try:
            fitting = sorted(entry for entry in folder.iterdir() if entry.name.startswith(start))
        except OSError:
            return None
        if not fitting or not value:
            return None
        rest = fitting[0].name[len(start) :]
        return value + rest + ("/" if fitting[0].is_dir() else "")


class ImageDialog(Dialog[bool]):
    """What the forms of images share: labelled fields, the visibility, progress, and where a problem is told."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", show=False),
        Binding("left", "pass", show=False),
        Binding("right", "pass", show=False),
    ]
    DEFAULT_CSS = """
    ImageDialog > #frame { width: 84; }
    ImageDialog #fields { height: auto; max-height: 16; }
    ImageDialog .field { height: auto; width: 1fr; }
    ImageDialog .field > .label { width: 18; height: 1; }
    ImageDialog .field > Input, ImageDialog .field > TextArea { width: 1fr; }
    ImageDialog TextArea { height: 3; }
    ImageDialog Checkbox { border: none; padding: 0; height: 1; background: transparent; }
    ImageDialog Checkbox:focus { border: none; }
    ImageDialog ProgressBar { display: none; height: 1; }
    ImageDialog ProgressBar.-shown { display: block; }
    """

    def __init__(self, visibility: str = "", first: str = "name") -> None:
        """`first` is the field that has the focus; no visibility: public for an admin, else shared."""
        super().__init__()
        self.visibility = visibility
        self.first = first

    def hint(self) -> str:
        return _("Tab: next field   ^S: save   Esc: close")

    def fields(self) -> ComposeResult:
        """The labelled fields."""
        yield from ()

    def body(self) -> ComposeResult:
        if not self.visibility:
            self.visibility = "public" if "admin" in self.tui.roles else "shared"
        with VerticalScroll(id="fields", can_focus=False):
            yield from self.fields()
        yield ProgressBar(show_eta=False)
        yield TextLine([("", "")], id="problem")

    def field(self, label: str, widget: Any) -> ComposeResult:
        """A widget with its label."""
        with Horizontal(classes="field"):
            yield TextLine([(label, "label")], classes="label")
            yield widget

    def visibility_field(self) -> ComposeResult:
        """A button that opens the four."""
        yield from self.field(_("Visibility"), FlatButton(self.visibility, id="visibility"))

    def minimum_fields(self, image: Json) -> ComposeResult:
        """RAM and disk that a flavor must have."""
        for name, label in (("min_ram", _("Min. RAM (MB)")), ("min_disk", _("Min. Disk (GB)"))):
            yield from self.field(label, Input(str(image.get(name) or 0), id=name, type="integer", max_length=9))

    def property_field(self, properties: Json) -> ComposeResult:
        """One a line."""
        text = "\n".join(f"{clean(k)}={clean(v)}" for k, v in sorted(properties.items()))
        area = TextArea(text, id="properties", show_line_numbers=False, tab_behavior="focus")
        yield from self.field(_("Properties"), area)

    def buttons(self) -> Sequence[FlatButton]:
        return (cancel_button(), FlatButton(_("Save"), id="save"))

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(f"#{self.first}").focus()

    def on_key(self, event: events.Key) -> None:
        """Up and down walk the one-line fields as Tab does."""
        if event.key in ("up", "down") and isinstance(self.focused, (Input, Checkbox, Button)):
            event.stop()
            self.focus_next() if event.key == "down" else self.focus_previous()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.focus_next()

    def action_pass(self) -> None:
        """Left and right belong to the fields' text."""

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "visibility":
            self._pick_visibility()
        elif event.button.id == "save":
            self.action_save()
        else:
            self.dismiss(None)

    def _pick_visibility(self) -> None:
        choices = [Choice(one, one, _(text), on=one == self.visibility) for one, text in VISIBILITIES.items()]

        def picked(one: str | None) -> None:
            if one:
                self.visibility = one
                self.query_one("#visibility", Button).label = one
                self.visibility_picked()

        self.tui.push_screen(Picker(_("Visibility"), choices), picked)

    def visibility_picked(self) -> None:
        """Another one was picked."""

    def action_save(self) -> None:
        """Do it."""
        raise NotImplementedError

    def text_of(self, field: str) -> str:
        """What a one-line field holds."""
        return self.query_one(f"#{field}", Input).value.strip()

    def common(self) -> tuple[Json, dict[str, str]] | None:
        """The fields of every form and the properties; None after a problem was told."""
        properties, problem = parse_properties(self.query_one("#properties", TextArea).text)
        name = self.text_of("name")
        if problem or not name:
            self.tell(problem or _("A name is needed."))
            return None
        return {
            "name": name,
            "min_ram": int(self.text_of("min_ram") or 0),
            "min_disk": int(self.text_of("min_disk") or 0),
            "protected": self.query_one("#protected", Checkbox).value,
            "visibility": self.visibility,
        }, properties

    def tell(self, text: str) -> None:
        """What is wrong."""
        self.query_one("#problem", TextLine).show([(text, "error")])

    def send(self, work: Any) -> None:
        """Carry it out in a thread; a refusal stays in the form."""
        self.query_one("#save", Button).disabled = True
        self.tui.call_service(work, self._saved, title=self.heading(), failed=self._refused)

    def progress(self, done: int, total: int | None) -> None:
        """From the worker's thread."""
        if self.open:
            self.app.call_from_thread(self._show_progress, done, total)

    def _show_progress(self, done: int, total: int | None) -> None:
        if self.open:
            bar = self.query_one(ProgressBar)
            bar.add_class("-shown")
            bar.update(total=total, progress=done)

    def _saved(self, _result: Any) -> None:
        if self.open:
            self.dismiss(True)

    def _refused(self, error: Exception) -> None:
        if not self.open:
            self.tui.say_error(error, self.heading())
            return
        self.query_one("#save", Button).disabled = False
        self.query_one(ProgressBar).remove_class("-shown")
        self.tell(clean(error))


class ImageForm(ImageDialog):
    """Create an image from a file, or change one."""

    def __init__(self, image: Json | None) -> None:
        super().__init__(str((image or {}).get("visibility") or ""), "name" if image else "file")
        self.image = image
        self._guessed = ""

    def heading(self) -> str:
        if self.image is None:
            return _("Create Image")
        return _("Edit {name}").format(name=self.image.get("name") or self.image["id"])

    def fields(self) -> ComposeResult:
        image = self.image or {}
        if self.image is None:
            yield from self.field(_("File") + " *", Input(id="file", suggester=PathSuggester()))
        yield from self.field(_("Name") + " *", Input(str(image.get("name") or ""), id="name", max_length=255))
        if self.image is None:
            yield from self.field(_("Format"), Input("raw", id="format"))
        yield from self.minimum_fields(image)
        yield from self.visibility_field()
        yield from self.field("", Tick(_("Protected"), bool(image.get("protected")), id="protected"))
        if self.image is not None:
            yield from self.field("", Tick(_("Hidden"), bool(image.get("os_hidden")), id="hidden"))
            tags = clean(", ".join(image.get("tags") or ()))
            yield from self.field(_("Tags"), Input(tags, id="tags", placeholder=_("separated by commas")))
        yield from self.property_field(properties_of(image))

    def on_input_changed(self, event: Input.Changed) -> None:
        """The file's name and format fill the fields that were not touched."""
        event.stop()
        if event.input.id != "file":
            return
        path = Path(event.value).expanduser()
        if not path.is_file():
            return
        name = self.query_one("#name", Input)
        if name.value in ("", self._guessed):
            self._guessed = name.value = path.stem
        try:
            self.query_one("#format", Input).value = guess_format(path)
        except OSError as error:
            self.tell(_("Can't read the file: {reason}").format(reason=error.strerror))

    def action_save(self) -> None:
        """Create and upload, or send what differs."""
        common = self.common()
        if common is None:
            return
        fields, properties = common
        if self.image is not None:
            changes = self._changes(self.image, fields, properties)
            ident = self.image["id"]
            self.send((lambda client: client.images.update(ident, **changes)) if changes else (lambda _client: None))
            return
        path = Path(self.query_one("#file", Input).value).expanduser()
        if not path.is_file():
            self.tell(_("There is no such file: {path}").format(path=path))
            return
        disk_format = self.text_of("format")
        container = disk_format if disk_format in ("ami", "aki", "ari") else "bare"
        body = {**properties, **fields, "disk_format": disk_format, "container_format": container}
        self.send(lambda client: self._upload(client, body, path))

    def _changes(self, image: Json, fields: Json, properties: dict[str, str]) -> Json:
        """What differs from the image as it is; what reads the same as shown was not edited."""
        fields["os_hidden"] = self.query_one("#hidden", Checkbox).value
        tags = [tag for one in self.text_of("tags").split(",") if (tag := one.strip())]
        if tags != [clean(tag) for tag in image.get("tags") or ()]:
            fields["tags"] = list(dict.fromkeys(tags))
        unset: Json = {"os_hidden": False, "protected": False, "min_disk": 0, "min_ram": 0}
        changes = {key: value for key, value in fields.items() if image.get(key, unset.get(key)) != value}
        old = properties_of(image)
        changes |= {key: value for key, value in properties.items() if old.get(key) != value}
        return changes | {key: None for key in old if key not in properties}

    def _upload(self, client: Any, body: Json, path: Path) -> None:
        """In a worker's thread; an upload that fails leaves no image behind."""
        with path.open("rb") as file:
            created = client.images.create(body)
            try:
                client.images.upload(created["id"], file, self.progress)
            except ClientError:
                client.images.delete(created["id"])
                raise


class SaveForm(ImageDialog):
    """Save an image's data as a file of this machine."""

    def __init__(self, image: Json) -> None:
        super().__init__("-", "file")
        self.image = image

    def heading(self) -> str:
        return _("Save {name}").format(name=self.image.get("name") or self.image["id"])

    def fields(self) -> ComposeResult:
        kind = self.image.get("disk_format") or "img"
        name = clean(str(self.image.get("name") or self.image["id"])).replace("/", "-").lstrip(".")
        yield from self.field(_("File") + " *", Input(f"{name}.{kind}", id="file", suggester=PathSuggester()))

    def action_save(self) -> None:
        """Save and check; a file of that name that is there already is not replaced."""
        from tuinova.client.image_file import save_image

        path = Path(self.text_of("file")).expanduser()
        if not self.text_of("file") or path.is_dir():
            self.tell(_("The name of a file is needed."))
        elif path.exists():
            self.tell(_("There is a file of that name: {path}").format(path=path))
        else:
            self.send(lambda client: save_image(client, self.image, path, self.progress))

    def _saved(self, _result: Any) -> None:
        self.tui.say(_("Saved: {name}").format(name=self.image.get("name") or self.image["id"]))
        super()._saved(_result)
