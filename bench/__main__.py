"""`./dev bench [NAME...]`: run the measurements and print every budget beside what it is compared with.

Each module here offers `measure()`: a list of dictionaries with `name`, `value`, `unit`, and where there are such
`budget` (the most, or the least where `higher_is_better`), `peer` (a text, or a number of the same unit from this
run) and `note`. Nothing here is a test: a slow machine prints slow numbers.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
Row = dict[str, Any]


def modules() -> list[str]:
    """The measurements, by name."""
    return sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))


def normalised(row: Row) -> Row:
    """One shape for all rows: older keys carry their unit in the name."""
    row = dict(row)
    if "value_ms" in row:
        row.setdefault("value", row.pop("value_ms"))
        row.setdefault("unit", "ms")
    if "budget_ms" in row:
        row.setdefault("budget", row.pop("budget_ms"))
    return row


def verdict(row: Row) -> str:
    """ok, the factor by which the budget is missed, or nothing without a budget."""
    budget, value = row.get("budget"), row.get("value")
    if not isinstance(budget, (int, float)) or not isinstance(value, (int, float)):
        return ""
    if row.get("higher_is_better"):
        return "ok" if value >= budget else f"missed: {budget / value:.1f}x below" if value else "missed"
    return "ok" if value <= budget else f"missed: {value / budget:.1f}x" if budget else "missed"


def number(value: Any) -> str:
    """A value for people."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


@contextmanager
def compiled_modules_are_kept() -> Iterator[None]:
    """Where the environment forbids byte code files, every start would measure the compiler: keep them elsewhere."""
    if not os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="tuinova-bench-") as directory:
        os.environ["PYTHONPYCACHEPREFIX"] = directory
        yield


def measured(names: list[str]) -> tuple[list[Row], int]:
    """The rows of these measurements, and how many of them broke."""
    rows: list[Row] = []
    failed = 0
    for name in names:
        print(f"... {name}", file=sys.stderr)
        try:
            rows += [normalised(row) for row in importlib.import_module(f"bench.{name}").measure()]
        except Exception:  # noqa: BLE001 - one measurement that breaks must not hide the others
            failed += 1
            print(f"{name} broke:\n{traceback.format_exc()}", file=sys.stderr)
    return rows, failed


def main() -> int:
    """Measure and print; 0 when every module ran, whatever the numbers."""
    arguments = sys.argv[1:]
    as_json = "--json" in arguments
    wanted = [name for name in arguments if not name.startswith("-")] or modules()
    unknown = sorted(set(wanted) - set(modules()))
    if unknown:
        print(f"no measurement named {', '.join(unknown)}; there are {', '.join(modules())}", file=sys.stderr)
        return 2
    with compiled_modules_are_kept():
        rows, failed = measured(wanted)
    if as_json:
        print(json.dumps(rows, indent=2, default=str))
        return 1 if failed else 0
    table = [("what", "measured", "budget", "", "beside it")]
    for row in rows:
        unit = row.get("unit", "")
        budget = number(row.get("budget"))
        table.append(
            (
                row["name"],
                f"{number(row.get('value'))} {unit}",
                f"{'>= ' if row.get('higher_is_better') else '<= '}{budget} {unit}" if budget else "",
                verdict(row),
                " ".join(part for part in (number(row.get("peer")), row.get("note") or "") if part),
            )
        )
    widths = [max(len(line[column]) for line in table) for column in range(4)]
    for line in table:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[4]]).rstrip())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
