"""Rebuild: the root disk anew from an image, and what else is kept or changed by the way."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult
from textual.widgets import Input, TextArea

from tuinova.i18n import N_, _
from tuinova.screens.edit import LONGEST, parse_properties
from tuinova.screens.fields import ChoiceField, PickField
from tuinova.screens.forms.base import Json
from tuinova.screens.forms.rescue import ImagePickForm
from tuinova.screens.launch.request import PASSWORD_WORD
from tuinova.screens.rows import Row
from tuinova.screens.widgets.pick_list import Offer
from tuinova.text import clean

_KEEP, _NO_KEY = "", "/none"  # no key pair's name has a slash
_KEPT, _NONE = N_("kept"), N_("none")


class RebuildForm(ImagePickForm):
    """rebuild; several servers keep their names, descriptions and properties."""

    HEIGHT = 24
    key = _KEEP
    keypairs: tuple[Json, ...] = ()

    def fields(self) -> ComposeResult:
        """Image, key pair, password; for one server name, description and properties too."""
        yield from self.field(_("Image"), self.image_field())
        yield from self.field(_("Admin password"), Input(id="password", password=True, placeholder=_("one is made")))
        if len(self.rows) == 1:
            row = self.rows[0]
            yield from self.field(_("Name"), Input(clean(row["name"]), id="name", max_length=LONGEST))
            description = clean(row.get("description") or "")
            yield from self.field(_("Description"), Input(description, id="description", max_length=LONGEST))
        yield from self.field(_("Key Pair"), PickField(_(_KEPT), id="key"))
        words = (("keep", _(_KEPT)), ("remove", _("removed")))
        yield from self.field(_("User Data"), ChoiceField(words, id="user-data"))
        if len(self.rows) == 1:
            area = TextArea(self._old_properties(), id="properties", show_line_numbers=False, tab_behavior="focus")
            yield from self.field(_("Properties"), area)

    def _old_properties(self) -> str:
        found = (self.rows[0].get("metadata") or {}).items()
        return "\n".join(f"{clean(key)}={clean(value)}" for key, value in sorted(found))

    def read(self, client: Any) -> Any:
        """Images and key pairs."""
        return super().read(client), client.keypairs.list()

    def loaded(self, found: Any) -> None:
        """Both."""
        super().loaded(found[0])
        self.keypairs = tuple(found[1])

    def pressed(self, field: str) -> None:
        """Open a list."""
        super().pressed(field)
        if field == "key":
            offers = [Offer(_KEEP, _(_KEPT)), Offer(_NO_KEY, _(_NONE))]
            offers += [Offer(one["name"], one["name"], one["fingerprint"]) for one in self.keypairs]
            self.pick(_("Key Pair"), offers, self._take_key, self.key)

    def _take_key(self, key: str) -> None:
        self.key = key
        self.query_one("#key", PickField).show({_KEEP: _(_KEPT), _NO_KEY: _(_NONE)}.get(key, key))

    # what differs ----------------------------------------------------------------------------------------------------
    def _edited(self, field: str, old: str) -> str | None:
        """The text of a field that was edited, else None."""
        if len(self.rows) > 1:
            return None
        text = self.text_of(field).strip()
        return text if text != clean(old) else None

    def _properties(self) -> tuple[dict[str, str] | None, str]:
        """The properties where they were edited, and what is wrong with them."""
        if len(self.rows) > 1:
            return None, ""
        text = self.query_one("#properties", TextArea).text
        if text.strip() == self._old_properties().strip():
            return None, ""
        return parse_properties(text)

    @property
    def _removes_user_data(self) -> bool:
        return self.query_one("#user-data", ChoiceField).value == "remove"

    def problem(self) -> tuple[str, str]:
        """Name and properties."""
        if len(self.rows) == 1 and not self.text_of("name").strip():
            return "name", _("A name is needed.")
        _found, wrong = self._properties()
        return ("properties", wrong) if wrong else ("", "")

    def options(self) -> list[str]:
        """openstack's; a password never stands in a command that is shown."""
        row = self.rows[0]
        words = self.image_words()
        for field, old in (("name", row["name"]), ("description", row.get("description") or "")):
            text = self._edited(field, old)
            words += [f"--{field}", text] if text is not None else []
        words += ["--password", PASSWORD_WORD] if self.text_of("password") else []
        words += [] if self.key == _KEEP else ["--no-key-name"] if self.key == _NO_KEY else ["--key-name", self.key]
        words += ["--no-user-data"] if self._removes_user_data else []
        found, _wrong = self._properties()
        return words + [word for key, value in (found or {}).items() for word in ("--property", f"{key}={value}")]

    def payload(self, row: Row) -> Any:
        """Nova's body: only what differs, but for the image, which it always wants."""
        image = self.image["id"] if self.image else (row.get("image") or {}).get("id") or ""
        body: Json = {"imageRef": image}
        name = self._edited("name", row["name"])
        description = self._edited("description", row.get("description") or "")
        found, _wrong = self._properties()
        if name is not None:
            body["name"] = name
        if description is not None:
            body["description"] = description or None
        if found is not None:
            body["metadata"] = found
        if self.key != _KEEP:
            body["key_name"] = None if self.key == _NO_KEY else self.key
        if self._removes_user_data:
            body["user_data"] = None
        if password := self.text_of("password"):
            body["adminPass"] = password
        return body
