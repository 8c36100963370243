"""Server groups: which servers keep together or apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuinova.i18n import N_, _
from tuinova.screens.administration.base import CountingRoom
from tuinova.screens.fields_screen import CHOICE, NUMBER, FormField, Values
from tuinova.screens.list_room import Json, facts, room_action, room_bindings, text_column
from tuinova.screens.widgets.text_panel import Line
from tuinova.text import clean

_ACTIONS = (
    room_action("create", N_("Create Server Group"), N_("Create"), "n", 1, changes=True),
    room_action("delete", N_("Delete Server Group"), N_("Delete"), "D", 2, changes=True),
)
_RULE = "max_server_per_host"
# The words of Nova that the columns and the dialog show.
POLICIES = (N_("affinity"), N_("anti-affinity"), N_("soft-affinity"), N_("soft-anti-affinity"))


def _apart(values: Values) -> bool:
    return values["policy"] == "anti-affinity"


class ServerGroupsList(CountingRoom):
    """The project's groups with their members."""

    KINDS = frozenset({"server_group"})
    ACTIONS = _ACTIONS
    BINDINGS = room_bindings(_ACTIONS)
    HINT = (N_("No server groups yet."), N_("n creates one; a server joins it when it is launched."))
    COLUMNS = (
        text_column("name", N_("Name"), lambda row: row["name"], 12, 28, tone="name"),
        text_column("policy", N_("Policy"), lambda row: _(row["policy"]), 10, 18),
        text_column("most", N_("On a host"), lambda row: (row.get("rules") or {}).get(_RULE), 6, 10, right=True),
        text_column("members", N_("Servers"), lambda row: len(row.get("members") or ()), 6, 8, right=True),
        text_column("names", N_("Names"), lambda row: ", ".join(row["_names"]), 10, 50, tone="dim"),
    )

    def read(self, client: Any) -> Sequence[Json]:
        names = {row["id"]: row["name"] for row in client.servers.rows()}
        return [
            {**row, "_names": [clean(names.get(uuid, uuid)) for uuid in row.get("members") or ()]}
            for row in client.server_groups.list()
        ]

    def details(self, row: Json) -> Sequence[Line]:
        return facts([("ID", row["id"]), (_("Policy"), _(row["policy"])), (_("Servers"), ", ".join(row["_names"]))])

    def action_create(self) -> None:
        """A group; its policy can't be changed later."""
        fields = [
            FormField("name", _("Name"), required=True),
            FormField("policy", _("Policy"), CHOICE, "anti-affinity", choices=[(one, _(one)) for one in POLICIES]),
            FormField("most", _("Servers on a host"), NUMBER, placeholder="1", when=_apart),
        ]

        def send(client: Any, values: Values) -> Any:
            rules = {"rules": {_RULE: values["most"]}} if values["most"] else {}
            return client.server_groups.create({"name": values["name"], "policy": values["policy"], **rules})

        def words(values: Values) -> list[str]:
            rule = ["--rule", f"{_RULE}={values['most']}"] if values["most"] else []
            return ["server", "group", "create", "--policy", values["policy"], *rule, values["name"]]

        self.ask(_("Create Server Group"), fields, send, words)

    def action_delete(self) -> None:
        """The group under the cursor."""
        self.delete_row(_("Delete Server Group"), "server_groups", _("Its servers stay; nothing binds them any more."))
