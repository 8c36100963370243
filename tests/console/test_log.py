"""The console log's text is cut and cleaned as Nova's API does it."""

from __future__ import annotations

import pytest

from tuinova.console.log import console_text

LOG = b"one\ntwo\nthree\nfour"


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (None, "one\ntwo\nthree\nfour"),
        (2, "three\nfour"),
        ("2", "three\nfour"),
        (100, "one\ntwo\nthree\nfour"),
        (0, ""),
        ("0", ""),
        ("many", ""),
        ([], ""),
        (-1, "two\nthree\nfour"),
    ],
)
def test_the_last_lines_are_counted_as_nova_counts(length: object, expected: str) -> None:
    assert console_text(LOG, length) == expected  # type: ignore[arg-type]


def test_a_final_line_end_counts_as_the_start_of_a_line() -> None:
    assert console_text(b"one\ntwo\n", 1) == ""
    assert console_text(b"one\ntwo\n", 2) == "two\n"


def test_controls_go_but_tab_and_line_feed() -> None:
    assert console_text(b"\x1b[31mred\x1b[m\tx\r\n\x00\x07\x0b\x1f.") == "[31mred[m\tx\n."


def test_bytes_that_are_not_ascii_are_replaced_one_by_one() -> None:
    assert console_text("é\n".encode()) == "��\n"
