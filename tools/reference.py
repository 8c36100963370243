"""The manual's reference pages, made from the code: commands, keys, configuration.

`python tools/reference.py` fails when a page is out of date, so an undocumented command, key or option fails the build;
`--update` writes them.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ["TUINOVA_LANG"] = "en"

MANUAL = Path(__file__).resolve().parent.parent / "docs" / "manual"
HEAD = "<!-- Made by tools/reference.py --update: edit the code, not this page. -->\n"


def cell(text: object) -> str:
    """Text for a table cell."""
    return str(text).replace("|", "\\|").replace("\n", " ")


def commands_page() -> str:
    """Every command with its arguments and options."""
    from tuinova.cli.main import _GLOBAL, NOUNS, PROCESSES, command_of

    lines = [HEAD, "# Commands", "", "Global options: " + ", ".join(f"`{name}`" for name in _GLOBAL) + "."]
    lines += ["", "List and show commands also take the output options of `openstack`: `-f`, `-c`, `--max-width`,"]
    lines += ["`--fit-width`, `--print-empty`, `--noindent`, `--prefix`, `--sort-column`, `--quote`.", ""]
    for noun in NOUNS:
        for name, command in leaves(noun, command_of(noun)):
            lines += [f"## `tuinova {name}`", "", command.get_short_help_str(200), ""]
            lines += list(parameters(command))
    for name, text in PROCESSES.items():
        lines += [f"## `tuinova {name}`", "", text, ""]
    return "\n".join(lines)


def leaves(prefix: str, command: Any) -> Iterator[tuple[str, Any]]:
    """The commands below a group, with their full words."""
    children = getattr(command, "commands", None)
    if children is None:
        yield prefix, command
        return
    for name in sorted(children):
        yield from leaves(f"{prefix} {name}", children[name])


def parameters(command: Any) -> Iterator[str]:
    """A line for each argument and option that is the command's own."""
    rows = []
    for parameter in command.params:
        if parameter.name.startswith("out_") or parameter.name == "help":
            continue
        shown = ", ".join(parameter.opts) if parameter.param_type_name == "option" else parameter.make_metavar(None)
        rows.append(f"| `{cell(shown)}` | {cell(getattr(parameter, 'help', '') or '')} |")
    if rows:
        yield from ("| | |", "| --- | --- |", *rows, "")


def keys_page() -> str:
    """Every key of the interface, from the action registry and the rooms."""
    from tuinova.screens.actions import PLACE_ACTIONS, SERVER_ACTIONS, command_line, key_text
    from tuinova.screens.rooms import ROOMS
    from tuinova.screens.widgets.console_pane import COMMANDS

    lines = [HEAD, "# Keys", "", "`?` shows these in the interface, `a` the menu of a server's actions.", ""]
    lines += ["## Actions on servers", "", "| key | in the menu | action | command |", "| --- | --- | --- | --- |"]
    for action in SERVER_ACTIONS:
        command = command_line(action, "NAME")
        cells = (key_text(action.key), action.letter, action.label, f"`{command}`" if command else "")
        lines.append("| " + " | ".join(cell(value) for value in cells) + " |")
    sections: dict[str, list[tuple[str, str]]] = {}
    for action in PLACE_ACTIONS:
        keys = " ".join(key_text(key) for key in (action.key, *action.alias))
        sections.setdefault(_SCOPES.get(action.scope, action.scope), []).append((keys, action.label))
    for label, actions in (found for room in ROOMS[1:] for found in _lists(room)):
        sections[f"In {label}"] = [(key_text(action.key), action.label) for action in actions]
    sections["In the console, after the detach key"] = [(key, word) for key, word, _method in COMMANDS]
    for title, rows in sections.items():
        lines += ["", f"## {title}", "", "| key | what it does |", "| --- | --- |"]
        lines += [f"| {cell(key)} | {cell(text)} |" for key, text in rows if key]
    return "\n".join(lines)


def _lists(room: Any) -> Iterator[tuple[str, Sequence[Any]]]:
    """A room's name and actions, or those of each of its lists."""
    from tuinova.screens.list_room import COMMON_ACTIONS, ListRoom

    module, _colon, name = room.factory.partition(":")
    view = getattr(importlib.import_module(module), name)
    parts = getattr(view, "PARTS", ())
    for part in parts:
        for _label, actions in _lists(part):
            yield f"{room.label}: {part.label}", (*actions, *view.TURNS)
    if not parts:
        yield room.label, (*view.ACTIONS, *(COMMON_ACTIONS if issubclass(view, ListRoom) else ()))


_SCOPES = {"table": "In the instance table", "page": "On a server's page", "app": "Everywhere"}


def configuration_page() -> str:
    """Every option of the configuration file."""
    from tuinova.core.config import OPTIONS

    lines = [HEAD, "# Configuration", ""]
    lines += [
        "TOML with Nova's groups, names and defaults. `tuinova config show` prints every value in force and where it"
    ]
    lines += ["came from; `TUINOVA_<GROUP>_<OPTION>` in the environment wins over the file."]
    for group in dict.fromkeys(option.group for option in OPTIONS):
        lines += ["", f"## [{group}]", "", "| option | default | Nova's default, where it differs | what it does |"]
        lines += ["| --- | --- | --- | --- |"]
        for option in OPTIONS:
            if option.group == group:
                nova = option.default_of_nova if option.differs_from_nova else "tuinova's own" if option.ours else ""
                cells = (f"`{option.name}`", f"`{option.default}`", nova, option.help)
                lines.append("| " + " | ".join(cell(value) for value in cells) + " |")
    return "\n".join(lines)


PAGES = {"commands.md": commands_page, "keys.md": keys_page, "configuration.md": configuration_page}


def main() -> int:
    """0 when every page is what the code says."""
    stale = []
    for name, make in PAGES.items():
        text = make().rstrip() + "\n"
        path = MANUAL / name
        if "--update" in sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
    for name in stale:
        print(f"docs/manual/{name} is out of date: run tools/reference.py --update")
    print(f"{len(PAGES)} pages, {len(stale)} out of date")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
