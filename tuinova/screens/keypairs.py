"""The key pairs room: create (the private key is shown once), import, delete."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textual.app import ComposeResult
from textual.widgets import Button, Input, TextArea

from tuinova.client.keys import generate_ed25519
from tuinova.i18n import N_, _
from tuinova.screens.dialogs import Dialog, FlatButton, TextLine, cancel_button
from tuinova.screens.list_room import Json, ListRoom, facts, room_action, room_bindings, text_column
from tuinova.screens.widgets.text_panel import Line
from tuinova.text import clean

_CERTIFICATE = "-----BEGIN CERTIFICATE"
_ACTIONS = (
    room_action("create", N_("Create Key Pair"), N_("Create"), "n", 1, changes=True),
    room_action("import_key", N_("Import Public Key"), N_("Import"), "i", 2, changes=True),
    room_action("delete", N_("Delete Key Pair"), N_("Delete"), "D", 3, changes=True),
)


class NewKeyScreen(Dialog[Json]):
    """Name, and for an import the public key; dismisses with the body of the request."""

    DEFAULT_CSS = "NewKeyScreen TextArea { height: 5; }"

    def __init__(self, *, imported: bool) -> None:
        super().__init__()
        self._imported = imported

    def heading(self) -> str:
        return _("Import Public Key") if self._imported else _("Create Key Pair")

    def body(self) -> ComposeResult:
        yield TextLine([(_("Name") + " *", "label")])
        yield Input(id="name", max_length=255)
        if self._imported:
            yield TextLine([(_("Public Key") + " *", "label"), ("  " + _("text, or @/path/of/a/file"), "dim")])
            yield TextArea("", id="key", show_line_numbers=False, tab_behavior="focus", soft_wrap=True)
        else:
            yield TextLine([(_("An ED25519 pair is made here; the private key is shown once."), "dim")])
        yield TextLine([("", "")], id="problem")

    def buttons(self) -> Sequence[FlatButton]:
        return (cancel_button(), FlatButton(self.heading(), id="yes"))

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#name").focus()

    def on_input_submitted(self) -> None:
        self._take()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "yes":
            self._take()
        else:
            self.dismiss(None)

    def _take(self) -> None:
        name = self.query_one("#name", Input).value.strip()
        problem = self.query_one("#problem", TextLine)
        if not name:
            problem.show([(_("A name is needed."), "error")])
            return
        body = {"name": name, "type": "ssh"}
        if self._imported:
            text = self.query_one("#key", TextArea).text.strip()
            if text.startswith("@"):
                try:
                    text = Path(text[1:]).expanduser().read_text("utf-8", "replace").strip()
                except OSError as error:
                    problem.show([(_("Can't read the file: {reason}").format(reason=error.strerror), "error")])
                    return
            body["public_key"] = text
            if text.startswith(_CERTIFICATE):
                body["type"] = "x509"
        self.dismiss(body)


class PrivateKeyScreen(Dialog[None]):
    """The private key, once: it is nowhere else."""

    DEFAULT_CSS = "PrivateKeyScreen TextArea { height: 9; }"

    def __init__(self, name: str, private: str) -> None:
        super().__init__()
        self._key_name = name
        self._private = private

    def heading(self) -> str:
        return _("Private key of {name}").format(name=self._key_name)

    def body(self) -> ComposeResult:
        yield TextLine([(_("It is kept nowhere else: save it now."), "warn")])
        yield TextArea(self._private, read_only=True, show_line_numbers=False)
        yield TextLine([(_("File"), "label")])
        yield Input(f"~/.ssh/{self._key_name}", id="path")
        yield TextLine([("", "")], id="problem")

    def buttons(self) -> Sequence[FlatButton]:
        return (FlatButton(_("Close"), id="close"), FlatButton(_("Save to the file"), id="save"))

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#save").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "close":
            self.dismiss(None)
            return
        path = Path(self.query_one("#path", Input).value).expanduser()
        line = self.query_one("#problem", TextLine)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(self._private)
        except OSError as error:
            line.show([(_("Can't write the file: {reason}").format(reason=error.strerror), "error")])
            return
        line.show([(_("Saved to {path}").format(path=path), "ok")])


class KeypairsRoom(ListRoom):
    """Key pairs of the acting user."""

    KINDS = frozenset({"keypair"})
    ID = "name"
    ACTIONS = _ACTIONS
    BINDINGS = room_bindings(_ACTIONS)
    HINT = (N_("No key pairs yet."), N_("n creates one, i imports a public key."))
    COLUMNS = (
        text_column("name", N_("Key Pair Name"), lambda row: row["name"], 14, 30, tone="name"),
        text_column("type", N_("Type"), lambda row: row.get("type", "ssh"), 5, 6),
        text_column("fingerprint", N_("Fingerprint"), lambda row: row["fingerprint"], 30, 47, tone="dim"),
    )

    def read(self, client: Any) -> Sequence[Json]:
        return list(client.keypairs.list())

    def details(self, row: Json) -> Sequence[Line]:
        return facts([(_("Public Key"), clean(row.get("public_key", "")).strip())])

    def action_create(self) -> None:
        """A new pair."""
        self._new(imported=False)

    def action_import_key(self) -> None:
        """A public key that exists."""
        self._new(imported=True)

    def _new(self, *, imported: bool) -> None:
        title = _("Import Public Key") if imported else _("Create Key Pair")
        if self.tui.refuse_read_only(title):
            return

        def answered(body: Json | None) -> None:
            if body is not None:
                self.tui.call_service(lambda client: self._ask(client, body), self._created, title=title)

        self.tui.push_screen(NewKeyScreen(imported=imported), answered)

    @staticmethod
    def _ask(client: Any, body: Json) -> tuple[str, str]:
        private = ""
        if "public_key" not in body:
            private, public = generate_ed25519()
            body = {**body, "public_key": public}
        client.keypairs.create(body)
        return body["name"], private

    def _created(self, result: tuple[str, str]) -> None:
        name, private = result
        if private:
            self.tui.push_screen(PrivateKeyScreen(name, private))
        self.connected(self.tui.client)

    def action_delete(self) -> None:
        """Delete the pair under the cursor."""
        row = self.row
        if row is not None:
            note = _("Servers that have it keep it.")
            self.ask_name(_("Delete Key Pair"), row, lambda client: client.keypairs.delete(row["name"]), note)
