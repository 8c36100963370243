"""The process that forks a child for every phase of a cell, one for each worker of the run; the table at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults import report

ROOT = Path(__file__).resolve().parents[2]


def seed() -> int:
    """The sample's: another one walks other cells."""
    return int(os.environ.get("TUINOVA_FAULT_SEED", "0"))


@pytest.fixture(scope="session")
def walk(request: pytest.FixtureRequest) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Walks a row by its name."""
    command = [sys.executable, "-m", "tests.faults", "--serve", "--seed", str(seed())]
    command += ["--all"] if request.config.getoption("--all") else []
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as server:

        def walked(name: str) -> dict[str, Any]:
            assert server.stdin is not None
            assert server.stdout is not None
            print(name, file=server.stdin, flush=True)
            answer = server.stdout.readline()
            assert answer, f"the process that forks died at {name}"
            return dict(json.loads(answer))

        yield walked
        assert server.stdin is not None
        server.stdin.close()
        server.wait(30)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The table of what was walked."""
    reports = [one for kind in ("passed", "failed") for one in terminalreporter.stats.get(kind, ())]
    results = [value for one in reports for name, value in getattr(one, "user_properties", ()) if name == "faults"]
    if results:
        terminalreporter.section(f"faults, seed {seed()}")
        for result in sorted(results, key=lambda one: one["row"]):
            terminalreporter.write_line(report.line(result).splitlines()[0])
        terminalreporter.write_line(report.total(results))
