"""Pytest plugin: the seed of the run, one for all of its workers, and the table of what was walked at its end.

No conftest: the process that tells the end of a run over several workers loads none of this room's.
"""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from tests.faults import report

_SEED = "TUINOVA_FAULT_SEED"


def seed() -> int:
    """The sample's: another one walks other cells."""
    return int(os.environ.get(_SEED, "0"))


def pytest_configure(config: pytest.Config) -> None:
    """The whole matrix is walked with another seed each time; workers inherit what the first process chose."""
    if config.getoption("--all"):
        os.environ.setdefault(_SEED, str(random.SystemRandom().randrange(1 << 32)))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The table of what was walked."""
    reports = [one for kind in ("passed", "failed") for one in terminalreporter.stats.get(kind, ())]
    results = [value for one in reports for name, value in getattr(one, "user_properties", ()) if name == "faults"]
    if results:
        terminalreporter.section("faults")
        terminalreporter.write_line(report.heading(seed()))
        for result in sorted(results, key=lambda one: one["row"]):
            terminalreporter.write_line(report.line(result).splitlines()[0])
        terminalreporter.write_line(report.total(results))
