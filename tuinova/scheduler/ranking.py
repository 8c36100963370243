"""The order in which weighed hosts are tried."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from tuinova.scheduler.columns import Array
from tuinova.scheduler.options import SchedulerOptions

_BLOCK = 64


class Chance(Protocol):
    """What is used of `random`."""

    def choice(self, seq: Any, /) -> Any:
        """One element."""

    def shuffle(self, x: Any, /) -> None:
        """Reorder in place."""


def best(weights: Array, count: int) -> Array:
    """Positions of the highest weights, highest first, equal ones in their order; a full sort only when needed."""
    n = len(weights)
    if count >= n or n <= _BLOCK:
        return np.argsort(-weights, kind="stable")[:count]
    good = np.flatnonzero(weights >= _lower_bound(weights, count))
    return good[np.argsort(-weights[good], kind="stable")][:count]


def _lower_bound(weights: Array, count: int) -> float:
    """A weight that at least `count` hosts have, near the count-th best.

    The count-th best of the maxima of blocks is one, and cheap; a few hosts more than needed pass it.
    """
    whole = len(weights) // _BLOCK
    if whole < count:
        return float(np.partition(weights, len(weights) - count)[len(weights) - count])
    maxima = weights[: whole * _BLOCK].reshape(whole, _BLOCK).max(axis=1)
    return float(np.partition(maxima, whole - count)[whole - count])


def order_to_try(weights: Array, options: SchedulerOptions, chance: Chance, head: int) -> Iterator[int]:
    """Positions of all hosts: one at random of the best `host_subset_size`, then the others by weight.

    `head` says how many are likely to be wanted; to go on costs a full sort.
    """
    if not len(weights):
        return
    subset = max(1, options.host_subset_size)
    first = best(weights, max(head, subset)).tolist()
    if options.shuffle_best_same_weighed_hosts:
        tied = np.flatnonzero(weights == weights[first[0]]).tolist()
        chance.shuffle(tied)
        first = tied + best(weights, len(tied) + head)[len(tied) :].tolist()
    chosen = chance.choice(first[:subset]) if subset > 1 else first[0]
    yield chosen
    yield from (i for i in first if i != chosen)
    if len(first) < len(weights):
        seen = set(first)
        yield from (i for i in np.argsort(-weights, kind="stable").tolist() if i not in seen)
