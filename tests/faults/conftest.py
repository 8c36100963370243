"""The process that forks a child for every phase of a cell, one for each worker of the run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.plugin import seed

ROOT = Path(__file__).resolve().parents[2]


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
