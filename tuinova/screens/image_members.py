"""Whom an image is shared with; for a project that it is offered to, the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Button, OptionList
from textual.widgets.option_list import Option

from tuinova.client import ApiError
from tuinova.i18n import N_, _
from tuinova.screens.dialogs import Dialog, FlatButton, TextLine
from tuinova.screens.filter_picker import FilterPicker, Offer
from tuinova.screens.list_room import Json
from tuinova.text import clean

_ANSWERS = {
    "pending": (N_("has not answered"), "$tone-dim"),
    "accepted": (N_("has accepted"), "$tone-ok"),
    "rejected": (N_("has rejected"), "$tone-warn"),
}


class MembersScreen(Dialog[bool]):
    """The members of one image."""

    def __init__(self, image: Json) -> None:
        super().__init__()
        self.image = image
        self.members: list[Json] = []
        self.projects: dict[str, str] = {}
        self.own = ""

    def heading(self) -> str:
        return _("Share {name}").format(name=self.image.get("name") or self.image["id"])

    def hint(self) -> str:
        return _("Esc: close")

    def body(self) -> ComposeResult:
        yield OptionList(id="members")
        yield TextLine([("", "")], id="problem")

    def buttons(self) -> Sequence[FlatButton]:
        return (
            FlatButton(_("Close"), id="close"),
            FlatButton(_("Add Project"), id="add"),
            FlatButton(_("Remove"), id="remove"),
            FlatButton(_("Accept"), id="accepted"),
            FlatButton(_("Reject"), id="rejected"),
        )

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(OptionList).focus()
        self._show_buttons()
        self._do(lambda _client: None)

    # what is shown ---------------------------------------------------------------------------------------------------
    def _do(self, work: Callable[[Any], object]) -> None:
        """Do something and read anew; a refusal is told here."""
        self.tui.call_service(lambda client: (work(client), self._read(client))[1], self._loaded, failed=self._refused)

    def _read(self, client: Any) -> tuple[list[Json], dict[str, str], str]:
        try:
            projects = {str(one["id"]): str(one["name"]) for one in client.projects.list()}
        except ApiError as error:
            if error.code != 403:
                raise
            projects = {}  # only admins see the list
        own = client.info()["project"]
        projects.setdefault(str(own["id"]), str(own["name"]))
        shared = self.image.get("visibility") == "shared"
        return list(client.images.members(self.image["id"])) if shared else [], projects, str(own["id"])

    def _loaded(self, found: tuple[list[Json], dict[str, str], str]) -> None:
        if not self.open:
            return
        self.members, self.projects, self.own = found
        listed = self.query_one(OptionList)
        place = listed.highlighted or 0
        listed.clear_options()
        for member in self.members:
            text, tone = _ANSWERS.get(member["status"], (member["status"], ""))
            name = clean(self.projects.get(member["member_id"], member["member_id"]))
            listed.add_option(Option(Content.assemble(name, (f"   {_(text)}", tone)), id=member["member_id"]))
        if self.members:
            listed.highlighted = min(place, len(self.members) - 1)
        problem = self.query_one("#problem", TextLine)
        if self.image.get("visibility") != "shared":
            problem.show([(_("Only shared images have members: change its visibility first."), "warn")])
        elif not self.members:
            problem.show([(_("It is shared with no project yet."), "dim")])
        else:
            problem.show([("", "")])
        self._show_buttons()

    def _refused(self, error: Exception) -> None:
        if self.open:
            self.query_one("#problem", TextLine).show([(clean(error), "error")])
        else:
            self.tui.say_error(error, self.heading())

    @property
    def _owns(self) -> bool:
        return "admin" in self.tui.roles or self.image.get("owner") == self.own

    def _show_buttons(self) -> None:
        shared, member = (
            self.image.get("visibility") == "shared",
            any(one["member_id"] == self.own for one in self.members),
        )
        enabled = {
            "add": shared and self._owns,
            "remove": shared and self._owns and bool(self.members),
            "accepted": member,
            "rejected": member,
        }
        for name, on in enabled.items():
            self.query_one(f"#{name}", Button).disabled = not on

    # what is done ----------------------------------------------------------------------------------------------------
    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        name, ident = str(event.button.id), self.image["id"]
        if name == "close":
            self.dismiss(True)
        elif name == "add":
            self._add()
        elif name == "remove":
            place = self.query_one(OptionList).highlighted
            if place is not None and place < len(self.members):
                member = self.members[place]["member_id"]
                self._do(lambda client: client.images.remove_member(ident, member))
        else:
            self._do(lambda client: client.images.answer(ident, self.own, name))

    def _add(self) -> None:
        taken = {one["member_id"] for one in self.members}
        offers = [
            Offer(ident, name, "", _("is a member") if ident in taken else _("owns it") if own else "")
            for ident, name in sorted(self.projects.items(), key=lambda one: one[1])
            for own in [ident == self.image.get("owner")]
        ]

        def picked(ident: str | None) -> None:
            if ident:
                self._do(lambda client: client.images.add_member(self.image["id"], ident))

        self.tui.push_screen(FilterPicker(_("Add Project"), offers), picked)
