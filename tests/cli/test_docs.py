"""What the manual tells people to type is what the command line takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuinova.cli.main import NOUNS, PROCESSES, command_of, split_globals

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "manual").glob("*.md"))]


def _variants(line: str) -> Iterator[str]:
    """A line of the manual as commands: once with and once without what is in brackets, each alternative of a word."""
    line = line.split("  #")[0].split(" > ")[0].strip()
    for text in dict.fromkeys((line.replace("[", " ").replace("]", " "), re.sub(r"\[[^\]]*\]", " ", line))):
        words = [word.split("|") for word in re.sub(r" \| ", "|", text).split()]
        most = max((len(choices) for choices in words), default=0)
        for at in range(most):
            yield " ".join(choices[min(at, len(choices) - 1)] for choices in words)


def _lines() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for line in page.read_text(encoding="utf-8").splitlines():
            if line.startswith("    tuinova ") and "tuinova --" not in line:
                found += [(page.name, variant) for variant in _variants(line.removeprefix("    tuinova "))]
    return found


@pytest.mark.parametrize(("page", "line"), _lines())
def test_the_manual_shows_commands_that_there_are(page: str, line: str) -> None:
    words = split_globals([word for word in shlex.split(line) if word != "..."])[1]
    if not words or words[0] in PROCESSES or words[0] in ("shell", "help"):
        return
    assert words[0] in NOUNS, page
    group, name, rest = command_of(words[0]), words[0], words[1:]
    while hasattr(group, "commands"):
        with group.make_context(name, list(rest)) as context:
            _name, group, rest = group.resolve_command(context, list(rest))
    with group.make_context(name, list(rest)) as context:
        assert context is not None


def test_the_manual_has_commands() -> None:
    assert len(_lines()) > 60
