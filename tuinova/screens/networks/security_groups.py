"""Security groups and the editor of their rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuinova.i18n import N_, _
from tuinova.screens.fields_screen import CHOICE, PICK, FormField, Values
from tuinova.screens.list_room import Json, facts, room_action, room_bindings, text_column
from tuinova.screens.networks.base import NETWORK_KINDS, FieldsRoom, names, without_empty, word
from tuinova.screens.widgets.pick_list import Offer
from tuinova.screens.widgets.text_panel import Line, padded

_ACTIONS = (
    room_action("create", N_("Create Security Group"), N_("Create"), "n", 1, changes=True),
    room_action("rule", N_("Add Rule"), N_("Add Rule"), "a", 2, changes=True),
    room_action("drop_rule", N_("Delete Rule"), N_("Delete Rule"), "X", 3, changes=True),
    room_action("delete", N_("Delete Security Group"), N_("Delete"), "D", 4, changes=True),
)
PROTOCOLS = (("tcp", "TCP"), ("udp", "UDP"), ("icmp", "ICMP"), ("", N_("any")))
_PORTED = frozenset({"tcp", "udp"})


def rule_text(rule: Mapping[str, Any], groups: Mapping[str, str]) -> str:
    """A rule as a sentence without verbs: direction, protocol and ports, who."""
    way = "→" if rule["direction"] == "egress" else "←"
    low, high = rule.get("port_range_min"), rule.get("port_range_max")
    ports = "" if low is None else f" {low}" if low == high or high is None else f" {low}-{high}"
    who = rule.get("remote_ip_prefix")
    if rule.get("remote_group_id"):
        who = _("members of {group}").format(group=groups.get(rule["remote_group_id"], rule["remote_group_id"]))
    protocol = rule.get("protocol") or _("any")
    return f"{way} {rule['ethertype']} {protocol}{ports}  {who or _('anybody')}"


def rule_fields(groups: Sequence[Json]) -> list[FormField]:
    """The fields of a new rule."""
    offers = [Offer("", _("by address")), *(Offer(one["id"], word(one)) for one in groups)]
    directions = (("ingress", _("ingress")), ("egress", _("egress")))
    families = (("IPv4", "IPv4"), ("IPv6", "IPv6"))
    return [
        FormField("direction", _("Direction"), CHOICE, "ingress", choices=directions),
        FormField("ethertype", _("Ether type"), CHOICE, "IPv4", choices=families),
        FormField("protocol", _("Protocol"), CHOICE, "tcp", choices=[(value, _(label)) for value, label in PROTOCOLS]),
        FormField("ports", _("Ports"), placeholder="22, 8000-8080", when=lambda values: values["protocol"] in _PORTED),
        FormField("group", _("Members of"), PICK, "", offers=offers, placeholder=_("by address")),
        FormField("prefix", _("Addresses"), placeholder="0.0.0.0/0", when=lambda values: not values["group"]),
    ]


def rule_body(group: str, values: Values) -> Json:
    """Neutron's fields."""
    low, _dash, high = values["ports"].replace(":", "-").partition("-")
    return without_empty(
        {
            "security_group_id": group,
            "direction": values["direction"],
            "ethertype": values["ethertype"],
            "protocol": values["protocol"],
            "port_range_min": low.strip(),
            "port_range_max": (high or low).strip(),
            "remote_ip_prefix": values["prefix"],
            "remote_group_id": values["group"],
        }
    )


def rule_words(group: str, values: Values, groups: Mapping[str, str]) -> list[str]:
    """The command."""
    words = ["security", "group", "rule", "create", f"--{values['direction']}"]
    words += ["--ethertype", values["ethertype"]] if values["ethertype"] != "IPv4" else []
    words += ["--protocol", values["protocol"] or "any"]
    words += ["--dst-port", values["ports"].replace("-", ":")] if values["ports"] else []
    if values["group"]:
        words += ["--remote-group", groups[values["group"]]]
    elif values["prefix"]:
        words += ["--remote-ip", values["prefix"]]
    return [*words, group]


class SecurityGroupsList(FieldsRoom):
    """The project's groups, the rules of the one under the cursor below."""

    KINDS = NETWORK_KINDS
    ACTIONS = _ACTIONS
    BINDINGS = room_bindings(_ACTIONS)
    HINT = (N_("No security groups."), N_("n creates one."))
    COLUMNS = (
        text_column("name", N_("Name"), word, 10, 28, tone="name"),
        text_column("rules", N_("Rules"), lambda row: len(row.get("security_group_rules") or ()), 5, 6, right=True),
        text_column("description", N_("Description"), lambda row: row.get("description"), 10, 60),
    )
    DEFAULT_CSS = "SecurityGroupsList.-tall TextPanel { max-height: 60%; }"

    def read(self, client: Any) -> Sequence[Json]:
        groups = client.security_groups.list()
        by_id = names(groups)
        return [{**group, "_names": by_id} for group in groups]

    def details(self, row: Json) -> Sequence[Line]:
        lines = facts([("ID", row["id"])])
        for rule in self._rules(row):
            label = _("egress") if rule["direction"] == "egress" else _("ingress")
            lines.append([(padded(label, 18), "label"), (rule_text(rule, row["_names"]), "")])
        return lines

    @staticmethod
    def _rules(row: Json) -> list[Json]:
        rules = row.get("security_group_rules") or []
        return sorted(rules, key=lambda one: (one["direction"] == "egress", one["ethertype"], one["id"]))

    def action_create(self) -> None:
        """A group; it begins with all traffic out allowed."""
        fields = [FormField("name", _("Name"), required=True), FormField("description", _("Description"))]

        def words(values: Values) -> list[str]:
            described = ["--description", values["description"]] if values["description"] else []
            return ["security", "group", "create", *described, values["name"]]

        self.ask(
            _("Create Security Group"),
            fields,
            lambda client, values: client.security_groups.create(without_empty(values)),
            words,
        )

    def action_rule(self) -> None:
        """A rule of the group under the cursor; several ports or ranges make one rule each."""
        row = self.row
        if row is None:
            return
        groups = [{"id": ident, "name": name} for ident, name in row["_names"].items()]

        def send(client: Any, values: Values) -> Any:
            parts = [part.strip() for part in values["ports"].split(",") if part.strip()] or [""]
            bodies = [rule_body(row["id"], {**values, "ports": part}) for part in parts]
            return [client.security_group_rules.create(body) for body in bodies]

        self.ask(
            _("Add Rule"),
            rule_fields(groups),
            send,
            lambda values: rule_words(word(row), values, row["_names"]),
            note=_("Of the group {name}").format(name=word(row)),
        )

    def action_drop_rule(self) -> None:
        """One rule of the group under the cursor."""
        from tuinova.screens.pickers import Choice, Picker

        row = self.row
        if row is None or not self._rules(row) or self.tui.refuse_read_only(_("Delete Rule")):
            return
        choices = [Choice(rule["id"], rule_text(rule, row["_names"])) for rule in self._rules(row)]

        def picked(ident: str | None) -> None:
            if ident:
                self.change(_("Delete Rule"), lambda client: client.security_group_rules.delete(ident))

        self.tui.push_screen(Picker(_("Delete Rule"), choices), picked)

    def action_delete(self) -> None:
        """The group under the cursor."""
        self.delete_row(_("Delete Security Group"), "security_groups", _("A group that ports have is refused."))
