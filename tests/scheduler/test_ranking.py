"""The order in which hosts are tried."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuinova.scheduler import SchedulerOptions
from tuinova.scheduler.ranking import best, order_to_try

weights_lists = st.lists(
    st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, 3.0]) | st.floats(-10, 10), min_size=1, max_size=400
)


def stable_order(weights: list[float]) -> list[int]:
    return sorted(range(len(weights)), key=lambda i: -weights[i])


@given(weights_lists, st.integers(1, 40))
def test_the_best_are_those_of_a_full_stable_sort(weights, count) -> None:
    assert best(np.array(weights), count).tolist() == stable_order(weights)[:count]


@given(weights_lists, st.integers(1, 5))
def test_the_whole_order_is_that_of_a_full_stable_sort(weights, head) -> None:
    order = order_to_try(np.array(weights), SchedulerOptions(), random.Random(1), head)
    assert list(order) == stable_order(weights)


def test_equal_hosts_keep_their_order_among_many() -> None:
    assert best(np.ones(1000), 5).tolist() == [0, 1, 2, 3, 4]


def test_one_of_the_subset_is_chosen_at_random_and_the_rest_keep_their_order() -> None:
    weights = np.arange(10, dtype=float)
    options = SchedulerOptions(host_subset_size=3)
    seen = set()
    for seed in range(50):
        first, *rest = order_to_try(weights, options, random.Random(seed), 2)
        seen.add(first)
        assert rest == [i for i in range(9, -1, -1) if i != first]
    assert seen == {9, 8, 7}


def test_without_a_subset_chance_is_not_asked() -> None:
    assert next(order_to_try(np.array([1.0, 2.0]), SchedulerOptions(), None, 2)) == 1  # type: ignore[arg-type]


def test_a_subset_larger_than_all_hosts_is_all_hosts() -> None:
    order = list(order_to_try(np.array([1.0, 2.0]), SchedulerOptions(host_subset_size=50), random.Random(3), 2))
    assert sorted(order) == [0, 1]


@pytest.mark.parametrize("head", [1, 4])
def test_only_hosts_tied_for_best_are_shuffled(head) -> None:
    weights = np.array([1.0, 5.0, 5.0, 2.0, 5.0, 2.0])
    options = SchedulerOptions(shuffle_best_same_weighed_hosts=True)
    orders = [list(order_to_try(weights, options, random.Random(seed), head)) for seed in range(50)]
    assert {order[0] for order in orders} == {1, 2, 4}
    assert all(order[3:] == [3, 5, 0] for order in orders)
    plain = list(order_to_try(weights, SchedulerOptions(), random.Random(1), head))
    assert plain == [1, 2, 4, 3, 5, 0]


def test_no_hosts_are_no_order() -> None:
    assert list(order_to_try(np.zeros(0), SchedulerOptions(), random.Random(1), 3)) == []
