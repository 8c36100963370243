"""What is typed wrong gets a clear answer on stderr, nothing on stdout, and exit code 2."""

from __future__ import annotations

import pytest

from tuinova.cli.main import NOUNS, all_commands, main


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["srever", "list"], "Did you mean 'server'?"),
        (["server", "list", "-long"], "Did you mean --long?"),
        (["server", "list", "--no-such"], "No such option"),
        (["server", "show"], "Missing argument"),
        (["server", "list", "-f", "shell"], "invalid choice: 'shell'"),
        (["server", "reboot", "--hard", "--soft", "x"], "not allowed with argument"),
        (["server", "create", "--flavor", "f", "--image", "i", "--property", "novalue", "x"], "Expected 'key=value'"),
        (["server", "list", "--power-state", "on"], "invalid choice: 'on'"),
        (["server", "list", "--status", "actve"], "argument --status: invalid choice: 'ACTVE' (choose from ACTIVE, "),
        (["server", "event", "show"], "Usage: tuinova server event show [OPTIONS] <server> <request-id>\n"),
        (["server", "event", "show"], "tuinova server event show: Missing argument '<server>'."),
        (
            ["server", "create", "--flavor", "f", "--image", "i", "--config-drive", "none", "x"],
            "invalid choice: 'None'",
        ),
        (["--os-username"], "expected one argument"),
        (["help", "nothing"], "is not a tuinova command"),
        (["console", "attach", "--detach-key", "q", "vm1"], "is not a control key"),
    ],
)
def test_wrong_usage_says_what_and_exits_2(typed: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(typed)
    output = capsys.readouterr()
    assert code == 2
    assert said in output.err
    assert output.out == ""


@pytest.mark.parametrize("words", [["server"], ["server", "list"], ["server", "resize", "confirm"], ["info"]])
def test_the_short_help_option_works_everywhere(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "-h"]) == 0
    assert f"Usage: tuinova {' '.join(words)} [OPTIONS]" in capsys.readouterr().out


def test_help_of_a_noun_lists_the_commands_that_begin_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "server", "event"]) == 0
    output = capsys.readouterr().out
    assert "server event list" in output
    assert "server event show" in output
    assert "flavor" not in output


def test_help_names_every_noun(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    output = capsys.readouterr().out
    for noun in NOUNS:
        assert f"  {noun}" in output


def test_every_command_has_a_help_line() -> None:
    commands = all_commands()
    assert len(commands) > 50
    assert [name for name, text in commands if not text] == []


def test_no_arguments_print_help_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: tuinova" in capsys.readouterr().out
