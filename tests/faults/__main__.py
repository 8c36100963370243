"""`python -m tests.faults [--all] [--seed N] [--learn] [ROW ...]` walks the rows whose names hold one of the words.

With `--serve` it reads names of rows from its input and answers each with a line of JSON: the test does so.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a process that forks has no threads

import tuinova.core.host_feed  # noqa: F401 - brings numpy, once for all children
from tests.faults import matrix, report
from tests.faults.cells import Field
from tests.faults.rows import ROWS


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("words", nargs="*")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--learn", action="store_true")
    parser.add_argument("--serve", action="store_true")
    given = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="faults-"))
    try:
        field = Field(directory)
        if given.serve:
            for line in sys.stdin:
                done = matrix.run_row(field, ROWS[line.strip()], whole=given.all, seed=given.seed)
                print(json.dumps(done), flush=True)
            return 0
        rows = [row for name, row in ROWS.items() if not given.words or any(word in name for word in given.words)]
        if given.learn:
            matrix.learn(rows, field)
            return 0
        results = []
        for row in rows:
            results.append(matrix.run_row(field, row, whole=given.all, seed=given.seed))
            print(report.line(results[-1]), flush=True)
        print(report.total(results))
        return 1 if report.failures(results) else 0
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
