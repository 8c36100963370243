"""The formats are cliff's: what a script written for `openstack` reads must read the same here."""

from __future__ import annotations

import json

import pytest
import yaml

from tuinova.cli.output import Cell, Listing, Options, OutputError, Record, dict_cell, list_cell, render

SERVERS = Listing(
    ("ID", "Name", "Networks"),
    [("2", "beta", Cell({"net": ["10.0.0.5"]}, "net=10.0.0.5")), ("1", "alpha", Cell({}, ""))],
    hidden=("Power State",),
)
SERVERS_HIDDEN = Listing(SERVERS.columns, [(*row, Cell(1, "Running")) for row in SERVERS.rows], SERVERS.hidden)
SERVER = Record({"id": "1", "name": 'a"b$`', "OS-EXT-STS:power_state": Cell(1, "Running"), "fault": None})


def test_a_table_has_a_frame_and_human_cells() -> None:
    assert render(SERVERS_HIDDEN, Options()).splitlines() == [
        "+----+-------+--------------+",
        "| ID | Name  | Networks     |",
        "+----+-------+--------------+",
        "| 2  | beta  | net=10.0.0.5 |",
        "| 1  | alpha |              |",
        "+----+-------+--------------+",
    ]


def test_numbers_are_right_aligned_in_lists() -> None:
    table = render(Listing(("RAM",), [(64,), (2048,)]), Options())
    assert "|   64 |" in table
    assert "| 2048 |" in table


def test_an_empty_list_is_one_empty_line_unless_asked() -> None:
    empty = Listing(("ID", "Name"), [])
    assert render(empty, Options()) == "\n"
    assert "| ID | Name |" in render(empty, Options(print_empty=True))


def test_columns_keep_the_command_s_order_and_may_be_hidden_ones() -> None:
    text = render(SERVERS_HIDDEN, Options(format="value", columns=["Power State", "Name"]))
    assert text == "beta 1\nalpha 1\n"


def test_an_unknown_column_is_named_with_the_known_ones() -> None:
    with pytest.raises(OutputError, match=r"No recognized column names in \['Nmae'\]. Recognized columns are \('ID'"):
        render(SERVERS, Options(columns=["Nmae"]))


def test_json_and_yaml_carry_machine_values() -> None:
    rows = json.loads(render(SERVERS_HIDDEN, Options(format="json", columns=["Name", "Networks"])))
    assert rows == [{"Name": "beta", "Networks": {"net": ["10.0.0.5"]}}, {"Name": "alpha", "Networks": {}}]
    assert yaml.safe_load(render(SERVER, Options(format="yaml")))["OS-EXT-STS:power_state"] == 1


def test_noindent_json_is_one_line() -> None:
    assert "\n" not in render(SERVER, Options(format="json", noindent=True))


def test_csv_quotes_what_is_no_number() -> None:
    text = render(Listing(("Name", "RAM"), [('say "hi"', 64)]), Options(format="csv"))
    assert text == '"Name","RAM"\n"say ""hi""",64\n'


def test_shell_variables_can_be_evaluated_safely() -> None:
    lines = render(SERVER, Options(format="shell", prefix="s_")).splitlines()
    assert 's_os_ext_sts_power_state="1"' in lines
    assert 's_name="a\\"b\\$\\`"' in lines
    assert 's_fault="None"' in lines


def test_value_of_a_record_is_a_line_each() -> None:
    assert render(SERVER, Options(format="value", columns=["id", "fault"])) == "1\nNone\n"
    assert render(Record({"description": ""}), Options(format="value")) == "\n"


def test_sorting_by_several_columns_puts_nulls_last() -> None:
    listing = Listing(("A", "B"), [(2, "x"), (None, "y"), (1, "b"), (1, "a")])
    rows = render(listing, Options(format="value", sort_columns=["A", "B"])).splitlines()
    assert rows == ["1 a", "1 b", "2 x", "None y"]
    rows = render(listing, Options(format="value", sort_columns=["A"], descending=True)).splitlines()
    assert [row.split()[0] for row in rows] == ["2", "1", "1", "None"]


def test_a_narrow_table_wraps_its_widest_column() -> None:
    text = render(Listing(("ID", "Text"), [("1", "word " * 20)]), Options(max_width=40))
    assert max(len(line) for line in text.splitlines()) <= 40
    assert text.count("word") == 20


def test_wide_characters_keep_the_frame_straight() -> None:
    from tuinova.cli.output import text_width

    lines = render(Listing(("名称",), [("虚拟机",), ("ab",)]), Options()).splitlines()
    assert len({text_width(line) for line in lines}) == 1


def test_hostile_text_is_shown_not_obeyed() -> None:
    text = render(Listing(("Name",), [("x\x1b]52;c;aGk=\x07y",)]), Options())
    assert "\x1b" not in text
    assert "\\x1b]52;c;aGk=\\x07" in text


def test_human_text_of_dictionaries_and_lists_is_sorted() -> None:
    assert dict_cell({"b": 2, "a": 1}).human == "a='1', b='2'"
    assert list_cell(["y", "x"]).human == "x, y"
