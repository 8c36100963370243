"""A snapshot or a backup of a server as an image."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult
from textual.widgets import Input, TextArea

from tuinova.i18n import _
from tuinova.screens.dialogs import TextLine
from tuinova.screens.edit import parse_properties
from tuinova.screens.forms.base import ActionForm
from tuinova.screens.rows import Row
from tuinova.text import clean

SERVER = "{name}"  # what stands for the server's name in the name of several images


class ImageForm(ActionForm):
    """The image's name; of several servers each has its own in it."""

    FIRST = "name"

    def name_field(self, ending: str) -> ComposeResult:
        """The field; call it in `fields`."""
        known = SERVER if len(self.rows) > 1 else clean(self.rows[0]["name"])
        yield from self.field(_("Image name") + " *", Input(f"{known}-{ending}"[:255], id="name", max_length=255))
        if len(self.rows) > 1:
            yield TextLine([(_("{name} stands for the server's name."), "dim")])

    def name_for(self, row: Row) -> str:
        """The image's name for a server."""
        name = self.text_of("name").strip()
        return name.replace(SERVER, row["name"]) if len(self.rows) > 1 else name

    def command(self, options: list[str]) -> str:
        """In a loop over several servers the name has the loop's word in it."""
        text = super().command(options)
        return text.replace(SERVER, "'\"$server\"'") if len(self.legal) > 1 else text

    def problem(self) -> tuple[str, str]:
        """A name is needed."""
        return ("", "") if self.text_of("name").strip() else ("name", _("A name is needed."))


class SnapshotForm(ImageForm):
    """createImage."""

    HEIGHT = 18

    def fields(self) -> ComposeResult:
        """Name and properties."""
        yield from self.name_field("snapshot")
        area = TextArea("", id="properties", show_line_numbers=False, tab_behavior="focus", placeholder="key=value")
        yield from self.field(_("Properties"), area)

    def _properties(self) -> tuple[dict[str, str], str]:
        return parse_properties(self.query_one("#properties", TextArea).text)

    def problem(self) -> tuple[str, str]:
        """Name, then properties."""
        field, text = super().problem()
        if not text and (wrong := self._properties()[1]):
            return "properties", wrong
        return field, text

    def options(self) -> list[str]:
        """openstack's."""
        properties, _wrong = self._properties()
        words = ["--name", self.text_of("name").strip()]
        return words + [word for key, value in properties.items() for word in ("--property", f"{key}={value}")]

    def payload(self, row: Row) -> Any:
        """Nova's body."""
        properties, _wrong = self._properties()
        return {"name": self.name_for(row), **({"metadata": properties} if properties else {})}


class BackupForm(ImageForm):
    """createBackup."""

    HEIGHT = 18

    def fields(self) -> ComposeResult:
        """Name, type, how many are kept."""
        yield from self.name_field("backup")
        yield from self.field(_("Type"), Input("daily", id="type", max_length=255))
        yield from self.field(_("Kept of this type") + " *", Input("1", id="rotation", type="integer", max_length=6))
        yield TextLine([("", "")], id="rotation-note")

    @property
    def _rotation(self) -> int | None:
        text = self.text_of("rotation").strip()
        return int(text) if text.isdecimal() else None

    def changed(self) -> None:
        """What the number means."""
        super().changed()
        count = self._rotation
        tone, text = "dim", ""
        if count == 0:
            tone, text = "warn", _("0: every backup of this type goes, the new one too.")
        elif count is not None:
            text = _("The oldest beyond {count} are deleted when the new one stands.").format(count=count)
        self.query_one("#rotation-note", TextLine).show([(text, tone)])

    def problem(self) -> tuple[str, str]:
        """Name, then number."""
        field, text = super().problem()
        if not text and self._rotation is None:
            return "rotation", _("A whole number from 0 on is needed.")
        return field, text

    def options(self) -> list[str]:
        """openstack's."""
        words = ["--name", self.text_of("name").strip()]
        words += ["--type", self.text_of("type").strip()] if self.text_of("type").strip() else []
        return [*words, "--rotate", self.text_of("rotation").strip() or "0"]

    def payload(self, row: Row) -> Any:
        """Nova's body."""
        kind = self.text_of("type").strip()
        return {"name": self.name_for(row), "backup_type": kind, "rotation": self._rotation or 0}
