"""`python -m tests.faults [--all] [--seed N] [--learn] [ROW ...]` walks the rows whose names hold one of the words.

The seed chooses cells: without --all it is 0, with it another one each time; the table's heading has it.

With `--serve` it reads names of rows from its input and answers each with a line of JSON: the test does so.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a process that forks has no threads

import tuinova.core.host_feed  # noqa: F401 - brings numpy, once for all children
from tests.faults import known, matrix, report, warm
from tests.faults.cells import Field
from tests.faults.rows import ROWS

_ROOM = 1 << 30


def _place() -> str | None:
    """Memory where there is some, as a kill loses nothing of what was written; None leaves it to TMPDIR."""
    memory = "/dev/shm"
    fits = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM
    return memory if fits and "TMPDIR" not in os.environ else None


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("words", nargs="*")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--learn", action="store_true")
    parser.add_argument("--serve", action="store_true")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(1 << 32) if given.all else 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # what lies in memory goes then too
    directory = Path(tempfile.mkdtemp(prefix="faults-", dir=_place()))
    try:
        warm.warm_up(directory / "warm")
        field = Field(directory)
        if given.serve:
            for line in sys.stdin:
                done = matrix.run_row(field, ROWS[line.strip()], whole=given.all, seed=seed)
                print(json.dumps(done), flush=True)
            return 0
        rows = [row for name, row in ROWS.items() if not given.words or any(word in name for word in given.words)]
        if given.learn:
            known.learn(rows, field)
            return 0
        print(report.heading(seed), flush=True)
        results, began = [], time.monotonic()
        for row in rows:
            results.append(matrix.run_row(field, row, whole=given.all, seed=seed))
            print(report.line(results[-1]), flush=True)
        print(f"{report.total(results)}, {time.monotonic() - began:.0f} s")
        return 1 if report.failures(results) else 0
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
