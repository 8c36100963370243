"""The steps that each row takes in every walk: one that is not taken any more is a failure, not a smaller matrix.

`steps.json` has them as `{row: {what happens: the moments of it}}`, so that a change of it can be read.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from tests.faults.cells import Field
from tests.faults.rows import ROWS, Row
from tests.faults.steps import MOMENTS

KNOWN = Path(__file__).with_name("steps.json")
# What threads do at once comes in another order, together or not at all: known is what comes always.
_WALKS = 3

Steps = Mapping[str, Mapping[str, str]]


@functools.cache
def _known() -> Steps:
    return dict(json.loads(KNOWN.read_text()))


def steps_of(row: str) -> set[str]:
    """The steps that the row must take."""
    return {f"{what}, {moment}" for what, moments in _known().get(row, {}).items() for moment in moments.split()}


def learn(rows: Iterable[Row], field: Field) -> None:
    """Write down the steps of these rows anew; rows that there are no more go."""
    known = {name: steps for name, steps in _known().items() if name in ROWS}
    for row in rows:
        walks = [set(field.walk(row)[1]) for _ in range(_WALKS)]
        known[row.name] = _compact(set.intersection(*walks))
        print(f"{row.name:56} {len(walks[0]):3} {len(walks[0] - set.intersection(*walks)):3} not always", flush=True)
    KNOWN.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
    _known.cache_clear()


def _compact(steps: Collection[str]) -> dict[str, str]:
    names = {step.rpartition(", ")[0] for step in steps}
    return {name: " ".join(moment for moment in MOMENTS if f"{name}, {moment}" in steps) for name in names}
