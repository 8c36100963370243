"""The images room: list, create from a file with progress, set, delete."""

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
from tuinova.screens.columns import Cell, Column
from tuinova.screens.dialogs import Dialog, FlatButton, TextLine, cancel_button
from tuinova.screens.edit import parse_properties
from tuinova.screens.list_room import Json, ListRoom, facts, room_action, room_bindings, text_column
from tuinova.screens.rows import parse_time, span_text
from tuinova.screens.widgets.text_panel import Line
from tuinova.screens.widgets.tick import Tick
from tuinova.text import clean

# What Glance calls a field of its own; the rest are properties.
_OWN = frozenset(
    {
        *("id", "name", "status", "checksum", "container_format", "disk_format", "created_at", "updated_at", "file"),
        *("min_disk", "min_ram", "owner", "protected", "schema", "self", "size", "tags", "virtual_size", "visibility"),
        *("os_hash_algo", "os_hash_value", "os_hidden"),
    }
)
# First bytes of files: what the format field is filled with.
_MAGIC = ((b"QFI\xfb", 0, "qcow2"), (b"CD001", 32769, "iso"))
_ACTIONS = (
    room_action("create", N_("Create Image"), N_("Create"), "n", 1, changes=True),
    room_action("edit", N_("Edit Image"), N_("Edit"), "e", 2, changes=True),
    room_action("delete", N_("Delete Image"), N_("Delete"), "D", 3, changes=True),
)


def size_text(size: int | None) -> str:
    """Bytes for people; empty when unknown."""
    if size is None:
        return ""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit in ("B", "KiB") else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def guess_format(path: Path) -> str:
    """The disk format by the file's first bytes; raw where nothing else is seen. Raises OSError."""
    with path.open("rb") as file:
        for magic, offset, name in _MAGIC:
            file.seek(offset)
            if file.read(len(magic)) == magic:
                return name
    return "raw"


def properties_of(image: Json) -> dict[str, str]:
    """What is not a field of Glance's own."""
    return {key: str(value) for key, value in image.items() if key not in _OWN}


def _status(row: Json, _now: float) -> Cell:
    tone = {"active": "ok", "killed": "error", "queued": "dim"}.get(row["status"], "busy")
    return row["status"], tone


def _size(row: Json, _now: float) -> Cell:
    return size_text(row.get("size")) or "-", ""


def _age(row: Json, now: float) -> Cell:
    at = parse_time(row.get("created_at"))
    return ("-", "dim") if at is None else (span_text(max(0.0, now - at)), "dim")


class ImagesRoom(ListRoom):
    """Images of the project, and those that others share."""

    KINDS = frozenset({"image"})
    ACTIONS = _ACTIONS
    BINDINGS = room_bindings(_ACTIONS)
    HINT = (N_("No images yet."), N_("n creates one from a file."))
    COLUMNS = (
        text_column("name", N_("Image Name"), lambda row: row.get("name") or row["id"], 14, 36, tone="name"),
        Column("status", N_("Status"), _status, lambda row: row["status"], 8, 10),
        text_column("format", N_("Format"), lambda row: row.get("disk_format"), 6, 8),
        Column("size", N_("Size"), _size, lambda row: row.get("size"), 9, 10, True, descending=True),
        text_column("visibility", N_("Visibility"), lambda row: row.get("visibility"), 9, 10),
        Column("age", N_("Age"), _age, lambda row: row.get("created_at"), 4, 5, True, True, True),
        text_column("min_ram", N_("Min. RAM (MB)"), lambda row: row.get("min_ram") or None, 8, 13, right=True),
        text_column("min_disk", N_("Min. Disk (GB)"), lambda row: row.get("min_disk") or None, 8, 14, right=True),
        text_column("protected", N_("Protected"), lambda row: _("Yes") if row.get("protected") else None, 9, 9),
    )

    def read(self, client: Any) -> Sequence[Json]:
        return list(client.images.list())

    def details(self, row: Json) -> Sequence[Line]:
        properties = ", ".join(f"{key}={value}" for key, value in sorted(properties_of(row).items()))
        return facts(
            [
                (_("ID"), row["id"]),
                (_("Virtual Size"), size_text(row.get("virtual_size"))),
                (_("Checksum"), row.get("checksum")),
                (_("Properties"), clean(properties)),
            ]
        )

    def action_create(self) -> None:
        """A new image from a file."""
        if not self.tui.refuse_read_only(_("Create Image")):
            self.tui.push_screen(ImageForm(None), self._form_left)

    def action_edit(self) -> None:
        """Name, minimums, protection and properties of the image under the cursor."""
        if self.row is not None and not self.tui.refuse_read_only(_("Edit Image")):
            self.tui.push_screen(ImageForm(self.row), self._form_left)

    def _form_left(self, _done: bool | None) -> None:
        if self.tui.client is not None:
            self.connected(self.tui.client)

    def action_delete(self) -> None:
        """Delete the image under the cursor."""
        row = self.row
        if row is not None:
            note = _("Running servers keep their disks.")
            self.ask_name(_("Delete Image"), row, lambda client: client.images.delete(row["id"]), note)


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


class ImageForm(Dialog[bool]):
    """Create an image from a file, or change one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", show=False),
        Binding("left", "pass", show=False),
        Binding("right", "pass", show=False),
    ]
    DEFAULT_CSS = """
    ImageForm > #frame { width: 84; }
    ImageForm #fields { height: auto; max-height: 18; }
    ImageForm .field { height: auto; width: 1fr; }
    ImageForm .field > .label { width: 18; height: 1; }
    ImageForm .field > Input, ImageForm .field > TextArea { width: 1fr; }
    ImageForm TextArea { height: 3; }
    ImageForm Checkbox { border: none; padding: 0; height: 1; background: transparent; }
    ImageForm Checkbox:focus { border: none; }
    ImageForm ProgressBar { display: none; height: 1; }
    ImageForm ProgressBar.-shown { display: block; }
    """

    def __init__(self, image: Json | None) -> None:
        super().__init__()
        self.image = image
        self._guessed = ""

    def heading(self) -> str:
        if self.image is None:
            return _("Create Image")
        return _("Edit {name}").format(name=self.image.get("name") or self.image["id"])

    def hint(self) -> str:
        return _("Tab: next field   ^S: save   Esc: close")

    def body(self) -> ComposeResult:
        image = self.image or {}
        with VerticalScroll(id="fields", can_focus=False):
            if self.image is None:
                yield from self._field(_("File") + " *", Input(id="file", suggester=PathSuggester()))
            yield from self._field(_("Name") + " *", Input(str(image.get("name") or ""), id="name", max_length=255))
            if self.image is None:
                yield from self._field(_("Format"), Input("raw", id="format"))
            yield from self._field(
                _("Min. RAM (MB)"), Input(str(image.get("min_ram") or 0), id="min_ram", type="integer")
            )
            yield from self._field(
                _("Min. Disk (GB)"), Input(str(image.get("min_disk") or 0), id="min_disk", type="integer")
            )
            public = image.get("visibility") == "public" if image else True
            yield from self._field("", Tick(_("Public"), public, id="public"))
            yield from self._field("", Tick(_("Protected"), bool(image.get("protected")), id="protected"))
            properties = "\n".join(f"{clean(k)}={clean(v)}" for k, v in sorted(properties_of(image).items()))
            area = TextArea(properties, id="properties", show_line_numbers=False, tab_behavior="focus")
            yield from self._field(_("Properties"), area)
        yield ProgressBar(show_eta=False)
        yield TextLine([("", "")], id="problem")

    def _field(self, label: str, widget: Any) -> ComposeResult:
        with Horizontal(classes="field"):
            yield TextLine([(label, "label")], classes="label")
            yield widget

    def buttons(self) -> Sequence[FlatButton]:
        return (cancel_button(), FlatButton(_("Save"), id="save"))

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#file" if self.image is None else "#name").focus()

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
            self._say(_("Can't read the file: {reason}").format(reason=error.strerror))

    def on_key(self, event: events.Key) -> None:
        """Up and down walk the one-line fields as Tab does."""
        if event.key in ("up", "down") and isinstance(self.focused, (Input, Checkbox)):
            event.stop()
            self.focus_next() if event.key == "down" else self.focus_previous()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.focus_next()

    def action_pass(self) -> None:
        """Left and right belong to the fields' text."""

    def _say(self, text: str) -> None:
        self.query_one("#problem", TextLine).show([(text, "error")])

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "save":
            self.action_save()
        else:
            self.dismiss(None)

    def _fields(self) -> Json | None:
        """The fields of both forms, or None after a problem was told."""
        properties, problem = parse_properties(self.query_one("#properties", TextArea).text)
        name = self.query_one("#name", Input).value.strip()
        if problem or not name:
            self._say(problem or _("A name is needed."))
            return None
        return {
            "name": name,
            "min_ram": int(self.query_one("#min_ram", Input).value or 0),
            "min_disk": int(self.query_one("#min_disk", Input).value or 0),
            "protected": self.query_one("#protected", Checkbox).value,
            "visibility": "public" if self.query_one("#public", Checkbox).value else "shared",
            "properties": properties,
        }

    def action_save(self) -> None:
        """Create and upload, or send what differs."""
        fields = self._fields()
        if fields is None:
            return
        properties = fields.pop("properties")
        image = self.image
        if image is not None:
            changes = {key: value for key, value in fields.items() if image.get(key) != value}
            old = properties_of(image)
            changes |= {key: value for key, value in properties.items() if old.get(key) != value}
            changes |= {key: None for key in old if key not in properties}
            work = (lambda client: client.images.update(image["id"], **changes)) if changes else (lambda _client: None)
        else:
            path = Path(self.query_one("#file", Input).value).expanduser()
            if not path.is_file():
                self._say(_("There is no such file: {path}").format(path=path))
                return
            disk_format = self.query_one("#format", Input).value.strip()
            container = disk_format if disk_format in ("ami", "aki", "ari") else "bare"
            body = {**properties, **fields, "disk_format": disk_format, "container_format": container}

            def work(client: Any) -> None:
                self._upload(client, body, path)

        self.query_one("#save", Button).disabled = True
        self.tui.call_service(work, self._saved, title=self.heading(), failed=self._refused)

    def _upload(self, client: Any, body: Json, path: Path) -> None:
        """In a worker's thread; an upload that fails leaves no image behind."""
        with path.open("rb") as file:
            created = client.images.create(body)
            try:
                client.images.upload(created["id"], file, self._progress)
            except ClientError:
                client.images.delete(created["id"])
                raise

    def _progress(self, done: int, total: int | None) -> None:
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
            self.tui.say_error(error, _("Create Image"))
            return
        self.query_one("#save", Button).disabled = False
        self.query_one(ProgressBar).remove_class("-shown")
        self._say(clean(error))
