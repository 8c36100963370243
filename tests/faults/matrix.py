"""Which cells of a row are walked: all of them, or a sample that a seed chooses.

The hypervisor goes away in the whole matrix only.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from tests.faults import known
from tests.faults.cells import KILL, LOSE, REFUSE, Cell, Field, accepted_from, may_be_lost, may_be_refused
from tests.faults.invariants import STUCK
from tests.faults.rows import Row

# Kills of a row beside the one just after its acceptance: so many, and one more for so many steps.
_SAMPLE, _STEPS_OF_ONE = 1, 12


def run_row(field: Field, row: Row, *, whole: bool, seed: int) -> dict[str, Any]:
    """Walk one row; plain JSON: its steps and its cells."""
    base, steps = field.walk(row)
    cells = [base]
    missing = sorted(set(known.steps_of(row.name)) - set(steps))
    if missing:
        lost = Cell(row.name, KILL, missing[0])
        lost.violations.append((STUCK, f"steps that the row takes no more (python -m tests.faults --learn): {missing}"))
        cells.append(lost)
    first = accepted_from(steps)
    chance = random.Random(f"{seed} {row.name}")
    for fault, step in _chosen(steps, first, chance, whole):
        accepted = None if first is None else steps.index(step) >= first
        if fault != KILL:
            cells.append(field.stumble(row, fault, step))
            continue
        cell = field.kill(row, step, accepted)
        cells.append(cell)
        if cell.steps and (whole or chance.random() < 0.2):
            cells.append(field.kill_twice(row, step, chance.choice(cell.steps), accepted))
    return {"row": row.name, "steps": steps, "cells": [cell.to_dict() for cell in cells]}


def _chosen(steps: list[str], first: int | None, chance: random.Random, whole: bool) -> Iterator[tuple[str, str]]:
    refusable = [step for step in steps if may_be_refused(step)]
    losable = [step for step in steps if may_be_lost(step)]
    if whole:
        yield from ((KILL, step) for step in steps)
        yield from ((REFUSE, step) for step in refusable)
        yield from ((LOSE, step) for step in losable)
        return
    later = steps[first + 1 :] if first is not None else steps
    picked = chance.sample(later, min(_SAMPLE + len(later) // _STEPS_OF_ONE, len(later)))
    yield from ((KILL, step) for step in steps if step in picked or step == (steps[first] if first is not None else ""))
    if refusable and chance.random() < 0.25:
        yield REFUSE, chance.choice(refusable)
