"""Quotas of the acting project: what is used of what, as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuinova.i18n import N_, _
from tuinova.screens.administration.base import CountingRoom
from tuinova.screens.columns import Cell, Column
from tuinova.screens.fields_screen import NUMBER, TICK, FormField, Values
from tuinova.screens.hypervisors import bar
from tuinova.screens.list_room import Json, facts, room_action, room_bindings, text_column
from tuinova.screens.widgets.text_panel import Line

_ACTIONS = (
    room_action("edit", N_("Set Quota"), N_("Set"), "e", 1, changes=True),
    room_action("defaults", N_("Back to the Defaults"), N_("Defaults"), "D", 2, changes=True),
)
_BAR = 16
_UNLIMITED = -1
# By service: a resource's name in the REST face, its word here, and its option of `quota set`.
RESOURCES = {
    "compute": (
        ("instances", N_("Instances"), "instances"),
        ("cores", N_("vCPUs"), "cores"),
        ("ram", N_("RAM (MB)"), "ram"),
        ("key_pairs", N_("Key pairs of each user"), "key-pairs"),
        ("metadata_items", N_("Properties of each server"), "properties"),
        ("server_groups", N_("Server groups"), "server-groups"),
        ("server_group_members", N_("Servers in each group"), "server-group-members"),
    ),
    "volume": (
        ("volumes", N_("Volumes"), "volumes"),
        ("snapshots", N_("Volume snapshots"), "snapshots"),
        ("gigabytes", N_("GB of volumes and snapshots"), "gigabytes"),
    ),
    "network": (
        ("network", N_("Networks"), "networks"),
        ("subnet", N_("Subnets"), "subnets"),
        ("port", N_("Network Ports"), "ports"),
        ("router", N_("Routers"), "routers"),
        ("floatingip", N_("Floating IPs"), "floating-ips"),
        ("security_group", N_("Security Groups"), "secgroups"),
        ("security_group_rule", N_("Security group rules"), "secgroup-rules"),
    ),
}


def _filled(row: Json) -> float:
    limit = row["limit"]
    return row["in_use"] / limit if limit > 0 else float(limit == 0 and row["in_use"] > 0)


def _gauge(row: Json, _now: float) -> Cell:
    limit, used = row["limit"], row["in_use"]
    if limit == _UNLIMITED:
        return f"{bar(0, 0, _BAR)} {used}", "dim"
    tone = "error" if _filled(row) >= 1 else "warn" if _filled(row) >= 0.8 else "ok"
    return f"{bar(used, limit, _BAR)} {used}/{limit}", tone


class QuotasList(CountingRoom):
    """One row a resource, of all services."""

    KINDS = frozenset({"quota", "keypair", "server_group", "volume", "network", "port", "security_group"})
    SORT = "order"
    ID = "key"
    ACTIONS = _ACTIONS
    BINDINGS = room_bindings(_ACTIONS)
    HINT = (N_("No quotas."),)
    COLUMNS = (
        text_column("order", "#", lambda row: row["order"], 2, 3, tone="dim", right=True),
        text_column("name", N_("Resource"), lambda row: row["name"], 18, 32, tone="name"),
        Column("used", N_("Used"), _gauge, _filled, 24, 34, descending=True),
        text_column(
            "limit",
            N_("Limit"),
            lambda row: _("none") if row["limit"] == _UNLIMITED else row["limit"],
            6,
            9,
            right=True,
        ),
    )

    def read(self, client: Any) -> Sequence[Json]:
        project = client.info()["project"]["id"]
        rows: list[Json] = []
        for service, resources in RESOURCES.items():
            found = client.quotas.detail(project, service)
            for key, label, option in resources:
                if key in found:
                    about = {"key": key, "name": _(label), "service": service, "option": option, "project": project}
                    rows.append({**found[key], **about, "order": len(rows) + 1})
        return rows

    def details(self, row: Json) -> Sequence[Line]:
        limit = _("no limit") if row["limit"] == _UNLIMITED else row["limit"]
        return facts([(_("Resource"), row["name"]), (_("Limit"), limit), (_("In use"), row["in_use"])])

    @property
    def _project(self) -> str:
        return self.tui.identity.project if self.tui.identity else ""

    def action_edit(self) -> None:
        """Another limit for the resource under the cursor."""
        row = self.row
        if row is None:
            return
        fields = [
            FormField("limit", row["name"], NUMBER, row["limit"], required=True),
            FormField("force", _("Below what is used"), TICK, False),
        ]

        def send(client: Any, values: Values) -> Any:
            limits = {row["key"]: values["limit"]}
            return client.quotas.set(row["project"], limits, force=bool(values["force"]), service=row["service"])

        def words(values: Values) -> list[str]:
            force = ["--force"] if values["force"] else []
            return ["quota", "set", f"--{row['option']}", values["limit"], *force, self._project]

        self.ask(_("Set Quota"), fields, send, words, note=_("-1 is no limit."))

    def action_defaults(self) -> None:
        """Every limit of the project as a new one has it."""
        row = self.row
        if row is None:
            return

        def reset(client: Any) -> None:
            for service in RESOURCES:
                client.quotas.delete(row["project"], service)

        named = {"key": row["key"], "name": self._project}
        self.ask_name(_("Back to the Defaults"), named, reset, _("All limits of the project, of every service."))
