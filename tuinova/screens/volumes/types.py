"""Volume types: which place a volume lies in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuinova.i18n import N_, _
from tuinova.screens.fields_screen import FormField, Values
from tuinova.screens.list_room import Json, facts, room_action, room_bindings, text_column
from tuinova.screens.networks.base import FieldsRoom, without_empty, word, yes_no
from tuinova.screens.volumes.volumes import KINDS
from tuinova.screens.widgets.text_panel import Line

_ACTIONS = (
    room_action("create", N_("Create Volume Type"), N_("Create"), "n", 1, changes=True),
    room_action("delete", N_("Delete Volume Type"), N_("Delete"), "D", 2, changes=True),
)
_BACKEND = "volume_backend_name"


class TypesList(FieldsRoom):
    """The types."""

    KINDS = KINDS
    ACTIONS = _ACTIONS
    BINDINGS = room_bindings(_ACTIONS)
    HINT = (N_("No volume types."), N_("n creates one (administrators)."))
    COLUMNS = (
        text_column("name", N_("Name"), word, 10, 26, tone="name"),
        text_column("public", N_("Public"), lambda row: yes_no(row.get("is_public", True)), 6, 8),
        text_column("backend", N_("Place"), lambda row: (row.get("extra_specs") or {}).get(_BACKEND), 8, 24),
        text_column("description", N_("Description"), lambda row: row.get("description"), 10, 50),
    )

    def read(self, client: Any) -> Sequence[Json]:
        return list(client.volume_types.list())

    def details(self, row: Json) -> Sequence[Line]:
        specs = ", ".join(f"{key}={value}" for key, value in (row.get("extra_specs") or {}).items())
        return facts([("ID", row["id"]), (_("Properties"), specs)])

    def action_create(self) -> None:
        """A type, bound to a place or not."""
        fields = [
            FormField("name", _("Name"), required=True),
            FormField("backend", _("Place"), placeholder=_("any")),
            FormField("description", _("Description")),
        ]

        def send(client: Any, values: Values) -> Any:
            specs = {"extra_specs": {_BACKEND: values["backend"]}} if values["backend"] else {}
            described = without_empty({"name": values["name"], "description": values["description"]})
            return client.volume_types.create({**described, **specs})

        def words(values: Values) -> list[str]:
            words = ["volume", "type", "create"]
            words += ["--description", values["description"]] if values["description"] else []
            words += ["--property", f"{_BACKEND}={values['backend']}"] if values["backend"] else []
            return [*words, values["name"]]

        self.ask(_("Create Volume Type"), fields, send, words)

    def action_delete(self) -> None:
        """The type under the cursor."""
        self.delete_row(_("Delete Volume Type"), "volume_types")
