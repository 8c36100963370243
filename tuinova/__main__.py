"""The one entry: the TUI on a terminal, the service, else the command line. Each is imported only when it is it."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run tuinova with this process's arguments; the exit code."""
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe left (head, less): no error of ours, and the interpreter must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def run(arguments: list[str]) -> int:
    """The service, the TUI or a command."""
    if arguments[:1] == ["serve"]:
        from tuinova.core.serve import main as serve

        return serve(arguments[1:])
    if _wants_tui(arguments):
        from tuinova.screens.main import main as tui

        return tui(arguments)
    from tuinova.cli.main import main as cli

    return cli(arguments)


def _wants_tui(arguments: list[str]) -> bool:
    """No command at all on a terminal, or only options of the TUI; `tui` says it outright."""
    if arguments[:1] == ["tui"]:
        return True
    if any(not argument.startswith("-") for argument in _without_values(arguments)):
        return False
    if any(argument in ("-h", "--help", "--version") for argument in arguments):
        return False
    if any(argument in ("--demo", "--read-only") for argument in arguments):
        return True
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()


def _without_values(arguments: list[str]) -> list[str]:
    """The arguments without the values of options that take one."""
    kept: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        kept.append(argument)
        if argument in ("--os-username", "--os-project-name", "--url", "--theme"):
            next(waiting, None)
    return kept


if __name__ == "__main__":
    sys.exit(main())
