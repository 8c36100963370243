"""Rescue: from which image, with which password."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult
from textual.widgets import Input

from tuinova.i18n import _
from tuinova.screens.fields import PickField
from tuinova.screens.forms.base import ActionForm, Json
from tuinova.screens.launch.request import PASSWORD_WORD, word_for
from tuinova.screens.rows import Row, name_of
from tuinova.screens.widgets.pick_list import Offer
from tuinova.text import clean


def image_note(image: Json) -> str:
    """Format and size."""
    size = image.get("size")
    parts = [str(image.get("disk_format") or ""), f"{int(size) / (1 << 20):.0f} MiB" if size else ""]
    if image.get("min_ram"):
        parts.append(_("from {ram} MB RAM").format(ram=image["min_ram"]))
    return ", ".join(part for part in parts if part)


class ImagePickForm(ActionForm):
    """A form with an image of the service; none chosen means the one that stands in the field at first."""

    images: tuple[Json, ...] = ()
    image: Json | None = None

    def usual(self) -> str:
        """What is taken when none is chosen."""
        names = {name_of(row.get("image")) for row in self.rows}
        own = next(iter(names)) if len(names) == 1 else ""
        return _("its own: {image}").format(image=clean(own)) if own else _("each its own")

    def image_field(self) -> PickField:
        """The field; call it in `fields`."""
        return PickField(self.usual(), id="image")

    def read(self, client: Any) -> Any:
        """Images that can be booted: kernels and ramdisks are parts of such."""
        return [
            image
            for image in client.images.list()
            if image.get("status", "active") == "active" and image.get("disk_format") not in ("aki", "ari")
        ]

    def loaded(self, found: Any) -> None:
        """The images."""
        self.images = tuple(found)
        self.show_image()

    def show_image(self) -> None:
        """The chosen image in its field."""
        field = self.query_one("#image", PickField)
        if self.image is None:
            field.show(self.usual())
        else:
            field.show(self.image["name"] or self.image["id"], image_note(self.image))

    def pressed(self, field: str) -> None:
        """Open the list."""
        if field == "image":
            offers = [Offer("", self.usual())]
            offers += [Offer(one["id"], one["name"] or one["id"], image_note(one)) for one in self.images]
            self.pick(_("Image"), offers, self._take_image, self.image["id"] if self.image else "")

    def _take_image(self, ident: str) -> None:
        self.image = next((one for one in self.images if one["id"] == ident), None)
        self.show_image()

    def image_words(self) -> list[str]:
        """The command's option."""
        return ["--image", word_for(self.image, list(self.images))] if self.image else []


class RescueForm(ImagePickForm):
    """rescue."""

    HEIGHT = 16

    def fields(self) -> ComposeResult:
        """Image and password."""
        yield from self.field(_("Image"), self.image_field())
        password = Input(id="password", password=True, placeholder=_("one is made and shown once"))
        yield from self.field(_("Admin password"), password)

    def options(self) -> list[str]:
        """openstack's; a password never stands in a command that is shown."""
        return [*self.image_words(), *(["--password", PASSWORD_WORD] if self.text_of("password") else [])]

    def payload(self, row: Row) -> Any:
        """Nova's body; None for all as usual."""
        password = self.text_of("password")
        body = {
            **({"rescue_image_ref": self.image["id"]} if self.image else {}),
            **({"adminPass": password} if password else {}),
        }
        return body or None
