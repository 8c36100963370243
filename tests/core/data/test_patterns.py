"""Patterns of list filters: found anywhere, a substring where they are none, never dear."""

from __future__ import annotations

import pytest

from tuinova.core.conductor.patterns import _affordable, regexp


@pytest.mark.parametrize(
    ("pattern", "value", "found"),
    [
        ("web", "my-web-1", True),
        ("^web", "my-web-1", False),
        ("w.b", "web", True),
        ("web|db", "db", True),
        ("(web|db)-[0-9]+", "db-12", True),
        ("a{2,3}", "baab", True),
        ("web*", "we", True),
        ("*", "a*b", True),
        ("*", "ab", False),
        ("[", "a[b", True),
        ("(", "ab", False),
        ("a\\.b", "a.b", True),
        ("a\\.b", "axb", False),
        ("", "anything", True),
        (".*b.*", "abc", True),
        ("^.*c$", "abc", True),
        ("^.*b$", "abc", False),
        ("b\\.*", "ab...", True),
        ("b\\.*x", "ab...x", True),
        ("^a.*b.*c", "a1b2c", True),
        ("colou?r", "color", True),
        (None, "x", False),
        ("x", None, False),
        ("1", 10, True),
    ],
)
def test_found_as_a_pattern_or_else_as_text(pattern, value, found):
    assert regexp(pattern, value) is found


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a*)*b",
        "(a|aa)+$",
        "(a|a)*$",
        "((a+))+$",
        "(?:a+)+$",
        "(a+)(b*)+",
        "(.*a){12}",
        "a*a*a*b",
        "^a*a*a*a*b",
        "a?a?a?a?a?a?a?b",
        "(a)\\1+",
        "(?=a+)b",
        "x" * 300,
    ],
)
def test_patterns_that_could_run_for_ever_are_not_run(pattern):
    import re

    compiled = _affordable(pattern) and len(pattern) <= 255
    assert not compiled
    assert regexp(pattern, "a" * 255 + "!") is (pattern in "a" * 255 + "!")
    re.compile(pattern)  # it is a pattern: only its cost keeps it from being run


@pytest.mark.parametrize(
    "pattern", ["^web-[0-9]+$", ".*foo.*", "(ab)+", "a?b+c*", "^a.*b.*c.*", ".*a.*", "[^]a]+x", "[(+]+", "\\(+\\)*"]
)
def test_ordinary_patterns_are_run(pattern):
    assert _affordable(pattern)
