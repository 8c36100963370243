"""The images room: the list with what is being fetched, and the doors to all that is done with an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuinova.i18n import N_, _
from tuinova.screens.columns import Cell, Column
from tuinova.screens.list_room import Json, ListRoom, facts, room_action, room_bindings, text_column
from tuinova.screens.rows import parse_time, span_text
from tuinova.screens.widgets.text_panel import Line
from tuinova.text import clean

# Our own key of a row: the image is shared with this project, which has not answered yet.
OFFERED = "tuinova_offered"
# What Glance calls a field of its own; the rest are properties.
_OWN = frozenset(
    {
        *("id", "name", "status", "checksum", "container_format", "disk_format", "created_at", "updated_at", "file"),
        *("min_disk", "min_ram", "owner", "protected", "schema", "self", "size", "tags", "virtual_size", "visibility"),
        *("os_hash_algo", "os_hash_value", "os_hidden", "task_progress", "task_message", OFFERED),
    }
)
# What an import's progress counts (`what` of the image's task) in words.
_WHAT = {"waiting": N_("waiting"), "downloading": N_("downloading"), "checking": N_("checking")}
_ACTIONS = (
    room_action("create", N_("Create Image"), N_("Create"), "n", 1, changes=True),
    room_action("fetch", N_("Image from the Web"), N_("From the Web"), "w", 2, changes=True),
    room_action("catalog", N_("Image from the Catalogue"), N_("Catalogue"), "c", 3, changes=True),
    room_action("edit", N_("Edit Image"), N_("Edit"), "e", 4, changes=True),
    room_action("members", N_("Share Image"), N_("Share"), "m", 5, changes=True),
    room_action("switch", N_("Deactivate or Activate Image"), N_("On/Off"), "x", 6, changes=True),
    room_action("save", N_("Save Image to a File"), N_("Save"), "s", 7),
    room_action("delete", N_("Delete Image"), N_("Delete"), "D", 7, changes=True),
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


def properties_of(image: Json) -> dict[str, str]:
    """What is not a field of Glance's own."""
    return {key: str(value) for key, value in image.items() if key not in _OWN}


def import_text(image: Json) -> str:
    """How far an import is: `downloading 12.0 MiB of 300.0 MiB`; empty where nothing is imported."""
    told = image.get("task_progress") or {}
    what = str(told.get("what") or "")
    if not what:
        return ""
    done, total = int(told.get("done") or 0), told.get("total")
    if total:
        text = _("{done} of {total}").format(done=size_text(done), total=size_text(int(total)))
        return f"{_(_WHAT.get(what, what))} {text}"
    return _(_WHAT.get(what, what)) + (f" {size_text(done)}" if done else "")


def _status(row: Json, _now: float) -> Cell:
    status = str(row["status"])
    tone = {"active": "ok", "killed": "error", "queued": "dim", "deactivated": "warn"}.get(status, "busy")
    told = row.get("task_progress") or {}
    if told.get("total"):
        return f"{status} {min(100, int(told.get('done') or 0) * 100 // int(told['total']))}%", tone
    return status, tone


def _visibility(row: Json) -> str:
    return _("offered") if row.get(OFFERED) else str(row.get("visibility") or "")


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
        Column("status", N_("Status"), _status, lambda row: row["status"], 13, 14),
        text_column("format", N_("Format"), lambda row: row.get("disk_format"), 6, 8),
        Column("size", N_("Size"), _size, lambda row: row.get("size"), 9, 10, True, descending=True),
        text_column("visibility", N_("Visibility"), _visibility, 9, 10),
        Column("age", N_("Age"), _age, lambda row: row.get("created_at"), 4, 5, True, True, True),
        text_column("min_ram", N_("Min. RAM (MB)"), lambda row: row.get("min_ram") or None, 8, 13, right=True),
        text_column("min_disk", N_("Min. Disk (GB)"), lambda row: row.get("min_disk") or None, 8, 14, right=True),
        text_column("protected", N_("Protected"), lambda row: _("Yes") if row.get("protected") else None, 9, 9),
        text_column("hidden", N_("Hidden"), lambda row: _("Yes") if row.get("os_hidden") else None, 6, 6),
    )

    def read(self, client: Any) -> Sequence[Json]:
        """The project's list, hidden ones too, and what others offer it."""
        found = {str(row["id"]): row for row in client.images.list()}
        for row in client.images.list(os_hidden=True):
            found.setdefault(str(row["id"]), row)
        for row in client.images.list(visibility="shared", member_status="pending"):
            found[str(row["id"])] = {**row, OFFERED: True}
        return list(found.values())

    def details(self, row: Json) -> Sequence[Line]:
        properties = ", ".join(f"{key}={value}" for key, value in sorted(properties_of(row).items()))
        told = import_text(row) or clean(str(row.get("task_message") or ""))
        return facts(
            [
                (_("ID"), row["id"]),
                *([(_("Import"), told)] if told else []),
                (_("Virtual Size"), size_text(row.get("virtual_size"))),
                (_("Checksum"), row.get("checksum")),
                *([(_("Tags"), clean(", ".join(row["tags"])))] if row.get("tags") else []),
                (_("Properties"), clean(properties)),
            ]
        )

    def _open(self, title: str, screen: Any) -> None:
        """A form, after which the list is read anew; --read-only refuses."""
        if not self.tui.refuse_read_only(title):
            self.tui.push_screen(screen, self._form_left)

    def _form_left(self, _done: bool | None) -> None:
        if self.tui.client is not None:
            self.connected(self.tui.client)

    def action_create(self) -> None:
        """A new image from a file."""
        from tuinova.screens.image_form import ImageForm

        self._open(_("Create Image"), ImageForm(None))

    def action_edit(self) -> None:
        """Name, minimums, visibility, protection, tags and properties of the image under the cursor."""
        from tuinova.screens.image_form import ImageForm

        if self.row is not None:
            self._open(_("Edit Image"), ImageForm(self.row))

    def action_fetch(self) -> None:
        """A new image that the service fetches."""
        from tuinova.screens.image_import import ImportForm

        self._open(_("Image from the Web"), ImportForm())

    def action_catalog(self) -> None:
        """Pick a well-known image, then look at what is fetched."""
        from tuinova.client.image_catalog import catalog_image
        from tuinova.screens.image_import import ImportForm, catalog_picker

        def picked(name: str | None) -> None:
            if name:
                self._open(_("Image from the Catalogue"), ImportForm(catalog_image(name)))

        if not self.tui.refuse_read_only(_("Image from the Catalogue")):
            self.tui.push_screen(catalog_picker(), picked)

    def action_members(self) -> None:
        """Whom the image under the cursor is shared with; on the other side, the answer."""
        from tuinova.screens.image_members import MembersScreen

        if self.row is not None:
            self._open(_("Share Image"), MembersScreen(self.row))

    def action_switch(self) -> None:
        """Out of use, or back."""
        row = self.row
        if row is None:
            return
        ident, off = row["id"], row["status"] == "deactivated"
        if off:
            self.change(_("Activate Image"), lambda client: client.images.reactivate(ident))
        else:
            self.change(_("Deactivate Image"), lambda client: client.images.deactivate(ident))

    def action_save(self) -> None:
        """Save the data to a file of this machine."""
        from tuinova.screens.image_form import SaveForm

        if self.row is not None:
            self.tui.push_screen(SaveForm(self.row))

    def action_delete(self) -> None:
        """Delete the image under the cursor."""
        row = self.row
        if row is not None:
            note = _("Running servers keep their disks.")
            self.ask_name(_("Delete Image"), row, lambda client: client.images.delete(row["id"]), note)
