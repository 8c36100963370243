"""A service that is killed at any moment of a call loses no guest, and the call can be repeated or taken back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.virt_fake.killing import SCENARIOS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_kill_before_any_change_is_survived(scenario: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.virt_fake.killing", scenario, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert int(done.stdout) >= 2, "the call changed nothing: nothing was tried"
