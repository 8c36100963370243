"""What keys do in a place: the instance table, the server's page, everywhere."""

from __future__ import annotations

from tuinova.i18n import N_
from tuinova.screens.tui_action import TuiAction


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
    _place(
        "soft-deleted",
        N_("Soft-deleted instances too"),
        "table",
        "full_stop",
        help=N_("Where deleting waits before it is final, they can be restored."),
    ),
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
