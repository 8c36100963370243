"""The action registry: every action of the TUI is one row; keys, footer, menus, help and palette are made from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from shlex import join
from typing import Any

from tuinova.core.states import ACTION_BY_NAME, Action, Confirm, GuardFacts, Refusal, Why, guard
from tuinova.i18n import N_, _
from tuinova.screens.rows import Row

Arguments = Callable[..., list[str]]


@dataclass(frozen=True, slots=True)
class TuiAction:
    """One action of the TUI.

    `label` is Nova's dashboard's; `short` stands in the footer. `scope`: "server" rows act on servers and stand in the
    action menu under `group`; "table", "app" and "page" rows are commands of that place. `key` is Textual's name of a
    key, `letter` the one in the menu. `nova` names the row of `core.states.ACTIONS` that it performs, `body` its
    payload. `changes`: refused with --read-only. `arguments(*names)` is the equivalent command after `tuinova`.
    `footer`: place in the footer, 0 for none.
    """

    id: str
    label: str
    scope: str
    key: str = ""
    short: str = ""
    letter: str = ""
    group: str = ""
    nova: str = ""
    body: Any = None
    many: bool = True
    changes: bool = False
    footer: int = 0
    arguments: Arguments | None = None
    help: str = ""
    alias: tuple[str, ...] = field(default=())

    @property
    def row(self) -> Action | None:
        """The row of Nova's table, None for an action of our own."""
        return ACTION_BY_NAME.get(self.nova) if self.nova else None

    @property
    def confirm(self) -> Confirm:
        """How it is asked for."""
        return self.row.confirm if self.row else Confirm.NONE

    @property
    def footer_label(self) -> str:
        """The word in the footer."""
        return _(self.short or self.label)


def _server(*words: str) -> Arguments:
    return lambda *names: ["server", *words, *names]


GROUPS = {
    "look": N_("Look"),
    "power": N_("Power"),
    "freeze": N_("Pause and suspend"),
    "size": N_("Size and place"),
    "disk": N_("Disk and image"),
    "guard": N_("Lock and state"),
    "end": N_("End"),
}


def _nova(
    action_id: str,
    label: str,
    short: str,
    letter: str,
    group: str,
    nova: str,
    arguments: Arguments,
    *,
    key: str = "",
    body: Any = None,
    many: bool = True,
    help: str = "",
) -> TuiAction:
    return TuiAction(
        action_id,
        label,
        "server",
        key=key,
        short=short,
        letter=letter,
        group=group,
        nova=nova,
        body=body,
        many=many,
        changes=True,
        arguments=arguments,
        help=help,
    )


def _look(
    action_id: str, label: str, short: str, letter: str, arguments: Arguments, key: str, footer: int = 0, help: str = ""
) -> TuiAction:
    return TuiAction(
        action_id,
        label,
        "server",
        key=key,
        short=short,
        letter=letter,
        group="look",
        many=False,
        arguments=arguments,
        footer=footer,
        help=help,
    )


SERVER_ACTIONS: tuple[TuiAction, ...] = (
    _look("open", N_("Overview"), N_("Open"), "o", _server("show"), "", help=N_("The server's page.")),
    _look(
        "console",
        N_("Console"),
        N_("Console"),
        "c",
        lambda name: ["console", "attach", name],
        "c",
        help=N_("The serial console, live."),
    ),
    _look("log", N_("View Log"), N_("Log"), "v", lambda name: ["console", "log", "show", name], "l"),
    _look("events", N_("Action Log"), N_("Action Log"), "g", _server("event", "list"), ""),
    _look("schedule", N_("Why this host"), N_("Schedule"), "w", _server("schedule", "show"), "w"),
    TuiAction(
        "edit",
        N_("Edit Instance"),
        "server",
        key="e",
        short=N_("Edit"),
        letter="e",
        group="look",
        many=False,
        changes=True,
        arguments=_server("set", "--name", "NAME", "--property", "KEY=VALUE"),
        help=N_("Name, description and properties."),
    ),
    _nova("start", N_("Start Instance"), N_("Start"), "s", "power", "start", _server("start"), key="s"),
    _nova(
        "stop",
        N_("Shut Off Instance"),
        N_("Shut Off"),
        "f",
        "power",
        "stop",
        _server("stop"),
        key="S",
        help=N_("Asks the guest to shut down; when it does not in time, its power is cut."),
    ),
    _nova(
        "reboot",
        N_("Soft Reboot Instance"),
        N_("Reboot"),
        "b",
        "power",
        "reboot",
        _server("reboot"),
        key="b",
        body={"type": "SOFT"},
        help=N_("Asks the guest to restart; when it does not answer, its power is cut and given again."),
    ),
    _nova(
        "reboot-hard",
        N_("Hard Reboot Instance"),
        N_("Hard Reboot"),
        "h",
        "power",
        "reboot-hard",
        _server("reboot", "--hard"),
        key="B",
        body={"type": "HARD"},
        help=N_("Cuts the power and gives it again: what the guest has not saved is lost."),
    ),
    _nova(
        "pause",
        N_("Pause Instance"),
        N_("Pause"),
        "p",
        "freeze",
        "pause",
        _server("pause"),
        help=N_("Freezes the guest; its memory stays in use."),
    ),
    _nova("unpause", N_("Unpause Instance"), N_("Unpause"), "u", "freeze", "unpause", _server("unpause")),
    _nova(
        "suspend",
        N_("Suspend Instance"),
        N_("Suspend"),
        "d",
        "freeze",
        "suspend",
        _server("suspend"),
        help=N_("Saves the guest's memory to disk and stops it."),
    ),
    _nova("resume", N_("Resume Instance"), N_("Resume"), "r", "freeze", "resume", _server("resume")),
    _nova(
        "resize", N_("Resize Instance"), N_("Resize"), "z", "size", "resize", _server("resize", "--flavor", "FLAVOR")
    ),
    _nova(
        "confirm-resize",
        N_("Confirm Resize/Migrate"),
        N_("Confirm Resize"),
        "y",
        "size",
        "confirmResize",
        _server("resize", "confirm"),
    ),
    _nova(
        "revert-resize",
        N_("Revert Resize/Migrate"),
        N_("Revert Resize"),
        "x",
        "size",
        "revertResize",
        _server("resize", "revert"),
    ),
    _nova("migrate", N_("Migrate Instance"), N_("Migrate"), "m", "size", "migrate", _server("migrate")),
    _nova(
        "live-migrate",
        N_("Live Migrate Instance"),
        N_("Live Migrate"),
        "M",
        "size",
        "os-migrateLive",
        _server("migrate", "--live-migration"),
    ),
    _nova("evacuate", N_("Evacuate Instance"), N_("Evacuate"), "V", "size", "evacuate", _server("evacuate")),
    _nova(
        "rebuild",
        N_("Rebuild Instance"),
        N_("Rebuild"),
        "i",
        "disk",
        "rebuild",
        _server("rebuild"),
        help=N_("The root disk is made anew from the image: what is on it is lost."),
    ),
    _nova("rescue", N_("Rescue Instance"), N_("Rescue"), "q", "disk", "rescue", _server("rescue")),
    _nova("unrescue", N_("Unrescue Instance"), N_("Unrescue"), "Q", "disk", "unrescue", _server("unrescue")),
    _nova("shelve", N_("Shelve Instance"), N_("Shelve"), "j", "disk", "shelve", _server("shelve")),
    _nova(
        "shelve-offload",
        N_("Shelve Offload Instance"),
        N_("Offload"),
        "J",
        "disk",
        "shelveOffload",
        _server("shelve", "--offload"),
    ),
    _nova("unshelve", N_("Unshelve Instance"), N_("Unshelve"), "k", "disk", "unshelve", _server("unshelve")),
    _nova("snapshot", N_("Create Snapshot"), N_("Snapshot"), "n", "disk", "createImage", _server("image", "create")),
    _nova("backup", N_("Create Backup"), N_("Backup"), "N", "disk", "createBackup", _server("backup", "create")),
    _nova("lock", N_("Lock Instance"), N_("Lock"), "l", "guard", "lock", _server("lock"), key="L"),
    _nova("unlock", N_("Unlock Instance"), N_("Unlock"), "U", "guard", "unlock", _server("unlock"), key="U"),
    _nova(
        "password",
        N_("Change Password"),
        N_("Password"),
        "P",
        "guard",
        "changePassword",
        _server("set", "--password", "PASSWORD"),
    ),
    _nova(
        "crash-dump",
        N_("Trigger Crash Dump"),
        N_("Crash Dump"),
        "K",
        "guard",
        "trigger_crash_dump",
        _server("dump", "create"),
    ),
    _nova(
        "reset-active",
        N_("Reset State to Active"),
        N_("Reset State"),
        "a",
        "guard",
        "resetState",
        _server("set", "--state", "active"),
        body={"state": "active"},
        help=N_("Changes the record only: the guest is not touched."),
    ),
    _nova(
        "reset-error",
        N_("Reset State to Error"),
        N_("Reset State"),
        "E",
        "guard",
        "resetState",
        _server("set", "--state", "error"),
        body={"state": "error"},
        help=N_("Changes the record only: the guest is not touched."),
    ),
    _nova("restore", N_("Restore Instance"), N_("Restore"), "R", "end", "restore", _server("restore")),
    _nova(
        "delete",
        N_("Delete Instance"),
        N_("Delete"),
        "D",
        "end",
        "delete",
        _server("delete"),
        key="D",
        help=N_("The disk, the console log and the address are gone for good."),
    ),
    _nova(
        "force-delete",
        N_("Force Delete Instance"),
        N_("Force Delete"),
        "F",
        "end",
        "forceDelete",
        _server("delete", "--force"),
        help=N_("The disk, the console log and the address are gone for good."),
    ),
)


def _place(
    action_id: str,
    label: str,
    scope: str,
    key: str,
    short: str = "",
    footer: int = 0,
    help: str = "",
    changes: bool = False,
    alias: tuple[str, ...] = (),
) -> TuiAction:
    return TuiAction(
        action_id, label, scope, key=key, short=short, footer=footer, help=help, changes=changes, alias=alias
    )


PLACE_ACTIONS: tuple[TuiAction, ...] = (
    _place("open", N_("Open the server's page"), "table", "enter", N_("Open"), 2),
    _place(
        "likely", N_("The row's likely action"), "table", "x", help=N_("Named in the footer for each row."), footer=1
    ),
    _place("menu", N_("Action menu"), "table", "a", N_("Actions"), 3),
    _place("launch", N_("Launch Instance"), "table", "n", N_("Launch"), 4, changes=True),
    _place("filter", N_("Filter"), "table", "slash", N_("Filter"), 5, N_("status:active !name:web 10.0 locked:yes")),
    _place("mark", N_("Mark the row"), "table", "space", N_("Mark"), 6),
    _place("mark-all", N_("Mark all that the filter shows"), "table", "asterisk"),
    _place("invert", N_("Invert the marks"), "table", "i"),
    _place(
        "sort", N_("Sort by a column"), "table", "o", N_("Sort"), 8, N_("The same column again turns the direction.")
    ),
    _place("columns", N_("Choose the columns"), "table", "C"),
    _place("copy", N_("Show the command line"), "table", "y", N_("Command")),
    _place("all-projects", N_("All projects"), "table", "P"),
    _place("actions", N_("Action menu"), "page", "a", N_("Actions"), 3),
    _place("tab", N_("Next tab"), "page", "tab", N_("Tab"), 2),
    _place("back", N_("Back"), "page", "escape", N_("Back"), 1, alias=("q", "backspace")),
    _place("reload", N_("Refresh"), "app", "r", N_("Refresh")),
    _place("project", N_("Switch project or user"), "app", "p", N_("Project")),
    _place("theme", N_("Theme"), "app", "t"),
    _place("language", N_("Language"), "app", ""),
    _place("command", N_("Command line"), "app", "colon", N_("Command"), 9, N_("The command line's grammar.")),
    _place("palette", N_("Command palette"), "app", "ctrl+p"),
    _place("help", N_("Help"), "app", "question_mark", N_("Help"), 10, alias=("f1",)),
    _place("quit", N_("Quit"), "app", "q", N_("Quit"), 11, alias=("ctrl+q",)),
)
BY_ID: dict[str, TuiAction] = {action.id: action for action in SERVER_ACTIONS}
KEY_TEXT = {
    "slash": "/",
    "asterisk": "*",
    "colon": ":",
    "question_mark": "?",
    "enter": "⏎",
    "escape": "Esc",
    "space": "Space",
    "tab": "Tab",
    "ctrl+p": "^P",
    "ctrl+q": "^Q",
    "f1": "F1",
    "backspace": "⌫",
}


def key_text(key: str) -> str:
    """A key as it is printed on a screen."""
    return KEY_TEXT.get(key, key)


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
        return _("not in this version")
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
        return _("while {task} runs").format(task=_(task)) if task else _("only while a task runs")
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


def command_line(action: TuiAction, *names: str) -> str:
    """The equivalent command for servers, quoted for a shell; names that start with a dash follow `--`."""
    if action.arguments is None:
        return ""
    words = action.arguments(*names)
    if any(name.startswith("-") for name in names):
        words = [*words[: len(words) - len(names)], "--", *names]
    return join(["tuinova", *words])
