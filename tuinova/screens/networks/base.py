"""What the lists of this room share: dialogs of fields, and names for ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tuinova.i18n import _
from tuinova.screens.fields_screen import FieldsScreen, FormField, Values
from tuinova.screens.list_room import Json, ListRoom

# What the change feed calls the things that these lists show.
NETWORK_KINDS = frozenset({"network", "subnet", "port", "security_group", "router", "floating_ip"})


def word(row: Mapping[str, Any]) -> str:
    """The name of something, or its id where it has none."""
    return str(row.get("name") or row["id"])


def names(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Id to name."""
    return {str(row["id"]): word(row) for row in rows}


def addresses(port: Mapping[str, Any]) -> str:
    """All fixed addresses of a port."""
    return ", ".join(str(one["ip_address"]) for one in port.get("fixed_ips") or ())


def without_empty(fields: Mapping[str, Any]) -> Json:
    """Only what was filled in."""
    return {key: value for key, value in fields.items() if value not in ("", None, [])}


class FieldsRoom(ListRoom):
    """A list whose actions are dialogs of fields."""

    def ask(
        self,
        title: str,
        fields: Sequence[FormField],
        send: Callable[[Any, Values], Any],
        words: Callable[[Values], Sequence[str]],
        *,
        note: str = "",
    ) -> None:
        """Open a dialog; after it was answered the list is read anew."""
        if self.tui.refuse_read_only(title):
            return

        def answered(result: dict[str, Any] | None) -> None:
            if result is not None:
                self.connected(self.tui.client)

        self.tui.push_screen(FieldsScreen(title, fields, send, words, note=note), answered)

    def ask_after(self, title: str, read: Callable[[Any], Any], opened: Callable[[Any], None]) -> None:
        """Read what a dialog offers, then open it."""
        if self.tui.refuse_read_only(title):
            return
        self.tui.call_service(read, opened, title=title)

    def delete_row(self, title: str, collection: str, note: str = "") -> None:
        """Remove what is under the cursor, after its name was typed."""
        row = self.row
        if row is not None:
            self.ask_name(title, row, lambda client: getattr(client, collection).delete(row["id"]), note)


def yes_no(value: object) -> str:
    """A boolean in words."""
    return _("yes") if value else _("no")
