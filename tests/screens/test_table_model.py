"""Order, filter, marks and cursor belong to row ids."""

from __future__ import annotations

import random
from typing import Any

import pytest
from fake_client import mixed_servers, server_view, uuid_of

from tuinova.screens.table_model import TableModel
from tuinova.screens.widgets.server_table import server_model


@pytest.fixture
def model() -> TableModel[Any]:
    """A model of the mixed house, newest first."""
    made = server_model()
    made.load({row["id"]: row for row in mixed_servers()})
    return made


def shown(model: TableModel[Any]) -> list[str]:
    """Names in order."""
    return [model.rows[row_id]["name"] for row_id in model.order]


def test_newest_comes_first_by_default(model: TableModel[Any]) -> None:
    assert shown(model)[0] == "vm1"
    assert shown(model)[-1] == "数据库-主"


def test_names_sort_by_their_numbers(model: TableModel[Any]) -> None:
    model.load({row["id"]: row for row in [server_view(1, "vm10"), server_view(2, "vm2"), server_view(3, "Vm1")]})
    model.sort("name")
    assert shown(model) == ["Vm1", "vm2", "vm10"]
    model.sort("name")
    assert shown(model) == ["vm10", "vm2", "Vm1"]


def test_rows_without_a_value_come_last_in_both_directions(model: TableModel[Any]) -> None:
    model.sort("key")
    assert shown(model)[-1] == "数据库-主"
    model.sort("key")
    assert shown(model)[-1] == "数据库-主"


def test_what_needs_a_person_sorts_first_by_status(model: TableModel[Any]) -> None:
    model.sort("status")
    assert shown(model)[0] == "broken"


def test_marks_and_cursor_survive_sorting_filtering_and_reloading(model: TableModel[Any]) -> None:
    model.cursor = uuid_of(4)
    model.marks = {uuid_of(4), uuid_of(7)}
    model.sort("name")
    model.filter("db")
    assert model.cursor == uuid_of(4)
    model.filter("")
    model.load({row["id"]: row for row in mixed_servers()})
    assert model.cursor == uuid_of(4)
    assert model.marks == {uuid_of(4), uuid_of(7)}
    assert {row["name"] for row in model.marked_rows()} == {"db-1", "broken"}


def test_a_changed_sort_value_moves_the_row_and_the_cursor_with_it(model: TableModel[Any]) -> None:
    model.sort("name")
    model.cursor = uuid_of(1)
    applied = model.apply({uuid_of(1): server_view(1, "aaa")})
    assert applied.moved
    assert model.order[0] == uuid_of(1)
    assert model.cursor == uuid_of(1)
    assert model.position(uuid_of(1)) == 0


def test_a_change_of_another_column_moves_nothing(model: TableModel[Any]) -> None:
    before = list(model.order)
    applied = model.apply({uuid_of(1): server_view(1, "vm1", task_state="pausing")})
    assert not applied.moved
    assert applied.dirty == {uuid_of(1)}
    assert model.order == before


def test_a_change_lets_rows_in_and_out_of_the_filter(model: TableModel[Any]) -> None:
    model.filter("status:active")
    assert uuid_of(4) not in model.order
    model.apply({uuid_of(4): server_view(4, "db-1"), uuid_of(1): server_view(1, "vm1", "stopped")})
    assert uuid_of(4) in model.order
    assert uuid_of(1) not in model.order
    assert uuid_of(1) in model.rows


def test_the_row_after_a_deleted_one_gets_the_cursor(model: TableModel[Any]) -> None:
    model.cursor = model.order[3]
    after = model.order[4]
    model.marks = {model.cursor}
    model.apply({}, [model.cursor])
    assert model.cursor == after
    assert model.marks == set()


def test_the_cursor_of_an_emptied_table_is_none(model: TableModel[Any]) -> None:
    model.apply({}, list(model.order))
    assert model.cursor is None
    assert len(model) == 0
    model.apply({uuid_of(1): server_view(1, "again")})
    assert model.cursor == uuid_of(1)


def test_many_random_changes_leave_the_same_as_loading_anew() -> None:
    chance = random.Random(7)
    model, truth = server_model("name"), {}
    model.filter("a")
    for _step in range(400):
        updates = {
            uuid_of(number): server_view(number, chance.choice("abc") + str(chance.randrange(9)))
            for number in chance.sample(range(40), 5)
        }
        gone = [uuid_of(number) for number in chance.sample(range(40), 2) if uuid_of(number) not in updates]
        truth.update(updates)
        for one in gone:
            truth.pop(one, None)
        model.apply(updates, gone)
    fresh = server_model("name")
    fresh.filter("a")
    fresh.load(truth)
    assert shown(model) == shown(fresh)
    assert set(model.order) == set(fresh.order)
    assert [model.position(one) for one in model.order] == list(range(len(model)))


def test_mark_all_takes_what_the_filter_shows_and_gives_it_back(model: TableModel[Any]) -> None:
    model.filter("web")
    model.mark_shown()
    assert len(model.marks) == 2
    model.invert_marks()
    assert model.marks == set()
    model.mark_shown()
    model.mark_shown()
    assert model.marks == set()
