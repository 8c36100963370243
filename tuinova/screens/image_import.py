"""Images that the service fetches: from a URL, or one of the catalogue."""

from __future__ import annotations

import shlex
from typing import Any

from textual.app import ComposeResult
from textual.widgets import Input, TextArea

from tuinova.client import ClientError
from tuinova.client.image_catalog import CATALOG, CatalogImage, this_architecture
from tuinova.i18n import _
from tuinova.screens.dialogs import TextLine
from tuinova.screens.edit import parse_properties
from tuinova.screens.filter_picker import FilterPicker, Offer
from tuinova.screens.image_form import ImageDialog
from tuinova.screens.list_room import Json
from tuinova.screens.widgets.tick import Tick
from tuinova.text import clean

_OF_A_FORMAT = ("disk_format", "container_format", "min_disk", "min_ram")
_ENDINGS = {".qcow2": "qcow2", ".img": "qcow2", ".iso": "iso"}


def catalog_picker() -> FilterPicker:
    """The catalogue; what is not published for this machine's architecture can't be taken."""
    arch = this_architecture()
    offers = [
        Offer(
            image.name,
            image.title,
            _("{disk} GB disk, {ram} MB RAM, user {user}").format(
                disk=image.min_disk, ram=image.min_ram, user=image.user
            ),
            "" if arch in image.arches else _("not for {arch}").format(arch=arch),
        )
        for image in CATALOG
    ]
    return FilterPicker(_("Image from the Catalogue"), offers)


class ImportForm(ImageDialog):
    """What is to be fetched, and as what; the list of images shows how far it is."""

    def __init__(self, entry: CatalogImage | None = None) -> None:
        super().__init__(first="name" if entry else "url")
        self.entry = entry
        self._guessed = {"name": "", "format": "raw"}

    def heading(self) -> str:
        return self.entry.title if self.entry else _("Image from the Web")

    def fields(self) -> ComposeResult:
        url = checksum = name = ""
        known: Json = {}
        if self.entry is not None:
            arch = this_architecture()
            (url, checksum), name, known = self.entry.where(arch), self.entry.name, self.entry.fields(arch)
        yield from self.field(_("URL") + " *", Input(url, id="url", placeholder="https://", max_length=2048))
        hint = _("sha256:... or the URL of a list")
        yield from self.field(_("Checksum"), Input(checksum, id="checksum", placeholder=hint, max_length=2048))
        yield from self.field(_("Name") + " *", Input(name, id="name", max_length=255))
        yield from self.field(_("Format"), Input(str(known.get("disk_format") or "raw"), id="format"))
        yield from self.minimum_fields(known)
        yield from self.visibility_field()
        yield from self.field("", Tick(_("Protected"), False, id="protected"))
        yield from self.property_field({key: value for key, value in known.items() if key not in _OF_A_FORMAT})
        yield from self.field(_("Command"), TextLine([("", "")], id="command"))

    def on_mount(self) -> None:
        super().on_mount()
        self._show_command()

    def on_input_changed(self, event: Input.Changed) -> None:
        """The end of the URL fills name and format where they were not touched."""
        event.stop()
        if event.input.id == "url" and self.entry is None:
            last = event.value.partition("?")[0].rsplit("/", 1)[-1]
            stem, dot, ending = last.rpartition(".")
            for field, value in (("name", stem if dot else last), ("format", _ENDINGS.get(dot + ending, "raw"))):
                widget = self.query_one(f"#{field}", Input)
                if widget.value == self._guessed[field]:
                    self._guessed[field] = widget.value = value
        self._show_command()

    def on_text_area_changed(self) -> None:
        """The command follows."""
        self._show_command()

    def on_checkbox_changed(self) -> None:
        """The command follows."""
        self._show_command()

    def visibility_picked(self) -> None:
        """The command follows."""
        self._show_command()

    def command(self) -> list[str]:
        """The words that do the same."""
        words = ["tuinova", "image", "create", "--from-url", self.text_of("url")]
        checksum = self.text_of("checksum")
        if checksum:
            words += ["--checksum-url" if _is_url(checksum) else "--checksum", checksum]
        words += ["--disk-format", self.text_of("format")]
        for option, field in (("--min-ram", "min_ram"), ("--min-disk", "min_disk")):
            if self.text_of(field) not in ("", "0"):
                words += [option, self.text_of(field)]
        words.append(f"--{self.visibility}")
        if self.query_one("#protected", Tick).value:
            words.append("--protected")
        for key, value in parse_properties(self.query_one("#properties", TextArea).text)[0].items():
            words += ["--property", f"{key}={value}"]
        return [*words, self.text_of("name")]

    def _show_command(self) -> None:
        if self.is_mounted:
            self.query_one("#command", TextLine).show([(clean(shlex.join(self.command())), "dim")])

    def action_save(self) -> None:
        """Make the image and let the service fetch its data; a refusal at once leaves no image behind."""
        common = self.common()
        if common is None:
            return
        url, checksum, disk_format = self.text_of("url"), self.text_of("checksum"), self.text_of("format")
        if not url:
            self.tell(_("A URL is needed."))
            return
        fields, properties = common
        body = {**properties, **fields, "disk_format": disk_format, "container_format": "bare"}
        how = {"checksum_uri" if _is_url(checksum) else "checksum": checksum} if checksum else {}

        def work(client: Any) -> None:
            created = client.images.create(body)
            try:
                client.images.start_import(created["id"], url, **how)
            except ClientError:
                client.images.delete(created["id"])
                raise

        self.send(work)


def _is_url(text: str) -> bool:
    return "://" in text
