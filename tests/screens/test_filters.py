"""The filter language."""

from __future__ import annotations

import pytest
from fake_client import mixed_servers

from tuinova.screens.columns import SERVER_FIELDS
from tuinova.screens.filters import parse, predicate, split_words
from tuinova.screens.rows import haystack


def names(text: str) -> list[str]:
    """The servers that a filter lets through."""
    lets = predicate(text, SERVER_FIELDS, haystack)
    return [row["name"] for row in mixed_servers() if lets is None or lets(row)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("web", ["web-1", "web-2"]),
        ("WEB", ["web-1", "web-2"]),
        ("status:error", ["broken"]),
        ("st:shutoff", ["db-1"]),
        ("status:active !name:web", ["vm1", "数据库-主"]),
        ("status:active !web task:powering", []),
        ("task:powering-off", ["web-2"]),
        ("flavor:medium", ["db-1"]),
        ("power:running ip:10.0.0.3", ["vm1"]),
        ("locked:yes", ["archive"]),
        ("property:role=web", ["web-1"]),
        ("key:", ["数据库-主"]),
        ("!host: status:shelved", []),
        ("数据库", ["数据库-主"]),
        ('fault:"not enough hosts"', ["broken"]),
        ("vm[/bold]", ["vm[/bold]\x1b]52;c;aGk=\x07"]),
    ],
)
def test_filter_lets_through(text: str, expected: list[str]) -> None:
    assert names(text) == expected


def test_an_empty_filter_lets_everything_through() -> None:
    assert predicate("   ", SERVER_FIELDS, haystack) is None


def test_an_unknown_field_is_named_and_matched_as_plain_text() -> None:
    parsed = parse("nosuch:web", SERVER_FIELDS)
    assert parsed.unknown == ("nosuch",)
    assert parsed.terms[0].value == "nosuch:web"


def test_a_beginning_that_fits_two_fields_is_not_taken_for_one() -> None:
    assert parse("p:x", SERVER_FIELDS).terms[0].field == ""


def test_an_open_quote_runs_to_the_end() -> None:
    assert split_words('a "b c') == ["a", "b c"]
