"""The action registry: every action of the TUI is one row; keys, footer, menus, help and palette are made from it.

The rows stand in `server_actions` (and what it puts together) and `place_actions`; here is what is asked of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from shlex import join

from tuinova.core.states import GuardFacts, Refusal, Why, guard
from tuinova.i18n import N_, _
from tuinova.screens.place_actions import PLACE_ACTIONS
from tuinova.screens.rows import Row
from tuinova.screens.server_actions import GROUPS, SERVER_ACTIONS
from tuinova.screens.tui_action import TuiAction, key_text

__all__ = ["BY_ID", "GROUPS", "PLACE_ACTIONS", "SERVER_ACTIONS", "TuiAction", "key_text"]

BY_ID: dict[str, TuiAction] = {action.id: action for action in SERVER_ACTIONS}


def bindings(scope: str) -> list[tuple[str, str, str]]:
    """Textual bindings of a scope: (keys, action, description); server actions run through `act(id)`."""
    rows: list[tuple[str, str, str]] = []
    for action in PLACE_ACTIONS:
        if action.scope == scope and action.key:
            keys = ",".join((action.key, *action.alias))
            rows.append((keys, action.id.replace("-", "_"), action.label))
    return rows


def server_bindings() -> list[tuple[str, str, str]]:
    """The direct keys of server actions."""
    return [(action.key, f"act('{action.id}')", action.label) for action in SERVER_ACTIONS if action.key]


# What the rows of Nova's table say of what is not served.
UNSERVED = (
    N_("It comes with the next version."),
    N_("There are no networks of one's own yet: every server has one port."),
)


# legality ------------------------------------------------------------------------------------------------------------
def facts_of(row: Row) -> GuardFacts:
    """What Nova's guards look at, from a row view."""
    return GuardFacts(
        vm_state=row["vm_state"],
        task_state=row.get("task_state"),
        locked=bool(row.get("locked")),
        launched=bool(row.get("launched")),
        has_host=bool(row.get("host")),
    )


def refusal(action: TuiAction, row: Row, roles: Sequence[str]) -> str:
    """Why the action is not legal for this row now, as a sentence; empty when it is."""
    nova = action.row
    if nova is None:
        return ""
    refused = guard(nova, facts_of(row), roles)
    return "" if refused is None else reason_text(refused, row)


def reason_text(refused: Refusal, row: Row) -> str:
    """A refusal as the operator reads it."""
    if refused.why is Why.VERSION:
        return _(refused.action.unserved)
    if refused.why is Why.ROLE:
        return _("needs the role {role}").format(role=refused.value)
    if refused.why is Why.LOCK:
        reason = row.get("locked_reason")
        return _("locked: {reason}").format(reason=reason) if reason else _("locked; an admin may")
    if refused.why is Why.HOST:
        return _("has no host yet")
    if refused.why is Why.VM_STATE:
        return _("not while {status}").format(status=_(row["status"]))
    if refused.why is Why.TASK_STATE:
        task = refused.value
        if task:
            return _("while {task} runs").format(task=_(task))
        wanted = ", ".join(_(one) for one in sorted(filter(None, refused.action.task_states or ())))
        return _("only while {task} runs").format(task=wanted)
    return _("was never launched")


LIKELY = {
    "ACTIVE": "console",
    "SHUTOFF": "start",
    "PAUSED": "unpause",
    "SUSPENDED": "resume",
    "VERIFY_RESIZE": "confirm-resize",
    "SHELVED": "unshelve",
    "SHELVED_OFFLOADED": "unshelve",
    "RESCUE": "unrescue",
    "SOFT_DELETED": "restore",
    "MIGRATING": "abort-migration",
    "ERROR": "open",
    "BUILD": "log",
}
LIKELY_LABEL = {"ERROR": N_("Show Fault")}


def row_action(row: Row) -> TuiAction:
    """The row's likely action: what one key runs."""
    return BY_ID[LIKELY.get(row["status"], "open")]


def likely_label(row: Row) -> str:
    """The word that the footer shows for the likely action."""
    label = LIKELY_LABEL.get(row["status"])
    return _(label) if label else row_action(row).footer_label


def command_line(action: TuiAction, *names: str, options: Sequence[str] | None = None) -> str:
    """The equivalent command for servers, quoted for a shell; names that start with a dash follow `--`.

    A command that takes one server stands in a loop over several.
    """
    if not action.command:
        return ""
    words = ["tuinova", *action.command, *(action.sample if options is None else options)]
    if any(name.startswith("-") for name in names):
        words.append("--")
    if action.alone and len(names) > 1:
        last = f" {join(action.after)}" if action.after else ""
        return f'for server in {join(names)}; do {join(words)} "$server"{last}; done'
    return join([*words, *names, *action.after])
