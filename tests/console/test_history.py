"""The console log and the stream meet without a gap and without a repetition, whichever of them is ahead."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuinova.console.history import before_stream, missed


class Stream:
    """What has come of the stream at each look; the last stays."""

    def __init__(self, *heard: bytes) -> None:
        self._heard = list(heard)

    def heard(self, size: int, seconds: float) -> bytes:
        return self._heard.pop(0) if len(self._heard) > 1 else self._heard[0]


def seed(earlier: bytes, stream: Stream, *logs: bytes) -> bytes:
    left = list(logs)
    return before_stream(lambda: left.pop(0) if len(left) > 1 else left[0], earlier, stream)


BOOT = b"Linux version\r\nvm1 login: "
MORE = b"cirros\r\nPassword: \r\nWelcome, this is long enough\r\n$ "


@pytest.mark.parametrize(
    ("earlier", "heard", "logs", "expected"),
    [
        pytest.param(BOOT, [b""], [BOOT], BOOT, id="nobody speaks"),
        pytest.param(b"", [b""], [BOOT], BOOT, id="all was said just before the stream"),
        pytest.param(BOOT, [MORE], [BOOT + MORE], BOOT, id="level"),
        pytest.param(BOOT, [MORE], [BOOT + MORE[:9]], BOOT, id="the log is behind"),
        pytest.param(BOOT, [MORE], [BOOT, BOOT + MORE], BOOT, id="the log is far behind"),
        pytest.param(BOOT, [MORE[:40]], [BOOT + MORE], BOOT, id="the log is ahead"),
        pytest.param(BOOT, [b"", MORE], [BOOT + MORE], BOOT, id="the stream is silent at first"),
        pytest.param(BOOT, [MORE[8:]], [BOOT + MORE], BOOT + MORE[:8], id="some was said between log and stream"),
        pytest.param(BOOT, [b"\r\n"], [BOOT + b"x\r\n\r\n"], BOOT + b"x\r\n", id="few bytes"),
        pytest.param(BOOT, [MORE], [BOOT[5:] + MORE], BOOT[5:], id="the log lost its beginning"),
        pytest.param(BOOT, [MORE], [MORE], b"", id="a new boot"),
        pytest.param(BOOT, [MORE], [BOOT], BOOT, id="the log stands still: its keeper is gone"),
    ],
)
def test_the_place_where_the_stream_begins(
    earlier: bytes, heard: list[bytes], logs: list[bytes], expected: bytes
) -> None:
    assert seed(earlier, Stream(*heard), *logs) == expected


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_log_and_stream_make_one_whole(read: int, opened: int, log_has: int, stream_has: int) -> None:
    said = b"".join(b"[%04d] a line of the guest\r\n" % n for n in range(60))
    line = len(said) // 60
    read, opened, log_has, stream_has = sorted((read, opened)) + sorted((log_has, stream_has))
    log_end, stream_end = max(log_has, opened) * line, max(stream_has, opened + 2) * line
    history = seed(said[: read * line], Stream(said[opened * line : stream_end]), said[:log_end], said)
    assert history + said[opened * line :] == said


def test_only_what_was_not_seen_is_shown_after_a_break() -> None:
    assert missed(b"", b"boot\nlogin: ") == b"boot\nlogin: "
    assert missed(b"boot\n", b"boot\nlogin: ") == b"login: "
    assert missed(b"older boot", b"new boot") == b"new boot"
    assert missed(b"boot\nlogin: ", b"boot\nlogin: ") == b""


def test_repetitive_output_takes_no_time() -> None:
    line = b"y\r\n" * 35_000
    assert len(seed(b"", Stream(line[:4000] + b"z"), line)) <= len(line)
