"""Whether the command line takes a command that a screen shows."""

from __future__ import annotations

from tuinova.cli.main import command_of


def assert_parses(words: list[str]) -> None:
    """The words after a shell: the command line takes them; nothing is run."""
    assert words[0] == "tuinova"
    command, rest = command_of(words[1]), words[2:]
    while hasattr(command, "commands"):
        group = command.make_context("tuinova", rest)
        _name, command, rest = command.resolve_command(group, rest)
    command.make_context("tuinova", rest)
