"""What every filter has: a mask over hosts, and the reason why it refused one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from tuinova.scheduler.columns import Array
from tuinova.scheduler.options import SchedulerOptions
from tuinova.scheduler.records import AggregateSet
from tuinova.scheduler.request import RequestSpec
from tuinova.scheduler.view import HostView


class HostFilter(ABC):
    """One rule that a host must meet.

    `once` rules are evaluated only for the first server of a request; those with `run_on_rebuild` are the ones that a
    rebuild with another image must still meet (nova/scheduler/filters/__init__.py).
    """

    once: ClassVar[bool] = False
    run_on_rebuild: ClassVar[bool] = False

    def __init__(self, options: SchedulerOptions) -> None:
        self.options = options

    @property
    def name(self) -> str:
        """The name by which the configuration enables it."""
        return type(self).__name__

    @abstractmethod
    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        """True for each host that passes."""

    @abstractmethod
    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        """Why the i-th host of the view was refused, for people."""


def aggregates_at(view: HostView, i: int) -> AggregateSet:
    """The aggregates of the i-th host."""
    found: AggregateSet = view.pooled("aggregates", i)
    return found


def smallest(words: Iterable[str], kind: type = float) -> float | None:
    """The least number of an aggregate value, None when there is none or one of them is no number."""
    try:
        return min((kind(word) for word in words), default=None)
    except ValueError:
        return None


def aggregate_minimum(view: HostView, key: str, default: Array | float, kind: type = float) -> Array:
    """A number from the metadata of each host's aggregates, the minimum of several, else the default.

    Source: nova/scheduler/filters/utils.py validate_num_values.
    """
    if key not in view.snapshot.aggregate_keys:
        return np.broadcast_to(np.asarray(default, dtype=np.float64), (len(view),))

    def of_set(united: AggregateSet) -> float:
        found = smallest(united.metadata.get(key, ()), kind)
        return np.nan if found is None else found

    found = view.map_pool("aggregates", of_set, np.float64)
    return np.where(np.isnan(found), default, found)


def words(values: Iterable[str]) -> str:
    """Values for a reason, in a fixed order."""
    return ", ".join(sorted(str(value) for value in values)) or "none"


def number(value: float) -> str:
    """A number for a reason, without a needless fraction."""
    return f"{float(value):.10g}"
