"""A guest may colour and move the cursor on an attached terminal; it may not program it."""

from __future__ import annotations

import pytest

from tuinova.cli.terminal_filter import TerminalFilter


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (b"plain\r\n", b"plain\r\n"),
        (b"\x1b[31mred\x1b[0m", b"\x1b[31mred\x1b[0m"),
        (b"a\x1b]52;c;aGVsbG8=\x07b", b"a^[]52;c;aGVsbG8=b"),
        (b"\x1b]0;title\x1b\\after", b"^[]0;titleafter"),
        (b"\x1bPq#0;2\x1b\\x", b"^[Pq#0;2x"),
        (b"\xc2\x9d52;c;x", b"\\x9d52;c;x"),
        ("grün é ¢".encode(), "grün é ¢".encode()),
    ],
)
def test_sequences_that_act_on_the_terminal_become_text(given: bytes, shown: bytes) -> None:
    assert TerminalFilter().feed(given) == shown


def test_a_sequence_cut_anywhere_gives_the_same() -> None:
    given = b"a\x1b]52;c;aGk=\x07b\x1b[1mc\xc2\x9bd\xc3\xbc"
    whole = TerminalFilter().feed(given)
    filter_ = TerminalFilter()
    assert b"".join(filter_.feed(bytes([byte])) for byte in given) == whole


def test_an_endless_string_does_not_swallow_the_console() -> None:
    filter_ = TerminalFilter()
    filter_.feed(b"\x1b]52;" + b"x" * 10000)
    assert filter_.feed(b"login:") == b"login:"
