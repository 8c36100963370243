"""Guest bytes become styled lines: right for what programs print, harmless for anything else."""

from __future__ import annotations

import ast
import subprocess
import sys

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wcwidth import wcswidth

from tuinova.console.terminal import Cursor, Match, Segment, Terminal


def screen(data: bytes, rows: int = 6, columns: int = 20) -> Terminal:
    terminal = Terminal(rows, columns, history=50)
    terminal.feed(data)
    return terminal


def lines(terminal: Terminal) -> list[str]:
    return [terminal.text(y) for y in range(terminal.rows)]


def test_text_wraps_at_the_edge_and_lines_feed() -> None:
    terminal = screen(b"one\r\n" + b"x" * 25, rows=4)
    assert lines(terminal) == ["one", "x" * 20, "x" * 5, ""]
    assert terminal.cursor == Cursor(2, 5, True)


def test_colours_and_attributes_become_segments() -> None:
    terminal = screen(b"\x1b[1;31mred\x1b[0m \x1b[3;4;7mall\x1b[m \x1b[38;5;208;48;2;1;2;3mx\x1b[92mg", columns=40)
    assert terminal.line(0) == [
        Segment("red", fg="red", bold=True),
        Segment(" "),
        Segment("all", italic=True, underline=True, reverse=True),
        Segment(" "),
        Segment("x", fg="#ff8700", bg="#010203"),
        Segment("g", fg="bright_green", bg="#010203"),
    ]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (b"33", "yellow"),
        (b"38;5;3", "yellow"),
        (b"38;5;11", "bright_yellow"),
        (b"38;5;16", "#000000"),
        (b"38;5;255", "#eeeeee"),
        (b"38;5;256", "default"),
        (b"38;5", "default"),
        (b"38", "default"),
        (b"38;2;1;2", "default"),
        (b"38:5:9", "bright_red"),
        (b"99999999999999999999999", "default"),
    ],
)
def test_colour_numbers(code: bytes, expected: str) -> None:
    assert screen(b"\x1b[" + code + b"mx").line(0)[0].fg == expected


def test_coloured_blanks_at_the_end_of_a_line_are_kept_and_plain_ones_are_not() -> None:
    assert screen(b"a   ").line(0) == [Segment("a")]
    assert screen(b"a\x1b[44m  \x1b[m  ").line(0) == [Segment("a"), Segment("  ", bg="blue")]


def test_lines_that_leave_at_the_top_are_kept_up_to_a_bound() -> None:
    terminal = screen(b"".join(b"line %d\r\n" % n for n in range(100)), rows=4)
    assert terminal.scrollback == 50
    assert terminal.scrolled == 97
    assert terminal.text(-1) == "line 96"
    assert terminal.text(-50) == "line 47"
    assert terminal.text(-51) == ""
    assert lines(terminal) == ["line 97", "line 98", "line 99", ""]


def test_a_scroll_region_below_the_top_keeps_nothing() -> None:
    terminal = screen(b"top\x1b[2;4r\x1b[4;1H" + b"\n" * 10, rows=4)
    assert terminal.scrollback == 0
    assert terminal.text(0) == "top"


def test_a_full_screen_program_leaves_no_trace() -> None:
    terminal = screen(b"$ vi\r\n\x1b[?1049h\x1b[H" + b"~\r\n" * 30 + b"\x1b[?1049l$ ", rows=4)
    assert lines(terminal) == ["$ vi", "$", "", ""]
    assert terminal.scrollback == 0


def test_search_finds_text_in_the_scrollback_and_on_the_screen() -> None:
    terminal = screen("Error: 漢字 error\r\n".encode() + b"fill\r\n" * 5 + b"no ERROR", rows=4)
    assert terminal.search("error") == [Match(-3, 0, 5), Match(-3, 12, 17), Match(3, 3, 8)]
    assert terminal.search("漢字") == [Match(-3, 7, 10)]
    assert terminal.search("") == []
    assert terminal.search("absent") == []


def test_double_width_characters_take_two_columns_and_wrap_whole() -> None:
    terminal = screen("漢字".encode() * 6, columns=5)
    assert lines(terminal)[:3] == ["漢字", "漢字", "漢字"]
    assert terminal.cursor.column == 4


def test_half_a_double_width_character_becomes_a_blank() -> None:
    assert screen("漢字\x1b[1;2Hx".encode()).text(0) == " x字"
    assert screen("漢字\x1b[1;3Hx".encode()).text(0) == "漢x"


def test_combining_characters_join_and_are_bounded() -> None:
    terminal = screen("e\u0301 a".encode() + "\u0301".encode() * 1000)
    assert terminal.text(0).startswith("é á")
    assert len(terminal.text(0)) < 20


def test_invisible_and_direction_changing_characters_never_come_out() -> None:
    hostile = "a\u202eb\u200bc\u2066d\ufeffe\u2028f\u061cg"
    assert screen(hostile.encode()).text(0) == "abcdefg"


@pytest.mark.parametrize(
    "sequence",
    [
        b"\x1b]52;c;aGVsbG8=\x07",
        b"\x1b]0;title\x1b\\",
        b"\x1b]8;;http://example.com\x1b\\",
        b"\x1bP1$r0m\x1b\\",
        b"\x1bPq#0;2;0;0;0#0~~\x1b\\",
        b"\x1b_payload\x1b\\",
        b"\x1b^private\x1b\\",
        b"\x1bXstring\x1b\\",
        b"\x1b]R",
        b"\x1b]P1ff0000",
        b"\x1b[>1;2;3;4;5c",
        b"\x1b[?1;2;3$p",
        b"\x1b[21t",
        b"\x1b%G",
        b"\x1b[" + b"1;" * 5000 + b"m",
        b"\x1b[" + b"9" * 5000 + b"X",
        b"\x1b]" + b"x" * 60_000 + b"\x07",
        b"\x00\x01\x02\x7f",
        "\u0085\u009b31m".encode()[:4],
    ],
)
def test_what_is_not_for_the_screen_is_swallowed_whole(sequence: bytes) -> None:
    for cut in {0, 1, 2, 3, len(sequence) // 2, len(sequence) - 1}:
        terminal = Terminal(4, 20)
        terminal.feed(b"a" + sequence[:cut])
        terminal.feed(sequence[cut:] + b"b")
        assert terminal.text(0) == "ab", cut
        assert terminal.answers == b""


def test_a_string_that_never_ends_gives_the_screen_back() -> None:
    terminal = screen(b"\x1b]0;" + b"x" * 200_000 + b"\r\nlogin: ")
    assert "login:" in lines(terminal)


def test_a_string_is_aborted_by_another_escape() -> None:
    assert screen(b"\x1b]0;title\x1b[31mx").line(0) == [Segment("x", fg="red")]


def test_a_control_in_the_middle_of_a_sequence_is_carried_out() -> None:
    terminal = screen(b"ab\x1b[3\n1mx")
    assert terminal.text(0) == "ab"
    assert terminal.line(1)[-1] == Segment("x", fg="red")


def test_cancel_and_escape_in_a_sequence_end_it() -> None:
    assert screen(b"\x1b[31\x18x").text(0) == "x"
    assert screen(b"\x1b[31\x1b[1mx").line(0) == [Segment("x", bold=True)]


def test_broken_utf8_is_replaced_and_a_cut_character_is_whole_again() -> None:
    assert screen(b"a\xff\xc3b").text(0) == "a��b"
    terminal = Terminal(4, 20)
    for byte in "é漢".encode():
        terminal.feed(bytes([byte]))
    assert terminal.text(0) == "é漢"


def test_the_guest_is_answered_once_and_not_without_end() -> None:
    terminal = screen(b"\x1b[3;5H\x1b[6n\x1b[c\x1b[5n")
    assert terminal.answers == b"\x1b[3;5R\x1b[?6c\x1b[0n"
    assert terminal.take_answers() == b"\x1b[3;5R\x1b[?6c\x1b[0n"
    assert terminal.answers == b""
    terminal.feed(b"\x1b[6n" * 100_000)
    assert len(terminal.answers) < 300


def test_modes_for_the_keyboard_are_known() -> None:
    terminal = screen(b"\x1b[?1;2004h\x1b[?25l")
    assert terminal.application_cursor
    assert terminal.bracketed_paste
    assert not terminal.cursor.visible
    terminal.feed(b"\x1bc")
    assert not terminal.application_cursor
    assert not terminal.bracketed_paste
    assert terminal.cursor.visible


def test_line_drawing_characters() -> None:
    assert screen(b"\x1b(0lqk\x1b(Bx\x1b)0\x0eq\x0fq").text(0) == "┌─┐x─q"


def test_repeat_insert_delete_and_erase() -> None:
    assert screen(b"ab\x1b[3b").text(0) == "abbbb"
    assert screen(b"abc\x1b[1;2H\x1b[2@").text(0) == "a  bc"
    assert screen(b"abc\x1b[1;2H\x1b[P").text(0) == "ac"
    assert screen(b"abc\x1b[1;2H\x1b[K").text(0) == "a"
    assert screen(b"abc\x1b[1;2H\x1b[1K").text(0) == "  c"
    assert lines(screen(b"a\r\nb\r\nc\x1b[2;1H\x1b[J", rows=3)) == ["a", "", ""]
    assert lines(screen(b"a\r\nb\r\nc\x1b[2;1H\x1b[L", rows=3)) == ["a", "", "b"]
    assert lines(screen(b"a\r\nb\r\nc\x1b[1;1H\x1b[M", rows=3)) == ["b", "c", ""]
    assert lines(screen(b"a\r\nb\r\nc\x1b[1;1H\x1b[99M", rows=3)) == ["", "", ""]
    assert lines(screen(b"a\x1b[M", rows=3)) == ["", "", ""]
    assert screen(b"a\x1b[M", rows=3).scrollback == 0
    assert lines(screen(b"a\r\nb\x1b[1;1H\x1bM", rows=3)) == ["", "a", "b"]


@pytest.mark.parametrize("erase", [b"\x1b[H\x1b[J", b"\x1b[2J", b"\x1bc"])
def test_what_was_on_an_erased_screen_goes_to_the_scrollback(erase: bytes) -> None:
    """A boot loader clears the screen: the last words of the system before it must not be lost."""
    terminal = screen(b"panic\r\n\r\nreboot" + erase + b"loading", rows=6)
    assert terminal.scrollback == 3
    assert [terminal.text(-row) for row in (3, 2, 1)] == ["panic", "", "reboot"]
    before = screen(b"\x1b[2J\x1b[H\x1b[J\x1bc", rows=6)
    assert before.scrollback == 0


def test_a_full_screen_program_s_picture_is_not_kept() -> None:
    assert screen(b"\x1b[?1049hpicture\x1b[2Jmore\x1b[H\x1b[J", rows=6).scrollback == 0


def test_dirty_rows_are_those_that_changed() -> None:
    terminal = screen(b"one")
    terminal.take_dirty()
    terminal.feed(b"\x1b[4;1Hx")
    assert terminal.take_dirty() == {3}
    assert terminal.take_dirty() == set()


# resize --------------------------------------------------------------------------------------------------------------
def test_fewer_rows_keep_the_cursor_on_the_screen_and_its_line_in_sight() -> None:
    terminal = screen(b"".join(b"%d\r\n" % n for n in range(5)) + b"$ ", rows=6)
    terminal.resize(3, 20)
    assert lines(terminal) == ["3", "4", "$"]
    assert terminal.cursor == Cursor(2, 2, True)
    terminal.feed(b"x\r\ny")
    assert lines(terminal) == ["4", "$ x", "y"]


def test_more_rows_bring_lines_back_from_the_scrollback() -> None:
    terminal = screen(b"".join(b"%d\r\n" % n for n in range(8)) + b"$ ", rows=3)
    terminal.resize(6, 20)
    assert lines(terminal) == ["3", "4", "5", "6", "7", "$"]
    assert terminal.cursor.row == 5
    assert terminal.text(-1) == "2"


def test_fewer_columns_cut_lines_and_keep_the_cursor_inside() -> None:
    terminal = screen("0123456789漢".encode(), columns=12)
    terminal.resize(6, 11)
    assert terminal.text(0) == "0123456789"
    assert terminal.cursor.column <= 10
    terminal.feed(b"z")
    assert "z" in "".join(lines(terminal))


def test_a_resize_during_a_full_screen_program_is_survived() -> None:
    terminal = screen(b"one\r\ntwo\r\nthree\r\n\x1b[?1049h\x1b[6;20Hx", rows=6)
    terminal.resize(2, 8)
    terminal.feed(b"\x1b[?1049ly")
    assert terminal.cursor.row < 2
    assert len(lines(terminal)) == 2


@pytest.mark.parametrize("size", [(0, 0), (-5, 3), (1, 1), (10**9, 10**9)])
def test_absurd_sizes_are_cut(size: tuple[int, int]) -> None:
    terminal = screen("abc漢字\r\n".encode() * 10)
    terminal.resize(*size)
    terminal.feed("漢x\r\n".encode() * 10)
    assert 2 <= terminal.rows <= 1000
    assert 2 <= terminal.columns <= 1000


# anything at all -----------------------------------------------------------------------------------------------------
PIECES = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace")),
    st.sampled_from([b"\x1b", b"\x1b[", b"\x1b]", b"\x1bP", b"\x1b\\", b"\x07", b"\x18", b"\r\n", b"\n", b"\t", b"\b"]),
    st.sampled_from(["漢", "é", "\u0301", "👩\u200d🚀", "\u202e"]).map(str.encode),
    st.builds(
        lambda private, numbers, inter, final: (
            b"\x1b[" + private + b";".join(b"%d" % n for n in numbers) + inter + final
        ),
        st.sampled_from([b"", b"", b"?", b">"]),
        st.lists(st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 10, 25, 38, 47, 80, 1049, 9999, 10**12]), max_size=5),
        st.sampled_from([b"", b"", b"", b"!", b"$", b" "]),
        st.integers(0x40, 0x7E).map(lambda n: bytes([n])),
    ),
    st.builds(lambda c: b"\x1b" + bytes([c]), st.integers(0x20, 0x7E)),
    st.builds(lambda c: b"\x1b#" + bytes([c]), st.integers(0x30, 0x39)),
)


def check(terminal: Terminal) -> None:
    for y in range(-terminal.scrollback - 1, terminal.rows + 1):
        segments = terminal.line(y)
        text = "".join(segment.text for segment in segments)
        assert all(segment.text for segment in segments)
        assert wcswidth(text) <= terminal.columns, repr(text)
        assert all(char.isprintable() or char == "\u3000" or ord(char) >= 0xA0 for char in text), repr(text)
        assert not any(char in text for char in "\x1b\u202e\u200b\u2028\ufeff")
        terminal.text(y)
    row, column, _ = terminal.cursor
    assert 0 <= row < terminal.rows
    assert 0 <= column < terminal.columns
    assert terminal.take_dirty() <= set(range(terminal.rows))
    assert len(terminal.answers) < 300
    assert terminal.scrollback <= 30


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(PIECES, st.tuples(st.integers(1, 12), st.integers(1, 24))), max_size=30))
def test_nothing_that_a_guest_says_breaks_the_terminal(steps: list[bytes | tuple[int, int]]) -> None:
    terminal = Terminal(5, 12, history=30)
    for step in steps:
        if isinstance(step, tuple):
            terminal.resize(*step)
        else:
            terminal.feed(step)
    check(terminal)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=20), st.lists(st.integers(1, 9), min_size=1, max_size=10))
def test_it_does_not_matter_how_the_bytes_are_cut(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    whole, cut = Terminal(5, 12, history=30), Terminal(5, 12, history=30)
    whole.feed(data)
    position = number = 0
    while position < len(data):
        step = cuts[number % len(cuts)]
        cut.feed(data[position : position + step])
        position, number = position + step, number + 1
    assert [whole.line(y) for y in range(-30, 5)] == [cut.line(y) for y in range(-30, 5)]
    assert whole.cursor == cut.cursor
    assert whole.answers == cut.answers


# Without "delete lines": pyte's forgets to blank a line where a line that was never written should come.
ORDINARY = st.lists(
    st.one_of(
        st.text(alphabet="abc XYZ.,", min_size=1, max_size=25).map(str.encode),
        st.sampled_from([b"\r\n", b"\n", b"\r", b"\b", b"\t", b"\x1b7", b"\x1bD", b"\x1bM", b"\x1b[2J"]),
        st.builds(
            lambda n, m, f: b"\x1b[%d;%d" % (n, m) + f,
            st.integers(1, 8),
            st.integers(1, 14),
            st.sampled_from([b"H", b"f", b"m"]),
        ),
        st.builds(
            lambda n, f: b"\x1b[%d" % n + f,
            st.integers(0, 6),
            st.sampled_from([b"A", b"B", b"C", b"D", b"E", b"F", b"G", b"d", b"L", b"P", b"@", b"X"]),
        ),
        st.builds(lambda n, f: b"\x1b[%d" % n + f, st.integers(0, 2), st.sampled_from([b"J", b"K"])),
    ),
    max_size=25,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(ORDINARY)
def test_ordinary_output_looks_as_in_pyte(pieces: list[bytes]) -> None:
    reference = pyte.Screen(12, 6)
    stream = pyte.ByteStream(reference)
    terminal = Terminal(6, 12)
    for piece in pieces:
        stream.feed(piece)
        terminal.feed(piece)
    assert lines(terminal) == [line.rstrip() for line in reference.display]
    assert (terminal.cursor.row, terminal.cursor.column) == (reference.cursor.y, min(reference.cursor.x, 11))


def test_a_front_end_that_shows_a_console_loads_no_engine() -> None:
    code = "import sys, tuinova.console.terminal as t; print([m for m in sys.modules if m.startswith('tuinova')])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    rooms = {"parser", "screen", "grid", "rows", "style", "terminal"}
    expected = {"tuinova", "tuinova.console", *(f"tuinova.console.{room}" for room in rooms)}
    assert set(ast.literal_eval(loaded)) == expected
