"""The actions on servers: every row of Nova's table in its dashboard's words, and what we look at beside them."""

from __future__ import annotations

from typing import Any

from tuinova.i18n import N_
from tuinova.screens.disk_actions import ATTACHMENTS, DISKS
from tuinova.screens.move_actions import MOVES
from tuinova.screens.tui_action import TuiAction, server_action

GROUPS = {
    "look": N_("Look"),
    "power": N_("Power"),
    "freeze": N_("Pause and suspend"),
    "size": N_("Size and place"),
    "disk": N_("Disk and image"),
    "attach": N_("Volumes and networks"),
    "guard": N_("Lock and state"),
    "end": N_("End"),
}


def _look(action_id: str, label: str, short: str, letter: str, command: str, **more: Any) -> TuiAction:
    words = tuple(command.split())
    return TuiAction(
        action_id, label, "server", short=short, letter=letter, group="look", many=False, command=words, **more
    )


LOOKS = (
    _look("open", N_("Overview"), N_("Open"), "o", "server show", help=N_("The server's page.")),
    _look(
        "console",
        N_("Console"),
        N_("Console"),
        "c",
        "console attach",
        key="c",
        help=N_("The serial console, live."),
    ),
    _look("log", N_("View Log"), N_("Log"), "v", "console log show", key="l"),
    _look("events", N_("Action Log"), N_("Action Log"), "g", "server event list"),
    _look("schedule", N_("Why this host"), N_("Schedule"), "w", "server schedule show", key="w"),
    _look("moves", N_("Migrations"), N_("Migrations"), "t", "server migration list", sample=("--server",)),
    _look(
        "diagnostics",
        N_("Diagnostics"),
        N_("Diagnostics"),
        "G",
        "server show",
        sample=("--diagnostics",),
        nova="get_diagnostics",
        help=N_("What the guest uses of processor, memory, disks and network, live."),
    ),
    _look(
        "edit",
        N_("Edit Instance"),
        N_("Edit"),
        "e",
        "server set",
        key="e",
        changes=True,
        sample=("--name", "NAME", "--property", "KEY=VALUE"),
        help=N_("Name, description and properties."),
    ),
)
POWER = (
    server_action("start", N_("Start Instance"), N_("Start"), "s", "power", "start", nova="start", key="s"),
    server_action(
        "stop",
        N_("Shut Off Instance"),
        N_("Shut Off"),
        "f",
        "power",
        "stop",
        nova="stop",
        key="S",
        help=N_("Asks the guest to shut down; when it does not in time, its power is cut."),
    ),
    server_action(
        "reboot",
        N_("Soft Reboot Instance"),
        N_("Reboot"),
        "b",
        "power",
        "reboot",
        nova="reboot",
        alone=True,
        key="b",
        body={"type": "SOFT"},
        help=N_("Asks the guest to restart; when it does not answer, its power is cut and given again."),
    ),
    server_action(
        "reboot-hard",
        N_("Hard Reboot Instance"),
        N_("Hard Reboot"),
        "h",
        "power",
        "reboot",
        nova="reboot-hard",
        alone=True,
        sample=("--hard",),
        key="B",
        body={"type": "HARD"},
        help=N_("Cuts the power and gives it again: what the guest has not saved is lost."),
    ),
    server_action(
        "pause",
        N_("Pause Instance"),
        N_("Pause"),
        "p",
        "freeze",
        "pause",
        nova="pause",
        help=N_("Freezes the guest; its memory stays in use."),
    ),
    server_action("unpause", N_("Unpause Instance"), N_("Unpause"), "u", "freeze", "unpause", nova="unpause"),
    server_action(
        "suspend",
        N_("Suspend Instance"),
        N_("Suspend"),
        "d",
        "freeze",
        "suspend",
        nova="suspend",
        help=N_("Saves the guest's memory to disk and stops it."),
    ),
    server_action("resume", N_("Resume Instance"), N_("Resume"), "r", "freeze", "resume", nova="resume"),
)
_RECORD_ONLY = N_("Changes the record only: the guest is not touched.")
GUARDS = (
    server_action("lock", N_("Lock Instance"), N_("Lock"), "l", "guard", "lock", nova="lock", key="L"),
    server_action("unlock", N_("Unlock Instance"), N_("Unlock"), "U", "guard", "unlock", nova="unlock", key="U"),
    server_action(
        "password",
        N_("Change Password"),
        N_("Password"),
        "P",
        "guard",
        "set",
        nova="changePassword",
        alone=True,
        sample=("--password", "PASSWORD"),
        form="tuinova.screens.forms.password:PasswordForm",
        help=N_("The guest's agent sets its administrator's password; a guest without one refuses."),
    ),
    server_action(
        "crash-dump",
        N_("Trigger Crash Dump"),
        N_("Crash Dump"),
        "K",
        "guard",
        "dump create",
        nova="trigger_crash_dump",
        help=N_("Sends the guest an interrupt: its kernel writes a dump where it is set up for it, others stop."),
    ),
    server_action(
        "reset-active",
        N_("Reset State to Active"),
        N_("Reset State"),
        "a",
        "guard",
        "set",
        nova="resetState",
        alone=True,
        sample=("--state", "active"),
        body={"state": "active"},
        help=_RECORD_ONLY,
    ),
    server_action(
        "reset-error",
        N_("Reset State to Error"),
        N_("Reset State"),
        "E",
        "guard",
        "set",
        nova="resetState",
        alone=True,
        sample=("--state", "error"),
        body={"state": "error"},
        help=_RECORD_ONLY,
    ),
)
_GONE = N_("The disk, the console log and the address are gone for good.")
ENDS = (
    server_action("restore", N_("Restore Instance"), N_("Restore"), "R", "end", "restore", nova="restore"),
    server_action(
        "delete", N_("Delete Instance"), N_("Delete"), "D", "end", "delete", nova="delete", key="D", help=_GONE
    ),
    server_action(
        "force-delete",
        N_("Force Delete Instance"),
        N_("Force Delete"),
        "F",
        "end",
        "delete",
        nova="forceDelete",
        sample=("--force",),
        help=_GONE,
    ),
)
SERVER_ACTIONS: tuple[TuiAction, ...] = (*LOOKS, *POWER, *MOVES, *DISKS, *ATTACHMENTS, *GUARDS, *ENDS)
