"""Commands of several words: the longest name wins, each verb's module is imported when it is typed."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
import typer.main

from tuinova.cli.main import all_commands, main
from tuinova.cli.server import MODULES


@pytest.mark.parametrize("module", sorted(set(MODULES.values())))
def test_each_module_holds_the_words_that_lead_to_it(module: str) -> None:
    names = typer.main.get_group(importlib.import_module(module).app).commands
    assert {name.split()[0] for name in names} == {word for word, place in MODULES.items() if place == module}


def test_a_verb_imports_no_other_verb() -> None:
    code = """
import sys
from tuinova.cli.main import command_of
command_of("server").commands["list"]
print(*sorted(name for name in sys.modules if name.startswith("tuinova.cli.server_")))
print("rich" in sys.modules, "sqlmodel" in sys.modules, "textual" in sys.modules)
"""
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.split("\n")[:2] == ["tuinova.cli.server_cells tuinova.cli.server_list", "False False False"]


def test_every_action_of_openstack_has_its_command() -> None:
    names = {name for name, _text in all_commands()}
    wanted = """
    resize|resize confirm|resize revert|migrate|migrate confirm|migrate revert|migration list|migration show
    migration abort|migration force complete|migration confirm|migration revert|evacuate|rebuild|rescue|unrescue
    shelve|unshelve|image create|backup create|restore|delete|dump create|set|unset|show|actions|group create|ssh
    """
    assert {f"server {name.strip()}" for line in wanted.split("\n") for name in line.split("|") if name.strip()} < names


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        (["server", "resize", "--help"], "Usage: tuinova server resize [OPTIONS]"),
        (["server", "resize", "confirm", "--help"], "Usage: tuinova server resize confirm [OPTIONS]"),
        (["server", "migration", "force", "complete", "--help"], "Usage: tuinova server migration force complete ["),
        (["help", "server", "resize"], "Usage: tuinova server resize [OPTIONS]"),
        (["help", "server", "migration", "abort"], "Usage: tuinova server migration abort [OPTIONS]"),
    ],
)
def test_the_longest_name_wins(words: list[str], usage: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert usage in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rezise", "x"], "No such command 'rezise'. Did you mean"),
        (["migration"], "'migration' goes on with: 'migration abort', 'migration confirm'"),
        (["migration", "lst"], "No such command 'migration lst'. Did you mean 'migration list'?"),
        (["migration", "force", "1"], "No such command 'migration force 1'."),
        (["image", "--wait"], "'image' goes on with: 'image create'"),
        (["resize", "confirm"], "Missing argument '<server>'"),
        (["resize", "vm1"], "one of the arguments --flavor --confirm --revert is required"),
        (["resize", "--confirm", "--revert", "vm1"], "argument --revert: not allowed with argument --confirm"),
        (["resize", "confirm", "-wait", "vm1"], "No such option"),
        (["migrate", "-live-migration", "vm1"], "Did you mean --live-migration?"),
        (["migrate", "--block-migration", "--shared-migration", "vm1"], "not allowed with argument"),
        (["migration", "list", "--type", "cold"], "invalid choice: 'cold' (choose from evacuation, live-migration"),
        (["unshelve", "--availability-zone", "z", "--no-availability-zone", "vm1"], "not allowed with argument"),
        (["rebuild", "--key-name", "k", "--no-key-name", "vm1"], "not allowed with argument --key-name"),
        (["set", "--password", "x", "--root-password", "vm1"], "not allowed with argument --password"),
        (["set", "--state", "paused", "vm1"], "argument --state: invalid choice: 'paused'"),
        (["show", "--diagnostics", "--topology", "vm1"], "not allowed with argument --diagnostics"),
        (["group", "create", "--policy", "near", "g"], "argument --policy: invalid choice: 'near'"),
        (["group", "create", "--rule", "most=1", "g"], "there is no rule 'most'"),
        (["ssh", "-4", "-6", "vm1"], "argument -6: not allowed with argument -4"),
    ],
)
def test_wrong_usage_says_what_and_exits_2(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["server", *words])
    output = capsys.readouterr()
    assert (code, output.out) == (2, "")
    assert said in output.err
