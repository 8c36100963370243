"""The table: a row, how many steps, how many cells, where the servers stood in the end; and the totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.faults.invariants import LEAKED, STUCK


def heading(seed: int) -> str:
    """What walks the same cells again."""
    return f"seed {seed} (--seed or TUINOVA_FAULT_SEED walks the same cells again)"


def line(result: dict[str, Any]) -> str:
    """One row of the table, with what is wrong below it."""
    cells = result["cells"]
    ends = Counter(" ".join(cell["stands"]) or "?" for cell in cells)
    text = ", ".join(f"{count} {end}" for end, count in ends.most_common())
    return "\n".join([f"{result['row']:56} {len(result['steps']):3} {len(cells):3}  {text}", *failures([result])])


def failures(results: Sequence[dict[str, Any]]) -> list[str]:
    """What is wrong, with the end of the service's log."""
    found = []
    for result in results:
        for cell in result["cells"]:
            if cell["violations"]:
                wrong = "\n".join(f"      {kind}: {text}" for kind, text in cell["violations"])
                found.append(f"   {cell['row']}: {cell['fault']} at {cell['step']}\n{wrong}\n{cell['log']}")
    return found


def total(results: Sequence[dict[str, Any]]) -> str:
    """N rows, N cells, 0 stuck, 0 leaked."""
    cells = [cell for result in results for cell in result["cells"]]
    kinds = [{kind for kind, _text in cell["violations"]} for cell in cells]
    stuck, leaked = (sum(kind in found for found in kinds) for kind in (STUCK, LEAKED))
    return f"{len(results)} rows, {len(cells)} cells, {stuck} stuck, {leaked} leaked"
