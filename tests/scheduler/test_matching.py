"""Extra spec operators and version predicates."""

from __future__ import annotations

import pytest

from tuinova.scheduler.matching import match, version_satisfies, version_text


@pytest.mark.parametrize(
    ("value", "requirement", "expected"),
    [
        ("4", "= 3", True),  # "=" is at least
        ("2", "= 3", False),
        ("4", "== 4.0", True),
        ("4", "== 3", False),
        ("4", "!= 3", True),
        ("3", ">= 3", True),
        ("2", ">= 3", False),
        ("3", "<= 3", True),
        ("4", "<= 3", False),
        ("abc", "s== abc", True),
        ("abd", "s== abc", False),
        ("abd", "s!= abc", True),
        ("abc", "s< abd", True),
        ("abc", "s<= abc", True),
        ("abd", "s> abc", True),
        ("abc", "s> abc", False),
        ("abc", "s>= abd", False),
        ("12311321", "<in> 11", True),
        ("12310321", "<in> 11", False),
        ("aes mmx sse", "<all-in> aes mmx", True),
        ("aes sse", "<all-in> aes mmx", False),
        ("12", "<or> 11 <or> 12", True),
        ("13", "<or> 11 <or> 12", False),
        ("plain text", "plain text", True),
        ("plain", "plain text", False),
        (None, "= 1", False),
        (None, "<or> 1", False),
        ("1", "=", False),
        ("1", "<in>", False),
        ("", "", True),
        ("words", ">= 3", False),
    ],
)
def test_an_operator_compares_as_nova_does(value, requirement, expected) -> None:
    assert match(value, requirement) is expected


@pytest.mark.parametrize(
    ("version", "predicate", "expected"),
    [
        ("8.2.1", ">=8.2,<9", True),
        ("9.0.0", ">=8.2,<9", False),
        ("8.0.0", "==8", True),
        ("8.2.1", "(>8.2.0, !=8.2.2)", True),
        ("8.2.1", "no version", False),
    ],
)
def test_a_version_is_held_against_a_range(version, predicate, expected) -> None:
    assert version_satisfies(version, predicate) is expected


def test_libvirts_version_number_is_written_with_dots() -> None:
    assert version_text(8002001) == "8.2.1"
