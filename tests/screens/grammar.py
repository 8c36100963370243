"""Whether the command line takes a command that a screen shows."""

from __future__ import annotations

from typing import Any

from tuinova.cli.main import command_of


def assert_parses(words: list[str]) -> dict[str, Any]:
    """The words after a shell: the command line takes them; nothing is run. Gives what each option came to."""
    assert words[0] == "tuinova"
    command, rest = command_of(words[1]), words[2:]
    while hasattr(command, "commands"):
        group = command.make_context("tuinova", rest)
        _name, command, rest = command.resolve_command(group, rest)
    params: dict[str, Any] = command.make_context("tuinova", rest).params
    return params
