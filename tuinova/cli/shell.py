"""`tuinova shell`: a prompt for the commands of this program, also fed by a pipe."""

from __future__ import annotations

import shlex
import sys

import typer

from tuinova.cli.commands import new_app
from tuinova.cli.diagnostics import OK, USAGE, say
from tuinova.i18n import _

app = new_app(_("Interactive prompt"))
APPS = {"shell": app}
PROMPT = "(tuinova) "


def _complete_with(commands: list[str]) -> None:
    """Tab completes words of the commands."""
    import readline

    readline.set_completer_delims(" ")

    def complete(text: str, state: int) -> str | None:
        before = readline.get_line_buffer()[: readline.get_begidx()]
        start = before + text
        words = {name[len(before) :].split(" ")[0] for name in commands if name.startswith(start)}
        matching = sorted(words)
        return matching[state] + " " if state < len(matching) else None

    readline.set_completer(complete)
    readline.parse_and_bind("tab: complete")


@app.command("shell", help=_("An interactive prompt: help, exit, and every command without 'tuinova'"))
def shell() -> None:
    """Read commands until `exit` or the end; from a pipe, the last failure is the exit code."""
    from tuinova.cli.main import NOUNS, all_commands, run

    interactive = sys.stdin.isatty()
    if interactive:
        _complete_with([name for name, _help in all_commands()] + [f"help {noun}" for noun in NOUNS])
    code = OK
    while True:
        try:
            line = input(PROMPT if interactive else "")
        except EOFError:
            break
        except KeyboardInterrupt:
            print()
            continue
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            say(_("Can't read this line: {reason}").format(reason=error))
            code = USAGE
            continue
        if not words:
            continue
        if words[0] in ("exit", "quit"):
            break
        if words[0] == "shell":
            say(_("This is the shell already."))
            continue
        if result := run(words):
            code = result
    raise typer.Exit(0 if interactive else code)
